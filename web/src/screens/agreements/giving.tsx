import { useEffect } from "preact/hooks";

import type { TieAgreement } from "../../api/nouns";
import { toCell } from "../../lib/link";
import { known, kw } from "../../lib/say";
import { go, href } from "../../router";
import { area } from "../../store";
import { useWidth } from "../width";
import { giver, spotsOf, type Spot } from "./tree";

/** Least width of a leaf, and what the last number needs at the right. */
const LEAF = 100;
const PAD = 24;
const DEEP = 92;
const BOX = { width: 92, height: 26 };
/** More leaves than this make a picture nobody reads; the table below says the same. */
const LEAVES_MAX = 40;

/** The tree of cells with arrows of who gives whom; the wider, the more. */
export function Giving({ ties }: { ties: TieAgreement[] }) {
  const [box, room] = useWidth();
  const spots = spotsOf(area.value!.cells);
  const leaves = Math.max(...spots.map((spot) => spot.x)) + 1;
  // The root is what one looks for first.
  useEffect(() => box.current?.scrollTo({ left: (box.current.scrollWidth - room) / 2 }), [room > 0]);
  if (leaves > LEAVES_MAX) return <p class="note">Too many cells for one picture; the table below is in the order of the tree.</p>;
  const at = new Map(spots.map((spot) => [spot.id, spot]));
  const most = Math.max(1, ...ties.map((tie) => Math.abs(tie.p_kw ?? tie.agreed_kw ?? 0)));
  const leaf = Math.min(150, Math.max(LEAF, (room - PAD) / leaves));
  const width = Math.max(leaves * leaf + PAD, 0);
  const middle = (spot: Spot): Point => ({ x: (spot.x + 0.5) * leaf, y: 8 + spot.depth * DEEP });
  const height = (Math.max(...spots.map((spot) => spot.depth)) + 1) * DEEP - (DEEP - BOX.height) + 18;
  const flows = ties.flatMap((tie) => {
    const upper = at.get(tie.upper);
    const lower = at.get(tie.lower);
    return upper && lower ? [{ tie, upper, lower, across: lower.parent !== upper.id }] : [];
  });
  return (
    <div ref={box} class="scroll" tabIndex={0} role="region" aria-label="Picture of who gives whom">
      <svg class="giving" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" aria-label="The tree of cells and what flows">
        {flows.map(({ tie, upper, lower, across }) => (
          <Flow key={tie.tie} tie={tie} top={middle(upper)} low={middle(lower)} across={across} most={most} />
        ))}
        {spots.map((spot) => <Box key={spot.id} id={spot.id} at={middle(spot)} />)}
      </svg>
    </div>
  );
}

interface Point {
  x: number;
  y: number;
}

function Box({ id, at: { x, y } }: { id: string; at: Point }) {
  return (
    <a href={href(toCell(id))} onClick={(event: MouseEvent) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      go(toCell(id));
    }}>
      <rect class="giving-box" x={x - BOX.width / 2} y={y} width={BOX.width} height={BOX.height} rx={4} />
      <text class="ol-name" x={x} y={y + 18} text-anchor="middle">{id}</text>
    </a>
  );
}

function Flow({ tie, top, low, across, most }: { tie: TieAgreement; top: Point; low: Point; across: boolean; most: number }) {
  const p_kw = tie.p_kw ?? tie.agreed_kw;
  const gives = giver(tie.upper, tie.lower, p_kw);
  const thick = gives ? 1.5 + 6.5 * Math.sqrt(gives.kw / most) : 1;
  if (across) {
    // Between neighbours at the middle of their boxes, behind whatever stands between.
    const y = Math.max(top.y, low.y) + (top.y === low.y ? BOX.height / 2 : BOX.height + 10);
    return (
      <g>
        <title>{`${tie.tie}: ${gives ? `${gives.from} gives ${gives.to} ${kw(gives.kw)}` : "open, nothing flows"}`}</title>
        <path class="giving-line giving-across" d={`M${top.x} ${top.y + BOX.height}V${y}H${low.x}V${low.y + BOX.height}`} />
      </g>
    );
  }
  const start = top.y + BOX.height;
  const bend = start + 14;
  const label = low.y - 22;
  return (
    <g>
      <title>{`${tie.tie}: ${gives ? `${gives.from} gives ${gives.to} ${kw(gives.kw)}` : "nothing flows"}`}</title>
      <path class="giving-line" d={`M${top.x} ${start}V${bend}H${low.x}V${low.y}`} stroke-width={thick} />
      {gives && <path class="giving-head" transform={`translate(${low.x} ${label + 8})`} d={gives.to === tie.lower ? "M-8-6H8L0 6z" : "M-8 6H8L0-6z"} />}
      {gives && <text class="ol-text ol-value giving-text" x={low.x + 11} y={label + 4}>{kw(gives.kw)}</text>}
      {!known(p_kw) && <text class="ol-text giving-text" x={low.x + 8} y={label + 4}>?</text>}
    </g>
  );
}
