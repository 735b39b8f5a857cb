import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import type { Score } from "../api/nouns";
import { known, num } from "../lib/say";
import { area, score, story } from "../store";

/** Whether the score card is open; `openScore()` opens it, the end of the demonstration too. */
const open = signal(false);
/** In this tab: the score has opened by itself once; it does not again when the page is loaded anew. */
const SEEN = "archipel-score-seen";

export function openScore(): void {
  open.value = true;
}

/** The strategies side by side, the best of each line marked. */
export function ScoreTable({ score: s }: { score: Score }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={s.title}>
      <table class="score">
        <thead>
          <tr><th scope="col">Figure</th>{s.strategies.map((name) => <th key={name} scope="col" class="n">{name}</th>)}</tr>
        </thead>
        <tbody>
          {s.figures.map((figure) => {
            const best = bestOf(figure.best, s.strategies.map((name) => figure.values[name]));
            return (
              <tr key={figure.name}>
                <th scope="row">{figure.title}{figure.unit && <span class="note"> {figure.unit}</span>}</th>
                {s.strategies.map((name) => {
                  const value = figure.values[name];
                  const wins = known(value) && value === best;
                  return (
                    <td key={name} class={wins ? "n best" : "n"}>
                      {wins && <span aria-hidden="true">★ </span>}{say(value)}{wins && <span class="quiet"> (best)</span>}
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

function say(value: number | null | undefined): string {
  if (!known(value)) return "?";
  const size = Math.abs(value);
  return num(value, size >= 1000 ? 0 : size >= 10 ? 1 : size >= 0.01 || size === 0 ? 2 : 4);
}

/** The best value of a line; null where all are alike, nothing is best, or nothing is known. */
function bestOf(rule: "low" | "high" | "", values: (number | null | undefined)[]): number | null {
  const all = values.filter(known);
  if (!rule || all.length < 2 || all.every((v) => v === all[0])) return null;
  return rule === "low" ? Math.min(...all) : Math.max(...all);
}

export function ScoreDialog() {
  const box = useRef<HTMLDialogElement>(null);
  const s = score.value;
  const scene = story.value;
  if (scene && scene.number < scene.of) sessionStorage.removeItem(SEEN);
  if (s?.complete && area.value?.kind === "demo" && !sessionStorage.getItem(SEEN)) {
    sessionStorage.setItem(SEEN, "yes");
    open.value = true;
  }
  useEffect(() => {
    const dialog = box.current;
    if (open.value && dialog && !dialog.open) dialog.showModal();
  }, [open.value]);
  if (!open.value || !s) return null;
  const close = (): void => {
    box.current?.close();
    open.value = false;
  };
  return (
    <dialog ref={box} onClose={close} aria-labelledby="score-title">
      <h2 id="score-title">{s.title}</h2>
      <ScoreTable score={s} />
      {!s.complete && <p class="note">Not complete yet.</p>}
      <p class="dialog-end"><button class="button primary" onClick={close} autoFocus>Close</button></p>
    </dialog>
  );
}
