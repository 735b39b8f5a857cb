// Which dialog is open. Screens set these; `Dialogs`, once on the page, shows them.
import { signal } from "@preact/signals";

import type { Why } from "../api/nouns";
import type { Act } from "./acts";

export interface CommandAsked {
  act: Act;
  element: string;
}

export interface WhyAsked {
  subject: Why["subject"];
  element: string;
  /** What was said already, where nothing more may be recorded. */
  said?: string;
}

export const commandAsked = signal<CommandAsked | null>(null);
export const whyAsked = signal<WhyAsked | null>(null);
export const signInAsked = signal(false);
/** The list of commands. */
export const listAsked = signal(false);

export function askCommand(act: Act, element: string): void {
  whyAsked.value = null;
  listAsked.value = false;
  commandAsked.value = { act, element };
}

export function askWhy(question: WhyAsked): void {
  whyAsked.value = question;
}
