import { Link } from "../lib/link";
import { ago, clock, when } from "../lib/say";
import { Mark } from "../lib/marks";
import { ROUTES, type Route } from "../routes";
import { age_s, area, at, cardsKnown, frame, link, openCards, pageStale, SEVERITIES, span, strategy } from "../store";
import { SignIn } from "../signin/signin";

const KINDS = { run: "Finished run", live: "Running system", demo: "Demonstration" } as const;

export function Header({ route }: { route: Route }) {
  const a = area.value;
  return (
    <header class="head">
      <div class="head-row">
        <Link to="/area" class="brand">
          <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
            <path d="M8 23 16 9l8 14z" fill="none" stroke="currentColor" stroke-width="2" opacity="0.5" />
            <circle cx="16" cy="9" r="4.5" /><circle cx="8" cy="23" r="4.5" /><circle cx="24" cy="23" r="4.5" />
          </svg>
          <span>{a?.title ?? "Archipel"}</span>
        </Link>
        {a && <span class="kind">{KINDS[a.kind]}</span>}
        <Moment />
        <span class="grow" />
        <CardCount />
        <Way />
      </div>
      <div class="head-row second">
        <nav aria-label="Screens" class="nav">
          {ROUTES.map((r) => (
            <Link key={r.path} to={r.path} current={r === route}>{r.title}</Link>
          ))}
        </nav>
        <span class="grow" />
        <SignIn />
      </div>
    </header>
  );
}

/** Simulated time and speed; whether it is now, and how old. */
function Moment() {
  const f = frame.value;
  const s = span.value;
  if (!s) return null;
  const time = at.value ?? f?.time ?? null;
  const live = s.live && at.value === null;
  const lost = link.value === "lost";
  return (
    <span class="moment">
      <span class={lost || pageStale.value ? "dot off" : live ? "dot on" : "dot"} aria-hidden="true" />
      <span class="moment-word">{lost ? "No connection" : live ? (pageStale.value ? "Old" : "Live") : "Replay"}</span>
      <time class="moment-time" dateTime={time === null ? "" : new Date(time).toISOString()} title={`${when(time)} UTC`}>
        <span class="wide">{when(time)}</span><span class="narrow">{clock(time)}</span>
      </time>
      {live && f && <span class="note wide">{s.factor !== 1 && `${Math.round(s.factor)}× · `}age {ago(age_s.value)}</span>}
    </span>
  );
}

function CardCount() {
  const count = openCards.value;
  const any = SEVERITIES.filter((s) => count[s] > 0);
  return (
    <Link to="/events" class="card-count" title="Open cards">
      {any.length === 0 && <span class="note">{cardsKnown.value ? "No open cards" : "Cards ?"}</span>}
      {any.map((s) => (
        <span key={s} class={`sev ${s}`}>
          <Mark severity={s} />{count[s]}<span class="quiet"> {s}</span>
        </span>
      ))}
    </Link>
  );
}

function Way() {
  const all = area.value?.strategies ?? [];
  if (all.length < 2) return null;
  return (
    <label class="way">
      <span class="quiet">Strategy</span>
      <select value={strategy.value} onChange={(e) => { strategy.value = e.currentTarget.value; }}>
        {all.map((s) => <option key={s} value={s}>{s}</option>)}
      </select>
    </label>
  );
}
