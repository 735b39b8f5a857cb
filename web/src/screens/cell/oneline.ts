// Where the rows of `rowsOf` are drawn: pixels for a given width, no colours and no values.

import type { Row } from "./rows";

export interface Symbol {
  /** `device`: a group of one kind; `child`, `other`: a tie. */
  what: "device" | "child" | "other";
  /** Position in the list of its row. */
  index: number;
  x: number;
  y: number;
}

export interface Placed {
  row: Row;
  /** Left end of the busbar and its height. */
  x: number;
  y: number;
  symbols: Symbol[];
}

/** A busbar that stands: the node has more than one line below. */
export interface Stand {
  x: number;
  from: number;
  to: number;
}

export interface Drawing {
  rows: Placed[];
  stands: Stand[];
  /** Lines from a row to the row below it. */
  links: { from: Placed; to: Placed; straight: boolean }[];
  width: number;
  height: number;
}

/** Indent of a lane, and of the symbols below a busbar, so that a line to the next row passes beside them. */
export const LANE = 26;
/** Where in its lane a line down or a standing busbar lies. */
export const DOWN = 8;
/** From the busbar to the middle of its symbols. */
export const DROP = 24;
/** Widths of a symbol with the words on its right. */
const SYMBOL = 104;
const TIE = 140;
const LINE = 46;
const LABEL = 24;
const GAP = 8;

/** Places rows in a width [px]; symbols that do not fit beside each other go below. */
export function place(rows: Row[], width: number, top = 86): Drawing {
  let y = top;
  const placed: Placed[] = rows.map((row) => {
    const x = 8 + row.lane * LANE;
    const bar = y + LABEL;
    const symbols = wrap(row, x + LANE, bar, width);
    const lines = symbols.length ? Math.round((symbols.at(-1)!.y - bar - DROP) / LINE) + 1 : 0;
    y = bar + lines * LINE + GAP;
    return { row, x, y: bar, symbols };
  });
  const links = placed.flatMap((to) => {
    if (to.row.parent === null) return [];
    const from = placed[to.row.parent]!;
    return [{ from, to, straight: to.row.lane === from.row.lane }];
  });
  const stands = placed.flatMap((from) => {
    const forks = links.filter((link) => link.from === from && !link.straight);
    return forks.length ? [{ x: from.x + DOWN, from: from.y, to: Math.max(...forks.map((link) => link.to.y)) }] : [];
  });
  return { rows: placed, stands, links, width, height: y };
}

function wrap(row: Row, left: number, bar: number, width: number): Symbol[] {
  const all = [
    ...row.kinds.map((_, index) => ({ what: "device" as const, index, wide: SYMBOL })),
    ...row.children.map((_, index) => ({ what: "child" as const, index, wide: TIE })),
    ...row.others.map((_, index) => ({ what: "other" as const, index, wide: TIE })),
  ];
  let x = left;
  let y = bar + DROP;
  return all.map(({ what, index, wide }) => {
    if (x + wide > width && x > left) {
      x = left;
      y += LINE;
    }
    const symbol = { what, index, x: x + 14, y };
    x += wide;
    return symbol;
  });
}
