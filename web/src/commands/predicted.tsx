import { useEffect, useState } from "preact/hooks";

import type { Selection } from "../api/nouns";
import { offset } from "../store";
import { Reasons } from "../why/reasons";
import { takeFocus } from "./focus";

interface Props {
  selection: Selection;
  busy: boolean;
  onOperate: () => void;
  onAgain: () => void;
}

const MOST_S = 30;

/** What a switching would do, and the half minute in which it can be operated. */
export function Predicted({ selection, busy, onOperate, onAgain }: Props) {
  const left = useSecondsUntil(selection.valid_until);
  const over = left <= 0;
  return (
    <section class="predicted" aria-label="What it would do">
      <p class={selection.allowed ? "why-text" : "why-text bad"}>{selection.text}</p>
      <Reasons reasons={selection.effects} />
      {selection.allowed && (
        <p class="countdown">
          <span class="share" aria-hidden="true"><i style={{ width: `${(100 * left) / MOST_S}%` }} /></span>
          <span role="timer">{over ? "The selection has lapsed." : `${left} s left to operate`}</span>
        </p>
      )}
      <div class="modal-foot">
        <button type="button" class="button" onClick={onAgain} ref={selection.allowed ? null : takeFocus}>Back</button>
        {selection.allowed && !over && (
          <button type="button" class="button primary" onClick={onOperate} aria-busy={busy} ref={takeFocus}>Operate</button>
        )}
        {over && <button type="button" class="button primary" onClick={onAgain} ref={takeFocus}>Select again</button>}
      </div>
    </section>
  );
}

/** Whole seconds until a moment of the server's clock, counting down. */
function useSecondsUntil(moment: string): number {
  const seconds = (): number =>
    Math.max(0, Math.min(MOST_S, Math.ceil((Date.parse(moment) - Date.now() - offset.value) / 1000)));
  const [left, set] = useState(seconds);
  useEffect(() => {
    const timer = window.setInterval(() => set(seconds()), 250);
    return () => clearInterval(timer);
  }, [moment]);
  return left;
}
