// The balance of one cell at one moment: what comes in is what goes out. What the measured parts leave open is lost in
// lines or not measured; it is shown as its own part, never spread over the others.

import type { Balance, Part } from "../../lib/balance";

/** Powers of a cell [kW], all as magnitudes of their own direction except `p_kw` and `children` (positive: drawn). */
export interface CellPowers {
  /** Into the cell from the one above (the root: from upstream). */
  p_kw: number;
  load_kw: number;
  vehicles_kw: number;
  heat_kw: number;
  charging_kw: number;
  discharging_kw: number;
  renewable_kw: number;
  /** Into each child cell. */
  children: { cell: string; p_kw: number }[];
}

/** Parts below this are left out [kW]: they would be invisible, and rounding makes them. */
const least_kw = 0.05;

/** In and out of a cell; both sides add up to `total_kw`. */
export function balanceOf(cell: CellPowers, above: string): Balance {
  const ins: Part[] = [];
  const outs: Part[] = [];
  const missing: string[] = [];
  /** `label` names it where it comes in, `back` where it goes out. */
  const put = (key: string, label: string, back: string, into_kw: number) => {
    if (!Number.isFinite(into_kw)) missing.push(label);
    else if (into_kw >= least_kw) ins.push({ key, label, p_kw: into_kw });
    else if (into_kw <= -least_kw) outs.push({ key, label: back, p_kw: -into_kw });
  };
  put("above", `from ${above}`, `to ${above}`, cell.p_kw);
  put("renewable", "sun and wind", "sun and wind", cell.renewable_kw);
  put("discharging", "batteries give", "batteries", cell.discharging_kw);
  put("load", "loads", "loads", -cell.load_kw);
  put("vehicles", "vehicles", "vehicles", -cell.vehicles_kw);
  put("heat", "heat", "heat", -cell.heat_kw);
  put("charging", "batteries", "batteries charge", -cell.charging_kw);
  for (const child of cell.children) put("child", `from ${child.cell}`, `to ${child.cell}`, -child.p_kw);

  const given = sum(ins);
  const drawn = sum(outs);
  const open_kw = given - drawn;
  if (missing.length > 0 || Math.abs(open_kw) >= least_kw) {
    const lost = missing.length === 0 && open_kw > 0 && open_kw <= 0.1 * given;
    const part = { key: "unknown", label: lost ? "unknown (losses)" : "unknown", p_kw: Math.abs(open_kw) };
    (open_kw >= 0 ? outs : ins).push(part);
  }
  return { ins, outs, total_kw: Math.max(given, drawn), missing };
}

function sum(parts: Part[]): number {
  return parts.reduce((total, part) => total + part.p_kw, 0);
}
