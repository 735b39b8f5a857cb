"""A switch between a main grid and an island, and the unit that forms the island: enough physics to leave and return.

    main side ---[switch]--- own side, which a grid former holds while the switch is open

The voltage angle between the sides moves by 360 degrees per second and hertz of difference. The switch has the last
word: told to close between two live sides, it waits for its own window, and it takes time to move.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, final

from archipel.farm.mapped import MappedDevice, MappedPlate
from archipel.model.register_map import NO_LIMIT, Kind

DEAD_PU: Final = 0.2
CLOSING_S, OPENING_S = 0.08, 0.06
"""From the start of its movement until contacts touch or have parted."""
WINDOW: Final = (10.0, 0.1, 0.03)
"""Degrees, Hz and pu within which it begins to close. Source: IEEE Std 1547-2018, table 5 (1.5 to 10 MVA)."""
SETTLE_S = 0.3
"""How fast a grid former reaches what it shall hold."""
STEP_S = 0.005
"""Longest step of the angle."""


@final
@dataclass(slots=True)
class MainSide:
    """The main grid, moved by the caller."""

    v_pu: float = 1.0
    f_hz: float = 50.0

    @property
    def dead(self) -> bool:
        """It has no voltage."""
        return self.v_pu <= DEAD_PU


@final
@dataclass(frozen=True, slots=True)
class Touch:
    """What was over the contacts when they touched: own side less main side. NaN where one side was dead."""

    angle_deg: float
    f_hz: float
    v_pu: float


@final
class GridFormer(MappedDevice):
    """A battery's inverter that holds frequency and voltage when told to, or by its own rule where nothing is told."""

    def __init__(self, id: str, *, p_kw: float = 100.0, own_f_hz: float = 50.0, forms: bool = False) -> None:  # noqa: A002
        self.f_hz, self.v_pu = own_f_hz, 0.0
        self._own_f_hz = own_f_hz
        super().__init__(MappedPlate(id, Kind.GRID_FORMER, p_kw, fallback_kw=None if forms else 0.0))

    @property
    def forms(self) -> bool:
        """Whether it holds a voltage now."""
        return self._active()[0] != 0

    def follow(self, main: MainSide) -> None:
        """The switch is closed: what it forms is what the main grid has."""
        if not main.dead:
            self.f_hz, self.v_pu = main.f_hz, main.v_pu

    def _sensible(self, setpoint: int | None) -> bool:
        return setpoint in {0, NO_LIMIT} or (setpoint is not None and 4_500_000 <= setpoint <= 6_500_000)

    def _held(self, setpoint: int) -> int:
        return setpoint

    def _q_fits(self, q: int | None) -> bool:
        return q is None or q >= 0

    def _active(self) -> tuple[int, int | None]:
        setpoint, q = (
            self._get(name)
            for name in (("setpoint", "q_setpoint") if self._left_s is not None else ("fallback", "q_fallback"))
        )
        return NO_LIMIT if setpoint is None else setpoint, q

    def _move(self, dt_s: float) -> None:
        if not self.forms:
            self.v_pu = 0.0
            return
        setpoint, q = self._active()
        f_hz = self._own_f_hz if setpoint == NO_LIMIT else setpoint / 100_000.0
        v_pu = 1.0 if q is None else q / 10.0 / self.plate.v_nominal_v
        share = -math.expm1(-dt_s / SETTLE_S)
        if self.v_pu <= DEAD_PU:
            self.f_hz, self.v_pu = f_hz, v_pu  # from nothing it starts with what it shall hold
        self.f_hz += share * (f_hz - self.f_hz)
        self.v_pu += share * (v_pu - self.v_pu)


@final
class GridSwitch(MappedDevice):
    """A switch that measures both sides; its first node is the main grid's.

    Args:
        plate: Of a switch.
        former: What holds the own side while it is open; served beside it and stepped before it.
        main: The other side.
        angle_deg: Of the own side less the main side, at the start.
    """

    def __init__(self, plate: MappedPlate, former: GridFormer, main: MainSide, *, angle_deg: float = 0.0) -> None:
        if plate.kind is not Kind.SWITCH:
            raise ValueError(f"device {plate.id}: a {plate.kind.name.lower()}; expected a switch")
        self.former, self.main, self.angle_deg = former, main, angle_deg
        self.touches: list[Touch] = []
        """Every closing so far."""
        self._target: bool | None = None
        self._moving: tuple[bool, float] | None = None
        super().__init__(plate)

    @property
    def own(self) -> tuple[float, float]:
        """Voltage [pu] and frequency [Hz] of its second node."""
        if self.closed:
            return self.main.v_pu, self.main.f_hz
        return self.former.v_pu, self.former.f_hz

    def _operate(self) -> None:
        """Note where it shall be; it gets there in `_move`. An order that ends is no longer waited for."""
        setpoint, _q = self._active()
        told = setpoint != NO_LIMIT and self.locked is None and not self.fault.ignores_setpoints
        self._target = setpoint == 1 if told else None

    def _move(self, dt_s: float) -> None:
        steps = max(1, math.ceil(dt_s / STEP_S))
        for _ in range(steps):
            self._step(dt_s / steps)

    def _step(self, dt_s: float) -> None:
        if self.closed:
            self.former.follow(self.main)
        else:
            turned = self.angle_deg + 360.0 * (self.own[1] - self.main.f_hz) * dt_s
            self.angle_deg = (turned + 180.0) % 360.0 - 180.0
        if self._moving is not None:
            there, left_s = self._moving
            self._moving = (there, left_s - dt_s)
            if left_s - dt_s <= 1e-9:
                self._arrive(there)
        elif self._target is not None and self._target is not self._closed and (not self._target or self._inside()):
            self._moving = (self._target, CLOSING_S if self._target else OPENING_S)

    def _arrive(self, there: bool) -> None:
        self._moving = None
        if there:
            dead = self.main.dead or self.own[0] <= DEAD_PU
            v_pu, f_hz = self.own
            over = Touch(self.angle_deg, f_hz - self.main.f_hz, v_pu - self.main.v_pu)
            self.touches.append(Touch(math.nan, math.nan, math.nan) if dead else over)
            self.angle_deg = 0.0
        self._closed = there

    def _inside(self) -> bool:
        """Its own check; a dead side is energised without one."""
        v_pu, f_hz = self.own
        if self.main.dead or v_pu <= DEAD_PU:
            return True
        slip = f_hz - self.main.f_hz
        meets = self.angle_deg + 360.0 * slip * CLOSING_S
        within = (meets, slip, v_pu - self.main.v_pu)
        return all(abs(value) <= most for value, most in zip(within, WINDOW, strict=True))

    def _show(self, at: int, count: int) -> None:
        super()._show(at, count)
        if self.fault.frozen:
            return
        v_pu, f_hz = self.own
        both = not self.main.dead and v_pu > DEAD_PU
        for v, f, volts, hertz in (
            ("v_first", "f_first", self.main.v_pu, self.main.f_hz),
            ("v_second", "f_second", v_pu, f_hz),
        ):
            self._set(v, round(10.0 * volts * self.plate.v_nominal_v))
            self._set(f, round(100_000.0 * hertz) if volts > DEAD_PU else None)
        self._set("angle", round(1000.0 * self.angle_deg) if both else None)
