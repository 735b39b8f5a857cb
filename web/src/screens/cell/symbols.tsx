// Symbols of the field, 24 by 24 around their middle. Lines only: colour is for what is not normal.

const PATHS: Record<string, string> = {
  // an arrow down into nothing: a load
  load: "M0-12V2M-7 2H7L0 12z",
  sheddable: "M0-12V-4M-5-4 5 2M0 2V4M-6 4H6L0 12z",
  // a module of six
  pv: "M0-12V-8M-11-8H11V8H-11zM-11 0H11M-4-8V8M4-8V8",
  generator: "M0-12V-9M0-9A9 9 0 1 1 0 9 9 9 0 1 1 0-9M-5 0Q-2.500-6 0 0T5 0",
  dispatchable: "M0-12V-9M0-9A9 9 0 1 1 0 9 9 9 0 1 1 0-9M-5 0Q-2.500-6 0 0T5 0",
  // two cells, long and short plates
  battery: "M0-12V-6M-10-6H10M-5-2H5M-10 3H10M-5 7H5M0 7V12",
  ev_charger: "M0-12V-8M-7-8H7V-1A7 7 0 0 1-7-1zM-3-8V-12M3-8V-12M0 6V12",
  heat_pump: "M0-12V-9M0-9A9 9 0 1 1 0 9 9 9 0 1 1 0-9M-5 3 0-4 5 3M-5 3H5",
  // a house over its heat pump, three blades, a wave under a fall, two plugs, a drum, an arrow through a winding, plates
  building: "M0-12V-8M-10-1 0-8 10-1M-8-1V9H8V-1M-4 5 0 1 4 5M-4 5H4",
  wind: "M0-12V-9M0 0V12M0 0-9-4M0 0 9-4M0 0V-9",
  hydro: "M0-12V-8M-10-8H10V-2H-10zM-10 4Q-5 0 0 4T10 4M-10 9Q-5 5 0 9T10 9",
  v2g: "M0-12V-8M-7-8H7V-1A7 7 0 0 1-7-1zM-4 9 0 5 4 9M-4 9 0 13 4 9",
  appliance: "M0-12V-9M-9-9H9V10H-9zM0-4A5 5 0 1 1 0 6 5 5 0 1 1 0-4",
  tap_changer: "M0-12V-8M0-8A5 5 0 1 1 0 2 5 5 0 1 1 0-8M0-1A5 5 0 1 1 0 9 5 5 0 1 1 0-1M-9 10 9-9M9-9H4M9-9V-4",
  switched_capacitor: "M0-12V-8M0-4 6-9M0-4V-1M-8-1H8M-8 4H8M0 4V12",
  soft_open_point: "M0-12V-8M-10-8H10V8H-10zM-10 8 10-8",
};

const OTHER = "M0-12V-8M-8-8H8V8H-8z";

export function DeviceSymbol({ kind }: { kind: string }) {
  return <path class="ol-line" d={PATHS[kind] ?? OTHER} />;
}

/** Two circles: a transformer, standing. */
export const TRANSFORMER = "M0-16A8 8 0 1 1 0 0 8 8 0 1 1 0-16M0-2A8 8 0 1 1 0 14 8 8 0 1 1 0-2";

/** A switch in a vertical line, its contact up; open it stands aside. */
export function switchPath(closed: boolean): string {
  return closed ? "M0-10V10M-5-10H5" : "M0 10V8M0 8-9-7M-5-10H5";
}
