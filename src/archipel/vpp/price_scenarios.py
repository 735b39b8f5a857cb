"""Prices as they may come, from what is known before the day-ahead gate closes.

Known at noon before day D: published forecasts of the prices of D, all prices up to the end of D - 1 (cleared a day
ago), and what was forecast for those days. The middle is the mean of the forecasts; around it whole days of past errors
are laid, each as it was, so that errors of neighbouring hours stay together:

    middle = mean of the forecasts of D
    scenario w = middle + (price - middle)[day d_w] - mean over the days drawn

Whole days of errors as an ensemble keep the dependence between hours that errors drawn hour by hour would lose, and
taking their mean away keeps a short past from bending the middle. With fewer than `FEW_DAYS` days every error also
counts with its sign turned. Without any forecast the middle is that of the days of the same kind before.

Sources: mean of forecasts: J. Nowotarski et al., "An empirical comparison of alternative schemes for combining
electricity spot price forecasts", Energy Economics 46, 2014, doi:10.1016/j.eneco.2014.07.014; past errors around a
forecast: R. Weron, "Electricity price forecasting", Int. J. Forecasting 30(4), 2014,
doi:10.1016/j.ijforecast.2014.08.008.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from archipel.model import Floats, Ints

FEW_DAYS = 28
"""With fewer days of errors each counts with both signs."""
HISTORY_DAYS = 60
"""Days whose errors are drawn from."""
WEEK = 7
SIMILAR_WEEKS = 4


@final
@dataclass(frozen=True, slots=True, eq=False)
class PriceScenarios:
    """W ways the day may go."""

    price_eur_per_kwh: Floats
    """Shape (W, T)."""
    probability: Floats
    """Shape (W,), above zero, sums to 1."""
    availability: Floats | None = None
    """Part of every store that is there, 0..1, shape (W, S); None: all of all."""

    guess_eur_per_kwh: tuple[Floats, ...] = ()
    """Single forecasts of the day, shape (T,) each: none likely in itself, but what a plan may be built around."""

    def __post_init__(self) -> None:
        count = len(self.probability)
        if self.price_eur_per_kwh.ndim != 2 or len(self.price_eur_per_kwh) != count or count == 0:
            raise ValueError(
                f"scenarios: found prices of shape {self.price_eur_per_kwh.shape} for {count} probabilities; "
                "expected one row of prices for each, at least one."
            )
        _finite(self.price_eur_per_kwh, "prices of the scenarios")
        if np.any(self.probability <= 0) or abs(float(self.probability.sum()) - 1.0) > 1e-9:
            raise ValueError("scenarios: found probabilities that do not sum to 1; expected each above 0, their sum 1.")

    @property
    def mean_price(self) -> Floats:
        """Expected price, shape (T,)."""
        return np.asarray(self.probability @ self.price_eur_per_kwh)


def middle(forecast: Floats) -> Floats:
    """Mean of the forecasts, (..., F, T) to (..., T)."""
    return np.asarray(forecast.mean(axis=-2))


def similar_days(past_price: Floats) -> Floats:
    """Where nothing was published: mean of the same weekday of the last weeks, moved to yesterday's level, (T,).

    Half of the difference between yesterday and its own weekday's mean is carried on. With less than a week of past
    it is yesterday.
    """
    days = len(past_price)
    if days == 0:
        raise ValueError("price scenarios: found no past day and no forecast; expected one of both.")
    if days <= WEEK:
        return np.asarray(past_price[-1], dtype=np.float64)
    same = past_price[days - WEEK :: -WEEK][:SIMILAR_WEEKS].mean(axis=0)
    before = past_price[days - 1 - WEEK :: -WEEK][:SIMILAR_WEEKS].mean(axis=0)
    return np.asarray(same + 0.5 * (past_price[-1] - before).mean())


def draw_scenarios(
    past_price: Floats,
    past_forecast: Floats,
    forecast: Floats,
    count: int,
    rng: np.random.Generator,
    *,
    history_days: int = HISTORY_DAYS,
) -> PriceScenarios:
    """Equally likely scenarios for a day.

    Args:
        past_price: Prices of the days before, oldest first, shape (D, T).
        past_forecast: What was forecast for them, shape (D, F, T); F may be 0.
        forecast: Forecasts of the day, shape (F, T).
        count: Number of scenarios W.
        rng: Draws the days.
        history_days: How far back errors are drawn from.

    Raises:
        ValueError: Prices or forecasts that are not finite, or nothing to go by.
    """
    _finite(past_price, "past prices")
    _finite(forecast, "forecasts")
    first = max(len(past_price) - history_days, 0)
    if forecast.shape[0]:
        centre, errors = middle(forecast), past_price[first:] - middle(past_forecast[first:])
    else:
        centre = similar_days(past_price)
        begin = max(first, 1)
        guesses = [similar_days(past_price[:d]) for d in range(begin, len(past_price))]
        errors = past_price[begin:] - np.reshape(guesses, (-1, past_price.shape[1]))
    if len(errors) == 0:
        errors = np.zeros((1, len(centre)))
    if len(errors) < FEW_DAYS:
        errors = np.concatenate([errors, -errors])
    turns = -(-count // len(errors))
    drawn = np.concatenate([rng.permutation(len(errors)) for _ in range(turns)])[:count]
    price = centre + errors[drawn] - errors[drawn].mean(axis=0)
    return PriceScenarios(price, np.full(count, 1.0 / count), guess_eur_per_kwh=tuple(forecast))


def with_availability(scenarios: PriceScenarios, availability: Floats) -> PriceScenarios:
    """The same prices with availability of every store, shape (W, S)."""
    return replace(scenarios, availability=availability)


def draw_availability(confidence: Floats, of: Ints, count: int, rng: np.random.Generator) -> Floats:
    """Which members are there in every scenario: all of a member's stores with its confidence, else none, (W, S).

    Args:
        confidence: Probability that a member delivers, shape (M,).
        of: Member row of every store, shape (S,).
        count: Number of scenarios W.
        rng: Draws.
    """
    there = rng.random((count, len(confidence))) < confidence
    return np.asarray(there[:, of], dtype=np.float64)


def _finite(values: Floats, what: str) -> None:
    if not np.isfinite(values).all():
        at = ", ".join(str(tuple(int(i) for i in where)) for where in np.argwhere(~np.isfinite(values))[:5])
        raise ValueError(f"{what}: found values that are not finite at {at}; expected a number for every hour.")
