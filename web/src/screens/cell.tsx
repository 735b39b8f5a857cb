import "./cell/cell.css";

import { api } from "../api/client";
import { ActButtons } from "../commands/menu";
import type { Act } from "../commands/acts";
import { holdsOf, tagsOf } from "../commands/tags";
import { useAsked } from "../lib/asked";
import { Link, toCell } from "../lib/link";
import { ago } from "../lib/say";
import type { ScreenProps } from "../routes";
import { area, asked, cellAge, cellStale, commands, frame, rows } from "../store";
import { CellBalance } from "./cell/bar";
import { BeliefPanel, Neighbours } from "./cell/belief";
import { Devices } from "./cell/devices";
import { Diagram } from "./cell/diagram";
import { Facts } from "./cell/facts";
import { CellList } from "./cell/list";

/** One cell: its one-line diagram, its balance, what it believes and what hangs in it. */
export function CellScreen({ rest }: ScreenProps) {
  const cell = rows.value.cells.get(rest);
  if (cell === undefined) return <CellList missing={rest} />;
  return <One key={rest} cell={cell} />;
}

function One({ cell }: { cell: number }) {
  const whole = area.value!;
  const info = whole.cells[cell]!;
  const shown = frame.value;
  const old = cellStale(cell);
  const { value: belief, error } = useAsked((signal) => api.belief({ cell: info.id, ...asked.value }, signal), [info.id]);
  const children = whole.cells.filter((other) => other.parent === info.id);
  return (
    <div class={old ? "cell-screen is-old" : "cell-screen"}>
      <header class="screen-head">
        <nav aria-label="Where this cell is" class="crumbs">
          <Link to="/cell">Cells</Link>
          {chain(info.id).slice(0, -1).map((id) => <Link key={id} to={toCell(id)}>{id}</Link>)}
        </nav>
        <h1>{info.id} {levelOfGrid(info.level) !== info.id.toLowerCase() && <span class="note">{levelOfGrid(info.level)}</span>}</h1>
        {old && <p class="stale">last measured {ago(cellAge(cell))} ago</p>}
        <ActButtons kind="cell" element={info.id} without={senseless(cell)} />
      </header>
      <div class="cell-grid">
        <section class="panel" aria-labelledby="diagram-title">
          <header>
            <h2 id="diagram-title">One-line diagram</h2>
            <p class="note">grey: normal · <span class="is-binds">at a limit</span> · <span class="is-broken">beyond it</span></p>
          </header>
          <Diagram area={whole} frame={shown} cell={cell} />
        </section>
        <div class="cell-side">
          <section class="panel" aria-labelledby="balance-title">
            <header><h2 id="balance-title">Balance</h2></header>
            {shown ? <CellBalance area={whole} frame={shown} cell={cell} stale={old} /> : <p class="note">Nothing was measured yet.</p>}
          </section>
          <section class="panel" aria-labelledby="facts-title">
            <header><h2 id="facts-title">How it is</h2></header>
            {shown ? <Facts area={whole} frame={shown} cell={cell} /> : <p class="note">Nothing was measured yet.</p>}
          </section>
          <Neighbours belief={belief} />
          {children.length > 0 && (
            <section class="panel" aria-labelledby="children-title">
              <header><h2 id="children-title">Cells below</h2></header>
              <p class="cell-links">{children.map((child) => <Link key={child.id} to={toCell(child.id)}>{child.id}</Link>)}</p>
            </section>
          )}
        </div>
      </div>
      <BeliefPanel belief={belief} error={error} />
      {shown && whole.devices.cell.includes(cell) && <Devices area={whole} frame={shown} cell={cell} />}
    </div>
  );
}

/** Ids from the root down to a cell. */
function chain(id: string): string[] {
  const cells = area.value!.cells;
  const way: string[] = [];
  for (let at = cells.find((cell) => cell.id === id); at && !way.includes(at.id); at = cells.find((cell) => cell.id === at!.parent)) {
    way.unshift(at.id);
  }
  return way;
}

function levelOfGrid(level: string): string {
  return ({ lv: "low voltage", mv: "medium voltage", feeder: "feeder", substation: "substation" } as Record<string, string>)[level] ?? level;
}

/** Acts that change nothing now: arming what is armed, islanding an island, untagging what has no tag. */
function senseless(cell: number): Act[] {
  const armed = frame.value?.cells.armed?.[cell];
  const mode = frame.value?.cells.mode?.[cell];
  const level = frame.value?.cells.level?.[cell];
  const tagged = tagsOf(commands.value).has(area.value!.cells[cell]!.id);
  const without: Act[] = [tagged ? "tag" : "untag"];
  if (!holdsOf(commands.value, frame.value?.time ?? 0).has(area.value!.cells[cell]!.id)) without.push("free");
  if (armed === 1) without.push("arm");
  if (armed === 0) without.push("disarm");
  if (mode === 0 || mode === 4) without.push("rejoin");
  if (mode === 2 || mode === 5) without.push("island");
  if (level === 5) without.push("kill");
  else if (level !== undefined && !Number.isNaN(level)) without.push("start");
  return without;
}
