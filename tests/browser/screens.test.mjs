// Every screen over a real run: what it shows is what the API says, at the time of its address.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { ask, content, launch, numberIn, open, RUN, SCREENS, serve, until } from "./setup.mjs";

const AT = "2016-05-26T12:00:00Z";
const WAY = "distributed";
const CELL = "LV3.304";
let server, browser, area;

before(async () => {
  [server, browser] = await Promise.all([serve("run", RUN), launch()]);
  area = await ask(server, "area");
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const at = (screen, time = AT, way = WAY) => `${server.url}/${screen}?at=${encodeURIComponent(time)}&strategy=${way}`;
const place = (screen) => (screen === "cell" ? `cell/${CELL}` : screen);
const values = (time = AT, way = WAY) => ask(server, `frame?time=${encodeURIComponent(time)}&strategy=${way}`);
const words = async (page) => (await page.locator("body").innerText()).replace(/[\s\u2009\u202f]+/g, " ");
const whole = (kw) => new RegExp(Math.abs(Math.round(kw)).toString().replace(/\B(?=(\d{3})+(?!\d))/g, "[\\s,\\u2009]?") + "\\b");

async function titled(page, screen) {
  await until(`${screen} is shown`, async () =>
    new URL(page.url()).pathname.startsWith(`/${screen}`) && (await page.locator("main h1").count()) > 0);
}

test("every screen opens by its address with its time and way, and complains of nothing", async () => {
  for (const screen of SCREENS) {
    const page = await open(browser, at(place(screen)));
    await titled(page, screen);
    await until(`${screen} shows the time of its address`, async () => (await words(page)).includes("2016-05-26 12:00"));
    assert.match(await page.title(), screen === "cell" ? new RegExp(CELL) : new RegExp(screen, "i"));
    content(page);
    await page.context().close();
  }
});

test("any screen is at most two clicks from any other, and the time goes along", async () => {
  const page = await open(browser, at(place(SCREENS[0])));
  for (const from of SCREENS) {
    for (const to of SCREENS.filter((name) => name !== from)) {
      await page.getByRole("navigation", { name: "Screens" }).getByRole("link", { name: new RegExp(`^${from}$`, "i") }).click();
      await titled(page, from);
      await page.getByRole("navigation", { name: "Screens" }).getByRole("link", { name: new RegExp(`^${to}$`, "i") }).click();
      await titled(page, to);
      assert.equal(new URL(page.url()).searchParams.get("at"), AT);
    }
  }
  content(page);
  await page.context().close();
});

test("a cell is two clicks from everywhere: the list of cells, and its name there", async () => {
  const page = await open(browser, at("runs"));
  await page.getByRole("navigation", { name: "Screens" }).getByRole("link", { name: "Cell", exact: true }).click();
  await page.getByRole("main").getByRole("link", { name: CELL, exact: true }).first().click();
  await until("the cell is shown", async () => (await page.locator("main h1").innerText()).includes(CELL));
  await page.context().close();
});

test("the first screen answers five questions without a click", async () => {
  const { tables } = await values();
  const page = await open(browser, at("area"));
  const headline = page.locator("#headline");
  await until("the headline says how it is", async () => /cell/i.test(await headline.innerText()));
  const said = await words(page);
  const upstream = tables.area.upstream_p_kw[0];
  const well = tables.cells.loading_max.every((loading) => loading === null || loading <= 1) && tables.area.unserved_kw[0] < 0.05;
  assert.ok(well, "plans that were agreed keep the limits");
  await test("is all well?", async () => assert.match(await headline.innerText(), /^All is well/));
  await test("who helps whom?", async () => assert.match(said, /gives?\s.*\bkW|Nobody gives/));
  await test("what does it cost now?", async () => {
    assert.match(said, new RegExp(`${tables.area.price_eur_per_kwh[0].toFixed(3)} EUR/kWh`));
    const cost = upstream * tables.area.price_eur_per_kwh[0];
    assert.match(said, new RegExp(`${Math.abs(cost).toFixed(2).replace(".", "\\.")} EUR/h`));
  });
  await test("what is limited?", async () => {
    assert.match(said, whole(upstream));
    assert.match(said, whole(area.export_kw_max));
    assert.match(said, /limit|held back|Nothing is limited|% loaded/i);
  });
  await test("how fresh is it?", async () => assert.match(said, /Replay.*2016-05-26 12:00:00/));
  content(page);
  await page.context().close();
});

test("the map is drawn: it has more than one colour", async () => {
  const page = await open(browser, at("area"));
  await page.waitForFunction(() => (window.archipelDrawStats?.frames ?? 0) > 3);
  const colours = await page.evaluate(() => {
    const found = new Set();
    for (const canvas of document.querySelectorAll(".map-box canvas")) {
      const seen = document.createElement("canvas");
      [seen.width, seen.height] = [canvas.width, canvas.height];
      const ctx = seen.getContext("2d");
      ctx.drawImage(canvas, 0, 0);
      const { data } = ctx.getImageData(0, 0, seen.width, seen.height);
      for (let i = 0; i < data.length; i += 4 * 97) if (data[i + 3] > 200) found.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
    }
    return found.size;
  });
  assert.ok(colours >= 3, `${colours} colours`);
  await page.context().close();
});

test("every cell of the area is listed with the power the API says", async () => {
  const { tables } = await values();
  const page = await open(browser, at("area"));
  for (const [row, cell] of area.cells.entries()) {
    const line = page.getByRole("region", { name: "Cells" }).getByRole("row").filter({ hasText: cell.id }).first();
    const power = tables.cells.p_kw[row];
    await until(`${cell.id} has ${power} kW`, async () => {
      const shown = numberIn((await line.getByRole("cell").first().innerText()).replace(/\u2009/g, ""));
      return Math.abs(shown - Math.abs(power)) <= 0.51;
    });
  }
  await page.context().close();
});

test("in and out of a cell are of one length, with what is not known named", async () => {
  const page = await open(browser, at(place("cell")));
  const sums = await until("both sides are shown", async () => {
    const found = await page.locator("main .balance-sum").allInnerTexts();
    return found.length >= 2 && found;
  });
  assert.equal(numberIn(sums[0]), numberIn(sums[1]));
  assert.match(await words(page), /unknown|losses/);
  await page.context().close();
});

test("scrubbing shows the values of that time, and the address follows", async () => {
  const page = await open(browser, at("area"));
  const slider = page.getByRole("slider", { name: "Moment" });
  await slider.focus();
  for (let step = 1; step <= 3; step += 1) {
    await page.keyboard.press("ArrowRight");
    const time = new Date(Date.parse(AT) + step * 900_000).toISOString().replace(".000Z", "Z");
    const { tables } = await values(time);
    await until(`the page shows ${time}`, async () => whole(tables.area.upstream_p_kw[0]).test(await words(page)));
    await until("the address follows", () => new URL(page.url()).searchParams.get("at") === time);
  }
  content(page);
  await page.context().close();
});

test("another way is another picture of the same moment", async () => {
  const page = await open(browser, at("area"));
  for (const way of ["uncoordinated", WAY]) {
    await page.getByLabel("Strategy").selectOption(way);
    const { tables } = await values(AT, way);
    await until(`${way} is shown`, async () => whole(tables.area.upstream_p_kw[0]).test(await words(page)));
    await until("the address follows", () => new URL(page.url()).searchParams.get("strategy") === way);
  }
  await page.context().close();
});

test("a cell's belief stands beside what was true", async () => {
  const belief = await ask(server, `belief?cell=${CELL}&time=${AT}&strategy=${WAY}`);
  const page = await open(browser, at(place("cell")));
  const panel = page.getByRole("region", { name: /belief/i }).first();
  await until("the belief is shown", async () => /believed/i.test(await panel.innerText()));
  const made = belief.made.slice(0, 16).replace("T", " ");
  assert.ok((await panel.innerText()).includes(made), `the plan made ${made}`);
  assert.ok((await panel.locator("figure").count()) >= 2, "a picture for each quantity");
  const table = page.getByRole("region", { name: "Table of neighbours" });
  for (const view of belief.neighbours) assert.ok((await table.innerText()).includes(view.neighbour));
  content(page);
  await page.context().close();
});

test("agreements show what both ends hold, and why a price is what it is", async () => {
  const agreed = await ask(server, `agreements?time=${AT}&strategy=${WAY}`);
  const page = await open(browser, at("agreements"));
  for (const tie of agreed.ties.slice(0, 4)) {
    const line = page.getByRole("row").filter({ hasText: tie.tie }).first();
    await until(`${tie.tie} shows ${tie.agreed_kw} kW`, async () => whole(tie.agreed_kw).test(await line.innerText()));
  }
  const { tie } = agreed.ties[0];
  const why = await ask(server, `why?subject=price&element=${encodeURIComponent(tie)}&time=${AT}&strategy=${WAY}`);
  await page.getByRole("row").filter({ hasText: tie }).first().getByRole("button", { name: /why/i }).click();
  await until("the reason is shown", async () => (await page.getByRole("dialog").innerText()).includes(why.text));
  await page.keyboard.press("Escape");
  await until("Escape closes it", async () => (await page.getByRole("dialog").count()) === 0);
  content(page);
  await page.context().close();
});

test("runs compares all ways and marks the best", async () => {
  const score = await ask(server, "score");
  const page = await open(browser, at("runs"));
  for (const way of score.strategies) await page.getByRole("columnheader", { name: way }).first().waitFor();
  for (const figure of score.figures.slice(0, 3)) await page.getByText(figure.title).first().waitFor();
  assert.match(await words(page), /best/);
  await page.context().close();
});
