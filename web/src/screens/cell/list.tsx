import { Link, toCell } from "../../lib/link";
import { known, kw, levelName, modeName, percent, pu } from "../../lib/say";
import { area, cellStale, frame } from "../../store";
import { inOrder } from "../agreements/tree";
import { ofLoading } from "./limits";

/** All cells in the order of the tree, to choose one. */
export function CellList({ missing }: { missing: string }) {
  const whole = area.value!;
  const shown = frame.value;
  const row = new Map(whole.cells.map((cell, index) => [cell.id, index]));
  return (
    <>
      <header class="screen-head"><h1>Cells</h1></header>
      {missing && <p role="alert">There is no cell {missing} here. These are:</p>}
      <div class="panel scroll" tabIndex={0} role="region" aria-label="All cells">
        <table>
          <thead>
            <tr>
              <th scope="col">Cell</th><th scope="col" class="n">Devices</th><th scope="col" class="n">From above</th>
              <th scope="col">Voltage</th><th scope="col" class="n">Highest loading</th><th scope="col">Level</th><th scope="col">Mode</th>
            </tr>
          </thead>
          <tbody>
            {inOrder(whole.cells).map(({ id, depth }) => {
              const cell = row.get(id)!;
              const of = (column: string): number | undefined => shown?.cells[column]?.[cell];
              const stale = cellStale(cell) ? "value stale" : "value";
              return (
                <tr key={id}>
                  <th scope="row"><span style={{ paddingLeft: `${depth * 18}px` }}><Link to={toCell(id)}>{id}</Link></span></th>
                  <td class="n">{Object.values(whole.cells[cell]!.devices).reduce((sum, count) => sum + count, 0) || "–"}</td>
                  <td class={`n ${stale}`}>{kw(of("p_kw"))}</td>
                  <td class={stale}>{known(of("v_pu_min")) ? `${pu(of("v_pu_min")) === pu(of("v_pu_max")) ? "" : `${pu(of("v_pu_min")).split(" ")[0]} to `}${pu(of("v_pu_max"))}` : "?"}</td>
                  <td class={`n ${stale}`}>{known(of("loading_max")) ? <span class={`is-${ofLoading(of("loading_max"), 1)}`}>{percent(of("loading_max"), 1)}</span> : "–"}</td>
                  <td class={known(of("level")) && of("level")! >= 2 && shown?.live ? "is-binds" : ""}>{levelName(of("level"))}</td>
                  <td class={known(of("mode")) && of("mode") !== 0 ? "is-binds" : ""}>{modeName(of("mode"))}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </>
  );
}
