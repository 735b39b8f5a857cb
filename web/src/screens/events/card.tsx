import type { Card } from "../../api/nouns";
import { actsFor } from "../../commands/acts";
import { sendNow } from "../../commands/send";
import { Sev } from "../../lib/marks";
import { clock, when } from "../../lib/say";
import { seek } from "../../replay";
import { area, me } from "../../store";
import { ElementLink } from "../../why/reasons";
import type { Group } from "./groups";

/** All cards of one cause as one: the gravest is told, what follows from it is folded. */
export function CardGroup({ group }: { group: Group<Card> }) {
  const { head, others } = group;
  const follows = [...(head.children ?? []), ...others.flatMap((card) => card.children ?? [])];
  const mayAcknowledge = actsFor("card", area.value?.acts ?? [], me.value.role).includes("acknowledge");
  return (
    <article class={`panel card card-${head.severity} ${head.ended ? "card-over" : ""}`} aria-label={`${head.severity}: ${head.title}`}>
      <header>
        <Sev severity={head.severity} />
        <h2>{head.title}</h2>
        <Times card={head} />
      </header>
      <p>{head.text}</p>
      <ElementLink element={head.element || head.cell} />
      {(follows.length > 0 || others.length > 0) && (
        <details>
          <summary>{count(follows.length + others.length)} of the same cause{head.cause && <span class="note"> {head.cause}</span>}</summary>
          <ul class="card-children">
            {others.map((card) => <li key={card.id}><Sev severity={card.severity} /> {card.title} <Times card={card} /></li>)}
            {follows.map((what, index) => <li key={index}>{what}</li>)}
          </ul>
        </details>
      )}
      <footer>
        {head.acknowledged_by
          ? <span class="note">acknowledged by {head.acknowledged_by}</span>
          : mayAcknowledge && !head.ended && (
            <button type="button" class="button small" onClick={() => void sendNow("acknowledge", head.id)}>Acknowledge</button>
          )}
      </footer>
    </article>
  );
}

function count(number: number): string {
  return `${number} more`;
}

/** When a card began and ended; pressed, it goes there. */
function Times({ card }: { card: Card }) {
  const begun = Date.parse(card.begun);
  return (
    <span class="card-times note">
      <button type="button" class="link-button" onClick={() => seek(begun)} title={`Go to ${when(begun)} UTC`}>{clock(begun)}</button>
      {card.ended ? ` to ${clock(card.ended)}` : ", open"}
    </span>
  );
}
