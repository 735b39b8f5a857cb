import { useState } from "preact/hooks";

import { BalanceBar } from "../lib/balance_bar";
import { Mark } from "../lib/marks";
import { clock, known, kw, num } from "../lib/say";
import { ArchipelagoMap } from "../map/map";
import { area, beside, cellAge, cellStale, frame, pageStale } from "../store";
import { areaBalance } from "./balance";
import { CellsTable } from "./cells_table";
import { headline } from "./headline";
import "./area.css";

/** Is all well, who helps whom, what does it cost now, what is limited: at a glance. */
export function AreaScreen() {
  const [selected, select] = useState(-1);
  const a = area.value!;
  const f = frame.value;
  if (!f) return <h1>{a.title}: no values yet</h1>;
  const said = headline(a, f, (i) => cellStale(i) && cellAge(i) !== null && !pageStale.value);
  return (
    <div class="area">
      <div class="say">
        <h1 class={said.severity ?? ""}>
          {said.severity && <Mark severity={said.severity} />}
          <span id="headline">{pageStale.value && `At ${clock(f.time)}: `}{said.well} {said.helps}</span>
        </h1>
        <p class="say-more">{said.costs}. {said.limited}</p>
      </div>
      <section class="panel area-balance" aria-label="Balance of the area">
        <BalanceBar {...areaBalance(f)} stale={pageStale.value} />
        {beside.value && <span class="note key" aria-hidden="true">(in brackets: uncoordinated)</span>}
        <Figures />
      </section>
      <section class="area-map" aria-label="Map"><ArchipelagoMap selected={selected} select={select} /></section>
      <section class="panel area-cells" aria-label="Table of cells"><CellsTable selected={selected} select={select} /></section>
    </div>
  );
}

/** What it costs now, beside what it would without cooperation where that is known. */
function Figures() {
  const f = frame.value!;
  const ghost = beside.value;
  const now = costNow(f.area.upstream_p_kw?.[0], f.area.price_eur_per_kwh?.[0]);
  const then = ghost ? costNow(ghost.area.upstream_p_kw?.[0], ghost.area.price_eur_per_kwh?.[0]) : null;
  const unserved = f.area.unserved_kw?.[0];
  const hertz = f.area.f_hz?.[0];
  return (
    <dl class="figures">
      <Figure name="Costs now" value={known(now) ? `${num(now, 2)} EUR/h` : "? EUR/h"} ghost={known(then) ? num(then, 2) : ""} />
      <Figure name="Upstream" value={kw(f.area.upstream_p_kw?.[0])} ghost={ghost ? kw(ghost.area.upstream_p_kw?.[0]) : ""} />
      <Figure name="Losses" value={kw(f.area.losses_kw?.[0])} ghost={ghost ? kw(ghost.area.losses_kw?.[0]) : ""} />
      <Figure name="Not served" value={kw(unserved)} ghost={ghost?.area.unserved_kw?.[0] ? kw(ghost.area.unserved_kw[0]) : ""} />
      {known(hertz) && <Figure name="Frequency" value={`${num(hertz, 3)} Hz`} />}
    </dl>
  );
}

const costNow = (p_kw: number | undefined, eur_per_kwh: number | undefined): number | null =>
  known(p_kw) && known(eur_per_kwh) ? p_kw * eur_per_kwh : null;

function Figure({ name, value, ghost = "" }: { name: string; value: string; ghost?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="value">{value}{ghost && <span class="note ghost"> (<span class="quiet">uncoordinated </span>{ghost})</span>}</dd>
    </div>
  );
}
