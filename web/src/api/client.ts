// Every question the page asks over HTTP. An answer of 400 and more becomes a `Refusal` with the server's own words.
import type {
  Agreements, Area, Belief, Card, Command, CommandState, Me, RunInfo, Score, Selection, Series, Span, Why,
} from "./nouns";

const ROOT = "/api/v1/";

export class Refusal extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

export type Query = Record<string, string | number | undefined>;

/** Path and query below `/api/v1/`; empty and undefined values are left out. */
export function address(path: string, query: Query = {}): string {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") asked.set(name, String(value));
  }
  const text = asked.toString();
  return ROOT + path + (text ? "?" + text : "");
}

async function ask(method: string, path: string, init: { query?: Query; body?: unknown; signal?: AbortSignal; bytes?: boolean } = {}) {
  const headers: Record<string, string> = { Accept: init.bytes ? "application/octet-stream" : "application/json" };
  if (init.body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(address(path, init.query), {
    method, headers, credentials: "same-origin",
    body: init.body === undefined ? null : JSON.stringify(init.body),
    signal: init.signal ?? null,
  });
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => null) as { error?: string } | null;
  throw new Refusal(answer.status, told?.error ?? `${method} ${path}: the server answered ${answer.status}`);
}

async function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  const answer = await ask("GET", path, { ...(query && { query }), ...(signal && { signal }) });
  return (await answer.json()) as T;
}

async function post<T>(path: string, body: unknown): Promise<T> {
  return (await (await ask("POST", path, { body })).json()) as T;
}

export const api = {
  area: () => get<Area>("area"),
  span: () => get<Span>("span"),
  me: () => get<Me>("me"),
  runs: () => get<RunInfo[]>("runs"),
  score: () => get<Score>("score"),
  runScore: (id: string) => get<Score>(`runs/${encodeURIComponent(id)}/score`),
  cards: (query: { time?: string; strategy?: string }, signal?: AbortSignal) => get<Card[]>("cards", query, signal),
  agreements: (query: { time?: string; strategy?: string }, signal?: AbortSignal) =>
    get<Agreements>("agreements", query, signal),
  belief: (query: { cell: string; time?: string; strategy?: string }, signal?: AbortSignal) =>
    get<Belief>("belief", query, signal),
  why: (query: { subject: Why["subject"]; element: string; time?: string; strategy?: string }, signal?: AbortSignal) =>
    get<Why>("why", query, signal),
  series: (
    query: { table: string; element: string; columns: string; start: string; end: string; strategy?: string },
    signal?: AbortSignal,
  ) => get<Series>("series", query, signal),
  commands: () => get<CommandState[]>("commands"),
  command: (command: Command) => post<CommandState>("commands", command),
  select: (command: Command) => post<Selection>("selections", command),
  signIn: (token: string) => post<Me>("session", { token }),
  signOut: async () => {
    await ask("DELETE", "session");
  },
  frame: async (query: { time?: string; strategy?: string; tables?: string }, signal?: AbortSignal) =>
    (await ask("GET", "frame", { query, bytes: true, ...(signal && { signal }) })).arrayBuffer(),
  frames: async (
    query: { start: string; end: string; step_s: number; strategy?: string; tables?: string },
    signal?: AbortSignal,
  ) => (await ask("GET", "frames", { query, bytes: true, ...(signal && { signal }) })).arrayBuffer(),
};
