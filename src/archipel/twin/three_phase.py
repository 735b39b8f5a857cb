"""The second door to physics: the scenario's three-phase circuit in the OpenDSS engine, in a process of its own."""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from archipel.formats.networks.opendss.child import OpenDssChild
from archipel.grid.physics import Terminals
from archipel.grid.power_flow import Flow, PhaseState
from archipel.model import ArchipelError, Diverged, Floats, GridError, ImportRefused, Ints, Scenario

NAME = "three-phase"
TURN = np.exp(2j * np.pi / 3)
UP = np.array([1.0, TURN, TURN**2])
"""Turns the phases of a positive sequence onto each other."""


class ControlsHunting(UserWarning):
    """Tap changers or capacitors of the circuit went to and fro without end; the last state is valid physics."""


@final
class ThreePhaseFlow:
    """`Physics` of a scenario whose source is a three-phase circuit. Use it in a `with` block.

    Until something is solved `flow` is that of the circuit as its file leaves it.

    Devices that the circuit has keep their place and load model in it: a load that the file calls a constant impedance
    draws what the twin asks for at its rated voltage only. Other devices draw constant power, on the phase of the
    customers at their node where these agree, otherwise on all phases of the node.

    Raises:
        ArchipelError: the scenario has no three-phase circuit, or is off grid.
        ExtraMissing: the engine is not installed.
        ImportRefused: the engine refuses the circuit.
    """

    name = NAME

    def __init__(self, scenario: Scenario) -> None:
        kept = scenario.three_phase
        if kept is None:
            raise ArchipelError(
                f"three-phase physics: scenario {scenario.name} keeps no three-phase circuit; expected "
                "[network.three_phase], which `archipel import` writes for OpenDSS files. Import the source again, or "
                "run it with --physics positive-sequence."
            )
        if scenario.island.off_grid:
            raise ArchipelError(
                f"three-phase physics: scenario {scenario.name} is off grid; expected one with a main grid. "
                "Run it with --physics positive-sequence."
            )
        grid = scenario.grid
        place = [kept.node[node] for node in grid.nodes.id]
        begin = np.concatenate([grid.lines.from_node, grid.transformers.hv_node])
        self._where = {
            "element": [kept.device.get(device, "") for device in scenario.device_id],
            "device_bus": [place[node].bus for node in scenario.device_node],
            "device_phases": [list(place[node].phases) for node in scenario.device_node],
            "node_bus": [one.bus for one in place],
            "node_kv": grid.nodes.vn_kv.tolist(),
            "branch_element": [list(kept.branch.get(branch, ())) for branch in grid.branch_id],
            "branch_bus": [place[node].bus for node in begin],
            "branch_a_max": np.concatenate([grid.lines.i_a_max, np.full(len(grid.transformers), np.nan)]),
        }
        self._phased = np.array([len(one.phases) == 3 for one in place], dtype=np.bool_)
        self._limit = np.concatenate([np.ones(len(grid.lines)), grid.transformers.loading_max])
        self._child = OpenDssChild(kept.folder, kept.master)
        self._told = False
        self.controls: tuple[str, ...] | None = ()
        """The circuit's own controls, in the order of `PhaseState.position`."""
        self.filed: NDArray[np.complex128] = np.zeros(0, dtype=np.complex128)
        """Power of every device as the circuit's file has it [kW, kvar], shape (devices,); 0 for those it lacks."""
        self.alone: dict[str, Any] = {}
        """The circuit as its file leaves it, before any device was told a power: voltages [V] by node of the engine
        (`v`, `node`), power of its sources (`total`), `losses` [kW, kvar], `converged`, `rounds`."""
        self.unmetered: tuple[str, ...] = ()
        """Some elements of branches that the circuit does not have; powers of their branches are 0."""

    @property
    def engine(self) -> str:
        """Name and version of the engine."""
        return self._child.engine

    def __enter__(self) -> Self:
        self._child.__enter__()
        try:
            self._prepare()
        except BaseException:
            self._child.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.close()

    def restart(self) -> None:
        """Begin afresh, with all controls where the file has them."""
        self._child.ask("compile", master=self._child.closure.master)
        self._prepare()

    def place(self, position: Floats) -> None:
        """Put the circuit's own controls into these positions."""
        self._ask("place", position=np.asarray(position, dtype=np.float64))

    def solve(self, p_kw: Floats, q_kvar: Floats, *, act: bool) -> tuple[Terminals, bool]:
        """As promised by `Physics`."""
        if not np.isfinite(p_kw + q_kvar).all():
            bad = int(np.argmax(~np.isfinite(p_kw + q_kvar)))
            raise GridError(f"device row {bad}: found {p_kw[bad]} kW, {q_kvar[bad]} kvar; expected numbers")
        answer = self._ask("solve", p_kw=p_kw, q_kvar=q_kvar, act=act)
        if not answer["converged"]:
            raise Diverged("the three-phase circuit", answer["rounds"], float("nan"))
        if answer["hunting"] and not self._told:
            self._told = True
            warnings.warn("tap changers or capacitors of the circuit found no rest", ControlsHunting, stacklevel=2)
        return Terminals(answer["v_pu"], answer["v_pu_high"]), bool(answer["moved"])

    def stand(self, branch: Ints, tap_pos: Floats) -> None:
        """Refused: the circuit's own regulators move its taps."""
        del tap_pos
        if len(branch):
            raise GridError(
                "tap changers of the scenario (tap_changers.csv): found with three-phase physics, where the circuit's "
                "own regulators move its taps; expected one of the two. Leave tap_changers out of [devices], or run "
                "with --physics positive-sequence."
            )

    def flow(self) -> Flow:
        """As promised by `Physics`."""
        answer = self._ask("flow")
        v: NDArray[np.complex128] = answer["v"]
        size = np.abs(v)
        here = np.isfinite(size)
        count = np.maximum(here.sum(axis=1), 1)
        turned = np.where(here, v * UP, 0.0).sum(axis=1)
        return Flow(
            v_pu=np.where(here, size, 0.0).sum(axis=1) / count,
            v_angle=np.angle(turned),
            loading=answer["loading"] / self._limit,
            losses_kw=answer["losses_kw"],
            branch_p_kw=answer["branch_p_kw"],
            branch_q_kvar=answer["branch_q_kvar"],
            upstream_p_kw=answer["upstream"][0],
            upstream_q_kvar=answer["upstream"][1],
            phases=PhaseState(size, unbalance(np.where(self._phased[:, None], v, np.nan)), answer["position"]),
        )

    def _prepare(self) -> None:
        self.alone = self._ask("alone")
        answer = self._ask("prepare", **self._where)
        self.filed = answer["filed"]
        self.controls, self.unmetered = tuple(answer["controls"]), tuple(answer["missing"])

    def _ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        try:
            return self._child.ask(command, **arguments)
        except ImportRefused as error:
            raise GridError(str(error)) from error


def unbalance(v: NDArray[np.complex128]) -> Floats:
    """Voltage unbalance factor from phase voltages, shape (nodes, 3) to (nodes,); NaN without three phases.

    Negative over positive sequence by symmetrical components (C. L. Fortescue, 1918), as IEC 61000-4-27 and EN 50160
    define it; positive is the way the phases turn at the node.
    """
    one, two = np.abs(v @ UP), np.abs(v @ UP.conj())
    small, large = np.minimum(one, two), np.maximum(one, two)
    return np.asarray(np.divide(small, large, out=np.full(len(v), np.nan), where=large > 0), dtype=np.float64)
