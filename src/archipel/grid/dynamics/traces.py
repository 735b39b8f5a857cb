"""What is seen of an island: traces through time, settled states, and how they are read off the plant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.grid.branch_model import Complexes
from archipel.grid.dynamics.events import Tripped
from archipel.grid.dynamics.plant import Plant
from archipel.model import Bools, Floats

_CHUNK = 32
"""Frames read at once: few enough for the processor's cache."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Traces:
    """What S scenarios of an island did at T times. Load convention: units that give have negative power.

    Times are `record_s` apart while something moves and farther while nothing does. Powers and voltages are those half
    a step before. NaN where nothing is live or a unit is off.
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
    terminal_v_pu: Complexes
    """Complex voltages at the network's terminals, shape (S, M); `Reduced.v_pu` takes their transpose further."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One instant as the plant has it; made often, so it is only copied here and read later."""

    w: Floats
    w_centre: Floats
    w_following: Floats
    v: Complexes
    s: Complexes
    i_loads: Complexes
    y_loads: Complexes
    on: Bools
    lit: Bools

    @staticmethod
    def of(plant: Plant, s: Complexes) -> Frame:
        """The plant now, its units giving `s`."""
        return Frame(
            w=plant.w.copy(),
            w_centre=plant.w_centre.copy(),
            w_following=plant.x_g / (2 * np.pi * plant.island.f_hz),
            v=plant.V.copy(),
            s=s,
            i_loads=plant.J[plant.N :].copy(),
            y_loads=plant.y_load,
            on=plant.on[: plant.N].copy(),
            lit=plant.lit,
        )


def traces(
    plant: Plant, time_s: Floats, frames: list[Frame], extremes: tuple[Floats, Floats], trips: tuple[Tripped, ...]
) -> Traces:
    """Frames in the island's order and units; every array becomes (S, T, ...)."""
    N, L, f_hz, back = plant.N, plant.L, plant.island.f_hz, np.argsort(plant.order)
    in_order = bool((back[1:] > back[:-1]).all())
    of_units = {name: np.empty((len(frames), N, plant.S)) for name in ("f_hz", "p_kw", "q_kvar", "v_pu", "i_pu")}
    of_loads = {name: np.empty((len(frames), L, plant.S)) for name in ("load_p_kw", "load_q_kvar", "load_v_pu")}
    of_all = {name: np.empty((len(frames), plant.S)) for name in ("f_centre_hz", "losses_kw")}
    for begin in range(0, len(frames), _CHUNK):
        at = slice(begin, begin + _CHUNK)
        for name, values in _read(plant, frames[at]).items():
            if name in of_units:
                of_units[name][at] = values if in_order else values[:, back]
            else:
                (of_loads if name in of_loads else of_all)[name][at] = values
    return Traces(
        time_s=time_s,
        **{name: np.moveaxis(values, -1, 0) for name, values in (of_units | of_loads | of_all).items()},
        e_kwh=np.where(plant.stored[:, None], plant.e * plant.base, np.nan)[back].T,
        nadir_hz=f_hz * (1 + extremes[0]),
        peak_hz=f_hz * (1 + extremes[1]),
        trips=trips,
    )


def _read(plant: Plant, frames: list[Frame]) -> dict[str, Floats]:
    """What meters show, shapes (T, rows, S), units in the plant's order."""

    def all_of(name: str) -> np.ndarray:
        return np.stack([getattr(frame, name) for frame in frames])

    N, base, f_hz = plant.N, plant.base, plant.island.f_hz
    on, lit, v, s = all_of("on"), all_of("lit"), all_of("v"), all_of("s")
    size = np.abs(v)
    # as their currents are in the network's equations, so that what units give is drawn to the last digit
    loads = base * v[:, N:] * np.conj(all_of("y_loads") * v[:, N:] - all_of("i_loads"))
    given = np.where(on, s, 0.0) * -base
    size_units = np.maximum(size[:, :N], 1e-12) * (base * plant.rating)
    seen_v = np.where(lit[:, None], size, np.nan)
    w = np.concatenate([all_of("w"), all_of("w_following")], axis=1)
    return {
        "f_hz": np.where(on, f_hz * (1 + w), np.nan),
        "f_centre_hz": np.where(lit, f_hz * (1 + all_of("w_centre")), np.nan),
        "p_kw": given.real,
        "q_kvar": given.imag,
        "v_pu": seen_v[:, :N],
        "i_pu": np.abs(given) / size_units,
        "load_p_kw": loads.real,
        "load_q_kvar": loads.imag,
        "load_v_pu": seen_v[:, N:],
        "losses_kw": _losses(plant, v),
    }


def _losses(plant: Plant, v: Complexes) -> Floats:
    """What goes into the network at its terminals and does not come out, shape (T, S)."""
    _, first = np.unique(plant.terminal, return_index=True)
    at_terminal = v[:, first]
    shared = plant.y_net.ndim == 2
    into = plant.y_net @ at_terminal if shared else np.einsum("sij,tjs->tis", plant.y_net, at_terminal)
    return np.asarray(plant.base * (at_terminal * into.conj()).real.sum(axis=1))
