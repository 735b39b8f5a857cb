"""What happens to an island, and when. Times are from the start; `scenario` None means in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SetPoint:
    """A forming or following unit gets other set-points; what is None stays."""

    time_s: float
    unit: str
    p_kw: float | None = None
    q_kvar: float | None = None
    v_pu: float | None = None
    scenario: int | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LoadStep:
    """A load changes to other powers, at nominal voltage and frequency."""

    time_s: float
    load: str
    p_kw: float
    q_kvar: float = 0.0
    scenario: int | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """A load is connected; after an outage it first draws `pickup` times its power.

        m(t) = 1 + (pickup - 1) exp(-(t - t_on - hold_s) / decay_s),  pickup itself for the first hold_s

    Source: W. W. Lang, M. D. Anderson, D. R. Fannin, "An analytical method for quantifying the electrical space heating
    component of a cold load pick up", IEEE Trans. Power App. Syst. PAS-101(4), 1982, doi:10.1109/TPAS.1982.317265.
    """

    time_s: float
    load: str
    pickup: float = 1.0
    hold_s: float = 0.0
    decay_s: float = 900.0
    scenario: int | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A unit or a load is taken off. Loss of the main grid is the trip of its unit."""

    time_s: float
    id: str
    scenario: int | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StartUp:
    """A unit is switched on.

    Where its terminal has a voltage it joins in step: at that angle, size and frequency, and moves to its set-points
    from there. Where there is none, one that forms a voltage raises it from nothing over `ramp_s`, so that what hangs
    on it is energised gently (soft energisation), and one that follows trips again.

    Source: J. W. Feltes and C. Grande-Moran, "Black start studies for system restoration", IEEE PES General Meeting,
    2008, doi:10.1109/PES.2008.4596565 (why gently: inrush and overvoltage); the ramp is ours.
    """

    time_s: float
    unit: str
    ramp_s: float = 1.0
    scenario: int | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A tie opens."""

    time_s: float
    tie: str
    scenario: int | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """A tie closes, whatever stands over it: whether it may is for `cell.synchronism` to say before."""

    time_s: float
    tie: str
    scenario: int | None = None


Event = SetPoint | LoadStep | Connect | Trip | StartUp | Open | Close


@final
@dataclass(frozen=True, slots=True)
class Tripped:
    """What went off, and why."""

    scenario: int
    time_s: float
    id: str
    reason: str
