import { useState } from "preact/hooks";

import { Modal } from "../commands/modal";
import { signInAsked } from "../commands/asking";
import { signIn, signingIn } from "./session";

/** Asks for the token that `archipel serve` printed. */
export function SignInDialog() {
  if (!signInAsked.value) return null;
  const close = (): void => {
    signInAsked.value = false;
  };
  return <Modal title="Sign in" onClose={close}><Form onClose={close} /></Modal>;
}

function Form({ onClose }: { onClose: () => void }) {
  const [token, change] = useState("");
  const [wrong, setWrong] = useState("");
  const send = (event: Event): void => {
    event.preventDefault();
    if (!token.trim()) {
      setWrong("Type or paste a token first.");
      return;
    }
    signIn(token).then(onClose, (error: unknown) => setWrong(error instanceof Error ? error.message : String(error)));
  };
  return (
    <form class="command-form" onSubmit={send} noValidate>
      <p class="intent">The server printed a token when it began, one for each role. With it you may give commands.</p>
      <div class="field">
        <label for="signin-token">Token</label>
        <input id="signin-token" type="password" autocomplete="current-password" autofocus value={token}
          aria-invalid={wrong !== ""} aria-describedby="signin-wrong" onInput={(event) => change(event.currentTarget.value)} />
        <p id="signin-wrong" class="hint bad" role="alert">{wrong}</p>
      </div>
      <div class="modal-foot">
        <button type="button" class="button" onClick={onClose}>Cancel</button>
        <button type="submit" class="button primary" aria-busy={signingIn.value}>Sign in</button>
      </div>
    </form>
  );
}
