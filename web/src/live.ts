// What is shown live. Telemetry is of the first strategy; where the source lives another beside it (the demonstration), its
// newest frame is asked for, not more often than people can read.
import { api } from "./api/client";
import { readFrame, type Frame } from "./api/frame";
import { area, at, beside, frame, strategy, trouble } from "./store";
import { other } from "./replay";

const PAUSE_MS = 600;
const SIDE_TABLES = "area,cells";

let asking = false;
let asked_ms = 0;

/** Shows a frame of the telemetry, or asks for the one of the strategy that is wanted. */
export function showLive(f: Frame): void {
  const first = strategy.value === (area.value?.strategies[0] ?? "");
  if (first) frame.value = f;
  const ghost = other();
  if (first && !ghost) return;
  if (asking || performance.now() - asked_ms < PAUSE_MS) return;
  asking = true;
  asked_ms = performance.now();
  askOther(first ? ghost : strategy.value, first).then(
    () => { asking = false; },
    (error: unknown) => {
      asking = false;
      trouble.value = error instanceof Error ? error.message : String(error);
    },
  );
}

async function askOther(way: string, side: boolean): Promise<void> {
  const wanted = strategy.value;
  const sections = (area.value?.sections ?? []).filter((s) => !side || SIDE_TABLES.split(",").includes(s.table));
  const buffer = await api.frame({ strategy: way, ...(side && { tables: SIDE_TABLES }) });
  if (at.value !== null || strategy.value !== wanted) return;
  const read = readFrame(buffer, sections).frame;
  if (side) {
    beside.value = read;
  } else {
    frame.value = read;
    beside.value = null;
  }
}
