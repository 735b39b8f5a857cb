"""Replaying a run's tables in pandapower, an engine that shares no code with ours (extra `verify`).

A run of three-phase physics is replayed in a fresh OpenDSS engine instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from archipel.devices import TapChangerFleet
from archipel.model import ExtraMissing, Floats, Grid, Ints, RunNotFound
from archipel.report.run import Run
from archipel.report.verify_phases import verify_phases

GOAL_PU = 1e-4
"""Largest difference in voltage that counts as the same physics."""


def verify(
    run: Run, *, every: int = 1, strategies: tuple[str, ...] = (), progress: Callable[[int, int], None] | None = None
) -> dict[str, dict[str, Any]]:
    """Solve the power flow of a run again, from its tables `devices` and `switches`, and compare the voltages.

    Args:
        run: The run.
        every: Replay every n-th step.
        strategies: Which ones; all by default.
        progress: Called with (steps done, steps in all).

    Returns:
        By strategy: `max_dv_pu` (largest |difference| over nodes and steps), `node` and `time` where it was, `steps`
        replayed, `nodes_dead_in_one` (nodes supplied by one engine only, summed over steps), and `ok`; of a three-phase
        run also what `verify_phases` says.

    Raises:
        ExtraMissing: pandapower, or for a three-phase run the OpenDSS engine, is not installed.
        RunNotFound: the run lacks a table, or its scenario has other elements than the tables.
    """
    if every < 1:
        raise ValueError(f"every: found {every}; expected 1 (every step) or more")
    if run.info.get("physics") == "three-phase":
        replayed = verify_phases(run, every=every, strategies=strategies, progress=progress)
        return {n: {**w, "nodes_dead_in_one": 0, "ok": w["max_dv_pu"] <= GOAL_PU} for n, w in replayed.items()}
    pandapower = _pandapower()
    names = strategies or run.strategies
    total = sum(len(range(0, run.steps(name), every)) for name in names)
    done, found = 0, dict[str, dict[str, Any]]()
    for name in names:
        replay = _Replay(pandapower, run, name)
        worst: dict[str, Any] = {"max_dv_pu": 0.0, "node": "", "time": "", "steps": 0, "nodes_dead_in_one": 0}
        for step in range(0, run.steps(name), every):
            v = replay.solve(step)
            ours = replay.v_pu[:, step].astype(np.float64)
            live = np.isfinite(v) & (ours > 0)
            dv = np.abs(np.where(live, v - ours, 0.0))
            worst["steps"] += 1
            worst["nodes_dead_in_one"] += int(np.count_nonzero(np.isfinite(v) != (ours > 0)))
            if dv.max() > worst["max_dv_pu"]:
                row = int(dv.argmax())
                worst |= {"max_dv_pu": float(dv[row]), "node": replay.node_id[row], "time": f"{replay.time[step]}Z"}
            done += 1
            if progress is not None:
                progress(done, total)
        found[name] = {**worst, "ok": worst["max_dv_pu"] <= GOAL_PU and not worst["nodes_dead_in_one"]}
    return found


class _Replay:
    """One strategy's injections on a pandapower net of the same grid."""

    def __init__(self, pandapower: Any, run: Run, strategy: str) -> None:
        grid = run.scenario.grid
        self.node_id = grid.nodes.id
        if tuple(run.labels("nodes", "node", strategy)) != self.node_id:
            raise RunNotFound(
                f"run {run.path}: its nodes are not those of the scenario {run.scenario.name}, "
                "which has changed since. Run the case again."
            )
        row = {node: i for i, node in enumerate(self.node_id)}
        at = np.array([row[node] for node in run.labels("devices", "node", strategy)], dtype=np.int64)
        ones = sparse.csr_array((np.ones(len(at)), (at, np.arange(len(at)))), (len(row), len(at)))
        self.time = run.time(strategy)
        self.v_pu = run.array("nodes", "v_pu", strategy)
        self._p_mw = ones @ run.array("devices", "p_kw", strategy).astype(np.float64) / 1e3
        self._q_mvar = ones @ run.array("devices", "q_kvar", strategy).astype(np.float64) / 1e3
        switches = grid.switches.closed
        if len(switches):
            told = run.array("switches", "closed", strategy)
            if not (told == switches[:, None]).all():
                raise RunNotFound(f"run {run.path}: switches moved during the run, which this replay cannot follow yet")
        self._pandapower = pandapower
        self._net = pandapower_net(pandapower, grid)
        self._init = "dc"
        self._tap = self._taps(run, strategy)

    def solve(self, step: int) -> Floats:
        """Voltages of all nodes [pu]; NaN where nothing supplies them."""
        net = self._net
        net.load["p_mw"], net.load["q_mvar"] = self._p_mw[:, step], self._q_mvar[:, step]
        for row, position in self._tap:
            net.trafo.loc[row, "tap_pos"] = position[:, step]
        self._pandapower.runpp(
            net, trafo_model="pi", calculate_voltage_angles=True, init=self._init, numba=False, tolerance_mva=1e-8
        )
        self._init = "results"
        return cast("Floats", net.res_bus["vm_pu"].to_numpy(dtype=np.float64))

    def _taps(self, run: Run, strategy: str) -> list[tuple[Ints, Floats]]:
        """Rows of the transformers that tap changers move, and their positions, shape (rows, S)."""
        moved = []
        for fleet in run.scenario.fleets:
            if isinstance(fleet, TapChangerFleet):
                row = {name: i for i, name in enumerate(run.labels("controls", "control", strategy))}
                position = run.array("controls", "position", strategy)[[row[name] for name in fleet.id]]
                moved.append((fleet.branch - len(run.scenario.grid.lines), position))
        return moved


def pandapower_net(pandapower: Any, grid: Grid) -> Any:
    """The grid as a pandapower net: buses and loads are rows of our nodes, one load per node, all loads zero."""
    nodes, lines, trafos = grid.nodes, grid.lines, grid.transformers
    net = pandapower.create_empty_network(f_hz=grid.f_hz)
    pandapower.create_buses(net, len(nodes), vn_kv=nodes.vn_kv)
    pandapower.create_loads(net, np.arange(len(nodes)), p_mw=0.0, q_mvar=0.0)
    short_circuit = {} if np.isinf(grid.source.sk_mva) else {"s_sc_max_mva": grid.source.sk_mva}
    pandapower.create_ext_grid(net, grid.source.node, vm_pu=grid.source.v_pu, **short_circuit)
    if len(lines):
        pandapower.create_lines_from_parameters(
            net,
            lines.from_node,
            lines.to_node,
            length_km=1.0,
            r_ohm_per_km=lines.r_ohm,
            x_ohm_per_km=lines.x_ohm,
            c_nf_per_km=lines.c_nf,
            g_us_per_km=lines.g_us,
            max_i_ka=lines.i_a_max / 1e3,
        )
    if len(trafos):
        pandapower.create_transformers_from_parameters(
            net,
            trafos.hv_node,
            trafos.lv_node,
            sn_mva=trafos.sn_kva / 1e3,
            vn_hv_kv=trafos.vn_hv_kv,
            vn_lv_kv=trafos.vn_lv_kv,
            vk_percent=trafos.vk_percent,
            vkr_percent=trafos.vkr_percent,
            pfe_kw=trafos.pfe_kw,
            i0_percent=trafos.i0_percent,
            shift_degree=trafos.shift_degree,
            tap_side=np.where(trafos.tap_side_hv, "hv", "lv"),
            tap_pos=trafos.tap_pos,
            tap_neutral=trafos.tap_neutral,
            tap_step_percent=trafos.tap_step_percent,
            # Any other type, or none, is silently ignored by pandapower 3.
            tap_changer_type="Ratio",
        )
    for node, p_kw, q_kvar in zip(grid.shunts.node, grid.shunts.p_kw, grid.shunts.q_kvar, strict=True):
        pandapower.create_shunt(net, int(node), p_mw=float(p_kw) / 1e3, q_mvar=float(q_kvar) / 1e3)
    _switches(pandapower, net, grid)
    return net


def _switches(pandapower: Any, net: Any, grid: Grid) -> None:
    """Closed node-node switches join; every open end of a line or transformer becomes an open switch."""
    row = {node: i for i, node in enumerate(grid.nodes.id)}
    joined = [
        (int(node), row[element])
        for node, element, closed in zip(grid.switches.node, grid.switches.element, grid.switches.closed, strict=True)
        if closed and element in row
    ]
    for a, b in joined:
        pandapower.create_switch(net, a, b, et="b", closed=True)
    lines, trafos = grid.lines, grid.transformers
    ends: list[tuple[NDArray[np.int64], NDArray[np.bool_], str]] = [
        (lines.from_node, lines.from_closed, "l"),
        (lines.to_node, lines.to_closed, "l"),
        (trafos.hv_node, trafos.hv_closed, "t"),
        (trafos.lv_node, trafos.lv_closed, "t"),
    ]
    for node, closed, kind in ends:
        for element in np.flatnonzero(~closed):
            pandapower.create_switch(net, int(node[element]), int(element), et=kind, closed=False)


def _pandapower() -> Any:
    try:
        import pandapower
    except ImportError:
        raise ExtraMissing("pandapower", "verify", "Replaying a run") from None
    return pandapower
