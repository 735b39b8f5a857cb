import { useEffect, useRef } from "preact/hooks";

import { helpOpen, KEYS } from "./keys";

export function Help() {
  const box = useRef<HTMLDialogElement>(null);
  const open = helpOpen.value;
  useEffect(() => {
    if (open && box.current && !box.current.open) box.current.showModal();
  }, [open]);
  if (!open) return null;
  const close = (): void => {
    box.current?.close();
    helpOpen.value = false;
  };
  return (
    <dialog ref={box} onClose={close} aria-labelledby="help-title">
      <h2 id="help-title">Keys</h2>
      <dl class="keys">
        {KEYS.map(([key, what]) => (
          <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>
        ))}
      </dl>
      <h2>How to read it</h2>
      <p>Grey is normal. Colour is only for what is not: red is broken or about to be, orange wants a person, green is well
      again, blue is good to know. “?” is a number that is not known. Positive power is drawn; at a boundary it flows into the
      cell. All times are UTC.</p>
      <p class="dialog-end"><button class="button primary" onClick={close} autoFocus>Close</button></p>
    </dialog>
  );
}
