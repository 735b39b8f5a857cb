// What part of the plane is on the screen.
import type { Layout } from "./layout";

export interface View {
  /** Middle of the screen on the plane. */
  x: number;
  y: number;
  /** Screen pixels per unit. */
  k: number;
  /** Screen [px]. */
  width: number;
  height: number;
}

const CLOSEST = 900; // px of an island's radius

export function fitted(box: Layout["box"], width: number, height: number, top = 0): View {
  const margin = width < 500 ? 10 : 14;
  const k = Math.max(1e-6, Math.min(
    (width - 2 * margin) / (box.x1 - box.x0), (height - top - 2 * margin) / (box.y1 - box.y0),
  ));
  return { x: (box.x0 + box.x1) / 2, y: (box.y0 + box.y1) / 2 - top / 2 / k, k, width, height };
}

export const screenX = (v: View, x: number): number => (x - v.x) * v.k + v.width / 2;
export const screenY = (v: View, y: number): number => (y - v.y) * v.k + v.height / 2;

export function panned(v: View, dx: number, dy: number): View {
  return { ...v, x: v.x - dx / v.k, y: v.y - dy / v.k };
}

/** Zooms by `factor` so that the point under (px, py) stays where it is. */
export function zoomed(v: View, factor: number, px: number, py: number, least: number): View {
  const k = Math.min(Math.max(v.k * factor, least), CLOSEST);
  const x = v.x + (px - v.width / 2) * (1 / v.k - 1 / k);
  const y = v.y + (py - v.height / 2) * (1 / v.k - 1 / k);
  return { ...v, x, y, k };
}

/** How far an island of this radius on the screen [px] is open: 0 a disc with words, 1 nodes and lines. */
export function openness(radius_px: number): number {
  const t = Math.min(1, Math.max(0, (radius_px - 75) / 60));
  return t * t * (3 - 2 * t);
}
