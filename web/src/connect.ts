// Joins the server and the store: asks what there is, then listens.
import { api } from "./api/client";
import { events } from "./api/events";
import { telemetry } from "./api/telemetry";
import type { Card, CommandState } from "./api/nouns";
import {
  area, asked, at, cards, cardsKnown, commands, heard, link, me, now, offset, replaying, score, span, story, strategy, trouble,
} from "./store";
import { showLive } from "./live";
import { followReplay } from "./replay";
import { startPlace } from "./router";
import { effect } from "@preact/signals";

const AGAIN_MS = 2000;

function put<T>(list: T[], item: T, same: (a: T, b: T) => boolean): T[] {
  const place = list.findIndex((other) => same(other, item));
  if (place < 0) return [item, ...list];
  return list.map((other, i) => (i === place ? item : other));
}

const sameCard = (a: Card, b: Card): boolean => a.id === b.id;
const sameCommand = (a: CommandState, b: CommandState): boolean => a.command.id === b.command.id;

function alive(): void {
  heard.value = Date.now();
  if (link.value !== "open") link.value = "open";
}

/** The smallest difference ever seen between arrival and measurement is the clocks' difference plus the shortest way. */
function learnOffset(measured: number): void {
  const seen = measured - Date.now();
  if (offset.value === 0 || seen > offset.value) offset.value = seen;
}

/** A new card, a changed one, or a command's next phase, also from the answer to a POST. */
export function takeCommand(state: CommandState): void {
  commands.value = put(commands.value, state, sameCommand);
}

async function refreshCards(): Promise<void> {
  cards.value = await api.cards(asked.value);
  cardsKnown.value = true;
}

function listen(): void {
  const a = area.value;
  if (!a) return;
  if (a.span.live) {
    telemetry(a.sections, {
      frame: (f) => {
        alive();
        learnOffset(f.measured);
        const s = span.value;
        if (s && f.time > Date.parse(s.end)) span.value = { ...s, end: new Date(f.time).toISOString() };
        if (at.value === null) showLive(f);
      },
      open: alive,
      lost: () => {
        link.value = "lost";
      },
    });
  }
  events({
    open: alive,
    card: (card) => {
      if (!replaying.value) cards.value = put(cards.value, card, sameCard);
    },
    command: takeCommand,
    span: (s) => {
      span.value = s;
    },
    story: (scene) => {
      story.value = scene;
    },
    score: (s) => {
      score.value = s;
    },
  });
  effect(() => {
    void asked.value;
    const timer = window.setTimeout(() => {
      refreshCards().catch(tell);
    }, 250);
    return () => clearTimeout(timer);
  });
}

function tell(error: unknown): void {
  trouble.value = error instanceof Error ? error.message : String(error);
}

/** Asks until the server answers, then shows and listens. */
export async function start(): Promise<void> {
  window.setInterval(() => {
    now.value = Date.now();
  }, 1000);
  for (;;) {
    try {
      const [a, who] = await Promise.all([api.area(), api.me()]);
      me.value = who;
      span.value = a.span;
      if (!a.strategies.includes(strategy.value)) strategy.value = a.strategies[0] ?? "";
      area.value = a;
      break;
    } catch (error) {
      link.value = "lost";
      tell(error);
      await new Promise((later) => setTimeout(later, AGAIN_MS));
    }
  }
  trouble.value = "";
  alive();
  startPlace();
  followReplay();
  listen();
  api.commands().then((list) => { commands.value = list; }, tell);
  if (area.value?.kind === "run") api.score().then((s) => { score.value = s; }, tell);
}
