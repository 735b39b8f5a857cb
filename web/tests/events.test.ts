import assert from "node:assert/strict";
import { test } from "node:test";
import { groupsOf, marksOf, passes, severities, type CardLike } from "../src/screens/events/groups";

const card = (id: string, more: Partial<CardLike>): CardLike => ({
  id, severity: "information", title: id, text: "", cause: id, begun: "2016-05-26T12:00:00Z", ended: null, ...more,
});

test("cards of one cause are one group, led by the gravest that is open", () => {
  const groups = groupsOf([
    card("a", { cause: "x" }),
    card("b", { cause: "x", severity: "alarm", ended: "2016-05-26T12:30:00Z" }),
    card("c", { cause: "x", severity: "action" }),
    card("d", { severity: "alarm" }),
  ]);
  assert.deepEqual(groups.map((group) => [group.cause, group.head.id]), [["d", "d"], ["x", "c"]]);
  assert.equal(groups[1]!.others.length, 2);
});

test("cards without a cause are not thrown together", () => {
  assert.equal(groupsOf([card("a", { cause: "" }), card("b", { cause: "" })]).length, 2);
});

test("a card passes with all words, in any of its texts, and its severity shown", () => {
  const one = card("trafo/5", { text: "Overload", children: ["LV3.304 gives less"] });
  const all = new Set(severities);
  assert.ok(passes(one, all, false, "overload lv3.304"));
  assert.ok(!passes(one, all, false, "overload lv9"));
  assert.ok(!passes(one, new Set(["alarm"] as const), false, ""));
  assert.ok(!passes({ ...one, ended: "2016-05-26T13:00:00Z" }, all, true, ""));
});

test("marks lie where their time is and open cards last until now", () => {
  const day = Date.parse("2016-05-26T00:00:00Z");
  const end = day + 86_400_000;
  const [mark] = marksOf([card("a", {})], day, end, day + 64_800_000);
  assert.deepEqual([mark!.from, mark!.to, mark!.lane], [0.5, 0.75, 3]);
  assert.deepEqual(marksOf([card("b", { begun: "2016-05-28T00:00:00Z" })], day, end, end), []);
});

test("no two marks of a severity lie over each other", () => {
  const day = Date.parse("2016-05-26T00:00:00Z");
  const hour = (h: number) => new Date(day + h * 3_600_000).toISOString();
  const cards = [[1, 5], [2, 3], [4, 6], [3, 4], [23.99, 24]].map(([from, to], i) => card(String(i), { begun: hour(from!), ended: hour(to!) }));
  const marks = marksOf(cards, day, day + 86_400_000, day);
  for (const a of marks) for (const b of marks) {
    if (a !== b && a.line === b.line) assert.ok(a.to <= b.from || b.to <= a.from);
  }
  assert.equal(Math.max(...marks.map((mark) => mark.line)), 1);
});
