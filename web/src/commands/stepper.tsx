import type { CommandState } from "../api/nouns";
import { clock } from "../lib/say";
import { stepsOf, type Step } from "./phases";

const MARK: Record<Step["look"], string> = { done: "✓", waiting: "…", ahead: "", bad: "✕" };

/** Requested, accepted, executed, measured, with the wall time of each; or where it ended and why. */
export function Stepper({ state }: { state: CommandState }) {
  return (
    <div class="stepper" role="status">
      <ol>
        {stepsOf(state.phase, state.at).map((step) => (
          <li key={step.phase} class={`step step-${step.look}`} aria-current={step.look === "waiting" ? "step" : undefined}>
            <span class="step-mark" aria-hidden="true">{MARK[step.look]}</span>
            <span>{step.label}</span>
            <time>{step.at ? clock(step.at) : step.look === "waiting" ? "waiting" : ""}</time>
          </li>
        ))}
      </ol>
      {state.text && <p class={state.phase === "refused" || state.phase === "failed" ? "bad" : ""}>{state.text}</p>}
    </div>
  );
}
