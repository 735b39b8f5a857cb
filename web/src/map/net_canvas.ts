// Canvas 2D: the paths of every cell are made once and stroked under a transform, so that a frame is a few calls per cell;
// only what is not normal is drawn one by one over it.
import type { Area } from "../api/nouns";
import { FAR, OVER, UNKNOWN, type Classes } from "./classes";
import type { Layout } from "./layout";
import { innerBranches, type NetDrawer, type Palette } from "./net";
import { openness, type View } from "./view";

interface CellPaths {
  lines: Path2D;
  /** Rows of its nodes. */
  rows: number[];
  /** Dots of no size, to be stroked round: fine for few, slow for thousands. */
  dots: Path2D;
  /** Squares of `size` on the plane, to be filled: made again when the zoom has changed much. */
  squares: Path2D;
  size: number;
}

const ROUND_FROM = 4; // px from which a node is seen to be round
const SIZE_SLACK = 1.3;

const KINDS = [UNKNOWN, OVER, FAR];
const DOT = 1e-5; // a line this short with round ends is a dot

export function canvasNet(canvas: HTMLCanvasElement, area: Area, layout: Layout): NetDrawer {
  const ctx = canvas.getContext("2d")!;
  const { from_node, to_node, cell: branchCell } = area.branches;
  const inner = innerBranches(area);
  const paths: CellPaths[] = area.cells.map(() => emptyPaths());
  for (const i of inner) {
    const path = paths[branchCell[i]!]!.lines;
    path.moveTo(layout.x[from_node[i]!]!, layout.y[from_node[i]!]!);
    path.lineTo(layout.x[to_node[i]!]!, layout.y[to_node[i]!]!);
  }
  const whole = emptyPaths();
  area.nodes.cell.forEach((c, i) => {
    const path = paths[c]!;
    path.rows.push(i);
    whole.rows.push(i);
    path.dots.moveTo(layout.x[i]!, layout.y[i]!);
    path.dots.lineTo(layout.x[i]! + DOT, layout.y[i]!);
  });
  for (const path of paths) {
    whole.lines.addPath(path.lines);
    whole.dots.addPath(path.dots);
  }
  let palette: Palette = { line: "#888", node: "#444", over: "#c60", far: "#c00", unknown: "#bbb" };
  let oddNodes: number[] = [];
  let oddLines: number[] = [];
  let classes: Classes | null = null;

  const color = (kind: number): string => (kind === FAR ? palette.far : kind === OVER ? palette.over : palette.unknown);

  function drawNodes(path: CellPaths, dot: number, k: number): void {
    if (dot >= ROUND_FROM) {
      ctx.strokeStyle = palette.node;
      ctx.lineWidth = dot / k;
      ctx.stroke(path.dots);
      return;
    }
    const size = dot / k;
    if (size > path.size * SIZE_SLACK || size * SIZE_SLACK < path.size) {
      path.size = size;
      path.squares = new Path2D();
      for (const i of path.rows) path.squares.rect(layout.x[i]! - size / 2, layout.y[i]! - size / 2, size, size);
    }
    ctx.fillStyle = palette.node;
    ctx.fill(path.squares);
  }

  /** What is not normal, per kind; made again when the classes or the islands in sight changed. */
  let odd: { key: string; lines: (Path2D | null)[]; nodes: (Path2D | null)[] } | null = null;

  function oddPaths(cells: Uint8Array): NonNullable<typeof odd> {
    const key = cells.join("");
    if (odd?.key !== key) {
      const of = (lines: boolean) => KINDS.map((kind) => oddPath(kind, cells, lines));
      odd = { key, lines: of(true), nodes: of(false) };
    }
    return odd;
  }

  function oddPath(kind: number, cells: Uint8Array, lines: boolean): Path2D | null {
    const list = lines ? oddLines : oddNodes;
    const of = lines ? classes!.branches : classes!.nodes;
    const owner = lines ? branchCell : area.nodes.cell;
    let path: Path2D | null = null;
    for (const i of list) {
      if (of[i] !== kind || !cells[owner[i]!]) continue;
      path ??= new Path2D();
      const a = lines ? from_node[i]! : i;
      path.moveTo(layout.x[a]!, layout.y[a]!);
      if (lines) path.lineTo(layout.x[to_node[i]!]!, layout.y[to_node[i]!]!);
      else path.lineTo(layout.x[a]! + DOT, layout.y[a]!);
    }
    return path;
  }

  return {
    name: "canvas",
    setPalette(next) {
      palette = next;
    },
    setClasses(next) {
      classes = next;
      odd = null;
      oddNodes = [];
      oddLines = [];
      for (let i = 0; i < next.nodes.length; i += 1) if (next.nodes[i]) oddNodes.push(i);
      for (const i of inner) if (next.branches[i]) oddLines.push(i);
    },
    draw(view, dpr, all) {
      ctx.setTransform(1, 0, 0, 1, 0, 0);
      ctx.clearRect(0, 0, canvas.width, canvas.height);
      const shown = new Uint8Array(area.cells.length);
      let any = false;
      layout.islands.forEach((island, i) => {
        const r = island.r * view.k;
        const inside = Math.abs((island.x - view.x) * view.k) < view.width / 2 + r
          && Math.abs((island.y - view.y) * view.k) < view.height / 2 + r;
        if (inside && (all || openness(r) > 0.02)) {
          shown[i] = 1;
          any = true;
        }
      });
      if (!any) return;
      const k = view.k * dpr;
      ctx.setTransform(k, 0, 0, k, canvas.width / 2 - view.x * k, canvas.height / 2 - view.y * k);
      ctx.lineCap = "round";
      const line = lineWidth(view);
      const dot = dotWidth(view);
      for (let i = all ? -1 : 0; i < (all ? 0 : paths.length); i += 1) {
        if (i >= 0 && !shown[i]) continue;
        const path = paths[i] ?? whole;
        ctx.globalAlpha = all ? 1 : openness(layout.islands[i]!.r * view.k);
        ctx.strokeStyle = palette.line;
        ctx.lineWidth = line / view.k;
        ctx.stroke(path.lines);
        drawNodes(path, dot, view.k);
      }
      ctx.globalAlpha = 1;
      if (!classes) return;
      const { lines, nodes } = oddPaths(shown);
      KINDS.forEach((kind, i) => {
        ctx.strokeStyle = color(kind);
        const wide = kind === UNKNOWN ? 1 : 1.8;
        ctx.lineWidth = (line * wide) / view.k;
        if (lines[i]) ctx.stroke(lines[i]);
        ctx.lineWidth = (dot * wide) / view.k;
        if (nodes[i]) ctx.stroke(nodes[i]);
      });
    },
    dispose() {
      ctx.clearRect(0, 0, canvas.width, canvas.height);
    },
  };
}

const emptyPaths = (): CellPaths => ({ lines: new Path2D(), rows: [], dots: new Path2D(), squares: new Path2D(), size: 0 });

export const lineWidth = (view: View): number => Math.min(2.6, 0.7 + view.k / 180);
export const dotWidth = (view: View): number => Math.min(11, 1.6 + view.k / 34);
