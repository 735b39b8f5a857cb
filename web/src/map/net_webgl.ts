// WebGL2: two draw calls, lines and nodes, each an instanced quad; the classes are an attribute that is written over in place.
import type { Area } from "../api/nouns";
import type { Layout } from "./layout";
import { dotWidth, lineWidth } from "./net_canvas";
import { innerBranches, type NetDrawer } from "./net";

const COMMON = `#version 300 es
precision highp float;
uniform vec4 view;   // middle, pixels per unit, -
uniform vec2 size;   // screen in pixels
uniform float wide;  // pixels
uniform float all;
uniform vec3 colors[4];
layout(location=0) in vec2 corner;
layout(location=1) in float kind;
layout(location=2) in float radius;
out vec4 color;
vec2 onScreen(vec2 p) { return (p - view.xy) * view.z; }
vec4 toClip(vec2 s) { return vec4(s.x * 2.0 / size.x, -s.y * 2.0 / size.y, 0.0, 1.0); }
float grown() { return kind > 0.5 && kind < 2.5 ? 1.8 : 1.0; }
void paint() {
  float open = max(all, smoothstep(75.0, 135.0, radius * view.z));
  color = vec4(colors[int(kind + 0.5)], open);
}
`;
const LINE = `${COMMON}
layout(location=3) in vec4 ends;
void main() {
  vec2 a = onScreen(ends.xy), b = onScreen(ends.zw), d = b - a;
  float l = max(length(d), 0.001);
  vec2 side = vec2(-d.y, d.x) / l * wide * grown() * 0.5;
  gl_Position = toClip(mix(a, b, corner.x) + side * (corner.y * 2.0 - 1.0));
  paint();
}`;
const NODE = `${COMMON}
layout(location=3) in vec4 ends;
out vec2 at;
void main() {
  at = corner * 2.0 - 1.0;
  gl_Position = toClip(onScreen(ends.xy) + at * wide * grown() * 0.5);
  paint();
}`;
const LINE_PIXEL = `#version 300 es
precision mediump float;
in vec4 color; out vec4 result;
void main() { result = vec4(color.rgb * color.a, color.a); }`;
const NODE_PIXEL = `#version 300 es
precision mediump float;
in vec4 color; in vec2 at; out vec4 result;
void main() { float a = color.a * (1.0 - smoothstep(0.75, 1.0, length(at))); result = vec4(color.rgb * a, a); }`;

interface Layer {
  program: WebGLProgram;
  vao: WebGLVertexArrayObject;
  kinds: WebGLBuffer;
  values: Uint8Array;
  count: number;
  /** Asking for a place waits for the graphics process: asked once. */
  at: Record<(typeof UNIFORMS)[number], WebGLUniformLocation | null>;
}

const UNIFORMS = ["view", "size", "wide", "all", "colors"] as const;

function compile(gl: WebGL2RenderingContext, vertex: string, pixel: string): WebGLProgram {
  const program = gl.createProgram();
  for (const [type, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, pixel]] as const) {
    const shader = gl.createShader(type)!;
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "WebGL2");
  return program;
}

function layer(gl: WebGL2RenderingContext, program: WebGLProgram, ends: Float32Array, radii: Float32Array): Layer {
  const vao = gl.createVertexArray();
  gl.bindVertexArray(vao);
  const fill = (place: number, width: number, data: Float32Array | Uint8Array, each: number, usage: number): WebGLBuffer => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data, usage);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, width, data instanceof Uint8Array ? gl.UNSIGNED_BYTE : gl.FLOAT, false, 0, 0);
    gl.vertexAttribDivisor(place, each);
    return buffer;
  };
  const values = new Uint8Array(radii.length);
  fill(0, 2, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), 0, gl.STATIC_DRAW);
  const kinds = fill(1, 1, values, 1, gl.DYNAMIC_DRAW);
  fill(2, 1, radii, 1, gl.STATIC_DRAW);
  fill(3, 4, ends, 1, gl.STATIC_DRAW);
  const at = Object.fromEntries(UNIFORMS.map((name) => [name, gl.getUniformLocation(program, name)])) as Layer["at"];
  return { program, vao, kinds, values, count: radii.length, at };
}

/** Throws where WebGL2 cannot be had. */
export function webglNet(canvas: HTMLCanvasElement, area: Area, layout: Layout): NetDrawer {
  const gl = canvas.getContext("webgl2", { alpha: true, antialias: true, premultipliedAlpha: true });
  if (!gl) throw new Error("WebGL2 is not there");
  const inner = innerBranches(area);
  const { from_node, to_node, cell } = area.branches;
  const lineEnds = new Float32Array(inner.flatMap((i) => {
    const [a, b] = [from_node[i]!, to_node[i]!];
    return [layout.x[a]!, layout.y[a]!, layout.x[b]!, layout.y[b]!];
  }));
  const nodeEnds = new Float32Array(area.nodes.id.flatMap((_, i) => [layout.x[i]!, layout.y[i]!, 0, 0]));
  const radius = (c: number): number => layout.islands[c]!.r;
  const lines = layer(gl, compile(gl, LINE, LINE_PIXEL), lineEnds, new Float32Array(inner.map((i) => radius(cell[i]!))));
  const nodes = layer(gl, compile(gl, NODE, NODE_PIXEL), nodeEnds, new Float32Array(area.nodes.cell.map(radius)));
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  let lineColors = new Float32Array(12);
  let nodeColors = new Float32Array(12);

  const paint = (of: Layer, view: Float32Array, size: Float32Array, wide: number, all: boolean, colors: Float32Array): void => {
    gl.useProgram(of.program);
    gl.bindVertexArray(of.vao);
    gl.uniform4fv(of.at.view, view);
    gl.uniform2fv(of.at.size, size);
    gl.uniform1f(of.at.wide, wide);
    gl.uniform1f(of.at.all, all ? 1 : 0);
    gl.uniform3fv(of.at.colors, colors);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, of.count);
  };
  const write = (of: Layer): void => {
    gl.bindBuffer(gl.ARRAY_BUFFER, of.kinds);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, of.values);
  };

  return {
    name: "webgl2",
    setPalette(p) {
      lineColors = new Float32Array([p.line, p.over, p.far, p.unknown].flatMap(rgb));
      nodeColors = new Float32Array([p.node, p.over, p.far, p.unknown].flatMap(rgb));
    },
    setClasses(classes) {
      nodes.values.set(classes.nodes);
      inner.forEach((branch, i) => { lines.values[i] = classes.branches[branch]!; });
      write(nodes);
      write(lines);
    },
    draw(v, _dpr, all) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      const view = new Float32Array([v.x, v.y, v.k, 0]);
      const size = new Float32Array([v.width, v.height]);
      paint(lines, view, size, lineWidth(v), all, lineColors);
      paint(nodes, view, size, dotWidth(v), all, nodeColors);
    },
    dispose() {
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}

function rgb(hex: string): number[] {
  const n = parseInt(hex.slice(1), 16);
  return [(n >> 16) / 255, ((n >> 8) & 255) / 255, (n & 255) / 255];
}
