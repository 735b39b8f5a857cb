// What the page knows, as signals: a component that reads `.value` is drawn again when it changes.
import { computed, signal } from "@preact/signals";

import type { Area, Card, CommandState, Me, Scene, Score, Severity, Span } from "./api/nouns";
import type { Frame } from "./api/frame";

/** Everything that does not change; null until the first answer. */
export const area = signal<Area | null>(null);
export const span = signal<Span | null>(null);
/** The frame on the screen: the newest when live, the one at `at` in replay; null where none is known. */
export const frame = signal<Frame | null>(null);
/** The same moment without coordination, where that is known, else null; live only its tables `area` and `cells`. */
export const beside = signal<Frame | null>(null);
/** Moment in replay [ms since 1970]; null: live, now. */
export const at = signal<number | null>(null);
export const strategy = signal("");
export const me = signal<Me>({ name: "", role: "view", signed_in: false });
export const cards = signal<Card[]>([]);
/** Whether `cards` is what the server said; before, nothing is known of them. */
export const cardsKnown = signal(false);
/** Newest first. */
export const commands = signal<CommandState[]>([]);
export const story = signal<Scene | null>(null);
export const score = signal<Score | null>(null);

export type Link = "connecting" | "open" | "lost";
export const link = signal<Link>("connecting");
/** Wall time of the last sign of life of the server [ms, this machine's clock]. */
export const heard = signal(0);
/** Server's clock less this machine's [ms]. */
export const offset = signal(0);
/** This machine's clock, ticking every second: what shows an age reads it. */
export const now = signal(Date.now());
/** What went wrong at last, for a person; empty: nothing. */
export const trouble = signal("");

export const replaying = computed(() => at.value !== null);

/** What a query for the shown moment carries: nothing when live, the moment in replay. */
export const asked = computed(() => {
  const time = at.value === null ? undefined : new Date(at.value).toISOString();
  return { ...(time && { time }), ...(strategy.value && { strategy: strategy.value }) };
});

/** Row of a cell, tie or device by its id. */
export const rows = computed(() => {
  const a = area.value;
  const index = (ids: string[]) => new Map(ids.map((id, i) => [id, i]));
  return {
    cells: index(a ? a.cells.map((c) => c.id) : []),
    ties: index(a ? a.ties.map((t) => t.id) : []),
    nodes: index(a ? a.nodes.id : []),
    branches: index(a ? a.branches.id : []),
    devices: index(a ? a.devices.id : []),
  };
});

/** Wall seconds between two live frames that are expected. */
export const period_s = computed(() => {
  const s = span.value;
  return s && s.live ? Math.max(s.step_s / Math.max(s.factor, 1e-9), 0.2) : 0;
});

const PERIODS = 3;

/** Age in seconds of what is shown; 0 in replay, where nothing ages. */
export const age_s = computed(() => {
  const f = frame.value;
  if (at.value !== null || !f || !f.live) return 0;
  return Math.max(0, (now.value + offset.value - f.measured) / 1000);
});

/** Whether nothing on the page can be trusted to be now. */
export const pageStale = computed(
  () => at.value === null && span.value?.live === true
    && (link.value === "lost" || frame.value?.last === true || age_s.value > Math.max(PERIODS * period_s.value, 1)),
);

/** Age of a cell's own values [s]; null where it is not told. */
export function cellAge(i: number): number | null {
  const own = frame.value?.cells.age_s?.[i];
  if (own === undefined || Number.isNaN(own)) return null;
  return own + age_s.value;
}

/** Whether the values of cell `i` are older than three periods; then they are greyed with their age. */
export function cellStale(i: number): boolean {
  if (at.value !== null) return frame.value?.cells.level?.[i] === 5;
  const age = cellAge(i);
  return pageStale.value || (age !== null && age > Math.max(PERIODS * period_s.value, 1));
}

export const SEVERITIES: Severity[] = ["alarm", "action", "compliant", "information"];

export const openCards = computed(() => {
  const count: Record<Severity, number> = { alarm: 0, action: 0, compliant: 0, information: 0 };
  const moment = at.value;
  for (const card of cards.value) {
    const over = card.ended !== null && (moment === null || Date.parse(card.ended) <= moment);
    const ahead = moment !== null && Date.parse(card.begun) > moment;
    if (!over && !ahead) count[card.severity] += 1;
  }
  return count;
});
