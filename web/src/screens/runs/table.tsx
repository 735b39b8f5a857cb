import { useState } from "preact/hooks";

import type { RunInfo } from "../../api/nouns";
import { when } from "../../lib/say";

/** All runs, newest first: what they were, which one is compared, and how to show another. */
export function RunTable({ runs, chosen, onChoose }: { runs: RunInfo[]; chosen: string; onChoose: (id: string) => void }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Table of finished runs">
      <table class="runs">
        <thead>
          <tr>
            <th scope="col"><span class="quiet">Compared</span></th><th scope="col">Scenario</th><th scope="col">Begins</th>
            <th scope="col" class="n">Days</th><th scope="col">Forecast</th><th scope="col" class="n">Seed</th>
            <th scope="col">Strategies</th><th scope="col">Made</th><th scope="col">Show it</th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.id} class={run.id === chosen ? "chosen" : ""}>
              <td>
                <input type="radio" name="run" checked={run.id === chosen} onChange={() => onChoose(run.id)}
                  aria-label={`Compare the strategies of ${run.id}`} />
              </td>
              <th scope="row">{run.scenario}{!run.complete && <span class="is-binds"> not complete</span>}</th>
              <td>{when(run.start, false)}</td>
              <td class="n">{run.days}</td>
              <td>{run.forecast}</td>
              <td class="n">{run.seed}</td>
              <td>{run.strategies.join(", ")}</td>
              <td>{when(run.made, false)}</td>
              <td>{run.shown ? <b>shown now</b> : <Copy text={`archipel serve ${run.id}`} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A command line, and a button that copies it. */
function Copy({ text }: { text: string }) {
  const [told, tell] = useState("");
  const copy = (): void => {
    navigator.clipboard.writeText(text).then(() => tell("copied"), () => tell("select it and copy by hand"));
  };
  return (
    <span class="copy">
      <code>{text}</code>
      <button type="button" class="button small" onClick={copy}>Copy</button>
      <span class="note" role="status">{told}</span>
    </span>
  );
}
