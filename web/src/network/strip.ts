// Pictures of the network drawn on a canvas: every node by its cell between its limits; all loadings, sorted.
import type { Area } from "../api/nouns";
import type { Frame } from "../api/frame";
import { FAR, loadingClass, OVER, NORMAL, voltageClass } from "../map/classes";
import type { Inks } from "../map/inks";
import { known } from "../lib/say";

export interface Band {
  /** Voltage at the top and bottom of the picture. */
  top: number;
  bottom: number;
  /** Column of every node: first its cell, then its place inside. */
  place: Float32Array;
  /** Where every cell's columns begin, and the end of the last; 0 to 1. */
  starts: number[];
}

const LEFT = 46;
const BELOW = 18;

/** Columns of nodes: cells one after the other, nodes inside as the source lists them; small cells get a little more room. */
export function bandOf(area: Area): Band {
  const count = area.cells.map(() => 0);
  for (const c of area.nodes.cell) count[c] = (count[c] ?? 0) + 1;
  const width = count.map((n) => (n ? Math.max(n, 12) : 0));
  const all = width.reduce((sum, w) => sum + w, 0) || 1;
  const starts: number[] = [];
  let sum = 0;
  for (const w of width) {
    starts.push(sum / all);
    sum += w;
  }
  starts.push(1);
  const seen = area.cells.map(() => 0);
  const place = Float32Array.from(area.nodes.cell, (c) => {
    const rank = seen[c]!;
    seen[c] = rank + 1;
    return starts[c]! + (((rank + 0.5) / count[c]!) * width[c]!) / all;
  });
  const least = Math.min(...new Set(area.nodes.v_pu_min));
  const most = Math.max(...new Set(area.nodes.v_pu_max));
  return { top: most + 0.015, bottom: least - 0.015, place, starts };
}

export interface Room {
  width: number;
  height: number;
}

/** Node under a point of the band, -1 none. */
export function nodeUnder(frame: Frame, band: Band, room: Room, px: number, py: number): number {
  const w = room.width - LEFT;
  const h = room.height - BELOW;
  let best = -1;
  let nearest = 14;
  band.place.forEach((place, i) => {
    const v = frame.nodes.v_pu?.[i];
    if (!known(v)) return;
    const d = Math.hypot(LEFT + place * w - px, ((band.top - v) / (band.top - band.bottom)) * h - py);
    if (d < nearest) [best, nearest] = [i, d];
  });
  return best;
}

export function drawBand(ctx: CanvasRenderingContext2D, area: Area, frame: Frame, band: Band, room: Room, inks: Inks, picked: number): void {
  const w = room.width - LEFT;
  const h = room.height - BELOW;
  const y = (v: number): number => ((band.top - v) / (band.top - band.bottom)) * h;
  ctx.clearRect(0, 0, room.width, room.height);
  ctx.font = inks.font11;
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  ctx.lineWidth = 1;
  for (let v = Math.ceil(band.bottom / 0.05) * 0.05; v <= band.top; v += 0.05) {
    ctx.fillStyle = inks.text2;
    ctx.fillText(v.toFixed(2), LEFT - 8, y(v));
    ctx.fillStyle = Math.abs(v - 1) < 1e-6 ? inks.line3 : inks.line4;
    ctx.fillRect(LEFT, Math.round(y(v)), w, 1);
  }
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  area.cells.forEach((cell, i) => {
    const x0 = LEFT + band.starts[i]! * w;
    const x1 = LEFT + band.starts[i + 1]! * w;
    if (x1 <= x0) return;
    ctx.fillStyle = inks.line4;
    if (i > 0) ctx.fillRect(Math.round(x0), 0, 1, h);
    if (ctx.measureText(cell.id).width + 4 > x1 - x0) return;
    ctx.fillStyle = inks.text2;
    ctx.fillText(cell.id, x0 + 3, room.height - 2);
  });
  drawLimits(ctx, area, band, w, y, inks);
  const v = frame.nodes.v_pu;
  for (const kind of [NORMAL, OVER, FAR]) {
    ctx.fillStyle = kind === NORMAL ? inks.line2 : kind === OVER ? inks.actionMark : inks.alarm;
    const size = kind === NORMAL ? 3 : 6;
    for (let i = 0; i < band.place.length; i += 1) {
      const value = v?.[i];
      if (!known(value) || voltageClass(value, area.nodes.v_pu_min[i]!, area.nodes.v_pu_max[i]!) !== kind) continue;
      ctx.fillRect(LEFT + band.place[i]! * w - size / 2, y(value) - size / 2, size, size);
    }
  }
  const value = v?.[picked];
  if (picked < 0 || !known(value)) return;
  ctx.strokeStyle = inks.accent;
  ctx.lineWidth = 2;
  ctx.beginPath();
  ctx.arc(LEFT + band.place[picked]! * w, y(value), 7, 0, 2 * Math.PI);
  ctx.stroke();
}

/** Limits as lines over the columns they hold for. */
function drawLimits(
  ctx: CanvasRenderingContext2D, area: Area, band: Band, w: number, y: (v: number) => number, inks: Inks,
): void {
  ctx.strokeStyle = inks.text2;
  ctx.lineWidth = 1.5;
  ctx.setLineDash([5, 4]);
  ctx.beginPath();
  for (const limits of [area.nodes.v_pu_min, area.nodes.v_pu_max]) {
    let from = -1;
    for (let i = 0; i <= band.place.length; i += 1) {
      if (from >= 0 && (i === band.place.length || limits[i] !== limits[from] || area.nodes.cell[i] !== area.nodes.cell[from])) {
        const cell = area.nodes.cell[from]!;
        ctx.moveTo(LEFT + Math.min(band.place[from]!, band.starts[cell]!) * w, y(limits[from]!));
        ctx.lineTo(LEFT + Math.max(band.place[i - 1]!, band.starts[cell + 1]!) * w, y(limits[from]!));
        from = -1;
      }
      if (from < 0) from = i;
    }
  }
  ctx.stroke();
  ctx.setLineDash([]);
}

/** Rows of branches of a kind by loading over their limit, highest first; unknown ones last. */
export function sortedLoading(area: Area, frame: Frame, kind: string): number[] {
  const share = (i: number): number => {
    const loading = frame.branches.loading?.[i];
    return known(loading) ? loading / area.branches.loading_max[i]! : -1;
  };
  return area.branches.id
    .flatMap((_, i) => (area.branches.kind[i] === kind ? [i] : []))
    .sort((a, b) => share(b) - share(a));
}

/** All loadings from the highest to the lowest, as a hill under the limit line. */
export function drawHill(ctx: CanvasRenderingContext2D, area: Area, frame: Frame, rows: number[], room: Room, inks: Inks): void {
  const w = room.width - LEFT;
  const h = room.height - 4;
  const share = rows.map((i) => (frame.branches.loading?.[i] ?? NaN) / area.branches.loading_max[i]!);
  const top = Math.max(1.15, 1.08 * (share.find(known) ?? 0));
  const y = (s: number): number => h - (s / top) * (h - 4);
  ctx.clearRect(0, 0, room.width, room.height);
  rows.forEach((row, k) => {
    const s = share[k]!;
    if (!known(s)) return;
    const kind = loadingClass(frame.branches.loading?.[row], area.branches.loading_max[row]!);
    ctx.fillStyle = kind === FAR ? inks.alarm : kind === OVER ? inks.actionMark : inks.line3;
    const x = LEFT + (k / rows.length) * w;
    ctx.fillRect(x, y(s), Math.max(1, w / rows.length - (w / rows.length > 4 ? 1 : 0)), h - y(s));
  });
  ctx.font = inks.font11;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const s of [0, 0.5, 1]) {
    ctx.fillStyle = inks.text2;
    ctx.fillText(`${s * 100} %`, LEFT - 8, Math.min(y(s), h - 5));
  }
  ctx.fillStyle = inks.line;
  ctx.fillRect(LEFT, y(0), w, 1);
  ctx.strokeStyle = inks.text2;
  ctx.lineWidth = 1.5;
  ctx.setLineDash([5, 4]);
  ctx.beginPath();
  ctx.moveTo(LEFT, y(1));
  ctx.lineTo(LEFT + w, y(1));
  ctx.stroke();
  ctx.setLineDash([]);
}
