"""What is seen of an island: traces through time, settled states, and how they are read off the plant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.grid.branch_model import Complexes
from archipel.grid.dynamics.events import Tripped
from archipel.grid.dynamics.plant import Plant
from archipel.grid.dynamics.readings import TieEnds
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
    """Of the centre of inertia of all that is live, shape (S, T); where open ties part it see `f_part_hz`."""
    f_part_hz: Floats
    """Of the centre of inertia of the part every unit stands in, shape (S, T, N)."""
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
    """Extremes over every step and all live parts of the frequency of their centres, shape (S,)."""
    tie_p_kw: Floats
    tie_q_kvar: Floats
    """Through ties from a to b, at a, shape (S, T, ties)."""
    tie_angle_deg: Floats
    """Voltage at a against that at b, shape (S, T, ties); NaN unless both ends are live."""
    tie_v_pu: Floats
    """Voltages at both ends of ties, shape (S, T, ties, 2); NaN where nothing is live."""
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
    live: Bools
    w_parts: Floats | None
    ties: TieEnds | None
    v_used: Complexes | None

    @staticmethod
    def of(plant: Plant, s: Complexes) -> Frame:
        """The plant now, its units giving `s`."""
        ties = len(plant.ends) > 0
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
            live=plant.parts.live if ties else plant.lit[None],
            w_parts=_of_units(plant) if ties else None,
            ties=TieEnds.of(plant) if ties else None,
            v_used=plant.at_used() if ties else None,
        )


def _of_units(plant: Plant) -> Floats:
    """Frequency of the part every unit stands in, over nominal less one."""
    at_units = plant.parts.by_row(plant.parts.centres(plant), slice(plant.N))
    return np.array(np.broadcast_to(at_units, (plant.N, plant.S)))


def traces(
    plant: Plant, time_s: Floats, frames: list[Frame], extremes: tuple[Floats, Floats], trips: tuple[Tripped, ...]
) -> Traces:
    """Frames in the island's order and units; every array becomes (S, T, ...)."""
    N, L, f_hz, back = plant.N, plant.L, plant.island.f_hz, np.argsort(plant.order)
    in_order = bool((back[1:] > back[:-1]).all())
    ties = len(plant.ends)
    parted = ("f_part_hz",) if ties else ()
    of_units = {
        name: np.empty((len(frames), N, plant.S)) for name in ("f_hz", "p_kw", "q_kvar", "v_pu", "i_pu", *parted)
    }
    v_ties = np.stack([frame.ties.v_pu for frame in frames if frame.ties]) if ties else np.zeros((len(frames), 0, 2, 1))
    of_ties = {name: np.empty((len(frames), ties, plant.S)) for name in ("tie_p_kw", "tie_q_kvar", "tie_angle_deg")}
    of_loads = {name: np.empty((len(frames), L, plant.S)) for name in ("load_p_kw", "load_q_kvar", "load_v_pu")}
    of_all = {name: np.empty((len(frames), plant.S)) for name in ("f_centre_hz", "losses_kw")}
    for begin in range(0, len(frames), _CHUNK):
        at = slice(begin, begin + _CHUNK)
        for name, values in _read(plant, frames[at]).items():
            if name in of_units:
                of_units[name][at] = values if in_order else values[:, back]
            else:
                (of_loads if name in of_loads else of_ties if name in of_ties else of_all)[name][at] = values
    if not parted:
        of_units["f_part_hz"] = np.broadcast_to(of_all["f_centre_hz"][:, None], (len(frames), N, plant.S))
    return Traces(
        time_s=time_s,
        **{name: np.moveaxis(values, -1, 0) for name, values in (of_units | of_loads | of_ties | of_all).items()},
        tie_v_pu=np.moveaxis(np.broadcast_to(v_ties, (*v_ties.shape[:3], plant.S)), -1, 0),
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
    live = all_of("live")
    seen_v = np.where(live, size, np.nan)
    w = np.concatenate([all_of("w"), all_of("w_following")], axis=1)
    found = _read_ties(frames, live[:, :N], f_hz) if len(plant.ends) else {}
    return found | {
        "f_hz": np.where(on & live[:, :N] if found else on, f_hz * (1 + w), np.nan),
        "f_centre_hz": np.where(lit, f_hz * (1 + all_of("w_centre")), np.nan),
        "p_kw": given.real,
        "q_kvar": given.imag,
        "v_pu": seen_v[:, :N],
        "i_pu": np.abs(given) / size_units,
        "load_p_kw": loads.real,
        "load_q_kvar": loads.imag,
        "load_v_pu": seen_v[:, N:],
        "losses_kw": _losses(plant, v, frames),
    }


def _read_ties(frames: list[Frame], live: Bools, f_hz: float) -> dict[str, Floats]:
    ties = [frame.ties for frame in frames if frame.ties is not None]
    w = np.stack([frame.w_parts for frame in frames if frame.w_parts is not None])
    return {
        "f_part_hz": np.where(live, f_hz * (1 + w), np.nan),
        "tie_p_kw": np.stack([each.s_kva.real for each in ties]),
        "tie_q_kvar": np.stack([each.s_kva.imag for each in ties]),
        "tie_angle_deg": np.stack([each.angle_deg for each in ties]),
    }


def _losses(plant: Plant, v: Complexes, frames: list[Frame]) -> Floats:
    """What goes into the network and its ties and does not come out, shape (T, S)."""
    if len(plant.ends):
        at_terminal = np.stack([frame.v_used for frame in frames if frame.v_used is not None])
    else:
        _, first = np.unique(plant.terminal, return_index=True)
        at_terminal = v[:, first]
    shared = plant.y_net.ndim == 2
    into = plant.y_net @ at_terminal if shared else np.einsum("sij,tjs->tis", plant.y_net, at_terminal)
    lost = np.asarray(plant.base * (at_terminal * into.conj()).real.sum(axis=1))
    if len(plant.ends):
        lost += np.stack([frame.ties.losses_kw.sum(axis=0) for frame in frames if frame.ties is not None])
    return lost
