import type { PlanRecord } from "../../api/nouns";
import { Link, toCell } from "../../lib/link";
import { known, num, percent, when } from "../../lib/say";
import { Fact } from "../fact";

/** How the plan in force came about. */
export function Plan({ plan }: { plan: PlanRecord | null }) {
  return (
    <section class="panel plan" aria-labelledby="plan-title">
      <header>
        <h2 id="plan-title">The plan in force</h2>
        {plan && <p class="note">made {when(plan.time, false)} UTC</p>}
      </header>
      {!plan && <p>There is no plan: nothing was agreed under this strategy, or not yet.</p>}
      {plan && (
        <dl class="facts">
          <Fact name="AC check" look={plan.accepted === false ? "binds" : "normal"}>
            {plan.accepted === null ? "?" : plan.accepted ? "passed: voltages and currents hold" : "not passed: see what had to give"}
          </Fact>
          <Fact name="Rounds">{num(plan.rounds)}</Fact>
          <Fact name="Messages">{num(plan.messages)}{known(plan.bytes) && `, ${num(plan.bytes / 1000)} kB`}</Fact>
          <Fact name="From the best">{known(plan.gap) ? (plan.gap < 1e-5 ? "less than 0.001 % away" : `at most ${percent(plan.gap, 3)} away`) : "?"}</Fact>
          <Fact name="Its cost">{known(plan.cost_eur) ? `${num(plan.cost_eur, 2)} EUR` : "?"}</Fact>
          <Fact name="Silent" look={plan.silent.length ? "binds" : "normal"}>
            {plan.silent.length === 0 ? "nobody: every cell answered" : plan.silent.map((cell) => <Link key={cell} to={toCell(cell)}>{cell}</Link>)}
          </Fact>
          <Fact name="Had to give" look={plan.given.length ? "binds" : "normal"}>
            {plan.given.length === 0 ? "nothing" : <ul class="given">{plan.given.map((what) => <li key={what}>{what}</li>)}</ul>}
          </Fact>
        </dl>
      )}
    </section>
  );
}
