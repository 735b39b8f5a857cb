import { useEffect, useRef, useState } from "preact/hooks";

import type { Balance, Part } from "./balance";
import { kw } from "./say";
import "./balance.css";

const TINY_PX = 66;

/** Two rows that are equally long: what comes in and where it goes; the unknown is a part of its own. */
export function BalanceBar({ ins, outs, total_kw, missing, stale }: Balance & { stale?: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState(600);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setRoom(Math.max(80, (entry?.contentRect.width ?? 600) - 124)));
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);
  const tiny = (part: Part): boolean => (part.p_kw / Math.max(total_kw, 1e-9)) * room < TINY_PX;
  const small = (name: string, parts: Part[]): string => {
    const few = parts.filter(tiny);
    return few.length ? `${name} also: ${few.map((p) => `${p.label} ${kw(p.p_kw)}`).join(", ")}. ` : "";
  };
  return (
    <div class={stale ? "balance stale" : "balance"} ref={box}>
      <Row name="In" parts={ins} total_kw={total_kw} tiny={tiny} />
      <Row name="Out" parts={outs} total_kw={total_kw} tiny={tiny} />
      <p class="note balance-more" aria-hidden="true">
        {small("In", ins)}{small("Out", outs)}{missing.length > 0 && `Not known: ${missing.join(", ")}.`}
      </p>
    </div>
  );
}

function Row({ name, parts, total_kw, tiny }: { name: string; parts: Part[]; total_kw: number; tiny: (part: Part) => boolean }) {
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
          <li key={part.key + part.label} class={`part ${part.key}${tiny(part) ? " tiny" : ""}`} title={`${part.label} ${kw(part.p_kw)}`}>
            <span class="part-label">{part.label}</span>
            <span class="part-value value">{kw(part.p_kw)}</span>
          </li>
        ))}
      </ul>
      <span class="balance-sum value">{kw(total_kw)}</span>
    </div>
  );
}
