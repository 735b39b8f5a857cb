"""True AC power flow of the whole network, on power-grid-model (positive sequence, constant-power loads)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from power_grid_model import CalculationMethod, ComponentType, PowerGridModel
from power_grid_model.errors import IterationDiverge, PowerGridError  # type: ignore[attr-defined]

from archipel.grid.pgm_input import pgm_input
from archipel.model import Diverged, Floats, Grid, GridError

TOLERANCE_PU = 1e-8
ROUNDS = 60
_BRANCHES = (ComponentType.line, ComponentType.transformer)
_ENDS = {"i_from", "i_to", "p_from", "q_from", "p_to", "q_to"}
_OUTPUT: dict[ComponentType, Any] = {
    ComponentType.node: {"u_pu", "u_angle"},
    ComponentType.line: _ENDS,
    ComponentType.transformer: _ENDS,
    ComponentType.source: {"p", "q"},
}
_NONE = np.zeros(0)


@final
@dataclass(frozen=True, slots=True, eq=False)
class PhaseState:
    """What three-phase physics knows beyond a balanced flow."""

    v_pu: Floats
    """Voltage of every phase to ground, shape (nodes, 3); NaN where a node lacks the phase."""
    unbalance: Floats
    """Voltage unbalance factor, negative over positive sequence, shape (nodes,); NaN with fewer than three phases."""
    position: Floats
    """Positions of the network's own controls: taps of regulators, steps in of capacitors, shape (controls,)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """One solved state of the network. Branches are lines, then transformers."""

    v_pu: Floats
    """Voltage magnitude, shape (nodes,); 0 at nodes the source does not reach."""
    v_angle: Floats
    """Voltage angle against the source [rad], shape (nodes,); 0 at nodes the source does not reach."""
    loading: Floats
    """Current over the source's limit (1 = at the limit), the larger of both ends, shape (branches,)."""
    losses_kw: float
    """Losses in all branches."""
    branch_p_kw: Floats
    branch_q_kvar: Floats
    """Power *into* the branch at its from/HV end (row 0) and its to/LV end (row 1), shape (2, branches)."""
    upstream_p_kw: float
    upstream_q_kvar: float
    """Power drawn from the upstream grid."""
    phases: PhaseState | None = None
    """More of it where the physics is three-phase; `v_pu` is then the mean over the phases of a node, powers are sums
    and loading is that of the worst phase."""


@final
class PowerFlow:
    """The AC truth of a network whose switches stand still; make a new one after a switching.

    `scale_line_r` and `scale_line_x` multiply resistance and reactance of all lines, for a twin that differs
    from the controllers' model. Raises GridError for a network that cannot be solved (see `pgm_input`).

    Agrees with pandapower's `runpp` with `trafo_model="pi"` and taps of type `Ratio`.
    """

    def __init__(self, grid: Grid, scale_line_r: float = 1.0, scale_line_x: float = 1.0) -> None:
        data, layout = pgm_input(grid, scale_line_r, scale_line_x)
        self._layout = layout
        try:
            self._model = PowerGridModel(data, system_frequency=grid.f_hz)
        except PowerGridError as error:
            raise GridError(f"power-grid-model refuses the network: {error}") from error

    def solve(self, p_kw: Floats, q_kvar: Floats) -> Flow:
        """The state in which every node draws `p_kw`, `q_kvar` (shape (nodes,), load convention).

        What is asked for at nodes that the source does not reach is not served and does not count.
        Raises Diverged when neither iterative current nor Newton converges, GridError when a power is not finite.
        """
        p_w, q_var = self._at_points(p_kw[:, None], q_kvar[:, None])
        # power-grid-model keeps what it was last told, so every load is told every time.
        self._model.update(update_data={"sym_load": {"p_specified": p_w[0], "q_specified": q_var[0]}})
        return self._read(self._calculate())

    def solve_all(self, p_kw: Floats, q_kvar: Floats) -> Iterator[Flow]:
        """The states of T intervals, shape (nodes, T): the same as T calls of `solve`, in one call of the engine."""
        p_w, q_var = self._at_points(p_kw, q_kvar)
        try:
            answer = self._run(
                CalculationMethod.iterative_current, {"sym_load": {"p_specified": p_w, "q_specified": q_var}}
            )
        except PowerGridError:  # some interval needs Newton
            yield from (self.solve(p_kw[:, t], q_kvar[:, t]) for t in range(p_kw.shape[1]))
            return
        for t in range(p_kw.shape[1]):
            yield self._read(
                {kind: {name: column[t] for name, column in table.items()} for kind, table in answer.items()}
            )

    def _at_points(self, p_kw: Floats, q_kvar: Floats) -> tuple[Floats, Floats]:
        """Power of every load of the engine [W, var], shape (T, points). Raises GridError for what is no number."""
        layout, steps = self._layout, p_kw.shape[1]
        if not np.isfinite(p_kw + q_kvar).all():
            bad, t = np.argwhere(~np.isfinite(p_kw + q_kvar))[0]
            raise GridError(
                f"node row {bad}: found a power of {p_kw[bad, t]} kW, {q_kvar[bad, t]} kvar; expected numbers"
            )
        power = np.zeros((2, steps, layout.points))
        for t in range(steps):
            power[0, t] = 1e3 * np.bincount(layout.point, p_kw[:, t], layout.points)
            power[1, t] = 1e3 * np.bincount(layout.point, q_kvar[:, t], layout.points)
        return power[0], power[1]

    def _calculate(self) -> Mapping[str, Any]:
        """Iterative current is quicker; Newton has the last word on heavily loaded networks."""
        try:
            return self._run(CalculationMethod.iterative_current)
        except IterationDiverge:
            pass
        try:
            return self._run(CalculationMethod.newton_raphson)
        except IterationDiverge as error:
            raise Diverged("the whole network", ROUNDS, _deviation(str(error))) from error
        except PowerGridError as error:  # far beyond the nose of the curve Newton meets a singular matrix
            raise Diverged("the whole network", ROUNDS, float("nan")) from error

    def _run(self, method: CalculationMethod, many: dict[str, Any] | None = None) -> Mapping[str, Any]:
        answer: Any = self._model.calculate_power_flow(
            update_data=many,
            calculation_method=method,
            error_tolerance=TOLERANCE_PU,
            max_iterations=ROUNDS,
            output_component_types=_OUTPUT,
        )
        return dict(answer)

    def _read(self, answer: Mapping[str, Any]) -> Flow:
        nodes = answer["node"]
        branches = [answer[kind] for kind in _BRANCHES if kind in answer]  # empty tables are left out of the answer
        p_kw, q_kvar, i_a = (
            np.stack([np.concatenate([_NONE, *(table[f"{x}_{end}"] for table in branches)]) for end in ("from", "to")])
            for x in "pqi"
        )
        p_kw *= 1e-3
        q_kvar *= 1e-3
        source = answer["source"]
        return Flow(
            v_pu=nodes["u_pu"][self._layout.point],
            v_angle=nodes["u_angle"][self._layout.point],
            loading=(i_a * self._layout.loading_per_a).max(axis=0),
            losses_kw=float(p_kw.sum()),
            branch_p_kw=p_kw,
            branch_q_kvar=q_kvar,
            upstream_p_kw=float(source["p"][0]) * 1e-3,
            upstream_q_kvar=float(source["q"][0]) * 1e-3,
        )


def _deviation(message: str) -> float:
    """The last voltage change that power-grid-model's message speaks of; NaN when it names none."""
    found = re.search(r"deviation:?\s*([-+.\deE]+)", message)
    return float(found.group(1)) if found else float("nan")
