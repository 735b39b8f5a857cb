// From what is typed into a dialog to a `Command`: checked here so that a person learns of a mistake at once. The server
// checks again; nothing relies on this.

import type { Command } from "../api/nouns";
import { acts, type Act } from "./acts";

export interface Draft {
  act: Act;
  element: string;
  why: string;
  hours: string;
  import_kw: string;
  export_kw: string;
  p_kw: string;
}

/** What a value may be, said in the dialog and checked. */
export interface Room {
  p_kw_min?: number | null;
  p_kw_max?: number | null;
  import_kw_max?: number | null;
  export_kw_max?: number | null;
}

export type Mistakes = Partial<Record<keyof Draft, string>>;

export const HOURS_MAX = 24;

export function draftOf(act: Act, element: string): Draft {
  return { act, element, why: "", hours: "1", import_kw: "", export_kw: "", p_kw: "" };
}

/** Mistakes by field; empty where the draft can be sent. */
export function mistakesIn(draft: Draft, room: Room): Mistakes {
  const mistakes: Mistakes = {};
  const words = acts[draft.act];
  if (words.reason === "needed" && !draft.why.trim()) mistakes.why = "Say why: who comes next will read it.";
  if (words.expires) {
    const hours = numberIn(draft.hours);
    if (hours === null || hours <= 0 || hours > HOURS_MAX) mistakes.hours = `Between 0 and ${HOURS_MAX} h.`;
  }
  if (words.asks === "power") {
    const p_kw = numberIn(draft.p_kw);
    if (p_kw === null) mistakes.p_kw = "A number of kW; below 0 it gives.";
    else if (known(room.p_kw_min) && p_kw < room.p_kw_min) mistakes.p_kw = `Not below ${room.p_kw_min} kW, its nameplate.`;
    else if (known(room.p_kw_max) && p_kw > room.p_kw_max) mistakes.p_kw = `Not above ${room.p_kw_max} kW, its nameplate.`;
  }
  if (words.asks === "limits") {
    if (!draft.import_kw.trim() && !draft.export_kw.trim()) mistakes.import_kw = "Give at least one of the two.";
    limitMistake(draft.import_kw, room.import_kw_max, "import_kw", mistakes);
    limitMistake(draft.export_kw, room.export_kw_max, "export_kw", mistakes);
  }
  return mistakes;
}

function limitMistake(text: string, most: number | null | undefined, field: "import_kw" | "export_kw", into: Mistakes) {
  if (!text.trim()) return;
  const kw = numberIn(text);
  if (kw === null || kw < 0) into[field] = "A number of kW, not below 0.";
  else if (known(most) && kw > most) into[field] = `Not above ${most} kW, the firm limit.`;
}

/** The command of a draft without mistakes. `now` is grid time [ms since 1970]. */
export function bodyOf(draft: Draft, id: string, now: number, selection = ""): Command {
  const words = acts[draft.act];
  const limits = words.asks === "limits";
  return {
    id,
    act: draft.act,
    element: draft.element,
    why: draft.why.trim(),
    until: words.expires ? new Date(now + Number(draft.hours.replace(",", ".")) * 3_600_000).toISOString() : null,
    import_kw_max: limits ? numberIn(draft.import_kw) : null,
    export_kw_max: limits ? numberIn(draft.export_kw) : null,
    p_kw: words.asks === "power" ? numberIn(draft.p_kw) : null,
    selection,
  };
}

function numberIn(text: string): number | null {
  const value = Number(text.trim().replace(",", "."));
  return text.trim() === "" || !Number.isFinite(value) ? null : value;
}

function known(value: number | null | undefined): value is number {
  return value !== null && value !== undefined;
}
