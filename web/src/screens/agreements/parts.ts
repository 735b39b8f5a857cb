// A price as a stacked bar: what adds goes right of nothing, what takes away goes left.

export interface Parts {
  energy: number | null;
  losses: number | null;
  congestion: number | null;
  voltage: number | null;
  fees: number | null;
}

export type PartName = keyof Parts | "unknown";

export interface Segment {
  name: PartName;
  /** Its own value [EUR/kWh], with its sign. */
  value: number;
  /** Where it lies, `from` below `to` [EUR/kWh]. */
  from: number;
  to: number;
}

export const partNames: (keyof Parts)[] = ["energy", "losses", "congestion", "voltage", "fees"];

/** Less than this is nothing [EUR/kWh]: a hundredth of a cent for a hundred kWh. */
const least = 1e-6;

/** Segments of a price in the order of `partNames`; what the parts leave open of the price comes last as unknown. */
export function segmentsOf(price: number | null, parts: Parts): Segment[] {
  const known = partNames.flatMap((name) => {
    const value = parts[name];
    return value === null ? [] : [{ name: name as PartName, value }];
  });
  const open = price === null ? 0 : price - known.reduce((total, part) => total + part.value, 0);
  // A price told with five parts adds up but for rounding; only a missing part leaves something open.
  if (known.length < partNames.length && Math.abs(open) > least) known.push({ name: "unknown", value: open });
  let right = 0;
  let left = 0;
  return known
    .filter((part) => Math.abs(part.value) > least)
    .map(({ name, value }) => {
      if (value > 0) {
        right += value;
        return { name, value, from: right - value, to: right };
      }
      left += value;
      return { name, value, from: left, to: left - value };
    });
}

/** The common scale of many bars: least and most any of them reaches, nothing included. */
export function scaleOf(bars: Segment[][]): { low: number; high: number } {
  const all = bars.flat();
  return {
    low: Math.min(0, ...all.map((segment) => segment.from)),
    high: Math.max(least, ...all.map((segment) => segment.to)),
  };
}
