"""The balance of an area without a main grid, quarter hour by quarter hour (quasi-static).

Batteries form the grid: what is missing or too much falls to them at once, shared by rating and state of charge.
What they cannot take is given or taken by others in this order, as frequency tells them:

    too little   batteries  ->  dispatchable generators  ->  vehicles, heat pumps  ->  load that may be shed, the least
                 important first  ->  all load (feeders trip)
    too much     batteries  ->  dispatchable generators off  ->  renewables curtailed

Secondary control (`coordination.averaging`) brings frequency back within seconds, so a quarter hour ends at the nominal
one; recorded is where it was before that, by the droop of the inverters:  f = f0 (1 - droop * step / rating).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import cast, final

import numpy as np

from archipel.devices import BatteryFleet, Delivered, DeviceFleet, SheddableFleet, State
from archipel.devices.dispatchable import DispatchableFleet
from archipel.model import Bools, Floats, IslandRules, Scenario
from archipel.model.kinds import CAN_WAIT, SPILT

NEAR_KW = 0.5
"""What may be left over of the balance; it is told as drawn from upstream."""
ROUNDS = 12


@final
class OffGrid:
    """Who answers to a missing power, and in which order. Devices count through all fleets."""

    def __init__(self, scenario: Scenario, fleets: Sequence[DeviceFleet], part: Sequence[slice]) -> None:
        self.rules: IslandRules = scenario.island
        self._fleets, self._part = fleets, part
        self._of = {fleet.kind: i for i, fleet in enumerate(fleets)}
        self._forming = cast("BatteryFleet | None", self._fleet("battery"))
        self.rating_kw = float(self._forming.p_kw_discharge.sum()) if self._forming is not None else 0.0
        self._answers = {more: list(self._order(more)) for more in (True, False)}
        self._given_before = 0.0
        self._f_hz = scenario.grid.f_hz
        self.cut = 0.0
        """Share of all load that is off, critical load included."""

    def _fleet(self, kind: str) -> DeviceFleet | None:
        return self._fleets[self._of[kind]] if kind in self._of else None

    def _order(self, more: bool) -> Iterator[tuple[int, Bools]]:
        """Who answers after the batteries when more is to be given (or less): fleets and which of their devices."""
        for kind in ("dispatchable", *(CAN_WAIT if more else SPILT)):
            if kind in self._of:
                i = self._of[kind]
                yield i, np.ones(len(self._fleets[i].id), dtype=np.bool_)
        if more and "sheddable" in self._of:
            i = self._of["sheddable"]
            rank = cast("SheddableFleet", self._fleets[i]).rank
            for number in np.unique(rank)[::-1]:
                yield i, np.asarray(rank == number)

    def wish(self, lease_kw: Floats, local: Callable[[int], Floats]) -> Floats:
        """What every device wants: its lease, else its local rule; grid-forming batteries wait for the balance."""
        out = lease_kw.copy()
        for i, part in enumerate(self._part):
            rest = np.zeros(part.stop - part.start) if self._fleets[i].kind == "battery" else local(i)
            out[part] = np.where(np.isnan(out[part]), rest, out[part])
        self.cut = 0.0
        return out

    def q_share(self) -> Floats:
        """Part of the reactive power that falls to every device, by rating of the forming ones."""
        out = np.zeros(self._part[-1].stop if self._part else 0)
        if self._forming is not None and self.rating_kw > 0:
            out[self._part[self._of["battery"]]] = self._forming.p_kw_discharge / self.rating_kw
        return out

    def respond(self, wish: Floats, p_kw: Floats, states: Sequence[State], missing_kw: float, dt_h: float) -> Floats:
        """New wishes that give `missing_kw` more (negative: less), as far as anybody can; the rest by cutting load."""
        wish, left = wish.copy(), missing_kw
        if self._forming is not None:
            left = self._forming_answer(wish, p_kw, states, left, dt_h)
        for i, those in self._answers[left > 0]:
            if abs(left) <= 1e-9:
                break
            part = self._part[i]
            room = np.where(those, self._room(self._fleets[i], p_kw[part], states[i], left > 0, dt_h), 0.0)
            taken = min(abs(left), float(room.sum()))
            if taken > 0:
                changed = p_kw[part] - np.sign(left) * room * (taken / room.sum())
                wish[part] = np.where(those, changed, wish[part])
                left -= np.sign(left) * taken
        if left > 1e-9 and "load" in self._of:
            load = float(p_kw[self._part[self._of["load"]]].sum())
            self.cut = float(np.clip(self.cut + left / max(load / max(1.0 - self.cut, 1e-9), 1e-9), 0.0, 1.0))
        return wish

    def _forming_answer(
        self, wish: Floats, p_kw: Floats, states: Sequence[State], missing_kw: float, dt_h: float
    ) -> float:
        """Share what is missing among batteries, those with more energy giving more; returns what is left."""
        forming = cast("BatteryFleet", self._forming)
        i = self._of["battery"]
        part = self._part[i]
        charge, discharge = forming.room_kw(states[i], dt_h)
        soc = np.clip(states[i]["e_kwh"] / np.maximum(forming.e_kwh, 1e-9), 0.0, 1.0)
        total = float(p_kw[part].sum()) - missing_kw  # what all together shall draw
        rated, share = (forming.p_kw_charge, 1.0 - soc) if total > 0 else (forming.p_kw_discharge, soc)
        most = charge if total > 0 else discharge
        p = np.zeros_like(soc)
        for _ in range(len(soc)):
            rest = abs(total) - p.sum()
            weight = np.where(p < most - 1e-9, rated * np.maximum(share, 1e-6) ** 2, 0.0)
            if rest <= 1e-6 or weight.sum() <= 0.0:
                break
            p = np.minimum(p + rest * weight / weight.sum(), most)
        wish[part] = np.sign(total) * p
        return missing_kw - float(p_kw[part].sum() - wish[part].sum())

    @staticmethod
    def _room(fleet: DeviceFleet, p_kw: Floats, state: State, more: bool, dt_h: float) -> Floats:
        """How far each device can give more, or less [kW]."""
        if fleet.kind == "dispatchable":
            return cast("DispatchableFleet", fleet).room_kw(state, dt_h) + p_kw if more else -p_kw
        return np.maximum(p_kw, 0.0) if more else np.maximum(-p_kw, 0.0)

    def cut_loads(self, kind: str, done: Delivered, dt_h: float) -> Delivered:
        """What a fleet of loads draws while feeders are off."""
        if kind != "load" or self.cut <= 0.0:
            return done
        on = 1.0 - self.cut
        missed = done.unserved_kwh + self.cut * np.maximum(done.p_kw, 0.0) * dt_h
        return replace(done, p_kw=on * done.p_kw, q_kvar=on * done.q_kvar, unserved_kwh=missed)

    def frequency(self, p_kw: Floats) -> float:
        """Frequency after the step from what the forming inverters gave before, before secondary control acts [Hz]."""
        if self._forming is None or self.rating_kw <= 0:
            return self._f_hz
        given = -float(p_kw[self._part[self._of["battery"]]].sum())
        step, self._given_before = given - self._given_before, given
        return self._f_hz * (1.0 - self.rules.droop * step / self.rating_kw)
