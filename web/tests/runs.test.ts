import assert from "node:assert/strict";
import { test } from "node:test";
import { barOf, bestOf } from "../src/screens/runs/compare";

const ways = ["rules", "alone", "distributed"];

test("the best of a figure is marked, and nothing where all are equal or nothing is better", () => {
  const values = { rules: 3, alone: 1, distributed: 1.0000000001 };
  assert.deepEqual([...bestOf({ best: "low", values }, ways)], ["alone", "distributed"]);
  assert.deepEqual([...bestOf({ best: "high", values }, ways)], ["rules"]);
  assert.deepEqual([...bestOf({ best: "", values }, ways)], []);
  assert.deepEqual([...bestOf({ best: "low", values: { rules: 0, alone: 0, distributed: 0 } }, ways)], []);
  assert.deepEqual([...bestOf({ best: "low", values: { rules: 0, alone: null, distributed: null } }, ways)], []);
});

test("bars share one scale that holds nothing and stay within it", () => {
  const values = { rules: -50, alone: 100, distributed: null };
  assert.deepEqual(barOf({ best: "", values }, ways, "rules"), { from: 0, length: 1 / 3 });
  const alone = barOf({ best: "", values }, ways, "alone")!;
  assert.ok(Math.abs(alone.from + alone.length - 1) < 1e-12);
  assert.equal(barOf({ best: "", values }, ways, "distributed"), null);
});
