"""What a curious portfolio can reconstruct of single devices over 60 days of publications.

    python -m benchmarks.curious

Batteries: the state of charge at which the day begins, any from 0.1 to 0.9 every day. Vehicles: the energy of the
night's session, any from 2 to 20 kWh. By number of devices of the member (seed 1, median over its devices):

    left      error of an attacker who knows the device's secret on all other days, as a share of knowing nothing
    in_store  the same when he is even told in which store the device is, from the day's state of that store (batteries)
    count     relative error of the number of devices, guessed from the published power and the mean rating of the trade
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from benchmarks.aggregation import START, batteries, vehicles

from archipel.devices.battery import BatteryFleet
from archipel.model import Floats, Horizon, Tariff
from archipel.model.weather import Weather
from archipel.vpp.curious import left, told
from archipel.vpp.publish import Rules, publish

DAYS = 60
SIZES = (1, 2, 5, 20, 100)


def battery_days(count: int) -> dict[str, object]:
    rng = np.random.default_rng(1)
    fleet: BatteryFleet = replace(batteries(count, rng), soc_start=np.zeros(count))
    horizon = Horizon(START, np.full(24, 4))
    weather = Weather(0, np.zeros((96, 1)), perfect=True)
    secret = rng.uniform(0.1, 0.9, (DAYS, count))
    seen, by_store = [], np.zeros((DAYS, count))
    guessed = 0.0
    for day, soc in enumerate(secret):
        plan = fleet.plan(np.arange(count), {"e_kwh": soc * fleet.e_kwh}, weather, horizon, Tariff())
        flexibility, key = publish("m", [plan], horizon, Rules())
        seen.append(told(flexibility))
        group = key.parts[0].up.tocsr().indices
        below, above = -flexibility.e_kwh_min[:, 0], flexibility.e_kwh_max[:, 0]
        by_store[day] = (below / np.maximum(below + above, 1e-9))[group]
        guessed = float(flexibility.p_kw_max.sum(axis=0).max()) / (10.8 * 0.625)
    rest = by_store - secret
    told_store = np.sqrt((rest**2).mean(axis=0)) / secret.std(axis=0)
    return _row("battery", count, left(secret, np.stack(seen)), told_store, guessed)


def vehicle_days(count: int) -> dict[str, object]:
    rng = np.random.default_rng(1)
    horizon = Horizon(START, np.full(24, 4))
    weather = Weather(0, np.zeros((96, 1)), perfect=True)
    secret, seen, guessed = np.zeros((DAYS, count)), [], 0.0
    chargers = rng.choice([3.7, 7.4, 11.0], count)
    for day in range(DAYS):
        drawn = vehicles(count, rng)
        hours = (drawn.session_end - drawn.session_start) / 4.0
        secret[day] = np.minimum(rng.uniform(2.0, 20.0, count), chargers * hours)
        fleet = replace(drawn, session_kwh=secret[day], p_kw=chargers)
        state = fleet.initial(0)
        flexibility, _ = publish("m", [fleet.plan(np.arange(count), state, weather, horizon, Tariff())], horizon)
        seen.append(told(flexibility))
        guessed = float((flexibility.p_kw_max - flexibility.p_kw_min).sum(axis=0).max()) / 7.4
    return _row("ev_charger", count, left(secret, np.stack(seen)), None, guessed)


def _row(kind: str, count: int, share: Floats, in_store: Floats | None, guessed: float) -> dict[str, object]:
    return {
        "figure": "curious",
        "kind": kind,
        "devices": count,
        "days": DAYS,
        "left": round(float(np.median(share)), 3),
        "least_left": round(float(share.min()), 3),
        **({} if in_store is None else {"in_store": round(float(np.median(in_store)), 3)}),
        "count_error": round(guessed / count - 1.0, 2),
    }


def main() -> None:
    for count in SIZES:
        for days in (battery_days, vehicle_days):
            print(json.dumps(days(count)), flush=True)


if __name__ == "__main__":
    main()
