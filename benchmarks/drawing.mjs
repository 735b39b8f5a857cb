// Measures drawing and age in one browser; started by drawing.py, which serves.
import { createRequire } from "node:module";

const require = createRequire(new URL("../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const url = process.env.ARCHIPEL_URL;
const FRAMES = 240;
/** Without a graphics card WebGL2 is drawn by the processor, seconds a frame on a busy machine. */
const FRAMES_WEBGL = 30;
const LIMIT_MS = 110_000;
const GL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"];

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const p95 = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length * 0.95)];

for (const how of ["draw=webgl&bench=1", "draw=canvas&bench=1", "draw=canvas"]) {
  const bench = how.includes("bench");
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage", ...(how.includes("webgl") ? GL : ["--disable-gpu"])],
  });
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.addInitScript(() => {
    // Age of every frame's values when the page has drawn them: wall clock of the same machine, two pictures later at most.
    window.ages = [];
    const Real = window.WebSocket;
    window.WebSocket = class extends Real {
      constructor(...how) {
        super(...how);
        this.addEventListener("message", (event) => {
          if (!(event.data instanceof ArrayBuffer)) return;
          const measured = new DataView(event.data).getFloat64(24, true) * 1000;
          requestAnimationFrame(() => requestAnimationFrame(() => window.ages.push(Date.now() - measured)));
        });
      }
    };
  });
  page.on("pageerror", (error) => console.error(`the page fails: ${error.stack}`));
  page.on("console", (message) => {
    if (message.type() === "error") console.error(`the page says: ${message.text()}`);
  });
  const began = performance.now();
  await page.goto(`${url}/area?${how}`);
  try {
    await page.waitForFunction(() => (window.archipelDrawStats?.frames ?? 0) > 5, null, { timeout: LIMIT_MS, polling: 100 });
    const first_ms = performance.now() - began;
    await page.waitForFunction((n) => window.archipelDrawStats.frames > n && window.ages.length > 20, how.includes("webgl") ? FRAMES_WEBGL : FRAMES, { timeout: LIMIT_MS, polling: 100 });
    const said = await page.evaluate(() => {
      const { renderer, script_ms, frames_per_s } = window.archipelDrawStats;
      return { renderer, script_ms, frames_per_s, ages: window.ages.slice(5) };
    });
    const script = `script ${said.script_ms.toFixed(2)} ms a frame (median of 60), ${said.frames_per_s.toFixed(1)} frames/s, `;
    const drawn = bench ? script : `as it is used, ${script}`;
    console.log(`${how} (drawn by ${said.renderer}): ${drawn}first picture ${first_ms.toFixed(0)} ms after navigation; ` +
      `age on the screen median ${median(said.ages).toFixed(0)} ms, p95 ${p95(said.ages).toFixed(0)} ms of ${said.ages.length} frames`);
  } catch (error) {
    console.error(`${how}: not measured: ${error.message}; ${await page.evaluate(() => JSON.stringify(window.archipelDrawStats ?? null))}`);
    process.exitCode = 1;
  }
  await browser.close();
}
