import type { ComponentChildren } from "preact";

import { go, href } from "../router";

interface Props {
  to: string;
  extra?: Record<string, string>;
  class?: string;
  current?: boolean;
  title?: string;
  children: ComponentChildren;
}

/** A link inside the page: keeps time and strategy, and can still be opened in another tab. */
export function Link({ to, extra, children, current, ...rest }: Props) {
  const click = (event: MouseEvent): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(to, extra);
  };
  return (
    <a href={href(to, extra)} onClick={click} aria-current={current ? "page" : undefined} {...rest}>
      {children}
    </a>
  );
}

export const toCell = (id: string): string => `/cell/${encodeURIComponent(id)}`;
