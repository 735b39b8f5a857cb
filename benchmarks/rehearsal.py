"""A rehearsal of real processes against the twin: the same controllers, the same day, the same schedules?

    archipel up district --factor 60 --hours 24 --armed --wait
    python -m benchmarks.rehearsal runs/up

Reads what every cell noted in its journal, and prints for every hour the largest difference on any tie to

- the same plans made in one process from what the cells knew when they began (`archipel.local.replay`), with the gap
  of these to the central optimum,
- plans of the twin's controllers (`strategies.stepped`), shown every quarter hour the true states of devices,

and what only one end had confirmed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from archipel.cell.parts import Parts, cut
from archipel.controller.outlook import Outlook, outlook_of
from archipel.devices import BatteryFleet, EvChargerFleet, State
from archipel.field.cell_file import read_cell_file
from archipel.formats.scenario import load_scenario
from archipel.journal.chain import LedgerReader
from archipel.local.record import read_record
from archipel.local.replay import Again, plans_again
from archipel.model import Floats, Scenario
from archipel.strategies.measure import against_central
from archipel.strategies.stepped import Stepped
from archipel.twin import Seen

HELD = 4
"""Values of a record that are carried out before the next plan."""


def agreed(bodies: list[tuple[str, dict[str, Any]]]) -> dict[tuple[str, str], dict[str, tuple[float, ...]]]:
    """Confirmed records by (start, tie), then by cell: the newest plan's first hour."""
    out: dict[tuple[str, str], dict[str, tuple[float, ...]]] = defaultdict(dict)
    for cell, body in bodies:
        if body["event"] == "confirmed":
            out[body["start"], body["tie"]][cell] = tuple(body["p_kw"][:HELD])
    return out


def noted(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Every agreement note of every cell below `folder`."""
    out = []
    for path in sorted(folder.glob("**/CELL.toml")):
        file = read_cell_file(path)
        reader = LedgerReader(file.journal / "ledger.db")
        try:
            out += [(file.cell.id, dict(e.body)) for e in reader.entries() if e.kind == "agreement"]
        finally:
            reader.close()
    return out


class Shown:
    """States of all devices, and what the upstream meter said, as the world recorded them."""

    def __init__(self, scenario: Scenario, record: Path) -> None:
        self._scenario = scenario
        devices, area, nodes = (read_record(record, name) for name in ("devices", "area", "nodes"))
        zone = UTC
        self._soc: dict[datetime, dict[str, float]] = defaultdict(dict)
        for at, name, soc in zip(*(devices[c].to_pylist() for c in ("time", "device", "soc")), strict=True):
            if soc is not None:
                self._soc[at.astimezone(zone)][name] = soc
        self._upstream = {t.astimezone(zone): p for t, p in zip(*_two(area, "time", "upstream_p_kw"), strict=True)}
        place = {name: row for row, name in enumerate(scenario.grid.nodes.id)}
        self._v_pu: dict[datetime, Floats] = defaultdict(lambda: np.ones(len(place)))
        for at, name, v_pu in zip(*_two(nodes, "time", "node", "v_pu"), strict=True):
            self._v_pu[at.astimezone(zone)][place[name]] = v_pu

    def at(self, now: datetime) -> tuple[dict[str, State], Seen | None]:
        """States at the start of a quarter hour, and what was metered in the one before."""
        row, before = self._scenario.profiles.row(now), now - timedelta(minutes=15)
        states = {fleet.kind: fleet.initial(row) for fleet in self._scenario.fleets}
        if before not in self._upstream:
            return states, None
        soc = self._soc[before]
        for fleet in self._scenario.fleets:
            told = np.array([soc.get(name, np.nan) for name in fleet.id])
            if isinstance(fleet, BatteryFleet):
                states["battery"] = {"e_kwh": told * fleet.e_kwh}
            elif isinstance(fleet, EvChargerFleet):
                session = fleet.sessions.at(row)
                start, kwh = fleet.sessions.start[session], fleet.sessions.kwh[session]
                got = np.where((start < row) & ~np.isnan(told), told * kwh, 0.0)
                states["ev_charger"] = {**states["ev_charger"], "delivered_kwh": got}
            elif fleet.kind == "heat_pump":
                states["heat_pump"] = {**states["heat_pump"], "t_k": told}
        none = np.zeros(0)
        ties = np.zeros((0, 2))
        seen = Seen(self._v_pu[before], none, none, none, none > 0, ties, ties, self._upstream[before])
        return states, seen


def _two(table: pa.Table, *names: str) -> list[list[Any]]:
    return [table[name].to_pylist() for name in names]


def gap(parts: Parts, plan: Again, outlook: Outlook) -> float:
    """Cost above the central optimum of the same linear problem, over gross energy cost; NaN for a part of the area."""
    if any(site.id not in plan.held for site in parts.sites):
        return float("nan")
    problems = {name: (held.agreed.block, held.agreed.u) for name, held in plan.held.items()}
    ours, best = against_central(parts, problems, plan.held[parts.sites[0].id].agreed.duty.horizon,
                                 outlook.root(outlook.horizon(plan.start), {}))  # fmt: skip
    return (ours.total - best.total) / ours.gross


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    file = read_cell_file(sorted(asked.folder.glob("**/CELL.toml"))[0])
    if file.clock is None:
        raise SystemExit(f"{asked.folder}: the cells run on the host's own clock; expected a rehearsal")
    field = agreed(noted(asked.folder))
    if not field:
        raise SystemExit(f"{asked.folder}: found no confirmed agreement in any journal")
    begin = file.clock.start
    path = file.folder / file.cell.scenario
    scenario = load_scenario(path if path.exists() else file.cell.scenario)
    outlook = outlook_of(scenario, file.cell.forecast, scenario.replan_steps)
    twin, parts = Stepped(scenario, forecast=file.cell.forecast), cut(scenario)
    again = {plan.start.isoformat(): (plan.off_kw, gap(parts, plan, outlook)) for plan in plans_again(asked.folder)}
    shown, starts = Shown(scenario, asked.folder / "record"), sorted({start for start, _ in field})
    now, last = begin, datetime.fromisoformat(starts[-1])
    while now < last:
        twin.decide(now, scenario.profiles.row(now), *shown.at(now))
        now += timedelta(minutes=15)
    ours = agreed([(cell, dict(note.body)) for cell, note in twin.notes if note.kind == "agreement"])
    figures = []
    for start in starts:
        ties = {tie: ends for (at, tie), ends in field.items() if at == start}
        off = [_off(ends, ours.get((start, tie), {})) for tie, ends in ties.items()]
        same_kw, gap_now = again.get(start, (float("nan"), float("nan")))
        figures.append({
            "start": start, "ties": len(ties), "same_knowledge_off_kw": same_kw, "gap": gap_now,
            "true_states_off_kw": max(off), "one_sided": sum(len(ends) < 2 for ends in ties.values()),
            "unlike": sum(len(set(ends.values())) > 1 for ends in ties.values()),
        })  # fmt: skip
        print("{start}  {ties} ties; from what cells knew {same_knowledge_off_kw:.1e} kW, gap {gap:.1e}; from true "
              "states {true_states_off_kw:.2f} kW; {one_sided} confirmed by one end, {unlike} with two values"
              .format(**figures[-1]), flush=True)  # fmt: skip
    (asked.folder / "against-twin.json").write_text(json.dumps(figures, indent=1))
    return 0


def _off(ends: dict[str, tuple[float, ...]], twin: dict[str, tuple[float, ...]]) -> float:
    if not twin:
        return float("nan")
    return float(np.abs(np.subtract(next(iter(ends.values())), next(iter(twin.values())))).max())


if __name__ == "__main__":
    sys.exit(main())
