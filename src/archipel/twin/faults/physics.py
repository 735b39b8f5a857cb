"""Devices that obey leases on clocks of their own, and the AC power flow they make; solved when something changed."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import final

import numpy as np

from archipel.controller.leases import Leases
from archipel.grid.power_flow import Flow, PowerFlow
from archipel.twin.faults.village import STEP_S, Place, Village

CHANGED_KW = 0.05
"""Power flow is solved anew when a device's power has moved by more than this."""
NOISE_KW = 0.2
"""How far a load is from its forecast."""
BMS_MIN, BMS_MAX = 0.02, 0.98
"""Where a battery's own protection stops it, whatever it is told."""
EFFICIENCY = 0.96
"""One way; what controllers plan with is 1."""


@final
@dataclass(slots=True)
class Yard:
    """The devices of one cell."""

    here: Place
    soc: float
    """At `since_s`."""
    noise: list[tuple[float, float, float]]
    leases: Leases = field(default_factory=lambda: Leases(longest_s=900.0))
    """Held by the devices: they run on when the controller is gone."""
    closed: bool = False
    """Position of the charger's switch; a latching switch, it has no lease."""
    operations: int = 0
    faulty: dict[str, str] = field(default_factory=dict)
    """`ignores` or `overshoots`, by device."""
    now_kw: dict[str, float] = field(default_factory=dict)
    """What every device draws."""
    since_s: float = 0.0
    """When powers last changed."""
    ends_s: float = -math.inf
    """When the orders end that were written last."""
    due_s: float = 0.0
    """When they may change next: at an order, the end of one, a new step of demand, a full or an empty battery."""

    def power(self, row: int, now_s: float) -> list[tuple[int, float]]:
        """Let the devices do what they are told; returns (node, kW)."""
        here = self.here
        self.soc, self.since_s = self.soc_at(now_s), now_s
        battery, pv, charger, _ = here.devices
        sun = here.pv_kw[row]
        self._set(battery, self._told(battery, 0.0, now_s), -here.battery_kw, here.battery_kw)
        self._set(pv, self._told(pv, -min(sun, here.export_kw), now_s), -sun, 0.0)
        self._set(charger, self._told(charger, 0.0, now_s), 0.0, here.charger_kw if self.closed else 0.0)
        b = self.now_kw[battery]
        if (b > 0.0 and self.soc >= BMS_MAX) or (b < 0.0 and self.soc <= BMS_MIN):
            self.now_kw[battery] = 0.0
        self.due_s = self._next_change(row, now_s)
        load, noise, n = here.load_kw[row], self.noise[row], here.node
        return [
            (n + 1, load[0] + noise[0] + self.now_kw[battery]),
            (n + 2, load[1] + noise[1] + self.now_kw[pv]),
            (n + 3, load[2] + noise[2] + self.now_kw[charger]),
        ]

    def soc_at(self, now_s: float) -> float:
        """State of charge now; powers have stood still since `since_s`."""
        p_kw = self.now_kw.get(self.here.devices[0], 0.0)
        inside = p_kw * EFFICIENCY if p_kw > 0.0 else p_kw / EFFICIENCY
        return self.soc + inside * (now_s - self.since_s) / 3600.0 / self.here.battery_kwh

    def _next_change(self, row: int, now_s: float) -> float:
        p_kw = self.now_kw[self.here.devices[0]]
        inside = p_kw * EFFICIENCY if p_kw > 0.0 else p_kw / EFFICIENCY
        room = (BMS_MAX - self.soc if p_kw > 0.0 else BMS_MIN - self.soc) * self.here.battery_kwh * 3600.0
        stops_s = now_s + room / inside if inside else math.inf
        return min((row + 1) * STEP_S, stops_s, self.ends_s if self.ends_s > now_s else math.inf)

    def operate(self, close: bool) -> bool:
        """Move the switch; True when it moved."""
        if close == self.closed:
            return False
        self.closed = close
        self.operations += 1
        return True

    def _told(self, device: str, default: float, now_s: float) -> float:
        value = self.leases.value(device, now_s)
        return default if value is None else value

    def _set(self, device: str, wish: float, low: float, high: float) -> None:
        how = self.faulty.get(device)
        if how == "ignores":
            wish = self.now_kw.get(device, 0.0)
        elif how == "overshoots":
            wish *= 1.3
        self.now_kw[device] = min(max(wish, low), high)


@final
class Physics:
    """All yards on their network."""

    def __init__(self, village: Village, rng: random.Random) -> None:
        """`rng` draws the first state of charge of every battery and how loads differ from their forecast."""
        self.yard = {
            name: Yard(here, rng.uniform(0.15, 0.85), [_noise(rng) for _ in here.load_kw])
            for name, here in village.place.items()
            if here.parent
        }
        self._flow = PowerFlow(village.grid)
        self._nodes = len(village.grid.nodes)
        self._p = np.zeros(self._nodes)
        self._last: dict[str, list[tuple[int, float]]] = {}
        self._tie = village.tie_branch
        self.solves = 0
        self.tie_kw: dict[str, float] = {}
        """True power into the lower cell, by tie."""
        self.flow: Flow | None = None

    def step(self, now_s: float) -> bool:
        """Move to `now_s`; True when there is a new power flow."""
        row, moved = int(now_s // STEP_S), False
        for name, yard in self.yard.items():
            if now_s < yard.due_s:
                continue
            drawn = yard.power(row, now_s)
            last = self._last.get(name)
            if last is None or any(abs(p - q) > CHANGED_KW for (_, p), (_, q) in zip(drawn, last, strict=True)):
                self._last[name], moved = drawn, True
                for node, p_kw in drawn:
                    self._p[node] = p_kw
        if moved:
            self.flow = flow = self._flow.solve(self._p, 0.2 * np.abs(self._p))
            self.solves += 1
            self.tie_kw = {f"tie/{name}": -float(flow.branch_p_kw[1, at]) for name, at in self._tie.items()}
        return moved


def _noise(rng: random.Random) -> tuple[float, float, float]:
    return rng.uniform(-NOISE_KW, NOISE_KW), rng.uniform(-NOISE_KW, NOISE_KW), rng.uniform(-NOISE_KW, NOISE_KW)
