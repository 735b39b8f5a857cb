import assert from "node:assert/strict";
import { test } from "node:test";
import { balanceOf, type CellPowers } from "../src/screens/cell/balance";
import { place } from "../src/screens/cell/oneline";
import { ROWS_MAX, rowsOf, type Grid } from "../src/screens/cell/rows";

const calm: CellPowers = {
  p_kw: 40, load_kw: 90, vehicles_kw: 20, heat_kw: 0, charging_kw: 0, discharging_kw: 12, renewable_kw: 80,
  children: [{ cell: "LV1", p_kw: 25 }, { cell: "LV2", p_kw: -5 }],
};

const sum = (parts: { p_kw: number }[]) => parts.reduce((total, part) => total + part.p_kw, 0);

test("both sides of the balance bar always add up to the same", () => {
  let seed = 1;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const any = () => (random() < 0.1 ? NaN : (random() - 0.3) * 500);
  for (let i = 0; i < 500; i++) {
    const cell = {
      p_kw: any(), load_kw: any(), vehicles_kw: any(), heat_kw: any(), charging_kw: any(), discharging_kw: any(),
      renewable_kw: any(), children: [{ cell: "a", p_kw: any() }, { cell: "b", p_kw: any() }],
    };
    const { ins, outs, total_kw } = balanceOf(cell, "upstream");
    assert.ok(Math.abs(sum(ins) - sum(outs)) < 0.06, `${sum(ins)} and ${sum(outs)}`);
    assert.ok(Math.abs(Math.max(sum(ins), sum(outs)) - total_kw) < 0.06);
    assert.ok([...ins, ...outs].every((part) => part.p_kw >= 0));
  }
});

test("what is open is shown as unknown on the side that lacks it", () => {
  const { ins, outs } = balanceOf(calm, "Feeder12");
  assert.equal(sum(ins), 137);
  assert.deepEqual(outs.at(-1), { key: "unknown", label: "unknown (losses)", p_kw: 2 });
  const { ins: short } = balanceOf({ ...calm, load_kw: 120 }, "Feeder12");
  assert.deepEqual(short.at(-1), { key: "unknown", label: "unknown", p_kw: 28 });
});

test("a value that is not known is named and never counted as nothing", () => {
  const { outs, missing } = balanceOf({ ...calm, vehicles_kw: NaN }, "Feeder12");
  assert.deepEqual(missing, ["vehicles"]);
  assert.deepEqual(outs.at(-1), { key: "unknown", label: "unknown", p_kw: 22 });
});

test("a cell that gives shows its export as going out", () => {
  const { outs } = balanceOf({ ...calm, p_kw: -10 }, "Feeder12");
  assert.ok(outs.some((part) => part.label === "to Feeder12" && part.p_kw === 10));
});

/** A head with lines of the given lengths, one load and one battery at the end of each. */
function star(lengths: number[]): Grid {
  const grid: Grid = {
    nodes: { id: ["n0"], cell: [0] },
    branches: { id: [], from_node: [], to_node: [] },
    devices: { kind: [], node: [], cell: [] },
    ties: [{ direction: "vertical", upper: "up", lower: "c", upper_node: -1, lower_node: 0 }],
    cells: [{ id: "c" }],
  };
  for (const length of lengths) {
    let before = 0;
    for (let i = 0; i < length; i++) {
      const node = grid.nodes.id.push(`n${grid.nodes.id.length}`) - 1;
      grid.nodes.cell.push(0);
      grid.branches.id.push(`b${node}`);
      grid.branches.from_node.push(before);
      grid.branches.to_node.push(node);
      before = node;
    }
    for (const kind of ["load", "battery"]) {
      grid.devices.kind.push(kind);
      grid.devices.node.push(before);
      grid.devices.cell.push(0);
    }
  }
  return grid;
}

test("a small cell shows every node, a large one a row per outgoing line", () => {
  assert.equal(rowsOf(star([2, 3]), 0).length, 6);
  const large = rowsOf(star([14, 15, 20]), 0);
  assert.deepEqual(large.map((row) => row.nodes.length), [1, 20, 15, 14]);
  assert.deepEqual(large.map((row) => row.parent), [null, 0, 0, 0]);
});

test("every node, branch and device of a cell is in exactly one row, however large the cell", () => {
  for (const lengths of [[1], [40], [5, 5, 5], Array(30).fill(4), [100, 1, 1]]) {
    const grid = star(lengths as number[]);
    const rows = rowsOf(grid, 0);
    assert.ok(rows.length <= ROWS_MAX);
    assert.deepEqual(rows.flatMap((row) => row.nodes).sort((a, b) => a - b), grid.nodes.id.map((_, i) => i));
    assert.deepEqual(rows.flatMap((row) => row.branches).sort((a, b) => a - b), grid.branches.id.map((_, i) => i));
    const devices = rows.flatMap((row) => row.kinds.flatMap((group) => group.devices));
    assert.deepEqual(devices.sort((a, b) => a - b), grid.devices.kind.map((_, i) => i));
  }
});

test("a node no branch reaches is still shown", () => {
  const grid = star([2]);
  grid.nodes.id.push("loose");
  grid.nodes.cell.push(0);
  const loose = rowsOf(grid, 0).find((row) => row.node === 3);
  assert.deepEqual([loose?.parent, loose?.via], [0, null]);
});

test("symbols stay within the width of a phone", () => {
  const drawing = place(rowsOf(star(Array(9).fill(14)), 0), 328);
  for (const placed of drawing.rows) for (const symbol of placed.symbols) assert.ok(symbol.x <= 328 && symbol.x > placed.x);
  const heights = drawing.rows.map((placed) => placed.y);
  assert.deepEqual(heights, [...heights].sort((a, b) => a - b));
});
