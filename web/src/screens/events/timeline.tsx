import { api } from "../../api/client";
import type { Card } from "../../api/nouns";
import { useAsked } from "../../lib/asked";
import { clock } from "../../lib/say";
import { seek } from "../../replay";
import { at, frame, span, strategy } from "../../store";
import { useWidth } from "../width";
import { marksOf, severities, type Mark } from "./groups";

const LINE = 8;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** More lines than this are drawn over each other: the list says the rest. */
const LINES_MAX = 7;
const WORDS = { alarm: "Alarm", action: "Action", compliant: "Compliant", information: "Information" } as const;

/** The day of a moment: in replay all of it, live the last 24 h. */
function dayOf(moment: number): { start: number; end: number } {
  const first = Date.parse(span.value!.start);
  const last = Math.max(Date.parse(span.value!.end), moment);
  if (at.value === null) return { start: Math.max(first, last - DAY_MS), end: last };
  const start = first + Math.floor((moment - first) / DAY_MS) * DAY_MS;
  return { start, end: Math.max(start + HOUR_MS, Math.min(start + DAY_MS, last)) };
}

/** A day with one lane for each severity; a click goes to that moment. `keep` says which cards are wanted. */
export function Timeline({ known, keep }: { known: Card[]; keep: (card: Card) => boolean }) {
  const moment = at.value ?? frame.value?.time ?? Date.parse(span.value!.end);
  const { start, end } = dayOf(moment);
  const replay = at.value !== null;
  const way = strategy.value;
  const [box, room] = useWidth();
  // What comes later than the moment shown is part of the day as well.
  const { value: whole } = useAsked(
    (signal) => (replay ? api.cards({ time: new Date(end).toISOString(), strategy: way }, signal) : Promise.resolve(null)),
    [start, way, replay], 60_000,
  );
  const marks = marksOf(together(known, whole).filter(keep), start, end, whole ? end : moment);
  const lanes = severities.map((_, lane) => {
    const lines = Math.max(0, ...marks.filter((mark) => mark.lane === lane).map((mark) => mark.line + 1));
    return Math.max(2, Math.min(LINES_MAX, lines)) * LINE + 4;
  });
  const tops = lanes.map((_, lane) => lanes.slice(0, lane).reduce((sum, height) => sum + height, 0));
  const height = lanes.reduce((sum, one) => sum + one, 0);
  const scale = hours(start, end, Math.max(2, room / 80));
  const x = (time: number): number => (100 * (time - start)) / Math.max(1, end - start);
  const y = (mark: Mark<Card>): number => tops[mark.lane]! + 3 + (mark.line % LINES_MAX) * LINE;
  const go = (event: MouseEvent & { currentTarget: SVGSVGElement }): void => {
    const box = event.currentTarget.getBoundingClientRect();
    seek(start + ((event.clientX - box.left) / box.width) * (end - start));
  };
  return (
    <div class="timeline">
      <ul class="timeline-lanes" aria-hidden="true">
        {severities.map((severity, lane) => <li key={severity} style={{ height: `${lanes[lane]}px` }}>{WORDS[severity]}</li>)}
      </ul>
      <div class="timeline-day" ref={box}>
        <svg viewBox={`0 0 100 ${height}`} height={height} preserveAspectRatio="none" onClick={go} role="img"
          aria-label={`${marks.length} cards between ${clock(start, false)} and ${clock(end, false)}; the list below goes to each of them`}>
          {tops.map((top, lane) => <path key={lane} class="timeline-lane" d={`M0 ${top + lanes[lane]!}H100`} vector-effect="non-scaling-stroke" />)}
          {scale.map((hour) => (
            <path key={hour} class="timeline-hour" d={`M${x(hour)} 0V${height}`} vector-effect="non-scaling-stroke" />
          ))}
          {marks.map((mark) => (
            <rect key={mark.card.id} class={`timeline-mark mark-${mark.card.severity}`}
              x={100 * mark.from} y={y(mark)} width={100 * (mark.to - mark.from)} height={LINE - 2}>
              <title>{`${clock(mark.card.begun)} ${mark.card.title}`}</title>
            </rect>
          ))}
          <path class="timeline-now" d={`M${x(moment)} 0V${height}`} vector-effect="non-scaling-stroke" />
        </svg>
        <div class="timeline-scale note" aria-hidden="true">
          {scale.map((hour) => (
            <span key={hour} class={x(hour) < 4 ? "first" : x(hour) > 96 ? "last" : ""} style={{ left: `${x(hour)}%` }}>{clock(hour, false)}</span>
          ))}
        </div>
      </div>
    </div>
  );
}

/** Cards of the whole day; those of the moment with the severity they have at that moment. */
function together(known: Card[], whole: Card[] | null): Card[] {
  if (!whole) return known;
  const now = new Map(known.map((card) => [card.id, card]));
  return whole.map((card) => ({ ...card, severity: now.get(card.id)?.severity ?? card.severity }));
}

/** Full hours of the scale, at most `most` of them. */
function hours(start: number, end: number, most: number): number[] {
  const span_h = (end - start) / HOUR_MS;
  const step = [1 / 60, 1 / 12, 0.25, 0.5, 1, 2, 3, 6, 12, 24].find((one) => span_h / one <= most) ?? 48;
  const first = Math.ceil(start / (step * HOUR_MS)) * step * HOUR_MS;
  const marks: number[] = [];
  for (let time = first; time <= end; time += step * HOUR_MS) marks.push(time);
  return marks;
}
