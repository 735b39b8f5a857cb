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
