// Pictures of every screen for the docs: `node pictures.mjs FOLDER`, over the run that ARCHIPEL_RUN names.
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";

import { content, launch, open, RUN, serve, until } from "./setup.mjs";

const MOST_BYTES = 250_000;
/** Noon: the connection is full, stores charge, neighbours give. Events are those of the way without cooperation. */
const NOON = "?at=2016-05-26T12:00:00Z&strategy=distributed";
const WITHOUT = "?at=2016-05-26T14:00:00Z&strategy=uncoordinated";
const PICTURES = [
  ["area", `area${NOON}`],
  ["cell", `cell/LV3.304${NOON}`],
  ["network", `network${NOON}`],
  ["agreements", `agreements${NOON}`],
  ["events", `events${WITHOUT}`],
  ["runs", `runs${NOON}`],
  ["area-phone", `area${NOON}`, { width: 360, height: 720, isMobile: true }],
];

const folder = process.argv[2];
await mkdir(folder, { recursive: true });
const server = await serve("run", RUN);
const browser = await launch();
try {
  for (const [name, place, how] of PICTURES) {
    const page = await open(browser, `${server.url}/${place}`, how);
    await until("everything is there", async () => (await page.locator("main [aria-busy=true]").count()) === 0);
    if (name.startsWith("area")) await page.waitForFunction(() => window.archipelDrawStats?.frames > 10);
    let before = "";
    await until("nothing changes any more", async () => {
      const now = await page.locator("body").innerText();
      const same = now === before;
      before = now;
      await page.evaluate(() => new Promise((drawn) => setTimeout(drawn, 600)));
      return same;
    });
    const path = join(folder, `${name}.png`);
    await page.screenshot({ path, animations: "disabled" });
    const { size } = await stat(path);
    if (size > MOST_BYTES) throw new Error(`${path}: ${size} bytes; at most ${MOST_BYTES}`);
    content(page);
    console.log(`${path}: ${Math.round(size / 1000)} kB`);
    await page.context().close();
  }
} finally {
  await browser.close();
  await server.stop();
}
