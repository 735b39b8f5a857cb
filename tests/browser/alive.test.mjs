// What is old looks old: a cell that freezes, a server that stops; and what comes back is believed again.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { content, launch, open, serve, until } from "./setup.mjs";

/** Three periods of the steered source, and how soon after them the page must say so. */
const PERIODS_S = 3;
const SOON_S = 3;
let browser;

before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
});

const row = (page, cell) => page.getByRole("region", { name: "Cells" }).getByRole("row").filter({ hasText: cell }).first();
const stale = async (page, cell) => (await row(page, cell).locator(".stale").count()) > 0;

test("a frozen cell turns grey with its age within three seconds of its third period, and its neighbours do not", async () => {
  const server = await serve("steered");
  try {
    const page = await open(browser, `${server.url}/area`);
    await until("the page is live", async () => /Live/.test(await page.getByRole("banner").innerText()));
    assert.equal(await stale(page, "LV1"), false);
    // What the page itself says of the cell's age when it first draws it grey, whenever this test comes to look.
    await page.evaluate(() => {
      const look = () => {
        const rows = [...document.querySelectorAll('[aria-label="Cells"] tr')];
        const old = rows.find((one) => one.textContent.includes("LV1") && one.querySelector(".stale"));
        window.firstGrey ??= old && /(\d+) s old/.exec(old.lastElementChild.textContent)?.[1];
      };
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    });
    await server.say("freeze LV1");
    const age_s = Number(await until("it is grey", () => page.evaluate(() => window.firstGrey)));
    assert.ok(age_s >= PERIODS_S && age_s <= PERIODS_S + SOON_S, `grey at an age of ${age_s} s`);
    assert.equal(await stale(page, "LV2"), false);
    await server.say("thaw");
    await until("it is believed again", async () => !(await stale(page, "LV1")));
    content(page);
    await page.context().close();
  } finally {
    await server.stop();
  }
});

test("when the server stops the whole page turns old and says so; when it is back the page goes on by itself", async () => {
  const first = await serve("steered");
  let second;
  const page = await open(browser, `${first.url}/area`);
  try {
    await until("the page is live", async () => /Live/.test(await page.getByRole("banner").innerText()));
    await first.stop();
    await page.getByRole("alert").getByText(/No connection to the server/).waitFor();
    await until("every value is old", async () => (await page.locator(".page.old").count()) === 1);
    second = await serve("steered", "--port", String(first.port));
    await until("the page is live again", async () =>
      /Live/.test(await page.getByRole("banner").innerText()) && (await page.locator(".page.old").count()) === 0);
    assert.equal(await page.getByText(/No connection to the server/).count(), 0);
    // that connections were refused in between is what was to be expected
    content(page, /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|WebSocket|Failed to load resource/);
  } finally {
    await page.context().close();
    await second?.stop();
  }
});

test("a picture of the past does not grow old, and the way back to now is one key", async () => {
  const server = await serve("steered");
  try {
    const page = await open(browser, `${server.url}/area`);
    await until("the page is live", async () => /Live/.test(await page.getByRole("banner").innerText()));
    await until("it is a replay", async () => {
      await page.keyboard.press(","); // in the first moment there is no step back yet
      return /Replay/.test(await page.getByRole("banner").innerText());
    });
    const shown = new URL(page.url()).searchParams.get("at");
    await server.say("freeze LV1");
    assert.equal(await stale(page, "LV2"), false);
    await page.keyboard.press("0");
    await until("it is live again", async () => /Live/.test(await page.getByRole("banner").innerText()));
    await until("the address has no time", () => !new URL(page.url()).searchParams.has("at"));
    assert.notEqual(shown, undefined);
    content(page);
    await page.context().close();
  } finally {
    await server.stop();
  }
});
