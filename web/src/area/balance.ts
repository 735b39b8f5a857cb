// The whole area at one moment: what comes in is what goes out; what is left over is shown as unknown.
import type { Frame } from "../api/frame";
import type { Balance, Part } from "../lib/balance";

const LEAST_KW = 0.05;

interface Total {
  kw: number;
  /** Cells whose value is not known. */
  without: number;
}

function total(column: Float32Array | undefined): Total {
  const all: Total = { kw: 0, without: 0 };
  for (const value of column ?? []) {
    if (Number.isFinite(value)) all.kw += value;
    else all.without += 1;
  }
  return column && all.without < column.length ? all : { kw: NaN, without: 0 };
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
  const cells = (key: string, label: string, back: string, column: Float32Array | undefined, way: 1 | -1): void => {
    const { kw, without } = total(column);
    put(key, label, back, way * kw);
    if (without > 0) missing.push(`${way > 0 ? label : back} of ${without} ${without === 1 ? "cell" : "cells"}`);
  };
  const c = frame.cells;
  cells("renewable", "sun", "sun", c.renewable_kw, 1);
  cells("storage", "storage", "storage", c.discharging_kw, 1);
  put("upstream", "from upstream", "to upstream", frame.area.upstream_p_kw?.[0] ?? NaN);
  cells("load", "load given back", "load", c.load_kw, -1);
  cells("vehicles", "vehicles give", "vehicles", c.vehicles_kw, -1);
  cells("heat", "heat", "heat", c.heat_kw, -1);
  cells("charging", "storage", "charging", c.charging_kw, -1);
  put("losses", "losses", "losses", -(frame.area.losses_kw?.[0] ?? NaN));
  const sum = (parts: Part[]): number => parts.reduce((all, part) => all + part.p_kw, 0);
  const [given, drawn] = [sum(ins), sum(outs)];
  const open_kw = given - drawn;
  if (Math.abs(open_kw) >= LEAST_KW) {
    (open_kw >= 0 ? outs : ins).push({ key: "unknown", label: "? unknown", p_kw: Math.abs(open_kw) });
  }
  return { ins, outs, total_kw: Math.max(given, drawn), missing };
}
