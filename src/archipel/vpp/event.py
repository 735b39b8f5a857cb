"""A reduction on demand: what was asked, what came of it, and the price that brings it about.

           announced    start              end                     end + AFTER_H
    ----------|-----------|==================|------------------------|
              notice         asked to draw      rebound: what was not drawn
                             less by so much    is drawn now

Powers are of the asked devices together, or of the area's connection, in load convention; `none` is the day in which
nothing was asked, everything else being the same. Only a simulation knows that day; `meter_before` says what a meter
alone would have told.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final

import numpy as np

from archipel.model import Bools, Floats, Horizon
from archipel.model.horizon import STEP_MINUTES

QUARTER_H = STEP_MINUTES / 60.0
AFTER_H = 6.0
"""Hours after the end in which the rebound is counted."""
WORTH_EUR_PER_KWH = 0.5
"""What a kWh of the reduction is worth at most: the highest price that is told, and what a plan of the centre pays for
one that is missing. Below what plans pay for a kWh missing in a vehicle (2 EUR) or a house colder by a kelvin for
hours: reductions give way to comfort."""
LEAST_EUR_PER_KWH, NEAR_TIMES = 1e-3, 4.0
"""A price search knows no smaller step from nothing; ends this many times apart are cut at their geometric mean."""
TOLERANCE = 0.05
"""Share of the reduction by which answers may miss it before another price is told."""


@final
@dataclass(frozen=True, slots=True)
class Event:
    """Draw less by `reduction_kw` than if nothing were asked, for `hours` from `start`."""

    start: datetime
    hours: float
    announced: datetime
    reduction_kw: float

    @property
    def end(self) -> datetime:
        """First moment after it."""
        return self.start + timedelta(hours=self.hours)

    def quarters(self, first: datetime, count: int) -> Bools:
        """Which of `count` quarter hours from `first` are inside, shape (count,)."""
        before = round((self.start - first) / timedelta(minutes=STEP_MINUTES))
        row = np.arange(count)
        return np.asarray((row >= before) & (row < before + round(self.hours / QUARTER_H)))

    def share(self, horizon: Horizon) -> Floats:
        """Share of every interval that is inside, shape (T,)."""
        return horizon.mean(self.quarters(horizon.start, int(horizon.steps.sum())).astype(np.float64))


@final
@dataclass(frozen=True, slots=True)
class Came:
    """What came of an event, from quarter-hourly means; energies of the asked devices, peaks of the connection."""

    asked_kwh: float
    delivered_kwh: float
    """Drawn less than in the day without event."""
    least_kw: float
    """Reduction of the weakest quarter hour."""
    most_kw: float
    """Reduction of the strongest."""
    missing_kwh: float
    """What was asked and not delivered, quarter hour by quarter hour: too much in one does not make up for another."""
    at_connection_kwh: float
    """Reduction metered at the connection: with losses, and with what other devices did."""
    before_kwh: float
    """Drawn more between announcement and start than in the day without event: what was put aside."""
    rebound_kwh: float
    """Drawn more in the hours after."""
    rebound_peak_kw: float
    """Most drawn at the connection in the hours after."""
    none_peak_kw: float
    """The same without event."""
    meter_before_kwh: float
    """Reduction as a meter alone would tell it: against the mean of the hour before the announcement."""

    @property
    def delivered_share(self) -> float:
        """Share of what was asked that came, counted quarter hour by quarter hour."""
        return 1.0 - self.missing_kwh / self.asked_kwh


def came_of(
    event: Event, first: datetime, *, asked_kw: Floats, asked_none_kw: Floats, area_kw: Floats, area_none_kw: Floats
) -> Came:
    """Compare a day with the same day without event.

    Args:
        event: what was asked.
        first: the first quarter hour of the series.
        asked_kw: drawn by the asked devices, and `asked_none_kw` without event [kW], quarter hours, shape (S,).
        area_kw: drawn at the connection, and `area_none_kw` without event, shape (S,).

    Raises:
        ValueError: the series do not hold the event.
    """
    count = len(asked_kw)
    inside = event.quarters(first, count)
    if int(inside.sum()) != round(event.hours / QUARTER_H):
        raise ValueError(f"event {event.start:%Y-%m-%d %H:%M}: found series that do not hold all of it")
    less = (asked_none_kw - asked_kw)[inside]
    after = Event(event.end, AFTER_H, event.end, 0.0).quarters(first, count)
    lead_h = (event.start - event.announced) / timedelta(hours=1)
    before = Event(event.announced, lead_h, event.announced, 0.0).quarters(first, count)
    hour_before = Event(event.announced - timedelta(hours=1), 1.0, event.announced, 0.0).quarters(first, count)
    metered = float(asked_kw[hour_before].mean()) if hour_before.any() else float("nan")
    more = asked_kw - asked_none_kw
    return Came(
        asked_kwh=event.reduction_kw * event.hours,
        delivered_kwh=float(less.sum()) * QUARTER_H,
        least_kw=float(less.min()),
        most_kw=float(less.max()),
        missing_kwh=float(np.maximum(event.reduction_kw - less, 0.0).sum()) * QUARTER_H,
        at_connection_kwh=float((area_none_kw - area_kw)[inside].sum()) * QUARTER_H,
        before_kwh=float(more[before].sum()) * QUARTER_H,
        rebound_kwh=float(more[after].sum()) * QUARTER_H,
        rebound_peak_kw=float(area_kw[after].max(initial=-np.inf)),
        none_peak_kw=float(area_none_kw[after].max(initial=-np.inf)),
        meter_before_kwh=float((metered - asked_kw[inside]).sum()) * QUARTER_H,
    )


@final
@dataclass(frozen=True, slots=True)
class Round:
    """A price that was told, and what all answered."""

    price_eur_per_kwh: float
    reduction_kw: float


def find_price(
    answer: Callable[[float], float],
    wanted_kw: float,
    *,
    first_eur_per_kwh: float | None = None,
    most_eur_per_kwh: float = WORTH_EUR_PER_KWH,
    rounds: int = 8,
) -> tuple[Round, ...]:
    """Look for the price at which the answers add up to what is wanted.

    Answers do not fall when the price rises. They are stairs rather than a line: many devices have the same costs. The
    interval that holds the price is cut at its geometric mean until its ends are within `NEAR_TIMES`, then by false
    position, its stale end counted half (the Illinois method), and in the middle every third time.

    Args:
        answer: the reduction [kW] that is offered at a price [EUR/kWh].
        wanted_kw: above zero.
        first_eur_per_kwh: a price to begin with, where one is known; else it is the highest.
        most_eur_per_kwh: the highest price that is told.
        rounds: prices told at most.

    Returns:
        Every price told with its answer, the one that is nearest to what is wanted last. When even the highest price
        brings too little it is that.

    Source: M. Dowell, P. Jarratt, "A modified regula falsi method for computing the root of an equation", BIT 11
    (1971).
    """
    told: list[Round] = []

    def ask(price: float) -> float:
        told.append(Round(price, answer(price)))
        return told[-1].reduction_kw - wanted_kw

    near_kw = TOLERANCE * wanted_kw
    low, low_kw, high, high_kw = 0.0, -wanted_kw, most_eur_per_kwh, 0.0
    price, times = first_eur_per_kwh or most_eur_per_kwh, 1.3
    while len(told) < rounds:  # outwards from where it begins, until the price is held between two
        beyond = ask(price)
        if beyond < 0.0:
            low, low_kw = price, beyond
            if price >= most_eur_per_kwh:
                return tuple(told)
        else:
            high, high_kw = price, beyond
        if abs(beyond) <= near_kw or (high_kw > 0.0 and (low > 0.0 or price / times < LEAST_EUR_PER_KWH)):
            break
        if not first_eur_per_kwh:
            break
        price = min(price * times, most_eur_per_kwh) if beyond < 0.0 else price / times
        times *= times
    while len(told) < rounds and min(abs(one.reduction_kw - wanted_kw) for one in told) > near_kw:
        least = max(low, LEAST_EUR_PER_KWH)
        if high > NEAR_TIMES * least:
            price = math.sqrt(least * high)
        else:
            cut = low_kw / (low_kw - high_kw) if len(told) % 3 else 0.5
            price = low + min(max(cut, 0.05), 0.95) * (high - low)
        beyond = ask(price)
        if beyond < 0.0:
            low, low_kw, high_kw = price, beyond, 0.5 * high_kw
        else:
            high, high_kw, low_kw = price, beyond, 0.5 * low_kw
    nearest = min(told, key=lambda one: abs(one.reduction_kw - wanted_kw))
    return (*(one for one in told if one is not nearest), nearest)
