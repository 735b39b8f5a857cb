"""The closed loop: decide, let devices and network do what physics says, write it down, on one clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from archipel.devices import State
from archipel.model import Scenario, StrategyResult
from archipel.model.horizon import STEP_MINUTES
from archipel.twin.base import Decision, Seen, Strategy, Truth
from archipel.twin.outside import Outside
from archipel.twin.plant import Plant
from archipel.twin.record import Recorder, stored_kwh


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

    Returns:
        What happened. After Ctrl-C what happened until then, with `complete` False.

    Raises:
        ValueError: for a start or step length that cannot be.
        Diverged: where the power flow has no answer.
    """
    begin = _checked_start(scenario.start if start is None else start)
    if dt_minutes < 1 or STEP_MINUTES % dt_minutes:
        raise ValueError(f"dt_minutes: found {dt_minutes}; expected 1, 3, 5 or 15, so that steps fill quarter hours")
    parts, dt_h = STEP_MINUTES // dt_minutes, dt_minutes / 60.0
    total = steps if steps is not None else (scenario.days if days is None else days) * 96 * parts
    if total < 1:
        raise ValueError(f"length of the run: found {total} steps; expected at least one")
    truth = truth or Truth()
    first_row = scenario.profiles.row(begin)
    cpu, wall = time.process_time(), time.perf_counter()

    plant = Plant(scenario, truth, first_row)
    plant.begin(states or {})
    outside = Outside(scenario.profiles, dt_minutes, truth.profile_noise, scenario.seed if seed is None else seed)
    recorder = Recorder(scenario, strategy.name, begin, total, dt_h)
    before = stored_kwh(plant.fleets, plant.states)
    seen: Seen | None = None
    decision = Decision.free(0, 0)
    done = 0
    try:
        while done < total:
            quarter, part = divmod(done, parts)
            row = first_row + quarter
            if part == 0:
                now = begin + timedelta(minutes=STEP_MINUTES * quarter)
                states = {fleet.kind: state for fleet, state in zip(plant.fleets, plant.states, strict=True)}
                decision = strategy.decide(now, row, states, seen)
                recorder.decided(decision)
            seen = recorder.step(done, plant.step(outside.weather(row, part), decision, dt_h), decision)
            done += 1
            if progress is not None:
                progress(done, total)
    except KeyboardInterrupt:
        # A person stopped it; what was done until then is theirs to keep.
        recorder.cut(done)
    result = recorder.result
    result.stored_kwh = (before, stored_kwh(plant.fleets, plant.states))
    result.cpu_s, result.wall_s = time.process_time() - cpu, time.perf_counter() - wall
    return result


def _checked_start(start: datetime) -> datetime:
    if start.tzinfo is None:
        raise ValueError(f"start {start}: found a time without zone; expected a timezone-aware one, for instance UTC")
    start = start.astimezone(UTC)
    if start.minute % STEP_MINUTES or start.second or start.microsecond:
        raise ValueError(f"start {start}: expected a whole quarter hour")
    return start
