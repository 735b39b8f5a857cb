"""Replaying a three-phase run in a fresh engine, and a kept circuit beside the balanced network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from archipel.grid.physics import PositiveSequence
from archipel.model import Scenario
from archipel.report.run import Run
from archipel.report.tables import PHASES
from archipel.twin.three_phase import ThreePhaseFlow


def verify_phases(
    run: Run, *, every: int = 1, strategies: tuple[str, ...] = (), progress: Callable[[int, int], None] | None = None
) -> dict[str, dict[str, Any]]:
    """Solve a three-phase run again, from its tables `devices` and `controls`, in an engine that knows nothing of it.

    Powers are told as the tables have them; tap changers and capacitors are put where they stood and must want to stay.

    Args:
        run: The run.
        every: Replay every n-th step.
        strategies: Which ones; all by default.
        progress: Called with (steps done, steps in all).

    Returns:
        By strategy: `max_dv_pu` (largest |difference| over nodes, phases and steps), `node` and `time` where it was,
        `steps` replayed, `controls_moved` (steps in which a control wanted to be elsewhere).
    """
    names = strategies or run.strategies
    total = sum(len(range(0, run.steps(name), every)) for name in names)
    done, found = 0, dict[str, dict[str, Any]]()
    with ThreePhaseFlow(run.scenario) as network:
        row = {node: i for i, node in enumerate(run.scenario.grid.nodes.id)}
        for name in names:
            p, q = (run.array("devices", column, name).astype(np.float64) for column in ("p_kw", "q_kvar"))
            ours = run.array("phases", "v_pu", name).astype(np.float64)
            node = run.labels("phases", "node", name)
            at = np.array([row[one] for one in node], dtype=np.int64)
            phase = np.array([PHASES.index(one) for one in run.labels("phases", "phase", name)], dtype=np.int64)
            position = run.array("controls", "position", name) if network.controls else None
            time = run.time(name)
            worst: dict[str, Any] = {"max_dv_pu": 0.0, "node": "", "time": "", "steps": 0, "controls_moved": 0}
            for step in range(0, run.steps(name), every):
                if position is not None:
                    network.place(position[:, step])
                network.solve(p[:, step], q[:, step], act=False)
                state = network.flow().phases
                if state is not None:
                    dv = np.abs(state.v_pu[at, phase] - ours[:, step])
                    if dv.max() > worst["max_dv_pu"]:
                        i = int(dv.argmax())
                        worst |= {"max_dv_pu": float(dv[i]), "node": f"{node[i]} {PHASES[phase[i]]}"}
                        worst["time"] = f"{time[step]}Z"
                if position is not None:
                    worst["controls_moved"] += network.solve(p[:, step], q[:, step], act=True)[1]
                worst["steps"] += 1
                done += 1
                if progress is not None:
                    progress(done, total)
            found[name] = worst
    return found


def beside_balanced(scenario: Scenario) -> dict[str, Any]:
    """The kept circuit as its file leaves it, and the scenario's balanced network at the same powers of devices.

    Returns:
        `engine`; of the circuit `nodes`, `upstream_kw`, `upstream_kvar`, `losses_kw`, `worst_v_pu` over all phases,
        `worst_unbalance`; of the balanced network `balanced_upstream_kw`, `balanced_losses_kw`, `balanced_worst_v_pu`;
        `max_dv_pu` of its voltages to the mean over phases, `max_dv_phase_pu` to the farthest phase, with their nodes;
        and `unmetered`, elements of branches that the circuit does not have.

    Raises:
        ArchipelError: the scenario keeps no circuit.
    """
    with ThreePhaseFlow(scenario) as network:
        flow, asked, alone = network.flow(), network.filed, network.alone
        engine, unmetered = network.engine, network.unmetered
    balanced = PositiveSequence(scenario.grid, scenario.device_node)
    balanced.solve(asked.real, asked.imag, act=False)
    ours, state = balanced.flow(), flow.phases
    assert state is not None
    node, live = scenario.grid.nodes.id, (flow.v_pu > 0) & (ours.v_pu > 0)
    mean = np.where(live, np.abs(flow.v_pu - ours.v_pu), 0.0)
    far = np.where(live, np.nanmax(np.abs(state.v_pu - ours.v_pu[:, None]), axis=1, initial=0.0), 0.0)
    known = state.unbalance[np.isfinite(state.unbalance)]
    supplied = state.v_pu[state.v_pu > 0]
    return {
        "engine": engine,
        "nodes": len(alone["node"]),
        "converged": alone["converged"],
        "upstream_kw": -float(alone["total"][0]),
        "upstream_kvar": -float(alone["total"][1]),
        "losses_kw": float(alone["losses"][0]),
        "worst_v_pu": [float(supplied.min()), float(supplied.max())],
        "worst_unbalance": float(known.max()) if len(known) else None,
        "balanced_upstream_kw": ours.upstream_p_kw,
        "balanced_losses_kw": ours.losses_kw,
        "balanced_worst_v_pu": [float(ours.v_pu[live].min()), float(ours.v_pu[live].max())],
        "max_dv_pu": float(mean.max()),
        "node": node[int(mean.argmax())],
        "max_dv_phase_pu": float(far.max()),
        "phase_node": node[int(far.argmax())],
        "dead_in_one": int(np.count_nonzero((flow.v_pu > 0) != (ours.v_pu > 0))),
        "unmetered": list(unmetered),
    }
