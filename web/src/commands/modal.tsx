import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

interface Props {
  title: string;
  onClose: () => void;
  /** At the side, over the whole height. */
  side?: boolean;
  children: ComponentChildren;
}

/** The browser's own modal dialog: it keeps the focus inside, Escape closes it, and the focus goes back where it was. */
export function Modal({ title, onClose, side = false, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const own = dialog.current;
    own?.showModal();
    return () => own?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      class={side ? "modal modal-side" : "modal"}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) onClose();
      }}
    >
      <div class="modal-body">
        <div class="modal-head">
          <h2>{title}</h2>
          <button type="button" class="button small" onClick={onClose} aria-label="Close">
            ×
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}
