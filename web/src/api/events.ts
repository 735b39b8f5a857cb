// Server-sent events. The browser comes back by itself with Last-Event-ID; after a refusal it gives up, so we ask again.
import { address } from "./client";
import type { Card, CommandState, Happening, Scene, Score, Span } from "./nouns";

const AGAIN_MS = 3000;

export interface Listeners {
  card: (card: Card) => void;
  command: (state: CommandState) => void;
  span: (span: Span) => void;
  story: (scene: Scene) => void;
  score: (score: Score) => void;
  open: () => void;
}

const KINDS = ["card", "command", "span", "story", "score"] as const;

export function events(on: Listeners): { close(): void } {
  let source: EventSource | null = null;
  let timer = 0;
  const connect = (): void => {
    source = new EventSource(address("events"));
    source.onopen = () => on.open();
    source.onerror = () => {
      if (source?.readyState !== EventSource.CLOSED) return;
      timer = window.setTimeout(connect, AGAIN_MS);
    };
    for (const kind of KINDS) {
      source.addEventListener(kind, (event: MessageEvent<string>) => {
        // The body is what `kind` says it is: both are written by the same record of the server.
        const happening = JSON.parse(event.data) as Happening;
        (on[kind] as (body: unknown) => void)(happening.body);
      });
    }
  };
  connect();
  return {
    close() {
      clearTimeout(timer);
      source?.close();
    },
  };
}
