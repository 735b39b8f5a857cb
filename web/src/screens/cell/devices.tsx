import { useState } from "preact/hooks";

import type { Area } from "../../api/nouns";
import type { Frame } from "../../api/frame";
import { ActButtons } from "../../commands/menu";
import { holdsOf, tagsOf, type Hold } from "../../commands/tags";
import { clock, known, kw, percent } from "../../lib/say";
import { commands } from "../../store";
import { WhyButton } from "../../why/why";
import { PAGE, sift, type Column, type DeviceRow, type Order } from "./sift";
import { kindWord, uncontrolled } from "./words";

const COLUMNS: { by: Column; title: string; number: boolean }[] = [
  { by: "id", title: "Device", number: false },
  { by: "kind", title: "Kind", number: false },
  { by: "node", title: "Node", number: false },
  { by: "p_kw", title: "Power", number: true },
  { by: "p_kw_set", title: "Setpoint", number: true },
  { by: "soc", title: "Charge", number: true },
];

/** All devices of a cell, page by page: what they do, what they were told, and who may say why. */
export function Devices({ area, frame, cell }: { area: Area; frame: Frame; cell: number }) {
  const [kind, setKind] = useState("");
  const [words, setWords] = useState("");
  const [order, setOrder] = useState<Order>({ by: "kind", down: false });
  const [page, setPage] = useState(0);
  const rows = rowsIn(area, frame, cell);
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(row.kind, (counts.get(row.kind) ?? 0) + 1);
  const shown = sift(rows, kind, words, order);
  const pages = Math.max(1, Math.ceil(shown.length / PAGE));
  const at = Math.min(page, pages - 1);
  const first = at * PAGE;
  const holds = holdsOf(commands.value, frame.time);
  const tags = tagsOf(commands.value);
  const stored = rows.some((row) => known(row.soc));
  const columns = COLUMNS.filter((column) => column.by !== "soc" || stored);
  return (
    <section class="panel devices" aria-labelledby="devices-title">
      <header>
        <h2 id="devices-title">Devices</h2>
        <p class="note">{rows.length} in this cell</p>
      </header>
      <div class="sieve">
        <div class="chips" role="group" aria-label="Kind of device">
          {["", ...counts.keys()].map((one) => (
            <button key={one} type="button" class="button small" aria-pressed={kind === one}
              onClick={() => { setKind(one); setPage(0); }}>
              {one === "" ? "all" : `${counts.get(one)} ${kindWord(one, counts.get(one)!)}`}
            </button>
          ))}
        </div>
        <input type="text" class="find" placeholder="Find a device or node" aria-label="Find a device or node" value={words}
          onInput={(event) => { setWords(event.currentTarget.value); setPage(0); }} />
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label="Table of devices">
        <table>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column.by} scope="col" class={`${column.number ? "n" : ""} ${column.by === "node" || column.by === "kind" ? "roomy" : ""}`}
                  aria-sort={order.by === column.by ? (order.down ? "descending" : "ascending") : "none"}>
                  <button type="button" class="sort" onClick={() => setOrder({ by: column.by, down: order.by === column.by && !order.down })}>
                    {column.title}<span aria-hidden="true">{order.by === column.by ? (order.down ? " ▾" : " ▴") : ""}</span>
                  </button>
                </th>
              ))}
              <th scope="col">Held by</th>
              <th scope="col"><span class="quiet">Why and commands</span></th>
            </tr>
          </thead>
          <tbody>
            {shown.slice(first, first + PAGE).map((row) => (
              <One key={row.row} row={row} stored={stored} hold={holds.get(row.id)} tagged={tags.has(row.id)} />
            ))}
            {shown.length === 0 && <tr><td colSpan={8} class="note">No device is called so.</td></tr>}
          </tbody>
        </table>
      </div>
      {pages > 1 && (
        <nav class="pages" aria-label="Pages of devices">
          <button type="button" class="button small" disabled={at === 0} onClick={() => setPage(at - 1)}>Back</button>
          <span class="note">{first + 1} to {Math.min(first + PAGE, shown.length)} of {shown.length}</span>
          <button type="button" class="button small" disabled={at === pages - 1} onClick={() => setPage(at + 1)}>On</button>
        </nav>
      )}
    </section>
  );
}

function rowsIn(area: Area, frame: Frame, cell: number): DeviceRow[] {
  return area.devices.cell.flatMap((owner, row) => (owner !== cell ? [] : [{
    row,
    id: area.devices.id[row]!,
    kind: area.devices.kind[row]!,
    node: area.nodes.id[area.devices.node[row]!] ?? "",
    p_kw: frame.devices.p_kw?.[row],
    p_kw_set: frame.devices.p_kw_set?.[row],
    soc: frame.devices.soc?.[row],
  }]));
}

function One({ row, stored, hold, tagged }: { row: DeviceRow; stored: boolean; hold: Hold | undefined; tagged: boolean }) {
  const leased = known(row.p_kw_set);
  const idle = uncontrolled.has(row.kind);
  return (
    <tr>
      <th scope="row">{row.id}</th>
      <td class="roomy">{kindWord(row.kind, 1)}</td>
      <td class="roomy">{row.node}</td>
      <td class="n value">{kw(row.p_kw)}</td>
      <td class="n value">{leased ? kw(row.p_kw_set) : idle ? "" : "–"}</td>
      {stored && <td class="n">{known(row.soc) && <Charge soc={row.soc} />}</td>}
      <td class="held">
        {hold ? <b>{hold.who}, until {clock(hold.until, false)}</b>
          : leased ? "lease of its cell" : idle ? <span class="note">takes no setpoint</span> : "its local rule"}
        {tagged && <span class="is-binds"> tagged</span>}
      </td>
      <td class="row-acts">
        {!idle && <WhyButton subject="setpoint" element={row.id} of={`the setpoint of ${row.id}`} />}
        {!idle && <ActButtons kind="device" element={row.id} without={[hold ? "hold" : "free", tagged ? "tag" : "untag"]} small />}
      </td>
    </tr>
  );
}

function Charge({ soc }: { soc: number }) {
  return (
    <span class="charge">
      <span class="charge-bar" aria-hidden="true"><i style={{ width: `${Math.round(100 * Math.min(1, Math.max(0, soc)))}%` }} /></span>
      <span class="value">{percent(soc)}</span>
    </span>
  );
}
