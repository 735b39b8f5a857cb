import type { Area } from "../../api/nouns";
import type { Frame } from "../../api/frame";
import { kw } from "../../lib/say";
import { balanceOf, type Balance, type Part } from "./balance";

/** In and out of a cell as two bars of the same length: they always sum, the unknown is shown as unknown. */
export function BalanceBar({ area, frame, cell }: { area: Area; frame: Frame; cell: number }) {
  const balance = measured(area, frame, cell);
  return (
    <div class="balance">
      <Side title="In" parts={balance.ins} total={balance.total_kw} />
      <Side title="Out" parts={balance.outs} total={balance.total_kw} />
      {balance.missing.length > 0 && <p class="note">Not measured: {balance.missing.join(", ")}.</p>}
    </div>
  );
}

function measured(area: Area, frame: Frame, cell: number): Balance {
  const of = (column: string): number => frame.cells[column]?.[cell] ?? NaN;
  const info = area.cells[cell]!;
  const children = area.cells.flatMap((child, row) =>
    child.parent === info.id ? [{ cell: child.id, p_kw: frame.cells.p_kw?.[row] ?? NaN }] : []);
  return balanceOf(
    {
      p_kw: of("p_kw"), load_kw: of("load_kw"), vehicles_kw: of("vehicles_kw"), heat_kw: of("heat_kw"),
      charging_kw: of("charging_kw"), discharging_kw: of("discharging_kw"), renewable_kw: of("renewable_kw"), children,
    },
    info.parent || "upstream",
  );
}

function Side({ title, parts, total }: { title: string; parts: Part[]; total: number }) {
  return (
    <section class="balance-side" aria-label={`${title}: ${kw(total)}`}>
      <h3><span>{title}</span><b class="value">{kw(total)}</b></h3>
      <div class="balance-bar" aria-hidden="true">
        {parts.map((part, index) => (
          <span key={`${part.key}${index}`} class={`part part-${part.key}`} title={`${part.label} ${kw(part.p_kw)}`} style={{ flexGrow: part.p_kw }} />
        ))}
      </div>
      <ul class="balance-parts">
        {parts.map((part, index) => (
          <li key={`${part.key}${index}`}>
            <i class={`part part-${part.key}`} aria-hidden="true" />
            <span>{part.label}</span>
            <span class="value">{kw(part.p_kw)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
