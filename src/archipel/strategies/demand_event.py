"""The same reduction twice, by central dispatch and by price, each beside its own day without event.

    a day of local rules -> states at T0 -+-> rules                      nothing is asked, nobody plans
                                          +-> centre   -+-> with event   leases chosen by who sees everything
                                          +-> cells    -+-> with event   a price, answered by every cell's own plan

All five run on the same AC twin from the same states, with the same forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, final

import numpy as np

from archipel.devices.base import State
from archipel.model import ArchipelError, Bools, Floats, Scenario, StrategyResult
from archipel.model.horizon import STEP_MINUTES
from archipel.strategies.event_asked import Base, asked_devices
from archipel.strategies.event_central import LEAST_KW, CentralDispatch
from archipel.strategies.event_price import PriceToCells, Search
from archipel.strategies.planning import ForecastKind
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import Decision, Seen, run
from archipel.vpp.event import AFTER_H, QUARTER_H, Came, Event, came_of

LEAD_H = 2
"""Hours run before the announcement, so that plans are in their stride."""
LONGEST_H = 12.0
"""A plan looks a day ahead; the event, its notice and its rebound must lie inside."""
LONGEST_NOTICE_H = 12
Progress = Callable[[str, int, int], None]
"""Called with (run, steps done, steps in all)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """One way of asking, beside its own day without event."""

    name: str
    none: StrategyResult
    asked: StrategyResult
    came: Came
    event_messages: int
    """Setpoints sent during the event, or prices and answers."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class DemandEvent:
    """Everything that came of one event."""

    scenario: Scenario
    event: Event
    forecast: ForecastKind
    devices: Bools
    """Who was asked, shape (devices,)."""
    most_kw: float
    """What could have been held through all of it, by the central plan of the announcement."""
    rules: StrategyResult
    """The day by local rules, nothing asked."""
    central: Way
    price: Way
    searches: tuple[Search, ...]
    """How the price was found."""
    price_eur_per_kwh: Floats
    """The price that held in every quarter hour of the event."""

    @property
    def ways(self) -> tuple[Way, Way]:
        """Both ways of asking."""
        return self.central, self.price


def demand_event(
    scenario: Scenario,
    start: datetime,
    hours: float = 2.0,
    *,
    reduction_kw: float | None = None,
    price_eur_per_kwh: float | None = None,
    notice_h: int = 1,
    forecast: ForecastKind = "perfect",
    progress: Progress | None = None,
) -> DemandEvent:
    """Ask for a reduction both ways and say what came.

    Args:
        scenario: the case; must have a main grid.
        start: first quarter hour of the event, timezone-aware.
        hours: length, a multiple of a quarter hour.
        reduction_kw: how much less the asked devices together are to draw; by default half of what they can hold.
        price_eur_per_kwh: price for not drawing, told once; by default it is looked for in a few rounds.
        notice_h: whole hours from the announcement to the start.
        forecast: "perfect" or "naive", for both ways.
        progress: called after every step.

    Raises:
        EventImpossible: nobody may be asked, or more is asked than can be held (it is said how much can).
        ArchipelError: a time, length or amount that cannot be.
    """
    event = _checked(scenario, start, hours, reduction_kw, price_eur_per_kwh, notice_h)
    devices = asked_devices(scenario, event)
    first = event.announced - timedelta(hours=LEAD_H)
    steps = round((event.end + timedelta(hours=AFTER_H) - first) / timedelta(minutes=STEP_MINUTES))
    states = _states_at(scenario, first)

    def go(name: str, strategy: Any) -> StrategyResult:
        shown = None if progress is None else lambda done, total: progress(name, done, total)
        result = run(scenario, strategy, start=first, steps=steps, states=states, progress=shown)
        if not result.complete:
            raise KeyboardInterrupt  # half an event compares with nothing
        return result

    rules = go("rules", Uncoordinated(scenario))
    row = scenario.profiles.row(first)

    def base(result: StrategyResult) -> Base:
        return Base(row, result.p_kw.astype(np.float64))

    none = go("central", CentralDispatch(scenario, event, devices, None, forecast=forecast))
    dispatch = CentralDispatch(scenario, event, devices, base(none), forecast=forecast)
    asked = go("central, event", dispatch)
    event = dispatch.event
    central = Way("central", none, asked, _came(event, devices, none, asked), _leases(event, devices))

    none = go("price", PriceToCells(scenario, event, devices, None, forecast=forecast))
    cells = PriceToCells(
        scenario, event, devices, base(none), price_eur_per_kwh=price_eur_per_kwh, forecast=forecast
    )  # fmt: skip
    asked = go("price, event", cells)
    price = Way("price", none, asked, _came(event, devices, none, asked), cells.event_messages)
    return DemandEvent(
        scenario, event, forecast, devices, dispatch.most_kw, rules, central, price, tuple(cells.searches), cells.prices
    )


def _checked(
    scenario: Scenario, start: datetime, hours: float, reduction_kw: float | None, price: float | None, notice_h: int
) -> Event:
    """The event, or a sentence about what cannot be."""
    if scenario.island.off_grid:
        raise ArchipelError(
            f"scenario {scenario.name}: has no main grid; a reduction is asked for by somebody upstream. "
            "Use a scenario with a main grid."
        )
    if start.tzinfo is None:
        raise ArchipelError(f"event at {start}: found a time without zone; expected one, such as {start}Z")
    start = start.astimezone(UTC)
    if start.minute % STEP_MINUTES or start.second or start.microsecond:
        raise ArchipelError(
            f"event at {start:%Y-%m-%d %H:%M:%S}: expected a whole quarter hour, such as 17:00 or 17:15"
        )
    if not QUARTER_H <= hours <= LONGEST_H or hours % QUARTER_H:
        raise ArchipelError(
            f"event of {hours:g} h: expected quarter hours, {QUARTER_H:g} to {LONGEST_H:g} h. Plans look a day ahead, "
            "and what comes after the event must be in them. Ask for several shorter events."
        )
    if not 0 <= notice_h <= LONGEST_NOTICE_H:
        raise ArchipelError(f"notice of {notice_h:g} h: expected whole hours, 0 to {LONGEST_NOTICE_H}")
    if reduction_kw is not None and not LEAST_KW <= reduction_kw < float("inf"):
        raise ArchipelError(f"reduction of {reduction_kw:g} kW: expected {LEAST_KW:g} kW or more")
    if price is not None and not 0.0 < price < float("inf"):
        raise ArchipelError(f"price of {price:g} EUR/kWh: expected more than 0")
    event = Event(
        start, hours, start - timedelta(hours=notice_h), float("nan") if reduction_kw is None else reduction_kw
    )
    _inside_series(scenario, event)
    return event


def _inside_series(scenario: Scenario, event: Event) -> None:
    """Profiles repeat outside their table; an event on a repeated week would be about no day that ever was."""
    profiles = scenario.profiles
    first = profiles.row(event.announced - timedelta(hours=LEAD_H + 24))
    last = profiles.row(event.end + timedelta(hours=AFTER_H))
    if first < 0 or last > len(profiles.value):
        begin = profiles.start + timedelta(hours=LEAD_H + 24) + (event.start - event.announced)
        end = profiles.start + timedelta(hours=len(profiles.value) / 4 - AFTER_H - event.hours)
        raise ArchipelError(
            f"event at {event.start:%Y-%m-%d %H:%M} UTC: outside the series of {scenario.name}; expected a time from "
            f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, so that a day before and {AFTER_H:g} h after it are "
            "known. Choose a time inside."
        )


@final
class _Keeping:
    """The rule of a warm-up, which keeps the states it saw last."""

    def __init__(self, scenario: Scenario) -> None:
        self._rule = Uncoordinated(scenario)
        self.name = self._rule.name
        self.states: Mapping[str, State] = {}

    def decide(self, now: datetime, first_row: int, states: Mapping[str, State], last: Seen | None) -> Decision:
        """As the rule."""
        self.states = states
        return self._rule.decide(now, first_row, states, last)


def _states_at(scenario: Scenario, first: datetime) -> Mapping[str, State]:
    """States of all fleets at a moment, after a day of local rules."""
    keeping = _Keeping(scenario)
    run(scenario, keeping, start=first - timedelta(days=1), steps=97)
    return keeping.states


def _sum(p_kw: Any, devices: Bools) -> Floats:
    return np.asarray(p_kw[devices].sum(axis=0, dtype=np.float64))


def _came(event: Event, devices: Bools, none: StrategyResult, asked: StrategyResult) -> Came:
    first = none.time[0].astype("datetime64[s]").item().replace(tzinfo=UTC)
    return came_of(
        event, first, asked_kw=_sum(asked.p_kw, devices), asked_none_kw=_sum(none.p_kw, devices),
        area_kw=asked.upstream_p_kw, area_none_kw=none.upstream_p_kw,
    )  # fmt: skip


def _leases(event: Event, devices: Bools) -> int:
    """Setpoints the centre sends: one to every asked device in every quarter hour of the event."""
    return int(devices.sum()) * round(event.hours / QUARTER_H)
