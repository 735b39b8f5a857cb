import type { Area } from "../../api/nouns";
import type { Frame } from "../../api/frame";
import type { Balance, Part } from "../../lib/balance";
import { BalanceBar } from "../../lib/balance_bar";
import { kw } from "../../lib/say";
import { balanceOf } from "./balance";

/** Parts shorter than this share of the bar carry no readable words there; they are told below it. */
const SHORT = 0.2;

/** In and out of a cell as two bars of the same length: they always sum, the unknown is shown as unknown. */
export function CellBalance({ area, frame, cell, stale }: { area: Area; frame: Frame; cell: number; stale: boolean }) {
  const balance = measured(area, frame, cell);
  const short = (parts: Part[]): string => parts
    .filter((part) => part.p_kw < SHORT * balance.total_kw)
    .map((part) => `${part.label} ${kw(part.p_kw)}`)
    .join(" · ");
  const into = short(balance.ins);
  const out = short(balance.outs);
  return (
    <>
      <BalanceBar {...balance} stale={stale} />
      {into && <p class="note balance-short">In, small: {into}</p>}
      {out && <p class="note balance-short">Out, small: {out}</p>}
    </>
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
