"""Small fleets drawn by seed, and what their columns allow."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from archipel.devices import BatteryFleet, DispatchableFleet, EvChargerFleet, HeatPumpFleet, PvFleet, SheddableFleet
from archipel.devices.base import Plan
from archipel.model import Floats, Horizon, Tariff
from archipel.model.weather import Weather

START = datetime(2016, 1, 11, 12, tzinfo=UTC)
HOURS = 12
KINDS = ("battery", "ev_charger", "heat_pump", "pv", "sheddable", "dispatchable")


def fleet_of(kind: str, n: int, rng: np.random.Generator):
    ids, node = tuple(f"{kind}/secret-{i}" for i in range(n)), np.arange(n)
    if kind == "battery":
        size = rng.uniform(4, 16, n)
        return BatteryFleet(
            ids, node, size, size * rng.uniform(0.2, 1, n), size * rng.uniform(0.2, 1, n), rng.uniform(0.85, 1.0, n),
            rng.uniform(0.85, 1.0, n), rng.uniform(0.1, 0.9, n), np.full(n, 0.01),
        )  # fmt: skip
    if kind == "heat_pump":
        heat, cop = rng.uniform(4, 12, n), rng.uniform(2.5, 4, n)
        return HeatPumpFleet(
            ids, node, heat / cop * rng.uniform(1.1, 2, n), np.zeros(n, dtype=np.int64), heat, cop,
            rng.uniform(1, 4, n), rng.uniform(1, 3, n),
        )  # fmt: skip
    if kind == "ev_charger":
        return _chargers(ids, rng)
    if kind == "pv":
        peak = rng.uniform(3, 10, n)
        return PvFleet(ids, node, peak, peak, np.ones(n, dtype=np.int64), rng.random(n) < 0.5)
    profile = np.zeros(n, dtype=np.int64)
    if kind == "sheddable":
        return SheddableFleet(ids, node, rng.uniform(1, 5, n), 0.3 * profile, profile, profile, np.full(n, 2.0))
    return DispatchableFleet(ids, node, rng.uniform(1, 5, n), rng.uniform(5, 20, n), np.full(n, 0.1), ("biogas",) * n)


def _chargers(ids: tuple[str, ...], rng: np.random.Generator) -> EvChargerFleet:
    """Up to three sessions each, now and then with another vehicle in the same hour."""
    device, start, end, kwh = [], [], [], []
    p_kw = rng.choice([3.7, 11.0], len(ids))
    for i in range(len(ids)):
        at = 0
        for _ in range(3):
            a = at + int(rng.integers(0, 12))
            b = a + int(rng.integers(2, 40))
            device.append(i)
            start.append(a)
            end.append(b)
            kwh.append(float(rng.uniform(0.1, 1.1) * p_kw[i] * (b - a) / 4))
            at = b
    return EvChargerFleet(
        ids, np.arange(len(ids)), p_kw, *(np.array(x) for x in (device, start, end)), np.array(kwh)
    )  # fmt: skip


def planned(kind: str, n: int, seed: int, steps: int) -> tuple[Plan, Horizon]:
    rng = np.random.default_rng(seed)
    fleet = fleet_of(kind, n, rng)
    horizon = Horizon(START, np.full(4 * HOURS // steps, steps))
    hour = np.arange(4 * HOURS) / 4
    value = np.stack([0.5 + 0.2 * np.sin(hour), np.maximum(np.cos(hour / 4), 0.0)], axis=1)
    state = dict(fleet.initial(0))
    if kind == "battery":
        state["e_kwh"] = fleet.e_kwh * rng.uniform(0.1, 0.9, n)
    if kind == "heat_pump":
        state["t_k"] = fleet.band_k * rng.uniform(0.2, 0.8, n)
    return fleet.plan(np.arange(n), state, Weather(0, value, perfect=True), horizon, Tariff()), horizon


def breach(plan: Plan, u: Floats, rest: Floats) -> float:
    """By how much controls leave the bounds of their columns, beyond what the baseline `rest` leaves itself."""
    columns = plan.columns
    if not len(columns):
        return 0.0
    out = max(float((columns.lo - u).max()), float((u - columns.hi).max()))
    if columns.store is not None:
        level, held = columns.store_of(u), columns.store_of(rest)
        low = np.minimum(columns.store.lo, held)
        high = np.maximum(columns.store.hi, held)
        out = max(out, float((low - level).max()), float((level - high).max()))
    return out
