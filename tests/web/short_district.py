"""Two hours of the shipped district at noon, run once for all tests that look at a run."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from archipel.formats.scenario import load_scenario
from archipel.model import Scenario, StrategyResult
from archipel.report.folder import RunWriter
from archipel.strategies.alone import Alone
from archipel.strategies.central import Central
from archipel.strategies.distributed import Distributed
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import run
from archipel.web.sources.run import RunSource, open_run

NOON = datetime(2016, 6, 9, 10, tzinfo=UTC)
STEPS = 8
_FOLDER = tempfile.TemporaryDirectory(prefix="archipel-test-")


@cache
def district() -> Scenario:
    """The scenario."""
    return load_scenario("district")


@cache
def results() -> dict[str, StrategyResult]:
    """What happened, by strategy."""
    case = district()
    strategies = (Uncoordinated(case), Alone(case), Distributed(case, gaps=False, workers=1), Central(case))
    return {s.name: run(case, s, start=NOON, steps=STEPS) for s in strategies}


@cache
def folder() -> Path:
    """The run's folder."""
    runs = Path(_FOLDER.name) / "runs"
    with RunWriter(runs, district(), start=NOON, days=1, forecast="perfect", seed=1, report=False) as writer:
        for result in results().values():
            writer.add(result)
    return writer.path


@cache
def source() -> RunSource:
    """The run as a source."""
    return open_run(folder().name, folder().parent, district())


@cache
def by_the_minute() -> tuple[StrategyResult, RunSource]:
    """An hour of the same in steps of a minute, every device on its own rule."""
    case = district()
    result = run(case, Uncoordinated(case), start=NOON, steps=60, dt_minutes=1)
    runs = Path(_FOLDER.name) / "minutes"
    with RunWriter(runs, case, start=NOON, days=1, forecast="perfect", seed=1, report=False) as writer:
        writer.add(result)
    return result, open_run(writer.path, runs, case)
