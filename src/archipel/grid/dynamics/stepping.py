"""Steps of an island in time, second order with one network solution each.

    time            k        k + 1/2        k + 1
    frequency       o                         o        and all filters
    angle, network             o

Angles and powers live in the middle of steps, frequencies and filters at their ends, so each is advanced with the
other's midpoint (leapfrog; filters by their exact response to a constant input). Loads and set-points change at ends.

Source: E. Hairer, C. Lubich, G. Wanner, "Geometric numerical integration illustrated by the Stoermer-Verlet method",
Acta Numerica 12, 2003, doi:10.1017/S0962492902000144.
"""

from __future__ import annotations

from typing import final

import numpy as np

from archipel.grid.branch_model import Complexes
from archipel.grid.dynamics.plant import Plant
from archipel.model import Bools, Floats

PLL_RAD_S = 2 * np.pi * 5.0
PLL_DAMPING = 0.7


@final
class Stepper:
    """Advances a plant by steps of one length. Its arrays are written in place; nothing is allocated in a step."""

    def __init__(self, plant: Plant, step_s: float, most_steps: int) -> None:
        self.plant, self.step_s = plant, step_s
        shape, following = (plant.F, plant.S), (plant.G, plant.S)
        self._real: Floats = np.empty(shape)
        self._complex: Complexes = np.empty(shape, dtype=np.complex128)
        self._high: Bools = np.empty(shape, dtype=np.bool_)
        self._e: Complexes = np.zeros(shape, dtype=np.complex128)
        self._turn: Complexes = np.ones(shape, dtype=np.complex128)
        self._both = np.empty((2, *shape))
        self._seen = np.empty((most_steps, *shape))
        self.s: Complexes = np.zeros(shape, dtype=np.complex128)
        """Power given by forming units in the middle of the last step."""
        # as wide as the state: an operation that repeats a column costs twice as much
        self._i_max2 = _wide(plant.i_max[: plant.F] ** 2, shape)
        self._half_turn = np.full(shape, np.pi * plant.island.f_hz * step_s)
        self._set_state()
        self._keep_gate, self._keep_turbine = np.exp(-step_s / plant.valve_s), _decay(step_s, plant.lag_s)
        self._keep_i = np.exp(-step_s / plant.follow_s)
        self._real_g: Floats = np.empty(following)
        self._w_g: Floats = np.empty(following)
        self._complex_g: Complexes = np.empty(following, dtype=np.complex128)
        self._turn_g: Complexes = np.ones(following, dtype=np.complex128)

    def _set_state(self) -> None:
        """w' = (p_m - p - D w) / 2H and T e' = v_set + droop_v (q_set - q) - e over a step, exact for constant p and q.

        state = keep state + gain (p_m, v_set + droop_v q_set) - answer (p, q)
        """
        m, d = self.plant.m, self.plant.d
        with np.errstate(invalid="ignore", divide="ignore"):
            keep_w = np.where(np.isinf(m), 1.0, np.exp(-d * self.step_s / m))
            gain_w = np.where(d > 0, -np.expm1(-d * self.step_s / m) / d, self.step_s / m)
        gain_w = np.where(np.isinf(m), 0.0, gain_w)
        keep_e = np.exp(-self.step_s / self.plant.filter_s)
        shape = self._real.shape
        self._keep = np.stack([_wide(keep_w, shape), _wide(keep_e, shape)])
        self._gain = np.stack([_wide(gain_w, shape), _wide(1 - keep_e, shape)])
        self._answer = np.stack([_wide(gain_w, shape), _wide((1 - keep_e) * self.plant.droop_v, shape)])

    def run(self, steps: int, lowest: Floats, highest: Floats) -> None:
        """So many steps; `lowest` and `highest` take the extremes of all parts' frequencies, each of shape (S,).

        At most `most_steps`: set-points and the speed of the frame stand still meanwhile.
        """
        plant, F = self.plant, self.plant.F
        # the state's arrays under short names: this loop is the speed of the whole
        u, state, J_f, V_f, I = plant.u, plant.state, plant.J[:F], plant.V[:F], plant.I  # noqa: E741
        w, e_f, e_real, both = plant.w, plant.e_f, self._e.real, self._both
        real, turn, other, s = self._real, self._turn, self._complex, self.s
        governed, following = len(plant.governed) > 0, plant.G > 0
        order = plant.v_set + plant.droop_v * plant.q_set[:F]
        drive = self._gain * np.stack([plant.p_set[:F] + plant.p_push, order * plant.ramp if plant.rising else order])
        turn_loads = plant.parts.turn(plant, self.step_s, slice(plant.N, plant.K))
        for step in range(steps):
            if governed:
                self._govern(drive[0])
            e_real[:] = e_f
            np.multiply(u, self._e, out=J_f)
            if following:
                np.multiply(plant.u_g, plant.i_g, out=plant.J[F : plant.N])
            if plant.extra:
                plant.load_currents(turn_loads)
            plant.voltages(loads=plant.extra or step == steps - 1)
            np.subtract(J_f, V_f, out=I)
            np.multiply(I, plant.y_f, out=I)
            np.conj(I, out=other)
            np.multiply(I, other, out=s)
            np.greater(s.real, self._i_max2, out=self._high)
            if np.count_nonzero(self._high):
                plant.limit()
                np.conj(I, out=other)
            np.multiply(V_f, other, out=s)
            # frequency and voltage
            np.multiply(s.real, self._answer[0], out=both[0])
            np.multiply(s.imag, self._answer[1], out=both[1])
            np.subtract(drive, both, out=both)
            np.multiply(state, self._keep, out=state)
            np.add(state, both, out=state)
            # angles, in a frame that turns as the centre of inertia did at the last look
            np.subtract(w, plant.w_centre, out=real)
            np.multiply(real, self._half_turn, out=turn.imag)
            np.multiply(u, turn, out=u)
            np.conj(turn, out=other)
            np.divide(u, other, out=u)
            if following:
                self._follow()
            self._seen[step] = w
        centre = (self._seen[:steps] * plant.weight).sum(axis=1)
        plant.w_centre[:] = centre[-1]
        if plant.parts.number > 1:
            of_parts = np.einsum("pfs,tfs->tps", plant.parts.weight, self._seen[:steps])
            centre = np.where(plant.parts.exist(), of_parts, centre[:, None]).reshape(-1, plant.S)
        np.minimum(lowest, centre.min(axis=0), out=lowest)
        np.maximum(highest, centre.max(axis=0), out=highest)

    def _govern(self, drive: Floats) -> None:
        """Half a step ahead of the frequency it answers to, as power is of frequency."""
        plant = self.plant
        at = plant.governed
        ask = plant.p_set[at] - plant.gate_gain * plant.w[at]
        plant.gate += (ask - plant.gate) * (1 - self._keep_gate)
        np.clip(plant.gate, plant.p_least[at], plant.p_most[at], out=plant.gate)
        plant.turbine += (plant.gate - plant.turbine) * (1 - self._keep_turbine)
        drive[at] = self._gain[0, at] * (plant.turbine + plant.lead * (plant.gate - plant.turbine))

    def _follow(self) -> None:
        plant, real, other, turn = self.plant, self._real_g, self._complex_g, self._turn_g
        v = plant.V[plant.F : plant.N]
        np.conj(plant.u_g, out=other)
        np.multiply(v, other, out=other)  # voltage in the loop's own frame: its angle is the loop's error
        np.absolute(other, out=real)
        np.maximum(real, 1e-3, out=real)
        np.divide(other.imag, real, out=real)
        np.multiply(real, 2 * PLL_DAMPING * PLL_RAD_S, out=self._w_g)
        np.multiply(real, PLL_RAD_S**2 * self.step_s, out=real)
        np.add(plant.x_g, real, out=plant.x_g)
        np.add(self._w_g, plant.x_g, out=self._w_g)
        np.subtract(self._w_g, plant.w_centre * (2 * np.pi * plant.island.f_hz), out=self._w_g)
        np.multiply(self._w_g, self.step_s / 2, out=turn.imag)
        np.multiply(plant.u_g, turn, out=plant.u_g)
        np.conj(turn, out=other)
        np.divide(plant.u_g, other, out=plant.u_g)
        np.subtract(plant.i_g, plant.i_ref, out=plant.i_g)
        np.multiply(plant.i_g, self._keep_i, out=plant.i_g)
        np.add(plant.i_g, plant.i_ref, out=plant.i_g)


def _wide(column: Floats, shape: tuple[int, int]) -> Floats:
    return np.broadcast_to(column, shape).copy()


def _decay(step_s: float, lag_s: Floats) -> Floats:
    return np.asarray(np.exp(-step_s / np.where(lag_s > 0, lag_s, step_s / 700)))
