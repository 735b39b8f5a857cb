// The moving picture: four canvases over each other (ties, islands, nodes and lines, words) and one loop. Only ties move in
// every frame; the others are drawn again when the view or the values changed.
import type { Area } from "../api/nouns";
import type { Frame } from "../api/frame";
import { classify, noClasses } from "./classes";
import { readInks, type Inks } from "./inks";
import { drawGround, drawWords, type Look } from "./islands";
import { layOut, type Island, type Layout } from "./layout";
import { hasCard, type NetDrawer } from "./net";
import { canvasNet } from "./net_canvas";
import { webglNet } from "./net_webgl";
import { DrawStats } from "./stats";
import { drawTies, lineOf, tieLines, type TieLine } from "./ties";
import { fitted, panned, screenX, screenY, zoomed, type View } from "./view";

export interface Values {
  frame: Frame | null;
  looks: Look[];
  stale: boolean;
  /** Cells the story speaks of. */
  pointed: string[];
}

export interface SceneOptions {
  /** Draw all nodes in every frame and move, to be measured. */
  bench: boolean;
  draw: "webgl" | "canvas" | "";
  /** Higher than wide. */
  portrait: boolean;
}

const FRAME_MS = 1000 / 31;
const NODE_REACH = 12; // px around a node that still hit it
const TOP = 34; // px kept free above the root, for the connection upstream

export class Scene {
  readonly layout: Layout;
  readonly stats: DrawStats;
  view: View;
  selected = -1;
  private readonly canvases: HTMLCanvasElement[] = [];
  private net!: NetDrawer;
  private inks: Inks = readInks();
  private readonly classes;
  private values: Values = { frame: null, looks: [], stale: false, pointed: [] };
  private lines: TieLine[] = [];
  private hovered = -1;
  private dirty = true;
  private touched = false;
  private last = 0;
  private handle = 0;
  private readonly rowOf: Map<string, number>;
  private readonly still = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(private readonly box: HTMLElement, private readonly area: Area, private readonly options: SceneOptions) {
    this.layout = layOut(area, options.portrait);
    this.rowOf = new Map(area.cells.map((c, i) => [c.id, i]));
    this.classes = noClasses(area);
    for (let i = 0; i < 4; i += 1) this.canvases.push(this.canvas());
    this.view = this.fit();
    this.stats = new DrawStats(area.nodes.id.length);
    this.useNet(options.draw === "webgl" || (options.draw === "" && hasCard()));
    this.resize();
    this.handle = requestAnimationFrame(this.tick);
  }

  private canvas(): HTMLCanvasElement {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("aria-hidden", "true");
    return this.box.appendChild(canvas);
  }

  /** WebGL2 where it is there and stays there, else Canvas 2D. */
  private useNet(card: boolean): void {
    this.net?.dispose();
    const fresh = document.createElement("canvas");
    fresh.setAttribute("aria-hidden", "true");
    this.canvases[2]!.replaceWith(fresh);
    this.canvases[2] = fresh;
    try {
      this.net = card ? webglNet(fresh, this.area, this.layout) : canvasNet(fresh, this.area, this.layout);
    } catch {
      this.useNet(false);
      return;
    }
    if (card) fresh.addEventListener("webglcontextlost", () => this.useNet(false), { once: true });
    this.stats.renderer = this.net.name;
    this.resizeCanvas(fresh);
    this.theme();
  }

  theme(): void {
    this.inks = readInks();
    const i = this.inks;
    this.net.setPalette({ line: i.line2, node: i.line1, over: i.actionMark, far: i.alarm, unknown: i.line3 });
    this.net.setClasses(this.classes);
    this.dirty = true;
  }

  set(values: Values): void {
    this.values = values;
    if (values.frame) classify(this.area, values.frame, this.classes);
    this.net.setClasses(this.classes);
    this.dirty = true;
  }

  select(cell: number): void {
    this.selected = cell;
    this.dirty = true;
  }

  hover(cell: number): void {
    if (cell !== this.hovered) this.dirty = true;
    this.hovered = cell;
  }

  private fit(): View {
    const { box, turn } = this.layout;
    const size: [number, number] = [this.box.clientWidth || 1, this.box.clientHeight || 1];
    const root = this.rootIsland();
    const whole = fitted(box, ...size);
    const above = root && turn !== 0 ? screenY(whole, root.y - root.r) : 0; // free already
    return above >= TOP ? whole : fitted(box, ...size, TOP - above);
  }

  private rootIsland(): Island | undefined {
    return this.layout.islands[this.area.cells.findIndex((c) => c.parent === "")];
  }

  private resizeCanvas(canvas: HTMLCanvasElement): void {
    const dpr = devicePixelRatio;
    canvas.width = Math.round(this.view.width * dpr);
    canvas.height = Math.round(this.view.height * dpr);
  }

  resize(): void {
    const { clientWidth, clientHeight } = this.box;
    if (!clientWidth || !clientHeight) return;
    this.view = this.touched ? { ...this.view, width: clientWidth, height: clientHeight } : this.fit();
    this.canvases.forEach((c) => this.resizeCanvas(c));
    this.dirty = true;
  }

  showAll(): void {
    this.touched = false;
    this.view = this.fit();
    this.dirty = true;
  }

  pan(dx: number, dy: number): void {
    this.touched = true;
    this.view = panned(this.view, dx, dy);
    this.dirty = true;
  }

  zoom(factor: number, px = this.view.width / 2, py = this.view.height / 2): void {
    this.touched = true;
    this.view = zoomed(this.view, factor, px, py, this.fit().k * 0.7);
    this.dirty = true;
  }

  /** Fills the screen with a cell. */
  open(cell: number): void {
    const island = this.layout.islands[cell];
    if (!island) return;
    const { width, height } = this.view;
    this.touched = true;
    this.view = { ...this.view, x: island.x, y: island.y - 0.06, k: Math.max(150, (Math.min(width, height) - 70) / 2) / island.r };
    this.dirty = true;
  }

  /** Cell under a point on the screen, -1 none. */
  cellAt(px: number, py: number): number {
    return this.layout.islands.findIndex((i) =>
      Math.hypot(screenX(this.view, i.x) - px, screenY(this.view, i.y) - py) <= Math.max(12, i.r * this.view.k));
  }

  /** Node under a point of an open cell, -1 none. */
  nodeAt(px: number, py: number, cell: number): number {
    let best = -1;
    let nearest = NODE_REACH;
    if (cell < 0 || this.layout.islands[cell]!.r * this.view.k < 110) return best;
    this.area.nodes.cell.forEach((c, i) => {
      if (c !== cell) return;
      const d = Math.hypot(screenX(this.view, this.layout.x[i]!) - px, screenY(this.view, this.layout.y[i]!) - py);
      if (d < nearest) [best, nearest] = [i, d];
    });
    return best;
  }

  private readonly tick = (time: number): void => {
    this.handle = requestAnimationFrame(this.tick);
    const { bench } = this.options;
    if (document.hidden || (!bench && !this.dirty && time - this.last < FRAME_MS)) return;
    this.last = time;
    const before = performance.now();
    if (bench) this.swing(time);
    const redrawn = this.dirty;
    if (redrawn) this.redraw();
    if (redrawn || !this.still.matches) this.redrawTies(time / 1000);
    this.stats.add(performance.now() - before, time);
  };

  /** Moves the view as a hand would, so that every frame draws everything. */
  private swing(time: number): void {
    this.view = { ...this.view, x: this.view.x + 0.01 * Math.sin(time / 400) };
    this.dirty = true;
  }

  private ready(i: number): CanvasRenderingContext2D {
    const ctx = this.canvases[i]!.getContext("2d")!;
    const dpr = devicePixelRatio;
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    ctx.clearRect(0, 0, this.view.width, this.view.height);
    return ctx;
  }

  private redraw(): void {
    this.dirty = false;
    const { frame, looks, pointed } = this.values;
    this.lines = tieLines(this.area, this.layout, this.rowOf, this.view);
    drawGround(this.ready(1), this.area, frame, this.layout, this.view, this.inks, looks, this.selected, pointed);
    this.net.draw(this.view, devicePixelRatio, this.options.bench);
    drawWords(this.ready(3), this.area, frame, this.layout, this.view, this.inks, looks, this.hovered);
  }

  private redrawTies(phase_s: number): void {
    const { frame, stale } = this.values;
    drawTies(
      this.ready(0), this.area, frame, this.lines, this.inks, this.still.matches ? 0.5 : phase_s, stale,
      this.upstream(), frame?.area.upstream_p_kw?.[0] ?? NaN, (x, y) => this.free(x, y),
    );
  }

  /** The connection upstream: a short tie above the root. */
  private upstream(): TieLine | null {
    const island = this.rootIsland();
    if (!island) return null;
    const [cos, sin] = [Math.cos(this.layout.turn), Math.sin(this.layout.turn)];
    const from = island.r * this.view.k + 3;
    const to = from + Math.max(TOP - 6, 0.6 * this.view.k);
    const [x, y] = [screenX(this.view, island.x), screenY(this.view, island.y)];
    return lineOf([x + to * cos, y + to * sin, x + from * cos, y + from * sin], island.r * this.view.k);
  }

  /** Whether no island is at a point of the screen [px]. */
  private free(x: number, y: number): boolean {
    return this.layout.islands.every((i) => Math.hypot(screenX(this.view, i.x) - x, screenY(this.view, i.y) - y) > i.r * this.view.k + 2);
  }

  dispose(): void {
    cancelAnimationFrame(this.handle);
    this.net.dispose();
    this.box.replaceChildren();
  }
}
