// Text out of somebody's files stays text, and nothing on the page is refused by its own security policy.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { ask, content, launch, open, SCREENS, serve, until } from "./setup.mjs";

const EVIL = "<img src=x onerror=alert(1)>";
let server, browser, area;

before(async () => {
  [server, browser] = await Promise.all([serve("hostile"), launch()]);
  area = await ask(server, "area");
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("names that try to be code are shown as they are, on every screen", async () => {
  const cell = encodeURIComponent(area.cells[1].id);
  for (const screen of SCREENS) {
    const page = await open(browser, `${server.url}/${screen === "cell" ? `cell/${cell}` : screen}`, { token: server.tokens.operate });
    const dialogs = [];
    page.on("dialog", (dialog) => {
      dialogs.push(dialog.message());
      return dialog.dismiss();
    });
    await until("the screen is there", async () => (await page.locator("main [aria-busy=true]").count()) === 0);
    await until(`${screen} shows the name as text`, async () => (await page.locator("body").innerText()).includes(EVIL));
    assert.equal(await page.locator("img[src=x]").count(), 0);
    assert.equal(await page.locator("script:not([src])").count(), 0);
    assert.deepEqual(dialogs, []);
    content(page);
    await page.context().close();
  }
});

test("the security policy allows the page itself and nothing else", async () => {
  const page = await open(browser, `${server.url}/area`);
  const answer = await page.request.get(`${server.url}/area`);
  const policy = answer.headers()["content-security-policy"];
  assert.match(policy, /default-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|\*/);
  content(page);
  await page.evaluate(() => {
    const own = document.createElement("script");
    own.textContent = "window.ran = true";
    document.body.append(own);
  });
  assert.equal(await page.evaluate(() => window.ran), undefined);
  await until("the page was told of the violation", () => page.complaints.some((text) => /content security policy/i.test(text)));
  await page.context().close();
});

test("nobody but the page's own server is asked for anything", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  for (const screen of SCREENS) {
    await page.goto(`${server.url}/${screen}`);
    await page.locator("main h1").first().waitFor();
  }
  assert.deepEqual(asked.filter((url) => !url.startsWith(server.url) && !url.startsWith("data:")), []);
  await context.close();
});
