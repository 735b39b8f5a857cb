"""Vertices of what the members of `vpp` publish, disaggregated, held against every device and AC power flow.

    python -m benchmarks.vertices [COUNT] [HOURS_EACH]

Operating envelopes of the day are split over the devices; members narrow their plans to them and publish 24 hours. A
vertex is the optimum over the sum of all members for a direction drawn by seed 1: a third noise, a third one sign per
block of hours, a third a single hour. Each is disaggregated by every member's key, checked against the bounds of every
device in all hours, and run through AC power flow in HOURS_EACH of its hours, with load of one of the four quarter
hours, other devices anywhere inside their own limits, inverters on their curve, on part of it or off it.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from archipel.devices.base import Plan
from archipel.forecasting.perfect import perfect
from archipel.formats.scenario import load_scenario
from archipel.model import Floats, Horizon, Scenario
from archipel.vpp.behind import devices_behind, split
from archipel.vpp.combine import combine
from archipel.vpp.envelope_trial import trial
from archipel.vpp.envelopes import EnvelopeMaker
from archipel.vpp.optimum import contains
from archipel.vpp.publish import Key, column_powers, disaggregate, publish
from archipel.vpp.within import within
from archipel.vpp.worth import best_uses

STEPS = 4
CHUNK = 400


def members(
    scenario: Scenario, horizon: Horizon, row: int, limits: dict[int, tuple[Floats, Floats]]
) -> tuple[list[list[Plan]], list[Key]]:
    """Plans and keys of every contract."""
    weather = perfect(scenario.profiles, row, 96)
    all_plans, keys = [], []
    for number, contract in enumerate(scenario.ownership.contracts):
        plans, offset = [], 0
        for fleet in scenario.fleets:
            count = len(fleet.id)
            rows = np.flatnonzero(scenario.ownership.device_contract[offset : offset + count] == number)
            if len(rows) and fleet.kind != "load":
                plan = fleet.plan(rows, fleet.initial(row), weather, horizon, scenario.tariff)  # type: ignore[attr-defined]
                draws, gives = (np.stack([limits[offset + i][side] for i in rows.tolist()]) for side in (0, 1))
                plans.append(within(plan, draws, gives))
            offset += count
        all_plans.append(plans)
        keys.append(publish(contract.id, plans, horizon)[1])
    return all_plans, keys


def directions(count: int, t_count: int, rng: np.random.Generator) -> Floats:
    """Shape (count, T)."""
    out = rng.normal(size=(count, t_count))
    kind = np.arange(count) % 3
    blocks = np.sign(rng.normal(size=(count, 4))).repeat(-(-t_count // 4), axis=1)[:, :t_count]
    out[kind == 1] = blocks[kind == 1] + 1e-3 * out[kind == 1]
    single = 1e-3 * out
    single[np.arange(count), rng.integers(0, t_count, count)] += rng.choice([-1.0, 1.0], count)
    out[kind == 2] = single[kind == 2]
    return out


def beyond(plan: Plan, u: Floats, rest: Floats) -> float:
    """Most by which controls or stores leave their bounds; where the baseline itself does, beyond the baseline."""
    columns = plan.columns
    if not len(columns):
        return 0.0
    out = max(float((columns.lo - u).max()), float((u - columns.hi).max()))
    if columns.store is not None:
        level, held = columns.store_of(u), columns.store_of(rest)
        low, high = np.minimum(columns.store.lo, held), np.maximum(columns.store.hi, held)
        out = max(out, float((low - level).max()), float((level - high).max()))
    return out


def main(count: int = 10_000, hours_each: int = 3) -> None:
    rng = np.random.default_rng(1)
    scenario = load_scenario("vpp")
    row = scenario.profiles.row(scenario.start)
    horizon = Horizon(scenario.start, np.full(96 // STEPS, STEPS))
    t_count = len(horizon)
    maker = EnvelopeMaker(scenario)
    weather = perfect(scenario.profiles, row, 96)
    envelopes, loads = maker.make(weather, hold=STEPS), maker.loads(weather)
    devices = devices_behind(scenario, envelopes)
    shares = split(envelopes, devices)
    # One limit per hour: with `hold` all four quarter hours have the same.
    hourly = [limit.reshape(len(limit), t_count, -1).min(axis=2) for limit in (shares.import_kw, shares.export_kw)]
    limits = {int(r): (hourly[0][i], hourly[1][i]) for i, r in enumerate(devices.row)}
    plans, keys = members(scenario, horizon, row, limits)
    flexibility = combine("kombi-1", [key.flexibility for key in keys])
    owned = scenario.ownership.device_contract[devices.row] >= 0
    rest = [disaggregate(key, np.zeros((key.flexibility.stores, t_count))) for key in keys]
    point = {int(node): i for i, node in enumerate(maker.points.node)}
    n = len(maker.points)

    broken_devices, worst = 0, 0.0
    powers: list[list[Floats]] = [[] for _ in range(t_count)]
    begun = time.process_time()
    for uses in best_uses(flexibility, directions(count, t_count, rng)):
        assert contains(flexibility, uses)
        at, drawn, most = 0, np.zeros((n, t_count)), 0.0
        for own, key, still in zip(plans, keys, rest, strict=True):
            change = uses[at : at + key.flexibility.stores]
            at += key.flexibility.stores
            for plan, u, was, p_kw in zip(
                own, disaggregate(key, change), still, column_powers(key, change), strict=True
            ):
                most = max(most, beyond(plan, u, was))
                np.add.at(drawn, [point[int(x)] for x in plan.columns.node], p_kw)
        worst, broken_devices = max(worst, most), broken_devices + (most > 1e-6)
        for t in rng.choice(t_count, hours_each, replace=False):
            powers[t].append(drawn[:, t])
    solved_s = time.process_time() - begun

    flows = broken_flows = 0
    near = np.full(4, -np.inf)
    for t, some in enumerate(powers):
        if not some:
            continue
        p_kw = np.stack(some, axis=1)
        others = rng.random((int((~owned).sum()), p_kw.shape[1]))
        draws, gives = (limit[~owned, t, None] for limit in hourly)
        np.add.at(p_kw, devices.point[~owned], draws - others * (draws + gives))
        for first in range(0, p_kw.shape[1], CHUNK):
            part = p_kw[:, first : first + CHUNK]
            done = trial(maker.wires, part, loads, STEPS * t + int(rng.integers(STEPS)), rng)
            flows, broken_flows = flows + part.shape[1], broken_flows + done.violations
            tops = [done.v_high_pu.max(), done.v_low_pu.max(), done.loading.max(), done.firm_kw.max()]
            near = np.maximum(near, tops)
    print(
        json.dumps(
            {
                "figure": "vertices", "vertices": count, "stores": flexibility.stores, "hours": t_count,
                "device_bounds_broken": int(broken_devices), "worst_beyond": float(worst),
                "power_flows": flows, "network_limits_broken": int(broken_flows),
                "v_high_pu": round(float(near[0]), 5), "v_low_pu": round(float(near[1]), 5),
                "loading": round(float(near[2]), 4), "firm_kw": round(float(near[3]), 1),
                "optima_s": round(solved_s, 1), "cpu_s": round(time.process_time(), 1),
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main(*(int(x) for x in sys.argv[1:]))
