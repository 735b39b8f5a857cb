// Ties between islands: how much flows is the width, where to are the chevrons, that it flows their motion.
import type { Area } from "../api/nouns";
import type { Frame } from "../api/frame";
import { loadingSaid } from "../area/state";
import { known, kw } from "../lib/say";
import type { Layout } from "./layout";
import type { Inks } from "./inks";
import { openness, screenX, screenY, type View } from "./view";

/** A way on the screen: points one after the other, x then y. */
export interface TieLine {
  points: number[];
  length: number;
  /** Radius of the smaller of the islands it joins [px]. */
  r: number;
}

const EVERY = 26; // px between chevrons
const LEAST_KW = 0.5;
const LABEL_FROM = 18; // px of radius
const BENDS = 14;

/** Where ties run: from edge to edge of closed islands, from node to node of open ones. */
export function tieLines(area: Area, layout: Layout, rowOf: Map<string, number>, view: View): TieLine[] {
  return area.ties.map((tie, i) => {
    const upper = rowOf.get(tie.upper) ?? 0;
    const lower = rowOf.get(tie.lower) ?? 0;
    const bend = layout.bends[i]!;
    const a = end(layout, view, upper, lower, tie.upper_node, bend);
    const b = end(layout, view, lower, upper, tie.lower_node, -bend);
    const r = Math.min(layout.islands[upper]!.r, layout.islands[lower]!.r) * view.k;
    return bend ? curve(a, b, bend, r) : lineOf([a.x, a.y, b.x, b.y], r);
  });
}

export function lineOf(points: number[], r: number): TieLine {
  let length = 0;
  for (let i = 2; i < points.length; i += 2) length += Math.hypot(points[i]! - points[i - 2]!, points[i + 1]! - points[i - 1]!);
  return { points, length, r };
}

interface Point {
  x: number;
  y: number;
}

function curve(a: Point, b: Point, bend: number, r: number): TieLine {
  const mx = (a.x + b.x) / 2 - (b.y - a.y) * bend;
  const my = (a.y + b.y) / 2 + (b.x - a.x) * bend;
  const points: number[] = [];
  for (let i = 0; i <= BENDS; i += 1) {
    const t = i / BENDS;
    const [p, q, r] = [(1 - t) * (1 - t), 2 * t * (1 - t), t * t];
    points.push(p * a.x + q * mx + r * b.x, p * a.y + q * my + r * b.y);
  }
  return lineOf(points, r);
}

function end(layout: Layout, view: View, own: number, other: number, node: number, bend: number): Point {
  const island = layout.islands[own]!;
  const far = layout.islands[other]!;
  const open = openness(island.r * view.k);
  const angle = Math.atan2(far.y - island.y, far.x - island.x) + 2 * bend;
  const edge = island.r + 3 / view.k;
  const ex = island.x + edge * Math.cos(angle);
  const ey = island.y + edge * Math.sin(angle);
  return {
    x: screenX(view, ex + ((layout.x[node] ?? ex) - ex) * open),
    y: screenY(view, ey + ((layout.y[node] ?? ey) - ey) * open),
  };
}

/** Power along a tie, positive from the upper to the lower cell; NaN: not known. */
const along = (frame: Frame | null, i: number): number => frame?.ties.p_kw?.[i] ?? NaN;

export function drawTies(
  ctx: CanvasRenderingContext2D, area: Area, frame: Frame | null, lines: TieLine[], inks: Inks, phase_s: number, stale: boolean,
  stub: TieLine | null, stub_kw: number, free: (x: number, y: number) => boolean,
): void {
  const p = lines.map((_, i) => along(frame, i));
  const most = Math.max(1, Math.abs(stub_kw) || 0, ...p.map((v) => Math.abs(v) || 0));
  ctx.lineCap = "butt";
  lines.forEach((line, i) => {
    const tie = area.ties[i]!;
    const closed = frame?.ties.closed?.[i];
    const open = known(closed) ? closed < 0.5 : !tie.closed;
    const said = loadingSaid(frame?.ties.loading?.[i]);
    const ink = said ? (said.severity === "alarm" ? inks.alarm : inks.actionMark) : inks.line3;
    drawOne(ctx, line, p[i]!, most, open, ink, said ? inks.raised : inks.line1, inks, phase_s, stale);
    if (said && line.length > 60 && line.r > 10) mark(ctx, line, said.words, said.severity === "alarm" ? inks.alarm : inks.action, inks);
    else if (line.r < LABEL_FROM) return;
    else if (!open && line.length > 74) mark(ctx, line, kw(Math.abs(p[i]!)), stale ? inks.faded : inks.text2, inks);
    else if (open && line.length > 60) mark(ctx, line, "open", inks.faded, inks);
  });
  if (!stub) return;
  drawOne(ctx, stub, stub_kw, most, false, inks.line3, inks.line1, inks, phase_s, stale);
  upstream(ctx, stub, inks, free);
}

/** The name of the connection upstream where it covers no island: beside its far end, else beyond it. */
function upstream(ctx: CanvasRenderingContext2D, stub: TieLine, inks: Inks, free: (x: number, y: number) => boolean): void {
  const [x, y, , last] = stub.points as [number, number, number, number];
  const flat = y === last;
  ctx.fillStyle = inks.text2;
  ctx.font = inks.font11;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  const wide = ctx.measureText(UPSTREAM).width;
  const places = flat
    ? [[x - wide, y - 14], [x - wide, y + 14]]
    : [[x + 10, y + 6], [x - 10 - wide, y + 6], [x - wide / 2, y - 9]];
  const clear = (at: number[]): boolean =>
    [0, 0.5, 1].every((t) => free(at[0]! + t * wide, at[1]! - 6) && free(at[0]! + t * wide, at[1]! + 6));
  const at = places.find(clear) ?? places[0]!;
  ctx.fillText(UPSTREAM, at[0]!, at[1]!);
}

const UPSTREAM = "upstream";

function drawOne(
  ctx: CanvasRenderingContext2D, line: TieLine, p_kw: number, most: number, open: boolean,
  ink: string, arrow: string, inks: Inks, phase_s: number, stale: boolean,
): void {
  const size = Math.abs(p_kw);
  ctx.setLineDash(open || !known(p_kw) ? [2, 5] : []);
  ctx.strokeStyle = open || !known(p_kw) ? inks.line2 : ink;
  ctx.lineWidth = open || !known(p_kw) ? 1.5 : thickness(line, size / most);
  ctx.beginPath();
  ctx.moveTo(line.points[0]!, line.points[1]!);
  for (let i = 2; i < line.points.length; i += 2) ctx.lineTo(line.points[i]!, line.points[i + 1]!);
  ctx.stroke();
  ctx.setLineDash([]);
  if (open || !known(p_kw) || size < LEAST_KW || stale || line.length < 8) return;
  const speed = 10 + 34 * (size / most);
  const start = ((phase_s * speed) % EVERY + EVERY) % EVERY;
  ctx.fillStyle = arrow;
  ctx.beginPath();
  chevrons(ctx, line, p_kw > 0 ? start : EVERY - start, p_kw > 0 ? 1 : -1, 0.3 * thickness(line, size / most) + 1.2);
  ctx.fill();
}

/** Width of a tie that carries this share of the largest power [px]; small islands have thin ties. */
const thickness = (line: TieLine, share: number): number =>
  Math.max(1, Math.min(1, line.r / 26) * (2.5 + 8 * Math.sqrt(share)));

/** Arrow heads every few pixels along the way. */
function chevrons(ctx: CanvasRenderingContext2D, line: TieLine, first: number, forward: 1 | -1, half: number): void {
  const { points } = line;
  let next = first;
  for (let i = 2; i < points.length; i += 2) {
    const dx = points[i]! - points[i - 2]!;
    const dy = points[i + 1]! - points[i - 1]!;
    const length = Math.hypot(dx, dy) || 1;
    const ux = (dx / length) * forward;
    const uy = (dy / length) * forward;
    for (; next < length; next += EVERY) {
      const x = points[i - 2]! + (dx / length) * next;
      const y = points[i - 1]! + (dy / length) * next;
      ctx.moveTo(x + ux * half * 1.3, y + uy * half * 1.3);
      ctx.lineTo(x - ux * half - uy * half, y - uy * half + ux * half);
      ctx.lineTo(x - ux * half * 0.3, y - uy * half * 0.3);
      ctx.lineTo(x - ux * half + uy * half, y - uy * half - ux * half);
      ctx.closePath();
    }
    next -= length;
  }
}

/** Words beside the middle of a tie, on a ground that keeps them legible. */
function mark(ctx: CanvasRenderingContext2D, line: TieLine, words: string, ink: string, inks: Inks): void {
  ctx.font = inks.font11;
  const wide = ctx.measureText(words).width + 8;
  const { points } = line;
  const half = 2 * Math.floor((points.length / 2 - 1) / 2);
  const straight = points.length === 4;
  const x = straight ? (points[0]! + points[2]!) / 2 : points[half]!;
  const y = straight ? (points[1]! + points[3]!) / 2 : points[half + 1]!;
  ctx.fillStyle = inks.panel;
  ctx.globalAlpha = 0.86;
  ctx.fillRect(x - wide / 2, y - 8, wide, 16);
  ctx.globalAlpha = 1;
  ctx.fillStyle = ink;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(words, x, y + 0.5);
}
