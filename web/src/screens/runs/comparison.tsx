import { api, Refusal } from "../../api/client";
import type { RunInfo, Score } from "../../api/nouns";
import { useAsked } from "../../lib/asked";
import { when } from "../../lib/say";
import { span } from "../../store";
import { barOf, bestOf, shownAs } from "./compare";

/** The strategies of a run side by side; without a run, the score of what is shown. */
export function Comparison({ run }: { run: RunInfo | null }) {
  const other = run !== null && !run.shown;
  const { value, error } = useAsked(() => (other ? api.runScore(run.id) : api.score()).catch(nothingYet), [run?.id ?? ""], 10_000);
  return (
    <section class="panel" aria-labelledby="comparison-title">
      <header>
        <h2 id="comparison-title">{value?.title || "Strategies side by side"}</h2>
        {run && <p class="note">{run.scenario}, {when(run.start, false)} UTC, {run.days} {run.days === 1 ? "day" : "days"}{other ? "" : ", the run shown"}</p>}
        {value && !value.complete && <p class="note is-binds">not complete yet</p>}
      </header>
      {error && <p class="note" role="status">{error}</p>}
      {value && value.figures.length > 0 && <Figures score={value} />}
      {value && value.figures.length === 0 && (
        <p>{span.value?.live ? "There is nothing to compare yet; the score card comes when the time has been lived." : "This run has one strategy only."}</p>
      )}
    </section>
  );
}

const NOTHING: Score = { title: "", strategies: [], figures: [], complete: true };

/** 404: nothing to compare yet. That is no trouble. */
function nothingYet(error: unknown): Score {
  if (error instanceof Refusal && error.status === 404) return NOTHING;
  throw error;
}

function Figures({ score }: { score: Score }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Table of the strategies">
      <table class="comparison">
        <thead>
          <tr>
            <th scope="col">Figure</th>
            {score.strategies.map((name) => <th key={name} scope="col" class="n">{name}</th>)}
          </tr>
        </thead>
        <tbody>
          {score.figures.map((figure) => {
            const best = bestOf(figure, score.strategies);
            return (
              <tr key={figure.name}>
                <th scope="row">{figure.title} {figure.unit && figure.unit !== "1" && <span class="note">{figure.unit}</span>}</th>
                {score.strategies.map((name) => {
                  const value = figure.values[name];
                  const bar = barOf(figure, score.strategies, name);
                  const wins = best.has(name);
                  return (
                    <td key={name} class={wins ? "best" : ""}>
                      <span class="figure">{shownAs(value)}{wins && <><span aria-hidden="true"> ★</span><span class="quiet"> best</span></>}</span>
                      {bar && (
                        <svg class="figure-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                          <rect x={100 * bar.from} width={Math.max(bar.length > 0 ? 0.6 : 0, 100 * bar.length)} height="6" />
                        </svg>
                      )}
                    </td>
                  );
                })}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
