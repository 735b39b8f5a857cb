import type { Area, Reason } from "../api/nouns";
import { Link, toCell } from "../lib/link";
import { num } from "../lib/say";
import { area } from "../store";

const WORDS: Record<Reason["rule"], string> = {
  limit: "limit", message: "message", rule: "rule", price: "price", tag: "safety tag", lease: "lease", lost: "lost",
};

const ICONS: Record<Reason["rule"], string> = {
  limit: "M3 4h14M10 17V7m-4 4 4-4 4 4",
  message: "M3 5h14v10H3zM3 5l7 6 7-6",
  rule: "M5 3h10v14H5zM8 7h4M8 10h4M8 13h2",
  price: "M13.5 5.5A5 5 0 1 0 13.5 14.5M4 8.5h7M4 11.5h7",
  tag: "M3 9V3h6l8 8-6 6zM6.5 6.5h.01",
  lease: "M10 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM10 7v4l3 2M8 2h4",
  lost: "M4 4l12 12M16 4 4 16",
};

/** The grounds of a value or of a predicted effect, each with its rule, its element and the bound it meets. */
export function Reasons({ reasons }: { reasons: Reason[] }) {
  return (
    <ul class="reasons">
      {reasons.map((reason, index) => (
        <li key={index}>
          <svg class="rule-icon" viewBox="0 0 20 20" aria-hidden="true"><path d={ICONS[reason.rule]} /></svg>
          <div>
            <span class="rule-name">{WORDS[reason.rule]}</span>
            <p>{reason.text}</p>
            <Bound reason={reason} />
            <ElementLink element={reason.element ?? ""} />
          </div>
        </li>
      ))}
    </ul>
  );
}

function Bound({ reason }: { reason: Reason }) {
  const { value, bound, unit } = reason;
  if (typeof value !== "number" && typeof bound !== "number") return null;
  const decimals = (x: number): number => (Math.abs(x) < 10 ? 3 : 1);
  const text = (x: number | null | undefined): string => `${num(x, decimals(x ?? 0))} ${unit ?? ""}`;
  if (typeof bound !== "number") return <p class="bound">{text(value)}</p>;
  const share = typeof value === "number" && bound !== 0 ? Math.min(1, Math.max(0, value / bound)) : null;
  return (
    <p class="bound">
      {typeof value === "number" && <>{text(value)} of </>}bound {text(bound)}
      {share !== null && <meter min={0} max={1} value={share} aria-label={`${text(value)} of ${text(bound)}`} />}
    </p>
  );
}

/** Where an element can be seen: its cell, or the network screen for nodes and branches. */
export function ElementLink({ element }: { element: string }) {
  const whole = area.value;
  if (!element || !whole) return null;
  const cell = cellOf(whole, element);
  if (cell === "") return <p class="element">{element}</p>;
  return <p class="element"><Link to={toCell(cell)}>{element === cell ? cell : `${element} in ${cell}`}</Link></p>;
}

function cellOf(whole: Area, element: string): string {
  if (whole.cells.some((cell) => cell.id === element)) return element;
  const tie = whole.ties.find((one) => one.id === element);
  if (tie) return tie.lower;
  for (const table of [whole.devices, whole.branches, whole.nodes]) {
    const row = table.id.indexOf(element);
    if (row >= 0) return whole.cells[table.cell[row]!]?.id ?? "";
  }
  return "";
}
