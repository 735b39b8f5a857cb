"""The same two-hour reduction by central dispatch and by price, on the shipped scenarios: one JSON line per case.

    python -m benchmarks.demand_event [SCENARIO ...]

Nothing is drawn at random. A line holds what `archipel event --json` prints of both ways, without the days.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime

from archipel.formats.scenario import load_scenario
from archipel.report.event_page_figures import figures
from archipel.strategies.demand_event import demand_event

CASES = (
    ("district", datetime(2016, 5, 26, 17, tzinfo=UTC)),
    ("vpp", datetime(2016, 5, 26, 17, tzinfo=UTC)),
    ("vpp", datetime(2016, 1, 20, 17, tzinfo=UTC)),
)
"""A sunny evening with full batteries, the same with contracts, and a winter evening with heat pumps."""


def main(names: list[str]) -> int:
    """Print a line per case of the scenarios named; all without a name."""
    for name, at in CASES:
        if names and name not in names:
            continue
        begun = time.process_time()
        found = figures(demand_event(load_scenario(name), at))
        found["cpu_s"] = time.process_time() - begun
        del found["days"]
        print(json.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
