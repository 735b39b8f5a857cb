"""kill -9, again and again: random cells of a rehearsal that runs, and what its neighbours and its journal say.

    archipel up district --armed --factor 60
    python -m benchmarks.kills runs/up --kills 100 --seed 1
    archipel down

For every kill: after how long all neighbours know, whether any other pair stopped talking, after how long the cell that
was started again answers with its mode, acts on its agreements again, and stands where new ones are made. `--hang`
stops the process (SIGSTOP) and lets it go on. At the end the rehearsal is stopped and every ledger is read: nothing
confirmed by one end may be missing at the other, and nothing may be accepted twice.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from archipel.field.cell_file import CellFile, read_cell_file
from archipel.journal.chain import LedgerReader
from archipel.local.layout import Layout
from archipel.local.processes import Processes
from archipel.local.status import ask

POLL_S = 0.04
PATIENCE_S = 60.0


def until(done: Callable[[], bool]) -> float:
    """Seconds until something holds; infinite when it does not in a minute."""
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE_S:
        if done():
            return time.monotonic() - begun
        time.sleep(POLL_S)
    return float("inf")


class Archipelago:
    """Cells that run, by their status pages."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(folder)
        self.files: dict[str, CellFile] = {
            path.parent.name: read_cell_file(path) for path in sorted(self.layout.cells.glob("*/CELL.toml"))
        }
        self.processes = Processes(self.layout)
        self.electrical = {
            name: [row.cell for row in file.neighbour if row.electrical] for name, file in self.files.items()
        }

    def said(self, cell: str) -> dict[str, Any]:
        """A cell's status; empty when it does not answer."""
        return dict(ask(self.files[cell].status.listen) or {})

    def pairs(self, without: str) -> set[tuple[str, str]]:
        """(cell, neighbour) for all that can agree, a cell left out."""
        rest = [name for name in self.files if name != without]
        return {(name, other) for name in rest for other in self.said(name).get("neighbours", ()) if other != without}

    def agreed(self, cell: str) -> set[str]:
        """Ties on which the cell acts on an agreement."""
        return {tie for tie, held in self.said(cell).get("holdings", {}).items() if held["agreed"]}

    def kill(self, cell: str, down_s: float, *, hang: bool) -> dict[str, Any]:
        """One kill and one return."""
        before, held = self.pairs(cell), self.agreed(cell)
        near = self.electrical[cell]
        self.processes.signal(cell, signal.SIGSTOP if hang else signal.SIGKILL)
        known_s = until(lambda: all(cell not in self.said(name).get("neighbours", ()) for name in near))
        time.sleep(down_s)
        lost = sorted(before - self.pairs(cell))
        if hang:
            self.processes.signal(cell, signal.SIGCONT)
        else:
            self.processes.start_cell(cell)
        begun = time.monotonic()
        restored_s = until(lambda: bool(self.said(cell).get("mode")))
        mode = self.said(cell).get("mode")
        until(lambda: self.agreed(cell) >= held)
        holding_s = time.monotonic() - begun
        until(lambda: self.said(cell).get("ladder") == "COOPERATING")
        return {
            "cell": cell, "known_s": known_s, "others_lost": lost, "restored_s": restored_s, "mode": mode,
            "holding_s": holding_s, "cooperating_s": time.monotonic() - begun,
        }  # fmt: skip


def ledgers(there: Archipelago) -> dict[str, int]:
    """What the ledgers say once all is over."""
    accepted: dict[tuple[str, int], dict[str, tuple[float, ...]]] = {}
    confirmed: list[tuple[str, str, int, tuple[float, ...]]] = []
    count: Counter[str] = Counter()
    for cell, file in there.files.items():
        reader = LedgerReader(file.journal / "ledger.db")
        try:
            count["rows"] += reader.verify()
            for entry in reader.entries():
                if entry.kind != "agreement":
                    continue
                tie, plan, p_kw = entry.body["tie"], entry.body["plan"], tuple(entry.body["p_kw"])
                if entry.body["event"] == "accepted":
                    ends = accepted.setdefault((tie, plan), {})
                    count["accepted twice"] += cell in ends
                    ends[cell] = p_kw
                elif entry.body["event"] == "confirmed":
                    confirmed.append((cell, tie, plan, p_kw))
        finally:
            reader.close()
    both: Counter[tuple[str, int]] = Counter((tie, plan) for _, tie, plan, _ in confirmed)
    for cell, tie, plan, p_kw in confirmed:
        others = [values for name, values in accepted.get((tie, plan), {}).items() if name != cell]
        count["confirmed, not in the other's ledger"] += not others
        count["two values"] += any(values != p_kw for values in others)
    return {
        "agreements confirmed by both ends": sum(ends == 2 for ends in both.values()),
        "by one end only": sum(ends == 1 for ends in both.values()),
        "accepted twice": count["accepted twice"],
        "confirmed, not in the other's ledger": count["confirmed, not in the other's ledger"],
        "two values": count["two values"],
        "ledger rows, all verified": count["rows"],
    }


def main() -> int:
    """Kill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hang", action="store_true", help="stop processes for a while instead of killing them")
    asked = parser.parse_args()
    there, rng = Archipelago(asked.folder.resolve()), random.Random(asked.seed)
    done = []
    for number in range(1, asked.kills + 1):
        one = there.kill(rng.choice(sorted(there.files)), rng.uniform(0.2, 3.0), hang=asked.hang)
        done.append(one)
        print("{number:4d}  {cell:12s} known after {known_s:.2f} s, restored {restored_s:.2f} s, holding "
              "{holding_s:.1f} s, cooperating {cooperating_s:.1f} s, others lost: {others_lost}"
              .format(number=number, **one), flush=True)  # fmt: skip
        time.sleep(rng.uniform(0.0, 4.0))
    there.processes.stop()
    figures: dict[str, Any] = {"kills": len(done), "seed": asked.seed}
    for name in ("known_s", "restored_s", "holding_s", "cooperating_s"):
        values = [one[name] for one in done]
        figures[name] = {"median": round(median(values), 3), "most": round(max(values), 3)}
    figures["kills after which another pair stopped talking"] = sum(bool(one["others_lost"]) for one in done)
    figures["not armed after its return"] = sum(one["mode"] != "armed" for one in done)
    figures |= ledgers(there)
    print(json.dumps(figures, indent=1))
    (asked.folder / "kills.json").write_text(json.dumps({"figures": figures, "kills": done}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
