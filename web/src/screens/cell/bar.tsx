import type { Area } from "../../api/nouns";
import type { Frame } from "../../api/frame";
import type { Balance } from "../../lib/balance";
import { BalanceBar } from "../../lib/balance_bar";
import { balanceOf } from "./balance";

/** In and out of a cell as two bars of the same length: they always sum, the unknown is shown as unknown. */
export function CellBalance({ area, frame, cell, stale }: { area: Area; frame: Frame; cell: number; stale: boolean }) {
  return <BalanceBar {...measured(area, frame, cell)} stale={stale} />;
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
