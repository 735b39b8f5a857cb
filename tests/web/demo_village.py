"""The village of the twin's tests as a stage for the demonstration, with time before it begins."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "twin"))
from small_scenario import START, scenario

from archipel.model import Scenario
from archipel.web.demo.engine import Engine


def village() -> Scenario:
    """Root, feeder and houses with much sun."""
    return dataclasses.replace(scenario(pv_kw=60.0), start=START + timedelta(days=2))


@contextmanager
def engine(case: Scenario | None = None, seed: int = 1) -> Iterator[Engine]:
    """An engine that leaves no process behind."""
    one = Engine(village() if case is None else case, seed=seed)
    try:
        yield one
    finally:
        one.close()
