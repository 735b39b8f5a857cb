import type { Area, Reason } from "../api/nouns";
import { Link, toCell } from "../lib/link";
import { known, num } from "../lib/say";
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

/** The value and what it meets; a bar only where there is a limit to fill. */
function Bound({ reason }: { reason: Reason }) {
  const { value, bound, unit, rule } = reason;
  if (!known(value) && !known(bound)) return null;
  const text = (x: number): string => `${num(x, decimals(unit, x))} ${unit}`.trim();
  if (!known(bound)) return <p class="bound">{text(value!)}</p>;
  if (!known(value)) return <p class="bound">bound {text(bound)}</p>;
  const share = rule === "limit" && bound > 0 && value >= 0 ? value / bound : null;
  return (
    <p class="bound">
      {text(value)} {rule === "limit" ? "at a bound of" : "beside"} {text(bound)}
      {share !== null && <ShareBar share={share} />}
    </p>
  );
}

function decimals(unit: string, x: number): number {
  if (unit.startsWith("EUR")) return 4;
  if (unit === "pu" || unit === "p.u.") return 3;
  return Math.abs(x) < 10 ? 2 : 1;
}

/** Grey until the bound is reached; what is beyond is in colour. */
export function ShareBar({ share, label = "" }: { share: number; label?: string }) {
  const look = share > 1.0001 ? "broken" : share >= 0.98 ? "binds" : "normal";
  return (
    <span class={`share share-${look}`} role={label ? "img" : undefined} aria-label={label || undefined} aria-hidden={label ? undefined : true}>
      <i style={{ width: `${100 * Math.min(1, Math.max(0, share))}%` }} />
    </span>
  );
}

/** Where an element can be seen: its cell, or the network screen for nodes and branches. */
export function ElementLink({ element }: { element: string }) {
  const whole = area.value;
  if (!element || !whole) return null;
  const cell = cellOf(whole, element);
  if (cell === "") return <p class="element">{element === "upstream" ? "the connection upstream" : element}</p>;
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
