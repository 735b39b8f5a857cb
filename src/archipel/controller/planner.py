"""The planner of the product: exact agreement on the tree of cells, and a cell's own optimum when there is none."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, final

import numpy as np

from archipel.cell.site import Site, duty, flow
from archipel.cell.taps import standing
from archipel.controller.absent import taking_part, with_fixed
from archipel.controller.agreeing import Agreed, Habits, Passes
from archipel.controller.controller import Chosen, Readings, program_of, shared_out
from archipel.controller.facts import Cap, Orders
from archipel.controller.outlook import Outlook
from archipel.controller.predict import moved_on
from archipel.controller.solo import SoloCell, SoloPlan
from archipel.coordination.auto import DEFAULT
from archipel.coordination.outcome import Method
from archipel.devices.base import State
from archipel.model import Diverged, FirmLimits, Floats, Horizon

HELD_STEPS = 16
"""Quarter hours an agreement holds: four hours, so that three plans in a row may fail."""
CHECKED_INTERVALS = 8
"""Intervals of a plan that are checked for a split: the next plan comes before they have passed."""
SPLIT_V_PU = (0.90, 1.10)
"""Voltages that are safe for the quarter hour a split can last. Source: EN 50160, 4.2.2 (which allows -15 %)."""
SPLIT_LOADING = 1.2
"""Current over the source's limit that is safe for a quarter hour. Source: IEC 60076-7:2018, table 4, where short-time
emergency loading of a distribution transformer may reach 2.0; cables bear less."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class DeviceFacts:
    """What a planner knows of the own devices now."""

    states: Mapping[str, State]
    """By kind."""
    v_pu: float
    """Metered at the boundary."""
    peaks_kw: Mapping[str, float] = field(default_factory=dict)
    """Highest import of the area so far, by ISO day; the root's meter only."""
    cap: Cap | None = None
    """What an operator allows the exchange with the cell above to be."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class ExactPlan:
    """What the cells agreed on, as one of them holds it."""

    site: Site
    children: tuple[str, ...]
    """Those that took part, in the order of `agreed.child_boundary`."""
    agreed: Agreed
    without_kw: Mapping[str, tuple[float, ...]]
    """What every neighbour may exchange when it does not act on this plan: its default, what holds before it."""
    cap: Cap | None = None
    """What an operator allowed when it was made."""

    def exchange_kw(self, neighbour: str) -> tuple[float, ...]:
        """Power into the lower cell, one value per quarter hour of four hours from the start."""
        if neighbour == self.site.parent:
            p_kw = self.agreed.boundary[0]
        else:
            p_kw = self.agreed.child_boundary[self.children.index(neighbour), 0]
        t = np.searchsorted(self.agreed.duty.horizon.first, np.arange(HELD_STEPS), side="right") - 1
        return tuple(p_kw[t].tolist())

    def orders(self, now: datetime, devices: DeviceFacts) -> Orders:
        """The schedule's setpoints for the quarter hour that holds `now`."""
        return _orders(self.site, self.agreed, now, devices.states)

    def unsafe(self, neighbour: str) -> str:
        """By AC power flow: what breaks when a child cell does not act on the plan while all else is as agreed.

        A parent that does not changes nothing in this cell; but no more is promised to it than an operator allows.
        """
        if neighbour not in self.children:
            return self._beyond_cap() if neighbour == self.site.parent else ""
        found = (self._split(neighbour, p_kw) for p_kw in self.without_kw[neighbour])
        return next((why for why in found if why), "")

    def _beyond_cap(self) -> str:
        """How the exchange with the cell above passes what an operator allows; empty when it does not."""
        if self.cap is None:
            return ""
        return next((why for p_kw in self.exchange_kw(self.site.parent) if (why := self.cap.breach(p_kw))), "")

    def _split(self, child: str, p_kw: float) -> str:
        agreed, k = self.agreed, self.children.index(child)
        child_pq = agreed.child_boundary.copy()
        child_pq[k, 0], child_pq[k, 1] = p_kw, 0.0
        site = taking_part(self.site, self.children)
        try:
            state = flow(site, agreed.duty, agreed.u, child_pq, agreed.v_pu, None)
        except Diverged:
            return f"with {child} at {p_kw:.0f} kW the power flow has no answer"
        v = np.abs(state.v[:, :CHECKED_INTERVALS])
        v = v[v[:, 0] > 0.0]
        load = float(state.loading[:, :CHECKED_INTERVALS].max(initial=0.0))
        if v.min(initial=1.0) < SPLIT_V_PU[0] or v.max(initial=1.0) > SPLIT_V_PU[1]:
            return f"with {child} at {p_kw:.0f} kW voltages reach {v.min():.3f} to {v.max():.3f} pu"
        if load > SPLIT_LOADING:
            return f"with {child} at {p_kw:.0f} kW a branch reaches {load:.2f} times its limit"
        return ""


@final
@dataclass(slots=True, eq=False)
class ExactPlanner:
    """Levels 1 and 2 of one cell, with real devices and a real network."""

    site: Site
    outlook: Outlook
    import_kw_max: float
    export_kw_max: float
    """Fixed limits of the cell's own exchange while nothing is agreed, as in a connection agreement."""
    defaults_kw: Mapping[str, float]
    """Default exchange of every tie, by neighbour."""
    method: Method = DEFAULT
    passes: Passes = field(default_factory=Passes)
    _habits: Habits = field(default_factory=Habits)
    _solo: SoloCell = field(init=False)
    newest: Agreed | SoloPlan | None = field(default=None, init=False)
    """The plan made last, by all or by the cell itself; for the record."""

    def __post_init__(self) -> None:
        self._solo = SoloCell(self.site, self.import_kw_max, self.export_kw_max)

    def program(
        self,
        start: datetime,
        now: datetime,
        devices: DeviceFacts,
        told: Orders,
        children: tuple[str, ...],
        held_kw: Mapping[str, float],
    ) -> Generator[Any, Any, ExactPlan]:
        """The cell's side of a plan that holds from `start`, from the states its devices will have by then."""
        horizon = self.outlook.horizon(start)
        stands = standing(self.site, devices.states)
        site = _capped(stands, devices.cap, len(horizon))
        children = tuple(name for name in site.children if name in children)
        states = devices.states
        if now < start:
            until_h = (start - now) / timedelta(hours=1)
            states = moved_on(site, states, self.outlook.weather_at(now), told, devices.v_pu, until_h)
        what = duty(site, states, self.outlook.weather(horizon), horizon)
        absent = [name for name in site.children if name not in children]
        what = with_fixed(site, what, {name: np.array([[held_kw.get(name, 0.0)], [0.0]]) for name in absent})
        root = None if site.parent else self.outlook.root(horizon, devices.peaks_kw)
        program = program_of(
            taking_part(site, children), what, devices.v_pu, self._habits, root, self.method, self.passes
        )
        kw = self.defaults_kw
        without_kw = {name: tuple(dict.fromkeys((kw[name], held_kw.get(name, kw[name])))) for name in children}
        return self._kept(program, stands, children, without_kw, devices.cap)

    def _kept(
        self,
        program: Generator[Any, Any, Any],
        site: Site,
        children: tuple[str, ...],
        without_kw: Mapping[str, tuple[float, ...]],
        cap: Cap | None,
    ) -> Generator[Any, Any, ExactPlan]:
        agreed = yield from program
        self._habits.last = self.newest = agreed
        return ExactPlan(site, children, agreed, without_kw, cap)

    def alone(self, now: datetime, devices: DeviceFacts, held_kw: Mapping[str, float]) -> Orders:
        """The own optimum within the fixed limits; held to the agreed exchange where the tie upwards is agreed."""
        self.newest = plan = self._alone(self._solo, now, devices, held_kw)
        return _orders(self.site, plan, now, devices.states)

    def exchange_alone(
        self, now: datetime, devices: DeviceFacts, held_kw: Mapping[str, float]
    ) -> tuple[Horizon, Floats]:
        """What the cell would exchange with the one above it by its own plan [kW], (T,), and over which intervals;
        its child cells as they are agreed, or at their default. Changes nothing."""
        trial = SoloCell(self.site, self.import_kw_max, self.export_kw_max)
        plan = self._alone(trial, now, devices, {k: v for k, v in held_kw.items() if k != self.site.parent})
        return plan.duty.horizon, trial.exchange_kw + self._children_kw(held_kw)

    @property
    def own_exchange(self) -> tuple[Floats, Floats]:
        """(own exchange [kW], boundary voltage [pu]) of the plan the cell made last by itself, (T,)."""
        return self._solo.exchange_kw, self._solo.v_pu

    def _alone(self, solo: SoloCell, now: datetime, devices: DeviceFacts, held_kw: Mapping[str, float]) -> SoloPlan:
        start = now.replace(minute=now.minute - now.minute % 15, second=0, microsecond=0)
        horizon = self.outlook.horizon(start)
        readings = Readings(devices.states, self.outlook.weather(horizon), devices.v_pu)
        pinned = held_kw.get(self.site.parent)
        if pinned is not None:
            pinned -= sum(held_kw.get(name, 0.0) for name in self.site.children)
        solo.import_kw_max, solo.export_kw_max = self.import_kw_max, self.export_kw_max
        if devices.cap is not None:
            below = self._children_kw(held_kw)
            solo.import_kw_max = min(self.import_kw_max, devices.cap.import_kw_max - below)
            solo.export_kw_max = min(self.export_kw_max, devices.cap.export_kw_max + below)
        return solo.plan(horizon, readings, self.outlook.price(horizon), pinned_kw=pinned)

    def _children_kw(self, held_kw: Mapping[str, float]) -> float:
        """What child cells draw through this one: as agreed, else their default."""
        return sum(held_kw.get(name, self.defaults_kw.get(name, 0.0)) for name in self.site.children)


def _capped(site: Site, cap: Cap | None, intervals: int) -> Site:
    """The cell with an operator's cap on its boundary; limits it has anyway stay."""
    if cap is None:
        return site
    own = site.firm(intervals)
    firm = FirmLimits(np.minimum(own.import_kw, cap.import_kw_max), np.minimum(own.export_kw, cap.export_kw_max))
    return replace(site, told=firm)


def _orders(site: Site, chosen: Chosen, now: datetime, states: Mapping[str, State]) -> Orders:
    """Setpoints of all own devices for the quarter hour that holds `now`."""
    horizon = chosen.duty.horizon
    quarter = (now - horizon.start) // timedelta(minutes=15)
    t = int(np.searchsorted(horizon.first, quarter, side="right")) - 1
    out: dict[str, tuple[float, float]] = {}
    for fleet, (p, q) in zip(site.fleets, shared_out(site, chosen, t, now, states), strict=True):
        steered = ~(np.isnan(p) & np.isnan(q))
        ids = [name for name, takes in zip(fleet.id, steered, strict=True) if takes]
        out.update(zip(ids, zip(p[steered].tolist(), q[steered].tolist(), strict=True), strict=True))
    return out
