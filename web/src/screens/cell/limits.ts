// Limits that bind: what deserves colour in a picture that is grey otherwise.

export type Look = "normal" | "binds" | "broken";

/** Within this share of its limit a loading binds: plans go up to a limit, not through it. */
const close = 0.98;
/** As near as this a voltage binds [p.u.]. */
const close_pu = 0.002;
/** Beyond a limit by less than this is rounding of float32 [1]. */
const rounding = 1e-4;

/** A loading against its own limit. */
export function ofLoading(loading: number | undefined, most: number): Look {
  if (loading === undefined || Number.isNaN(loading)) return "normal";
  if (loading > most * (1 + rounding)) return "broken";
  return loading >= most * close ? "binds" : "normal";
}

/** A voltage against its band. */
export function ofVoltage(v_pu: number | undefined, low: number, high: number): Look {
  if (v_pu === undefined || Number.isNaN(v_pu)) return "normal";
  if (v_pu < low - rounding || v_pu > high + rounding) return "broken";
  return v_pu <= low + close_pu || v_pu >= high - close_pu ? "binds" : "normal";
}

export function worse(a: Look, b: Look): Look {
  const order: Look[] = ["normal", "binds", "broken"];
  return order.indexOf(a) >= order.indexOf(b) ? a : b;
}

/** The row with the highest loading over its limit; null where none is known. */
export function highestLoading(rows: number[], loading: Float32Array | undefined, most: number[]): number | null {
  return extreme(rows, (row) => (loading?.[row] ?? NaN) / (most[row] || 1));
}

/** The row with the greatest value. */
export function extreme(rows: number[], value: (row: number) => number): number | null {
  let best: number | null = null;
  let most = -Infinity;
  for (const row of rows) {
    const here = value(row);
    if (here > most) {
      most = here;
      best = row;
    }
  }
  return best;
}

/** Lowest and highest voltage of some nodes; NaN where none is known. */
export function voltages(nodes: number[], v_pu: Float32Array | undefined): { low: number; high: number } {
  let low = NaN;
  let high = NaN;
  for (const node of nodes) {
    const v = v_pu?.[node];
    if (v === undefined || Number.isNaN(v)) continue;
    if (!(v >= low)) low = v;
    if (!(v <= high)) high = v;
  }
  return { low, high };
}
