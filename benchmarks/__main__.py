"""The few jobs that matter beside peers, in one run on one machine: `make bench`.

Planning: one planning problem (district, 00:00 of its default day), agreed by messages, and the same problem solved
centrally by PIQP, Clarabel and HiGHS at the same tolerance. Power flow: one snapshot of the whole city, ours
(power-grid-model) and pandapower. CPU seconds, medians of several runs; ratios are worth more than seconds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks.solvers import Answer, answer_clarabel, answer_highs_linear

import archipel  # noqa: F401  sets one thread per process before numpy is loaded
from archipel.cell.parts import cut
from archipel.controller.agreeing import Passes
from archipel.controller.controller import CellController
from archipel.coordination.exact import Options
from archipel.formats.scenario import load_scenario
from archipel.grid.power_flow import PowerFlow
from archipel.model import Floats, Scenario
from archipel.optimisation.block import bill
from archipel.optimisation.central import Joined, join, solve_piqp
from archipel.strategies.group import Group
from archipel.strategies.planning import Desk

TOLERANCE = 1e-6


def timed(job: Callable[[], Any], runs: int) -> tuple[float, Any]:
    """Median CPU seconds and the last answer."""
    spent, answer = [], None
    for _ in range(runs):
        begun = time.process_time()
        answer = job()
        spent.append(time.process_time() - begun)
    return statistics.median(spent), answer


def plan(scenario: Scenario) -> tuple[Group, Any, np.ndarray]:
    """Agree on the first plan of the scenario's day."""
    parts = cut(scenario)
    desk = Desk(parts, "perfect", scenario.replan_steps)
    row = scenario.profiles.row(scenario.start)
    horizon = desk.horizon(scenario.start)
    weather = desk.weather(horizon)
    states = {fleet.kind: fleet.initial(row) for fleet in scenario.fleets}
    readings = {s.id: desk.readings(i, weather, states, None) for i, s in enumerate(parts.sites)}
    group = Group([CellController(site, method=Options(gap=TOLERANCE), passes=Passes(most=1)) for site in parts.sites])
    root = desk.root(horizon)
    group.begin(1, horizon, readings, root)
    return group, parts, np.stack([root.price_eur_per_kwh * horizon.dt_h, np.zeros(len(horizon))])


def centrally(answer: Callable[..., Answer], joined: Joined) -> Floats:
    """What a central solver finds."""
    found = answer(joined, TOLERANCE)
    if found.status not in {"solved", "AlmostSolved"}:
        raise SystemExit(f"a central solver stopped with {found.status}")
    return found.x


def planning(runs: int) -> None:
    """One planning problem, agreed and solved centrally."""
    scenario = load_scenario("district")
    spent, (group, parts, energy) = timed(lambda: plan(scenario), runs)
    problems = group.problems()
    blocks = tuple(problems[site.id][0] for site in parts.sites)
    root = group.outcomes()[parts.sites[0].id]
    if root is None:
        raise SystemExit("no agreement was reached")
    v = np.full(blocks[0].intervals, scenario.grid.source.v_pu)
    joined = join(blocks, list(parts.parents), energy, v)
    print(f"planning problem: {len(joined.cost)} variables, {joined.a.shape[0]} + {joined.g.shape[0]} rows")
    print(f"{'':24}{'CPU s':>10}{'EUR':>16}")
    how = f"certified gap {root.gap:.1e}, {root.passes} passes"
    print(f"{'agreed by messages *':24}{spent:10.2f}{root.cost:16.5f}   {how}")
    solvers = {
        "PIQP": lambda: solve_piqp(joined, TOLERANCE).x,
        "Clarabel": lambda: centrally(answer_clarabel, joined),
        "HiGHS (linear part)": lambda: centrally(answer_highs_linear, joined),
    }
    for name, job in solvers.items():
        cpu, x = timed(job, runs)
        # what it costs, without what keeps a plan near the point it was linearised at
        cost = bill(list(blocks), list(parts.parents), joined.controls(x), energy, v).total
        print(f"{name:24}{cpu:10.2f}{cost:16.5f}")
    print("* with AC operating points, linear problems and AC checks of all passes, which the solvers do not include")


def power_flow(runs: int) -> None:
    """One snapshot of the city."""
    import pandapower

    from archipel.report.verify import pandapower_net

    scenario = load_scenario("city")
    p = np.bincount(scenario.device_node, minlength=len(scenario.grid.nodes)).astype(float)
    q = 0.2 * p
    ours = PowerFlow(scenario.grid)
    ours.solve(p, q)
    cpu, flow = timed(lambda: ours.solve(p, q), 5 * runs)
    net = pandapower_net(pandapower, scenario.grid)
    net.load["p_mw"], net.load["q_mvar"] = p / 1e3, q / 1e3
    options = {"trafo_model": "pi", "calculate_voltage_angles": True, "numba": False}
    pandapower.runpp(net, **options)
    theirs, _ = timed(lambda: pandapower.runpp(net, **options), runs)
    print(f"power flow, {len(scenario.grid.nodes)} nodes: ours {1e3 * cpu:.1f} ms, pandapower {1e3 * theirs:.1f} ms")
    del flow


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=3)
    runs = arguments.parse_args().runs
    planning(runs)
    power_flow(runs)
