// Commands that need no words: one press.
import { api } from "../api/client";
import { takeCommand } from "../connect";
import { trouble } from "../store";
import { bodyOf, draftOf } from "./draft";
import { commandId } from "./ids";
import type { Act } from "./acts";

/** Gives a command at once; why it was not taken is told in the banner. */
export async function sendNow(act: Act, element: string): Promise<void> {
  try {
    takeCommand(await api.command(bodyOf(draftOf(act, element), commandId(), Date.now())));
  } catch (error) {
    trouble.value = error instanceof Error ? error.message : String(error);
  }
}
