"""Soft open points between low-voltage cells of the district, agreed on, carried out and checked by AC power flow."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from archipel.coordination.methods import METHODS
from archipel.devices import SoftOpenPointFleet
from archipel.formats.scenario import load_scenario
from archipel.model import Scenario, StrategyResult
from archipel.report.folder import RunWriter
from archipel.report.html import report
from archipel.report.kpis import kpis
from archipel.report.payments import PARTS, local_payments
from archipel.report.run import load_run
from archipel.strategies.alone import Alone
from archipel.strategies.central import Central
from archipel.strategies.distributed import Distributed
from archipel.twin import run

NOON = datetime(2016, 6, 9, 10, tzinfo=UTC)
STEPS = 8
PAIRS = (("LV3.304", "LV3.305"), ("LV4.335", "LV3.306"))
"""The first two and the last two lie in different feeders: the substation decides."""


def joined(district: Scenario) -> Scenario:
    cells = district.archipelago
    ends = [(f"s{k}", name, sign) for k, pair in enumerate(PAIRS) for name, sign in zip(pair, (1.0, -1.0), strict=True)]
    inside = [np.flatnonzero(cells.node_cell == cells.index(name)) for _, name, _ in ends]
    fleet = SoftOpenPointFleet(
        tuple(f"{point}/{'from' if sign > 0 else 'to'}" for point, _, sign in ends),
        np.array([nodes[len(nodes) // 2] for nodes in inside]),
        tuple(point for point, *_ in ends),
        np.full(len(ends), 100.0),
        np.full(len(ends), 0.02),
        np.array([sign for *_, sign in ends]),
    )
    return replace(district, fleets=(*district.fleets, fleet))


@pytest.fixture(scope="module")
def district() -> Scenario:
    return load_scenario("district")


def agreed(case: Scenario, steps: int = STEPS, method: str = "auto", start: datetime = NOON) -> StrategyResult:
    strategy = Distributed(case, workers=1, gaps=steps == 1, method=METHODS[method])
    try:
        return run(case, strategy, start=start, steps=steps)
    finally:
        strategy.close()


def test_cells_that_help_each_other_out_curtail_less_keep_every_limit_and_need_no_more_rounds(
    district: Scenario,
) -> None:
    case = joined(district)
    with_points, without = agreed(case), agreed(district)
    figures, before = kpis(case, with_points), kpis(district, without)
    assert figures["curtailed_kwh"] < 0.5 * before["curtailed_kwh"]
    for name in ("voltage_violation_node_h", "branch_overload_h", "connection_violation_h"):
        assert figures[name] == 0.0
    ends = with_points.p_kw[-2 * len(PAIRS) :]
    assert np.abs(ends).max() > 90.0
    lost = ends.reshape(len(PAIRS), 2, -1).sum(axis=1)
    assert (lost >= -1e-5).all()
    assert (lost <= 0.02 * 100.0 + 1e-5).all()
    for ours, plain in zip(with_points.agreements, without.agreements, strict=True):
        assert ours["accepted"]
        assert ours["rounds"] <= plain["rounds"] + 3
        assert ours["cost_eur"] < plain["cost_eur"] - 5.0


def test_one_plan_with_soft_open_points_costs_as_much_as_the_central_one(district: Scenario) -> None:
    (gap,) = agreed(joined(district), steps=1, start=datetime(2016, 6, 9, tzinfo=UTC)).gaps
    assert -1e-6 <= (gap["distributed"] - gap["central"]) / gap["gross_eur"] <= 2e-4


def test_central_moves_what_agreement_moves(district: Scenario) -> None:
    case = joined(district)
    ours, best = agreed(case, steps=4), run(case, Central(case), start=NOON, steps=4)
    np.testing.assert_allclose(ours.p_kw[-4:], best.p_kw[-4:], atol=2.0)


def test_soft_open_points_stay_open_when_cells_are_alone_or_agree_the_robust_way(district: Scenario) -> None:
    case = joined(district)
    for result in (run(case, Alone(case), start=NOON, steps=1), agreed(case, steps=1, method="robust")):
        assert (result.p_kw[-2 * len(PAIRS) :] == 0.0).all()


def test_the_report_says_what_points_moved_and_owners_earn_what_prices_differ_by(
    district: Scenario, tmp_path: Path
) -> None:
    case = joined(district)
    with RunWriter(tmp_path, case, start=NOON, days=1, forecast="perfect", seed=1) as writer:
        writer.add(agreed(case, 4))
    run_ = load_run(writer.path, case)
    found = local_payments(run_, "distributed", case)
    assert abs(found["soft_open_points"].sum()) < 1e-9
    assert found["local"].sum() == pytest.approx(found["one_price"].sum(), abs=1e-6)
    assert found["soft_open_points"][-1] < -0.1  # what owners pay: they earn
    np.testing.assert_allclose(found["one_price"] + sum(found[part] for part in PARTS), found["local"], atol=1e-6)
    page = report(run_)
    assert "Soft open points" in page
    assert "owners of soft open points" in page
