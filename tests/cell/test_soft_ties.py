"""Soft open points in cells: who knows of them, and what they do to a linear problem."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from small_scenario import scenario

from archipel.cell.linear import Memory, Point, linearise
from archipel.cell.parts import Parts, cut
from archipel.cell.site import Duty, Site, duty, flow
from archipel.cell.soft_ties import follow
from archipel.controller.absent import taking_part
from archipel.devices import SoftOpenPointFleet
from archipel.forecasting.perfect import perfect
from archipel.model import Floats, Horizon
from archipel.optimisation.block import at_rest, fold

NOON = datetime(2016, 6, 8, 12, tzinfo=UTC)
HORIZON = Horizon(NOON, np.array([1] * 8 + [4] * 4))
T = len(HORIZON)


def with_point(first: int, second: int, p_kw_max: float = 40.0) -> Parts:
    """The small scenario (root, feeder, low voltage) with a soft open point between nodes of two cells."""
    made = scenario(pv_kw=90.0)
    cells = made.archipelago.node_cell
    node = np.array([np.flatnonzero(cells == cell)[-1] for cell in (first, second)])
    two = np.ones(2)
    fleet = SoftOpenPointFleet(("p/from", "p/to"), node, ("p", "p"), p_kw_max * two, 0.02 * two, np.array([1.0, -1.0]))
    return cut(replace(made, fleets=(*made.fleets, fleet)))


def at_work(parts: Parts, cell: int) -> tuple[Site, Duty]:
    site, row = parts.sites[cell], parts.scenario.profiles.row(NOON)
    states = {fleet.kind: fleet.initial(row) for fleet in parts.scenario.fleets}
    weather = perfect(parts.scenario.profiles, row, int(HORIZON.steps.sum()))
    return site, duty(site, parts.states(cell, states), weather, HORIZON)


def test_the_lowest_cell_above_both_ends_decides_and_every_cell_on_the_way_hands_down() -> None:
    root, feeder, low = (site.ties for site in with_point(0, 2).sites)
    assert (root.decides, feeder.decides, low.decides) == (("p",), (), ())
    assert (root.above, feeder.above, low.above) == ((), ("p",), ("p",))
    sites = with_point(0, 2).sites
    assert [site.ties.hands_down(site.children) for site in sites] == [((0,),), ((0,),), ()]


def test_a_point_with_both_ends_in_one_cell_is_that_cells_own_affair() -> None:
    parts = with_point(2, 2)
    assert [site.ties.every for site in parts.sites] == [(), (), ("p",)]


@pytest.mark.parametrize(("first", "second", "cell"), [(0, 2, 2), (1, 2, 1), (1, 2, 2), (0, 1, 0), (2, 2, 2)])
def test_a_linear_problem_says_what_moving_power_does_by_ac_power_flow(first: int, second: int, cell: int) -> None:
    parts = with_point(first, second)
    site, what = at_work(parts, cell)
    rng = np.random.default_rng(3)
    child_pq = rng.uniform(-60.0, 20.0, (len(site.children), 2, T)) * np.array([1.0, 0.2])[None, :, None]
    v = np.full(T, 1.02)

    def at(moved_kw: Floats) -> Floats:
        u = what.idle()
        if site.ties.decides:
            u[-1] = moved_kw
        return follow(what, site.ties, u, None if site.ties.decides else moved_kw[None])

    here = rng.uniform(-20.0, 20.0, T)
    u = at(here)
    before = flow(site, what, u, child_pq, v, None)
    block = linearise(site, what, Point(u, child_pq, v, before), Memory(), np.zeros(2) if not cell else None)

    def told(moved_kw: Floats) -> Floats:
        # ends stand still in the problem, whatever is written for them
        x = what.idle()
        if site.ties.decides:
            x[-1] = moved_kw
        above = np.zeros((0, T)) if site.ties.decides else moved_kw[None]
        y = block.outputs.value(x, block.levels.lo, child_pq, v, above)
        return np.asarray(y[: 2 * T])

    np.testing.assert_allclose(told(here)[:T], before.p_b_kw, atol=1e-6)
    step = rng.uniform(-2.0, 2.0, T)
    after = flow(site, what, at(here + step), child_pq, v, None)
    change = told(here + step)[:T] - told(here)[:T]
    np.testing.assert_allclose(change, after.p_b_kw - before.p_b_kw, atol=2e-3 * np.abs(step).max())
    if first != second:
        assert np.abs(change).max() > 0.5


def test_fees_on_own_import_count_what_a_soft_open_point_brings() -> None:
    parts = with_point(1, 2)
    site, what = at_work(parts, 2)
    u, v = what.idle(), np.full(T, 1.02)
    none = np.zeros((0, 2, T))
    block = linearise(site, what, Point(u, none, v, flow(site, what, u, none, v, None)), Memory(), None)
    fees = [r for r, (name, _) in enumerate(block.hinges.label) if name == "fee on own import"]
    assert len(fees) == T
    brings = np.full((1, T), 10.0)  # the lower cell is at `to`
    rest, moved = (block.outputs.value(u, block.levels.lo, none, v, kw * brings) for kw in (0.0, 1.0))
    own = (moved - rest)[2 * T : 2 * T + len(block.hinges.bound)][fees]
    boundary = (moved - rest)[:T]
    np.testing.assert_allclose(boundary, -10.0, atol=3.0)  # less comes in over the tie
    np.testing.assert_allclose(own, boundary + 10.0, atol=0.1)  # but no less from outside


def test_nothing_is_moved_by_way_of_a_cell_that_takes_no_part() -> None:
    parts = with_point(0, 2)
    root, what = taking_part(parts.sites[0], ()), at_work(parts, 0)[1]
    assert root.ties.blocked == {"p"}
    assert (root.ties.columns(HORIZON, 0).hi == 0.0).all()
    feeder = taking_part(parts.sites[1], ())
    _, what = at_work(parts, 1)
    u, v, none = what.idle(), np.full(T, 1.02), np.zeros((0, 2, T))
    block = linearise(feeder, what, Point(u, none, v, flow(feeder, what, u, none, v, None)), Memory(), None)
    assert sum(name == "soft open point blocked" for name, _ in block.hinges.label) == 2 * T

    def cost(kw: float) -> float:
        y = block.outputs.value(u, block.levels.lo, none, v, np.full((1, T), kw))
        return block.own_cost(u, block.levels.lo, y[2 * T : 2 * T + len(block.hinges.bound)])

    assert min(cost(1.0), cost(-1.0)) > cost(0.0) + 10.0


def test_a_cell_on_its_own_leaves_its_points_open() -> None:
    parts = with_point(2, 2)
    site, what = at_work(parts, 2)
    u, v, none = what.idle(), np.full(T, 1.02), np.zeros((0, 2, T))
    block = linearise(site, what, Point(u, none, v, flow(site, what, u, none, v, None)), Memory(), None)
    assert block.hi[block.decides[0]].max() == 40.0
    for alone in (at_rest(block), fold(block, none)):
        assert alone.hi[block.decides[0]].max() == alone.lo[block.decides[0]].min() == 0.0
        assert alone.outputs.on_tie.shape[1] == 0
