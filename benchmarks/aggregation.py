"""Aggregation, measured: how much of what devices can do is published, how long it takes, and whether it is delivered.

    python -m benchmarks.aggregation             every figure
    python -m benchmarks.aggregation worth       optimum over the published model against that over the devices
    python -m benchmarks.aggregation time        10,000 and 100,000 devices

One JSON line per figure. Fleets are drawn by seed 1: batteries of 0.25 to 1 C with efficiencies of 0.88 to 0.97 each
way and any state of charge; heat pumps of 2 to 8 kW in houses of 1 to 4 kWh/K; vehicles at home over night, two in
three, or at work.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import numpy as np

from archipel.devices import BatteryFleet, EvChargerFleet, HeatPumpFleet
from archipel.devices.base import Plan
from archipel.model import Floats, Horizon, Tariff
from archipel.model.weather import Weather
from archipel.vpp.baseline import baseline
from archipel.vpp.piece import around
from archipel.vpp.publish import Key, Rules, publish
from archipel.vpp.worth import gains, store_gains

START = datetime(2016, 1, 11, 11, tzinfo=UTC)
HOURS = 24
SEED = 1


def batteries(count: int, rng: np.random.Generator) -> BatteryFleet:
    e_kwh = np.exp(rng.normal(np.log(10.0), 0.4, count))
    return BatteryFleet(
        id=tuple(f"battery/{i}" for i in range(count)),
        node=np.arange(count) // 5,
        e_kwh=e_kwh,
        p_kw_charge=e_kwh * rng.uniform(0.25, 1.0, count),
        p_kw_discharge=e_kwh * rng.uniform(0.25, 1.0, count),
        efficiency_charge=rng.uniform(0.88, 0.97, count),
        efficiency_discharge=rng.uniform(0.88, 0.97, count),
        soc_start=rng.uniform(0.1, 0.9, count),
        wear_eur_per_kwh=np.full(count, 0.01),
    )


def vehicles(count: int, rng: np.random.Generator) -> EvChargerFleet:
    home = rng.random(count) < 2 / 3
    arrive = np.where(home, rng.normal(18.0, 2.0, count), rng.normal(32.0, 1.0, count))
    leave = np.where(home, rng.normal(31.0, 1.0, count), rng.normal(41.0, 1.5, count))
    start = np.round(4 * np.clip(arrive, 11.5, 33.0)).astype(int) - 44
    end = np.maximum(np.round(4 * leave).astype(int) - 44, start + 4)
    p_kw = rng.choice([3.7, 7.4, 11.0], count, p=[0.3, 0.2, 0.5])
    kwh = np.minimum(np.exp(rng.normal(np.log(8.0), 0.6, count)), p_kw * (end - start) / 4.0)
    return EvChargerFleet(
        id=tuple(f"ev/{i}" for i in range(count)),
        node=np.arange(count),
        p_kw=p_kw,
        session_device=np.arange(count),
        session_start=start,
        session_end=end,
        session_kwh=kwh,
    )


def heat_pumps(count: int, rng: np.random.Generator) -> HeatPumpFleet:
    heat_kw = rng.uniform(4.0, 12.0, count)
    cop = rng.uniform(2.5, 4.0, count)
    return HeatPumpFleet(
        id=tuple(f"heat_pump/{i}" for i in range(count)),
        node=np.arange(count) // 5,
        p_kw=heat_kw / cop * rng.uniform(1.1, 2.0, count),
        heat_profile=np.zeros(count, dtype=np.int64),
        heat_kw=heat_kw,
        cop=cop,
        buffer_kwh_per_k=rng.uniform(1.0, 4.0, count),
        band_k=rng.uniform(1.0, 3.0, count),
    )


FLEETS: dict[str, Callable[[int, np.random.Generator], BatteryFleet | EvChargerFleet | HeatPumpFleet]] = {
    "battery": batteries,
    "ev_charger": vehicles,
    "heat_pump": heat_pumps,
}


def planned(kind: str, count: int, steps: int) -> tuple[Plan, Horizon]:
    """A fleet's plan over a day in intervals of `steps` quarter hours; heat follows a winter day."""
    rng = np.random.default_rng(SEED)
    fleet = FLEETS[kind](count, rng)
    horizon = Horizon(START, np.full(4 * HOURS // steps, steps))
    hour = np.arange(4 * HOURS) / 4.0 + START.hour
    weather = Weather(0, (0.55 - 0.15 * np.cos(2 * np.pi * (hour - 3.0) / 24.0))[:, None], perfect=True)
    state = dict(fleet.initial(0))
    if kind == "heat_pump":
        state["t_k"] = fleet.band_k * rng.uniform(0.2, 0.8, count)  # type: ignore[union-attr]
    return fleet.plan(np.arange(count), state, weather, horizon, Tariff()), horizon


def prices(kind: str, count: int, horizon: Horizon) -> Floats:
    """EUR/kWh, shape (count, T), none negative: daily waves of any phase, or noise."""
    rng = np.random.default_rng(SEED + 1)
    t_count = len(horizon)
    if kind == "noise":
        return rng.uniform(0.0, 0.3, (count, t_count))
    hour = np.cumsum(horizon.dt_h)
    phase, size = rng.uniform(0, 24, (2, count, 1)), rng.uniform(0.0, 0.1, (2, count, 1))
    day = size[0] * np.cos(2 * np.pi * (hour - phase[0]) / 24.0)
    return np.maximum(0.15 + day + 0.7 * size[1] * np.cos(4 * np.pi * (hour - phase[1]) / 24.0), 0.0)


def worth_of(plan: Plan, key: Key, horizon: Horizon, price: Floats) -> tuple[Floats, Floats]:
    """(gain over the published model, gain over the devices' own columns) from the published baseline, (N,) each."""
    columns, dt_h = plan.columns, float(horizon.dt_h[0])
    u, level = baseline(columns)
    own = (columns.p[:, :, None] * u).sum(axis=(0, 1))
    moved = price @ (key.parts[0].base_kw.sum(axis=0) - own) * dt_h
    return gains(key.flexibility, price), store_gains(around(columns, u, level, dt_h), price, dt_h) + moved


def worth(
    count: int = 500, vectors: int = 500, steps: int = 4, rules: Rules | None = None
) -> Iterator[dict[str, object]]:
    """The figure of the issue: 1,000 price vectors, half of them smooth, half noise."""
    total = {shape: np.zeros((2, vectors)) for shape in ("smooth", "noise")}
    for kind in FLEETS:
        plan, horizon = planned(kind, count, steps)
        flexibility, key = publish(kind, [plan], horizon, rules)
        for shape, sums in total.items():
            pair = np.stack(worth_of(plan, key, horizon, prices(shape, vectors, horizon)))
            np.add(sums, pair, out=sums)
            yield {"figure": "worth", "kind": kind, "stores": flexibility.stores, **_ratios(shape, count, pair)}
    for shape, sums in total.items():
        yield {"figure": "worth", "kind": "mixed", **_ratios(shape, 3 * count, sums)}


def _ratios(shape: str, devices: int, pair: Floats) -> dict[str, object]:
    ratio = pair[0] / pair[1]
    return {
        "prices": shape,
        "vectors": pair.shape[1],
        "devices": devices,
        "of_all": round(float(pair[0].sum() / pair[1].sum()), 4),
        "median": round(float(np.median(ratio)), 4),
        "worst": round(float(ratio.min()), 4),
        "below_0.9": int((ratio < 0.9).sum()),
    }


def seconds(count: int, steps: int = 4) -> Iterator[dict[str, object]]:
    """CPU time to publish a third of `count` of each kind, plans not counted."""
    plans = []
    begun = time.process_time()
    for kind in FLEETS:
        plan, horizon = planned(kind, count // 3, steps)
        plans.append(plan)
    planning = time.process_time() - begun
    begun = time.process_time()
    flexibility, _ = publish("all", plans, horizon)
    yield {
        "figure": "seconds",
        "devices": count,
        "intervals": len(horizon),
        "stores": flexibility.stores,
        "publish_s": round(time.process_time() - begun, 2),
        "plans_s": round(planning, 2),
    }


def main(wanted: list[str]) -> None:
    if not wanted or "time" in wanted:
        for count in (10_000, 100_000):
            for steps in (4, 1):
                _say(seconds(count, steps))
    if not wanted or "worth" in wanted:
        _say(worth())


def _say(rows: Iterator[dict[str, object]]) -> None:
    for row in rows:
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
