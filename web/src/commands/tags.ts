// Safety tags as the commands tell them: the newest word on an element counts.

/** What is needed of a `CommandState`. */
export interface StateLike {
  command: { act: string; element?: string; why?: string };
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

/** Tags that are set, by element. `states` may be in any order. */
export function tagsOf(states: StateLike[]): Map<string, Tag> {
  const moment = (state: StateLike): string => Object.values(state.at).sort()[0] ?? "";
  const tags = new Map<string, Tag>();
  for (const state of [...states].sort((a, b) => moment(a).localeCompare(moment(b)))) {
    if (state.phase === "refused" || state.phase === "failed") continue;
    const element = state.command.element ?? "";
    if (state.command.act === "tag") {
      tags.set(element, { element, who: state.who, why: state.command.why ?? "", since: moment(state) });
    }
    if (state.command.act === "untag") tags.delete(element);
  }
  return tags;
}
