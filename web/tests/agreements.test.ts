import assert from "node:assert/strict";
import { test } from "node:test";
import { scaleOf, segmentsOf } from "../src/screens/agreements/parts";
import { giver, inOrder, spotsOf } from "../src/screens/agreements/tree";

const parts = { energy: 0.05, losses: 0.002, congestion: -0.04, voltage: -0.01, fees: 0.03 };

test("parts that add lie right of nothing, parts that take away lie left", () => {
  const bars = segmentsOf(0.032, parts);
  assert.deepEqual(bars.map((bar) => [bar.name, bar.value > 0]), [
    ["energy", true], ["losses", true], ["congestion", false], ["voltage", false], ["fees", true],
  ]);
  const { low, high } = scaleOf([bars]);
  assert.ok(Math.abs(low + 0.05) < 1e-12 && Math.abs(high - 0.082) < 1e-12);
});

test("what missing parts leave open of a price is unknown", () => {
  const bars = segmentsOf(0.06, { ...parts, congestion: null, voltage: null });
  assert.equal(bars.at(-1)!.name, "unknown");
  assert.ok(Math.abs(bars.at(-1)!.value + 0.022) < 1e-12);
  const none = { energy: null, losses: null, congestion: null, voltage: null, fees: null };
  assert.deepEqual(segmentsOf(null, none), []);
  assert.deepEqual(segmentsOf(0.05, none).map((bar) => bar.name), ["unknown"]);
});

const cells = [
  { id: "LV1", parent: "F1" }, { id: "S", parent: "" }, { id: "F1", parent: "S" }, { id: "F2", parent: "S" },
  { id: "LV2", parent: "F1" }, { id: "LV3", parent: "F2" },
];

test("parents stand over the middle of their children, and come first", () => {
  const spots = new Map(spotsOf(cells).map((spot) => [spot.id, spot]));
  assert.equal(spots.get("F1")!.x, 0.5);
  assert.equal(spots.get("S")!.x, (0.5 + 2) / 2);
  assert.deepEqual(inOrder(cells).map((cell) => cell.id), ["S", "F1", "LV1", "LV2", "F2", "LV3"]);
});

test("positive power is given by the upper cell, negative by the lower, none by nobody", () => {
  assert.deepEqual(giver("up", "low", 3), { from: "up", to: "low", kw: 3 });
  assert.deepEqual(giver("up", "low", -3), { from: "low", to: "up", kw: 3 });
  assert.equal(giver("up", "low", 0), null);
  assert.equal(giver("up", "low", null), null);
});
