// For everybody: by keyboard alone, on a phone, and without a serious finding of axe, light and dark.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { AXE, content, launch, open, RUN, SCREENS, serve, until } from "./setup.mjs";

const AT = "?at=2016-05-26T12:00:00Z&strategy=distributed";
const CELL = "LV3.304";
let run, steered, browser;

before(async () => {
  [run, steered, browser] = await Promise.all([serve("run", RUN), serve("steered"), launch()]);
});
after(async () => {
  await browser?.close();
  await run?.stop();
  await steered?.stop();
});

const place = (screen) => `${run.url}/${screen === "cell" ? `cell/${CELL}` : screen}${AT}`;

async function settled(page) {
  await until("nothing is awaited any more", async () => (await page.locator("main [aria-busy=true]").count()) === 0);
}

/** Findings of axe that are serious or critical, each with its first element. */
async function grave(page) {
  await page.addScriptTag({ path: AXE }).catch(() => undefined);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations
    .filter((one) => one.impact === "serious" || one.impact === "critical")
    .map((one) => `${one.id}: ${one.nodes.length} times, first ${one.nodes[0].html.slice(0, 160)}: ${one.nodes[0].failureSummary}`);
}

for (const scheme of ["light", "dark"]) {
  test(`axe has nothing serious to say of any screen, ${scheme}`, async () => {
    const found = {};
    for (const screen of SCREENS) {
      const page = await open(browser, place(screen), { scheme, bypassCSP: true });
      await settled(page);
      const here = await grave(page);
      if (here.length > 0) found[screen] = here;
      await page.context().close();
    }
    assert.deepEqual(found, {});
  });
}

test("axe has nothing serious to say of a command, its choice and its course", async () => {
  const page = await open(browser, `${steered.url}/cell/LV1`, { token: steered.tokens.operate, bypassCSP: true });
  const offered = page.getByRole("group", { name: "Commands for LV1", exact: true });
  await offered.getByRole("button", { name: "Limit import and export" }).click();
  assert.deepEqual(await grave(page), []);
  await page.keyboard.press("Escape");
  await offered.getByRole("button", { name: "Island: LV1", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: /^Select/ }).click();
  await page.getByRole("button", { name: "Operate" }).waitFor();
  assert.deepEqual(await grave(page), []);
  await page.context().close();
});

test("every screen can be reached and walked by keyboard alone, and the focus is always to be seen", async () => {
  const page = await open(browser, place("area"));
  const typing = () => page.evaluate(() => ["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement?.tagName));
  for (const [index, screen] of SCREENS.entries()) {
    while (await typing()) await page.keyboard.press("Tab"); // there a number is typed, and is no shortcut
    await page.keyboard.press(String(index + 1));
    await until(`${screen} is shown`, () => new URL(page.url()).pathname.startsWith(`/${screen}`));
    await settled(page);
    const seen = new Set();
    for (let step = 0; step < 25; step += 1) {
      await page.keyboard.press("Tab");
      const focused = await page.evaluate(() => {
        const own = document.activeElement;
        if (!own || own === document.body) return null;
        const style = getComputedStyle(own);
        const box = own.getBoundingClientRect();
        return {
          what: `${own.tagName} ${own.getAttribute("aria-label") ?? own.textContent.trim().slice(0, 30)}`,
          marked: style.outlineStyle !== "none" || style.boxShadow !== "none" || style.textDecorationLine !== "none",
          room: box.width > 0 && box.height > 0,
        };
      });
      if (!focused) continue;
      assert.ok(focused.marked && focused.room, `${screen}: the focus on ${focused.what} is not to be seen`);
      seen.add(focused.what);
    }
    assert.ok(seen.size >= 8, `${screen}: only ${[...seen].join(", ")} can be reached`);
  }
  content(page);
  await page.context().close();
});

test("time is moved and help is read by keyboard alone", async () => {
  const page = await open(browser, place("area"));
  const shown = () => new URL(page.url()).searchParams.get("at");
  await page.keyboard.press(".");
  await until("one step on", () => shown() === "2016-05-26T12:15:00Z");
  await page.keyboard.press(",");
  await until("one step back", () => shown() === "2016-05-26T12:00:00Z");
  await page.keyboard.press("?");
  await page.getByRole("dialog").getByText("Keys").first().waitFor();
  await page.keyboard.press("Escape");
  await until("help is closed", async () => (await page.getByRole("dialog").count()) === 0);
  content(page);
  await page.context().close();
});

test("a command is given by keyboard alone", async () => {
  const page = await open(browser, `${steered.url}/cell/LV1`, { token: steered.tokens.operate });
  await page.getByRole("group", { name: "Commands for LV1", exact: true }).getByRole("button", { name: "Disarm" }).focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  assert.ok(await page.evaluate(() => document.querySelector("dialog[open]").contains(document.activeElement)), "the focus is inside");
  await dialog.getByRole("button", { name: "Disarm" }).focus();
  await page.keyboard.press("Enter");
  await until("it was accepted", async () => /accepted/i.test(await dialog.locator(".step-done").last().innerText()));
  await page.keyboard.press("Escape");
  await until("the dialog is gone", async () => (await dialog.count()) === 0);
  await page.context().close();
});

test("on a phone nothing is cut off sideways, on any screen", async () => {
  for (const screen of SCREENS) {
    const page = await open(browser, place(screen), { width: 360, height: 720, hasTouch: true, isMobile: true });
    await settled(page);
    const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
    assert.ok(wide <= 360, `${screen} is ${wide} px wide`);
    await page.context().close();
  }
});
