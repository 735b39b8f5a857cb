"""A small planner that shares what PV gives and a cell alone may not export with cells that may not import as much.

    up:    base exchange, surplus and wish of the whole subtree
    down:  the exchange agreed (these very numbers stand in both ends' records), share of wishes met, of surplus taken
    up:    heard           down:  everybody has heard

What a plan hands out beyond the cells' own limits is at most half of what a tie has left. A record holds for two plans,
so at any time some cells may follow one plan and some the next, or nothing: no mixture overloads a tie.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import final

import numpy as np

from archipel.controller.facts import Orders
from archipel.coordination.message import Body
from archipel.coordination.tree import Ask, Gather, Program, Tell
from archipel.model import Floats
from archipel.twin.faults.village import HELD_STEPS, SOC_MAX, SOC_MIN, START, STEP_S, Place

MOST_EXTRA_KW = 10.0
"""Largest wish and surplus of one cell."""
ORDER_S = 60.0
"""How long a battery may do what it was told, counted with its state of charge: a step and a lease."""


@final
@dataclass(frozen=True, slots=True)
class Facts:
    """What the planner knows of the cell now."""

    soc: float
    """As read."""
    grid_kw: float = 0.0
    """What the main grid allows beyond the cells' own limits; known to the root only, zero when not heard of."""


@final
@dataclass(frozen=True, slots=True)
class Doing:
    """What the devices of one cell do in one step [kW]."""

    battery_kw: float
    pv_kw: float
    """Given, positive."""
    charger_kw: float


@final
@dataclass(frozen=True, slots=True, eq=False)
class SharePlan:
    """What the cells agreed on, as one of them holds it."""

    here: Place
    limits_kw: Mapping[str, float]
    """Import of every child's subtree when nothing is agreed with it."""
    start: datetime
    doing: tuple[Doing, ...]
    exchange: Mapping[str, tuple[float, ...]]
    """By neighbour."""

    def exchange_kw(self, neighbour: str) -> tuple[float, ...]:
        """The very numbers both ends hold."""
        return self.exchange[neighbour]

    def orders(self, now: datetime, devices: Facts) -> Orders:
        """For the step that holds `now`; after the last step the last one's."""
        step = int((now - self.start).total_seconds() // STEP_S)
        return _orders(self.here, self.doing[min(max(step, 0), HELD_STEPS - 1)], devices.soc)

    def unsafe(self, neighbour: str) -> str:
        """What breaks when the neighbour is at its default: the own upward tie must still carry the rest."""
        if neighbour == self.here.parent or not self.here.parent:
            return ""
        limit, contract = self.limits_kw[neighbour], self.here.contract_kw
        up, down = self.exchange[self.here.parent], self.exchange[neighbour]
        worst = max(p - q + limit for p, q in zip(up, down, strict=True))
        if worst > contract:
            return f"with {neighbour} at its default the tie upwards carries {worst:.1f} kW of {contract:.1f} kW"
        return ""


@final
@dataclass(frozen=True, slots=True)
class SharePlanner:
    """Level 1 and 2 of one cell of the village; it keeps nothing from plan to plan."""

    here: Place
    limits_kw: Mapping[str, float]
    """Import of every child's subtree at its default limits."""
    caps_kw: Mapping[str, float]
    """Half of what is left on every child's tie."""

    def program(
        self,
        start: datetime,
        now: datetime,
        devices: Facts,
        told: Orders,
        children: tuple[str, ...],
        held_kw: Mapping[str, float],
    ) -> Program:
        """The cell's side of a plan from `start`."""
        del now, told
        here = self.here
        doing, surplus, wish = self._wanted(start, devices.soc)
        base = np.array([_net(here, one, row) for one, row in zip(doing, self._rows(start), strict=True)])
        base += sum((held_kw.get(name, 0.0) for name in here.children if name not in children), 0.0)
        bodies = yield Gather()
        wishes = [np.minimum(body["wish"], self.caps_kw[name]) for name, body in zip(children, bodies, strict=True)]
        spare = [np.minimum(body["surplus"], self.caps_kw[name]) for name, body in zip(children, bodies, strict=True)]
        all_base = base + sum((body["base"] for body in bodies), np.zeros(HELD_STEPS))
        all_wish, all_surplus = wish + sum(wishes, np.zeros(HELD_STEPS)), surplus + sum(spare, np.zeros(HELD_STEPS))
        exchange: dict[str, tuple[float, ...]] = {}
        if here.parent:
            most = here.head_kw / 2
            asked, offered = np.minimum(all_wish, most), np.minimum(all_surplus, most)
            answer = yield Ask({"base": all_base, "wish": asked, "surplus": offered})
            exchange[here.parent] = tuple(answer["p"].tolist())
            met, taken = answer["met"] * _share(asked, all_wish), answer["taken"] * _share(offered, all_surplus)
        else:
            sold = np.minimum(all_wish, all_surplus)
            met = _share(np.minimum(all_wish, sold + devices.grid_kw), all_wish)
            taken = _share(sold, all_surplus)
        told_kw: list[Body] = []
        for name, body, w, s in zip(children, bodies, wishes, spare, strict=True):
            p = body["base"] + met * w - taken * s
            exchange[name] = tuple(p.tolist())
            told_kw.append({"p": p, "met": met, "taken": taken})
        yield Tell(told_kw)
        yield Gather()
        if here.parent:
            yield Ask({"heard": np.ones(())})
        yield Tell([{"all": np.ones(())} for _ in children])
        extra = zip(doing, (met * wish).tolist(), (taken * surplus).tolist(), strict=True)
        done = tuple(Doing(d.battery_kw, d.pv_kw + s, d.charger_kw + w) for d, w, s in extra)
        return SharePlan(here, self.limits_kw, start, done, exchange)

    def alone(self, now: datetime, devices: Facts, held_kw: Mapping[str, float]) -> Orders:
        """The most charging within the own limits; held to what is agreed upwards as far as these limits allow."""
        here = self.here
        if not here.parent:
            return {}
        row = _row(now)
        doing = _own(here, row, devices.soc)
        if (agreed := held_kw.get(here.parent)) is not None:
            target = agreed - sum(held_kw.get(name, 0.0) for name in here.children)
            doing = _towards(here, row, devices.soc, min(max(target, -here.export_kw), here.import_kw))
        return _orders(here, doing, devices.soc)

    def _rows(self, start: datetime) -> range:
        first = _row(start)
        return range(first, first + HELD_STEPS)

    def _wanted(self, start: datetime, soc: float) -> tuple[list[Doing], Floats, Floats]:
        """Own doing within the own limits; then how much more it could give, and would draw, in every step."""
        here = self.here
        doing: list[Doing] = []
        surplus, wish = np.zeros(HELD_STEPS), np.zeros(HELD_STEPS)
        for t, row in enumerate(self._rows(start)):
            one = _own(here, row, soc)
            doing.append(one)
            soc += one.battery_kw * STEP_S / 3600.0 / here.battery_kwh if here.parent else 0.0
            if here.parent:
                surplus[t] = min(here.pv_kw[row] - one.pv_kw, MOST_EXTRA_KW)
                wish[t] = min(_charger_kw(here, row) - one.charger_kw, MOST_EXTRA_KW)
        return doing, surplus, wish


def _row(at: datetime) -> int:
    return int((at - START).total_seconds() // STEP_S)


def _charger_kw(here: Place, row: int) -> float:
    return here.charger_kw if here.car[row] else 0.0


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 1e-9)


def _net(here: Place, doing: Doing, row: int) -> float:
    return sum(here.load_kw[row]) + doing.battery_kw + doing.charger_kw - doing.pv_kw if here.parent else 0.0


def battery_room_kw(here: Place, soc: float) -> tuple[float, float]:
    """Powers that keep the battery in its band while an order may last."""
    per_kw = ORDER_S / 3600.0 / here.battery_kwh
    low = min(max((SOC_MIN - soc) / per_kw, -here.battery_kw), 0.0)
    return low, max(min((SOC_MAX - soc) / per_kw, here.battery_kw), 0.0)


def _own(here: Place, row: int, soc: float) -> Doing:
    """Charge the car as much as the own limits allow, let the battery take what is left of the sun or fill in."""
    if not here.parent:
        return Doing(0.0, 0.0, 0.0)
    rest = sum(here.load_kw[row]) - here.pv_kw[row]
    car = min(_charger_kw(here, row), max(0.0, here.import_kw - rest))
    low, high = battery_room_kw(here, soc)
    battery = min(max(-(rest + car), low), high)
    beyond = max(0.0, -here.export_kw - (rest + car + battery))
    return Doing(battery, here.pv_kw[row] - beyond, car)


def _towards(here: Place, row: int, soc: float, target: float) -> Doing:
    """Exchange `target` if the devices can."""
    rest = sum(here.load_kw[row]) - here.pv_kw[row]
    car = min(max(target - rest, 0.0), _charger_kw(here, row))
    low, high = battery_room_kw(here, soc)
    battery = min(max(target - rest - car, low), high)
    less_sun = min(max(target - rest - car - battery, 0.0), here.pv_kw[row])
    return Doing(battery, here.pv_kw[row] - less_sun, car)


def _orders(here: Place, doing: Doing, soc: float) -> Orders:
    if not here.parent:
        return {}
    low, high = battery_room_kw(here, soc)
    battery, pv, charger, switch = here.devices
    return {
        battery: (min(max(doing.battery_kw, low), high), 0.0),
        pv: (-doing.pv_kw, math.nan),
        charger: (doing.charger_kw, 0.0),
        switch: (float(doing.charger_kw > 0.0), math.nan),
    }
