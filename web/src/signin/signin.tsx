import { useEffect } from "preact/hooks";

import { Dialogs } from "../commands/dialogs";
import { signInAsked } from "../commands/asking";
import { Operator } from "../commands/operator";
import { area, me, trouble } from "../store";
import { followLink, signOut } from "./session";

/** The operator's corner of the header, and the dialogs that open from anywhere. */
export function SignIn() {
  const who = me.value;
  const known = area.value !== null;
  useEffect(() => {
    if (known) followLink();
  }, [known]);
  const leave = (): void => {
    signOut().catch((error: unknown) => {
      trouble.value = error instanceof Error ? error.message : String(error);
    });
  };
  return (
    <>
      <Operator />
      {(area.value?.acts.length ?? 0) > 0 && (
        <span class="who">
          {who.signed_in ? <span class="note">{who.name} ({who.role})</span> : <span class="note wide">read only</span>}
          {who.signed_in
            ? <button type="button" class="button small" onClick={leave}>Sign out</button>
            : <button type="button" class="button small" onClick={() => { signInAsked.value = true; }}>Sign in</button>}
        </span>
      )}
      <Dialogs />
    </>
  );
}
