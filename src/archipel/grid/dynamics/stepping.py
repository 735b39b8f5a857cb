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

    def __init__(self, plant: Plant, step_s: float) -> None:
        self.plant, self.step_s = plant, step_s
        shape, following = (plant.F, plant.S), (plant.G, plant.S)
        self._real: Floats = np.empty(shape)
        self._complex: Complexes = np.empty(shape, dtype=np.complex128)
        self._turn: Complexes = np.ones(shape, dtype=np.complex128)
        self._high: Bools = np.empty(shape, dtype=np.bool_)
        self.s: Complexes = np.zeros(shape, dtype=np.complex128)
        """Power given by forming units in the middle of the last step."""
        self._centre = np.empty(plant.S)
        # as wide as the state: an operation that repeats a column costs twice as much
        self._keep_e = _wide(np.exp(-step_s / plant.filter_s), shape)
        self._droop_v = _wide(plant.droop_v, shape)
        self._i_max2 = _wide(plant.i_max[: plant.F] ** 2, shape)
        self._half_turn = np.full(shape, np.pi * plant.island.f_hz * step_s)
        self._set_swing()
        self._keep_gate, self._keep_turbine = np.exp(-step_s / plant.valve_s), _decay(step_s, plant.lag_s)
        self._keep_i = np.exp(-step_s / plant.follow_s)
        self._real_g: Floats = np.empty(following)
        self._w_g: Floats = np.empty(following)
        self._complex_g: Complexes = np.empty(following, dtype=np.complex128)
        self._turn_g: Complexes = np.ones(following, dtype=np.complex128)

    def _set_swing(self) -> None:
        """w' = (p - D w) / 2H over a step: w = keep w + gain p, exact for a constant p."""
        m, d = self.plant.m, self.plant.d
        with np.errstate(invalid="ignore", divide="ignore"):
            self._keep_w = _wide(np.where(np.isinf(m), 1.0, np.exp(-d * self.step_s / m)), self._real.shape)
            gain = np.where(d > 0, -np.expm1(-d * self.step_s / m) / d, self.step_s / m)
        self._gain_w = _wide(np.where(np.isinf(m), 0.0, gain), self._real.shape)

    def run(self, steps: int, lowest: Floats, highest: Floats) -> None:
        """So many steps; `lowest` and `highest` take the extremes of the centre's frequency, each of shape (S,)."""
        plant, F = self.plant, self.plant.F
        # the state's arrays under short names: this loop is the speed of the whole
        u, w, e_f, J_f, V_f, I = plant.u, plant.w, plant.e_f, plant.J[:F], plant.V[:F], plant.I  # noqa: E741
        real, turn, other, s = self._real, self._turn, self._complex, self.s
        p, q, p_set, centre = s.real, s.imag, plant.p_m, plant.w_centre
        governed, following = len(plant.governed) > 0, plant.G > 0
        if not governed:
            np.add(plant.p_set[:F], plant.p_push, out=p_set)
        e_target = plant.v_set - plant.droop_v * -plant.q_set[:F]
        for _ in range(steps):
            if governed:
                self._govern()
            np.multiply(u, e_f, out=J_f)
            if following:
                np.multiply(plant.u_g, plant.i_g, out=plant.J[F : plant.N])
            if plant.extra:
                plant.load_currents()
            plant.voltages()
            np.subtract(J_f, V_f, out=I)
            np.multiply(I, plant.y_f, out=I)
            np.conj(I, out=other)
            np.multiply(I, other, out=turn)
            np.greater(turn.real, self._i_max2, out=self._high)
            if np.count_nonzero(self._high):
                plant.limit()
                np.conj(I, out=other)
            np.multiply(V_f, other, out=s)
            # frequency
            np.subtract(p_set, p, out=real)
            np.multiply(real, self._gain_w, out=real)
            np.multiply(w, self._keep_w, out=w)
            np.add(w, real, out=w)
            # voltage
            np.multiply(q, self._droop_v, out=real)
            np.subtract(e_target, real, out=real)
            np.subtract(e_f, real, out=e_f)
            np.multiply(e_f, self._keep_e, out=e_f)
            np.add(e_f, real, out=e_f)
            # angles, in a frame that turns with the centre of inertia
            np.multiply(w, plant.weight, out=real)
            np.add.reduce(real, axis=0, out=centre)
            np.subtract(w, centre, out=real)
            turn.real = 1.0
            np.multiply(real, self._half_turn, out=turn.imag)
            np.multiply(u, turn, out=u)
            np.conj(turn, out=other)
            np.divide(u, other, out=u)
            if following:
                self._follow()
            np.minimum(lowest, centre, out=lowest)
            np.maximum(highest, centre, out=highest)

    def _govern(self) -> None:
        """Half a step ahead of the frequency it answers to, as power is of frequency."""
        plant = self.plant
        at = plant.governed
        p_set = plant.p_set[: plant.F]
        ask = p_set[at] - plant.gate_gain * plant.w[at]
        plant.gate += (ask - plant.gate) * (1 - self._keep_gate)
        np.clip(plant.gate, plant.p_least[at], plant.p_most[at], out=plant.gate)
        plant.turbine += (plant.gate - plant.turbine) * (1 - self._keep_turbine)
        np.add(p_set, plant.p_push, out=plant.p_m)
        plant.p_m[at] = plant.turbine + plant.lead * (plant.gate - plant.turbine)

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
        np.multiply(plant.w_centre, 2 * np.pi * plant.island.f_hz, out=self._centre)
        np.subtract(self._w_g, self._centre, out=self._w_g)
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
