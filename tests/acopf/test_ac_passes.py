"""Plans against a central nonlinear optimum with exact AC physics, on published feeders with storage."""

from __future__ import annotations

import numpy as np
import pytest
from feeders import HOURLY, MULTI_RATE, NAMES, feeder, problem, ring_behind_a_tap
from nonlinear import central_optimum
from together import agree_together, truth, v2_residual

from archipel.cell.prices import node_prices
from archipel.controller.agreeing import Passes
from archipel.model import Horizon
from archipel.strategies.whole import settle_whole, stiffness_whole

SHARE_OF_COST = 1e-4
V2_PU2 = 1e-5
PRICE_EUR_PER_KWH = 2e-3


def check(scenario, horizon: Horizon, passes: int) -> None:
    parts, duties, root = problem(scenario, horizon)
    plans = agree_together(parts, duties, root, Passes(passes, precise=True))
    assert plans[0].accepted
    assert plans[0].passes <= passes
    assert v2_residual(parts, duties, plans) <= V2_PU2
    found = truth(parts, duties, root, [plan.u for plan in plans])
    assert found.beyond_v_pu <= 1e-6
    assert found.beyond_loading <= 1e-3
    assert found.beyond_kw <= 0.1
    best = central_optimum(parts, duties, root, [what.idle() for what in duties])
    assert best.binding["voltage"]
    assert best.binding["branch"]
    assert best.binding["connection"]
    assert abs(found.cost - best.cost) <= SHARE_OF_COST * best.cost
    # every node's prices of P and Q, found from linear problems, are the multipliers of the referee's power balances
    ours = np.full((2, len(scenario.grid.nodes), len(horizon)), np.nan)
    for site, what, plan in zip(parts.sites, duties, plans, strict=True):
        ours[:, site.network.nodes] = node_prices(site, what, plan.priced)
    apart = np.abs(ours[:, 1:] - best.price / horizon.dt_h)
    assert apart.max() <= PRICE_EUR_PER_KWH
    assert apart.mean() <= 0.1 * PRICE_EUR_PER_KWH
    # the referee's own plan costs what it says, by the cells' physics
    assert truth(parts, duties, root, best.u).cost == pytest.approx(best.cost, rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_three_passes_reach_the_nonlinear_optimum(name: str) -> None:
    check(feeder(name), HOURLY, 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_three_passes_reach_the_nonlinear_optimum_of_a_multi_rate_day(name: str) -> None:
    check(feeder(name), MULTI_RATE, 3)


def test_a_closed_ring_behind_a_tapped_transformer_is_planned_as_well() -> None:
    check(ring_behind_a_tap(), HOURLY, 4)


def test_the_cost_falls_with_every_pass() -> None:
    parts, duties, root = problem(feeder("baran_wu_33"))
    costs = []
    for passes in (1, 2, 3):
        plans = agree_together(parts, duties, root, Passes(passes, precise=True))
        costs.append(truth(parts, duties, root, [plan.u for plan in plans]).cost)
    assert costs == sorted(costs, reverse=True)
    assert np.diff(costs)[1] > 0.1 * np.diff(costs)[0]  # and less and less


def test_cutting_a_feeder_into_cells_changes_its_stiffness_by_little() -> None:
    merged = dict.fromkeys(("from3", "from11", "from26"), "root")
    found = []
    for scenario in (feeder("baran_wu_33"), feeder("baran_wu_33", merged=merged)):
        parts, duties, root = problem(scenario)
        state = settle_whole(parts, duties, [what.idle() for what in duties], None)
        stiff = stiffness_whole(parts, duties, state, root.price_eur_per_kwh)
        by_device = {}
        for what, each in zip(duties, stiff, strict=True):
            for (group, column, control), q, row in zip(what.order, what.q, each, strict=True):
                by_device[what.columns[group].device[column], control, q] = row
        found.append(by_device)
    cut_up, whole = found
    assert cut_up.keys() == whole.keys()
    ratio = np.array([cut_up[key] / whole[key] for key in whole])
    assert np.abs(ratio - 1.0).max() < 0.1
