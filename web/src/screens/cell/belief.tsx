import { useMemo, useState } from "preact/hooks";

import type { Belief, Curve, NeighbourView } from "../../api/nouns";
import { Link, toCell } from "../../lib/link";
import { Plot } from "../../lib/plot";
import { known, kw, price, when } from "../../lib/say";
import { area, frame } from "../../store";
import { curveTitles } from "./words";

/** Curves of what the cell believed at the shown moment, beside what was true. */
export function BeliefPanel({ belief, error }: { belief: Belief | null; error: string }) {
  return (
    <section class="panel belief" aria-labelledby="belief-title">
      <header>
        <h2 id="belief-title">Belief beside truth</h2>
        {belief && <p class="note">{belief.made
          ? `Plan of ${when(belief.made, false)} UTC, ${belief.level}. Dashed: what it believed; solid: what happened.`
          : `${belief.note || `It had no plan then (${belief.level}).`} Solid: what happened.`}</p>}
      </header>
      {error && <p class="note" role="status">{error}</p>}
      {belief && belief.curves.length > 0 && <Curves belief={belief} />}
    </section>
  );
}

/** What people ask for first; the rest is folded. */
const FIRST = new Set(["p_kw", "price_eur_per_kwh", "stored_kwh", "load_kw", "vehicles_kw", "renewable_kw"]);

function Curves({ belief }: { belief: Belief }) {
  const [open, setOpen] = useState(false);
  const order = Object.keys(curveTitles);
  const place = (curve: Curve): number => (order.includes(curve.name) ? order.indexOf(curve.name) : order.length);
  const curves = belief.curves
    .filter((curve) => [...curve.believed, ...curve.true].some((value) => known(value) && value !== 0))
    .sort((a, b) => place(a) - place(b));
  const rest = curves.filter((curve) => !FIRST.has(curve.name));
  return (
    <>
      <div class="curves">
        {curves.filter((curve) => FIRST.has(curve.name)).map((curve) => <One key={curve.name} belief={belief} curve={curve} />)}
      </div>
      {rest.length > 0 && (
        <details class="more-curves" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>{rest.length} more: {rest.map((curve) => titleOf(curve).toLowerCase()).join(", ")}</summary>
          {open && <div class="curves">{rest.map((curve) => <One key={curve.name} belief={belief} curve={curve} />)}</div>}
        </details>
      )}
    </>
  );
}

const titleOf = (curve: Curve): string => curveTitles[curve.name] ?? curve.name;

function One({ belief, curve }: { belief: Belief; curve: Curve }) {
  const times = useMemo(() => belief.start.map((start) => Date.parse(start)), [belief]);
  const mark = frame.value?.time ?? Date.parse(belief.time);
  const title = titleOf(curve);
  return (
    <figure>
      <figcaption>{title}</figcaption>
      <Plot
        times={times} unit={curve.unit} height={180} mark={mark} decimals={curve.unit.startsWith("k") ? 1 : 3}
        label={`${title}: believed and true, ${curve.unit}`}
        series={[
          { label: "true", values: curve.true, step: true },
          ...(curve.believed.some(known)
            ? [{ label: "believed", values: curve.believed, step: true, look: "dashed" as const, color: "--information" }]
            : []),
        ]}
      />
    </figure>
  );
}

const STATES: Record<NeighbourView["state"], string> = {
  agreed: "agreed", stale: "stale: its last word is old", silent: "silent", unknown: "not known",
};

/** What it thought of each neighbour, and why. */
export function Neighbours({ belief }: { belief: Belief | null }) {
  if (!belief || belief.neighbours.length === 0) return null;
  const moment = Date.parse(belief.time);
  const at = belief.start.filter((start) => Date.parse(start) <= moment).length - 1;
  return (
    <section class="panel" aria-labelledby="neighbours-title">
      <header><h2 id="neighbours-title">What it thought of its neighbours</h2></header>
      <div class="scroll" tabIndex={0} role="region" aria-label="Table of neighbours">
      <table class="neighbours">
        <thead>
          <tr>
            <th scope="col">Neighbour</th><th scope="col">It took it for</th>
            <th scope="col" class="n">Agreed</th><th scope="col" class="n">Price</th><th scope="col">Over the plan</th>
          </tr>
        </thead>
        <tbody>
          {belief.neighbours.map((view) => (
            <tr key={view.tie}>
              <th scope="row"><Link to={toCell(view.neighbour)}>{view.neighbour}</Link> <span class="note">{view.tie}</span></th>
              <td>
                <span class={view.state === "agreed" ? "" : "is-binds"}>{STATES[view.state]}</span>
                {view.why && <span class="note"> {view.why}</span>}
              </td>
              <td class="n value">{at >= 0 ? exchange(view, view.p_kw[at], belief.cell) : "–"}</td>
              <td class="n value">{at >= 0 && known(view.price_eur_per_kwh[at]) ? price(view.price_eur_per_kwh[at]) : "–"}</td>
              <td><Spark values={view.p_kw} /></td>
            </tr>
          ))}
        </tbody>
      </table>
      </div>
    </section>
  );
}

/** What the cell would take or give over a tie; the power of a view is positive into the tie's lower cell. */
function exchange(view: NeighbourView, p_kw: number | null | undefined, cell: string): string {
  if (!known(p_kw)) return "–";
  const into_kw = area.value?.ties.find((tie) => tie.id === view.tie)?.lower === cell ? p_kw : -p_kw;
  if (Math.abs(into_kw) < 0.05) return kw(0);
  return `${into_kw > 0 ? "takes" : "gives"} ${kw(Math.abs(into_kw))}`;
}

/** Powers over the plan, as a small step curve around nothing. */
function Spark({ values }: { values: (number | null)[] }) {
  const numbers = values.filter(known);
  if (numbers.length < 2) return null;
  const most = Math.max(1e-9, ...numbers.map(Math.abs));
  const x = (index: number): number => (100 * index) / values.length;
  const path = values.map((value, index) => (known(value)
    ? `${index === 0 || !known(values[index - 1]) ? "M" : "L"}${x(index)} ${12 - (10 * value) / most}H${x(index + 1)}`
    : "")).join("");
  return (
    <svg class="spark" viewBox="0 0 100 24" width="100" height="24" role="img" aria-label={`at most ${kw(most)}`}>
      <path class="spark-nothing" d="M0 12H100" />
      <path class="ol-line" d={path} />
    </svg>
  );
}
