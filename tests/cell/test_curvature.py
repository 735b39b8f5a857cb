"""The curvature of losses that a plan sees: never too small, told by two numbers per interval and tie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from stands import Stand, stand

from archipel.cell.curvature import LEAST_EUR_PER_KWH, SHARE, bend, reach
from archipel.model import Floats


def stiffness(at: Stand, worth: float = 1.0, above: float = 0.0) -> tuple[Floats, Floats]:
    t_count = len(at.what.horizon)
    below = np.full((len(at.site.children), 2, t_count), 50.0)
    told = np.full((2, t_count), above)
    return bend(at.site, at.what, at.point.flow, below, told, np.full(t_count, worth))


@pytest.mark.parametrize("cell", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_the_whole_bound_is_never_less_than_the_curvature_of_losses(cell: int, seed: int) -> None:
    at = stand(cell, seed=seed)
    rng = np.random.default_rng(seed)
    move = 0.2 * rng.uniform(-1.0, 1.0, at.what.lo.shape) * (at.what.hi - at.what.lo)
    point = at.point

    def losses(u: Floats) -> Floats:
        return at.flow(u, point.child_pq, point.v_pu).losses_kw

    # what the change of voltages adds to the quadratic form is a few percent of it
    curved = losses(point.u + move) + losses(point.u - move) - 2.0 * losses(point.u)
    bound = (stiffness(at)[0] / SHARE * move**2).sum(axis=0)
    assert (curved <= 1.05 * bound + 1e-9).all()


def test_the_bound_is_near_the_curvature_where_every_control_moves_as_far_as_it_can() -> None:
    at = stand(2)
    # all controls of one kind at one node: the bound of a form of rank one
    kept = np.flatnonzero((at.what.node == at.what.node[0]) & (at.what.q == 0.0) & (at.what.p == at.what.p[0]))
    move = np.zeros_like(at.what.lo)
    move[kept] = 0.1 * (at.what.hi - at.what.lo)[kept]
    moving = np.where(move > 0.0, 10.0 * move, 0.0)

    def losses(u: Floats) -> Floats:
        return at.flow(u, at.point.child_pq, at.point.v_pu).losses_kw

    alone = replace(at, what=replace(at.what, lo=np.zeros_like(moving), hi=moving))
    curved = losses(at.point.u + move) + losses(at.point.u - move) - 2.0 * losses(at.point.u)
    bound = (stiffness(alone)[0] / SHARE * move**2).sum(axis=0)
    some = curved > 1e-6
    assert some.any()
    # the quadratic form holds voltages where they are; here they move by up to a tenth of nominal
    assert (bound[some] >= 0.97 * curved[some]).all()
    assert (bound[some] <= 1.35 * curved[some]).all()


def test_what_moves_below_bends_a_cells_controls_and_what_bends_above_bends_all_below() -> None:
    at = stand(1)
    free, told = stiffness(at, above=0.0)
    bent, told_more = stiffness(at, above=0.5)
    span = np.maximum(at.what.hi - at.what.lo, 1e-2)
    np.testing.assert_allclose(
        bent - free, SHARE * 0.5 * (np.abs(at.what.p) + np.abs(at.what.q))[:, None] / span, rtol=1e-9
    )
    np.testing.assert_allclose(told_more - told, 0.5, rtol=1e-9)


def test_reach_adds_up_own_ranges_and_those_below() -> None:
    at = stand(1)
    t_count = len(at.what.horizon)
    below = np.full((1, 2, t_count), 7.0)
    span = at.what.hi - at.what.lo
    expected = 7.0 + np.stack([np.abs(at.what.p) @ span, np.abs(at.what.q) @ span])
    np.testing.assert_allclose(reach(at.what, below), expected)


def test_where_energy_is_worth_nothing_a_little_stiffness_is_left() -> None:
    at = stand(2)
    least = stiffness(at, worth=LEAST_EUR_PER_KWH * float(at.what.horizon.dt_h.min()))[0]
    assert (stiffness(at, worth=-1.0)[0] >= least * (1.0 - 1e-12)).all()
    assert (least >= 0.0).all()
    assert least.any()
