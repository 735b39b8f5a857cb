// What became of a command, as steps to show.

export type Phase = "requested" | "accepted" | "executed" | "measured" | "refused" | "failed";

export interface Step {
  phase: Phase;
  label: string;
  /** Wall time; empty while it has not come. */
  at: string;
  look: "done" | "waiting" | "ahead" | "bad";
}

const way: Phase[] = ["requested", "accepted", "executed", "measured"];

export const phaseWords: Record<Phase, string> = {
  requested: "requested",
  accepted: "accepted",
  executed: "executed: devices echo it",
  measured: "measured: physics confirms",
  refused: "refused: nothing has changed",
  failed: "failed: not measured in time",
};

/** Whether nothing more will come. */
export function settled(phase: Phase): boolean {
  return phase === "measured" || phase === "refused" || phase === "failed";
}

/** The four steps of the good way, or those that were gone and the one where it ended. */
export function stepsOf(phase: Phase, at: Record<string, string>): Step[] {
  const ended = phase === "refused" || phase === "failed";
  const reached = ended ? -1 : way.indexOf(phase);
  const steps: Step[] = way.map((one, index) => ({
    phase: one,
    label: phaseWords[one],
    at: at[one] ?? "",
    look: at[one] !== undefined || index <= reached ? "done" : index === reached + 1 && !ended ? "waiting" : "ahead",
  }));
  if (!ended) return steps;
  const gone = steps.filter((step) => step.at !== "");
  return [...gone, { phase, label: phaseWords[phase], at: at[phase] ?? "", look: "bad" }];
}
