// Where cells lie on the screen. Low-voltage feeders of real grids cover each other on a true map, so every cell becomes an
// island: around its parent, in the geographic order, never over another; inside, its own geometry, scaled to the island.
import type { Area } from "../api/nouns";

export interface Island {
  x: number;
  y: number;
  /** Radius of its disc; the unit is that of the largest. */
  r: number;
}

export interface Layout {
  islands: Island[];
  /** Nodes on the screen's plane (y grows downwards), in the order of `Area.nodes`. */
  x: Float32Array;
  y: Float32Array;
  box: { x0: number; y0: number; x1: number; y1: number };
}

const BIG = 110; // nodes from which an island has its full size
const GAP = 0.42;
const RING_MOST = 15;
const TOWARDS_PARENT = 0.5; // rad
const UP = -Math.PI / 2;

function radius(nodes: number): number {
  return 0.62 + 0.38 * Math.min(1, Math.sqrt(nodes / BIG));
}

interface Bubble {
  cell: number;
  /** Of the disc of everything below, around the cell. */
  reach: number;
  children: { bubble: Bubble; angle: number; distance: number }[];
}

/** Islands around islands: children on rings, ordered by where they lie, a gap left towards the parent. */
export function layOut(area: Pick<Area, "cells" | "nodes">): Layout {
  const count = new Array<number>(area.cells.length).fill(0);
  for (const cell of area.nodes.cell) count[cell] = (count[cell] ?? 0) + 1;
  const rowOf = new Map(area.cells.map((c, i) => [c.id, i]));
  const below: number[][] = area.cells.map(() => []);
  const roots: number[] = [];
  area.cells.forEach((c, i) => {
    const parent = rowOf.get(c.parent);
    if (parent === undefined) roots.push(i);
    else below[parent]!.push(i);
  });

  const islands: Island[] = area.cells.map((_, i) => ({ x: 0, y: 0, r: radius(count[i] ?? 0) }));
  let right = 0;
  for (const root of roots) {
    const bubble = bubbleOf(area, root, below, islands);
    place(bubble, right + bubble.reach, 0, UP, islands);
    right += 2 * bubble.reach + 1;
  }
  const points = nodesIn(area, islands);
  return { islands, ...points, box: around(islands) };
}

function bubbleOf(area: Pick<Area, "cells">, cell: number, below: number[][], islands: Island[]): Bubble {
  const own = islands[cell]!.r + GAP;
  const from = area.cells[cell]!;
  const angleOf = (i: number): number => Math.atan2(from.y - area.cells[i]!.y, area.cells[i]!.x - from.x);
  const kids = (below[cell] ?? [])
    .map((i) => ({ bubble: bubbleOf(area, i, below, islands), angle: angleOf(i) }))
    .sort((a, b) => a.angle - b.angle);
  const children: Bubble["children"] = [];
  let reach = own;
  for (let first = 0; first < kids.length; first += RING_MOST) {
    const ring = kids.slice(first, first + RING_MOST);
    const widest = Math.max(...ring.map((k) => k.bubble.reach));
    const distance = ringDistance(ring.map((k) => k.bubble.reach), reach + widest);
    const spare = 2 * Math.PI - ring.reduce((sum, k) => sum + width(k.bubble.reach, distance), 0);
    const pad = spare / ring.length;
    let angle = pad / 2;
    for (const kid of ring) {
      const half = width(kid.bubble.reach, distance) / 2;
      children.push({ bubble: kid.bubble, angle: angle + half, distance });
      angle += 2 * half + pad;
    }
    reach = distance + widest;
  }
  return { cell, reach, children };
}

const width = (reach: number, distance: number): number => 2 * Math.asin(Math.min(1, reach / distance));

/** Smallest distance at which all fit around the middle, with a little room towards the parent. */
function ringDistance(reaches: number[], least: number): number {
  const free = 2 * Math.PI - TOWARDS_PARENT;
  let distance = least;
  while (reaches.reduce((sum, r) => sum + width(r, distance), 0) > free) distance *= 1.04;
  return distance;
}

/** `turn`: where the parent lies, as an angle; the ring begins there. */
function place(bubble: Bubble, x: number, y: number, turn: number, islands: Island[]): void {
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

/** Every cell's own nodes scaled into its disc; y turned to grow downwards. */
function nodesIn(area: Pick<Area, "nodes">, islands: Island[]): { x: Float32Array; y: Float32Array } {
  const { x: gx, y: gy, cell } = area.nodes;
  const boxes = islands.map(() => ({ x0: Infinity, y0: Infinity, x1: -Infinity, y1: -Infinity }));
  for (let i = 0; i < cell.length; i += 1) {
    const box = boxes[cell[i]!]!;
    box.x0 = Math.min(box.x0, gx[i]!);
    box.x1 = Math.max(box.x1, gx[i]!);
    box.y0 = Math.min(box.y0, gy[i]!);
    box.y1 = Math.max(box.y1, gy[i]!);
  }
  const x = new Float32Array(cell.length);
  const y = new Float32Array(cell.length);
  for (let i = 0; i < cell.length; i += 1) {
    const box = boxes[cell[i]!]!;
    const island = islands[cell[i]!]!;
    const half = Math.hypot(box.x1 - box.x0, box.y1 - box.y0) / 2;
    const scale = half > 0 ? (0.9 * island.r) / half : 0;
    x[i] = island.x + (gx[i]! - (box.x0 + box.x1) / 2) * scale;
    y[i] = island.y - (gy[i]! - (box.y0 + box.y1) / 2) * scale;
  }
  return { x, y };
}

function around(islands: Island[]): Layout["box"] {
  const box = { x0: Infinity, y0: Infinity, x1: -Infinity, y1: -Infinity };
  for (const i of islands) {
    box.x0 = Math.min(box.x0, i.x - i.r);
    box.x1 = Math.max(box.x1, i.x + i.r);
    box.y0 = Math.min(box.y0, i.y - i.r);
    box.y1 = Math.max(box.y1, i.y + i.r);
  }
  return islands.length ? box : { x0: -1, y0: -1, x1: 1, y1: 1 };
}
