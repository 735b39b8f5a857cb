// Where islands lie among each other: few children in a ring around their parent in the geographic order, many packed as close
// as they fit. In the frame of a bubble its parent lies towards +x.
import type { Area } from "../api/nouns";
import type { Island } from "./layout";

const GAP = 0.36;
const RING_MOST = 8;
const TOP_RING_MOST = 3;
const TOWARDS_PARENT = 0.5; // rad
const WIDE = 1.9; // the whole picture is that much wider than high

export interface Bubble {
  cell: number;
  /** Of the disc of everything below, around the cell. */
  reach: number;
  children: { bubble: Bubble; angle: number; distance: number }[];
}

interface Kid {
  bubble: Bubble;
  angle: number;
}

export function bubbleOf(area: Pick<Area, "cells">, cell: number, below: number[][], islands: Island[], top = false): Bubble {
  const own = islands[cell]!.r + GAP;
  const from = area.cells[cell]!;
  const angleOf = (i: number): number => Math.atan2(from.y - area.cells[i]!.y, area.cells[i]!.x - from.x);
  const kids: Kid[] = (below[cell] ?? [])
    .map((i) => ({ bubble: bubbleOf(area, i, below, islands), angle: angleOf(i) }))
    .sort((a, b) => a.angle - b.angle);
  if (kids.length === 0) return { cell, reach: own, children: [] };
  const ring = kids.length <= (top ? TOP_RING_MOST : RING_MOST);
  const children = ring ? ringed(kids, own) : packed(kids, own, top ? WIDE : 1);
  return { cell, reach: Math.max(...children.map((c) => c.distance + c.bubble.reach)), children };
}

/** All at one distance, the room between them even, a gap towards the parent. */
function ringed(kids: Kid[], own: number): Bubble["children"] {
  const reaches = kids.map((k) => k.bubble.reach);
  const distance = ringDistance(reaches, own + Math.max(...reaches));
  const spare = 2 * Math.PI - reaches.reduce((sum, r) => sum + width(r, distance), 0);
  const pad = spare / kids.length;
  let angle = pad / 2;
  return kids.map(({ bubble }) => {
    const half = width(bubble.reach, distance) / 2;
    const child = { bubble, angle: angle + half, distance };
    angle += 2 * half + pad;
    return child;
  });
}

const width = (reach: number, distance: number): number => 2 * Math.asin(Math.min(1, reach / distance));

/** Smallest distance at which all fit around the middle, with a little room towards the parent. */
function ringDistance(reaches: number[], least: number): number {
  const free = 2 * Math.PI - TOWARDS_PARENT;
  let distance = least;
  while (reaches.reduce((sum, r) => sum + width(r, distance), 0) > free) distance *= 1.04;
  return distance;
}

const STEP = 0.3;

/** The largest first, each as near to the middle as it fits; the way to the parent stays free. */
function packed(kids: Kid[], own: number, wide: number): Bubble["children"] {
  const placed: { x: number; y: number; r: number }[] = [{ x: 0, y: 0, r: own }];
  const fits = (x: number, y: number, r: number): boolean =>
    !(x > 0 && Math.abs(y) < r + 0.2) && placed.every((p) => Math.hypot(p.x - x, p.y - y) >= p.r + r);
  return [...kids].sort((a, b) => b.bubble.reach - a.bubble.reach).map(({ bubble, angle }) => {
    for (let ring = own; ; ring += STEP) {
      const count = Math.max(8, Math.round((2 * Math.PI * ring) / STEP / 2));
      for (let i = 0; i < count; i += 1) {
        const turn = angle + ((i % 2 ? 1 : -1) * Math.ceil(i / 2) * 2 * Math.PI) / count;
        const x = ring * Math.cos(turn);
        const y = ring * Math.sin(turn) * wide;
        if (!fits(x, y, bubble.reach)) continue;
        placed.push({ x, y, r: bubble.reach });
        return { bubble, angle: Math.atan2(y, x), distance: Math.hypot(x, y) };
      }
    }
  });
}

/** Writes the places of a bubble's islands; `turn`: where its parent lies, as an angle. */
export function place(bubble: Bubble, x: number, y: number, turn: number, islands: Island[]): void {
  const island = islands[bubble.cell]!;
  island.x = x;
  island.y = y;
  for (const child of bubble.children) {
    const angle = turn + child.angle;
    const cx = x + child.distance * Math.cos(angle);
    const cy = y + child.distance * Math.sin(angle);
    place(child.bubble, cx, cy, angle + Math.PI, islands);
  }
}

