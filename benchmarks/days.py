"""The days that every figure is measured on: `make days`.

Fixed days and five drawn by seed 1, so that nobody picks an easy one. Every case runs in a process of its own and
leaves a small JSON file; what is there already is not run again, so a campaign of hours can be stopped at any time.

    python -m benchmarks.days                     all cases that have no result yet, then the table
    python -m benchmarks.days --only 'city/*'     some of them
    python -m benchmarks.days --table             only the table of what there is
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import resource
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import archipel
from archipel.report.session import STRATEGIES

ALL = tuple(STRATEGIES)
FORECASTS = ("perfect", "naive")


@dataclass(frozen=True, slots=True)
class Case:
    """One run."""

    scenario: str
    start: str
    days: int = 1
    forecast: str = "perfect"
    strategies: tuple[str, ...] = ALL
    """A gap is measured where both `alone` and `central` are among them."""
    trip: bool = True
    """Whether older inverters trip at over-voltage."""

    @property
    def name(self) -> str:
        """scenario/start and what is unusual."""
        unusual = [f"{self.days}d"] * (self.days > 1) + [self.forecast] * (self.forecast != "perfect")
        return "-".join([f"{self.scenario}/{self.start}", *unusual, *(["no-trip"] * (not self.trip))])


def drawn(count: int, seed: int) -> list[str]:
    """Days of 2016 drawn without replacement."""
    import numpy as np

    picks = np.sort(np.random.default_rng(seed).choice(366, count, replace=False))
    return [str(date(2016, 1, 1) + timedelta(days=int(d))) for d in picks]


def cases() -> list[Case]:
    """The fixed days first, the quick ones before the slow ones."""
    few = drawn(5, seed=1)
    fixed = ["2016-06-09", "2016-05-26"]
    three, two = ALL[:3], ("uncoordinated", "distributed")
    out = [Case("district", day, forecast=f) for f in FORECASTS for day in fixed + few]
    out += [Case("city", "2016-06-09", strategies=("uncoordinated",), trip=False)]
    out += [Case("city", day) for day in fixed]
    out += [Case("city-winter", "2016-12-24", forecast=f, strategies=two) for f in FORECASTS]
    out += [Case("city", day, strategies=three) for day in few]
    out += [Case("city", day, forecast="naive", strategies=three) for day in fixed + few]
    out += [Case("city-winter", f"2016-12-0{day}", strategies=two) for day in range(1, 8)]
    return out


def run_one(case: Case, folder: Path, workers: int | None) -> None:
    """Run a case here and write its figures."""
    scenario = archipel.scenario(case.scenario)
    if not case.trip:
        scenario = replace(scenario, overvoltage_trip=False)
    how: dict[str, Any] = {"start": case.start, "days": case.days, "forecast": case.forecast}
    how["workers"] = workers
    done = archipel.run(scenario, case.strategies, runs=folder / "runs", progress=_tell, **how)
    peak_kb = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    target = folder / f"{case.name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.write_text(json.dumps({**done.kpis, "peak_gb": peak_kb / 1e6}, indent=1))
    part.replace(target)


def _tell(name: str, done: int, total: int) -> None:
    if done % max(1, total // 8) == 0:
        print(f"  {name}: {done} of {total} steps", file=sys.stderr, flush=True)


HEAD = """| case | strategy | cost EUR | export MWh | curtailed kWh | voltage node-h | branch-h | connection h | \
ev kWh | comfort K h | gap | captured | wall s |
|---|---|---|---|---|---|---|---|---|---|---|---|---|"""


def table(found: list[Case], folder: Path) -> str:
    """What was measured, as Markdown."""
    lines = [HEAD]
    for case in found:
        figures = json.loads((folder / f"{case.name}.json").read_text())
        for name, k in figures["strategies"].items():
            gap, captured = k["gap_to_central"], k["benefit_captured"]
            cells = [
                f"{k['cost_eur']:.1f}",
                f"{k['export_kwh'] / 1e3:.1f}",
                f"{k['curtailed_kwh']:.0f}",
                f"{k['voltage_violation_node_h']:.2f}",
                f"{k['branch_overload_h']:.2f}",
                f"{k['connection_violation_h']:.2f}",
                f"{k['ev_unserved_kwh']:.2f}",
                f"{k['comfort_missed_k_h']:.2f}",
                "" if gap is None else f"{gap:.1e}",
                "" if captured is None else f"{captured:.4f}",
                f"{k['wall_s']:.0f}",
            ]
            lines.append(f"| {case.name} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", metavar="PATTERN", help="cases whose name matches, such as 'city/*'")
    parser.add_argument("--folder", type=Path, default=Path("runs/days"), help="default: runs/days")
    parser.add_argument("--workers", type=int, metavar="N", help="processes of `distributed`; 1 to run two campaigns")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--one", action="store_true", help="run the one case that matches, in this process")
    asked = parser.parse_args()
    chosen = [case for case in cases() if fnmatch.fnmatch(case.name, asked.only)]
    if asked.one:
        run_one(chosen[0], asked.folder, asked.workers)
        return 0
    failed = 0
    for number, case in enumerate(chosen, 1):
        if asked.table or (asked.folder / f"{case.name}.json").exists():
            continue
        print(f"{number} of {len(chosen)}: {case.name}", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "benchmarks.days", "--one", "--only", case.name, "--folder", str(asked.folder)]
        command += ["--workers", str(asked.workers)] * (asked.workers is not None)
        failed += subprocess.run(command, check=False).returncode != 0
    print(table([case for case in chosen if (asked.folder / f"{case.name}.json").exists()], asked.folder))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
