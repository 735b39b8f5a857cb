// What is normal and what is not, per node and branch: colour is only for classes above 0.
import type { Area } from "../api/nouns";
import type { Frame } from "../api/frame";

export const NORMAL = 0;
export const NEAR = 1;
export const BEYOND = 2;
export const UNKNOWN = 3;

const NEAR_PU = 0.005;
const NEAR_LOADING = 0.95;
const BEYOND_LOADING = 1.005;

export function voltageClass(v_pu: number | undefined, least: number, most: number): number {
  if (v_pu === undefined || Number.isNaN(v_pu)) return UNKNOWN;
  if (v_pu < least || v_pu > most) return BEYOND;
  return v_pu < least + NEAR_PU || v_pu > most - NEAR_PU ? NEAR : NORMAL;
}

export function loadingClass(loading: number | undefined, most: number): number {
  if (loading === undefined || Number.isNaN(loading)) return UNKNOWN;
  if (loading > BEYOND_LOADING * most) return BEYOND;
  return loading > NEAR_LOADING * most ? NEAR : NORMAL;
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
