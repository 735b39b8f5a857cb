// A comparison of strategies, figure by figure.

export interface FigureLike {
  best: "low" | "high" | "";
  values: Record<string, number | null>;
}

/** Strategies with the best value of a figure; none where there is no better and worse, or all are equal. */
export function bestOf(figure: FigureLike, strategies: string[]): Set<string> {
  const known = strategies.flatMap((name) => {
    const value = figure.values[name];
    return typeof value === "number" ? [{ name, value }] : [];
  });
  if (!figure.best || known.length < 2) return new Set();
  const wanted = known.reduce((best, { value }) => (figure.best === "low" ? Math.min(best, value) : Math.max(best, value)), known[0]!.value);
  const winners = known.filter(({ value }) => alike(value, wanted));
  return winners.length === known.length ? new Set() : new Set(winners.map(({ name }) => name));
}

/** Differences that rounding makes do not decide. */
function alike(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(a), Math.abs(b));
}

/** A bar of a value on the common scale of its figure: where it begins and how long it is, as shares of the width. */
export function barOf(figure: FigureLike, strategies: string[], name: string): { from: number; length: number } | null {
  const value = figure.values[name];
  if (typeof value !== "number") return null;
  const known = strategies.flatMap((one) => figure.values[one] ?? []);
  const low = Math.min(0, ...known);
  const high = Math.max(0, ...known);
  if (high === low) return { from: 0, length: 0 };
  const share = (x: number) => (x - low) / (high - low);
  return { from: share(Math.min(0, value)), length: Math.abs(share(value) - share(0)) };
}
