// The state of the whole area in plain words: is all well, who helps whom, what does it cost, what is limited.
import type { Area, Severity } from "../api/nouns";
import type { Frame } from "../api/frame";
import { known, kw, num, percent, price } from "../lib/say";
import { atLimit, cellLimits, cellSaid, RANK } from "./state";

export interface Headline {
  severity: Severity | null;
  /** All is well, or what is not. */
  well: string;
  helps: string;
  costs: string;
  limited: string;
}

const LEAST_KW = 1;
const PLAIN = 3; // what is listed in full
const DARK = 7;
const AS_ISLAND = [1, 2, 3]; // leaves, is one, comes back

export function headline(area: Area, frame: Frame, silent: (i: number) => boolean): Headline {
  const found = troubles(area, frame, silent);
  const count = area.cells.length;
  const cooperate = frame.cells.level?.filter((l) => l === 0).length ?? 0;
  const together = cooperate === count ? `${count} cells cooperate` : cooperate === 0
    ? `${count} cells, each by its own rules` : `${cooperate} of ${count} cells cooperate`;
  const lives = livesOn(area, frame);
  return {
    severity: found[0]?.severity ?? null,
    well: found.length ? `${capital(some(found.map((t) => t.words)))}${lives ? `. ${lives}` : `; ${together}`}.` : `All is well: ${together}.`,
    helps: lives ? "" : help(area, frame), // an island has nobody to give to
    costs: costs(area, frame),
    limited: limits(area, frame),
  };
}

/** All of at most three, else the first two and how many there are more. */
const some = (words: string[]): string =>
  words.length <= PLAIN ? words.join(", ") : `${words.slice(0, 2).join(", ")}, ${words.length - 2} more`;

/** "A", "A and B", "A, B and C", and of more how many. */
function names(ids: string[], what: string): string {
  if (ids.length > PLAIN) return `${ids.length} ${what}`;
  return ids.length < 2 ? ids.join("") : `${ids.slice(0, -1).join(", ")} and ${ids.at(-1)}`;
}

/** Which parts of the area have voltage where others are dark: islands by their topmost cells; empty where none is dark. */
function livesOn(area: Area, frame: Frame): string {
  const mode = frame.cells.mode;
  if (!mode?.includes(DARK)) return "";
  const row = new Map(area.cells.map((cell, i) => [cell.id, i]));
  const apart = (i: number | undefined): boolean => i !== undefined && AS_ISLAND.includes(mode[i]!);
  const tops = area.cells.filter((cell, i) => apart(i) && !apart(row.get(cell.parent))).map((cell) => cell.id);
  if (tops.length === 0) return mode.every((m) => m === DARK) ? "No cell lives on" : "";
  return `${names(tops, "islands")} ${tops.length === 1 ? "lives on as an island" : tops.length > PLAIN ? "live on" : "live on as islands"}`;
}

interface Trouble {
  severity: Severity;
  words: string;
}

/** A sentence begins with a capital, an id stays as it is. */
const capital = (text: string): string => text.replace(/^(the|sun)\b/, (word) => word[0]!.toUpperCase() + word.slice(1));

/** What is wrong, the worst first; what is wrong with several cells in one word is said once. */
function troubles(area: Area, frame: Frame, silent: (i: number) => boolean): Trouble[] {
  const limit = cellLimits(area);
  const dark = frame.cells.mode?.includes(DARK) ?? false;
  const same = new Map<string, { severity: Severity; cells: string[]; words: string }>();
  area.cells.forEach((cell, i) => {
    const said = silent(i) ? { severity: "action" as Severity, words: "does not answer" }
      : cellSaid(frame, limit, i).find((s) => s.severity === "alarm" || s.severity === "action");
    if (!said || (dark && said.words === "island")) return; // it is said what lives on
    const key = said.severity + said.words.replace(/[\d.]+ /, "");
    const group = same.get(key);
    if (group) group.cells.push(cell.id);
    else same.set(key, { severity: said.severity, cells: [cell.id], words: said.words });
  });
  const found = [...same.values()].map(({ severity, cells, words }): Trouble => ({ severity, words: phrase(cells, words) }));
  const over = connectionOver(area, frame);
  if (over) found.push(over);
  const unserved = frame.area.unserved_kw?.[0];
  if (known(unserved) && unserved > 0.05) found.push({ severity: "alarm", words: `${kw(unserved)} are not served` });
  return found.sort((a, b) => RANK[a.severity] - RANK[b.severity]);
}

const OVER = 1.005; // both as the server's cards have them
const FAR_OVER = 1.1;

/** What the connection may carry at this moment; null: no limit. */
function boundOf(area: Area, frame: Frame, way: "import_kw_max" | "export_kw_max"): number | null {
  const now = frame.area[way]?.[0];
  return known(now) ? now : area[way];
}

function connectionOver(area: Area, frame: Frame): Trouble | null {
  const p = frame.area.upstream_p_kw?.[0];
  const bound = boundOf(area, frame, known(p) && p < 0 ? "export_kw_max" : "import_kw_max");
  if (!known(p) || bound === null || Math.abs(p) <= OVER * bound) return null;
  const severity = Math.abs(p) > FAR_OVER * bound ? "alarm" : "action";
  return { severity, words: `the connection carries ${kw(Math.abs(p) - bound)} too much` };
}

function phrase(cells: string[], words: string): string {
  const [first, second] = cells;
  if (cells.length === 1) return `${first} ${words === "does not answer" ? "" : words === "island" ? "is an " : "is "}${words.replace(/^voltage/, "at")}`;
  const who = cells.length === 2 ? `${first} and ${second}` : `${cells.length} cells`;
  if (words === "does not answer") return `${who} do not answer`;
  if (words.endsWith("loaded")) return `${who} are overloaded`;
  if (words.startsWith("voltage")) return `${who} are outside their voltage limits`;
  return `${who} are ${words === "island" ? "islands" : words}`;
}

/** Who gives to whom: among the children of one cell those that give and those that take. */
export function help(area: Area, frame: Frame): string {
  const p = frame.cells.p_kw;
  for (const parent of area.cells) {
    const kids = area.cells.flatMap((c, i) => (c.parent === parent.id && known(p?.[i]) ? [{ id: c.id, p_kw: p[i]! }] : []));
    const givers = kids.filter((k) => k.p_kw < -LEAST_KW).sort((a, b) => a.p_kw - b.p_kw);
    const takers = kids.filter((k) => k.p_kw > LEAST_KW).sort((a, b) => b.p_kw - a.p_kw);
    if (givers.length === 0 || takers.length === 0) continue;
    const given = -givers.reduce((sum, k) => sum + k.p_kw, 0);
    const taken = takers.reduce((sum, k) => sum + k.p_kw, 0);
    const who = givers.length === 1 ? `${givers[0]!.id} gives` : givers.length === 2
      ? `${givers[0]!.id} and ${givers[1]!.id} give` : `${givers[0]!.id} and ${givers.length - 1} others give`;
    const whom = takers.length === 1 ? takers[0]!.id : takers.length === 2
      ? `${takers[0]!.id} and ${takers[1]!.id}` : `${takers.length} neighbours`;
    return `${who} ${kw(Math.min(given, taken))} to ${whom}.`;
  }
  const most = mostGiven(area, p);
  if (most) return `${most.id} gives ${kw(-most.p_kw)}.`;
  return p?.some((p_kw) => p_kw > LEAST_KW) ? "No cell gives now." : "";
}

function mostGiven(area: Area, p: Float32Array | undefined): { id: string; p_kw: number } | null {
  let best: { id: string; p_kw: number } | null = null;
  area.cells.forEach((c, i) => {
    const p_kw = p?.[i];
    if (c.parent !== "" && known(p_kw) && p_kw < (best?.p_kw ?? -LEAST_KW)) best = { id: c.id, p_kw };
  });
  return best;
}

function costs(area: Area, frame: Frame): string {
  const p = frame.area.upstream_p_kw?.[0];
  const bound = boundOf(area, frame, known(p) && p < 0 ? "export_kw_max" : "import_kw_max");
  const flow = !known(p) ? "Exchange with upstream ?" : `${p < 0 ? "Export" : "Import"} ${kw(Math.abs(p))}${bound !== null ? ` of ${kw(bound)}` : ""}`;
  return `${flow}, ${price(frame.area.price_eur_per_kwh?.[0])}`;
}

/** What binds now; empty: nothing. */
function limits(area: Area, frame: Frame): string {
  const found: string[] = [];
  const p = frame.area.upstream_p_kw?.[0];
  const binds = (flow_kw: number, bound: number | null): boolean => bound !== null && flow_kw > 0.97 * bound && flow_kw <= OVER * bound;
  if (known(p) && binds(p, boundOf(area, frame, "import_kw_max"))) found.push("the connection is at its import limit");
  if (known(p) && binds(-p, boundOf(area, frame, "export_kw_max"))) found.push("the connection is at its export limit");
  area.ties.forEach((tie, i) => {
    const loading = frame.ties.loading?.[i];
    if (atLimit(loading)) found.push(`${tie.id} is ${percent(loading)} loaded`);
  });
  let curtailed = 0;
  frame.cells.available_kw?.forEach((could, i) => {
    const does = frame.cells.renewable_kw?.[i];
    if (known(could) && known(does) && could - does > 0.5) curtailed += could - does;
  });
  if (curtailed > LEAST_KW) found.push(`sun is held back by ${kw(curtailed)}`);
  if (found.length === 0) return "Nothing is limited.";
  return capital(found.slice(0, 2).join("; ") + (found.length > 2 ? `; ${num(found.length - 2)} more` : "")) + ".";
}
