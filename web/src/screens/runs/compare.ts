// A comparison of strategies, figure by figure.

import { known, num } from "../../lib/say";

export interface FigureLike {
  best: "low" | "high" | "";
  values: Record<string, number | null>;
}

/** Strategies with the best value of a figure; none where there is no better and worse, or all are equal. */
export function bestOf(figure: FigureLike, strategies: string[]): Set<string> {
  const told = strategies.filter((name) => known(figure.values[name]));
  if (!figure.best || told.length < 2) return new Set();
  const values = told.map((name) => figure.values[name]!);
  const wanted = shownAs(figure.best === "low" ? Math.min(...values) : Math.max(...values));
  const winners = told.filter((name) => shownAs(figure.values[name]) === wanted);
  return winners.length === told.length ? new Set() : new Set(winners);
}

/** A figure with as many digits as its size deserves. What looks alike is alike: nobody is best by a digit not shown. */
export function shownAs(value: number | null | undefined): string {
  if (!known(value)) return "–";
  const size = Math.abs(value);
  return num(value, size >= 1000 ? 0 : size >= 10 ? 1 : size >= 0.01 || size === 0 ? 2 : 4);
}

/** A bar of a value on the common scale of its figure: where it begins and how long it is, as shares of the width. */
export function barOf(figure: FigureLike, strategies: string[], name: string): { from: number; length: number } | null {
  const value = figure.values[name];
  if (typeof value !== "number") return null;
  const all = strategies.flatMap((one) => figure.values[one] ?? []);
  const low = Math.min(0, ...all);
  const high = Math.max(0, ...all);
  if (high === low) return { from: 0, length: 0 };
  const share = (x: number) => (x - low) / (high - low);
  return { from: share(Math.min(0, value)), length: Math.abs(share(value) - share(0)) };
}
