import { useRef } from "preact/hooks";

import type { Area } from "../../api/nouns";
import type { Frame } from "../../api/frame";
import { toCell } from "../../lib/link";
import { known, kw, percent, pu } from "../../lib/say";
import { go, href } from "../../router";
import { useWidth } from "../width";
import { kindWord } from "./words";
import { highestLoading, ofLoading, ofVoltage, voltages, worse } from "./limits";
import { DOWN, place, type Placed, type Symbol } from "./oneline";
import { rowsOf } from "./rows";
import { DeviceSymbol, switchPath, TRANSFORMER } from "./symbols";

interface Props {
  area: Area;
  frame: Frame | null;
  cell: number;
}

/** The one-line diagram of a cell: its tie above, its busbars, what hangs there. Grey; colour where a limit binds. */
export function Diagram({ area, frame, cell }: Props) {
  const [box, width] = useWidth();
  const own = useRef<{ key: string; rows: ReturnType<typeof rowsOf> }>({ key: "", rows: [] });
  const key = `${area.name} ${cell}`;
  if (own.current.key !== key) own.current = { key, rows: rowsOf(area, cell) };
  const drawing = place(own.current.rows, Math.max(width, 260));
  const name = area.cells[cell]!.id;
  return (
    <div ref={box} class="one-line">
      {width > 0 && (
        <svg width={drawing.width} height={drawing.height} role="group" aria-label={`One-line diagram of ${name}`}>
          {drawing.rows[0] && <Above area={area} frame={frame} cell={cell} head={drawing.rows[0]} />}
          {drawing.stands.map((stand) => <path key={stand.to} class="ol-bar" d={`M${stand.x} ${stand.from}V${stand.to}`} />)}
          {drawing.links.map(({ from, to, straight }) => (
            <path key={to.y} class="ol-line"
              d={straight ? `M${to.x + DOWN} ${from.y}V${to.y}` : `M${from.x + DOWN} ${to.y}H${to.x}`} />
          ))}
          {drawing.rows.map((placed) => <Bar key={placed.y} area={area} frame={frame} placed={placed} width={drawing.width} />)}
        </svg>
      )}
      {drawing.rows.length === 0 && <p class="note">This cell has no nodes of its own.</p>}
    </div>
  );
}

/** The tie to the cell above, or of the root the connection upstream. */
function Above({ area, frame, cell, head }: Props & { head: Placed }) {
  const info = area.cells[cell]!;
  const row = area.ties.findIndex((tie) => tie.direction === "vertical" && tie.lower === info.id);
  const tie = area.ties[row];
  const x = head.x + DOWN;
  const p_kw = frame?.cells.p_kw?.[cell];
  const closed = tie ? (frame?.ties.closed?.[row] ?? 1) !== 0 : true;
  const loading = tie ? frame?.ties.loading?.[row] : undefined;
  const look = ofLoading(loading, tie && tie.branch !== null ? (area.branches.loading_max[tie.branch] ?? 1) : 1);
  const transformer = tie && tie.branch !== null && area.branches.kind[tie.branch] === "transformer";
  const agreed = tie ? frame?.ties.agreed_kw?.[row] : undefined;
  const what = tie ? [tie.id, closed ? "" : "open", known(loading) ? percent(loading) : ""].filter(Boolean).join(" · ") : limits(area);
  return (
    <g>
      <path class="ol-line" d={transformer ? `M${x} 14V34M${x} 64V${head.y}` : `M${x} 14V38M${x} 58V${head.y}`} />
      <path class="ol-line" transform={`translate(${x} ${transformer ? 50 : 48})`} d={transformer ? TRANSFORMER : switchPath(closed)} />
      {tie && transformer && !closed && <path class="ol-line" transform={`translate(${x} 24)`} d={switchPath(false)} />}
      {tie ? <CellText x={x + 18} y={22} cell={tie.upper} /> : <text class="ol-name" x={x + 18} y={22}>upstream</text>}
      <text class={`ol-text ol-${look}`} x={x + 18} y={42}>{what}</text>
      <Flow x={x + 18} y={62} p_kw={p_kw} after={known(agreed) ? `, agreed ${kw(Math.abs(agreed))} ${agreed < 0 ? "out" : "in"}` : ""} />
    </g>
  );
}

function limits(area: Area): string {
  const import_kw = known(area.import_kw_max) ? `import ${kw(area.import_kw_max)}` : "";
  const export_kw = known(area.export_kw_max) ? `export ${kw(area.export_kw_max)}` : "";
  const both = [import_kw, export_kw].filter(Boolean).join(", ");
  return both ? `at most ${both}` : "no firm limit";
}

function CellText({ x, y, cell }: { x: number; y: number; cell: string }) {
  return (
    <a href={href(toCell(cell))} onClick={(event: MouseEvent) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      go(toCell(cell));
    }}>
      <text class="ol-name ol-link" x={x} y={y}>{cell}</text>
    </a>
  );
}

/** Power with its direction: down is drawn below, up is given. */
function Flow({ x, y, p_kw, after = "" }: { x: number; y: number; p_kw: number | undefined; after?: string }) {
  const size = known(p_kw) ? Math.abs(p_kw) : undefined;
  const still = size === undefined || size < 0.05;
  return (
    <>
      {!still && <path class="ol-arrow" transform={`translate(${x + 4} ${y - 4})`} d={p_kw! > 0 ? "M-4-4H4L0 4z" : "M-4 4H4L0-4z"} />}
      <text class="ol-text ol-value" x={still ? x : x + 13} y={y}>{kw(still && known(size) ? 0 : size)}{after && !still ? (p_kw! > 0 ? " in" : " out") : ""}{after}</text>
    </>
  );
}

function Bar({ area, frame, placed, width }: { area: Area; frame: Frame | null; placed: Placed; width: number }) {
  const { row, x, y, symbols } = placed;
  const band = voltages(row.nodes, frame?.nodes.v_pu);
  const low = area.nodes.v_pu_min[row.node] ?? 0;
  const high = area.nodes.v_pu_max[row.node] ?? 2;
  const worst = highestLoading(row.branches, frame?.branches.loading, area.branches.loading_max);
  const loading = worst === null ? undefined : frame?.branches.loading?.[worst];
  const loaded = worst === null ? "normal" : ofLoading(loading, area.branches.loading_max[worst] ?? 1);
  const volts = worse(ofVoltage(band.low, low, high), ofVoltage(band.high, low, high));
  const narrow = width < 420;
  const range = band.high - band.low < 0.0005 || Number.isNaN(band.low) ? pu(band.high) : `${pu(band.low).split(" ")[0]}${narrow ? "–" : " to "}${pu(band.high)}`;
  const right = Math.max(x + 60, Math.min(width - 8, Math.max(...symbols.map((symbol) => symbol.x + 70), x + 120)));
  return (
    <g>
      <title>{`${row.nodes.length === 1 ? "node" : `${row.nodes.length} nodes behind`} ${area.nodes.id[row.node]}`}</title>
      <text class="ol-text" x={x + DOWN + 10} y={y - 7}>
        <tspan class="ol-head">{row.nodes.length === 1 ? area.nodes.id[row.node] : `${row.nodes.length} nodes`}</tspan>
        <tspan class={`ol-${volts}`} dx="8">{range}</tspan>
        {worst !== null && known(loading) && <tspan class={`ol-${loaded}`} dx="8">{percent(loading)}{narrow ? "" : " loaded"}</tspan>}
      </text>
      <path class={`ol-bar ol-${worse(volts, loaded)}`} d={`M${x} ${y}H${right}`} />
      {symbols.map((symbol) => <One key={`${symbol.what}${symbol.index}`} area={area} frame={frame} placed={placed} symbol={symbol} />)}
    </g>
  );
}

function One({ area, frame, placed, symbol }: { area: Area; frame: Frame | null; placed: Placed; symbol: Symbol }) {
  const { x, y } = symbol;
  const { row } = placed;
  const first = y - placed.y < 30;
  // Symbols of a second line hang at the first: a short line says that they are joined.
  const lead = first ? `M${x} ${placed.y}V${y - 12}` : `M${x} ${y - 17}V${y - 12}`;
  if (symbol.what === "device") {
    const group = row.kinds[symbol.index]!;
    return (
      <g>
        <path class="ol-line" d={lead} />
        <g transform={`translate(${x} ${y})`}><DeviceSymbol kind={group.kind} /></g>
        <text class="ol-text" x={x + 17} y={y - 2}>{group.devices.length} {kindWord(group.kind, group.devices.length)}</text>
        <Flow x={x + 17} y={y + 13} p_kw={total(group.devices, frame?.devices.p_kw)} />
      </g>
    );
  }
  const index = (symbol.what === "child" ? row.children : row.others)[symbol.index]!;
  const tie = area.ties[index]!;
  const closed = (frame?.ties.closed?.[index] ?? Number(tie.closed)) !== 0;
  const transformer = tie.branch !== null && area.branches.kind[tie.branch] === "transformer";
  const here = area.nodes.cell[row.node];
  const other = area.cells[here ?? -1]?.id === tie.upper ? tie.lower : tie.upper;
  // Positive flows into the lower cell: away from here, unless this is the lower end.
  const away = other === tie.lower ? 1 : -1;
  const p_kw = frame?.ties.p_kw?.[index];
  const look = ofLoading(frame?.ties.loading?.[index], tie.branch === null ? 1 : (area.branches.loading_max[tie.branch] ?? 1));
  return (
    <g>
      <title>{`${tie.id}: ${closed ? "closed" : "open"}, ${percent(frame?.ties.loading?.[index])} loaded`}</title>
      <path class="ol-line" d={lead} />
      <path class={`ol-line ol-${look}`} transform={transformer ? `translate(${x} ${y + 1}) scale(0.75)` : `translate(${x} ${y})`}
        d={transformer && closed ? TRANSFORMER : switchPath(closed)} />
      <CellText x={x + 17} y={y - 2} cell={other} />
      {look !== "normal" && <text class={`ol-text ol-${look}`} x={x + 82} y={y - 2}>{percent(frame?.ties.loading?.[index])}</text>}
      {closed ? <Flow x={x + 17} y={y + 13} p_kw={known(p_kw) ? away * p_kw : undefined} />
        : <text class="ol-text" x={x + 17} y={y + 13}>open</text>}
    </g>
  );
}

function total(rows: number[], values: Float32Array | undefined): number | undefined {
  let sum = 0;
  for (const row of rows) {
    const value = values?.[row];
    if (value === undefined || Number.isNaN(value)) return undefined;
    sum += value;
  }
  return sum;
}
