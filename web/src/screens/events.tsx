import "./events/events.css";

import { useState } from "preact/hooks";

import { api } from "../api/client";
import type { Card } from "../api/nouns";
import { useAsked } from "../lib/asked";
import { Sev } from "../lib/marks";
import { when } from "../lib/say";
import type { ScreenProps } from "../routes";
import { asked, at, cards, frame, pageStale, span } from "../store";
import { CardGroup } from "./events/card";
import { groupsOf, passes, severities, type Severity } from "./events/groups";
import { Timeline } from "./events/timeline";

/** What happened and what to do about it: the day at a glance, then cards by cause. */
export function EventsScreen(_: ScreenProps) {
  const [shown, show] = useState<ReadonlySet<Severity>>(new Set(severities));
  const [onlyOpen, setOnlyOpen] = useState(false);
  const [words, setWords] = useState("");
  // Asked here as well: an empty list means that all is well only when it is the server's answer.
  const { value: told, error } = useAsked((signal) => api.cards(asked.value, signal), [], 60_000);
  const all = (at.value === null ? cards.value : (told ?? [])).map(asOf(at.value ?? frame.value?.time ?? null));
  const kept = all.filter((card) => passes(card, shown, onlyOpen, words));
  const groups = groupsOf(kept);
  const grave = all.some((card) => !card.ended && (card.severity === "alarm" || card.severity === "action"));
  const toggle = (severity: Severity): void => {
    const next = new Set(shown);
    if (!next.delete(severity)) next.add(severity);
    show(next);
  };
  return (
    <div class="events-screen">
      <header class="screen-head">
        <h1>Events</h1>
        {told && !grave && !pageStale.value && all.length > 0 && <p><Sev severity="compliant">All is well</Sev></p>}
      </header>
      <section class="panel" aria-labelledby="day-title">
        <header>
          <h2 id="day-title">The day</h2>
          <p class="note">choose a moment to go there</p>
        </header>
        <Timeline known={all} keep={(card) => passes(card, shown, false, words)} />
      </section>
      <div class="sieve">
        <div class="chips" role="group" aria-label="Severities shown">
          {severities.map((severity) => (
            <button key={severity} type="button" class="button small sev-toggle" aria-pressed={shown.has(severity)} onClick={() => toggle(severity)}>
              <Sev severity={severity} /> {told && all.filter((card) => card.severity === severity).length}
            </button>
          ))}
          <button type="button" class="button small" aria-pressed={onlyOpen} onClick={() => setOnlyOpen(!onlyOpen)}>Open only</button>
        </div>
        <input type="text" class="find" placeholder="Find in cards" aria-label="Find in cards" value={words}
          onInput={(event) => setWords(event.currentTarget.value)} />
      </div>
      <ul class="cards" aria-label="Cards by cause" aria-live={at.value === null ? "polite" : "off"}>
        {groups.map((group) => <li key={group.cause}><CardGroup group={group} /></li>)}
      </ul>
      {groups.length === 0 && told && <Empty any={all.length > 0} />}
      {!told && <p class="panel empty" role="status">{error ? `Nobody knows yet whether all is well: ${error}` : "Asking …"}</p>}
    </div>
  );
}

/** A card as it stands at a moment: what ends later is still open. */
function asOf(moment: number | null): (card: Card) => Card {
  return (card) => (moment !== null && card.ended !== null && Date.parse(card.ended) > moment ? { ...card, ended: null } : card);
}

function Empty({ any }: { any: boolean }) {
  if (any) return <p class="panel empty">No card matches. Show more severities, or search for less.</p>;
  const moment = at.value ?? frame.value?.time ?? (span.value ? Date.parse(span.value.end) : null);
  return (
    <div class="panel empty">
      <p><Sev severity="compliant">All is well</Sev></p>
      <p>Until {when(moment, false)} UTC no limit was broken, every cell answered, and nobody has to do anything.</p>
    </div>
  );
}
