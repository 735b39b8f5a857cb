import { api } from "../api/client";
import type { Series } from "../api/nouns";
import { useAsked } from "../lib/asked";
import { Link, toCell } from "../lib/link";
import { Plot } from "../lib/plot";
import { iso } from "../lib/say";
import { setParam } from "../router";
import { area, at, rows, span, strategy } from "../store";
import { other } from "../replay";

const LIVE_MS = 3600e3;
const COLUMNS: Record<string, { column: string; unit: string; title: string; decimals: number }> = {
  nodes: { column: "v_pu", unit: "p.u.", title: "Voltage", decimals: 4 },
  branches: { column: "loading", unit: "of rating", title: "Loading", decimals: 3 },
};

/** Curves of a chosen node or branch, named `nodes:ID` or `branches:ID`; beside it the other strategy of a run. */
export function ElementCurves({ element }: { element: string }) {
  const cut = element.indexOf(":");
  const table = element.slice(0, cut);
  const id = element.slice(cut + 1);
  const what = COLUMNS[table];
  if (!what) return <p class="note">Choose a node or a branch to see its curve over time.</p>;
  return <Curves table={table} id={id} {...what} />;
}

interface Props {
  table: string;
  id: string;
  column: string;
  unit: string;
  title: string;
  decimals: number;
}

function Curves({ table, id, column, unit, title, decimals }: Props) {
  const a = area.value!;
  const ghost = other();
  const s = span.value!;
  const end = Date.parse(s.end);
  const start = Math.max(Date.parse(s.start), s.live ? (at.value ?? end) - LIVE_MS * Math.max(1, s.factor / 60) : 0);
  const until = s.live ? Math.min(end, (at.value ?? end) + LIVE_MS) : end;
  const { value, error } = useAsked<[Series, Series | null]>((signal) => {
    const question = { table, element: id, columns: column, start: iso(start), end: iso(until) };
    return Promise.all([
      api.series({ ...question, strategy: strategy.value }, signal),
      ghost ? api.series({ ...question, strategy: ghost }, signal) : null,
    ]);
  }, [table, id]);
  const row = table === "nodes" ? rows.value.nodes.get(id) : rows.value.branches.get(id);
  const limits = row === undefined ? [] : table === "nodes"
    ? [a.nodes.v_pu_min[row]!, a.nodes.v_pu_max[row]!] : [a.branches.loading_max[row]!];
  const cell = row === undefined ? undefined : a.cells[(table === "nodes" ? a.nodes : a.branches).cell[row]!];
  return (
    <section class="panel" aria-label={`${title} of ${id}`}>
      <header>
        <h2>{title} of {id}</h2>
        {cell && <p>in <Link to={toCell(cell.id)}>{cell.id}</Link></p>}
        <span class="note">dashed: limits <button class="button small" onClick={() => setParam("element", "")}>Close</button></span>
      </header>
      {error && <p role="status">{error}</p>}
      {value && (
        <Plot
          label={`${title} of ${id} over time`} unit={unit} decimals={decimals} height={220} limits={limits} mark={at.value}
          times={value[0].time.map((t) => Date.parse(t))}
          series={[
            { label: strategy.value || title, values: value[0].columns[column] ?? [] },
            ...(value[1] ? [{ label: ghost, values: value[1].columns[column] ?? [], look: "faint" as const }] : []),
          ]}
        />
      )}
    </section>
  );
}
