import { clock, when } from "../lib/say";
import { play, playing, seek, speed, SPEEDS, step } from "../replay";
import { at, frame, span } from "../store";

/** Live or replay: scrub, play, step, speed, back to now. */
export function TimeBar() {
  const s = span.value;
  if (!s) return null;
  const start = Date.parse(s.start);
  const end = Date.parse(s.end);
  const time = at.value ?? frame.value?.time ?? end;
  const live = at.value === null;
  return (
    <footer class="timebar" aria-label="Time">
      <div class="time-buttons">
        <button class="button" onClick={() => step(-1)} aria-label="One step back" title="One step back (,)">
          <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true"><path d="M3 2h2v12H3zM14 2v12L6 8z" fill="currentColor" /></svg>
        </button>
        <button class="button" onClick={() => play(!playing.value)} aria-label={playing.value ? "Pause" : "Play"} title="Play or pause (Space)">
          <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
            <path d={playing.value ? "M3 2h4v12H3zM9 2h4v12H9z" : "M4 2v12l10-6z"} fill="currentColor" />
          </svg>
        </button>
        <button class="button" onClick={() => step(1)} disabled={live} aria-label="One step on" title="One step on (.)">
          <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true"><path d="M11 2h2v12h-2zM2 2v12l8-6z" fill="currentColor" /></svg>
        </button>
      </div>
      <span class="time-now">{when(time)}</span>
      <input
        class="scrub" type="range" min={start} max={end} step={Math.max(1, s.step_s * 1000)} value={time}
        aria-label="Moment" aria-valuetext={`${when(time)} UTC`}
        onInput={(e) => {
          playing.value = false;
          seek(Number(e.currentTarget.value));
        }}
      />
      <span class="note time-span">{clock(start, false)} – {clock(end, false)}</span>
      <label class="time-speed">
        <span class="quiet">Speed of replay</span>
        <select value={String(speed.value)} onChange={(e) => { speed.value = Number(e.currentTarget.value); }}>
          {SPEEDS.map((f) => <option key={f} value={f}>{f}×</option>)}
        </select>
      </label>
      {s.live && (
        <button class={live ? "button" : "button primary"} disabled={live} onClick={() => seek(null)}>
          {live ? "Now" : "Back to now"}
        </button>
      )}
    </footer>
  );
}
