"""Small fleets of every kind, drawn from a seed, and the weather around them."""

from __future__ import annotations

import numpy as np

from archipel.devices import (
    ApplianceFleet,
    BatteryFleet,
    BuildingFleet,
    DeviceFleet,
    DispatchableFleet,
    EvChargerFleet,
    GeneratorFleet,
    HeatPumpFleet,
    HydroFleet,
    LoadFleet,
    PvFleet,
    SheddableFleet,
    SoftOpenPointFleet,
    SwitchedCapacitorFleet,
    TapChangerFleet,
    V2gFleet,
    WindFleet,
)
from archipel.model import Floats

COLUMNS = 6
N = 6


def profiles(seed: int, rows: int = 400) -> Floats:
    """Columns 0 and 1 lie in 0.1..1, column 2 is a sun with nights, column 3 is heat,
    column 4 is a wind in m/s, column 5 an outdoor temperature.
    """
    rng = np.random.default_rng(seed)
    value = rng.uniform(0.1, 1.0, (rows, COLUMNS))
    value[:, 2] *= np.maximum(np.sin(2 * np.pi * (np.arange(rows) / 96 - 0.25)), 0.0)
    value[:, 4] *= 30.0
    value[:, 5] = 40.0 * value[:, 5] - 15.0
    return value


def fleet(kind: str, seed: int) -> DeviceFleet:
    rng = np.random.default_rng([seed, 99])
    ids = tuple(f"{kind}/{i}" for i in range(N))
    node = rng.integers(0, 4, N)

    def draw(low: float, high: float) -> Floats:
        return rng.uniform(low, high, N)

    column = rng.integers(0, 2, N)
    sun = np.full(N, 2)
    made: dict[str, DeviceFleet] = {
        "load": LoadFleet(ids, node, draw(0, 5), draw(-1, 2), column, column),
        "sheddable": SheddableFleet(ids, node, draw(0.1, 5), draw(0, 2), column, column, draw(5, 20)),
        "pv": PvFleet(ids, node, draw(1, 20), draw(1, 20), sun, rng.random(N) < 0.5),
        "generator": GeneratorFleet(ids, node, draw(1, 20), draw(1, 20), column, ("wind",) * N),
        "battery": BatteryFleet(
            ids, node, draw(1, 20), draw(0.5, 9), draw(0.5, 9), draw(0.7, 1), draw(0.7, 1), draw(0, 1), draw(0, 0.1)
        ),
        "heat_pump": HeatPumpFleet(
            ids, node, draw(1, 6), rng.choice([-1, 3], N), draw(1, 9), draw(2, 4), draw(0.5, 9), draw(0.5, 3)
        ),
        "dispatchable": DispatchableFleet(ids, node, draw(1, 50), draw(0, 90), draw(0, 0.2), ("biomass",) * N),
        "wind": WindFleet(
            ids,
            node,
            draw(1, 50),
            draw(1, 50),
            np.full(N, 4),
            draw(10, 80),
            draw(20, 140),
            draw(0, 0.4),
            draw(2, 4),
            draw(9, 15),
            draw(18, 30),
            draw(1, 1.3),
            rng.random(N) < 0.5,
        ),
        "hydro": HydroFleet(
            ids,
            node,
            draw(5, 50),
            draw(2, 50),
            draw(0.6, 0.95),
            draw(0, 3000),
            draw(0, 1),
            rng.choice([-1, 0, 1], N),
            draw(0, 0.3),
            draw(0, 0.1) * rng.choice([0.0, 1.0], N),
        ),
        "building": BuildingFleet(
            ids,
            node,
            draw(1, 8),
            draw(0.05, 0.4),
            draw(2, 30),
            draw(17, 21),
            draw(0.5, 4),
            tuple(rng.choice(["air", "ground"], N)),
            tuple(rng.choice(["floor", "radiator"], N)),
            np.full(N, 5),
            rng.choice([-1, 2], N),
            draw(0, 5),
            draw(0, 1),
        ),
        # each the end in one cell of a point whose other end is elsewhere
        "soft_open_point": SoftOpenPointFleet(ids, node, ids, draw(1, 50), draw(0, 0.1), rng.choice([-1.0, 1.0], N)),
        "appliance": machines(ids, node, rng),
        "v2g": two_ways(ids, node, draw(3, 22), rng),
        "ev_charger": chargers(ids, node, draw(3, 22), rng),
        "tap_changer": TapChangerFleet(
            ids,
            node,
            ids,
            np.arange(N),
            np.zeros(N),
            np.full(N, -9.0),
            np.full(N, 9.0),
            np.zeros(N),
            np.full(N, 0.015),
            rng.choice([-1.0, 1.0], N),
            draw(0.97, 1.03),
            draw(0.008, 0.03),
            draw(10, 900),
        ),
        "switched_capacitor": SwitchedCapacitorFleet(
            ids,
            node,
            draw(5, 300),
            np.full(N, 3.0),
            rng.integers(0, 4, N).astype(float),
            draw(0.93, 0.99),
            draw(1.0, 1.06),
            draw(10, 900),
        ),
    }
    return made[kind]


def chargers(ids: tuple[str, ...], node: np.ndarray, p_kw: Floats, rng: np.random.Generator) -> EvChargerFleet:
    device, start, end, kwh = [], [], [], []
    for i in range(N):
        row = int(rng.integers(0, 12))
        for _ in range(int(rng.integers(0, 8))):
            length = int(rng.integers(1, 20))
            device.append(i)
            start.append(row)
            end.append(row + length)
            kwh.append(rng.uniform(0.05, 1.2) * p_kw[i] * length / 4)
            row += length + int(rng.integers(0, 12))
    whole = (np.array(x, dtype=np.int64) for x in (device, start, end))
    return EvChargerFleet(ids, node, p_kw, *whole, np.array(kwh))


def two_ways(ids: tuple[str, ...], node: np.ndarray, p_kw: Floats, rng: np.random.Generator) -> V2gFleet:
    one = chargers(ids, node, p_kw, rng)
    e_kwh = rng.uniform(10, 80, N)
    count = len(one.session_kwh)
    soc = rng.uniform(0, 1, count)
    kwh = np.minimum(one.session_kwh, (1.0 - soc) * e_kwh[one.session_device]) * rng.choice([0.0, 1.0], count)
    return V2gFleet(
        ids,
        node,
        p_kw,
        p_kw * rng.choice([0.0, 0.5, 1.0], N),
        e_kwh,
        rng.uniform(0.8, 1, N),
        rng.uniform(0.8, 1, N),
        rng.uniform(0, 0.5, N),
        rng.uniform(0, 0.1, N),
        one.session_device,
        one.session_start,
        one.session_end,
        kwh,
        soc,
    )


def machines(ids: tuple[str, ...], node: np.ndarray, rng: np.random.Generator) -> ApplianceFleet:
    length = rng.integers(1, 12, N)
    run_kw = rng.uniform(0.1, 3.0, (N, int(length.max())))
    run_kw[np.arange(run_kw.shape[1]) >= length[:, None]] = 0.0
    return ApplianceFleet(ids, node, run_kw, length, rng.integers(0, 96, N), rng.integers(0, 60, N))
