from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from cell_process import Post
from small_scenario import scenario
from tests.devices.device_fleets import fleet as drawn
from tests.devices.device_fleets import profiles as series

from archipel.cell.parts import cut
from archipel.controller.agreeing import RootFacts
from archipel.controller.controller import CellController, Readings
from archipel.devices import KINDS, DispatchableFleet, SoftOpenPointFleet, Weather
from archipel.devices.select import select
from archipel.forecasting.perfect import perfect
from archipel.formats.scenario import load_scenario
from archipel.model import Horizon, Scenario, Tariff
from archipel.strategies.distributed import Distributed
from archipel.strategies.group import Group
from archipel.twin import run


def coarse_district() -> Scenario:
    """The district with four quarter hours and then five long intervals in a plan, for speed."""
    return dataclasses.replace(load_scenario("district"), near_steps=4, far_steps=20)


def facts(case: Scenario, now: datetime) -> dict[str, tuple[Any, ...]]:
    """What every cell is told, by cell."""
    parts = cut(case)
    row = case.profiles.row(now)
    horizon = Horizon.multi_rate(now, case.near_steps, case.far_steps)
    price = horizon.mean(case.price[row : row + 96])
    weather = perfect(case.profiles, row, 96)
    states = {fleet.kind: fleet.initial(row) for fleet in case.fleets}
    root = RootFacts(price, case.grid.source.v_pu, np.zeros(2))
    return {
        site.id: (site, 1, horizon, Readings(parts.states(i, states), weather, 1.02), None if i else root)
        for i, site in enumerate(parts.sites)
    }


def in_memory(told: dict[str, tuple[Any, ...]]) -> dict[str, CellController]:
    group = Group([CellController(site) for site, *_ in told.values()])
    horizon, root = next((h, r) for _, _, h, _, r in told.values() if r is not None)
    left = group.begin(1, horizon, {name: own[3] for name, own in told.items()}, root)
    assert left == []
    return group.by_id


@pytest.mark.parametrize(
    ("case", "now"),
    [("village", datetime(2016, 6, 8, 12, tzinfo=UTC)), ("district", datetime(2016, 6, 9, tzinfo=UTC))],
)
def test_cells_in_separate_processes_fed_by_bytes_alone_reach_the_same_schedules_bit_for_bit(
    case: str, now: datetime
) -> None:
    told = facts(scenario(pv_kw=90.0) if case == "village" else coarse_district(), now)
    apart = Post(told).run()
    together = in_memory(told)
    assert set(apart) == set(together)
    for name, (u, boundary, price) in apart.items():
        agreed = together[name].agreed
        assert agreed is not None
        assert u.tobytes() == agreed.u.tobytes(), name
        assert boundary.tobytes() == agreed.boundary.tobytes(), name
        assert price.tobytes() == agreed.price.tobytes(), name


def test_a_cell_is_told_of_its_own_devices_and_nodes_only() -> None:
    case = load_scenario("district")
    parts = cut(case)
    for i, site in enumerate(parts.sites):
        assert set(np.flatnonzero(case.archipelago.node_cell == i)) == set(site.network.nodes)
        ids = {device for fleet in site.fleets for device in fleet.id}
        assert ids == {d for d, c in zip(case.device_id, case.device_cell, strict=True) if c == i}
        assert len(site.node_id) == len(site.network.nodes)
        assert (site.connection is None) == (i > 0)


def test_one_process_or_two_share_the_cells_with_the_same_result_bit_for_bit() -> None:
    case = coarse_district()
    results = []
    for workers in (1, 2):
        strategy = Distributed(case, workers=workers, gaps=False)
        try:
            results.append(run(case, strategy, start=datetime(2016, 6, 9, 3, tzinfo=UTC), steps=6))
        finally:
            strategy.close()
    one, two = results
    assert len(one.agreements) == 2
    for name in ("p_kw", "q_kvar", "soc", "v_pu", "loading", "tie_p_kw", "tie_agreed_kw", "tie_price"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes(), name
    for a, b in zip(one.agreements, two.agreements, strict=True):
        assert repr(a) == repr(b)


def with_every_kind(village: Scenario) -> Scenario:
    """The village with a soft open point between feeder and houses, and a biogas plant."""
    two = np.ones(2)
    ids, node, sign = ("p/from", "p/to"), np.array([1, 5]), np.array([1.0, -1.0])
    point = SoftOpenPointFleet(ids, node, ("p", "p"), 20.0 * two, 0.02 * two, sign)
    one = np.ones(1)
    plant = DispatchableFleet(("gas/0",), np.array([4]), 6.0 * one, 50.0 * one, 0.08 * one, ("biogas",))
    return dataclasses.replace(village, fleets=(*village.fleets, point, plant))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["village", "district"])
def test_a_cells_own_devices_plan_as_they_would_inside_the_whole_fleet(kind: str, name: str) -> None:
    case = with_every_kind(scenario()) if name == "village" else load_scenario("district")
    fleet = next((f for f in case.fleets if f.kind == kind), None)
    start = datetime(2016, 6, 8, 17, 30, tzinfo=UTC)
    row = case.profiles.row(start)
    weather = perfect(case.profiles, row, 96)
    if fleet is None and name == "district":
        return  # it has no devices of this kind; the village has them all
    if fleet is None:
        fleet, weather = drawn(kind, 3), Weather(row, series(3)[:96], perfect=True)
    horizon = Horizon.multi_rate(start, 8, 4)
    tariff = Tariff()
    state = fleet.initial(row)
    cells = case.archipelago.node_cell[fleet.node]
    found = 0
    for cell in np.unique(cells):
        rows = np.flatnonzero(cells == cell)
        own = select(fleet, rows)
        part = own.state_of(state)
        a = fleet.plan(rows, state, weather, horizon, tariff)
        b = own.fleet.plan(np.arange(len(rows)), part, weather, horizon, tariff)
        for field in ("base_p_kw", "base_q_kvar", "column_of"):
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
        assert a.columns.device == b.columns.device
        for field in ("node", "p", "q", "lo", "hi", "cost", "quad"):
            np.testing.assert_array_equal(getattr(a.columns, field), getattr(b.columns, field))
        assert (a.columns.store is None) == (b.columns.store is None)
        if a.columns.store is not None and b.columns.store is not None:
            for field in ("keep", "gain", "add", "start", "lo", "hi", "price"):
                np.testing.assert_array_equal(getattr(a.columns.store, field), getattr(b.columns.store, field))
        u = a.columns.lo + 0.4 * (a.columns.hi - a.columns.lo)
        for x, y in zip(
            fleet.setpoints(rows, state, a, u, 0, start),
            own.fleet.setpoints(np.arange(len(rows)), part, b, u, 0, start),
            strict=True,
        ):
            np.testing.assert_array_equal(x, y)
        found += len(a.columns)
    assert found > 0 or kind in {"load", "generator", "tap_changer", "switched_capacitor"}
