// The ladder, modes and kinds of device in words.

/** What a cell does at each level of the ladder, by the number in the frame. */
export const levelWords: readonly string[] = [
  "cooperating: follows the plan of all",
  "following: a neighbour is silent, its agreement still holds",
  "fallback: a tie has no agreement; its own best inside its limits",
  "alone: no neighbour is well; its own best inside its limits",
  "rules: every device by its own rule",
  "does not answer",
];

export const modeWords: readonly string[] = [
  "connected", "leaving the grid", "an island", "matching the grid to rejoin", "connected again", "degraded island",
  "starting from black", "dark",
];

/** One and many of a kind. */
const kinds: Record<string, [string, string]> = {
  load: ["load", "loads"],
  sheddable: ["sheddable load", "sheddable loads"],
  pv: ["PV", "PV"],
  generator: ["generator", "generators"],
  dispatchable: ["dispatchable", "dispatchable"],
  battery: ["battery", "batteries"],
  ev_charger: ["charger", "chargers"],
  heat_pump: ["heat pump", "heat pumps"],
  building: ["building", "buildings"],
  wind: ["wind turbine", "wind turbines"],
  hydro: ["hydro plant", "hydro plants"],
  v2g: ["charger that gives back", "chargers that give back"],
  appliance: ["appliance", "appliances"],
  tap_changer: ["tap changer", "tap changers"],
  switched_capacitor: ["switched capacitor", "switched capacitors"],
  soft_open_point: ["soft open point", "soft open points"],
};

export function kindWord(kind: string, count: number): string {
  const words = kinds[kind];
  return words ? words[count === 1 ? 0 : 1] : kind.replaceAll("_", " ");
}

/** What nobody can set: it draws what it draws, or moves by the voltage alone. */
export const uncontrolled: ReadonlySet<string> = new Set(["load", "tap_changer", "switched_capacitor"]);

/** Titles of the curves of a belief, the ones people ask for first. */
export const curveTitles: Record<string, string> = {
  p_kw: "Power from the cell above",
  price_eur_per_kwh: "Price",
  stored_kwh: "Stored energy",
  soc: "State of charge",
  load_kw: "Load",
  vehicles_kw: "Vehicles",
  heat_kw: "Heat",
  renewable_kw: "Sun and wind",
  available_kw: "Sun and wind available",
  charging_kw: "Batteries charge",
  discharging_kw: "Batteries give",
  own_kw: "Own balance, without child cells",
  v_pu: "Voltage",
};
