// Islands: closed, a disc with words and a ring for its stored energy; open, a quiet ground with the words above it.
import type { Area } from "../api/nouns";
import type { Frame } from "../api/frame";
import { gives, type Said } from "../area/state";
import { known, kw, num } from "../lib/say";
import type { Inks } from "./inks";
import type { Layout } from "./layout";
import { openness, screenX, screenY, type View } from "./view";

export interface Look {
  said: Said[];
  stale: boolean;
  age: string;
}

interface Place {
  x: number;
  y: number;
  r: number;
  /** Radius of what is free for words: inside the ring for what it stores. */
  inner: number;
  open: number;
}

const DARK = 7;
const WORDS_FROM = 36; // px of radius from which a disc holds all its words
const NAME_FROM = 18;

function placeOf(layout: Layout, view: View, frame: Frame | null, i: number): Place | null {
  const island = layout.islands[i]!;
  const r = island.r * view.k;
  const inner = known(frame?.cells.soc?.[i]) ? r - ringWidth(r) - 3 : r - 2;
  const place = { x: screenX(view, island.x), y: screenY(view, island.y), r, inner, open: openness(r) };
  const out = place.x + place.r < 0 || place.x - place.r > view.width || place.y + place.r + 20 < 0
    || place.y - place.r - 60 > view.height;
  return out ? null : place;
}

/** The discs over ties and under nodes; open ones let the ties through. */
export function drawGround(
  ctx: CanvasRenderingContext2D, area: Area, frame: Frame | null, layout: Layout, view: View, inks: Inks,
  looks: Look[], selected: number, pointed: string[],
): void {
  area.cells.forEach((cell, i) => {
    const at = placeOf(layout, view, frame, i);
    if (!at) return;
    const worst = looks[i]?.said[0];
    const give = gives(frame?.cells.p_kw?.[i]) === "gives";
    ctx.beginPath();
    ctx.arc(at.x, at.y, at.r, 0, 2 * Math.PI);
    ctx.fillStyle = looks[i]?.stale ? inks.ground : frame?.cells.mode?.[i] === DARK ? inks.line3 : give && at.open < 0.5 ? inks.line4 : inks.raised;
    ctx.globalAlpha = 1 - 0.92 * at.open;
    ctx.fill();
    ctx.globalAlpha = 1;
    ctx.strokeStyle = worst ? inkOf(worst, inks) : i === selected ? inks.accent : inks.line2;
    ctx.lineWidth = worst ? 3 : i === selected ? 3 : 1;
    ctx.setLineDash(looks[i]?.stale ? [4, 4] : []);
    ctx.stroke();
    ctx.setLineDash([]);
    if (pointed.includes(cell.id)) ring(ctx, at, at.r + 5, inks.line1, 1.5);
    if (i === selected && worst) ring(ctx, at, at.r + 5, inks.accent, 2);
    const soc = frame?.cells.soc?.[i];
    if (known(soc) && at.r > 9) drawStore(ctx, at, soc, inks);
  });
}

function ring(ctx: CanvasRenderingContext2D, at: Place, r: number, ink: string, width: number): void {
  ctx.beginPath();
  ctx.arc(at.x, at.y, r, 0, 2 * Math.PI);
  ctx.strokeStyle = ink;
  ctx.lineWidth = width;
  ctx.stroke();
}

const ringWidth = (r: number): number => Math.min(6, Math.max(2.5, r * 0.09));

/** Stored energy as an arc inside the edge, full at one whole turn from the top. */
function drawStore(ctx: CanvasRenderingContext2D, at: Place, soc: number, inks: Inks): void {
  const width = ringWidth(at.r);
  const r = at.r - width / 2 - 2;
  ring(ctx, at, r, inks.line4, width);
  ctx.beginPath();
  ctx.arc(at.x, at.y, r, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * Math.min(1, Math.max(0, soc)));
  ctx.strokeStyle = inks.line2;
  ctx.lineWidth = width;
  ctx.stroke();
}

export function inkOf(said: Said, inks: Inks): string {
  if (said.severity === "action") return inks.actionMark;
  return said.severity === "alarm" ? inks.alarm : said.severity === "information" ? inks.information : inks.compliant;
}

/** Words and marks over everything. */
export function drawWords(
  ctx: CanvasRenderingContext2D, area: Area, frame: Frame | null, layout: Layout, view: View, inks: Inks,
  looks: Look[], hovered: number,
): void {
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  area.cells.forEach((cell, i) => {
    const at = placeOf(layout, view, frame, i);
    if (!at) return;
    const look = looks[i];
    const worst = look?.said[0];
    if (at.r < NAME_FROM && i !== hovered && !worst) return;
    const lines = wordsOf(frame, i, look, cell.parent === "");
    const ink = look?.stale ? inks.faded : inks.text;
    if (at.open > 0.5) header(ctx, at, cell.id, lines, ink, inks);
    else if (at.r >= WORDS_FROM) inside(ctx, at, cell.id, lines, ink, inks, look);
    else if (at.r >= NAME_FROM) compact(ctx, at, cell.id, frame?.cells.p_kw?.[i], ink, inks);
    else if (i === hovered || worst) above(ctx, at, cell.id, worst?.words ?? lines[0] ?? "", ink, inks, view.width);
    if (worst) badge(ctx, at, worst, inks);
  });
}

/** What it does, how it is, what it has: one line each. */
function wordsOf(frame: Frame | null, i: number, look: Look | undefined, root: boolean): string[] {
  const c = frame?.cells;
  const p = c?.p_kw?.[i];
  const verb = root ? (known(p) && p < 0 ? "exports" : "imports") : gives(p);
  const does = !known(p) ? "? kW" : verb ? `${verb} ${kw(Math.abs(p))}` : "0 kW";
  const cost = c?.price_eur_per_kwh?.[i];
  const has = known(cost) ? `€ ${num(cost, 3)}` : "";
  const how = look?.stale ? `${look.age} old` : (look?.said[0]?.words ?? "");
  return [does, how || has];
}

function inside(
  ctx: CanvasRenderingContext2D, at: Place, name: string, lines: string[], ink: string, inks: Inks, look: Look | undefined,
): void {
  ctx.fillStyle = ink;
  put(ctx, at, -15, [name], inks, 12, 600);
  const does = lines[0] ?? "";
  const worst = look?.said[0];
  const [verb, power] = cutAt(does, does.indexOf(" "));
  if (fits(ctx, at, 1, does, inks, 12)) put(ctx, at, 1, [does], inks, 12);
  else if (worst || look?.stale) put(ctx, at, 1, bare(power), inks, 12);
  else {
    put(ctx, at, 1, [verb], inks, 12);
    put(ctx, at, 16, bare(power), inks, 12);
    return;
  }
  ctx.fillStyle = worst && !look?.stale ? wordInk(worst, inks) : inks.text2;
  const how = lines[1] ?? "";
  put(ctx, at, 17, [how, how.replace(" loaded", "")], inks, 11);
}

/** Name and power, a triangle for the direction: up gives, down takes. */
function compact(ctx: CanvasRenderingContext2D, at: Place, name: string, p_kw: number | undefined, ink: string, inks: Inks): void {
  const arrow = { gives: "▲ ", takes: "▼ ", "": "" }[gives(p_kw)];
  ctx.fillStyle = ink;
  put(ctx, at, -6, [name], inks, 11);
  put(ctx, at, 8, bare(arrow + kw(known(p_kw) ? Math.abs(p_kw) : p_kw)), inks, 11);
}

const cutAt = (text: string, at: number): [string, string] => [text.slice(0, at), text.slice(at + 1)];

/** A power with its unit, and without where there is no room for it: kilowatts then. */
const bare = (power: string): string[] => [power, power.replace(/ kW$/, "")];

const SMALLEST = 9; // px of type

/** Room for a line of type `dy` off the middle of a disc. */
function roomAt(at: Place, dy: number, size: number): number {
  const far = Math.abs(dy) + 0.3 * size;
  return far < at.inner ? 2 * Math.sqrt(at.inner * at.inner - far * far) : 0;
}

function fits(ctx: CanvasRenderingContext2D, at: Place, dy: number, text: string, inks: Inks, size: number, weight = 400): boolean {
  ctx.font = `${weight} ${size}px ${inks.family}`;
  return ctx.measureText(text).width <= roomAt(at, dy, size);
}

/** One line inside a disc: the first of the words that fits, in smaller type where none does, and at last cut short. */
function put(
  ctx: CanvasRenderingContext2D, at: Place, dy: number, words: string[], inks: Inks, size: number, weight = 400,
): void {
  for (let px = size; px >= SMALLEST; px -= 1) {
    const found = words.find((text) => fits(ctx, at, dy, text, inks, px, weight));
    if (found !== undefined) {
      ctx.fillText(found, at.x, at.y + dy);
      return;
    }
  }
  ctx.fillText(short(ctx, words.at(-1) ?? "", roomAt(at, dy, SMALLEST)), at.x, at.y + dy);
}

const wordInk = (said: Said, inks: Inks): string => (said.severity === "action" ? inks.action : inkOf(said, inks));

function above(
  ctx: CanvasRenderingContext2D, at: Place, name: string, words: string, ink: string, inks: Inks, width: number,
): void {
  const text = words ? `${name} ${words}` : name;
  ctx.font = inks.font11;
  const wide = ctx.measureText(text).width + 8;
  const x = Math.max(wide / 2 + 2, Math.min(width - wide / 2 - 2, at.x));
  ctx.globalAlpha = 0.88;
  ctx.fillStyle = inks.panel;
  ctx.fillRect(x - wide / 2, at.y - at.r - 19, wide, 15);
  ctx.globalAlpha = 1;
  ctx.fillStyle = ink;
  ctx.fillText(text, x, at.y - at.r - 11);
}

function header(ctx: CanvasRenderingContext2D, at: Place, name: string, lines: string[], ink: string, inks: Inks): void {
  const text = `${name}  ${lines.filter(Boolean).join(" · ")}`;
  ctx.font = inks.bold12;
  const y = Math.max(16, at.y - at.r - 14);
  const wide = ctx.measureText(text).width + 16;
  ctx.globalAlpha = 0.92;
  ctx.fillStyle = inks.panel;
  ctx.fillRect(at.x - wide / 2, y - 10, wide, 20);
  ctx.globalAlpha = 1;
  ctx.fillStyle = ink;
  ctx.fillText(text, at.x, y);
}

/** A shape per severity at the upper right edge, so that colour is not alone. */
function badge(ctx: CanvasRenderingContext2D, at: Place, said: Said, inks: Inks): void {
  const s = at.r < 20 ? 5 : 8;
  const x = at.x + at.r * 0.71;
  const y = at.y - at.r * 0.71;
  ctx.beginPath();
  if (said.severity === "alarm") {
    ctx.moveTo(x, y - s);
    ctx.lineTo(x + s * 1.1, y + s * 0.85);
    ctx.lineTo(x - s * 1.1, y + s * 0.85);
  } else if (said.severity === "action") {
    ctx.moveTo(x, y - s);
    ctx.lineTo(x + s, y);
    ctx.lineTo(x, y + s);
    ctx.lineTo(x - s, y);
  } else ctx.rect(x - s * 0.8, y - s * 0.8, s * 1.6, s * 1.6);
  ctx.closePath();
  ctx.fillStyle = inkOf(said, inks);
  ctx.strokeStyle = inks.raised;
  ctx.lineWidth = 3;
  ctx.stroke();
  ctx.fill();
}

function short(ctx: CanvasRenderingContext2D, text: string, room: number): string {
  if (ctx.measureText(text).width <= room) return text;
  let cut = text;
  while (cut.length > 2 && ctx.measureText(cut + "…").width > room) cut = cut.slice(0, -1);
  return cut + "…";
}
