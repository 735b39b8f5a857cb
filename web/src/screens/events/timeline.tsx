import type { Card } from "../../api/nouns";
import { clock } from "../../lib/say";
import { seek } from "../../replay";
import { at, frame, span } from "../../store";
import { marksOf, severities } from "./groups";

const LANE = 20;
const TOP = 4;
const HOUR_MS = 3_600_000;
const HEIGHT = TOP + severities.length * LANE + 20;
const WORDS = { alarm: "Alarm", action: "Action", compliant: "Compliant", information: "Information" } as const;

/** The span that can be shown, with one lane for each severity; a click goes to that moment. */
export function Timeline({ cards }: { cards: Card[] }) {
  const whole = span.value;
  if (!whole) return null;
  const end = Date.parse(whole.end);
  // A live system has no end: the last day of it.
  const start = Math.max(Date.parse(whole.start), end - 24 * HOUR_MS);
  const marks = marksOf(cards, start, end);
  const now = at.value ?? frame.value?.time ?? end;
  const x = (moment: number): number => (100 * (moment - start)) / Math.max(1, end - start);
  const go = (event: MouseEvent & { currentTarget: SVGSVGElement }): void => {
    const box = event.currentTarget.getBoundingClientRect();
    seek(start + ((event.clientX - box.left) / box.width) * (end - start));
  };
  return (
    <div class="timeline">
      <ul class="timeline-lanes" aria-hidden="true">{severities.map((severity) => <li key={severity}>{WORDS[severity]}</li>)}</ul>
      <div class="timeline-day">
        <svg viewBox={`0 0 100 ${HEIGHT}`} height={HEIGHT} preserveAspectRatio="none" onClick={go} role="img"
          aria-label={`${marks.length} cards between ${clock(start, false)} and ${clock(end, false)}; the list below goes to each of them`}>
          {severities.map((severity, lane) => (
            <path key={severity} class="timeline-lane" d={`M0 ${TOP + (lane + 0.5) * LANE}H100`} vector-effect="non-scaling-stroke" />
          ))}
          {hours(start, end).map((hour) => (
            <path key={hour} class="timeline-hour" d={`M${x(hour)} 0V${TOP + severities.length * LANE}`} vector-effect="non-scaling-stroke" />
          ))}
          {marks.map(({ card, from, to, lane }) => (
            <rect key={card.id} class={`timeline-mark mark-${card.severity} ${card.ended ? "" : "mark-open"}`}
              x={100 * from} y={TOP + lane * LANE + 4} width={Math.max(0.5, 100 * (to - from))} height={LANE - 8}>
              <title>{`${clock(card.begun)} ${card.title}`}</title>
            </rect>
          ))}
          <path class="timeline-now" d={`M${x(now)} 0V${TOP + severities.length * LANE}`} vector-effect="non-scaling-stroke" />
        </svg>
        <div class="timeline-scale note" aria-hidden="true">
          {hours(start, end).map((hour) => <span key={hour} style={{ left: `${x(hour)}%` }}>{clock(hour, false)}</span>)}
        </div>
      </div>
    </div>
  );
}

/** Full hours of the scale, at most nine of them. */
function hours(start: number, end: number): number[] {
  const span_h = (end - start) / HOUR_MS;
  const step = [1 / 12, 0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 168].find((one) => span_h / one <= 9) ?? 720;
  const first = Math.ceil(start / (step * HOUR_MS)) * step * HOUR_MS;
  const marks: number[] = [];
  for (let at = first; at <= end; at += step * HOUR_MS) marks.push(at);
  return marks;
}
