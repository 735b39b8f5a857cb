// Any past moment: frames are fetched as bytes, some ahead, and kept while they fit.
import { signal, effect } from "@preact/signals";

import { api } from "./api/client";
import { readFrame, readFrames, type Frame } from "./api/frame";
import { area, at, beside, frame, span, strategy, trouble } from "./store";
import { iso } from "./lib/say";

const KEEP_BYTES = 48e6;
const CHUNK_BYTES = 3e6;
const MOST_FRAMES = 60;

/** Grid seconds in one second of the wall while playing. */
export const speed = signal(600);
export const SPEEDS = [1, 10, 60, 300, 600, 1800, 3600];
export const playing = signal(false);

const kept = new Map<string, Frame>();
const coming = new Set<string>();
let newest = 0;

const step_ms = (): number => Math.max(1, (span.value?.step_s ?? 1) * 1000);
const bytes = (): number => 32 + 4 * (area.value?.sections.reduce((sum, s) => sum + s.count, 0) ?? 0);

/** Start of the step a time lies in, within the span. */
export function snap(time: number): number {
  const s = span.value;
  if (!s) return time;
  const start = Date.parse(s.start);
  const clipped = Math.min(Math.max(time, start), Date.parse(s.end));
  return start + Math.floor((clipped - start) / step_ms() + 1e-6) * step_ms();
}

const key = (way: string, time: number): string => `${way} ${time}`;

function keep(way: string, time: number, value: Frame): void {
  kept.set(key(way, time), value);
  for (const oldest of kept.keys()) {
    if (kept.size * bytes() <= KEEP_BYTES) break;
    kept.delete(oldest);
  }
}

async function fetchFrame(way: string, time: number): Promise<Frame> {
  const held = kept.get(key(way, time));
  if (held) return held;
  const buffer = await api.frame({ time: iso(time), strategy: way });
  const read = readFrame(buffer, area.value?.sections ?? []).frame;
  keep(way, time, read);
  return read;
}

/** Fetches what playing shows next. */
async function ahead(way: string, time: number, stride: number): Promise<void> {
  const s = span.value;
  const count = Math.min(MOST_FRAMES, Math.max(4, Math.floor(CHUNK_BYTES / bytes())));
  const end = Math.min(time + count * stride, s ? Date.parse(s.end) : time);
  let first = time;
  while (first <= end && kept.has(key(way, first))) first += stride;
  const name = `${way} ${stride} ${first}`;
  if (first > end || first - time > (count / 2) * stride || coming.has(name)) return;
  coming.add(name);
  try {
    const buffer = await api.frames({
      start: iso(first), end: iso(Math.min(first + (count - 1) * stride, end)), step_s: stride / 1000, strategy: way,
    });
    readFrames(buffer, area.value?.sections ?? []).forEach((f, i) => keep(way, first + i * stride, f));
  } finally {
    coming.delete(name);
  }
}

/** The strategy beside the shown one: what would be without cooperation. */
export function other(): string {
  const all = area.value?.strategies ?? [];
  return all.find((s) => s === "uncoordinated" && s !== strategy.value) ?? "";
}

async function show(time: number): Promise<void> {
  const mine = ++newest;
  const way = strategy.value;
  try {
    const shown = await fetchFrame(way, time);
    if (mine !== newest || at.value === null) return;
    frame.value = shown;
    trouble.value = "";
    const ghost = other();
    const second = ghost ? await fetchFrame(ghost, time) : null;
    if (mine === newest) beside.value = second;
  } catch (error) {
    if (mine === newest) trouble.value = error instanceof Error ? error.message : String(error);
  }
}

/** Goes to a moment; null goes back to now (of a finished run: to its end). */
export function seek(time: number | null): void {
  const live = span.value?.live ?? false;
  if (time === null && live) {
    playing.value = false;
    beside.value = null;
    at.value = null;
    return;
  }
  at.value = snap(time ?? Date.parse(span.value?.end ?? ""));
}

export function step(count: number): void {
  playing.value = false;
  const from = at.value ?? frame.value?.time;
  if (from !== undefined) seek(from + count * step_ms());
}

export function play(on: boolean): void {
  if (on && at.value === null) seek(frame.value?.time ?? null);
  const end = span.value ? Date.parse(span.value.end) : 0;
  if (on && at.value !== null && at.value >= end - step_ms() / 2) seek(Date.parse(span.value?.start ?? ""));
  playing.value = on;
}

const TICK_MS = 200;
let due = 0;

function tick(): void {
  if (!playing.value || at.value === null || document.hidden) return;
  const wanted = (speed.value * TICK_MS) / 1000 * 1000;
  due += wanted;
  const steps = Math.floor(due / step_ms());
  if (steps < 1) return;
  const stride = steps * step_ms();
  const next = at.value + stride;
  due -= stride;
  const end = Date.parse(span.value?.end ?? "");
  if (next >= end) {
    seek(end);
    if (!span.value?.live) playing.value = false;
    return;
  }
  at.value = next;
  const way = strategy.value;
  const ghost = other();
  const failed = (error: unknown): void => {
    playing.value = false;
    trouble.value = error instanceof Error ? error.message : String(error);
  };
  ahead(way, next + stride, stride).catch(failed);
  if (ghost) ahead(ghost, next + stride, stride).catch(failed);
}

/** Follows `at` and `strategy`. Call once the area is known. */
export function followReplay(): void {
  effect(() => {
    const time = at.value;
    void strategy.value;
    if (time !== null && area.value) void show(time);
  });
  window.setInterval(tick, TICK_MS);
}
