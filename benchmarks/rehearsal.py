"""A rehearsal of real processes against the twin: the same controllers, the same day, the same schedules?

    archipel up district --factor 60 --hours 24 --armed --wait
    python -m benchmarks.rehearsal runs/up/district

Reads what every cell noted in its journal, lets the twin run the same hours with the same controllers, and prints for
every hour the largest difference between what was agreed on any tie, the splits, and the planning gap to central.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from archipel.field.cell_file import read_cell_file
from archipel.formats.scenario import load_scenario
from archipel.journal.chain import LedgerReader
from archipel.strategies.stepped import Stepped
from archipel.twin import run

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
    steps = int((last - begin) / timedelta(minutes=15)) + 1
    run(scenario, twin, start=begin, steps=steps)
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
