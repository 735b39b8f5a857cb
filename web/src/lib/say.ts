// Numbers and times in words. What is not known is "?", never 0.

const THIN = "\u2009";

export const known = (value: number | null | undefined): value is number =>
  value !== null && value !== undefined && Number.isFinite(value);

/** A number with a fixed count of decimals and a true minus sign. */
export function num(value: number | null | undefined, decimals = 0): string {
  if (!known(value)) return "?";
  const text = Math.abs(value).toFixed(decimals);
  const [whole = "0", part] = text.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
  const sign = value < 0 && Number(text) !== 0 ? "−" : "";
  return sign + grouped + (part ? "." + part : "");
}

/** Active power: kW, MW from 10 MW. */
export function kw(value: number | null | undefined, decimals?: number): string {
  if (!known(value)) return "? kW";
  const size = Math.abs(value);
  if (size >= 10_000) return `${num(value / 1000, decimals ?? 1)} MW`;
  return `${num(value, decimals ?? (size < 9.95 && size >= 0.05 ? 1 : 0))} kW`;
}

export function kwh(value: number | null | undefined): string {
  if (!known(value)) return "? kWh";
  return Math.abs(value) >= 10_000 ? `${num(value / 1000, 1)} MWh` : `${num(value, Math.abs(value) < 10 ? 1 : 0)} kWh`;
}

export const price = (value: number | null | undefined): string => `${num(value, 3)} EUR/kWh`;
export const percent = (value: number | null | undefined, decimals = 0): string =>
  known(value) ? `${num(value * 100, decimals)} %` : "? %";
export const pu = (value: number | null | undefined): string => `${num(value, 3)} p.u.`;

/** Seconds in words: 17 s, 4 min, 2.5 h. */
export function ago(seconds: number | null | undefined): string {
  if (!known(seconds)) return "?";
  if (seconds < 1) return "< 1 s";
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${num(seconds / 3600, 1)} h`;
}

const two = (value: number): string => String(value).padStart(2, "0");

/** Grid time, always UTC: 2016-05-26 17:15:00. */
export function when(time: number | string | Date | null | undefined, seconds = true): string {
  if (time === null || time === undefined) return "?";
  const d = new Date(time);
  if (Number.isNaN(d.getTime())) return "?";
  return `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())} ${clock(d, seconds)}`;
}

export function clock(time: number | string | Date | null | undefined, seconds = true): string {
  if (time === null || time === undefined) return "?";
  const d = new Date(time);
  if (Number.isNaN(d.getTime())) return "?";
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}${seconds ? ":" + two(d.getUTCSeconds()) : ""}`;
}

/** ISO 8601 as the API takes it, without milliseconds where there are none. */
export const iso = (time: number): string => new Date(time).toISOString().replace(".000Z", "Z");

export const LEVELS = ["cooperating", "following", "fallback", "alone", "rules", "does not answer"] as const;
export const MODES = [
  "connected", "islanding", "island", "resynchronising", "reconnected", "degraded", "black start", "dark",
] as const;

export const levelName = (value: number | undefined): string => (known(value) ? LEVELS[value] : undefined) ?? "?";
export const modeName = (value: number | undefined): string => (known(value) ? MODES[value] : undefined) ?? "?";
