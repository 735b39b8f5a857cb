"""A cell's own network against the whole network's power flow, and its derivatives against differences."""

import dataclasses

import numpy as np
import pytest
from grid_nets import archipelago, simbench, small_load, small_net, with_shunts
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.grid.cell_network import CellFlow, CellNetwork, cell_networks
from archipel.grid.power_flow import PowerFlow
from archipel.model import Archipelago, Diverged, Grid, GridError, Tie


def chained(
    grid: Grid, cells: Archipelago, p_kw: np.ndarray, q_kvar: np.ndarray
) -> tuple[tuple[CellNetwork, ...], list[CellFlow]]:
    """Cells that tell each other only boundary power (upwards) and boundary voltage (downwards) until they agree."""
    networks = cell_networks(grid, cells)
    parents, count = cells.parents(), len(networks)
    flows: list[CellFlow | None] = [None] * count
    v_b = np.full(count, grid.source.v_pu)
    for _ in range(40):
        for c in reversed(range(count)):
            net = networks[c]
            p, q = p_kw[net.nodes][:, None].copy(), q_kvar[net.nodes][:, None].copy()
            for child in (i for i in range(count) if parents[i] == c):
                at = net.local[cells.tie[child - 1].upper_node]
                p[at] += flows[child].p_b_kw
                q[at] += flows[child].q_b_kvar
            flows[c] = net.flow(p, q, v_b[c : c + 1], None if flows[c] is None else flows[c].v)
        before, v_b = v_b, v_b.copy()
        for c in range(1, count):
            above = networks[parents[c]]
            v_b[c] = abs(flows[parents[c]].v[above.local[cells.tie[c - 1].upper_node], 0])
        if np.abs(v_b - before).max() < 1e-11:
            return networks, flows
    pytest.fail("the cells did not agree on their boundaries")


def assert_same_as_whole(grid: Grid, cells: Archipelago, p_kw: np.ndarray, q_kvar: np.ndarray) -> None:
    networks, flows = chained(grid, cells, p_kw, q_kvar)
    whole = PowerFlow(grid).solve(p_kw, q_kvar)
    v_pu, loading = np.full(len(grid.nodes), np.nan), np.zeros(len(whole.loading))
    for net, flow in zip(networks, flows, strict=True):
        v_pu[net.nodes] = np.abs(flow.v[:, 0])
        loading[net.branches] = flow.loading[:, 0]
    assert np.abs(v_pu - whole.v_pu).max() < 1e-8
    assert np.abs(loading - whole.loading).max() < 1e-7
    assert sum(flow.losses_kw[0] for flow in flows) == pytest.approx(whole.losses_kw, rel=1e-6, abs=1e-4)
    assert flows[0].p_b_kw[0] == pytest.approx(whole.upstream_p_kw, abs=1e-3)
    assert flows[0].q_b_kvar[0] == pytest.approx(whole.upstream_q_kvar, abs=1e-3)
    for flow, tie in zip(flows[1:], cells.tie, strict=False):
        branch = grid.branch_id.index(tie.id)
        tables = (grid.lines.from_node, grid.transformers.hv_node)
        end = 0 if np.concatenate(tables)[branch] == tie.upper_node else 1
        assert flow.p_b_kw[0] == pytest.approx(whole.branch_p_kw[end, branch], abs=1e-3)
        assert flow.q_b_kvar[0] == pytest.approx(whole.branch_q_kvar[end, branch], abs=1e-3)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), feeders=st.integers(1, 3), lv_nodes=st.integers(1, 6), scale=st.floats(0, 1))
def test_cells_that_agree_on_their_boundaries_are_the_whole_network(
    seed: int, feeders: int, lv_nodes: int, scale: float
) -> None:
    grid = small_net(feeders=feeders, mv_nodes=2, lv_nodes=lv_nodes, seed=seed)
    p_kw, q_kvar = small_load(grid, seed, scale=scale)
    assert_same_as_whole(grid, archipelago(grid), p_kw, q_kvar)


def test_cells_with_shunts_are_the_whole_network() -> None:
    grid = with_shunts(small_net(feeders=2, mv_nodes=2, lv_nodes=4, seed=5))
    assert_same_as_whole(grid, archipelago(grid), *small_load(grid, 5))


@pytest.mark.parametrize("name", ["1-MVLV-urban-6.305-1-sw", "1-MV-rural--1-sw", "1-MVLV-urban-all-1-sw"])
def test_the_cells_of_a_simbench_net_are_the_whole_network(name: str) -> None:
    grid, p_kw, q_kvar = simbench(name)
    assert_same_as_whole(grid, archipelago(grid), 0.8 * p_kw, q_kvar)


def test_every_live_branch_belongs_to_exactly_one_cell_and_a_tie_to_the_lower_one() -> None:
    grid = small_net()
    cells = archipelago(grid)
    networks = cell_networks(grid, cells)
    assert sorted(np.concatenate([net.branches for net in networks])) == list(range(len(grid.branch_id)))
    for net, tie in zip(networks[1:], cells.tie, strict=True):
        assert grid.branch_id.index(tie.id) in net.branches
        assert net.slack_node == tie.upper_node
        assert (net.local[net.nodes] == np.arange(len(net.nodes))).all()


def test_intervals_solved_together_are_those_solved_alone_and_a_guess_changes_only_the_effort() -> None:
    grid = small_net()
    net = cell_networks(grid, archipelago(grid))[1]
    p, q = (x[net.nodes] for x in small_load(grid, steps=5, scale=2.0))
    v_b = np.linspace(0.98, 1.04, 5)
    together = net.flow(p, q, v_b)
    warm = net.flow(p, q, v_b, guess=together.v)
    assert warm.rounds < together.rounds
    assert np.abs(warm.v - together.v).max() < 1e-10
    for t in range(5):
        alone = net.flow(p[:, t : t + 1], q[:, t : t + 1], v_b[t : t + 1])
        assert alone.p_b_kw[0] == pytest.approx(together.p_b_kw[t], abs=1e-6)
        assert np.abs(alone.v[:, 0] - together.v[:, t]).max() < 1e-9


def outputs(net: CellNetwork, flow: CellFlow, watch_v: np.ndarray, watch_branch: np.ndarray) -> np.ndarray:
    return np.concatenate([flow.p_b_kw[None], flow.q_b_kvar[None], np.abs(flow.v[watch_v]), flow.loading[watch_branch]])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), which=st.integers(0, 4), scale=st.floats(0.2, 2.0))
def test_sensitivities_are_the_limits_of_differences(seed: int, which: int, scale: float) -> None:
    grid = small_net(feeders=2, mv_nodes=2, lv_nodes=5, seed=seed)
    net = cell_networks(grid, archipelago(grid))[which]
    p, q = (x[net.nodes] for x in small_load(grid, seed, steps=3, scale=scale))
    p[0, 1] = q[0, 1] = 0.0
    v_b = np.array([0.97, 1.0, 1.05])
    every, branch = np.arange(len(net.nodes)), np.arange(len(net.branches))
    point = net.flow(p, q, v_b)
    found = net.sensitivities(point, p, q, v_b, inject=every, watch_v=every, watch_branch=branch)

    def difference(dp: np.ndarray, dq: np.ndarray, dv: float) -> np.ndarray:
        up, down = (net.flow(p + k * dp, q + k * dq, v_b + k * dv) for k in (1, -1))
        return (outputs(net, up, every, branch) - outputs(net, down, every, branch)) / 2

    # Differences mislead where a current passes near zero or its larger end changes; those loadings are left out.
    sides = (
        np.abs(net._branch_currents(np.concatenate([point.v[net.first], v_b[None]]), branch))
        * net.loading_per_pu[:, :, None]
    )
    clear = (sides.max(axis=0) > 0.02) & (np.abs(sides[0] - sides[1]) > 1e-3 * sides.max(axis=0))
    compared = np.concatenate([np.ones((2 + len(every), 3), dtype=bool), clear])
    step_kw = 0.02
    for j in every:
        unit = np.zeros_like(p)
        unit[j] = step_kw
        for table, d in ((found.d_p, difference(unit, 0 * unit, 0)), (found.d_q, difference(0 * unit, unit, 0))):
            wrong = np.abs(table[:, j] - d / step_kw) - 2e-4 * np.abs(table[:, j])
            assert wrong[:2].max() < 1e-5
            assert wrong[2:][compared[2:]].max() < 1e-8
    step_pu = 1e-5
    d = difference(0 * p, 0 * q, step_pu) / step_pu
    wrong = np.abs(found.d_v - d) - 2e-4 * np.abs(found.d_v)
    assert wrong[:2].max() < 2e-2
    assert wrong[2:][compared[2:]].max() < 1e-4


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.floats(0.0, 3.0))
def test_voltage_sensitivities_are_the_solution_of_the_linear_system(seed: int, scale: float) -> None:
    grid = small_net(feeders=1, mv_nodes=2, lv_nodes=6, seed=seed)
    net = cell_networks(grid, archipelago(grid))[-1]
    p, q = (x[net.nodes] for x in small_load(grid, seed, steps=1, scale=scale))
    point, every, n = net.flow(p, q, np.ones(1)), np.arange(len(net.nodes)), len(net.w)
    found = net.sensitivities(point, p, q, np.ones(1), every, every, np.arange(0))
    assert (net.first == every).all()
    v, s = point.v[:, 0], (p + 1j * q)[:, 0] / 1000.0
    m = net.z * (np.conj(s) / np.conj(v) ** 2)  # dV - m conj(dV) = right-hand side, written in real and imaginary part
    real = np.block([[np.eye(n) - m.real, -m.imag], [-m.imag, np.eye(n) + m.real]])
    for table, turn in ((found.d_p, 1.0), (found.d_q, -1j)):
        rhs = net.z * (-turn / np.conj(v)) / 1000.0
        dv = np.linalg.solve(real, np.concatenate([rhs.real, rhs.imag]))
        expected = (np.conj(v)[:, None] * (dv[:n] + 1j * dv[n:])).real / np.abs(v)[:, None]
        assert np.abs(table[2:, :, 0] - expected).max() < 1e-7 * np.abs(expected).max()


def test_a_branch_without_current_has_a_finite_derivative() -> None:
    grid = small_net(feeders=1, mv_nodes=1, lv_nodes=3)
    grid = dataclasses.replace(grid, lines=dataclasses.replace(grid.lines, c_nf=0 * grid.lines.c_nf))
    net = cell_networks(grid, archipelago(grid))[-1]
    zero, v_b = np.zeros((len(net.nodes), 2)), np.ones(2)
    point = net.flow(zero, zero, v_b)
    every, branch = np.arange(len(net.nodes)), np.arange(len(net.branches))
    found = net.sensitivities(point, zero, zero, v_b, every, every, branch)
    idle = np.flatnonzero(point.loading[:, 0] < 1e-12)
    assert len(idle) > 0
    assert np.isfinite(found.d_p).all()
    assert (found.d_p[2 + len(every) + idle] == 0).all()


def test_what_is_drawn_at_the_source_node_reaches_the_root_s_boundary_untouched() -> None:
    grid = small_net()
    root = cell_networks(grid, archipelago(grid))[0]
    at = root.local[[grid.source.node]]
    zero, v_b = np.zeros((len(root.nodes), 1)), np.array([1.02])
    p = zero.copy()
    p[at] = 100.0
    idle, drawn = root.flow(zero, zero, v_b), root.flow(p, zero, v_b)
    assert drawn.p_b_kw[0] - idle.p_b_kw[0] == pytest.approx(100.0, abs=1e-9)
    assert drawn.losses_kw[0] == pytest.approx(idle.losses_kw[0], abs=1e-9)
    found = root.sensitivities(drawn, p, zero, v_b, at, at, np.arange(0))
    assert found.d_p[:, 0, 0].tolist() == [1.0, 0.0, 0.0]
    assert found.d_q[:, 0, 0].tolist() == [0.0, 1.0, 0.0]
    assert found.d_v[2, 0] == 1.0


def test_dead_nodes_are_unserved_and_have_no_voltage() -> None:
    cells = archipelago(small_net(coupler=True))
    networks = cell_networks(small_net(coupler=False), cells)
    net = networks[0]
    p, q = np.full((len(net.nodes), 1), 10.0), np.zeros((len(net.nodes), 1))
    flow = net.flow(p, q, np.array([1.0]))
    dead = flow.v[:, 0] == 0
    assert dead.sum() > 0
    assert flow.p_b_kw[0] == pytest.approx(10.0 * (~dead).sum() + flow.losses_kw[0])
    assert 0 < flow.losses_kw[0] < 100.0
    below = networks[next(c for c, tie in enumerate(cells.tie, start=1) if tie.upper_node == 2)]
    p = np.full((len(below.nodes), 1), 10.0)
    flow = below.flow(p, p, np.ones(1))
    assert (flow.v == 0).all()
    assert flow.p_b_kw[0] == flow.losses_kw[0] == 0
    assert len(below.branches) == 0


def test_too_much_load_diverges_and_names_the_cell() -> None:
    grid = small_net()
    net = cell_networks(grid, archipelago(grid))[-1]
    p = np.full((len(net.nodes), 1), 20_000.0)
    with pytest.raises(Diverged, match=f"cell {net.cell} did not converge"):
        net.flow(p, 0 * p, np.ones(1))


def test_a_power_that_is_not_a_number_is_refused() -> None:
    grid = small_net()
    net = cell_networks(grid, archipelago(grid))[-1]
    p = np.full((len(net.nodes), 1), np.nan)
    with pytest.raises(GridError, match=f"cell {net.cell}.*not a number"):
        net.flow(p, 0 * p, np.ones(1))


def test_a_closed_branch_between_cells_that_is_no_tie_is_refused_by_name() -> None:
    grid = small_net(feeders=2)
    lines = dataclasses.replace(grid.lines, to_closed=np.ones(len(grid.lines), dtype=bool))
    with pytest.raises(GridError, match=rf"line/{len(grid.lines) - 1}: closed between cells feeder-1 and feeder-2"):
        cell_networks(dataclasses.replace(grid, lines=lines), archipelago(grid))


def test_joined_nodes_in_two_cells_are_refused_by_name() -> None:
    grid = small_net(feeders=1)
    cells = archipelago(grid)
    node_cell = cells.node_cell.copy()
    node_cell[2] = 2
    with pytest.raises(GridError, match=r"bus/\d of cell .* is joined by closed switches"):
        cell_networks(grid, dataclasses.replace(cells, node_cell=node_cell))


def test_a_tie_whose_end_lies_in_another_cell_is_refused_by_name() -> None:
    grid = small_net()
    cells = archipelago(grid)
    node_cell = cells.node_cell.copy()
    node_cell[2] = 1
    with pytest.raises(GridError, match="its end bus/2 in cell feeder-1; expected root"):
        cell_networks(grid, dataclasses.replace(cells, node_cell=node_cell))


def test_a_tie_that_does_not_start_at_its_upper_node_is_refused_by_name() -> None:
    grid = small_net(feeders=2)
    cells = archipelago(grid)
    wrong = dataclasses.replace(cells.tie[0], upper_node=0)
    with pytest.raises(GridError, match=r"line/\d+: ends at bus/1, which is neither in cell feeder-1 nor"):
        cell_networks(grid, dataclasses.replace(cells, tie=(wrong, *cells.tie[1:])))


def test_a_closed_switch_may_be_the_tie_above_a_cell() -> None:
    grid = small_net(feeders=2, coupler=True)
    cells = archipelago(grid)
    # The second busbar node and the feeder on it become one cell, joined to the root by the coupler.
    feeder = next(c for c, tie in enumerate(cells.tie, start=1) if tie.upper_node == 2)
    old = cells.tie[feeder - 1]
    tie = Tie("switch/0", "vertical", "root", cells.cell[feeder].id, 1, 2, closed=True)
    node_cell = cells.node_cell.copy()
    node_cell[2] = feeder
    ties = tuple(tie if t is old else t for t in cells.tie)
    moved = dataclasses.replace(cells, tie=ties, node_cell=node_cell)
    p_kw, q_kvar = small_load(grid)
    networks, flows = chained(grid, moved, p_kw, q_kvar)
    whole = PowerFlow(grid).solve(p_kw, q_kvar)
    assert grid.branch_id.index(old.id) in networks[feeder].branches
    for net, flow in zip(networks, flows, strict=True):
        assert np.abs(np.abs(flow.v[:, 0]) - whole.v_pu[net.nodes]).max() < 1e-8


def test_an_upstream_grid_of_finite_strength_is_a_reactance_above_the_root() -> None:
    grid = small_net(sk_mva=300.0)
    p_kw, q_kvar = small_load(grid)
    networks, flows = chained(grid, archipelago(grid), p_kw, q_kvar)
    whole = PowerFlow(grid).solve(p_kw, q_kvar)
    assert whole.v_pu[grid.source.node] != pytest.approx(grid.source.v_pu, abs=1e-4)
    for net, flow in zip(networks, flows, strict=True):
        assert np.abs(np.abs(flow.v[:, 0]) - whole.v_pu[net.nodes]).max() < 1e-8
    assert flows[0].p_b_kw[0] == pytest.approx(whole.upstream_p_kw, abs=1e-3)
