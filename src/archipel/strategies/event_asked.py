"""Whom an event asks, what they plan to draw, and how a price for not drawing reaches their plans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast, final

import numpy as np

from archipel.cell.parts import Parts
from archipel.cell.site import Duty
from archipel.devices.base import DeviceFleet, Plan, State
from archipel.devices.shared import MIN_ROOM_KW
from archipel.model import ArchipelError, Bools, Floats, Horizon, Ints, Scenario, Tariff
from archipel.model.weather import Weather
from archipel.optimisation.columns import Columns
from archipel.vpp.event import QUARTER_H, Event

ASKED_KINDS = ("battery", "ev_charger", "v2g", "heat_pump", "building", "sheddable")
"""Demand that can wait or stop, and storage. Sun is no demand, and loads take no orders."""
HOLD_STILL = ("battery", "ev_charger", "v2g", "heat_pump", "building")
"""Kinds whose devices do in an event what they do without it, unless they are asked. Shedding has its own reasons."""


class EventImpossible(ArchipelError):
    """Nobody may be asked, or those who may be asked cannot give what is wanted."""


def asked_devices(scenario: Scenario, event: Event) -> Bools:
    """Devices the event may ask, shape (devices,).

    Where the scenario names owners: those under a contract for the product `event` whose owner is not away and gets
    notice enough. Elsewhere all of the kinds that can answer.

    Raises:
        EventImpossible: nobody is left.
    """
    able = np.isin(scenario.device_kind, ASKED_KINDS)
    if not able.any():
        raise EventImpossible(
            f"scenario {scenario.name}: found no {', '.join(ASKED_KINDS)}; an event needs devices that can draw less. "
            "Add some to the scenario."
        )
    ownership = scenario.ownership
    if not ownership.owner:
        return np.asarray(able)
    notice = event.start - event.announced
    refused, serves = [], []
    for contract in ownership.contracts:
        away = any(begin < event.end and event.start < end for begin, end in contract.away)
        if "event" not in contract.products:
            refused.append(f"{contract.id} does not serve events")
        elif away:
            refused.append(f"the owner of {contract.id} is away")
        elif notice < timedelta(seconds=contract.notice_s):
            refused.append(f"{contract.id} wants {contract.notice_s:g} s of notice")
        serves.append("event" in contract.products and not away and notice >= timedelta(seconds=contract.notice_s))
    asked = able & np.append(np.array(serves, dtype=np.bool_), False)[ownership.device_contract]
    if not asked.any():
        why = "; ".join(refused) or "no contract holds any device that can draw less"
        raise EventImpossible(
            f"event of {event.start:%Y-%m-%d %H:%M} UTC: found nobody who may be asked: {why}. "
            'Add the product "event" to a contract, give more notice, or choose another time.'
        )
    return np.asarray(asked)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """What devices draw when nothing is asked: a day that was run, by quarter hours from `first_row`."""

    first_row: int
    kw: Floats
    """Shape (..., quarters)."""

    def mean(self, first_row: int, horizon: Horizon, share: Floats) -> Floats:
        """Interval means [kW], shape (..., T); nothing is known, and NaN said, where `share` (T,) is 0."""
        row = np.arange(int(horizon.steps.sum())) + first_row - self.first_row
        known = (row >= 0) & (row < self.kw.shape[-1])
        quarter = np.where(known, self.kw[..., np.clip(row, 0, self.kw.shape[-1] - 1)], np.nan)
        return np.where(share > 0.0, horizon.mean(quarter), np.nan)

    def of(self, devices: Bools | Ints) -> Base:
        """Some of the devices."""
        return Base(self.first_row, self.kw[devices])

    def sum(self) -> Base:
        """All of them together."""
        return Base(self.first_row, self.kw.sum(axis=0))


@final
@dataclass(slots=True, eq=False)
class Signal:
    """The prices that cells are told now; plans read them. Zero until an event is announced."""

    event: Event
    price_eur_per_kwh: Floats
    """For not drawing, for every quarter hour of the event, shape (Q,)."""

    @staticmethod
    def silent(event: Event) -> Signal:
        """No price."""
        return Signal(event, np.zeros(round(event.hours / QUARTER_H)))

    def worth(self, horizon: Horizon) -> Floats:
        """What drawing a kW through every interval costs more [EUR/kW], shape (T,)."""
        inside = self.event.quarters(horizon.start, int(horizon.steps.sum()))
        price = np.zeros(len(inside))
        if inside.any():
            # what is past of an event that runs is in front of the horizon
            price[inside] = self.price_eur_per_kwh[-int(inside.sum()) :]
        return np.asarray(horizon.mean(price) * horizon.dt_h)


@final
@dataclass(frozen=True, slots=True, eq=False)
class TakingPart:
    """A cell's fleet in an event: asked devices plan with its price on top, the others hold still while it lasts.

    Without that, devices nobody asked undo most of a reduction: when asked batteries give, it pays for the battery next
    door to give less. All else is the fleet's own.
    """

    fleet: DeviceFleet
    asked: Bools
    """Of the fleet's devices, shape (n,)."""
    signal: Signal
    base: Base
    """What each of the fleet's devices draws without event."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fleet, name)

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """The fleet's plan; what an asked column draws costs the price of the event more."""
        plan = self.fleet.plan(rows, state, weather, horizon, tariff)
        columns = plan.columns
        share = self.signal.event.share(horizon)
        if horizon.start < self.signal.event.announced or not share.any() or not len(columns):
            return plan
        mine = asked_columns(plan, self.asked[rows])
        more = columns.p[:, :, None] * self.signal.worth(horizon) * mine[:, None, None]
        columns = replace(columns, cost=columns.cost + more)
        if self.fleet.kind in HOLD_STILL and not mine.all():
            kw = self.base.mean(weather.first_row, horizon, share)[rows]
            columns = _held(columns, mine, _by_column(plan, kw), share > 0.0)
        return replace(plan, columns=columns)


def _by_column(plan: Plan, kw: Floats) -> Floats:
    """Sum of `kw` (devices, T) over the devices of every column, shape (K, T)."""
    has = plan.column_of >= 0
    out = np.zeros((len(plan.columns), kw.shape[1]))
    np.add.at(out, plan.column_of[has], kw[has])
    return out


def _held(columns: Columns, free: Bools, kw: Floats, inside: Bools) -> Columns:
    """Columns held to `kw` (K, T) in the intervals `inside` (T,), but those that are `free` (K,)."""
    sign = columns.p[:, :, None]
    wish = np.maximum(np.nan_to_num(kw)[:, None] * np.sign(sign), 0.0) / np.abs(sign)
    where = ~free[:, None, None] & inside
    hi = np.where(where, np.clip(wish, columns.lo + MIN_ROOM_KW, columns.hi), columns.hi)
    lo = np.where(where, hi - MIN_ROOM_KW, columns.lo)
    even = None if columns.even is None else np.where(where, 0.5 * (lo + hi), columns.even)
    return replace(columns, lo=lo, hi=hi, even=even)


def asked_columns(plan: Plan, asked: Bools) -> Bools:
    """Columns of a plan that stand for asked devices only, shape (K,); `asked` is of the plan's devices."""
    column = plan.column_of[plan.column_of >= 0]
    others = ~asked[plan.column_of >= 0]
    count = len(plan.columns)
    return np.asarray((np.bincount(column, minlength=count) > 0) & (np.bincount(column[others], minlength=count) == 0))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """The asked devices of all cells."""

    event: Event
    of_fleet: tuple[tuple[Bools, ...], ...]
    """For every cell, for every fleet of its site, which devices, shape (n,)."""

    @staticmethod
    def of(parts: Parts, devices: Bools, event: Event) -> Asked:
        """Cut the devices that are asked, shape (devices,), as the scenario was cut."""
        return Asked(
            event,
            tuple(
                tuple(devices[parts.offset[number] + own.rows] for own, number in zip(owns, numbers, strict=True))
                for owns, numbers in zip(parts.own, parts.whose, strict=True)
            ),
        )

    def take_part(self, parts: Parts, signal: Signal, base: Base) -> Parts:
        """The same cells in the event; `base` is what every device of the scenario draws without it."""
        sites = []
        for site, mine, owns, numbers in zip(parts.sites, self.of_fleet, parts.own, parts.whose, strict=True):
            fleets = tuple(
                cast("DeviceFleet", TakingPart(fleet, asked, signal, base.of(parts.offset[number] + own.rows)))
                if fleet.kind in ASKED_KINDS
                else fleet
                for fleet, asked, own, number in zip(site.fleets, mine, owns, numbers, strict=True)
            )
            sites.append(replace(site, fleets=fleets))
        return replace(parts, sites=tuple(sites))

    def weights(self, cell: int, what: Duty) -> tuple[Floats, Floats]:
        """How the asked devices of a cell draw: kW per unit of every control (N,), and what is fixed (T,)."""
        mine = self.of_fleet[cell]
        columns = [asked_columns(plan, asked) for plan, asked in zip(what.plans, mine, strict=True)]
        per_unit = np.array([
            float(p) if g < len(columns) and columns[g][k] else 0.0
            for (g, k, _), p in zip(what.order, what.p, strict=True)
        ])  # fmt: skip
        fixed = [plan.base_p_kw[asked].sum(axis=0) for plan, asked in zip(what.plans, mine, strict=True)]
        return per_unit, np.sum(fixed, axis=0) if fixed else np.zeros(len(what.horizon))

    def planned_kw(self, cell: int, what: Duty, u: Floats) -> Floats:
        """What a cell's asked devices draw in a plan [kW], shape (T,)."""
        per_unit, fixed = self.weights(cell, what)
        return np.asarray(fixed + per_unit @ u)
