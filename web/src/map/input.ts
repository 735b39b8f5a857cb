// Mouse, touch and keys of the map.
import type { Scene } from "./scene";

export interface Told {
  picked: (cell: number, node: number) => void;
  over: (cell: number, node: number, x: number, y: number) => void;
}

const CLICK_PX = 5;
const STEP_PX = 60;

export function listenToMap(box: HTMLElement, scene: Scene, told: Told): () => void {
  const fingers = new Map<number, { x: number; y: number }>();
  let moved = 0;
  const stop = new AbortController();
  const { signal } = stop;
  const place = (event: PointerEvent | WheelEvent | MouseEvent): { x: number; y: number } => {
    const rect = box.getBoundingClientRect();
    return { x: event.clientX - rect.left, y: event.clientY - rect.top };
  };
  const spread = (): number => {
    const [a, b] = [...fingers.values()];
    return a && b ? Math.hypot(a.x - b.x, a.y - b.y) : 0;
  };

  box.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target instanceof HTMLButtonElement) return;
    box.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
    moved = 0;
  }, { signal });
  box.addEventListener("pointermove", (event) => {
    const to = place(event);
    const from = fingers.get(event.pointerId);
    if (!from) {
      const cell = scene.cellAt(to.x, to.y);
      scene.hover(cell);
      told.over(cell, scene.nodeAt(to.x, to.y, cell), to.x, to.y);
      return;
    }
    const before = spread();
    fingers.set(event.pointerId, to);
    moved += Math.hypot(to.x - from.x, to.y - from.y);
    if (fingers.size === 2) {
      const [a, b] = [...fingers.values()];
      if (a && b && before > 0) scene.zoom(spread() / before, (a.x + b.x) / 2, (a.y + b.y) / 2);
    }
    if (moved > CLICK_PX) scene.pan((to.x - from.x) / fingers.size, (to.y - from.y) / fingers.size);
  }, { signal });
  const up = (event: PointerEvent): void => {
    if (!fingers.delete(event.pointerId) || fingers.size > 0 || moved > CLICK_PX || event.type === "pointercancel") return;
    const at = place(event);
    const cell = scene.cellAt(at.x, at.y);
    told.picked(cell, scene.nodeAt(at.x, at.y, cell));
  };
  box.addEventListener("pointerup", up, { signal });
  box.addEventListener("pointercancel", up, { signal });
  box.addEventListener("pointerleave", () => {
    scene.hover(-1);
    told.over(-1, -1, 0, 0);
  }, { signal });
  box.addEventListener("dblclick", (event) => {
    const at = place(event);
    const cell = scene.cellAt(at.x, at.y);
    if (cell >= 0) scene.open(cell);
    else scene.showAll();
  }, { signal });
  box.addEventListener("wheel", (event) => {
    event.preventDefault();
    const at = place(event);
    scene.zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0016)), at.x, at.y);
  }, { signal, passive: false });
  box.addEventListener("keydown", (event) => {
    if (!keyed(scene, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });
  return () => stop.abort();
}

function keyed(scene: Scene, key: string): boolean {
  if (key === "+" || key === "=") scene.zoom(1.4);
  else if (key === "-") scene.zoom(1 / 1.4);
  else if (key === "ArrowLeft") scene.pan(STEP_PX, 0);
  else if (key === "ArrowRight") scene.pan(-STEP_PX, 0);
  else if (key === "ArrowUp") scene.pan(0, STEP_PX);
  else if (key === "ArrowDown") scene.pan(0, -STEP_PX);
  else if (key === "f") scene.showAll();
  else return false;
  return true;
}
