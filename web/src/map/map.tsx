import { useEffect, useRef, useState } from "preact/hooks";

import { cellLimits, cellSaid } from "../area/state";
import { Link, toCell } from "../lib/link";
import { ago, kw, percent, price, pu } from "../lib/say";
import { params } from "../router";
import { area, beside, cellAge, cellStale, frame, now, pageStale, story } from "../store";
import { onThemeChange } from "./inks";
import { listenToMap } from "./input";
import type { Look } from "./islands";
import { Scene } from "./scene";
import "./map.css";

interface Tip {
  cell: number;
  node: number;
  x: number;
  y: number;
}

interface Props {
  selected: number;
  select: (cell: number) => void;
}

/** The archipelago: islands, ties with moving flows, nodes and lines when closer. */
export function ArchipelagoMap({ selected, select }: Props) {
  const a = area.value!;
  const box = useRef<HTMLDivElement>(null);
  const [scene, setScene] = useState<Scene | null>(null);
  const [tip, setTip] = useState<Tip | null>(null);
  const [portrait, setPortrait] = useState(innerHeight > innerWidth && innerWidth < 720);

  useEffect(() => {
    const at = box.current!;
    const draw = params.value.draw;
    const made = new Scene(at, a, {
      bench: params.value.bench === "1", draw: draw === "webgl" || draw === "canvas" ? draw : "", portrait,
    });
    setScene(made);
    const deaf = listenToMap(at, made, {
      picked: (cell) => select(cell),
      over: (cell, node, x, y) => setTip(cell >= 0 ? { cell, node, x, y } : null),
    });
    const watch = new ResizeObserver(() => {
      made.resize();
      setPortrait(at.clientHeight > 1.15 * at.clientWidth);
    });
    watch.observe(at);
    const unthemed = onThemeChange(() => made.theme());
    return () => {
      deaf();
      watch.disconnect();
      unthemed();
      made.dispose();
    };
  }, [a, portrait]);

  const f = frame.value;
  const limits = cellLimits(a);
  const stale = pageStale.value;
  const looks: Look[] = f
    ? a.cells.map((_, i) => ({ said: cellSaid(f, limits, i), stale: cellStale(i), age: ago(cellAge(i)) }))
    : [];
  const shown = story.value;
  useEffect(() => scene?.set({ frame: f, looks, stale, pointed: shown?.cells ?? [] }), [scene, f, shown, stale, stale ? now.value : 0]);
  useEffect(() => scene?.select(selected), [scene, selected]);

  const one = selected >= 0 ? a.cells[selected] : undefined;
  return (
    <div class="map">
      <div
        class="map-box" ref={box} tabIndex={0} role="application"
        aria-label="Map of cells and ties. Plus and minus zoom, arrow keys move, f shows everything. The table of cells says the same."
      />
      <div class="map-buttons">
        <button class="button" onClick={() => scene?.zoom(1.5)} aria-label="Closer">+</button>
        <button class="button" onClick={() => scene?.zoom(1 / 1.5)} aria-label="Further">−</button>
        <button class="button" onClick={() => scene?.showAll()}>All</button>
      </div>
      {!one && <p class="map-legend">Filled gives, hollow takes; ring: stored; width of a tie: power. Not to scale.</p>}
      {one && (
        <div class="map-picked">
          <b>{one.id}</b>
          <Link to={toCell(one.id)} class="button small">Open cell</Link>
          <button class="button small" onClick={() => scene?.open(selected)}>Nodes and lines</button>
          <button class="button small" onClick={() => select(-1)} aria-label="Deselect">×</button>
        </div>
      )}
      {tip && scene && <TipBox tip={tip} width={scene.view.width} />}
    </div>
  );
}

function TipBox({ tip, width }: { tip: Tip; width: number }) {
  const a = area.value!;
  const f = frame.value;
  const cell = a.cells[tip.cell]!;
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const style = box.current!.style;
    style.left = `${Math.min(tip.x + 14, width - 220)}px`;
    style.top = `${tip.y + 14}px`;
  });
  const i = tip.cell;
  const without = beside.value?.cells.p_kw?.[i];
  return (
    <div class="tip" ref={box} aria-hidden="true">
      {tip.node >= 0 ? (
        <>
          <b>{a.nodes.id[tip.node]}</b>
          <span>{pu(f?.nodes.v_pu?.[tip.node])} of {pu(a.nodes.v_pu_min[tip.node])} … {pu(a.nodes.v_pu_max[tip.node])}</span>
        </>
      ) : (
        <>
          <b>{cell.id}</b>
          <span>into the cell {kw(f?.cells.p_kw?.[i])}{cell.rated_kw !== null && ` of ${kw(cell.rated_kw)}`}</span>
          {without !== undefined && <span>uncoordinated {kw(without)}</span>}
          <span>stored {percent(f?.cells.soc?.[i])}</span>
          <span>{pu(f?.cells.v_pu_min?.[i])} … {pu(f?.cells.v_pu_max?.[i])}</span>
          <span>{price(f?.cells.price_eur_per_kwh?.[i])}</span>
        </>
      )}
    </div>
  );
}
