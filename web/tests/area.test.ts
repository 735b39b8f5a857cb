import assert from "node:assert/strict";
import { test } from "node:test";
import { readFrame, readFrames, type Frame } from "../src/api/frame";
import type { Area, Section } from "../src/api/nouns";
import { areaBalance } from "../src/area/balance";
import { headline } from "../src/area/headline";
import { kw, num } from "../src/lib/say";
import { classify, FAR, NORMAL, noClasses, OVER, UNKNOWN } from "../src/map/classes";
import { layOut } from "../src/map/layout";
import { screenX, screenY, zoomed } from "../src/map/view";

let seed = 7;
const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;

/** A root, feeders and leaves of `nodes` nodes each, all lying over each other on the true map. */
function areaOf(feeders: number, leaves: number, nodes = 4): Area {
  const ids = ["root"];
  const parent = [""];
  for (let f = 0; f < feeders; f += 1) {
    ids.push(`f${f}`);
    parent.push("root");
    for (let l = 0; l < leaves; l += 1) {
      ids.push(`f${f}l${l}`);
      parent.push(`f${f}`);
    }
  }
  const count = ids.length * nodes;
  const cell = Array.from({ length: count }, (_, i) => Math.floor(i / nodes));
  return {
    name: "t", title: "t", kind: "run", strategies: ["distributed"], f_hz: 50, import_kw_max: 100, export_kw_max: null,
    span: { start: "2016-05-26T00:00:00Z", end: "2016-05-27T00:00:00Z", step_s: 60, live: false, factor: 1 }, acts: [],
    cells: ids.map((id, i) => ({ id, parent: parent[i]!, level: "", x: random(), y: random(), devices: {}, rated_kw: null })),
    ties: ids.slice(1).map((id, i) => ({
      id: `t${id}`, direction: "vertical" as const, upper: parent[i + 1]!, lower: id, upper_node: ids.indexOf(parent[i + 1]!) * nodes,
      lower_node: (i + 1) * nodes, closed: true, metered_at: "upper" as const, branch: null,
    })),
    nodes: {
      id: cell.map((_, i) => `n${i}`), x: cell.map(random), y: cell.map(random), cell, vn_kv: cell.map(() => 0.4),
      v_pu_min: cell.map(() => 0.95), v_pu_max: cell.map(() => 1.05),
    },
    branches: { id: ["a", "b"], kind: ["line", "line"], from_node: [0, 1], to_node: [1, 2], cell: [0, 0], loading_max: [1, 0.5] },
    devices: { id: [], kind: [], cell: [], node: [], p_kw_min: [], p_kw_max: [], e_kwh: [] },
    sections: [],
  };
}

const floats = (values: number[]) => Float32Array.from(values);

function frameOf(tables: Partial<Record<"area" | "cells" | "ties" | "nodes" | "branches", Record<string, number[]>>>): Frame {
  const columns = (table: Record<string, number[]> = {}) =>
    Object.fromEntries(Object.entries(table).map(([name, values]) => [name, floats(values)]));
  return {
    seq: 1, time: 0, measured: 0, live: false, last: false, devices: {},
    area: columns(tables.area), cells: columns(tables.cells), ties: columns(tables.ties), nodes: columns(tables.nodes),
    branches: columns(tables.branches),
  };
}

function bytes(numbers: number[], seq: number): ArrayBuffer {
  const buffer = new ArrayBuffer(32 + 4 * numbers.length);
  const view = new DataView(buffer);
  [..."ARCF"].forEach((letter, i) => view.setUint8(i, letter.charCodeAt(0)));
  view.setUint16(4, 1, true);
  view.setUint16(6, 3, true);
  view.setUint32(8, seq, true);
  view.setUint32(12, numbers.length, true);
  view.setFloat64(16, 1.5, true);
  view.setFloat64(24, 2.5, true);
  numbers.forEach((n, i) => view.setFloat32(32 + 4 * i, n, true));
  return buffer;
}

const SECTIONS: Section[] = [
  { table: "area", column: "upstream_p_kw", unit: "kW", count: 1 }, { table: "cells", column: "p_kw", unit: "kW", count: 2 },
];

test("a frame is read as views of its bytes, by table and column", () => {
  const { frame, next } = readFrame(bytes([7, 1, 2], 9), SECTIONS);
  assert.equal(next, 44);
  assert.deepEqual([frame.seq, frame.time, frame.measured, frame.live, frame.last], [9, 1500, 2500, true, true]);
  assert.deepEqual([...frame.cells.p_kw!], [1, 2]);
  assert.equal(frame.cells.nothing?.[0], undefined);
});

test("frames that follow each other are all read, and another version is refused", () => {
  const one = new Uint8Array(bytes([1, 2, 3], 1));
  const two = new Uint8Array(bytes([4, 5, 6], 2));
  const both = new Uint8Array([...one, ...two]).buffer;
  assert.deepEqual(readFrames(both, SECTIONS).map((f) => f.area.upstream_p_kw![0]), [1, 4]);
  one[4] = 2;
  assert.throws(() => readFrame(one.buffer, SECTIONS), /load the page again/);
});

test("no island lies over another, in a district and in a city, wide and high", () => {
  for (const [feeders, leaves] of [[2, 6], [14, 10], [1, 0], [0, 0], [3, 40]] as const) {
    for (const portrait of [false, true]) {
      const { islands, box } = layOut(areaOf(feeders, leaves), portrait);
      islands.forEach((a, i) => islands.slice(i + 1).forEach((b) => {
        assert.ok(Math.hypot(a.x - b.x, a.y - b.y) > a.r + b.r, `${feeders} feeders of ${leaves}`);
      }));
      assert.ok(islands.every((a) => a.x - a.r >= box.x0 && a.y + a.r <= box.y1));
    }
  }
});

test("every node lies inside its own island", () => {
  const area = areaOf(3, 5, 20);
  const { islands, x, y } = layOut(area, false);
  area.nodes.cell.forEach((c, i) => {
    assert.ok(Math.hypot(x[i]! - islands[c]!.x, y[i]! - islands[c]!.y) <= islands[c]!.r);
  });
});

test("zooming keeps the point under the pointer where it is", () => {
  const view = { x: 3, y: -2, k: 40, width: 800, height: 500 };
  const [px, py] = [120, 410];
  const [x, y] = [(px - 400) / view.k + view.x, (py - 250) / view.k + view.y];
  const closer = zoomed(view, 1.7, px, py, 1);
  assert.ok(Math.abs(screenX(closer, x) - px) < 1e-9 && Math.abs(screenY(closer, y) - py) < 1e-9);
});

test("both rows of the balance of the area are equally long, whatever is not known", () => {
  const sum = (parts: { p_kw: number }[]) => parts.reduce((all, part) => all + part.p_kw, 0);
  const any = () => (random() < 0.15 ? NaN : (random() - 0.3) * 300);
  for (let i = 0; i < 300; i += 1) {
    const column = () => [any(), any(), any()];
    const { ins, outs, total_kw } = areaBalance(frameOf({
      area: { upstream_p_kw: [any()], losses_kw: [any()] },
      cells: {
        renewable_kw: column(), discharging_kw: column(), load_kw: column(), vehicles_kw: column(), heat_kw: column(),
        charging_kw: column(),
      },
    }));
    assert.ok(Math.abs(sum(ins) - sum(outs)) < 0.06);
    assert.ok(Math.abs(total_kw - sum(outs)) < 0.06);
  }
});

test("a cell whose load is not known is named as missing, not counted as zero load", () => {
  const { missing } = areaBalance(frameOf({ area: { upstream_p_kw: [5], losses_kw: [0] }, cells: { load_kw: [3, NaN] } }));
  assert.ok(missing.includes("load of 1 cell"), missing.join());
});

const calm = (p_kw: number[], more: Record<string, number[]> = {}) => ({
  p_kw, level: p_kw.map(() => 0), mode: p_kw.map(() => 0), ...more,
});

test("the headline says that all is well, who gives to whom and what it costs", () => {
  const area = areaOf(2, 0);
  const said = headline(area, frameOf({
    cells: calm([200, -310, 510]), area: { upstream_p_kw: [98], price_eur_per_kwh: [0.11] },
  }), () => false);
  assert.equal(said.well, "All is well: 3 cells cooperate.");
  assert.equal(said.helps, "f0 gives 310 kW to f1.");
  assert.equal(said.costs, "Import 98 kW of 100 kW, 0.110 EUR/kWh");
  assert.match(said.limited, /^The connection is at its import limit/);
  assert.equal(said.severity, null);
});

test("a connection beyond its firm limit is said as a trouble, by how much", () => {
  const area = areaOf(1, 0);
  const said = headline(area, frameOf({ cells: calm([130, 130]), area: { upstream_p_kw: [130] } }), () => false);
  assert.equal(said.severity, "alarm");
  assert.equal(said.well, "The connection carries 30 kW too much; 2 cells cooperate.");
});

test("the limit that holds now is the frame's, and the area's where a frame tells none", () => {
  const area = areaOf(1, 0);
  const told = { upstream_p_kw: [-650], export_kw_max: [600] };
  const said = headline(area, frameOf({ cells: calm([0, 0]), area: told }), () => false);
  assert.equal(said.costs.split(",")[0], "Export 650 kW of 600 kW");
  assert.match(said.well, /^The connection carries 50 kW too much/);
  const none = headline(area, frameOf({ cells: calm([0, 0]), area: { upstream_p_kw: [60], import_kw_max: [NaN] } }), () => false);
  assert.equal(none.costs.split(",")[0], "Import 60 kW of 100 kW");
});

test("without the main grid the headline names what lives on, up to three islands", () => {
  const lost = (mode: number[], unserved: number[] = []) => {
    const area = areaOf(mode.length - 1, 0);
    const frame = frameOf({ cells: { ...calm(mode.map(() => 0)), level: mode.map(() => 4), mode }, area: { unserved_kw: unserved } });
    return headline(area, frame, () => false).well;
  };
  assert.equal(lost([7, 7, 7, 2, 2], [392]), "3 cells are dark, 392 kW are not served. f2 and f3 live on as islands.");
  assert.equal(lost([7, 2, 2, 2]), "root is dark. f0, f1 and f2 live on as islands.");
  assert.equal(lost([7, 2, 2, 2, 2]), "root is dark. 4 islands live on.");
  assert.equal(lost([7, 7, 7]), "3 cells are dark. No cell lives on.");
});

test("an island is named by its topmost cell", () => {
  const area = areaOf(2, 1); // root, f0, f0l0, f1, f1l0
  const frame = frameOf({ cells: calm([0, 0, 0, 0, 0], { mode: [7, 2, 2, 7, 7] }) });
  assert.match(headline(area, frame, () => false).well, /\. f0 lives on as an island\.$/);
});

test("what several cells have in common is said once, the worst first", () => {
  const area = areaOf(3, 0);
  const said = headline(area, frameOf({ cells: { ...calm([0, 0, 0, 0]), mode: [0, 7, 7, 2] } }), () => false);
  assert.equal(said.severity, "alarm");
  assert.equal(said.well, "f0 and f1 are dark. f2 lives on as an island.");
  const silent = headline(area, frameOf({ cells: { ...calm([0, 0, 0, 0]), level: [0, 5, 0, 0] } }), () => false);
  assert.equal(silent.well, "f0 does not answer; 3 of 4 cells cooperate.");
});

test("colour is only for what is outside its limits, and unknown is a class of its own", () => {
  const area = areaOf(0, 0);
  const classes = noClasses(area);
  classify(area, frameOf({ nodes: { v_pu: [1, 1.06, 1.2, NaN] }, branches: { loading: [0.99, 0.51] } }), classes);
  assert.deepEqual([...classes.nodes], [NORMAL, OVER, FAR, UNKNOWN]);
  assert.deepEqual([...classes.branches], [NORMAL, OVER]);
});

test("what is not known is a question mark, never zero", () => {
  for (const value of [undefined, null, NaN]) assert.equal(kw(value), "? kW");
  assert.equal(num(-0.4), "0");
  assert.equal(kw(-12345), "−12.3 MW");
});
