// Cards put together by cause, sifted and ordered; and their marks on the timeline of a day.

export type Severity = "alarm" | "action" | "compliant" | "information";

export const severities: Severity[] = ["alarm", "action", "compliant", "information"];

/** What is needed of a `Card`. */
export interface CardLike {
  id: string;
  severity: Severity;
  title: string;
  text: string;
  cause: string;
  begun: string;
  ended?: string | null;
  cell?: string;
  element?: string;
  children?: string[];
  acknowledged_by?: string;
}

export interface Group<C extends CardLike> {
  cause: string;
  /** The gravest open card, the newest of equals. */
  head: C;
  /** Other cards of the same cause, newest first. */
  others: C[];
}

/** One group per cause: open ones first, then by severity, then newest first. */
export function groupsOf<C extends CardLike>(cards: C[]): Group<C>[] {
  const causes = new Map<string, C[]>();
  for (const card of cards) {
    const key = card.cause || card.id;
    causes.set(key, [...(causes.get(key) ?? []), card]);
  }
  const groups = [...causes].map(([cause, members]) => {
    const [head, ...others] = [...members].sort(graver);
    return { cause, head: head!, others: others.sort((a, b) => b.begun.localeCompare(a.begun)) };
  });
  return groups.sort((a, b) => graver(a.head, b.head));
}

function graver(a: CardLike, b: CardLike): number {
  return (
    Number(Boolean(a.ended)) - Number(Boolean(b.ended)) ||
    severities.indexOf(a.severity) - severities.indexOf(b.severity) ||
    b.begun.localeCompare(a.begun)
  );
}

/** Whether a card is of one of the severities, still open if only those are asked for, and holds all words. */
export function passes(card: CardLike, shown: ReadonlySet<Severity>, onlyOpen: boolean, words: string): boolean {
  if (!shown.has(card.severity) || (onlyOpen && card.ended)) return false;
  const text = [card.title, card.text, card.cause, card.cell, card.element, ...(card.children ?? [])].join(" ").toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

export interface Mark<C extends CardLike> {
  card: C;
  /** Shares of the width, 0 to 1. */
  from: number;
  to: number;
  lane: number;
  /** Line within its lane, so that no two lie over each other. */
  line: number;
}

/** A mark is at least this share of the width: it can be seen and pressed. */
const least = 0.005;

/** Where cards lie between two moments, one lane per severity; an open card lasts until `now`. */
export function marksOf<C extends CardLike>(cards: C[], start: number, end: number, now: number): Mark<C>[] {
  const share = (moment: number) => Math.min(1, Math.max(0, (moment - start) / Math.max(1, end - start)));
  const ends = (card: CardLike) => (card.ended ? Date.parse(card.ended) : Math.max(now, Date.parse(card.begun)));
  const ordered = [...cards].sort((a, b) => a.begun.localeCompare(b.begun));
  const full: number[][] = severities.map(() => []);
  return ordered
    .filter((card) => Date.parse(card.begun) <= end && ends(card) >= start)
    .map((card) => {
      const lane = severities.indexOf(card.severity);
      const from = Math.min(share(Date.parse(card.begun)), 1 - least);
      const to = Math.max(share(ends(card)), from + least);
      const lines = full[lane]!;
      const free = lines.findIndex((until) => until <= from);
      const line = free < 0 ? lines.length : free;
      lines[line] = to;
      return { card, from, to, lane, line };
    });
}
