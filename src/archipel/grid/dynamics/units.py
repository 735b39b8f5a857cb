"""What stands in an island: sources that form its voltage, sources that follow it, loads.

Load convention: positive is drawn, so a source that gives 50 kW has `p_kw = -50`. Per unit values are on the unit's
own rating. Powers are those at the terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from archipel.grid.dynamics.grid_codes import IEEE_1547_III_B, GridCode, Limit

DROOP = 0.02
FILTER_S = 0.03
I_PU_MAX = 1.2


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Governor:
    """Turns a lack of frequency into mechanical power, late.

        T1 dg/dt = p_set - df / R - g      0 <= g <= 1      T3 dx/dt = g - x      p_m = x + T2/T3 (g - x)

    Source: TGOV1 in IEEE PES-TR1, "Dynamic models for turbine-governors in power system studies", 2013, section 2.1,
    whose turbine damping is `Forming.damping_pu`.
    """

    droop: float = 0.05
    """R: relative frequency change for full power, above zero."""
    valve_s: float = 0.5
    """T1, above zero."""
    lead_s: float = 0.0
    """T2."""
    lag_s: float = 0.0
    """T3; 0 for none."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Energy behind a unit. An empty one cannot give, a full one cannot take."""

    e_kwh: float
    """Energy at the start."""
    e_kwh_max: float
    efficiency: float = 0.95
    """Each way, above zero and at most 1."""
    spare: float = 0.0
    """Share of `e_kwh_max` that is there beyond either end for seconds: what is usable is less than what cells hold. A
    unit beyond an end is asked for no more, and switches off once the spare is used as well."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Forming:
    """A voltage behind an impedance whose frequency follows its power. Made by `droop`, `vsm`, `machine`, `main_grid`.

        2H dw/dt = p_m - p - D w            w: frequency over nominal less one; p: power given
        d delta/dt = 2 pi f_nominal w       e = v_set + droop_v (q_set - q_f),   T dq_f/dt = q - q_f

    Sources: P. Kundur, "Power System Stability and Control", 1994, section 3.9 (swing); W. Du et al., "Model
    specification of droop-controlled, grid-forming inverters (REGFM_A1)", PNNL-32278, 2023 (voltage behind an
    impedance, Q-V droop with a filter); S. D'Arco and J. A. Suul, "Equivalence of virtual synchronous machines and
    frequency-droops for converter-based microgrids", IEEE Trans. Smart Grid 5(1), 2014, doi:10.1109/TSG.2013.2288000
    (the droop inverter as this swing).
    """

    id: str
    terminal: int
    """Row of the network's terminal it stands at."""
    rating_kva: float
    inertia_s: float
    """H, above zero; infinite for a main grid."""
    damping_pu: float
    """D: power per frequency, both per unit; what is left of it in the settled state is the unit's droop, 1/D."""
    governor: Governor | None = None
    p_kw: float = 0.0
    """Set-point at nominal frequency."""
    q_kvar: float = 0.0
    v_pu: float = 1.0
    """Set-points: the voltage `v_pu` behind the impedance when `q_kvar` is drawn."""
    f_hz: float | None = None
    """Frequency of a main grid; nothing else has one of its own. None: nominal."""
    droop_v: float = 0.05
    filter_s: float = FILTER_S
    r_pu: float = 0.0
    x_pu: float = 0.15
    i_pu_max: float = I_PU_MAX
    """The current never exceeds it; infinite for what has no such limit."""
    p_kw_min: float = -float("inf")
    """Most it may give for longer (negative); none given: its rating."""
    p_kw_max: float = float("inf")
    """Most it may draw for longer; none given: its rating."""
    store: Store | None = None
    limits: tuple[Limit, ...] = ()
    """When it trips."""
    angle_deg: float = 0.0
    """Of its voltage at the start. Counts only between parts of a network that nothing joins then."""


def droop(
    id: str,  # noqa: A002  # the noun's own field
    terminal: int,
    rating_kva: float,
    *,
    droop: float = DROOP,
    filter_s: float = FILTER_S,
    **more: object,
) -> Forming:
    """A droop inverter: `w = droop (p_set - p_f)`, `T dp_f/dt = p - p_f`: a swing of H = T/(2 droop), D = 1/droop.

    `more` are fields of `Forming`. Source: D'Arco and Suul, see there. A droop or filter of zero leaves a unit that
    `Island` refuses.
    """
    stiff = 1.0 / droop if droop > 0 else 0.0
    return Forming(
        id=id,
        terminal=terminal,
        rating_kva=rating_kva,
        inertia_s=filter_s * stiff / 2,
        damping_pu=stiff,
        filter_s=filter_s,
        **more,  # type: ignore[arg-type]
    )


def vsm(id: str, terminal: int, rating_kva: float, *, inertia_s: float, damping_pu: float, **more: object) -> Forming:  # noqa: A002
    """A virtual synchronous machine. Its damping is its droop as well: 1/damping_pu, 2 % for a damping of 50."""
    return Forming(
        id=id,
        terminal=terminal,
        rating_kva=rating_kva,
        inertia_s=inertia_s,
        damping_pu=damping_pu,
        **more,  # type: ignore[arg-type]
    )


def machine(
    id: str,  # noqa: A002
    terminal: int,
    rating_kva: float,
    *,
    inertia_s: float = 3.0,
    damping_pu: float = 0.0,
    governor: Governor | None = Governor(lead_s=1.0, lag_s=3.0),  # frozen
    **more: object,
) -> Forming:
    """A synchronous machine: a constant voltage behind x'd whose set-point its regulator droops with reactive power.

    It takes three times its rating for the seconds of a transient (x'd decides) and gives between none and all of it.
    Source: Kundur, 1994, section 5.3.1 (classical model).
    """
    settings: dict[str, object] = {"x_pu": 0.3, "i_pu_max": float("inf"), "filter_s": 0.5, "p_kw_max": 0.0, **more}
    return Forming(
        id=id,
        terminal=terminal,
        rating_kva=rating_kva,
        inertia_s=inertia_s,
        damping_pu=damping_pu,
        governor=governor,
        **settings,  # type: ignore[arg-type]
    )


def main_grid(
    id: str,  # noqa: A002
    terminal: int,
    sk_kva: float,
    *,
    v_pu: float = 1.0,
    f_hz: float | None = None,
    angle_deg: float = 0.0,
) -> Forming:
    """The grid above: a voltage of its own frequency behind its short-circuit power. Losing it is a `Trip` of it."""
    return Forming(
        id=id,
        terminal=terminal,
        rating_kva=sk_kva,
        inertia_s=float("inf"),
        damping_pu=0.0,
        v_pu=v_pu,
        f_hz=f_hz,
        droop_v=0.0,
        x_pu=1.0,
        i_pu_max=float("inf"),
        angle_deg=angle_deg,
    )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """A source of current in step with the voltage it finds (PV, most batteries).

        T di/dt = i_ref - i       i_ref = conj((p + j q) / |v|), in the frame of its phase-locked loop
        d theta/dt = x + 2 zeta w0 e,   dx/dt = w0^2 e,   e = sin(angle(v) - theta)

    p and q come from the set-points and the curves of its grid code, reactive power first (IEEE 1547-2018, 4.6, 5.2).
    Source of the loop: S.-K. Chung, "A phase tracking system for three phase utility interface inverters", IEEE Trans.
    Power Electron. 15(3), 2000, doi:10.1109/63.844502.
    """

    id: str
    terminal: int
    rating_kva: float
    p_kw: float = 0.0
    """Set-point, and what the curves of its code start from."""
    q_kvar: float = 0.0
    p_kw_min: float = 0.0
    """Most it can give now (negative): sun, wind. Set-points of `Start` and events are cut to it."""
    p_kw_max: float = 0.0
    """Most it can draw."""
    lag_s: float = 0.02
    i_pu_max: float = I_PU_MAX
    store: Store | None = None
    code: GridCode = IEEE_1547_III_B
    limits: tuple[Limit, ...] | None = None
    """When it trips; None: as its code says."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Load at one terminal: S = S_0 m (z v^2 + 1 - z) (1 + share_per_hz (f - f_nominal)), m its cold-load pick-up.

    Below 0.7 pu the part of constant power draws as an impedance does, so that a low voltage has a solution.

    Source: IEEE Task Force, "Load representation for dynamic performance analysis", IEEE Trans. Power Syst. 8(2), 1993,
    doi:10.1109/59.259774.
    """

    id: str
    terminal: int
    p_kw: float
    q_kvar: float = 0.0
    """Drawn at nominal voltage and frequency."""
    z_share: float = 1.0
    """Share of constant impedance; the rest is constant power."""
    share_per_hz: float = 0.0
    """Relative growth of active power per hertz, often 0.01 to 0.04 for 50 Hz."""
    on: bool = True
    limits: tuple[Limit, ...] = ()
    """When it is shed."""


Unit = Forming | Following


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """A branch with a switch between two terminals: closed it joins what stands there, open it parts it.

    Per unit on the network's base. A line as a pi: half of what it charges stands at either end while it is closed.
    """

    id: str
    a: int
    b: int
    """Rows of the network's terminals."""
    r_pu: float = 0.0
    x_pu: float
    b_pu: float = 0.0
    """Susceptance of its charging, of both ends together."""
    closed: bool = True
