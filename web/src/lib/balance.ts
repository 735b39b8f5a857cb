/** A share of a balance, as a magnitude. */
export interface Part {
  key: string;
  label: string;
  p_kw: number;
}

export interface Balance {
  ins: Part[];
  outs: Part[];
  /** Sum of either side, the unknown included [kW]. */
  total_kw: number;
  /** Names of parts whose value is not known at all. */
  missing: string[];
}
