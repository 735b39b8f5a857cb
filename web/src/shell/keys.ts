// Shortcuts. They never act while something is typed, and never with a modifier.
import { signal } from "@preact/signals";

import { play, playing, seek, step } from "../replay";
import { go } from "../router";
import { ROUTES } from "../routes";

export const helpOpen = signal(false);

export const KEYS: [string, string][] = [
  ["1 … 6", "Area, Cell, Network, Agreements, Events, Runs"],
  ["Space", "Play or pause"],
  [", and .", "One step back, one step on"],
  ["0", "Back to now (of a finished run: to its end)"],
  ["+ and −", "Map: closer, further"],
  ["Arrow keys", "Map: move; tables and lists: scroll"],
  ["f", "Map: show everything"],
  ["Shift D", "Return to default, for who may operate"],
  ["?", "This help"],
  ["Esc", "Close"],
];

const TYPED = new Set(["INPUT", "SELECT", "TEXTAREA"]);

function pressed(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const target = event.target as HTMLElement;
  const range = target instanceof HTMLInputElement && target.type === "range";
  if ((TYPED.has(target.tagName) && !range) || target.isContentEditable || document.querySelector("dialog[open]")) return;
  const route = ROUTES.find((r) => r.key === event.key);
  if (route) go(route.path);
  else if (event.key === " " && target.tagName !== "BUTTON" && target.tagName !== "A") play(!playing.value);
  else if (event.key === ",") step(-1);
  else if (event.key === ".") step(1);
  else if (event.key === "0") seek(null);
  else if (event.key === "?") helpOpen.value = true;
  else return;
  event.preventDefault();
}

export function listenToKeys(): () => void {
  window.addEventListener("keydown", pressed);
  return () => window.removeEventListener("keydown", pressed);
}
