"""Secondary control of all cells inside a run of dynamics: what every cell measures, tells, hears and orders.

Every period each cell reads its forming unit, steps its `Secondary` and orders set-points. Messages are lost and late,
cells may be silent. Everybody begins when the switch to the main grid was seen to open:

    p_given = base exp(-t / HAND_OVER_S) + omega / slope(state of charge)

`base` is what the unit gave until then. It fades, so that at the end power is shared by `omega` alone; because all
begin with omega = 0 at the same time and feel the same frequency, even a cell that hears nobody takes its share.

When batteries are nearly full, omega goes on falling past what asks a half-empty one for all its rating (the droop of
full power); from there on cells turn their sun and wind down as well, all by the same share, because all have the same
omega.

Whoever wants the island at another frequency or voltage (to close a switch) tells an aim, and it spreads with the other
messages: the newest one counts, none that is old does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from archipel.coordination.averaging import Gains, Heard, Secondary, slope_hz_per_kw
from archipel.grid.dynamics import Event, Following, Forming, Reading, SetPoint
from archipel.model import Floats
from archipel.strategies.cells_as_units import Area

PERIOD_S = 0.1
HAND_OVER_S = 1.5
AIM_HOLDS_S = 3.0
"""An aim that was not told again for so long is none."""
SHARES = replace(Gains(), k_s=0.5, a=0.9, beta=0.3, most_hz=5.0)
"""Faster than what cells of different owners need, because frequency is to be back within 10 s; shifts may be larger,
because slopes of nearly empty stores are steeper."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Of messages and meters."""

    lose: float = 0.2
    """Share of messages lost."""
    late_s: tuple[float, float] = (0.05, 0.6)
    silent: Collection[str] = ()
    """Cells that neither tell nor hear."""
    f_error_hz: float = 0.001
    """Standard deviation of every measured frequency."""


@final
@dataclass(frozen=True, slots=True)
class Aim:
    """Where the island is to go: frequency, and a shift of all voltages."""

    f_hz: float
    v_shift_pu: float
    at_s: float
    """When it was told first."""


@final
@dataclass(frozen=True, slots=True)
class _Posted:
    due_s: float
    sender: int
    to: int
    word: Heard
    aim: Aim


@final
class Sharing:
    """All cells of an area and the messages between them; a control for `grid.dynamics.simulate`, one scenario."""

    period_s = PERIOD_S
    done = False

    def __init__(
        self, area: Area, *, begins_s: float, seed: int, faults: Faults | None = None, gains: Gains = SHARES,
    ) -> None:  # fmt: skip
        self.area, self.faults, self._rng = area, faults or Faults(), np.random.default_rng(seed)
        self.f_hz = area.island.f_hz
        n = len(area.cells)
        self.cells = [Secondary(f_nominal_hz=self.f_hz, gains=gains) for _ in range(n)]
        self.heard: list[dict[str, Heard]] = [{} for _ in range(n)]
        self.aims = [Aim(self.f_hz, 0.0, -np.inf) for _ in range(n)]
        self.begun_s = np.full(n, begins_s)
        """When every cell began to take part; infinite for those that do not."""
        self.group = np.zeros(n, dtype=np.int64)
        """Cells of one island share a number; who closes and opens ties writes it."""
        units = [area.island.units[row] for row in area.unit]
        forming = [unit for unit in units if isinstance(unit, Forming)]
        self.p_least, self.p_most = (
            np.array([getattr(unit, name) for unit in forming]) for name in ("p_kw_min", "p_kw_max")
        )
        self.droop = np.array([1.0 / unit.damping_pu for unit in forming])
        self._v_set = np.array([unit.v_pu for unit in forming])
        self.base_kw: Floats = np.zeros(n)
        self.v_wanted: Floats = np.ones(n)
        self._sun = [self._following(name) for name in area.cells]
        """Following unit of every cell and what it could give."""
        self.allowed = np.ones(n)
        """Share of sun and wind that may be there; less while an area starts."""
        self.turned_down = np.zeros(n)
        """Share of that which is turned down."""
        self._posted: list[_Posted] = []

    def _following(self, cell: str) -> Following | None:
        found = [u for u in self.area.island.units if u.id == f"{cell}/following" and isinstance(u, Following)]
        return found[0] if found else None

    def aim(self, cell: int, f_hz: float, v_shift_pu: float, now_s: float) -> None:
        """One cell wants its island there."""
        self.aims[cell] = Aim(f_hz, v_shift_pu, now_s)

    def follow(self) -> None:
        """A main grid holds frequency and voltage now: set-points stay what they are."""
        self.begun_s[:] = np.inf

    def begin(self, cell: int, now_s: float) -> None:
        """A cell that has just started takes part from now on, and wants its set voltage."""
        self.begun_s[cell] = now_s
        self.v_wanted[cell] = self._v_set[cell]
        self.cells[cell] = Secondary(f_nominal_hz=self.f_hz, gains=self.cells[cell].gains)
        self.heard[cell] = {}

    def __call__(self, reading: Reading) -> Sequence[Event]:
        """One period of all cells."""
        now, area = reading.time_s, self.area
        self._deliver(now)
        events: list[Event] = []
        for i, row in enumerate(area.unit):
            v_pu, on = float(reading.v_pu[0, row]), bool(reading.on[0, row])
            if not on or not np.isfinite(v_pu):
                continue
            if now < self.begun_s[i] - 1e-9:  # it only follows what it measures
                self.base_kw[i], self.v_wanted[i] = -float(reading.p_kw[0, row]), v_pu
                continue
            events.append(self._order(i, int(row), reading))
            events.extend(self._turn_down(i, now))
        return events

    def _turn_down(self, i: int, now: float) -> list[SetPoint]:
        """The sun of a cell, less what nobody can take; told when it changes."""
        sun, full_hz = self._sun[i], float(self.droop[i]) * self.f_hz
        share = min(max(-self.cells[i].omega_hz / full_hz - 1.0, 0.0), 1.0)
        if sun is None or (share == self.turned_down[i]):
            return []
        self.turned_down[i] = share
        return [SetPoint(time_s=now, unit=sun.id, p_kw=(1.0 - share) * self.allowed[i] * sun.p_kw_min)]

    def slope(self, cell: int, e_kwh: float, giving: bool) -> float:
        """Hz per kW of a cell that gives or takes."""
        area = self.area
        soc = e_kwh / max(float(area.e_kwh_max[cell]), 1e-9)
        droop, rating = float(self.droop[cell]), float(area.rating_kw[cell])
        return slope_hz_per_kw(droop, rating, soc, giving=giving, f_nominal_hz=self.f_hz)

    def _order(self, i: int, row: int, reading: Reading) -> SetPoint:
        now, cell, area = reading.time_s, self.cells[i], self.area
        if now - self.aims[i].at_s > AIM_HOLDS_S:
            self.aims[i] = Aim(self.f_hz, 0.0, -np.inf)
        aim = self.aims[i]
        cell.f_nominal_hz = aim.f_hz
        f = float(reading.f_hz[0, row]) + self.faults.f_error_hz * float(self._rng.standard_normal())
        share = float(reading.q_kvar[0, row] / area.rating_kw[i])
        heard = {k: word for k, word in self.heard[i].items() if self.group[int(k)] == self.group[i]}
        omega, share = cell.step(
            now, f, float(reading.v_pu[0, row]), self.v_wanted[i] + aim.v_shift_pu, -share, heard,
            alone=int((self.group == self.group[i]).sum()) == 1,
        )  # fmt: skip
        self._tell(i, Heard(omega, share, now), now)
        given = omega / self.slope(i, float(reading.e_kwh[0, row]), omega > 0)
        given += self.base_kw[i] * float(np.exp(-(now - self.begun_s[i]) / HAND_OVER_S))
        p_kw = float(np.clip(-given, self.p_least[i], self.p_most[i]))
        return SetPoint(time_s=now, unit=area.island.units[row].id, p_kw=p_kw, v_pu=float(self._v_set[i]) + cell.e_pu)

    def _tell(self, i: int, word: Heard, now: float) -> None:
        silent = self.faults.silent
        for a, b in self.area.links:
            if i not in (a, b):
                continue
            to = b if i == a else a
            lost = self._rng.random() < self.faults.lose
            late = float(self._rng.uniform(*self.faults.late_s))
            if not lost and not {self.area.cells[i], self.area.cells[to]} & set(silent):
                self._posted.append(_Posted(now + late, i, to, word, self.aims[i]))

    def _deliver(self, now: float) -> None:
        for one in [one for one in self._posted if one.due_s <= now]:
            self._posted.remove(one)
            known = self.heard[one.to].get(str(one.sender))
            if known is None or known.at_s < one.word.at_s:
                self.heard[one.to][str(one.sender)] = one.word
            if one.aim.at_s > self.aims[one.to].at_s and self.group[one.sender] == self.group[one.to]:
                self.aims[one.to] = one.aim
