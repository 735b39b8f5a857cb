"""The closed loop: decide, let devices and network do what physics says, write it down, on one clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime

from archipel.devices import State
from archipel.grid.physics import Physics
from archipel.model import Scenario, StrategyResult
from archipel.model.horizon import STEP_MINUTES
from archipel.twin.base import Strategy, Truth
from archipel.twin.course import Course, parts_of


def run(
    scenario: Scenario,
    strategy: Strategy,
    *,
    start: datetime | None = None,
    days: int | None = None,
    steps: int | None = None,
    dt_minutes: int = STEP_MINUTES,
    seed: int | None = None,
    truth: Truth | None = None,
    states: Mapping[str, State] | None = None,
    progress: Callable[[int, int], None] | None = None,
    physics: Physics | None = None,
) -> StrategyResult:
    """Run one strategy on one scenario, from a fresh start of all devices.

    The strategy decides once per quarter hour; its leases hold until the next. Between, devices and network move in
    steps of `dt_minutes`. The same arguments give the same result, bit for bit (apart from `cpu_s` and `wall_s`).

    Args:
        scenario: the case.
        strategy: who decides.
        start: first step, timezone-aware, on a quarter hour; the scenario's by default.
        days: length; the scenario's by default.
        steps: length in steps of `dt_minutes`, instead of `days`.
        dt_minutes: 15, or a divisor of it: 1, 3, 5. Profiles are then interpolated between quarter hours.
        seed: of what `truth` draws; the scenario's by default.
        truth: how what happens differs from what controllers believe.
        states: of fleets by kind, where they do not begin afresh.
        progress: called with (steps done, steps in all) after every step.
        physics: of the network; positive-sequence by default. Its own controls begin as they stand.

    Returns:
        What happened. After Ctrl-C what happened until then, with `complete` False.

    Raises:
        ValueError: for a start or step length that cannot be.
        Diverged: where the power flow has no answer.
    """
    cpu, wall = time.process_time(), time.perf_counter()
    per_day = 96 * parts_of(dt_minutes)
    total = steps if steps is not None else (scenario.days if days is None else days) * per_day
    if total < 1:
        raise ValueError(f"length of the run: found {total} steps; expected at least one")
    course = Course(
        scenario,
        strategy,
        start=scenario.start if start is None else start,
        steps=total,
        dt_minutes=dt_minutes,
        seed=seed,
        truth=truth,
        states=states,
        physics=physics,
    )
    try:
        while course.done < total:
            course.step()
            if progress is not None:
                progress(course.done, total)
    except KeyboardInterrupt:
        # A person stopped it; what was done until then is theirs to keep.
        course.recorder.cut(course.done)
    result = course.recorder.result
    result.cpu_s, result.wall_s = time.process_time() - cpu, time.perf_counter() - wall
    return result
