import { useEffect, useRef } from "preact/hooks";

import type { Part } from "./balance";
import { kw } from "./say";
import "./balance.css";

interface Props {
  ins: Part[];
  outs: Part[];
  total_kw: number;
  /** Names of parts that are not known. */
  missing: string[];
  stale?: boolean;
}

/** Two rows that are equally long: what comes in and where it goes; the unknown is a part of its own. */
export function BalanceBar({ ins, outs, total_kw, missing, stale }: Props) {
  return (
    <div class={stale ? "balance stale" : "balance"}>
      <Row name="In" parts={ins} total_kw={total_kw} />
      <Row name="Out" parts={outs} total_kw={total_kw} />
      {missing.length > 0 && <p class="note">Not known: {missing.join(", ")}.</p>}
    </div>
  );
}

function Row({ name, parts, total_kw }: { name: string; parts: Part[]; total_kw: number }) {
  const box = useRef<HTMLUListElement>(null);
  useEffect(() => {
    // Widths by script: the page's content policy refuses inline styles.
    parts.forEach((part, i) => {
      const item = box.current?.children[i] as HTMLElement | undefined;
      item?.style.setProperty("flex-grow", String(Math.max(0, part.p_kw) / Math.max(total_kw, 1e-9)));
    });
  });
  return (
    <div class="balance-row">
      <span class="balance-name">{name}</span>
      <ul ref={box} aria-label={`${name}, ${kw(total_kw)} in all`}>
        {parts.map((part) => (
          <li key={part.key + part.label} class={`part ${part.key}`} title={`${part.label} ${kw(part.p_kw)}`}>
            <span class="part-label">{part.label}</span>
            <span class="part-value value">{kw(part.p_kw)}</span>
          </li>
        ))}
      </ul>
      <span class="balance-sum value">{kw(total_kw)}</span>
    </div>
  );
}
