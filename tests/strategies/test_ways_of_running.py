from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest
from small_scenario import scenario

from archipel.cell.parts import cut
from archipel.formats.scenario import load_scenario
from archipel.grid.power_flow import PowerFlow
from archipel.model import Connection, Scenario, StrategyResult
from archipel.report.kpis import kpis
from archipel.strategies.alone import Alone
from archipel.strategies.central import Central
from archipel.strategies.distributed import Distributed
from archipel.strategies.limits import fixed_limits
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.strategies.whole import children_of
from archipel.twin import run

NOON = datetime(2016, 6, 9, 10, tzinfo=UTC)
STEPS = 8


@pytest.fixture(scope="module")
def district() -> Scenario:
    return load_scenario("district")


@pytest.fixture(scope="module")
def agreed(district: Scenario) -> StrategyResult:
    strategy = Distributed(district, gaps=False)
    try:
        return run(district, strategy, start=NOON, steps=STEPS)
    finally:
        strategy.close()


def test_agreeing_keeps_every_limit_where_nobody_agreeing_does_not(district: Scenario, agreed: StrategyResult) -> None:
    figures = kpis(district, agreed)
    assert figures["voltage_violation_node_h"] == 0.0
    assert figures["branch_overload_h"] == 0.0
    assert figures["connection_violation_h"] == 0.0
    assert all(entry["accepted"] and entry["silent"] == [] for entry in agreed.agreements)
    free = kpis(district, run(district, Uncoordinated(district), start=NOON, steps=STEPS))
    assert free["branch_overload_h"] > 1.0
    assert free["worst_loading"] > 1.1 > figures["worst_loading"]


def test_what_was_agreed_at_every_tie_is_what_is_metered_there(district: Scenario, agreed: StrategyResult) -> None:
    closed = [i for i, tie in enumerate(district.archipelago.tie) if tie.closed]
    told = agreed.tie_agreed_kw[closed]
    assert np.isfinite(told).all()
    assert np.isfinite(agreed.tie_price[closed]).all()
    metered_above = -agreed.tie_p_kw[closed, 0]
    assert np.abs(told - metered_above).max() <= 0.1
    # both ends hold the very same number
    assert all(entry["residual_kw"] == 0.0 for entry in agreed.agreements)


def test_one_plan_costs_as_much_as_the_central_one(district: Scenario) -> None:
    strategy = Distributed(district, gaps=True)
    try:
        (gap,) = run(district, strategy, start=datetime(2016, 6, 9, tzinfo=UTC), steps=1).gaps
    finally:
        strategy.close()
    assert -1e-6 <= (gap["distributed"] - gap["central"]) / gap["gross_eur"] <= 2e-4
    assert gap["alone"] + gap["alone_limits_eur"] > gap["central"]


def test_central_and_distributed_run_the_same_day() -> None:
    case = scenario(pv_kw=90.0)
    start = datetime(2016, 6, 8, 12, tzinfo=UTC)
    ours = run(case, Distributed(case, workers=1, gaps=False), start=start, steps=8)
    best = run(case, Central(case), start=start, steps=8)
    assert ours.loading.max() <= 1.0
    assert best.loading.max() <= 1.0
    for a, b in zip(ours.agreements, best.agreements, strict=True):
        assert a["accepted"]
        assert b["accepted"]
    np.testing.assert_allclose(ours.upstream_p_kw, best.upstream_p_kw, atol=2.0)


@pytest.mark.parametrize("name", ["village", "district"])
def test_fixed_limits_are_safe_when_all_cells_sit_at_them_at_once(name: str, district: Scenario) -> None:
    case = scenario(pv_kw=90.0) if name == "village" else district
    parts = cut(case)
    limits = fixed_limits(parts)
    assert (limits.import_kw >= 0).all()
    assert (limits.export_kw >= 0).all()
    assert limits.export_kw.sum() > 0
    kids = children_of(parts)
    device_node, device_cell = case.device_node, case.device_cell
    device = np.arange(len(device_node))
    for sign, kw, firm in (
        (1.0, limits.import_kw, case.connection.import_kw_max),
        (-1.0, limits.export_kw, case.connection.export_kw_max),
    ):
        p = np.zeros(len(device))
        drop: list[tuple[int, float]] = []
        for i, site in enumerate(parts.sites):
            own = device[device_cell == i]
            if kids[i] and len(own):
                p[own] = sign * kw[i] / len(own)
            elif not kids[i]:
                drop.append((case.archipelago.tie[parts.tie_of[i]].upper_node, sign * kw[i]))
            else:
                assert not site.fleets
        node_p = np.bincount(device_node, weights=p, minlength=len(case.grid.nodes))
        for node, power in drop:
            node_p[node] += power
        flow = PowerFlow(case.grid).solve(node_p, np.zeros_like(node_p))
        for i, site in enumerate(parts.sites):
            if not kids[i]:
                continue
            v = flow.v_pu[site.network.nodes]
            live = v > 0
            assert (v[live] <= site.v_pu_max[live] + 2e-4).all()
            assert (v[live] >= site.v_pu_min[live] - 2e-4).all()
            assert (flow.loading[site.network.branches] <= 1.0 + 2e-3).all()
        assert abs(flow.upstream_p_kw) <= 1.002 * firm


@pytest.mark.parametrize("strategy", ["distributed", "central", "alone"])
def test_what_cannot_be_kept_gives_way_and_is_told_and_nothing_is_raised(strategy: str) -> None:
    case = dataclasses.replace(
        scenario(only=("load", "heat_pump")), connection=Connection(import_kw_max=1.0, export_kw_max=10.0)
    )
    made = {
        "distributed": lambda: Distributed(case, workers=1, gaps=False),
        "central": lambda: Central(case),
        "alone": lambda: Alone(case),
    }[strategy]()
    result = run(case, made, start=datetime(2016, 6, 8, 12, tzinfo=UTC), steps=4)
    (entry,) = result.agreements
    assert result.complete
    assert np.isfinite(result.p_kw).all()
    if strategy == "alone":  # a cell alone sees its own limit, which is below what it must draw
        assert any("import limit" in text for text in entry["given"])
        return
    assert not entry["accepted"]
    assert entry["excess_connection"] > 1.0
    if strategy == "distributed":
        assert any(text.startswith("import limit : ") and text.endswith("beyond") for text in entry["given"])
