// What every test in the browser needs: a server of its own, a page that may not complain, and small words for waiting.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");
export const AXE = require.resolve("axe-core/axe.min.js");
const SERVE = fileURLToPath(new URL("serve.py", import.meta.url));
const PYTHON = process.env.ARCHIPEL_PYTHON ?? "python3";
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Longest wait for anything on the page; the machine may be busy. */
export const PATIENCE_MS = 20_000;
/** Longest a server may take to answer for the first time. */
const START_MS = 60_000;
export const SCREENS = ["area", "cell", "network", "agreements", "events", "runs"];
export const RUN = process.env.ARCHIPEL_RUN ?? "";

/** Starts `serve.py`; gives its address, tokens by role, `say(line)` to steer it, and `stop()`. */
export async function serve(kind, ...words) {
  const child = spawn(PYTHON, [SERVE, kind, ...words], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (limit_ms) => {
    const answer = await Promise.race([lines.next(), ended.then(() => ({ done: true })), after(limit_ms)]);
    if (!answer || answer.done) throw new Error(`serve.py ${kind} ${words.join(" ")}: no answer`);
    return JSON.parse(answer.value);
  };
  const stop = async () => {
    child.stdin.end();
    child.kill("SIGTERM");
    if (await Promise.race([ended.then(() => true), after(10_000)]) !== true) child.kill("SIGKILL");
    await ended;
  };
  try {
    const told = await next(START_MS);
    const say = async (line) => {
      child.stdin.write(line + "\n");
      const answer = await next(PATIENCE_MS);
      assert.ok(!answer.failed, answer.failed);
    };
    return { ...told, port: Number(new URL(told.url).port), say, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Resolves to undefined after a while; holds nothing open. */
function after(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

export async function launch(...flags) {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", ...flags],
  });
}

/**
 * A page in a context of its own. Whatever it complains of is kept in `page.complaints`: uncaught errors, errors in the
 * console, and everything the content security policy refused.
 */
export async function open(browser, address, { width = 1280, height = 800, token = "", scheme = "light", ...more } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, ...more });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(`error: ${error.stack}`));
  page.on("console", (message) => {
    const { url } = message.location();
    // where nothing can be compared yet the API says so with a 404, and browsers tell every 404
    if (message.type() === "error" && !url.endsWith("/api/v1/score")) page.complaints.push(`console: ${message.text()} ${url}`);
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`content security policy: ${event.violatedDirective} refused ${event.blockedURI}`);
    });
  });
  if (token) {
    const answer = await context.request.post(new URL("/api/v1/session", address).href, {
      data: { token }, headers: { Origin: new URL(address).origin },
    });
    assert.equal(answer.status(), 200, await answer.text());
  }
  await page.goto(address);
  await drawn(page);
  return page;
}

/** Waits until the page shows a screen, with a heading, and values. */
export async function drawn(page) {
  try {
    await page.locator("main h1").first().waitFor();
  } catch (error) {
    const shown = await page.locator("body").innerText();
    throw new Error(`no screen was drawn; the page says: ${shown.slice(0, 500)}; it complains: ${page.complaints.join("; ")}`);
  }
}

/** Fails when the page complained of anything. */
export function content(page, ...expected) {
  const left = page.complaints.filter((text) => !expected.some((pattern) => pattern.test(text)));
  assert.deepEqual(left, []);
}

/** Asks the API directly. */
export async function ask(server, path, token = "") {
  const answer = await fetch(`${server.url}/api/v1/${path}`, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return answer.json();
}

/** Waits until `check` gives something true, looking again all the time; the last error or value is told when it never does. */
export async function until(what, check, limit_ms = PATIENCE_MS) {
  const end = performance.now() + limit_ms;
  let last;
  do {
    try {
      last = await check();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  } while (performance.now() < end);
  throw new Error(`waited in vain until ${what}; last: ${last?.message ?? JSON.stringify(last)}`);
}

/** A number as the page writes it, with any sign and any thousands separator. */
export function numberIn(text) {
  const found = /[-−+]?\d[\d\s\u202f\u2009,]*(?:\.\d+)?/.exec(text);
  return found ? Number(found[0].replace("−", "-").replace(/[\s\u202f\u2009,]/g, "")) : NaN;
}
