"""Secondary control without a centre: frequency and voltage go back to nominal and power is shared, by averaging.

Droop leaves a deviation that tells every grid-forming unit of an island how much is missing; nobody knows who took it.
Every cell i shifts its droop line by `omega_hz` and tells its neighbours only that number (and its share of reactive
power):

    k d omega_i/dt = -(f_i - f_nominal) - sum_j a (omega_i - omega_j)
    k d e_i/dt     = -beta (v_i - v_i_wanted) - sum_j b (q_share_i - q_share_j)

(J. W. Simpson-Porco, Q. Shafiee, F. Doerfler, J. C. Vasquez, J. M. Guerrero, F. Bullo, "Secondary frequency and voltage
control of islanded microgrids via distributed averaging", IEEE Trans. Ind. Electron. 62(11), 2015,
doi:10.1109/TIE.2015.2436879.) At rest f is nominal and all omega_i are the same, so units with slopes m_i give power in
the ratio of 1/m_i: by rating, and by state of charge where the slope says so (`slope_hz_per_kw`).

What is lost is replaced by what was heard last, and what was heard is compared with the own shift when it was said:
otherwise whoever hears late would always be behind while all move. A cell that hears nobody goes on with the first term
alone: frequency is the same everywhere, so it moves as the average of all others does, and still takes its share. After
`alone_s` it holds what it has, because errors of its own meter would add up. Its voltage it holds at once: that is not
the same everywhere, and whoever corrects it alone takes the reactive power of all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Heard:
    """What a neighbour told last."""

    omega_hz: float
    q_share: float
    at_s: float
    """When it was said (not when it arrived), on the clock of the listener."""


@final
@dataclass(frozen=True, slots=True)
class Gains:
    """How fast; the same for all cells of an area."""

    k_s: float = 1.2
    """Time constant of the integral."""
    a: float = 1.5
    """Pull towards a neighbour's shift, per neighbour; divided among them."""
    beta: float = 1.0
    b_pu: float = 0.04
    """Pull towards a neighbour's share of reactive power [pu of voltage per share]."""
    most_hz: float = 1.0
    most_v_pu: float = 0.05
    """Shifts stay inside, whatever is heard."""
    stale_s: float = 3.0
    """A neighbour not heard for so long counts as silent."""
    alone_s: float = 600.0
    """How long a cell that hears nobody goes on by itself."""


@final
@dataclass(slots=True)
class Secondary:
    """One cell's side. Times are seconds of its own monotonic clock."""

    f_nominal_hz: float = 50.0
    gains: Gains = field(default_factory=Gains)
    omega_hz: float = 0.0
    """Shift of the droop line."""
    e_pu: float = 0.0
    """Shift of the voltage order."""
    _was: deque[tuple[float, float]] = field(default_factory=deque)
    """(time, shift) after every step of the last `stale_s`."""
    _heard_s: float = 0.0

    def step(
        self,
        now_s: float,
        f_hz: float,
        v_pu: float,
        v_wanted_pu: float,
        q_share: float,
        heard: Mapping[str, Heard],
        *,
        alone: bool = False,
    ) -> tuple[float, float]:
        """Take one step and return what neighbours are told: the shift, and the share of reactive power.

        Args:
            now_s: Time; the first call only starts the clock.
            f_hz: Measured frequency.
            v_pu: Measured voltage of the own terminal.
            v_wanted_pu: Voltage the schedule asks for there.
            q_share: Own reactive power over rating, -1 to 1.
            heard: What neighbours in the same island told last; nobody else's.
            alone: Nobody else forms the voltage of this island, so it is for this cell to hold.

        Raises:
            ValueError: when time runs backwards.
        """
        if not self._was:
            self._heard_s = now_s
            self._was.append((now_s, self.omega_hz))
            return self.omega_hz, q_share
        before = self._was[-1][0]
        if now_s < before:
            raise ValueError(f"secondary control: {now_s:g} s follows {before:g} s; expected a monotonic clock")
        g, dt = self.gains, now_s - before
        fresh = [one for one in heard.values() if now_s - one.at_s <= g.stale_s]
        self._heard_s = now_s if fresh else self._heard_s
        if now_s - self._heard_s <= g.alone_s:
            # no more than all the way to the neighbours in one step, however long the step was
            apart = sum(one.omega_hz - self._shift_at(one.at_s) for one in fresh) / max(len(fresh), 1)
            shares = sum(one.q_share - q_share for one in fresh) / max(len(fresh), 1)
            omega = self.omega_hz + dt / g.k_s * (self.f_nominal_hz - f_hz) + min(g.a * dt / g.k_s, 1.0) * apart
            self.omega_hz = max(-g.most_hz, min(g.most_hz, omega))
        if fresh or alone:
            e = self.e_pu + dt / g.k_s * g.beta * (v_wanted_pu - v_pu) + min(dt / g.k_s, 1.0) * g.b_pu * shares
            self.e_pu = max(-g.most_v_pu, min(g.most_v_pu, e))
        self._was.append((now_s, self.omega_hz))
        while len(self._was) > 2 and self._was[1][0] <= now_s - g.stale_s:
            self._was.popleft()
        return self.omega_hz, q_share

    def _shift_at(self, when_s: float) -> float:
        """Own shift at an earlier time, between the steps before and after it."""
        after = self._was[-1]
        for before in reversed(self._was):
            if before[0] <= when_s:
                span = after[0] - before[0]
                return before[1] + (after[1] - before[1]) * ((when_s - before[0]) / span if span else 0.0)
            after = before
        return after[1]


def slope_hz_per_kw(droop: float, s_kva: float, soc: float, *, giving: bool, f_nominal_hz: float = 50.0) -> float:
    """Slope of the droop line of a unit with a store: steeper, so that it gives (or takes) less, near its end.

    Args:
        droop: Change of frequency over its nominal value at full power; 0.02 is usual.
        s_kva: Rating.
        soc: State of charge, 0 to 1.
        giving: Whether the island lacks power; then what is stored counts, otherwise what room is left.
        f_nominal_hz: Nominal frequency.

    Power goes with rating times `soc` (or `1 - soc`) below one half of the store, and with rating above.
    """
    room = soc if giving else 1.0 - soc
    return droop * f_nominal_hz / (s_kva * max(min(2.0 * room, 1.0), 0.02))
