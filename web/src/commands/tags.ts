// Safety tags and holds as the commands tell them: the newest word on an element counts.

/** What is needed of a `CommandState`. */
export interface StateLike {
  command: { act: string; element: string; why: string; until: string | null; p_kw: number | null };
  who: string;
  phase: string;
  at: Record<string, string>;
}

export interface Tag {
  element: string;
  who: string;
  why: string;
  since: string;
}

export interface Hold {
  who: string;
  p_kw: number | null;
  until: string;
}

const moment = (state: StateLike): string => Object.values(state.at).sort()[0] ?? "";

/** What was not refused and has not failed, oldest first. */
function valid(states: StateLike[]): StateLike[] {
  return states
    .filter((state) => state.phase !== "refused" && state.phase !== "failed")
    .sort((a, b) => moment(a).localeCompare(moment(b)));
}

/** Tags that are set, by element. `states` may be in any order. */
export function tagsOf(states: StateLike[]): Map<string, Tag> {
  const tags = new Map<string, Tag>();
  for (const state of valid(states)) {
    const { act, element, why } = state.command;
    if (act === "tag") tags.set(element, { element, who: state.who, why, since: moment(state) });
    if (act === "untag") tags.delete(element);
  }
  return tags;
}

/** Holds and limits that are in force at a grid time [ms], by element; "default" without an element ends all. */
export function holdsOf(states: StateLike[], now: number): Map<string, Hold> {
  const holds = new Map<string, Hold>();
  for (const state of valid(states)) {
    const { act, element, until, p_kw } = state.command;
    if (act === "default" && element === "") holds.clear();
    if (act === "default" || act === "free") holds.delete(element);
    if ((act === "hold" || act === "limit") && until !== null && Date.parse(until) > now) {
      holds.set(element, { who: state.who, p_kw, until });
    }
  }
  return holds;
}
