// Where cells lie on the screen. Low-voltage feeders of real grids cover each other on a true map, so every cell becomes an
// island: around its parent, in the geographic order, never over another; inside, its own geometry, scaled to the island.
import type { Area } from "../api/nouns";
import { bubbleOf, place } from "./bubbles";

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
  /** Where the connection upstream comes from, as an angle seen from the root. */
  turn: number;
  /** How far every tie bends aside, of its length; 0 straight. */
  bends: number[];
}

const BIG = 110; // nodes from which an island has its full size
const UP = -Math.PI / 2;
const RIGHT = 0;

function radius(nodes: number): number {
  return 0.78 + 0.22 * Math.min(1, Math.sqrt(nodes / BIG));
}

/** Islands around islands: children on rings, ordered by where they lie, a gap left towards the parent. */
export function layOut(area: Pick<Area, "cells" | "nodes" | "ties">, portrait: boolean): Layout {
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
  const turn = portrait ? RIGHT : UP;
  let right = 0;
  for (const root of roots) {
    const bubble = bubbleOf(area, root, below, islands, true);
    place(bubble, right + bubble.reach, 0, turn, islands);
    right += 2 * bubble.reach + 1;
  }
  const points = nodesIn(area, islands, entries(area, rowOf));
  const bends = area.ties.map((tie) =>
    (tie.direction === "vertical" ? 0 : bendOf(islands, rowOf.get(tie.upper) ?? 0, rowOf.get(tie.lower) ?? 0)));
  return { islands, ...points, box: around(islands, apexes(area, rowOf, islands, bends)), turn, bends };
}

/** Of every cell the node where the cell above comes in, and that cell's row. */
function entries(area: Pick<Area, "cells" | "ties">, rowOf: Map<string, number>): ({ node: number; parent: number } | null)[] {
  const found: ({ node: number; parent: number } | null)[] = area.cells.map(() => null);
  for (const tie of area.ties) {
    const [lower, upper] = [rowOf.get(tie.lower), rowOf.get(tie.upper)];
    if (tie.direction !== "vertical" || lower === undefined || upper === undefined) continue;
    found[lower] = { node: tie.lower_node, parent: upper };
  }
  return found;
}

/**
 * Every cell's own nodes scaled into its disc, y turned to grow downwards; the whole turned so that the node where the
 * cell above comes in lies towards it.
 */
function nodesIn(
  area: Pick<Area, "nodes">, islands: Island[], entry: ({ node: number; parent: number } | null)[],
): { x: Float32Array; y: Float32Array } {
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
  const frames = islands.map((island, c) => {
    const box = boxes[c]!;
    const half = Math.hypot(box.x1 - box.x0, box.y1 - box.y0) / 2;
    const [mx, my] = [(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2];
    const scale = half > 0 ? (0.9 * island.r) / half : 0;
    const way = entry[c];
    const parent = way ? islands[way.parent] : undefined;
    if (!way || !parent) return { mx, my, cos: scale, sin: 0 };
    const now = Math.atan2(my - gy[way.node]!, gx[way.node]! - mx);
    const turn = Math.atan2(parent.y - island.y, parent.x - island.x) - now;
    return { mx, my, cos: scale * Math.cos(turn), sin: scale * Math.sin(turn) };
  });
  for (let i = 0; i < cell.length; i += 1) {
    const { mx, my, cos, sin } = frames[cell[i]!]!;
    const island = islands[cell[i]!]!;
    const [dx, dy] = [gx[i]! - mx, my - gy[i]!];
    x[i] = island.x + dx * cos - dy * sin;
    y[i] = island.y + dx * sin + dy * cos;
  }
  return { x, y };
}

const BENDS = [0.3, -0.3, 0.45, -0.45];

/** The smallest bend at which a tie crosses as few islands as possible. */
function bendOf(islands: Island[], upper: number, lower: number): number {
  const [a, b] = [islands[upper]!, islands[lower]!];
  const hits = (bend: number): number => islands.filter((island, i) => {
    if (i === upper || i === lower) return false;
    const mx = (a.x + b.x) / 2 - (b.y - a.y) * bend;
    const my = (a.y + b.y) / 2 + (b.x - a.x) * bend;
    return [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9].some((t) => {
      const [p, q, r] = [(1 - t) * (1 - t), 2 * t * (1 - t), t * t];
      return Math.hypot(p * a.x + q * mx + r * b.x - island.x, p * a.y + q * my + r * b.y - island.y) < 1.15 * island.r;
    });
  }).length;
  return BENDS.reduce((best, bend) => (hits(bend) < hits(best) ? bend : best));
}

/** Highest points of bent ties. */
function apexes(area: Pick<Area, "ties">, rowOf: Map<string, number>, islands: Island[], bends: number[]): Island[] {
  return area.ties.flatMap((tie, i) => {
    const [a, b] = [islands[rowOf.get(tie.upper) ?? 0], islands[rowOf.get(tie.lower) ?? 0]];
    if (!bends[i] || !a || !b) return [];
    return [{ x: (a.x + b.x - (b.y - a.y) * bends[i]!) / 2, y: (a.y + b.y + (b.x - a.x) * bends[i]!) / 2, r: 0.2 }];
  });
}

function around(islands: Island[], apex: Island[]): Layout["box"] {
  const box = { x0: Infinity, y0: Infinity, x1: -Infinity, y1: -Infinity };
  for (const i of [...islands, ...apex]) {
    box.x0 = Math.min(box.x0, i.x - i.r);
    box.x1 = Math.max(box.x1, i.x + i.r);
    box.y0 = Math.min(box.y0, i.y - i.r);
    box.y1 = Math.max(box.y1, i.y + i.r);
  }
  return islands.length ? box : { x0: -1, y0: -1, x1: 1, y1: 1 };
}
