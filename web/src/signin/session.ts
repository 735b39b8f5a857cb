// Signing in and out: a token for a cookie that scripts cannot read.
import { signal } from "@preact/signals";

import { api } from "../api/client";
import { me, trouble } from "../store";
import { tokenIn } from "./token";

/** Read at once: the address is written anew as soon as the page knows its place. */
const linked = tokenIn(location.hash);
if (linked) history.replaceState(null, "", location.pathname + location.search);

export const signingIn = signal(false);

export async function signIn(token: string): Promise<void> {
  signingIn.value = true;
  try {
    me.value = await api.signIn(token.trim());
  } finally {
    signingIn.value = false;
  }
}

export async function signOut(): Promise<void> {
  await api.signOut();
  me.value = await api.me();
}

let used = false;

/** Exchanges the token of the link the page was opened with, once. */
export function followLink(): void {
  if (!linked || used) return;
  used = true;
  signIn(linked).catch((error: unknown) => {
    trouble.value = `The link to sign in does not hold: ${error instanceof Error ? error.message : String(error)}`;
  });
}
