// What is normal and what is not, per node and branch: colour is only for classes above 0.
import type { Area } from "../api/nouns";
import type { Frame } from "../api/frame";

export const NORMAL = 0;
/** Outside its limit: a card of severity `action`. */
export const OVER = 1;
/** Far outside: an alarm. The bounds are those of the server's cards. */
export const FAR = 2;
export const UNKNOWN = 3;

const HARD_V_PU = [0.9, 1.1] as const; // EN 50160
const TOLERANCE_PU = 0.0005; // both tolerances as the server's kpis and cards have them
const OVER_LOADING = 1.005;
const FAR_LOADING = 1.2;

export function voltageClass(v_pu: number | undefined, least: number, most: number): number {
  if (v_pu === undefined || Number.isNaN(v_pu)) return UNKNOWN;
  if (v_pu < HARD_V_PU[0] - TOLERANCE_PU || v_pu > HARD_V_PU[1] + TOLERANCE_PU) return FAR;
  return v_pu < least - TOLERANCE_PU || v_pu > most + TOLERANCE_PU ? OVER : NORMAL;
}

export function loadingClass(loading: number | undefined, most: number): number {
  if (loading === undefined || Number.isNaN(loading)) return UNKNOWN;
  if (loading > FAR_LOADING * most) return FAR;
  return loading > OVER_LOADING * most ? OVER : NORMAL;
}

export interface Classes {
  nodes: Uint8Array;
  branches: Uint8Array;
}

export const noClasses = (area: Area): Classes => ({
  nodes: new Uint8Array(area.nodes.id.length).fill(UNKNOWN),
  branches: new Uint8Array(area.branches.id.length).fill(UNKNOWN),
});

/** Fills `into` in place. */
export function classify(area: Area, frame: Frame, into: Classes): void {
  const v = frame.nodes.v_pu;
  const { v_pu_min, v_pu_max } = area.nodes;
  for (let i = 0; i < into.nodes.length; i += 1) into.nodes[i] = voltageClass(v?.[i], v_pu_min[i]!, v_pu_max[i]!);
  const loading = frame.branches.loading;
  const most = area.branches.loading_max;
  for (let i = 0; i < into.branches.length; i += 1) into.branches[i] = loadingClass(loading?.[i], most[i]!);
}
