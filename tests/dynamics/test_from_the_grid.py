"""The way from a grid to an island: Kron's reduction beside the power flow, and a cell that loses the main grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from islands import balanced_grid

from archipel.grid.dynamics import (
    Following,
    Island,
    Load,
    Reduced,
    Start,
    Trip,
    droop,
    main_grid,
    reduced,
    settled,
    simulate,
)
from archipel.grid.power_flow import PowerFlow
from archipel.model import Grid, GridError, Switches


def feeder(seed: int = 1) -> Grid:
    """a - b - c - d - e at 4.16 kV, a transformer to 0.48 kV behind d, a branch line b - f."""
    rng = np.random.default_rng(seed)
    pairs = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("b", "f")]
    lines = [[f"{x}{y}", x, y, *rng.uniform(0.02, 0.2, 2), rng.uniform(1.0, 900.0)] for x, y in pairs]
    return balanced_grid(lines, [("d", "low")])


def rows(grid: Grid, *names: str) -> np.ndarray:
    return np.array([grid.nodes.name.index(name) for name in names])


def bare(grid: Grid, nodes: np.ndarray, terminals: np.ndarray, f_hz: float | None = None) -> Reduced:
    return reduced(grid, nodes, terminals, np.zeros(len(nodes)), np.zeros(len(nodes)), np.ones(len(nodes)), f_hz=f_hz)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_a_reduced_network_has_the_voltages_and_the_power_of_the_power_flow(seed: int) -> None:
    grid = feeder(seed)
    rng = np.random.default_rng(seed)
    n = len(grid.nodes)
    p_kw, q_kvar = rng.uniform(-50.0, 150.0, n), rng.uniform(-20.0, 60.0, n)
    flow = PowerFlow(grid).solve(p_kw, q_kvar)
    whole = reduced(grid, np.arange(n), rows(grid, "a"), p_kw, q_kvar, flow.v_pu)
    assert whole.network.y_pu.shape == (1, 1)
    assert whole.v_pu(np.array([1.0 + 0j])) == pytest.approx(flow.v_pu, abs=1e-6)
    assert whole.network.base_kva * whole.network.y_pu[0, 0].real == pytest.approx(flow.upstream_p_kw, abs=0.01)
    assert flow.v_pu.min() < 0.9999


def test_what_leads_out_of_an_island_is_open_at_both_ends() -> None:
    grid = feeder()
    inside = rows(grid, "c", "d", "e", "low")
    lines = grid.lines
    without = replace(grid, lines=replace(lines, from_closed=np.array([True, False, True, True, True]),
                                          to_closed=np.array([True, False, True, True, True])))  # fmt: skip
    ours, cut = (bare(each, inside, rows(grid, "c", "low")) for each in (grid, without))
    assert ours.network.y_pu == pytest.approx(cut.network.y_pu, abs=1e-12)
    assert np.abs(ours.network.y_pu[0, 1]) > 1.0


def test_a_line_open_at_one_end_charges_and_what_is_behind_it_is_dead() -> None:
    grid = feeder()
    lines = replace(grid.lines, to_closed=np.array([True, True, True, False, True]))  # d - e
    everywhere = np.arange(len(grid.nodes))
    island = bare(replace(grid, lines=lines), everywhere, rows(grid, "a"))
    assert [grid.nodes.name[node] for node in np.flatnonzero(~island.live)] == ["e"]
    assert island.v_pu(np.array([1.0 + 0j]))[rows(grid, "e")] == 0.0
    charging = 2 * np.pi * 60.0 * 1e-9 * grid.lines.c_nf.sum() * 4.16**2  # per unit on 1 MVA
    assert island.network.y_pu[0, 0].imag == pytest.approx(charging, rel=1e-2)


def test_reactance_and_charging_follow_the_frequency() -> None:
    grid = feeder()
    everywhere, ends = np.arange(len(grid.nodes)), rows(grid, "a", "low")
    at_50 = bare(grid, everywhere, ends, f_hz=50.0)
    k = 50.0 / 60.0
    by_hand = replace(
        grid,
        lines=replace(grid.lines, x_ohm=k * grid.lines.x_ohm, c_nf=k * grid.lines.c_nf),
        transformers=replace(grid.transformers, vk_percent=np.hypot(0.4, 0.5 * k) * np.ones(1)),
    )
    assert at_50.network.y_pu == pytest.approx(bare(by_hand, everywhere, ends).network.y_pu, rel=1e-12)
    assert np.abs(at_50.network.y_pu - bare(grid, everywhere, ends).network.y_pu).max() > 0.1


def test_terminals_and_powers_that_cannot_be_are_refused() -> None:
    grid = feeder()
    everywhere = np.arange(len(grid.nodes))
    with pytest.raises(GridError, match="found no terminals"):
        bare(grid, everywhere, np.array([], dtype=np.int64))
    with pytest.raises(GridError, match=r"bus/\d+: a terminal, but not a node of the island"):
        bare(grid, rows(grid, "c", "d"), rows(grid, "a"))
    joined = Switches(("switch/0",), ("",), rows(grid, "c"), (grid.nodes.id[rows(grid, "f")[0]],), np.array([True]))
    with pytest.raises(GridError, match="are one electrical point"):
        bare(replace(grid, switches=joined), everywhere, rows(grid, "c", "f"))
    with pytest.raises(GridError, match="its power or voltage is no use"):
        reduced(grid, everywhere, rows(grid, "a"), np.ones(len(everywhere)), np.zeros(len(everywhere)),
                np.zeros(len(everywhere)))  # fmt: skip


def test_a_cell_that_loses_the_main_grid_lives_on_its_battery() -> None:
    """The cell is c, d, e, low; its loads are in the network; c is where it hangs on the grid."""
    grid = feeder()
    nodes = rows(grid, "c", "d", "e", "low")
    n = len(grid.nodes)
    p_kw, q_kvar = np.zeros(n), np.zeros(n)
    p_kw[nodes], q_kvar[nodes] = [0.0, 60.0, 90.0, 40.0], [0.0, 20.0, 30.0, 10.0]
    v_pu = PowerFlow(grid).solve(p_kw, q_kvar).v_pu
    cell = reduced(grid, nodes, rows(grid, "c", "low", "e"), p_kw[nodes], q_kvar[nodes], v_pu[nodes])
    island = Island(
        cell.network,
        (
            main_grid("main", 0, 20e3, v_pu=float(v_pu[nodes[0]])),
            droop("battery", 1, 250.0, p_kw=-20.0),
            Following(id="pv", terminal=2, rating_kva=80.0, p_kw=-50.0, p_kw_min=-50.0),
        ),
        (Load(id="works", terminal=2, p_kw=30.0, z_share=0.0),),
        f_hz=60.0,
    )
    before = settled(island)
    assert cell.v_pu(before.terminal_v_pu[0]) == pytest.approx(v_pu[nodes], abs=0.01)
    traces = simulate(island, [Trip(time_s=0.5, id="main")], duration_s=20.0)
    given_kw = -traces.p_kw[0, -1]
    assert given_kw[0] == 0.0
    assert given_kw[1] == pytest.approx(20.0 + 250.0 * (1 - traces.settled_hz[0] / 60.0) / 0.02, abs=0.1)
    assert given_kw[2] == pytest.approx(50.0, abs=0.1)
    after = settled(island, Start(on=np.array([[False, True, True]])))
    assert traces.settled_hz == pytest.approx(after.f_hz, abs=1e-3)
    drawn_kw = 30.0 + p_kw[nodes] @ (cell.v_pu(after.terminal_v_pu[0]) / v_pu[nodes]) ** 2
    assert drawn_kw < given_kw.sum() < drawn_kw + 3.0, "the rest is lost on lines"
    assert 59.0 < traces.nadir_hz[0] < 59.6
    assert traces.trips == ()
