"""A run that goes on one step at a time: what `run` does to its end, for who wants to look or act in between."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import final

from archipel.devices import State, Weather
from archipel.grid.physics import Physics
from archipel.model import Scenario
from archipel.model.horizon import STEP_MINUTES
from archipel.twin.base import Decision, Seen, Strategy, Truth
from archipel.twin.outside import Outside
from archipel.twin.plant import Happened, Plant
from archipel.twin.record import Recorder, stored_kwh


@final
class Course:
    """One strategy on one scenario, step by step, written down in pieces of any number of steps.

    The strategy decides at every quarter hour; its leases hold until the next. The same arguments give the same, bit
    for bit.
    """

    def __init__(
        self,
        scenario: Scenario,
        strategy: Strategy,
        *,
        start: datetime,
        steps: int,
        dt_minutes: int = STEP_MINUTES,
        seed: int | None = None,
        truth: Truth | None = None,
        states: Mapping[str, State] | None = None,
        physics: Physics | None = None,
    ) -> None:
        """Begin at `start`, a quarter hour; see `run` for the arguments.

        Raises:
            ValueError: for a start or step length that cannot be.
        """
        if dt_minutes < 1 or STEP_MINUTES % dt_minutes:
            raise ValueError(
                f"dt_minutes: found {dt_minutes}; expected 1, 3, 5 or 15, so that steps fill quarter hours"
            )
        self.scenario, self.strategy = scenario, strategy
        self.begin, self.dt_minutes, self.dt_h = _checked_start(start), dt_minutes, dt_minutes / 60.0
        self._parts = parts_of(dt_minutes)
        self._first_row = scenario.profiles.row(self.begin)
        truth = truth or Truth()
        self.physics = physics
        self.plant = Plant(scenario, truth, self._first_row, physics)
        self.plant.begin(states or {})
        number = scenario.seed if seed is None else seed
        self._outside = Outside(scenario.profiles, dt_minutes, truth.profile_noise, number)
        self.recorder = Recorder(scenario, strategy.name, self.begin, steps, self.dt_h, physics)
        self.recorder.result.stored_kwh = (self.stored_kwh, self.stored_kwh)
        self.seen: Seen | None = None
        self.decision = Decision.free(len(scenario.device_node), len(scenario.archipelago.tie))
        self.done = 0
        """Steps since the beginning."""
        self.written = 0
        """Steps in the present piece."""

    @property
    def now(self) -> datetime:
        """Start of the next step."""
        return self.begin + timedelta(minutes=self.dt_minutes * self.done)

    @property
    def weather(self) -> Weather:
        """What the outside world is in the next step."""
        quarter, part = divmod(self.done, self._parts)
        return self._outside.weather(self._first_row + quarter, part)

    @property
    def decides(self) -> bool:
        """Whether the strategy decides before the next step."""
        return self.done % self._parts == 0

    @property
    def states(self) -> dict[str, State]:
        """Of all fleets by kind."""
        return {fleet.kind: state for fleet, state in zip(self.plant.fleets, self.plant.states, strict=True)}

    @property
    def stored_kwh(self) -> float:
        """Energy in all batteries."""
        return stored_kwh(self.plant.fleets, self.plant.states)

    def step(self) -> Happened:
        """Decide when due, and let one step pass.

        Raises:
            Diverged: where the power flow has no answer.
        """
        if self.decides:
            self.decide()
        happened = self.plant.step(self.weather, self.decision, self.dt_h)
        self.passed(happened)
        return happened

    def decide(self) -> None:
        """Ask the strategy."""
        row = self._first_row + self.done // self._parts
        self.decision = self.strategy.decide(self.now, row, self.states, self.seen)
        self.recorder.decided(self.decision)

    def passed(self, happened: Happened) -> None:
        """Write down a step, also one that was lived elsewhere."""
        self.seen = self.recorder.step(self.written, happened, self.decision)
        self.done += 1
        self.written += 1
        self.recorder.result.stored_kwh = (self.recorder.result.stored_kwh[0], self.stored_kwh)

    def turn_over(self, steps: int) -> None:
        """Begin a new piece of the record; who wants the old one takes `recorder.result` before."""
        self.recorder = Recorder(self.scenario, self.strategy.name, self.now, steps, self.dt_h, self.physics)
        self.recorder.result.stored_kwh = (self.stored_kwh, self.stored_kwh)
        self.written = 0


def parts_of(dt_minutes: int) -> int:
    """Steps in a quarter hour. Raises ValueError where they do not fill it."""
    if dt_minutes < 1 or STEP_MINUTES % dt_minutes:
        raise ValueError(f"dt_minutes: found {dt_minutes}; expected 1, 3, 5 or 15, so that steps fill quarter hours")
    return STEP_MINUTES // dt_minutes


def _checked_start(start: datetime) -> datetime:
    if start.tzinfo is None:
        raise ValueError(f"start {start}: found a time without zone; expected a timezone-aware one, for instance UTC")
    start = start.astimezone(UTC)
    if start.minute % STEP_MINUTES or start.second or start.microsecond:
        raise ValueError(f"start {start}: expected a whole quarter hour")
    return start
