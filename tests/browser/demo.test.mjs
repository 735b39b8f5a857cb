// The demonstration plays its minute by itself, and ends with the score card.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { ask, content, launch, open, serve, until } from "./setup.mjs";

/** The engine computes on; a machine that is busy may take longer than the minute. */
const MINUTE_MS = 150_000;
let server, browser;

before(async () => {
  [server, browser] = await Promise.all([serve("demo", "--speed", process.env.ARCHIPEL_DEMO_SPEED ?? "2"), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("scene follows scene by itself, a cell falls silent while the others go on, and the score card comes", async () => {
  const page = await open(browser, `${server.url}/area`);
  await until("the page is live", async () => /Live/.test(await page.getByRole("banner").innerText()));
  // The page keeps what it showed, however seldom this test comes to look.
  await page.evaluate(() => {
    window.scenes = [];
    window.headlines = [];
    const look = () => {
      const story = document.querySelector(".story")?.textContent;
      const said = document.querySelector("#headline")?.textContent;
      if (story && window.scenes.at(-1) !== story) window.scenes.push(story);
      if (said && window.headlines.at(-1) !== said) window.headlines.push(said);
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    look();
  });
  const card = page.getByRole("dialog").filter({ hasText: /without|uncoordinated|cooperat/i });
  await until("the score card is shown", async () => (await card.count()) > 0, MINUTE_MS);
  const { scenes, headlines } = await page.evaluate(() => ({ scenes: window.scenes, headlines: window.headlines }));
  const numbers = scenes.map((text) => Number(/^(\d+) of/.exec(text)?.[1]));
  const of = Number(/of (\d+)/.exec(scenes[0])[1]);
  assert.ok(new Set(numbers).size >= 4, `scenes shown: ${scenes.join(" | ")}`);
  assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b), "in their order");
  assert.equal(Math.max(...numbers), of);
  assert.ok(headlines.some((text) => /silent|does not answer/i.test(text)), `headlines: ${headlines.slice(0, 20).join(" | ")}`);
  const score = await ask(server, "score");
  assert.ok(score.complete && score.strategies.length >= 2);
  for (const way of score.strategies) assert.ok((await card.innerText()).includes(way));
  content(page);
  await page.context().close();
});
