// Where the page is: the path names the screen, `at` and `strategy` the moment. Links keep the moment.
import { effect, signal } from "@preact/signals";

import { at, span, strategy } from "./store";
import { seek, snap } from "./replay";

export const path = signal(location.pathname);
/** Search parameters besides `at` and `strategy`, such as `?node=...`; screens read and write them. */
export const params = signal(readParams());

const URL_PAUSE_MS = 250;

function readParams(): Record<string, string> {
  const all = Object.fromEntries(new URLSearchParams(location.search));
  delete all.at;
  delete all.strategy;
  return all;
}

function momentOf(search: string): { at: number | null; strategy: string | null } {
  const asked = new URLSearchParams(search);
  const time = Date.parse(asked.get("at") ?? "");
  return { at: Number.isNaN(time) ? null : time, strategy: asked.get("strategy") };
}

/** Address of a place at the shown moment. */
export function href(to: string, extra: Record<string, string> = {}): string {
  const search = new URLSearchParams(extra);
  if (at.value !== null) search.set("at", new Date(at.value).toISOString().replace(".000Z", "Z"));
  if (strategy.value) search.set("strategy", strategy.value);
  const text = search.toString();
  return to + (text ? "?" + text : "");
}

/** Goes to a place, keeping the moment. The new screen's heading takes the focus. */
export function go(to: string, extra: Record<string, string> = {}): void {
  history.pushState(null, "", href(to, extra));
  path.value = to;
  params.value = extra;
  requestAnimationFrame(() => {
    const screen = document.getElementById("screen");
    screen?.focus({ preventScroll: true });
    screen?.scrollTo(0, 0);
    window.scrollTo(0, 0);
  });
}

/** Changes one search parameter in place. */
export function setParam(name: string, value: string): void {
  const next = { ...params.value };
  if (value) next[name] = value;
  else delete next[name];
  params.value = next;
}

/** Reads the moment from the address; of a finished run without one, its middle. Call when the area is known. */
export function startPlace(): void {
  const wanted = momentOf(location.search);
  const s = span.value;
  if (wanted.at !== null) seek(wanted.at);
  else if (s && !s.live) at.value = snap((Date.parse(s.start) + Date.parse(s.end)) / 2);

  window.addEventListener("popstate", () => {
    path.value = location.pathname;
    params.value = readParams();
    const back = momentOf(location.search);
    if (back.strategy !== null) strategy.value = back.strategy;
    seek(back.at);
  });
  let timer = 0;
  effect(() => {
    const address = href(path.value, params.value);
    clearTimeout(timer);
    timer = window.setTimeout(() => history.replaceState(null, "", address), URL_PAUSE_MS);
  });
}

export function readStrategy(): void {
  strategy.value = momentOf(location.search).strategy ?? "";
}
