"""A short real run for the tests in the browser: `python make_run.py RUNS`, four ways, planned in coarser intervals."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import archipel
from archipel import twin
from archipel.report import session

START = datetime.fromisoformat("2016-05-26T11:00Z")
STEPS = 8
"""Two hours around noon, when the connection is full and neighbours matter."""
NEAR, FAR = 8, 16


def main(runs: Path) -> None:
    """Run `district`, leave it below a folder of runs, print where."""

    def short(scenario: Any, strategy: Any, **what: Any) -> Any:
        del what["days"]
        return twin.run(scenario, strategy, steps=STEPS, **what)

    def coarse(planner: Any) -> Any:
        return lambda scenario, **how: planner(replace(scenario, near_steps=NEAR, far_steps=FAR), **how)

    vars(session)["run_twin"] = short
    for planner in ("Alone", "Distributed", "Central"):
        vars(session)[planner] = coarse(getattr(session, planner))
    run = archipel.run(archipel.scenario("district"), start=START, runs=runs, workers=1)
    print(run.path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
