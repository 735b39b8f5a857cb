"""Small members and prices for the tests of bids."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from archipel.model import Floats
from archipel.model.flexibility import Flexibility
from archipel.vpp.price_scenarios import PriceScenarios

START = datetime(2016, 5, 25, 22, tzinfo=UTC)


def battery(
    hours: int = 24, *, member: str = "b", e_kwh: float = 200.0, p_kw: float = 100.0, efficiency: float = 0.95,
    wear: float = 0.005, ramp: float = float("inf"),
) -> Flexibility:  # fmt: skip
    one = np.ones((1, hours))
    return Flexibility(
        member=member, start=START, dt_h=1.0, base_kw=np.full(hours, 20.0), p_kw_min=-p_kw * one, p_kw_max=p_kw * one,
        e_kwh_min=0.0 * one, e_kwh_max=e_kwh * one, e_kwh_start=np.array([0.5 * e_kwh]),
        charge_efficiency=np.array([efficiency]), discharge_efficiency=np.array([efficiency]), keep=np.ones(1),
        cost_eur_per_kwh=wear * one, ramp_kw_per_h=ramp,
    )  # fmt: skip


def sun(hours: int = 24, *, member: str = "s", p_kw: float = 50.0) -> Flexibility:
    one = np.ones((1, hours))
    return Flexibility(
        member=member, start=START, dt_h=1.0, base_kw=np.full(hours, -p_kw), p_kw_min=0.0 * one, p_kw_max=p_kw * one,
        e_kwh_min=-np.inf * one, e_kwh_max=np.inf * one, e_kwh_start=np.zeros(1), charge_efficiency=np.ones(1),
        discharge_efficiency=np.ones(1), keep=np.ones(1), cost_eur_per_kwh=0.001 * one,
    )  # fmt: skip


def drawn_prices(rng: np.random.Generator, count: int, hours: int = 24, noise: float = 0.006) -> Floats:
    h = np.arange(hours)
    shape = 0.035 - 0.012 * np.cos(2 * np.pi * (h - 7) / 12.0) + 0.004 * np.sin(2 * np.pi * h / 24.0)
    return np.asarray(shape + noise * rng.standard_normal((count, hours)))


def scenarios(seed: int, count: int = 8, hours: int = 24, noise: float = 0.006) -> PriceScenarios:
    return PriceScenarios(drawn_prices(np.random.default_rng(seed), count, hours, noise), np.full(count, 1.0 / count))
