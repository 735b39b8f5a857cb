from __future__ import annotations

import numpy as np
import pytest
from stands import Stand, stand

from archipel.cell.linear import COARSE, COARSE_ROUND, FINE, FINE_ROUND, PER_INTERVAL
from archipel.grid.cell_network import CellFlow
from archipel.model import Floats
from archipel.optimisation.block import Block

LEVELS = np.zeros(2)


def outputs(block: Block, u: Floats, child_pq: Floats, v_pu: Floats) -> Floats:
    level = LEVELS[: len(block.levels.lo)]
    return block.outputs.value(u, level, child_pq, v_pu)


def parts(block: Block, y: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """P, Q, hinges in physical units and the children's voltages."""
    t, hinges = block.intervals, len(block.hinges.bound)
    return y[:t], y[t : 2 * t], y[2 * t : 2 * t + hinges] * block.hinges.scale, y[2 * t + hinges :].reshape(-1, t)


def limits(block: Block) -> list[tuple[int, int, str, str]]:
    """(hinge, interval, what, element) of network limits."""
    t = block.outputs.t[2 * block.intervals :]
    wanted = ("loading", "voltage high", "voltage low")
    return [(r, int(t[r]), *label) for r, label in enumerate(block.hinges.label) if label[0] in wanted]


def true_value(s: Stand, flow: CellFlow, what: str, element: str, t: int) -> float:
    if what == "loading":
        return float(flow.loading[s.site.branch_id.index(element), t])
    v = float(np.abs(flow.v[s.site.node_id.index(element), t]))
    return v if what == "voltage high" else -v


@pytest.mark.parametrize("cell", [0, 1, 2])
def test_the_linear_problem_is_exact_at_its_operating_point(cell: int) -> None:
    s = stand(cell)
    block, flow = s.block(), s.point.flow
    p, q, hinges, ports = parts(block, outputs(block, s.point.u, s.point.child_pq, s.point.v_pu))
    np.testing.assert_allclose(p, flow.p_b_kw, atol=1e-6)
    np.testing.assert_allclose(q, flow.q_b_kvar, atol=1e-6)
    np.testing.assert_allclose(ports, np.abs(flow.v[s.site.child_node]), atol=1e-9)
    share = {round(float(np.cos(a)), 6) for a in (*FINE, *COARSE, *FINE_ROUND, *COARSE_ROUND)}
    for r, t, what, element in limits(block):
        true = true_value(s, flow, what, element, t)
        if what == "loading":  # of the present current each direction sees its own part
            assert round(float(hinges[r]) / true, 6) in share
        else:
            assert hinges[r] == pytest.approx(true, abs=1e-9)


@pytest.mark.parametrize("cell", [1, 2])
def test_slopes_agree_with_differences_of_ac_power_flow(cell: int) -> None:
    s = stand(cell, u=stand(cell).inside(np.random.default_rng(3)))
    block = s.block()
    rng = np.random.default_rng(7)
    du = (s.inside(rng) - s.point.u) * 0.4
    dpq = rng.normal(0.0, 20.0, s.point.child_pq.shape)
    dv = rng.normal(0.0, 4e-3, s.point.v_pu.shape)
    wrong = {}
    for share in (0.25, 0.125):
        u, pq, v = s.point.u + share * du, s.point.child_pq + share * dpq, s.point.v_pu + share * dv
        flow = s.flow(u, pq, v)
        p, _, hinges, ports = parts(block, outputs(block, u, pq, v))
        volts = [
            (hinges[r], true_value(s, flow, what, element, t))
            for r, t, what, element in limits(block)
            if what[0] == "v"
        ]
        wrong[share] = np.array(
            [
                np.abs(p - flow.p_b_kw).max(),
                np.abs(ports - np.abs(flow.v[s.site.child_node])).max(initial=0.0),
                max((abs(a - b) for a, b in volts), default=0.0),
            ]
        )
        moved = np.abs(flow.p_b_kw - s.point.flow.p_b_kw).max()
        assert moved > 1.0
        assert wrong[share][0] < 0.02 * moved
        assert (wrong[share][1:] < 3e-4).all()
    # the boundary's own power is told as if the voltage there did not matter: that part is of first order, but tiny
    assert (wrong[0.125][1:] <= wrong[0.25][1:] / 3.0 + 1e-9).all()


@pytest.mark.parametrize("pv_kw", [90.0, 110.0])
def test_limits_on_current_never_cut_off_a_state_that_keeps_them(pv_kw: float) -> None:
    s = stand(2, pv_kw=pv_kw)
    s.memory.branch |= set(range(len(s.site.branch_id)))
    block = s.block()
    rng = np.random.default_rng(11)
    rows = [row for row in limits(block) if row[2] == "loading"]
    assert rows
    for _ in range(10):
        u = s.point.u + 0.15 * (s.inside(rng) - s.point.u)
        flow = s.flow(u, s.point.child_pq, s.point.v_pu)
        hinges = parts(block, outputs(block, u, s.point.child_pq, s.point.v_pu))[2]
        for r, t, what, element in rows:
            assert hinges[r] <= true_value(s, flow, what, element, t) + 2e-3


def test_a_corner_between_directions_beside_the_present_one_stays_within_the_margin() -> None:
    first, second = sorted(abs(a) for a in FINE)[:2]
    assert first == 0.0
    margin = 0.005
    assert (1.0 - margin) / np.cos(second / 2.0) <= 1.0
    for directions in (FINE, COARSE):
        assert 0.0 in directions
        assert {round(a, 9) for a in directions} >= {round(-a, 9) for a in directions if a < 3.0}


def test_what_is_furthest_beyond_a_limit_is_always_watched() -> None:
    s = stand(2, pv_kw=140.0)
    flow = s.point.flow
    assert (flow.loading.max(axis=0) > 1.0).any()
    watched = {(what, element, t) for _, t, what, element in limits(s.block())}
    for t in range(len(s.what.horizon)):
        order = np.argsort(-flow.loading[:, t], kind="stable")[:PER_INTERVAL]
        for b in order[flow.loading[order, t] > 1.0]:
            assert ("loading", s.site.branch_id[b], t) in watched
        v = np.abs(flow.v[:, t])
        n = int(np.argmax(v - s.site.v_pu_max))
        if v[n] > s.site.v_pu_max[n]:
            assert ("voltage high", s.site.node_id[n], t) in watched
    assert any(what == "voltage high" for what, *_ in watched)


def test_what_was_found_beyond_once_is_watched_in_every_interval() -> None:
    s = stand(2, pv_kw=140.0)
    branch = int(np.argsort(-s.point.flow.loading[:, 0], kind="stable")[PER_INTERVAL])  # the first that is left out
    element = s.site.branch_id[branch]
    before = {t for _, t, what, name in limits(s.block()) if (what, name) == ("loading", element)}
    s.memory.branch.add(branch)
    after = {t for _, t, what, name in limits(s.block()) if (what, name) == ("loading", element)}
    assert 0 not in before
    assert before | {0} <= after


def test_limits_that_nothing_here_can_reach_are_left_out() -> None:
    s = stand(2, pv_kw=1.0, v=1.0)
    s.memory.branch |= set(range(len(s.site.branch_id)))
    s.memory.high |= set(range(len(s.site.node_id)))
    assert limits(s.block()) == []


def test_only_the_root_has_limits_and_a_peak_at_its_boundary() -> None:
    names = [{label[0] for label in stand(cell).block().hinges.label} for cell in (0, 1, 2)]
    assert {"import limit", "export limit", "fee on import", "peak"} <= names[0]
    for below in names[1:]:
        assert not below & {"import limit", "export limit", "fee on import", "peak"}
        assert "fee on own import" in below


def test_every_hinge_is_in_the_power_of_what_moves_it_most() -> None:
    block = stand(2).block()
    out = block.outputs
    rows = 2 * block.intervals + np.array([r for r, *_ in limits(block)])
    reach = np.abs(np.concatenate([out.on_control, out.on_p], axis=1))[rows].max(axis=1)
    np.testing.assert_allclose(reach, 1.0)
    assert (block.hinges.price > 0).all()
    assert np.isfinite(out.offset).all()
