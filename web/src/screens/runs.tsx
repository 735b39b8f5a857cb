import "./runs/runs.css";

import { useState } from "preact/hooks";

import { api } from "../api/client";
import { useAsked } from "../lib/asked";
import type { ScreenProps } from "../routes";
import { Comparison } from "./runs/comparison";
import { RunTable } from "./runs/table";

/** Finished runs in the folder, and how the strategies of one of them compare. */
export function RunsScreen(_: ScreenProps) {
  const { value: runs, error } = useAsked(() => api.runs(), [], 30_000);
  const [chosen, choose] = useState("");
  const shown = runs?.find((run) => run.id === chosen) ?? runs?.find((run) => run.shown) ?? null;
  return (
    <div class="runs-screen">
      <header class="screen-head"><h1>Runs</h1></header>
      <Comparison key={shown?.id ?? ""} run={shown} />
      <section class="panel" aria-labelledby="runs-title">
        <header>
          <h2 id="runs-title">Finished runs</h2>
          <p class="note">in the folder of runs; choose one to compare its strategies above</p>
        </header>
        {error && <p class="note" role="status">{error}</p>}
        {runs && runs.length === 0 && <p>No finished run is here yet. <code>archipel run district</code> makes one.</p>}
        {runs && runs.length > 0 && <RunTable runs={runs} chosen={shown?.id ?? ""} onChoose={choose} />}
      </section>
    </div>
  );
}
