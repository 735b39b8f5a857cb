"""Closing a switch between two live grids: when it may be closed, and how an island gets there.

Limits are those for units of 1.5 to 10 MVA in IEEE Std 1547-2018, table 5. Angles
are of the island against the main grid, positive when the island leads. The angle that counts is that when contacts
touch: with slip `df` it moves by 360 df degrees per second while the switch closes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

FULL_TURN_DEG = 360.0


@final
@dataclass(frozen=True, slots=True)
class Across:
    """What is measured over an open switch, island against main grid."""

    angle_deg: float
    """-180 to 180; positive when the island leads."""
    f_hz: float
    """Frequency of the island less that of the main grid."""
    v_pu: float
    """Voltage of the island less that of the main grid."""
    live: bool = True
    """Both sides are energised."""


@final
@dataclass(frozen=True, slots=True)
class Window:
    """When a switch may be closed."""

    angle_deg: float = 10.0
    f_hz: float = 0.1
    v_pu: float = 0.03
    closing_s: float = 0.08
    """From the order to touching contacts."""
    spread_s: float = 0.02
    """How much that time varies."""
    angle_error_deg: float = 0.5
    f_error_hz: float = 0.005
    v_error_pu: float = 0.005
    """How wrong measurements may be; the check stays inside the limits by as much."""

    def refuses(self, across: Across) -> tuple[str, ...]:
        """Every reason against closing now; empty when it may be closed."""
        if not across.live:
            return ("one side is dead: that is no synchronising; a dead side is energised by its own rule",)
        reasons = []
        if abs(across.f_hz) + self.f_error_hz > self.f_hz:
            reasons.append(f"frequencies differ by {across.f_hz:+.3f} Hz, at most {self.f_hz:g} +- {self.f_error_hz:g}")
        if abs(across.v_pu) + self.v_error_pu > self.v_pu:
            reasons.append(f"voltages differ by {across.v_pu:+.3f} pu, at most {self.v_pu:g} +- {self.v_error_pu:g}")
        worst = self.worst_angle_deg(across)
        if worst > self.angle_deg:
            reasons.append(
                f"angle may be {worst:.1f} degrees when contacts touch (now {across.angle_deg:+.1f}), "
                f"at most {self.angle_deg:g}"
            )
        return tuple(reasons)

    def worst_angle_deg(self, across: Across) -> float:
        """Largest angle that is possible when contacts touch, whatever the errors of angle, slip and closing time."""
        slips = (across.f_hz - self.f_error_hz, across.f_hz + self.f_error_hz)
        waits = (self.closing_s - self.spread_s, self.closing_s + self.spread_s)
        ends = (abs(across.angle_deg + FULL_TURN_DEG * slip * wait) for slip in slips for wait in waits)
        return max(ends) + self.angle_error_deg


@final
@dataclass(frozen=True, slots=True)
class Steering:
    """How an island turns towards the main grid: frequency by the angle that is left, voltage at once.

    A first-order law with a limit, `slip = -angle / (360 time_s)`: the angle decays with `time_s`, and the slip is well
    inside the window when the angle is.
    """

    time_s: float = 4.0
    most_hz: float = 0.06
    """Largest slip asked for."""
    near_deg: float = 0.1
    near_hz: float = 0.005
    near_v_pu: float = 0.003
    """Inside the window it is still waited until it is so near: the power that flows when contacts touch goes with the
    angle and is limited only by the impedance between island and main grid."""

    def near(self, across: Across, closing_s: float) -> bool:
        """Whether contacts that are told to close now will touch with next to no angle, slip and voltage between."""
        then = across.angle_deg + FULL_TURN_DEG * across.f_hz * closing_s
        return abs(then) <= self.near_deg and abs(across.f_hz) <= self.near_hz and abs(across.v_pu) <= self.near_v_pu

    def slip_hz(self, across: Across) -> float:
        """The slip the island should have now [Hz]; its order of frequency is that of the main grid plus this."""
        wanted = -across.angle_deg / (FULL_TURN_DEG * self.time_s)
        return max(-self.most_hz, min(self.most_hz, wanted))


def wrapped(angle_deg: float) -> float:
    """The same angle between -180 and 180 degrees."""
    return (angle_deg + 180.0) % FULL_TURN_DEG - 180.0
