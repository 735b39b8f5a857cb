// The whole area at one moment: what comes in is what goes out; what is left over is shown as unknown.
import type { Frame } from "../api/frame";
import type { Balance, Part } from "../lib/balance";

const LEAST_KW = 0.05;

function total(column: Float32Array | undefined): number {
  if (!column || column.length === 0) return NaN;
  let sum = 0;
  for (const value of column) sum += value;
  return sum;
}

export function areaBalance(frame: Frame): Balance {
  const ins: Part[] = [];
  const outs: Part[] = [];
  const missing: string[] = [];
  const put = (key: string, label: string, back: string, into_kw: number): void => {
    if (!Number.isFinite(into_kw)) missing.push(label);
    else if (into_kw >= LEAST_KW) ins.push({ key, label, p_kw: into_kw });
    else if (into_kw <= -LEAST_KW) outs.push({ key, label: back, p_kw: -into_kw });
  };
  const c = frame.cells;
  put("renewable", "sun", "sun", total(c.renewable_kw));
  put("storage", "storage", "storage", total(c.discharging_kw));
  put("upstream", "from upstream", "to upstream", frame.area.upstream_p_kw?.[0] ?? NaN);
  put("load", "load given back", "load", -total(c.load_kw));
  put("vehicles", "vehicles give", "vehicles", -total(c.vehicles_kw));
  put("heat", "heat", "heat", -total(c.heat_kw));
  put("charging", "storage", "charging", -total(c.charging_kw));
  put("losses", "losses", "losses", -(frame.area.losses_kw?.[0] ?? NaN));
  const sum = (parts: Part[]): number => parts.reduce((all, part) => all + part.p_kw, 0);
  const [given, drawn] = [sum(ins), sum(outs)];
  const open_kw = given - drawn;
  if (Math.abs(open_kw) >= Math.max(LEAST_KW, 1e-3 * Math.max(given, drawn)) || missing.length > 0) {
    (open_kw >= 0 ? outs : ins).push({ key: "unknown", label: "? unknown", p_kw: Math.abs(open_kw) });
  }
  return { ins, outs, total_kw: Math.max(given, drawn), missing };
}
