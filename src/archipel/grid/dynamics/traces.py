"""What is seen of an island: traces through time, settled states, and how they are read off the plant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.grid.branch_model import Complexes
from archipel.grid.dynamics.events import Tripped
from archipel.grid.dynamics.plant import Plant
from archipel.model import Bools, Floats


@final
@dataclass(frozen=True, slots=True, eq=False)
class Traces:
    """What S scenarios of an island did at T times. Load convention: units that give have negative power.

    Times are `record_s` apart while something moves and farther while nothing does. Powers and voltages are those half a
    step before. NaN where nothing is live or a unit is off.
    """

    time_s: Floats
    """Shape (T,)."""
    f_hz: Floats
    """Of every unit, shape (S, T, N): a forming one's own, what a following one's loop sees."""
    f_centre_hz: Floats
    """Of the centre of inertia, shape (S, T)."""
    p_kw: Floats
    q_kvar: Floats
    v_pu: Floats
    """Of units at their terminals, shape (S, T, N)."""
    i_pu: Floats
    """Current of units on their rating, shape (S, T, N)."""
    load_p_kw: Floats
    load_q_kvar: Floats
    load_v_pu: Floats
    """Of loads, shape (S, T, L)."""
    losses_kw: Floats
    """In the network, shape (S, T)."""
    e_kwh: Floats
    """In stores at the end, shape (S, N); NaN without one."""
    nadir_hz: Floats
    peak_hz: Floats
    """Extremes of the centre's frequency over every step, shape (S,)."""
    trips: tuple[Tripped, ...]
    """In order of time; events asked for are not among them."""

    @property
    def settled_hz(self) -> Floats:
        """The centre's frequency at the end, shape (S,)."""
        return self.f_centre_hz[:, -1]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """Settled states of S scenarios, load convention; see `Traces` for shapes without time."""

    found: Bools
    """Whether there is one, shape (S,); the rest means nothing where there is none."""
    f_hz: Floats
    p_kw: Floats
    q_kvar: Floats
    v_pu: Floats
    load_p_kw: Floats
    load_q_kvar: Floats
    load_v_pu: Floats
    losses_kw: Floats


@final
@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One instant in the island's order and units; columns are scenarios."""

    f_hz: Floats
    f_centre_hz: Floats
    p_kw: Floats
    q_kvar: Floats
    v_pu: Floats
    i_pu: Floats
    load_p_kw: Floats
    load_q_kvar: Floats
    load_v_pu: Floats
    losses_kw: Floats


def frame(plant: Plant, f_hz: Floats, s: Complexes) -> Frame:
    """What meters show when rows measure `f_hz`, shape (K, S), and units give `s`, shape (N, S)."""
    N, base, back = plant.N, plant.base, np.argsort(plant.order)
    on, v = plant.on[:N], np.where(plant.lit, np.abs(plant.V), np.nan)
    # as their currents are in the network's equations, so that what units give is drawn to the last digit
    loads = np.conj(plant.y_load) * np.abs(plant.V[N:]) ** 2 - plant.V[N:] * np.conj(plant.J[N:])
    given = np.where(on, s, 0.0)
    i = np.concatenate([np.abs(plant.I), np.abs(plant.i_g)]) / plant.rating
    at_terminal: Complexes = np.zeros((plant.y_net.shape[-1], plant.S), dtype=np.complex128)
    at_terminal[plant.terminal] = plant.V
    into = np.einsum("...ij,js->is" if plant.y_net.ndim == 2 else "sij,js->is", plant.y_net, at_terminal)
    return Frame(
        f_hz=np.where(on, f_hz[:N], np.nan)[back],
        f_centre_hz=np.where(plant.lit, plant.island.f_hz * (1 + plant.w_centre), np.nan),
        p_kw=-base * given.real[back],
        q_kvar=-base * given.imag[back],
        v_pu=v[:N][back],
        i_pu=np.where(on, i, 0.0)[back],
        load_p_kw=base * loads.real,
        load_q_kvar=base * loads.imag,
        load_v_pu=v[N:],
        losses_kw=base * (at_terminal * into.conj()).real.sum(axis=0),
    )
