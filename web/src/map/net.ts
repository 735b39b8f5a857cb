// What draws nodes and lines inside the islands: WebGL2 on a graphics card, Canvas 2D without one.
import type { Area } from "../api/nouns";
import type { Classes } from "./classes";
import type { View } from "./view";

export interface Palette {
  line: string;
  node: string;
  over: string;
  far: string;
  unknown: string;
}

export interface NetDrawer {
  name: "webgl2" | "canvas";
  setClasses(classes: Classes): void;
  setPalette(palette: Palette): void;
  /** `dpr`: device pixels per pixel; `all`: draw closed islands too. */
  draw(view: View, dpr: number, all: boolean): void;
  dispose(): void;
}

/** Lines inside cells; what joins two cells is drawn as a tie. */
export function innerBranches(area: Area): number[] {
  const { from_node, to_node } = area.branches;
  const cell = area.nodes.cell;
  return from_node.flatMap((from, i) => (cell[from] === cell[to_node[i]!] ? [i] : []));
}

/** Whether there is WebGL2 on a real graphics card: software drawing of it is slower than Canvas 2D. */
export function hasCard(): boolean {
  const gl = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  if (!gl) return false;
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}
