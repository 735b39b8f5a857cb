// What is to be said of a cell or tie: normal (nothing), or how bad, and in which words.
import type { Area, Severity } from "../api/nouns";
import type { Frame } from "../api/frame";
import { FAR, loadingClass, OVER, UNKNOWN, voltageClass } from "../map/classes";
import { known, LEVELS, MODES, num } from "../lib/say";

export interface Said {
  severity: Severity;
  words: string;
}

const ANSWERS_NOT = 5;
const RULES = 4;
const FALLBACK = 2;
/** As the server's cards have it. */
const MODE_SEVERITY: (Severity | null)[] = [null, "action", "action", "information", null, "alarm", "alarm", "alarm"];
const DARK = 7;
const AT_LIMIT = 0.97;

export interface Limits {
  v_pu_min: number[];
  v_pu_max: number[];
}

/** Strictest voltage limits among the nodes of every cell. */
export function cellLimits(area: Area): Limits {
  const v_pu_min = area.cells.map(() => -Infinity);
  const v_pu_max = area.cells.map(() => Infinity);
  area.nodes.cell.forEach((c, i) => {
    v_pu_min[c] = Math.max(v_pu_min[c]!, area.nodes.v_pu_min[i]!);
    v_pu_max[c] = Math.min(v_pu_max[c]!, area.nodes.v_pu_max[i]!);
  });
  return { v_pu_min, v_pu_max };
}

/** Everything unusual of a cell, worst first; empty: it is well. */
export function cellSaid(frame: Frame, limits: Limits, i: number): Said[] {
  const c = frame.cells;
  const said: Said[] = [];
  const level = c.level?.[i];
  const mode = c.mode?.[i];
  if (level === ANSWERS_NOT) said.push({ severity: "action", words: LEVELS[ANSWERS_NOT] });
  else if (known(level) && level >= FALLBACK && !(level === RULES && allByRules(frame))) {
    said.push({ severity: "action", words: LEVELS[level] ?? "?" });
  }
  const severity = known(mode) ? MODE_SEVERITY[mode] : null;
  if (severity && known(mode)) said.push({ severity, words: MODES[mode] ?? "?" });
  const low = c.v_pu_min?.[i];
  const high = c.v_pu_max?.[i];
  for (const v of mode === DARK ? [] : [...new Set([low, high])]) {
    const kind = known(v) ? voltageClass(v, limits.v_pu_min[i]!, limits.v_pu_max[i]!) : UNKNOWN;
    if (kind === OVER || kind === FAR) said.push({ severity: kind === FAR ? "alarm" : "action", words: `voltage ${num(v, 3)} p.u.` });
  }
  const loading = loadingSaid(c.loading_max?.[i]);
  if (loading) said.push(loading);
  if (c.armed?.[i] === 0) said.push({ severity: "information", words: "not armed" });
  return said.sort((a, b) => RANK[a.severity] - RANK[b.severity]);
}

export const RANK: Record<Severity, number> = { alarm: 0, action: 1, information: 2, compliant: 3 };

/** Where every cell works by rules, that is the strategy and nothing unusual. */
function allByRules(frame: Frame): boolean {
  return frame.cells.level?.every((level) => level === RULES) ?? false;
}

/** Of a loading over its limit. */
export function loadingSaid(loading: number | undefined): Said | null {
  const kind = loadingClass(loading, 1);
  if (!known(loading) || (kind !== OVER && kind !== FAR)) return null;
  return { severity: kind === FAR ? "alarm" : "action", words: `${num(loading * 100)} % loaded` };
}

/** Whether it is used up, be it over or not. */
export const atLimit = (loading: number | undefined): boolean => known(loading) && loading > AT_LIMIT;

/** A power into a cell, in a word for a person. */
export function gives(p_kw: number | undefined): "gives" | "takes" | "" {
  if (!known(p_kw) || Math.abs(p_kw) < 0.05) return "";
  return p_kw < 0 ? "gives" : "takes";
}
