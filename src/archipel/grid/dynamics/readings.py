"""What a control hears of a run while it goes on, and what it may do: the door for secondary control and closing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from archipel.grid.branch_model import Complexes
from archipel.grid.dynamics.events import Event
from archipel.grid.dynamics.plant import Plant
from archipel.model import Bools, Floats


@final
@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What meters show at one instant. Load convention; units in the island's order; NaN where nothing is live."""

    time_s: float
    f_hz: Floats
    """What every unit sees, shape (S, N)."""
    v_pu: Floats
    """At their terminals."""
    p_kw: Floats
    q_kvar: Floats
    e_kwh: Floats
    """In their stores; NaN without one."""
    on: Bools
    closed: Bools
    """Ties, shape (S, T)."""
    tie_f_hz: Floats
    """At both ends of ties, shape (S, T, 2)."""
    tie_v_pu: Floats
    tie_angle_deg: Floats
    """Of the voltage at a less that at b, shape (S, T); NaN unless both ends are live."""
    tie_p_kw: Floats
    """From a to b, at a."""
    tie_q_kvar: Floats

    @staticmethod
    def of(plant: Plant, time_s: float, s: Complexes) -> Reading:
        """The plant now, its units giving `s`."""
        N, f_hz, back = plant.N, plant.island.f_hz, np.argsort(plant.order)
        parts, on = plant.parts, plant.on[:N]
        live = parts.live[:N]
        w = np.concatenate([plant.w, plant.x_g / (2 * np.pi * f_hz)])
        given = np.where(on, s, 0.0) * -plant.base
        ends = TieEnds.of(plant)
        known = np.where(plant.stored[:, None], plant.e * plant.base, np.nan)
        return Reading(
            time_s=time_s,
            f_hz=np.where(on & live, f_hz * (1 + w), np.nan)[back].T,
            v_pu=np.where(live, np.abs(plant.V[:N]), np.nan)[back].T,
            p_kw=given.real[back].T,
            q_kvar=given.imag[back].T,
            e_kwh=known[back].T,
            on=on[back].T,
            closed=plant.closed.T.copy(),
            tie_f_hz=np.moveaxis(ends.f_hz, -1, 0),
            tie_v_pu=np.moveaxis(ends.v_pu, -1, 0),
            tie_angle_deg=ends.angle_deg.T,
            tie_p_kw=ends.s_kva.real.T,
            tie_q_kvar=ends.s_kva.imag.T,
        )


class Control(Protocol):
    """Something that acts while a run goes on."""

    @property
    def period_s(self) -> float:
        """How often it looks, a multiple of 10 ms."""

    @property
    def done(self) -> bool:
        """Whether the run may end before its time."""

    def __call__(self, reading: Reading) -> Sequence[Event]:
        """Events from now on; what it does not ask for stays as it is."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class TieEnds:
    """What is measured at ties, shapes (T, 2, S) and (T, S)."""

    f_hz: Floats
    v_pu: Floats
    angle_deg: Floats
    s_kva: Complexes
    """From a to b, at a."""
    losses_kw: Floats

    @staticmethod
    def of(plant: Plant) -> TieEnds:
        """As the plant stands."""
        v, parts = plant.at_used()[plant.ends], plant.parts
        live = parts.live_terminal[plant.ends]
        centres = parts.centres(plant)
        at = parts.of_terminal[plant.ends]
        f = plant.island.f_hz * (1 + centres[at, np.arange(plant.S)])
        a, b = v[:, 0], v[:, 1]
        turn = np.where(live.all(axis=1), np.rad2deg(np.angle(a * b.conj())), np.nan)
        through = plant.closed * plant.y_tie * (a - b)
        into_a = a * np.conj(through + plant.closed * plant.y_charge * a)
        into_b = b * np.conj(plant.closed * plant.y_charge * b - through)
        return TieEnds(
            np.where(live, f, np.nan),
            np.where(live, np.abs(v), np.nan),
            turn,
            plant.base * into_a,
            plant.base * (into_a + into_b).real,
        )
