import "./agreements/agreements.css";

import { api } from "../api/client";
import { useAsked } from "../lib/asked";
import { clock } from "../lib/say";
import type { ScreenProps } from "../routes";
import { asked } from "../store";
import { Giving } from "./agreements/giving";
import { Plan } from "./agreements/plan";
import { Legend } from "./agreements/price";
import { Ties } from "./agreements/ties";

/** Who agreed what with whom at the shown moment, what prices are made of, and how the plan came about. */
export function AgreementsScreen(_: ScreenProps) {
  const { value, error, waiting } = useAsked((signal) => api.agreements(asked.value, signal), []);
  return (
    <div class="agreements-screen" aria-busy={waiting}>
      <header class="screen-head"><h1>Agreements</h1></header>
      {error && <p class="note" role="status">{error}</p>}
      {value && (
        <>
          <section class="panel" aria-labelledby="giving-title">
            <header>
              <h2 id="giving-title">Who gives whom</h2>
              <p class="note">{clock(value.time, false)} UTC, metered; where nothing is metered, agreed</p>
            </header>
            <Giving ties={value.ties} />
          </section>
          <Plan plan={value.plan} />
          <section class="panel" aria-labelledby="ties-title">
            <header>
              <h2 id="ties-title">On every tie</h2>
              {value.ties.some((tie) => tie.price_eur_per_kwh !== null) && <Legend />}
            </header>
            <Ties ties={value.ties} />
          </section>
        </>
      )}
      {!value && !error && <p class="note" role="status">Asking …</p>}
    </div>
  );
}
