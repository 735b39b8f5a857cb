"""A rehearsal of real processes against the twin: the same controllers, the same day, the same schedules?

    archipel up district --factor 60 --hours 24 --armed --wait
    python -m benchmarks.rehearsal runs/up/district

Reads what every cell noted in its journal. The twin's controllers (`strategies.stepped`) are shown, quarter hour by
quarter hour, the states in which the rehearsal's devices really were, and plan by themselves. For every hour the
largest difference between what was agreed on any tie is printed, and what only one end had confirmed.
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

from archipel.devices import BatteryFleet, EvChargerFleet, State
from archipel.field.cell_file import read_cell_file
from archipel.formats.scenario import load_scenario
from archipel.journal.chain import LedgerReader
from archipel.local.record import read_record
from archipel.model import Floats, Scenario
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
    starts = sorted({start for start, _ in field})
    begin, last = file.clock.start, datetime.fromisoformat(starts[-1])
    begin = begin.replace(minute=begin.minute - begin.minute % 15, second=0, microsecond=0)
    path = file.folder / file.cell.scenario
    scenario = load_scenario(path if path.exists() else file.cell.scenario)
    twin = Stepped(scenario, forecast=file.cell.forecast)
    shown = Shown(scenario, asked.folder / "record")
    now = begin
    while now < last:
        twin.decide(now, scenario.profiles.row(now), *shown.at(now))
        now += timedelta(minutes=15)
    ours = agreed([(cell, dict(note.body)) for cell, note in twin.notes if note.kind == "agreement"])
    figures = []
    for start in starts:
        off, one_sided, unlike = 0.0, 0, 0
        for tie in sorted({tie for at, tie in field if at == start}):
            ends = field[start, tie]
            one_sided += len(ends) < 2
            unlike += len(set(ends.values())) > 1
            reference = next(iter(ours.get((start, tie), {}).values()), None)
            if reference is not None:
                off = max(off, float(np.abs(np.subtract(next(iter(ends.values())), reference)).max()))
            else:
                off = float("nan")
        figures.append({"start": start, "ties": sum(at == start for at, _ in field), "off_kw": off,
                        "one_sided": one_sided, "unlike": unlike})  # fmt: skip
        print(f"{start}  {figures[-1]['ties']:3d} ties, at most {off:.4f} kW from the twin, "
              f"{one_sided} confirmed by one end only, {unlike} with two values")  # fmt: skip
    (asked.folder / "against-twin.json").write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
