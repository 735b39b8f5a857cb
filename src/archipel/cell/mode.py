"""The life of a cell beside a main grid that may be lost: an explicit machine of modes.

                     loss of main (or: island wanted)          main healthy for a while
    connected ---------> islanding ---------> island ---------------------> resynchronising
        ^                    |                  ^  \\                              |
        |                    | cannot form      |   \\ nothing left alive          | inside the window: close
        |                    v                  |    v                            v
        +<--- reconnected    degraded ----> black start                       reconnected
                  ^              | main is back: energised from there             |
                  +--------------+            (whatever is settled for a while:) connected

A step is a pure function of what is known now and what was before. It gives orders (open, close, form, steer), never
acts, and says why. The switch is believed only when it was measured; a safety tag on it is an answer, not an obstacle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import final

from archipel.cell.synchronism import Across, Steering, Window


class Mode(StrEnum):
    """Where a cell stands towards the main grid."""

    CONNECTED = "connected"
    ISLANDING = "islanding"
    ISLAND = "island"
    RESYNCHRONISING = "resynchronising"
    RECONNECTED = "reconnected"
    BLACK_START = "black start"
    DEGRADED = "degraded"


class Order(StrEnum):
    """What the cell wants done."""

    OPEN = "open the switch to the main grid"
    CLOSE = "close the switch to the main grid"
    FORM = "grid-forming units hold voltage and frequency"
    FOLLOW = "grid-forming units follow the main grid"
    STEER = "turn towards the main grid"
    SHED = "serve critical load only"
    RESTORE = "take back what was shed, stage by stage"
    ENERGISE = "energise the dead island from its strongest store"


@final
@dataclass(frozen=True, slots=True)
class Facts:
    """What is known now. A value that is too old is None: not knowing is never taken for health."""

    now_s: float
    closed: bool | None
    """The switch to the main grid, measured."""
    main_v_pu: float | None
    main_f_hz: float | None
    """Beyond the switch."""
    own_v_pu: float | None
    own_f_hz: float | None
    angle_deg: float | None = None
    """Own angle less that of the main grid."""
    cannot_form: Sequence[str] = ()
    """Reasons why no island can be formed now: no grid-forming source with energy, no neutral earth, too little fault
    current for the protection."""
    tags: Sequence[str] = ()
    """Safety tags on the switch."""
    wants_island: bool = False
    """An operator or a schedule wants to leave, or to stay away."""

    @property
    def alive(self) -> bool:
        """The own side has a voltage."""
        return self.own_v_pu is not None and self.own_v_pu > DEAD_V_PU

    @property
    def dead(self) -> bool:
        """The own side is known to have no voltage; one that was not measured is neither dead nor alive."""
        return self.own_v_pu is not None and self.own_v_pu <= DEAD_V_PU


DEAD_V_PU = 0.2
"""Below it a side counts as dead."""


@final
@dataclass(frozen=True, slots=True)
class Limit:
    """A value beyond it for so long is a loss of the main grid."""

    low: float
    high: float
    for_s: float


@final
@dataclass(frozen=True, slots=True)
class Rules:
    """When to leave and when to come back. Voltage and frequency as in VDE-AR-N 4105 (settings of the decoupling
    relay); coming back as IEEE Std 1547-2018, 4.10 asks of those who enter service."""

    leave_v: tuple[Limit, ...] = (Limit(0.80, 1.15, 1.0), Limit(0.45, 1.25, 0.1))
    leave_f: tuple[Limit, ...] = (Limit(47.5, 51.5, 0.1),)
    unknown_s: float = 1.0
    """Not knowing the main grid for so long while connected is a loss."""
    healthy_v: tuple[float, float] = (0.917, 1.05)
    healthy_f: tuple[float, float] = (49.8, 50.2)
    healthy_s: float = 300.0
    """How long the main grid must have been so before an island turns towards it."""
    settled_s: float = 60.0
    """How long an island or a reconnected cell must have held before it counts as settled."""
    give_up_s: float = 180.0
    """An island that turned towards the main grid for so long without closing rests before it tries again."""
    form_s: float = 2.0
    """An island that has no voltage so long after the switch opened did not form."""
    window: Window = field(default_factory=Window)
    steering: Steering = field(default_factory=Steering)


@final
@dataclass(frozen=True, slots=True)
class Said:
    """One change of mode, for the journal."""

    at_s: float
    before: Mode
    after: Mode
    why: str


@final
@dataclass(frozen=True, slots=True)
class Wanted:
    """What follows from a step."""

    orders: tuple[Order, ...]
    slip_hz: float = 0.0
    """With STEER: own frequency less that of the main grid."""
    why_not: tuple[str, ...] = ()
    """Why something that was wanted cannot be done now."""


@final
@dataclass(slots=True)
class Life:
    """A cell's mode. Times are seconds of its monotonic clock."""

    mode: Mode = Mode.CONNECTED
    rules: Rules = field(default_factory=Rules)
    since_s: float = 0.0
    _since: dict[str, float] = field(default_factory=dict)
    """Since when a condition has held without a break."""

    def step(self, facts: Facts) -> tuple[Wanted, Said | None]:
        """What to do now, and the change of mode if there is one.

        Raises:
            ValueError: when time runs backwards.
        """
        if facts.now_s < self.since_s:
            raise ValueError(f"mode: {facts.now_s:g} s follows {self.since_s:g} s; expected a monotonic clock")
        why_lost, healthy = self._main(facts)
        return getattr(self, f"_{self.mode.name.lower()}")(facts, why_lost, healthy)  # type: ignore[no-any-return]

    # ---------------------------------------------------------------- what holds for how long

    def _held(self, name: str, holds: bool, now_s: float) -> float:
        """For how long a condition has held [s]; -1 when it does not."""
        if not holds:
            self._since.pop(name, None)
            return -1.0
        return now_s - self._since.setdefault(name, now_s)

    def _main(self, facts: Facts) -> tuple[str, bool]:
        """Why the main grid counts as lost (empty: it does not), and whether it has been healthy for long enough."""
        now, v, f, rules = facts.now_s, facts.main_v_pu, facts.main_f_hz, self.rules
        why = ""
        if self._held("unknown", v is None or f is None, now) >= rules.unknown_s:
            why = f"nothing was measured beyond the switch for {rules.unknown_s:g} s"
        for name, value, limits, unit in (("voltage", v, rules.leave_v, "pu"), ("frequency", f, rules.leave_f, "Hz")):
            for k, limit in enumerate(limits):
                beyond = value is not None and not limit.low <= value <= limit.high
                if self._held(f"{name}{k}", beyond, now) >= limit.for_s:
                    band = f"{limit.low:g} to {limit.high:g} {unit}"
                    why = f"{name} of the main grid was outside {band} for {limit.for_s:g} s"
        well = v is not None and f is not None
        well = well and rules.healthy_v[0] <= v <= rules.healthy_v[1]  # type: ignore[operator]
        well = well and rules.healthy_f[0] <= f <= rules.healthy_f[1]  # type: ignore[operator]
        return why, self._held("healthy", well, now) >= rules.healthy_s

    def _to(self, mode: Mode, facts: Facts, why: str, *orders: Order, slip_hz: float = 0.0) -> tuple[Wanted, Said]:
        said = Said(facts.now_s, self.mode, mode, why)
        self.mode, self.since_s = mode, facts.now_s
        return Wanted(orders, slip_hz), said

    # ---------------------------------------------------------------- one mode each

    def _connected(self, facts: Facts, why_lost: str, healthy: bool) -> tuple[Wanted, Said | None]:
        del healthy
        if facts.closed is False:
            return self._leave(facts, "the switch to the main grid was found open")
        if why_lost:
            return self._leave(facts, why_lost)
        if facts.wants_island:
            if against := (*facts.cannot_form, *_tagged(facts)):
                return Wanted((Order.FOLLOW,), why_not=against), None
            return self._leave(facts, "planned")
        return Wanted((Order.FOLLOW,)), None

    def _leave(self, facts: Facts, why: str) -> tuple[Wanted, Said]:
        if facts.cannot_form:
            reasons = "; ".join(facts.cannot_form)
            why = f"{why}, and no island can be formed: {reasons}"
            return self._to(Mode.DEGRADED, facts, why, *_opened(facts), Order.SHED)
        if facts.tags and facts.closed is not False:
            return self._kept_closed(facts, why)
        # form before the switch has opened: the voltage never goes away
        return self._to(Mode.ISLANDING, facts, why, Order.FORM, *_opened(facts))

    def _kept_closed(self, facts: Facts, why: str) -> tuple[Wanted, Said]:
        """Nothing may form a voltage behind a closed switch that somebody works at."""
        return self._to(Mode.DEGRADED, facts, f"{why}, and the switch stays closed: {_tagged(facts)[0]}", Order.SHED)

    def _islanding(self, facts: Facts, why_lost: str, healthy: bool) -> tuple[Wanted, Said | None]:
        del why_lost, healthy
        if facts.tags and facts.closed is not False:
            return self._kept_closed(facts, "the switch was to open")
        if facts.closed is False and facts.alive:
            return self._to(Mode.ISLAND, facts, "the switch is open and the island holds its voltage", Order.FORM)
        if facts.now_s - self.since_s > self.rules.form_s:
            # what does not open, and what is not known to be open, may still feed a fault beyond it
            if facts.closed is not False:
                why = "the switch to the main grid does not open"
                return self._to(Mode.DEGRADED, facts, why, Order.OPEN, Order.SHED)
            return self._to(Mode.BLACK_START, facts, "the island did not hold its voltage", Order.SHED, Order.ENERGISE)
        return Wanted((Order.FORM, *_opened(facts))), None

    def _island(self, facts: Facts, why_lost: str, healthy: bool) -> tuple[Wanted, Said | None]:
        if facts.closed:
            # somebody closed it; whether that was synchronous is past, what counts is who holds the frequency
            return self._to(Mode.RECONNECTED, facts, "the switch to the main grid was found closed", Order.FOLLOW)
        if facts.dead:
            return self._dead(facts)
        if not healthy or why_lost or facts.wants_island:
            return Wanted((Order.FORM,)), None
        if facts.tags:
            return Wanted((Order.FORM,), why_not=_tagged(facts)), None
        if facts.now_s - self.since_s < self.rules.settled_s:
            return Wanted((Order.FORM,)), None
        why = f"the main grid has been healthy for {self.rules.healthy_s:g} s"
        return self._to(Mode.RESYNCHRONISING, facts, why, Order.FORM, Order.STEER, slip_hz=self._slip(facts))

    def _resynchronising(self, facts: Facts, why_lost: str, healthy: bool) -> tuple[Wanted, Said | None]:
        if facts.closed:
            return self._to(Mode.RECONNECTED, facts, "the switch to the main grid is closed", Order.FOLLOW)
        if facts.dead:
            return self._dead(facts)
        if why_lost or not healthy or facts.wants_island or facts.tags:
            why = (
                why_lost or "the main grid is not healthy" * (not healthy) or "an island is wanted" * facts.wants_island
            )
            return self._to(Mode.ISLAND, facts, why or f"tag on the switch: {facts.tags[0]}", Order.FORM)
        if facts.now_s - self.since_s > self.rules.give_up_s:
            why = f"not inside the window within {self.rules.give_up_s:g} s"
            return self._to(Mode.ISLAND, facts, why, Order.FORM)
        across = self._across(facts)
        if across is None or facts.closed is None:
            return Wanted((Order.FORM,), why_not=("what is on both sides of the switch is not known now",)), None
        slip, refused = self.rules.steering.slip_hz(across), self.rules.window.refuses(across)
        if not refused and not self.rules.steering.near(across, self.rules.window.closing_s):
            refused = ("inside the window, and still turning: the power that flows at closing goes with the angle",)
        orders = (Order.FORM, Order.STEER) if refused else (Order.FORM, Order.STEER, Order.CLOSE)
        return Wanted(orders, slip, refused), None

    def _reconnected(self, facts: Facts, why_lost: str, healthy: bool) -> tuple[Wanted, Said | None]:
        del healthy
        if facts.closed is False:
            return self._leave(facts, "the switch to the main grid was found open")
        if why_lost:
            return self._leave(facts, why_lost)
        if facts.now_s - self.since_s >= self.rules.settled_s:
            return self._to(Mode.CONNECTED, facts, f"held for {self.rules.settled_s:g} s", Order.FOLLOW)
        return Wanted((Order.FOLLOW, Order.RESTORE)), None

    def _black_start(self, facts: Facts, why_lost: str, healthy: bool) -> tuple[Wanted, Said | None]:
        del why_lost, healthy
        if facts.closed:
            return self._to(Mode.RECONNECTED, facts, "the switch to the main grid was found closed", Order.FOLLOW)
        if facts.alive:
            return self._to(Mode.ISLAND, facts, "the island has a voltage again", Order.FORM, Order.RESTORE)
        if facts.cannot_form:
            return self._to(Mode.DEGRADED, facts, "; ".join(facts.cannot_form), *_opened(facts), Order.SHED)
        return Wanted((Order.SHED, Order.ENERGISE)), None

    def _degraded(self, facts: Facts, why_lost: str, healthy: bool) -> tuple[Wanted, Said | None]:
        if facts.closed and not why_lost and facts.alive:
            return self._to(Mode.RECONNECTED, facts, "supplied by the main grid again", Order.FOLLOW, Order.RESTORE)
        if facts.closed is False and facts.alive and not facts.cannot_form:
            return self._to(Mode.ISLAND, facts, "an island can be formed again", Order.FORM, Order.RESTORE)
        if facts.closed is False and facts.dead and not facts.cannot_form:
            return self._to(Mode.BLACK_START, facts, "an island can be formed again", Order.SHED, Order.ENERGISE)
        if facts.closed is False and healthy and facts.dead and not facts.wants_island:
            # a dead side has no angle: it is energised, not synchronised
            return Wanted((Order.SHED,) if facts.tags else (Order.SHED, Order.CLOSE), why_not=_tagged(facts)), None
        return Wanted((*_opened(facts), Order.SHED), why_not=(*facts.cannot_form, *_tagged(facts))), None

    def _dead(self, facts: Facts) -> tuple[Wanted, Said]:
        if facts.cannot_form:
            return self._to(Mode.DEGRADED, facts, "; ".join(facts.cannot_form), *_opened(facts), Order.SHED)
        return self._to(Mode.BLACK_START, facts, "the island lost its voltage", Order.SHED, Order.ENERGISE)

    def _across(self, facts: Facts) -> Across | None:
        known = (facts.angle_deg, facts.own_f_hz, facts.main_f_hz, facts.own_v_pu, facts.main_v_pu)
        if any(value is None for value in known):
            return None
        angle, own_f, main_f, own_v, main_v = (float(value) for value in known if value is not None)
        return Across(angle, own_f - main_f, own_v - main_v, live=own_v > DEAD_V_PU and main_v > DEAD_V_PU)

    def _slip(self, facts: Facts) -> float:
        across = self._across(facts)
        return 0.0 if across is None else self.rules.steering.slip_hz(across)


def found(facts: Facts, rules: Rules) -> Life | None:
    """The life of a cell whose process has just begun: by the switch as it is measured, never by what was remembered.

    None while not enough is known to say; a switch that tells nothing of the main grid gives no mode, for it would look
    like a main grid that was lost.
    """
    live = facts.main_v_pu is not None and facts.main_v_pu > DEAD_V_PU
    blind = facts.main_v_pu is None or (live and facts.main_f_hz is None)
    if facts.closed is None or facts.own_v_pu is None or (facts.closed and blind):
        return None
    if facts.closed:
        mode = Mode.CONNECTED
    elif facts.alive:
        mode = Mode.ISLAND
    else:
        mode = Mode.DEGRADED if facts.cannot_form else Mode.BLACK_START
    return Life(mode, rules, facts.now_s)


def _opened(facts: Facts) -> tuple[Order, ...]:
    """A tagged switch is not opened either."""
    return () if facts.tags else (Order.OPEN,)


def _tagged(facts: Facts) -> tuple[str, ...]:
    return tuple(f"tag on the switch: {tag}" for tag in facts.tags)
