import { useMemo, useState } from "preact/hooks";

import { Link, toCell } from "../lib/link";
import { Mark } from "../lib/marks";
import { known, num, percent, pu } from "../lib/say";
import { FAR, loadingClass, NORMAL, OVER, voltageClass } from "../map/classes";
import { params, setParam } from "../router";
import { area, frame, pageStale, rows } from "../store";
import { ElementCurves } from "./curves";
import { Picture } from "./picture";
import { bandOf, drawBand, drawHill, nodeUnder, sortedLoading } from "./strip";
import "./network.css";

const LISTED = 12;

/** Voltage of all nodes between their limits, loading of all lines and transformers, curves of a chosen element. */
export function NetworkScreen() {
  const a = area.value!;
  const f = frame.value;
  const [kind, setKind] = useState<"line" | "transformer">("line");
  const band = useMemo(() => bandOf(a), [a]);
  const order = useMemo(() => (f ? sortedLoading(a, f, kind) : []), [a, f, kind]);
  if (!f) return <h1>Network: no values yet</h1>;
  const picked = params.value.element ?? "";
  const pickedNode = picked.startsWith("nodes:") ? (rows.value.nodes.get(picked.slice(6)) ?? -1) : -1;
  const volts = voltageWords();
  const loads = loadingWords(order);
  return (
    <div class={pageStale.value ? "network stale-page" : "network"}>
      <h1>Network</h1>
      <section class="panel" aria-label="Voltage">
        <header><h2>Voltage</h2><p>{volts.sentence}</p><span class="note">p.u.; dashed: limits; every dot a node</span></header>
        <Picture
          class="band" label={volts.sentence} draw={(ctx, room, inks) => drawBand(ctx, a, f, band, room, inks, pickedNode)}
          pick={(x, y, room) => {
            const node = nodeUnder(f, band, room, x, y);
            if (node >= 0) setParam("element", `nodes:${a.nodes.id[node]}`);
          }}
        />
        <div class="worst">
          {volts.worst.map(({ node, word }) => (
            <Pick key={word} element={`nodes:${a.nodes.id[node]}`} cell={a.nodes.cell[node]!}>
              {word} {pu(f.nodes.v_pu?.[node])}
            </Pick>
          ))}
        </div>
      </section>
      <section class="panel" aria-label="Loading">
        <header>
          <h2>Loading</h2><p>{loads}</p>
          <span class="note kinds" role="group" aria-label="Kind">
            <button class="button small" aria-pressed={kind === "line"} onClick={() => setKind("line")}>Lines</button>
            <button class="button small" aria-pressed={kind === "transformer"} onClick={() => setKind("transformer")}>Transformers</button>
          </span>
        </header>
        <div class="loads">
          <Picture class="hill" label={loads} draw={(ctx, room, inks) => drawHill(ctx, a, f, order, room, inks)} />
          <Highest order={order.slice(0, LISTED)} picked={picked} />
        </div>
      </section>
      <ElementCurves element={picked} />
    </div>
  );
}

function Pick({ element, cell, children }: { element: string; cell: number; children: preact.ComponentChildren }) {
  const a = area.value!;
  const id = element.slice(element.indexOf(":") + 1);
  return (
    <span class="pick">
      <button class="button small" onClick={() => setParam("element", element)} aria-pressed={params.value.element === element}>
        {children} · {id}
      </button>
      <Link to={toCell(a.cells[cell]!.id)}>{a.cells[cell]!.id}</Link>
    </span>
  );
}

function voltageWords(): { sentence: string; worst: { node: number; word: string }[] } {
  const a = area.value!;
  const v = frame.value!.nodes.v_pu;
  let [low, high, beyond, unknown] = [-1, -1, 0, 0];
  v?.forEach((value, i) => {
    if (!known(value)) {
      unknown += 1;
      return;
    }
    if (low < 0 || value < v[low]!) low = i;
    if (high < 0 || value > v[high]!) high = i;
    if (voltageClass(value, a.nodes.v_pu_min[i]!, a.nodes.v_pu_max[i]!) !== NORMAL) beyond += 1;
  });
  const count = a.nodes.id.length;
  const without = unknown ? ` ${unknown} are not known.` : "";
  if (low < 0 || !v) return { sentence: `Voltages of ${count} nodes are not known.`, worst: [] };
  const sentence = beyond === 0
    ? `All ${count - unknown} nodes are within their limits, ${num(v[low], 3)} to ${num(v[high], 3)} p.u.${without}`
    : `${beyond} of ${count - unknown} nodes are outside their limits.${without}`;
  return { sentence, worst: [{ node: low, word: "lowest" }, { node: high, word: "highest" }] };
}

function loadingWords(order: number[]): string {
  const a = area.value!;
  const f = frame.value!;
  const of = (i: number): number => loadingClass(f.branches.loading?.[i], a.branches.loading_max[i]!);
  const over = order.filter((i) => of(i) === FAR || of(i) === OVER).length;
  const first = order[0];
  if (first === undefined) return "There are none.";
  const highest = `Highest ${percent(f.branches.loading?.[first])} at ${a.branches.id[first]}.`;
  return over > 0 ? `${over} of ${order.length} are over their limit. ${highest}` : `All ${order.length} are within their limit. ${highest}`;
}

function Highest({ order, picked }: { order: number[]; picked: string }) {
  const a = area.value!;
  const loading = frame.value!.branches.loading;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Highest loading">
      <table>
        <thead><tr><th scope="col">Highest</th><th scope="col">Cell</th><th scope="col" class="n">Loading</th><th scope="col" class="n">Limit</th></tr></thead>
        <tbody>
          {order.map((i) => {
            const element = `branches:${a.branches.id[i]}`;
            const kind = loadingClass(loading?.[i], a.branches.loading_max[i]!);
            return (
              <tr key={element} class={element === picked ? "picked" : ""}>
                <td><button class="plain" onClick={() => setParam("element", element)} aria-pressed={element === picked}>{a.branches.id[i]}</button></td>
                <td><Link to={toCell(a.cells[a.branches.cell[i]!]!.id)}>{a.cells[a.branches.cell[i]!]!.id}</Link></td>
                <td class="n value">
                  <span class={kind === FAR ? "sev alarm" : kind === OVER ? "sev action" : ""}>
                    {kind === FAR && <Mark severity="alarm" />}{kind === OVER && <Mark severity="action" />}
                    {percent(loading?.[i], 1)}
                  </span>
                </td>
                <td class="n">{percent(a.branches.loading_max[i])}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
