// Ties between islands: how much flows is the width, where to are the chevrons, that it flows their motion.
import type { Area } from "../api/nouns";
import type { Frame } from "../api/frame";
import { loadingSaid } from "../area/state";
import { known, kw } from "../lib/say";
import type { Layout } from "./layout";
import type { Inks } from "./inks";
import { openness, screenX, screenY, type View } from "./view";

export interface TieLine {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
  length: number;
}

const EVERY = 26; // px between chevrons
const LEAST_KW = 0.5;

/** Where ties run on the screen: from edge to edge of closed islands, from node to node of open ones. */
export function tieLines(area: Area, layout: Layout, rowOf: Map<string, number>, view: View): TieLine[] {
  return area.ties.map((tie) => {
    const upper = rowOf.get(tie.upper) ?? 0;
    const lower = rowOf.get(tie.lower) ?? 0;
    const a = end(layout, view, upper, lower, tie.upper_node);
    const b = end(layout, view, lower, upper, tie.lower_node);
    return { x0: a.x, y0: a.y, x1: b.x, y1: b.y, length: Math.hypot(b.x - a.x, b.y - a.y) };
  });
}

function end(layout: Layout, view: View, own: number, other: number, node: number): { x: number; y: number } {
  const island = layout.islands[own]!;
  const far = layout.islands[other]!;
  const open = openness(island.r * view.k);
  const distance = Math.hypot(far.x - island.x, far.y - island.y) || 1;
  const edge = (island.r + 3 / view.k) / distance;
  const ex = island.x + (far.x - island.x) * edge;
  const ey = island.y + (far.y - island.y) * edge;
  return {
    x: screenX(view, ex + ((layout.x[node] ?? ex) - ex) * open),
    y: screenY(view, ey + ((layout.y[node] ?? ey) - ey) * open),
  };
}

/** Power along a tie, positive from the upper to the lower cell; NaN: not known. */
const along = (frame: Frame | null, i: number): number => frame?.ties.p_kw?.[i] ?? NaN;

export function drawTies(
  ctx: CanvasRenderingContext2D, area: Area, frame: Frame | null, lines: TieLine[], inks: Inks, phase_s: number, stale: boolean,
  stub: TieLine | null, stub_kw: number,
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
    if (said) mark(ctx, line, said.words, said.severity === "alarm" ? inks.alarm : inks.action, inks);
    else if (!open && line.length > 74) mark(ctx, line, kw(Math.abs(p[i]!)), stale ? inks.faded : inks.text2, inks);
    else if (open && line.length > 60) mark(ctx, line, "open", inks.faded, inks);
  });
  if (stub) drawOne(ctx, stub, stub_kw, most, false, inks.line3, inks.line1, inks, phase_s, stale);
}

function drawOne(
  ctx: CanvasRenderingContext2D, line: TieLine, p_kw: number, most: number, open: boolean,
  ink: string, arrow: string, inks: Inks, phase_s: number, stale: boolean,
): void {
  const size = Math.abs(p_kw);
  ctx.setLineDash(open || !known(p_kw) ? [2, 5] : []);
  ctx.strokeStyle = open || !known(p_kw) ? inks.line2 : ink;
  ctx.lineWidth = open || !known(p_kw) ? 1.5 : 2.5 + 8 * Math.sqrt(size / most);
  ctx.beginPath();
  ctx.moveTo(line.x0, line.y0);
  ctx.lineTo(line.x1, line.y1);
  ctx.stroke();
  ctx.setLineDash([]);
  if (open || !known(p_kw) || size < LEAST_KW || stale || line.length < 8) return;
  const forward = p_kw > 0 ? 1 : -1;
  const ux = ((line.x1 - line.x0) / line.length) * forward;
  const uy = ((line.y1 - line.y0) / line.length) * forward;
  const sx = forward > 0 ? line.x0 : line.x1;
  const sy = forward > 0 ? line.y0 : line.y1;
  const half = 2 + 3.2 * Math.sqrt(size / most);
  const speed = 10 + 34 * (size / most);
  ctx.fillStyle = arrow;
  ctx.beginPath();
  for (let d = ((phase_s * speed) % EVERY + EVERY) % EVERY; d < line.length; d += EVERY) {
    const x = sx + ux * d;
    const y = sy + uy * d;
    ctx.moveTo(x + ux * half * 1.3, y + uy * half * 1.3);
    ctx.lineTo(x - ux * half - uy * half, y - uy * half + ux * half);
    ctx.lineTo(x - ux * half * 0.3, y - uy * half * 0.3);
    ctx.lineTo(x - ux * half + uy * half, y - uy * half - ux * half);
    ctx.closePath();
  }
  ctx.fill();
}

/** Words beside the middle of a tie, on a ground that keeps them legible. */
function mark(ctx: CanvasRenderingContext2D, line: TieLine, words: string, ink: string, inks: Inks): void {
  ctx.font = inks.font11;
  const wide = ctx.measureText(words).width + 8;
  const x = (line.x0 + line.x1) / 2;
  const y = (line.y0 + line.y1) / 2;
  ctx.fillStyle = inks.panel;
  ctx.globalAlpha = 0.86;
  ctx.fillRect(x - wide / 2, y - 8, wide, 16);
  ctx.globalAlpha = 1;
  ctx.fillStyle = ink;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(words, x, y + 0.5);
}
