import assert from "node:assert/strict";
import { test } from "node:test";
import { actsFor } from "../src/commands/acts";
import { bodyOf, draftOf, mistakesIn } from "../src/commands/draft";
import { commandId } from "../src/commands/ids";
import { holdsOf, tagsOf } from "../src/commands/tags";
import { tokenIn } from "../src/signin/token";
import { settled, stepsOf } from "../src/commands/phases";

test("an id is 8 to 64 letters, digits, - or _, and never the same twice", () => {
  const ids = new Set(Array.from({ length: 1000 }, () => commandId()));
  assert.equal(ids.size, 1000);
  for (const id of ids) assert.match(id, /^[A-Za-z0-9_-]{8,64}$/);
});

test("who may only look is offered nothing, others what the area offers for the element", () => {
  assert.deepEqual(actsFor("cell", ["island", "open", "tag"], "view"), []);
  assert.deepEqual(actsFor("cell", ["island", "open", "tag"], "operate"), ["tag", "island"]);
  assert.deepEqual(actsFor("tie", ["island", "open", "tag"], "administer"), ["tag", "open"]);
});

test("a hold needs a power within the nameplate and an end within 24 h", () => {
  const draft = { ...draftOf("hold", "battery/3"), p_kw: "12" };
  const room = { p_kw_min: -10, p_kw_max: 10 };
  assert.match(mistakesIn(draft, room).p_kw!, /10 kW/);
  assert.deepEqual(mistakesIn({ ...draft, p_kw: "-7,5" }, room), {});
  for (const hours of ["", "0", "-1", "25", "x"]) assert.ok(mistakesIn({ ...draft, p_kw: "1", hours }, room).hours, hours);
});

test("a limit needs at least one bound, not below nothing and not above the firm one", () => {
  const draft = draftOf("limit", "upstream");
  assert.ok(mistakesIn(draft, {}).import_kw);
  assert.deepEqual(mistakesIn({ ...draft, export_kw: "0" }, {}), {});
  assert.ok(mistakesIn({ ...draft, export_kw: "-1" }, {}).export_kw);
  assert.ok(mistakesIn({ ...draft, export_kw: "3000" }, { export_kw_max: 2600 }).export_kw);
});

test("a command carries its end in grid time and only what its act asks for", () => {
  const now = Date.parse("2016-05-26T12:00:00Z");
  const limit = bodyOf({ ...draftOf("limit", "upstream"), export_kw: "500", hours: "1.5", p_kw: "9", why: " test " }, "id-1234567", now);
  assert.deepEqual(limit, {
    id: "id-1234567", act: "limit", element: "upstream", why: "test", until: "2016-05-26T13:30:00.000Z",
    import_kw_max: null, export_kw_max: 500, p_kw: null, selection: "",
  });
  const island = bodyOf(draftOf("island", "LV1"), "id-1234567", now, "selected");
  assert.deepEqual([island.until, island.selection], [null, "selected"]);
});

test("a safety tag needs a reason", () => {
  assert.ok(mistakesIn(draftOf("tag", "trafo/5"), {}).why);
  assert.deepEqual(mistakesIn({ ...draftOf("tag", "trafo/5"), why: "work on the cable" }, {}), {});
});

test("steps show what was gone, what is waited for and where it ended", () => {
  const at = { requested: "t1", accepted: "t2" };
  assert.deepEqual(stepsOf("accepted", at).map((step) => step.look), ["done", "done", "waiting", "ahead"]);
  const failed = stepsOf("failed", { ...at, executed: "t3", failed: "t4" });
  assert.deepEqual(failed.map((step) => [step.phase, step.look]), [
    ["requested", "done"], ["accepted", "done"], ["executed", "done"], ["failed", "bad"],
  ]);
  assert.ok(settled("measured") && settled("refused") && !settled("executed"));
});

const said = (act: string, second: number, more: object = {}) => ({
  command: { act, element: "trafo/5", why: "work", until: "2026-01-01T01:00:00Z", p_kw: 5 }, who: "eva", phase: "measured",
  at: { requested: `2026-01-01T00:00:0${second}Z` }, ...more,
});

test("the newest word on a tag counts, and what was refused says nothing", () => {
  assert.equal(tagsOf([said("untag", 2), said("tag", 1)]).size, 0);
  assert.equal(tagsOf([said("tag", 3), said("untag", 2)]).get("trafo/5")?.who, "eva");
  assert.equal(tagsOf([said("tag", 1), said("untag", 2, { phase: "refused" })]).size, 1);
});

test("a hold lasts until its end, until it is freed, or until all goes back to default", () => {
  const now = Date.parse("2026-01-01T00:30:00Z");
  assert.equal(holdsOf([said("hold", 1)], now).get("trafo/5")?.p_kw, 5);
  assert.equal(holdsOf([said("hold", 1)], now + 3_600_000).size, 0);
  assert.equal(holdsOf([said("free", 2), said("hold", 1)], now).size, 0);
  assert.equal(holdsOf([said("hold", 1), said("default", 2, { command: { act: "default", element: "", why: "", until: null, p_kw: null } })], now).size, 0);
});

test("the token of a link is read from behind # only", () => {
  assert.equal(tokenIn("#token=a%2Bb"), "a+b");
  assert.equal(tokenIn("#screen"), "");
  assert.equal(tokenIn(""), "");
});
