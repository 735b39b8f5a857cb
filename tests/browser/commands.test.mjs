// Commands: through all four phases, switching only after a look at what it would do, refusals with their reason, roles.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { ask, content, launch, open, serve, until } from "./setup.mjs";

let server, browser;

before(async () => {
  [server, browser] = await Promise.all([serve("steered"), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const cell = () => `${server.url}/cell/LV1`;
const dialog = (page) => page.getByRole("dialog");
const newest = async () => (await ask(server, "commands"))[0];
const offered = (page) => page.getByRole("group", { name: "Commands for LV1", exact: true });
const REFUSED = /status of (403|409)/;

async function done(page, phase) {
  await until(`the page says ${phase}`, async () =>
    (await dialog(page).locator(".step-done").allInnerTexts()).some((text) => text.toLowerCase().includes(phase)));
}

test("a command goes through requested, accepted, executed and measured, each shown as it comes", async () => {
  const page = await open(browser, cell(), { token: server.tokens.operate });
  await offered(page).getByRole("button", { name: "Limit import and export" }).click();
  await dialog(page).getByLabel("Import at most").fill("40");
  await dialog(page).getByLabel("For").fill("2");
  await dialog(page).getByLabel("Why").fill("cable works");
  await dialog(page).getByRole("button", { name: "Limit import and export" }).click();
  await done(page, "requested");
  await done(page, "accepted");
  assert.equal(await dialog(page).locator(".step-done", { hasText: /executed/i }).count(), 0);
  await server.say("step");
  await done(page, "executed");
  assert.equal(await dialog(page).locator(".step-done", { hasText: /measured/i }).count(), 0);
  await server.say("step");
  await done(page, "measured");
  const told = await newest();
  assert.equal(told.who, "test-operate");
  assert.deepEqual([told.phase, told.command.act, told.command.element, told.command.import_kw_max, told.command.why],
    ["measured", "limit", "LV1", 40, "cable works"]);
  content(page);
  await page.context().close();
});

test("what cannot be is said beside its field and not sent", async () => {
  const before = (await ask(server, "commands")).length;
  const page = await open(browser, cell(), { token: server.tokens.operate });
  await offered(page).getByRole("button", { name: "Limit import and export" }).click();
  await dialog(page).getByLabel("Import at most").fill("-3");
  await dialog(page).getByRole("button", { name: "Limit import and export" }).click();
  await until("the field says so", async () => (await dialog(page).getByLabel("Import at most").getAttribute("aria-invalid")) === "true");
  assert.equal((await ask(server, "commands")).length, before);
  await page.context().close();
});

test("a switching is selected first, shows what it would do, and is operated once", async () => {
  const page = await open(browser, cell(), { token: server.tokens.operate });
  await offered(page).getByRole("button", { name: "Island", exact: true }).click();
  assert.equal(await dialog(page).getByRole("button", { name: "Operate" }).count(), 0);
  await dialog(page).getByRole("button", { name: /^Select/ }).click();
  await dialog(page).getByText("5 kW would flow over it").waitFor();
  await dialog(page).getByText(/\d+ s left to operate/).waitFor();
  const before = (await ask(server, "commands")).length;
  await dialog(page).getByRole("button", { name: "Operate" }).dblclick();
  await done(page, "accepted");
  const all = await ask(server, "commands");
  assert.equal(all.length, before + 1);
  assert.equal(all[0].command.act, "island");
  assert.match(all[0].command.selection, /./);
  content(page);
  await page.context().close();
});

test("a selection that says no cannot be operated", async () => {
  const page = await open(browser, `${server.url}/cell/MV`, { token: server.tokens.operate });
  await page.getByRole("group", { name: "Commands for MV", exact: true }).getByRole("button", { name: "Island", exact: true }).click();
  await dialog(page).getByRole("button", { name: /^Select/ }).click();
  await dialog(page).getByText("nobody could hold the balance").waitFor();
  assert.equal(await dialog(page).getByRole("button", { name: "Operate" }).count(), 0);
  await page.context().close();
});

test("a refusal says why: the safety tag that stands on a device", async () => {
  const page = await open(browser, `${server.url}/cell/LV2`, { token: server.tokens.operate });
  const hold = page.getByRole("group", { name: "Commands for LV2.battery", exact: true });
  await hold.getByRole("button", { name: "Hold: LV2.battery", exact: true }).click();
  await dialog(page).getByLabel("Power").fill("5");
  await dialog(page).getByLabel("For").fill("1");
  await dialog(page).getByRole("button", { name: "Hold at a power" }).click();
  const alert = dialog(page).getByRole("alert");
  await alert.waitFor();
  assert.match(await alert.innerText(), /LV2\.battery.*safety tag/);
  content(page, REFUSED);
  await page.context().close();
});

test("who may only look is offered no command, and the server refuses the one that is sent all the same", async () => {
  for (const token of ["", server.tokens.view]) {
    const page = await open(browser, cell(), { token });
    await page.getByText(/Belief beside truth/).waitFor();
    assert.equal(await page.getByRole("button", { name: /^(Island|Arm|Disarm|Return to default|Limit|Hold)/ }).count(), 0);
    const status = await page.evaluate(async () => (await fetch("/api/v1/commands", {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ id: "by-a-viewer", act: "disarm", element: "LV1" }),
    })).status);
    assert.equal(status, 403);
    await page.context().close();
  }
});

test("who operates is not offered what only administrators may", async () => {
  const page = await open(browser, cell(), { token: server.tokens.operate });
  await offered(page).getByRole("button", { name: "Disarm" }).waitFor();
  const status = await page.evaluate(async () => (await fetch("/api/v1/commands", {
    method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ id: "kill-by-operator", act: "kill", element: "LV1" }),
  })).status);
  assert.equal(status, 403);
  assert.equal(await offered(page).getByRole("button", { name: "Kill its process" }).count(), 0);
  await page.context().close();
});

test("return to default is one key and Enter away on every screen, whatever is open", async () => {
  const page = await open(browser, `${server.url}/events`, { token: server.tokens.operate });
  await page.getByRole("button", { name: "Return to default" }).waitFor();
  await page.keyboard.press("Shift+D");
  await dialog(page).getByRole("button", { name: "Return to default" }).waitFor();
  await page.keyboard.press("Enter");
  await done(page, "accepted");
  assert.equal((await newest()).command.act, "default");
  content(page);
  await page.context().close();
});

test("signing in by token on the page gives its commands, signing out takes them", async () => {
  const page = await open(browser, cell());
  await page.getByRole("button", { name: "Sign in" }).click();
  await dialog(page).getByLabel("Token").fill("wrong");
  await dialog(page).getByRole("button", { name: "Sign in" }).click();
  await until("a wrong token is refused", async () => /token/i.test(await dialog(page).getByRole("alert").innerText()));
  await dialog(page).getByLabel("Token").fill(server.tokens.operate);
  await dialog(page).getByRole("button", { name: "Sign in" }).click();
  await page.getByText("test-operate (operate)").waitFor();
  await offered(page).getByRole("button", { name: "Disarm" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await until("nothing is offered any more", async () => (await offered(page).count()) === 0);
  content(page, /status of 401/);
  await page.context().close();
});
