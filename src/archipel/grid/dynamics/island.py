"""An island that can be simulated: units and loads at the terminals of a network, checked as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.grid.branch_model import BASE_KVA, Complexes
from archipel.grid.dynamics.grid_codes import Limit
from archipel.grid.dynamics.units import Following, Forming, Load, Tie, Unit
from archipel.grid.topology import components
from archipel.model import Bools, Floats, GridError, Ints


@final
@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Admittances between terminals, as Kron's reduction leaves them (see `reduced`)."""

    y_pu: Complexes
    """Current into the network at a terminal per voltage, on `base_kva`: shape (M, M), or (S, M, M) by scenario."""
    base_kva: float = BASE_KVA

    @property
    def terminals(self) -> int:
        """M."""
        return int(self.y_pu.shape[-1])


@final
@dataclass(frozen=True, slots=True)
class Island:
    """Units and loads at the terminals of one network. Raises IslandInvalid with everything that is wrong.

    With open ties it is several islands for the time being; which ones, changes as ties open and close.
    """

    network: Network
    units: tuple[Unit, ...]
    loads: tuple[Load, ...] = ()
    f_hz: float = 50.0
    """Nominal frequency."""
    ties: tuple[Tie, ...] = ()

    def __post_init__(self) -> None:
        if problems := (*_network_problems(self), *_unit_problems(self), *_load_problems(self), *_tie_problems(self)):
            raise IslandInvalid(problems)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """How S scenarios of one island begin where they differ from its description; None: as described.

    Columns are units, (S, N), or loads, (S, L), in the island's order. Load convention.
    """

    p_kw: Floats | None = None
    q_kvar: Floats | None = None
    v_pu: Floats | None = None
    """Set-points of units."""
    p_kw_min: Floats | None = None
    p_kw_max: Floats | None = None
    """Limits of units: what the sun gives, what a plan reserves."""
    e_kwh: Floats | None = None
    on: Bools | None = None
    load_p_kw: Floats | None = None
    load_q_kvar: Floats | None = None
    load_on: Bools | None = None
    closed: Bools | None = None
    """Ties, (S, T)."""


def kron(y: Complexes, keep: Ints) -> Complexes:
    """Admittances (..., M, M) with only the terminals `keep` left, the others drawing nothing.

    `Y_aa - Y_ab inv(Y_bb) Y_ba`. Source: G. Kron, "Tensor analysis of networks", 1939; F. Doerfler and F. Bullo, "Kron
    reduction of graphs with applications to electrical networks", IEEE Trans. Circuits Syst. I 60(1), 2013,
    doi:10.1109/TCSI.2012.2215780.
    """
    rest = np.setdiff1d(np.arange(y.shape[-1]), keep)
    y_aa = y[..., keep[:, None], keep]
    if len(rest) == 0:
        return y_aa
    inner = np.linalg.solve(y[..., rest[:, None], rest], y[..., rest[:, None], keep])
    return np.asarray(y_aa - y[..., keep[:, None], rest] @ inner)


class IslandInvalid(GridError):
    """An island cannot be simulated. Carries every problem that was found, not only the first."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__("\n".join([f"{count} found:", *(f"  {problem}" for problem in problems)]))


def _network_problems(island: Island) -> Iterator[str]:
    y = island.network.y_pu
    if y.ndim not in {2, 3} or y.shape[-1] != y.shape[-2]:
        yield f"network: found admittances of shape {y.shape}; expected (M, M) or (S, M, M)"
        return
    if not np.isfinite(y).all():
        yield "network: found an admittance that is not a number; give finite ones"
        return
    a, b = np.nonzero(np.abs(y).max(axis=0) if y.ndim == 3 else np.abs(y))
    ends = [(tie.a, tie.b) for tie in island.ties if max(tie.a, tie.b) < y.shape[-1] and min(tie.a, tie.b) >= 0]
    a, b = np.append(a, [end for end, _ in ends]), np.append(b, [end for _, end in ends])
    if components(y.shape[-1], a.astype(np.int64), b.astype(np.int64)).max(initial=0) > 0:
        yield (
            "network: its terminals are not all connected, not even with all ties closed; make one island of each "
            "connected part"
        )
    if not island.network.base_kva > 0:
        yield f"network: found a base of {island.network.base_kva} kVA; expected one above zero"
    if not 0 < island.f_hz < np.inf:
        yield f"f_hz: found {island.f_hz}; expected a nominal frequency, 50 or 60"


def _unit_problems(island: Island) -> Iterator[str]:
    ids = [each.id for each in (*island.units, *island.loads)]
    for twice in sorted({name for name in ids if ids.count(name) > 1}):
        yield f"{twice}: the id stands for several units or loads; give each its own"
    forming = [unit for unit in island.units if isinstance(unit, Forming)]
    if not forming:
        yield (
            "units: none of them forms a voltage, so nothing can hold this island; add a droop inverter, "
            "a virtual synchronous machine, a synchronous machine or the main grid"
        )
    if sum(np.isinf(unit.inertia_s) for unit in forming) > 1 and not island.ties:
        yield "units: found several main grids; join them into one, two frequencies cannot be held in one network"
    for unit in island.units:
        if not 0 <= unit.terminal < island.network.terminals:
            yield f"{unit.id}: found terminal {unit.terminal}; the network has {island.network.terminals}, from 0"
        if not 0 < unit.rating_kva < np.inf:
            yield f"{unit.id}: found a rating of {unit.rating_kva} kVA; expected one above zero"
        if not unit.i_pu_max > 0:
            yield f"{unit.id}: found a current limit of {unit.i_pu_max} pu; expected one above zero, often 1.2"
        if not np.isfinite([unit.p_kw, unit.q_kvar]).all():
            yield f"{unit.id}: found a set-point of {unit.p_kw} kW, {unit.q_kvar} kvar; expected numbers"
        elif not unit.p_kw_min <= unit.p_kw_max:
            yield f"{unit.id}: found p_kw_min {unit.p_kw_min} above p_kw_max {unit.p_kw_max}"
        elif not unit.p_kw_min <= unit.p_kw <= unit.p_kw_max:
            yield (
                f"{unit.id}: found a set-point of {unit.p_kw} kW, which is not within its p_kw_min {unit.p_kw_min} and "
                f"p_kw_max {unit.p_kw_max}; p_kw_min is the most it can give, a negative number"
            )
        yield from _limit_problems(unit.id, unit.limits or ())
        store = unit.store
        if store and not (0 <= store.e_kwh <= store.e_kwh_max and 0 < store.efficiency <= 1):
            yield (
                f"{unit.id}: found {store.e_kwh} of {store.e_kwh_max} kWh at an efficiency of {store.efficiency}; "
                "expected an energy within the store and an efficiency above 0 and at most 1"
            )
        yield from _forming_problems(unit) if isinstance(unit, Forming) else _following_problems(unit)


def _limit_problems(name: str, limits: tuple[Limit, ...]) -> Iterator[str]:
    for limit in limits:
        if not (limit.value > 0 and limit.after_s >= 0):
            yield f"{name}: found {limit}; expected a value above zero and a time not below"
    for quantity in ("f_hz", "v_pu"):
        below, above = (
            [x.value for x in limits if x.quantity == quantity and x.side == side] for side in ("below", "above")
        )
        if below and above and not max(below) < min(above):
            yield (
                f"{name}: found trips for {quantity} below {max(below):g} and above {min(above):g}; between them "
                "there is no room to run"
            )


def _forming_problems(unit: Forming) -> Iterator[str]:
    if not unit.inertia_s > 0:
        yield (
            f"{unit.id}: found an inertia of {unit.inertia_s:g} s; without one the frequency would jump. Give a "
            "virtual machine 0.1 s or more; a droop inverter has half its filter over its droop: give both above zero"
        )
    stiff = unit.damping_pu + (1 / unit.governor.droop if unit.governor and unit.governor.droop else 0.0)
    if np.isfinite(unit.inertia_s) and not 0 < stiff < np.inf:
        yield (
            f"{unit.id}: found a damping of {unit.damping_pu:g} and no governor; nothing would bring its frequency to "
            "rest. Give a damping of 1/droop (50 for 2 %), or a governor"
        )
    if unit.damping_pu < 0:
        yield f"{unit.id}: found a damping of {unit.damping_pu:g}; expected none below zero"
    governor = unit.governor
    if governor and not (governor.droop > 0 and governor.valve_s > 0 and governor.lag_s >= 0):
        yield f"{unit.id}: found {governor}; expected a droop and a valve_s above zero and a lag_s not below"
    if not np.hypot(unit.r_pu, unit.x_pu) > 0:
        yield f"{unit.id}: found no impedance between its voltage and its terminal; 0.05 to 0.15 pu are usual"
    if unit.f_hz is not None and not (np.isinf(unit.inertia_s) and 0 < unit.f_hz < np.inf):
        yield f"{unit.id}: found a frequency of its own, {unit.f_hz} Hz; only a main grid has one, above zero"
    if not 0 < unit.v_pu < np.inf:
        yield f"{unit.id}: found a voltage of {unit.v_pu} pu; expected one above zero, often 1"
    if not unit.filter_s > 0:
        yield f"{unit.id}: found a filter of {unit.filter_s} s on reactive power; expected one above zero"
    if not unit.droop_v >= 0:
        yield f"{unit.id}: found a voltage droop of {unit.droop_v}; expected none below zero"


def _following_problems(unit: Following) -> Iterator[str]:
    if not unit.lag_s > 0:
        yield f"{unit.id}: found a lag of {unit.lag_s} s; expected one above zero, often 0.02"


def _tie_problems(island: Island) -> Iterator[str]:
    ids = [each.id for each in (*island.units, *island.loads, *island.ties)]
    for tie in island.ties:
        if ids.count(tie.id) > 1:
            yield f"{tie.id}: the id of a tie stands for something else as well; give each its own"
        for end in (tie.a, tie.b):
            if not 0 <= end < island.network.terminals:
                yield f"{tie.id}: found terminal {end}; the network has {island.network.terminals}, from 0"
        if tie.a == tie.b:
            yield f"{tie.id}: found terminal {tie.a} at both ends; a tie joins two"
        if not (np.isfinite([tie.r_pu, tie.x_pu, tie.b_pu]).all() and np.hypot(tie.r_pu, tie.x_pu) > 0):
            yield f"{tie.id}: found an impedance of {tie.r_pu} + j {tie.x_pu} pu; expected one, 1e-5 for a bare switch"


def _load_problems(island: Island) -> Iterator[str]:
    for load in island.loads:
        if not 0 <= load.terminal < island.network.terminals:
            yield f"{load.id}: found terminal {load.terminal}; the network has {island.network.terminals}, from 0"
        if not np.isfinite([load.p_kw, load.q_kvar]).all():
            yield f"{load.id}: found {load.p_kw} kW, {load.q_kvar} kvar; expected numbers"
        if not np.isfinite(load.share_per_hz):
            yield f"{load.id}: found a share_per_hz of {load.share_per_hz}; expected a number, often 0.02"
        yield from _limit_problems(load.id, load.limits)
        if not 0 <= load.z_share <= 1:
            yield f"{load.id}: found a constant-impedance share of {load.z_share}; expected 0 to 1"
