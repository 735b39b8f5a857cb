/** As `ref` of what shall have the focus when it appears in an open dialog: the browser looks at `autofocus` only once. */
export function takeFocus(element: HTMLElement | null): void {
  element?.focus();
}
