import type { TieAgreement } from "../../api/nouns";
import { ActButtons } from "../../commands/menu";
import { tagsOf } from "../../commands/tags";
import { Link, toCell } from "../../lib/link";
import { clock, known, kw, num } from "../../lib/say";
import { area, commands, frame, rows } from "../../store";
import { WhyButton } from "../../why/why";
import { PriceBar, priceScale } from "./price";
import { inOrder } from "./tree";

/** Far apart enough to be worth a look: 5 kW and a tenth of what is agreed. */
const APART_KW = 5;
const APART = 0.1;

/** One line per tie, in the order of the tree of cells; ties between neighbours come last. */
export function Ties({ ties }: { ties: TieAgreement[] }) {
  const scale = priceScale(ties);
  const place = new Map(inOrder(area.value!.cells).map((cell, index) => [cell.id, { index, depth: cell.depth }]));
  const across = (tie: TieAgreement): boolean => area.value!.cells.find((cell) => cell.id === tie.lower)?.parent !== tie.upper;
  const ordered = [...ties].sort((a, b) =>
    Number(across(a)) - Number(across(b)) || (place.get(a.lower)?.index ?? 0) - (place.get(b.lower)?.index ?? 0));
  // What is true of all is said once.
  const common = ties.length > 1 && ties.every((tie) => !tie.since) && mostly(ties.map((tie) => tie.why));
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Table of agreements on every tie">
      <p class="note">Power is positive into the cell named first.{common && ` Nothing holds: ${common}.`}</p>
      <table class="ties">
        <thead>
          <tr>
            <th scope="col">Into</th><th scope="col" class="roomy">from</th><th scope="col" class="roomy">Tie</th>
            <th scope="col" class="n">Agreed</th><th scope="col" class="n">Metered</th><th scope="col" class="n">Difference</th>
            <th scope="col" class="n">Price <span class="note">ct/kWh</span></th><th scope="col" class="price-column">is made of</th>
            <th scope="col">Holds</th><th scope="col" class="roomy">Plan</th><th scope="col"><span class="quiet">Commands</span></th>
          </tr>
        </thead>
        <tbody>
          {ordered.map((tie) => <One key={tie.tie} tie={tie} depth={across(tie) ? 0 : (place.get(tie.lower)?.depth ?? 1) - 1} scale={scale} common={common || ""} />)}
        </tbody>
      </table>
    </div>
  );
}

/** The text that at least two of three say; empty where there is none. */
function mostly(texts: string[]): string {
  const common = texts.find((text) => texts.filter((other) => other === text).length * 3 >= texts.length * 2);
  return common ?? "";
}

interface OneProps {
  tie: TieAgreement;
  depth: number;
  scale: { low: number; high: number };
  common: string;
}

function One({ tie, depth, scale, common }: OneProps) {
  const apart = known(tie.agreed_kw) && known(tie.p_kw) ? tie.p_kw - tie.agreed_kw : null;
  const far = apart !== null && Math.abs(apart) > Math.max(APART_KW, APART * Math.abs(tie.agreed_kw!));
  const closed = frame.value?.ties.closed?.[rows.value.ties.get(tie.tie) ?? -1] !== 0;
  const tagged = tagsOf(commands.value).has(tie.tie);
  return (
    <tr>
      <th scope="row"><span style={{ paddingLeft: `${depth * 16}px` }}><Link to={toCell(tie.lower)}>{tie.lower}</Link></span></th>
      <td class="roomy"><Link to={toCell(tie.upper)}>{tie.upper}</Link></td>
      <td class="roomy">{tie.tie}{!closed && <span class="note"> open</span>}{tagged && <span class="is-binds"> tagged</span>}</td>
      <td class="n value">{known(tie.agreed_kw) ? kw(tie.agreed_kw) : <span class="note">default {kw(tie.default_kw)}</span>}</td>
      <td class="n value">{kw(tie.p_kw)}</td>
      <td class="n value">{apart === null ? "–" : <span class={far ? "is-binds" : ""}>{kw(apart)}</span>}</td>
      <td class="n value">
        {known(tie.price_eur_per_kwh) ? (
          <>{num(tie.price_eur_per_kwh * 100, 2)} <WhyButton subject="price" element={tie.tie} of={`the price on ${tie.tie}`} /></>
        ) : "–"}
      </td>
      <td class="price-column"><PriceBar tie={tie} scale={scale} /></td>
      <td class={tie.since ? "held" : ""}>{tie.since ? `${clock(tie.since, false)} to ${clock(tie.until, false)}` : <span class="note">{tie.why === common ? "–" : tie.why || "–"}</span>}</td>
      <td class="roomy">{tie.plan || "–"}</td>
      <td class="row-acts"><ActButtons kind="tie" element={tie.tie} without={[closed ? "close" : "open", tagged ? "tag" : "untag"]} small /></td>
    </tr>
  );
}
