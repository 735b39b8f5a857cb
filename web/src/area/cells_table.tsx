import { Link, toCell } from "../lib/link";
import { Sev } from "../lib/marks";
import { ago, known, kw, levelName, modeName, num, percent } from "../lib/say";
import { area, cellAge, cellStale, frame } from "../store";
import { cellLimits, cellSaid, gives } from "./state";

/** The map in words: one row per cell, what is unusual first in the last column. */
export function CellsTable({ selected, select }: { selected: number; select: (cell: number) => void }) {
  const a = area.value!;
  const f = frame.value;
  const limits = cellLimits(a);
  return (
    <div class="scroll cells" tabIndex={0} role="region" aria-label="Cells">
      <table>
        <thead>
          <tr>
            <th scope="col">Cell</th><th scope="col" class="n">Power</th><th scope="col" class="n">Stored</th>
            <th scope="col" class="n">€/kWh</th><th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          {a.cells.map((cell, i) => {
            const stale = cellStale(i);
            const said = f ? cellSaid(f, limits, i) : [];
            const c = f?.cells;
            const v = stale ? "n value stale" : "n value";
            return (
              <tr key={cell.id} class={i === selected ? "picked" : ""} onClick={() => select(i)}>
                <th scope="row"><Link to={toCell(cell.id)}>{cell.id}</Link></th>
                <td class={v}><span class="verb">{verb(cell.parent === "", c?.p_kw?.[i])}</span> {kw(abs(c?.p_kw?.[i]))}</td>
                <td class={v}>{cell.devices.battery || Number.isFinite(c?.soc?.[i]) ? percent(c?.soc?.[i]) : "–"}</td>
                <td class={v}>{num(c?.price_eur_per_kwh?.[i], 3)}</td>
                <td>
                  {stale && <Sev severity="action">{said[0]?.words === "does not answer" ? said[0].words : `${ago(cellAge(i))} old`}</Sev>}
                  {!stale && said[0] && <Sev severity={said[0].severity}>{said.map((s) => s.words).join(", ")}</Sev>}
                  {!stale && !said[0] && <span class="note">{levelName(c?.level?.[i])}{known(c?.mode?.[i]) && c.mode[i] !== 0 && `, ${modeName(c.mode[i])}`}</span>}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function verb(root: boolean, p_kw: number | undefined): string {
  const does = gives(p_kw);
  return root && does ? { gives: "exports", takes: "imports" }[does] : does;
}

const abs = (value: number | undefined): number | undefined => (value === undefined ? undefined : Math.abs(value));
