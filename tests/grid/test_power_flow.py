"""The whole network's power flow against pandapower, a hand calculation and its own balances."""

import dataclasses
import gzip

import numpy as np
import pytest
from grid_nets import data_file, simbench, small_load, small_net, with_shunts
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.grid.power_flow import PowerFlow
from archipel.grid.topology import fused, live
from archipel.model import Diverged, Grid, GridError, Lines, Nodes, Shunts, Source, Switches, Transformers
from archipel.report.verify import pandapower_net

SIMBENCH = ["1-LV-rural1--1-sw", "1-MV-rural--1-sw", "1-MVLV-urban-6.305-1-sw", "1-HVMV-urban-all-1-sw"]


def two_nodes(r_ohm: float, x_ohm: float) -> Grid:
    """A 10 kV source and one line without charging."""
    n = 2
    none = np.zeros(0)
    blank = {f.name: none for f in dataclasses.fields(Transformers)} | {"id": (), "name": ()}
    blank |= {"hv_node": none.astype(int), "lv_node": none.astype(int)}
    return Grid(
        Nodes(("bus/0", "bus/1"), ("a", "b"), np.full(n, 10.0), np.full(n, 0.9), np.full(n, 1.1), none, none),
        Lines(
            *(("line/0",), ("l",), np.array([0]), np.array([1]), np.array([r_ohm]), np.array([x_ohm])),
            *(np.zeros(1), np.zeros(1), np.array([100.0]), np.array([True]), np.array([True])),
        ),
        Transformers(**blank),
        Switches((), (), none.astype(int), (), none.astype(bool)),
        Source("ext_grid/0", 0, 1.0),
    )


def replaced(grid: Grid, table: str, **columns: object) -> Grid:
    return dataclasses.replace(grid, **{table: dataclasses.replace(getattr(grid, table), **columns)})


def test_a_resistive_line_drops_the_voltage_of_the_quadratic_formula() -> None:
    flow = PowerFlow(two_nodes(r_ohm=1.0, x_ohm=0.0)).solve(np.array([0.0, 1000.0]), np.zeros(2))
    v = (1 + np.sqrt(1 - 4 * 1.0 * 1.0 / 100.0)) / 2  # v (1 - v) = p r / vn^2
    assert flow.v_pu[1] == pytest.approx(v, abs=1e-8)
    i_a = 1000.0 / (np.sqrt(3) * 10.0 * v)
    assert flow.loading[0] == pytest.approx(i_a / 100.0, rel=1e-7)
    assert flow.losses_kw == pytest.approx(3 * i_a**2 * 1.0 / 1000, rel=1e-6)
    assert flow.upstream_p_kw == pytest.approx(1000.0 + flow.losses_kw, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.floats(0.0, 1.0))
def test_upstream_power_is_what_the_nodes_draw_plus_the_losses(seed: int, scale: float) -> None:
    grid = small_net(feeders=2, mv_nodes=2, lv_nodes=3, seed=seed)
    p_kw, q_kvar = small_load(grid, seed, scale=scale)
    flow = PowerFlow(grid).solve(p_kw, q_kvar)
    assert flow.upstream_p_kw == pytest.approx(p_kw.sum() + flow.losses_kw, abs=1e-3)
    assert flow.losses_kw == pytest.approx(flow.branch_p_kw.sum(), abs=1e-9)
    assert flow.losses_kw > 0
    assert (flow.v_pu > 0.5).all()


def test_what_was_solved_before_leaves_no_trace() -> None:
    grid = small_net()
    p_kw, q_kvar = small_load(grid)
    fresh = PowerFlow(grid).solve(p_kw, q_kvar)
    used = PowerFlow(grid)
    used.solve(2 * p_kw + 5, -q_kvar)
    again = used.solve(p_kw, q_kvar)
    for field in dataclasses.fields(fresh):
        assert np.array_equal(getattr(fresh, field.name), getattr(again, field.name)), field.name


def test_nodes_joined_by_a_closed_switch_have_one_voltage_and_share_what_they_draw() -> None:
    grid = small_net(coupler=True)
    p_kw, q_kvar = small_load(grid)
    assert fused(grid)[1] == fused(grid)[2]
    moved = p_kw.copy()
    moved[[1, 2]] = p_kw[2], p_kw[1]
    first, second = PowerFlow(grid).solve(p_kw, q_kvar), PowerFlow(grid).solve(moved, q_kvar)
    assert first.v_pu[1] == first.v_pu[2]
    assert np.allclose(first.v_pu, second.v_pu, atol=1e-12)


def test_an_open_coupler_leaves_its_side_dead_and_unserved() -> None:
    grid = small_net(coupler=False)
    p_kw, q_kvar = small_load(grid)
    alive = live(grid)
    flow = PowerFlow(grid).solve(p_kw, q_kvar)
    assert 0 < alive.sum() < len(alive)
    assert (flow.v_pu[~alive] == 0).all()
    assert (flow.v_pu[alive] > 0.8).all()
    assert flow.upstream_p_kw == pytest.approx(p_kw[alive].sum() + flow.losses_kw, abs=1e-3)


def test_a_line_open_at_one_end_charges_and_one_open_at_both_does_not() -> None:
    grid = small_net()
    loop = len(grid.lines) - 1
    p_kw, q_kvar = small_load(grid)
    flow = PowerFlow(grid).solve(p_kw, q_kvar)
    assert flow.branch_q_kvar[0, loop] < -1.0
    assert flow.branch_q_kvar[1, loop] == 0
    assert flow.loading[loop] > 0
    shut = replaced(grid, "lines", from_closed=np.r_[grid.lines.from_closed[:-1], False])
    assert PowerFlow(shut).solve(p_kw, q_kvar).loading[loop] == 0


def test_a_finite_short_circuit_power_lowers_the_voltage_of_the_source_node() -> None:
    p_kw, q_kvar = small_load(small_net(), scale=1.0)
    p_kw = np.abs(p_kw)
    stiff = PowerFlow(small_net()).solve(p_kw, q_kvar)
    weak = PowerFlow(small_net(sk_mva=200.0)).solve(p_kw, q_kvar)
    assert stiff.v_pu[0] == pytest.approx(1.02, abs=1e-9)
    assert weak.v_pu[0] < 1.02 - 1e-4


def test_scaled_line_resistance_raises_losses() -> None:
    grid = small_net()
    p_kw, q_kvar = small_load(grid)
    plain, scaled = PowerFlow(grid).solve(p_kw, q_kvar), PowerFlow(grid, scale_line_r=1.2).solve(p_kw, q_kvar)
    rescaled = PowerFlow(replaced(grid, "lines", r_ohm=grid.lines.r_ohm * 1.2)).solve(p_kw, q_kvar)
    assert scaled.losses_kw > plain.losses_kw
    assert np.array_equal(scaled.v_pu, rescaled.v_pu)


def test_a_load_beyond_what_the_line_can_carry_diverges_and_says_so() -> None:
    flow = PowerFlow(two_nodes(r_ohm=1.0, x_ohm=1.0))
    with pytest.raises(Diverged, match="whole network did not converge"):
        flow.solve(np.array([0.0, 60_000.0]), np.zeros(2))
    assert flow.solve(np.array([0.0, 1000.0]), np.zeros(2)).v_pu[1] < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("transformers", "shift_degree", 45.0), "trafo/0.*45.0 degrees"),
        (("transformers", "sn_kva", 0.0), "trafo/0.*sn_kva is not positive"),
        (("lines", "r_ohm", np.nan), "line/0.*r_ohm is not a number"),
        (("lines", "i_a_max", 0.0), "line/0.*i_a_max is not positive"),
    ],
)
def test_an_unusable_branch_is_refused_by_name(change: tuple[str, str, float], message: str) -> None:
    grid = small_net()
    table, column, value = change
    values = np.array(getattr(getattr(grid, table), column), dtype=float)
    values[0] = value
    with pytest.raises(GridError, match=message):
        PowerFlow(replaced(grid, table, **{column: values}))


def test_a_power_that_is_not_a_number_is_refused_by_node() -> None:
    grid = small_net()
    p_kw, q_kvar = small_load(grid)
    p_kw[4] = np.nan
    with pytest.raises(GridError, match="node row 4"):
        PowerFlow(grid).solve(p_kw, q_kvar)


def test_a_line_short_circuited_by_switches_is_refused_by_name() -> None:
    grid = small_net()
    to_node = grid.lines.to_node.copy()
    to_node[0] = 2
    with pytest.raises(GridError, match=r"line/0.*short-circuits"):
        PowerFlow(replaced(grid, "lines", to_node=to_node, from_node=np.r_[1, grid.lines.from_node[1:]]))


def test_a_hand_made_net_with_taps_on_both_sides_agrees_with_pandapower() -> None:
    pp = pytest.importorskip("pandapower", reason="the extra [verify] brings the referee pandapower")
    grid = small_net(feeders=2, mv_nodes=3, seed=3)
    assert {True, False} == set(grid.transformers.tap_side_hv[grid.transformers.tap_pos != 0].tolist())
    p_kw, q_kvar = small_load(grid, seed=3)
    net = pp.create_empty_network(f_hz=grid.f_hz)
    for vn_kv, p, q in zip(grid.nodes.vn_kv, p_kw, q_kvar, strict=True):
        bus = pp.create_bus(net, vn_kv)
        pp.create_load(net, bus, p / 1e3, q / 1e3)
    pp.create_ext_grid(net, grid.source.node, vm_pu=grid.source.v_pu)
    lines = grid.lines
    for row in range(len(lines)):
        pp.create_line_from_parameters(
            net, lines.from_node[row], lines.to_node[row], 1.0, lines.r_ohm[row], lines.x_ohm[row],
            lines.c_nf[row], lines.i_a_max[row] / 1e3, g_us_per_km=lines.g_us[row],
        )  # fmt: skip
        if not lines.to_closed[row]:
            pp.create_switch(net, lines.to_node[row], row, et="l", closed=False)
    pp.create_switch(net, 1, 2, et="b", closed=True)
    trafos = grid.transformers
    for i in range(len(trafos)):
        pp.create_transformer_from_parameters(
            net, trafos.hv_node[i], trafos.lv_node[i], trafos.sn_kva[i] / 1e3, trafos.vn_hv_kv[i], trafos.vn_lv_kv[i],
            trafos.vkr_percent[i], trafos.vk_percent[i], trafos.pfe_kw[i], trafos.i0_percent[i],
            shift_degree=trafos.shift_degree[i], tap_side="hv" if trafos.tap_side_hv[i] else "lv",
            tap_neutral=0, tap_pos=int(trafos.tap_pos[i]), tap_step_percent=1.5, tap_changer_type="Ratio",
        )  # fmt: skip
    pp.runpp(net, trafo_model="pi", calculate_voltage_angles=True, trafo_loading="current", numba=False)
    flow = PowerFlow(grid).solve(p_kw, q_kvar)
    loading = np.r_[net.res_line.loading_percent, net.res_trafo.loading_percent / trafos.loading_max] / 100
    assert np.abs(flow.v_pu - net.res_bus.vm_pu).max() < 1e-7
    assert np.abs(flow.v_angle - np.deg2rad(net.res_bus.va_degree)).max() < 1e-7
    assert np.abs(flow.loading - loading).max() < 1e-6
    assert flow.upstream_q_kvar == pytest.approx(1e3 * net.res_ext_grid.q_mvar[0], abs=1e-2)


def test_a_shunt_draws_with_the_square_of_the_voltage() -> None:
    grid = dataclasses.replace(
        two_nodes(r_ohm=1.0, x_ohm=0.0),
        shunts=Shunts(
            ("shunt/0", "shunt/1"), ("", ""), np.array([1, 0]), np.array([1000.0, 0.0]), np.array([0, -50.0])
        ),
    )
    flow = PowerFlow(grid).solve(np.zeros(2), np.zeros(2))
    assert flow.v_pu[1] == pytest.approx(1.0 / 1.01, abs=1e-8)  # 100 ohm behind 1 ohm
    assert flow.upstream_q_kvar == pytest.approx(-50.0, abs=1e-6)


def test_shunts_agree_with_pandapower() -> None:
    pp = pytest.importorskip("pandapower", reason="the extra [verify] brings the referee pandapower")
    grid = with_shunts(small_net(feeders=2, mv_nodes=3, seed=3))
    net = pandapower_net(pp, grid)
    p_kw, q_kvar = small_load(grid, seed=3)
    net.load["p_mw"], net.load["q_mvar"] = p_kw / 1e3, q_kvar / 1e3
    pp.runpp(net, trafo_model="pi", calculate_voltage_angles=True, numba=False)
    flow = PowerFlow(grid).solve(p_kw, q_kvar)
    assert np.abs(flow.v_pu - net.res_bus.vm_pu).max() < 1e-7


@pytest.mark.parametrize("name", SIMBENCH)
def test_a_simbench_net_agrees_with_pandapower(name: str) -> None:
    pandapower = pytest.importorskip("pandapower", reason="the extra [verify] brings the referee pandapower")
    net = pandapower.from_json_string(gzip.decompress(data_file(name).read_bytes()).decode())
    net.trafo["tap_changer_type"] = "Ratio"
    pandapower.runpp(net, trafo_model="pi", calculate_voltage_angles=True, trafo_loading="current", numba=False)
    grid, p_kw, q_kvar = simbench(name)
    flow = PowerFlow(grid).solve(p_kw, q_kvar)
    line, trafo = net.res_line, net.res_trafo
    loading = np.r_[
        line.loading_percent / net.line.max_loading_percent, trafo.loading_percent / net.trafo.max_loading_percent
    ]
    p_from_kw = 1e3 * np.r_[line.p_from_mw, trafo.p_hv_mw]
    assert np.abs(flow.v_pu - net.res_bus.vm_pu).max() < 1e-7
    assert np.abs(flow.v_angle - np.deg2rad(net.res_bus.va_degree)).max() < 1e-7
    assert np.abs(flow.loading - loading).max() < 1e-6
    assert np.abs(flow.branch_p_kw[0] - p_from_kw).max() < 1e-2
    assert flow.upstream_p_kw == pytest.approx(1e3 * net.res_ext_grid.p_mw[0], abs=1e-2)
    assert flow.losses_kw == pytest.approx(1e3 * (line.pl_mw.sum() + trafo.pl_mw.sum()), abs=1e-2)
