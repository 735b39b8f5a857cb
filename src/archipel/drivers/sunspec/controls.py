"""Orders as registers of model 704 (DER AC controls), with its reversion timers as the lease. No input or output here.

Each of the three functions (limit of generation, active power, reactive power) has its enable, value, value after
reversion and reversion time in adjacent registers, so value and lease go to the device in one request and it never
holds one without the other. Only a device that lacks points in between needs two, the timer first. When the time runs
out the device takes the reversion values by itself.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from archipel.drivers.base import Order
from archipel.drivers.errors import EncodeError, NotControllable, ReadBackDiffers
from archipel.drivers.sunspec.codec import Image, Rounding
from archipel.drivers.sunspec.measure import Ratings

STEP_SHARE_MOST: Final = 0.02
"""Rounding to the device's steps may move a value by at most this share of its rating."""

RATING_SLACK: Final = 0.01
"""An order above the rating by at most this share is held to the rating; one further out is refused."""

LEASE_S_MOST: Final = 3600.0


@final
@dataclass(frozen=True, slots=True)
class Function:
    """One control function of model 704: the stem of its points' names."""

    stem: str
    what: str
    """For people."""
    argument: str
    """The field of an order that it carries."""

    @property
    def enable(self) -> str:
        """Whether it is in force."""
        return f"{self.stem}Ena"

    @property
    def timer(self) -> str:
        """Its reversion time [s]; the last point of its block."""
        return f"{self.stem}RvrtTms"


LIMIT: Final = Function("WMaxLimPct", "limit of generation", "p_limit_kw")
ACTIVE: Final = Function("WSet", "active power", "p_kw")
REACTIVE: Final = Function("VarSet", "reactive power", "q_kvar")
FUNCTIONS: Final = {each.stem: each for each in (LIMIT, ACTIVE, REACTIVE)}


@final
@dataclass(frozen=True, slots=True)
class Block:
    """What to write for one function, and what must be found there afterwards."""

    function: Function
    requests: tuple[tuple[int, tuple[int, ...]], ...]
    """First register within model 704 and registers of each write request, in the order to write them. One, unless the
    device lacks points in between: registers that it does not implement are not written."""
    points: Mapping[str, tuple[int, ...]]
    """The points that it sets; the others keep what the device had."""


def content(function: Function, order: Order) -> float | None:
    """What of an order this function carries [kW or kvar]; None: nothing."""
    value: float | None = getattr(order, function.argument)
    return value


def check(order: Order, rated: Ratings) -> Order:
    """The order, held to the rating where it is above it by no more than `RATING_SLACK`.

    Raises:
        EncodeError: outside the rating, or a limit of the wrong sign.
        NotControllable: a switch position, or two kinds of active power at once.
    """
    if order.closed is not None:
        raise NotControllable("order: found a switch position; a SunSpec inverter takes powers only.")
    if order.p_kw is not None and order.p_limit_kw is not None:
        raise EncodeError("order: found p_kw and p_limit_kw; expected one of them.")
    if order.p_limit_kw is not None and order.p_limit_kw > 0:
        raise EncodeError(
            f"order: p_limit_kw: found {order.p_limit_kw:g} kW; expected 0 or below: an inverter's limit holds what it "
            "gives, and power given is negative."
        )
    return Order(
        p_kw=_held("p_kw", order.p_kw, rated.p_kw_give, rated.p_kw_draw, "kW"),
        # a limit above the rating limits nothing: it is the rating
        p_limit_kw=None if order.p_limit_kw is None else max(order.p_limit_kw, -(rated.p_kw_give or float("inf"))),
        q_kvar=_held("q_kvar", order.q_kvar, rated.q_kvar_give, rated.q_kvar_draw, "kvar"),
    )


def _held(name: str, value: float | None, give: float | None, draw: float | None, unit: str) -> float | None:
    if value is None:
        return None
    low = -float("inf") if give is None else -give
    high = float("inf") if draw is None else draw
    slack = RATING_SLACK * max((each for each in (give, draw) if each is not None), default=0.0)
    if not low - slack <= value <= high + slack:
        raise EncodeError(
            f"order: {name}: found {value:g} {unit}; expected {low:g} to {high:g} {unit}, the rating in model 702."
        )
    return min(max(value, low), high)


def ordered(image: Image, function: Function, order: Order, fallback: Order, lease_s: float, rated: Ratings) -> Block:
    """The block that sets a function for `lease_s` seconds, then `fallback`'s value, or off when it has none.

    Args:
        image: Model 704 as the device holds it now.
        function: Which one; the order must have a value for it.
        order: What shall hold; see `check`.
        fallback: What the device returns to.
        lease_s: 1 to `LEASE_S_MOST` seconds; rounded down, the device never holds an order longer.
        rated: What percentages refer to.

    Raises:
        NotControllable: the device lacks the function or its reversion timer.
        EncodeError: the value or the lease cannot be said to it.
    """
    if not 1 <= lease_s <= LEASE_S_MOST:
        raise EncodeError(f"lease: found {lease_s:g} s; expected 1 to {LEASE_S_MOST:g} s.")
    _needs(image, function)
    value = content(function, order)
    if value is None:
        raise EncodeError(f"order: found no value for the {function.what}.")
    points = {
        function.enable: (1,),
        **_value(image, function, "", value, rated),
        **_reversion(image, function, fallback, rated),
        function.timer: struct.unpack(">2H", struct.pack(">I", int(lease_s))),
    }
    return _block(image, function, points)


def released(image: Image, function: Function, fallback: Order, rated: Ratings) -> Block:
    """The block that brings a function to its fallback now, without a timer. Raises as `ordered` does."""
    _needs(image, function)
    value = content(function, fallback)
    points: dict[str, tuple[int, ...]] = {function.enable: (0 if value is None else 1,), function.timer: (0, 0)}
    if value is not None:
        points |= _value(image, function, "", value, rated)
    return _block(image, function, points)


def compare(image: Image, block: Block, where: str) -> None:
    """Compare what the device holds now with what a block has set.

    Raises:
        ReadBackDiffers: another value, or a reversion timer that does not run.
    """
    for path, expected in block.points.items():
        found = image.raw(path)
        if found != expected:
            raise ReadBackDiffers(
                f"{where}: {path}: found {image.value(path)} (registers {found}) after writing; "
                f"expected registers {expected}. Does another controller write to it, or a local limit hold it?"
            )
    rest = f"{block.function.stem}RvrtRem"
    timed = block.points[block.function.timer] != (0, 0)
    if timed and image.value(rest) == 0:
        raise ReadBackDiffers(
            f"{where}: {rest}: found 0 s right after writing a reversion time; expected it to count down. "
            "The device would not fall back by itself: do not control it."
        )


def has(image: Image, function: Function) -> bool:
    """Whether the device implements a function together with its reversion."""
    points = (function.enable, function.timer, f"{function.stem}EnaRvrt")
    return all(image.value(point) is not None for point in points)


def _needs(image: Image, function: Function) -> None:
    for point in (function.enable, function.timer, f"{function.stem}EnaRvrt"):
        if image.value(point) is None:
            raise NotControllable(
                f"{function.what}: the device does not implement {point} of model 704, and without it would not fall "
                "back by itself. Use another kind of order for it."
            )


def _reversion(image: Image, function: Function, fallback: Order, rated: Ratings) -> dict[str, tuple[int, ...]]:
    value, enable = content(function, fallback), f"{function.stem}EnaRvrt"
    if value is None:
        return {enable: (0,)}
    return {enable: (1,), **_value(image, function, "Rvrt", value, rated)}


def _value(image: Image, function: Function, after: str, value: float, rated: Ratings) -> dict[str, tuple[int, ...]]:
    """The points that carry a value [kW or kvar, load convention]: SunSpec counts what is given as positive."""
    given = -1000.0 * value
    if function is LIMIT:
        return {f"WMaxLimPct{after}": _percent(image, f"WMaxLimPct{after}", given, rated.w_max, "to_zero")}
    if function is ACTIVE:
        watts, percent, modes, most = f"WSet{after}", f"WSetPct{after}", (1, 0), rated.w_max
    else:
        watts, percent, modes = f"VarSet{after}", f"VarSetPct{after}", (4, 1)
        most = rated.var_max_give if given >= 0 else rated.var_max_draw
    # value and value after reversion share one mode: the value decides for both
    if image.value(function.stem) is not None:
        step_most = STEP_SHARE_MOST * most if most else None
        registers, mode = {watts: image.encode(watts, given, step_most=step_most)}, modes[0]
    else:
        registers, mode = {percent: _percent(image, percent, given, most, "nearest")}, modes[1]
    return registers if after else {f"{function.stem}Mod": (mode,), **registers}


def _percent(image: Image, path: str, given: float, most: float | None, rounding: Rounding) -> tuple[int, ...]:
    if not most:
        raise NotControllable(f"{path} is a share of a rating that the device does not tell in model 702.")
    return image.encode(path, 100 * given / most, rounding=rounding, step_most=100 * STEP_SHARE_MOST)


def _block(image: Image, function: Function, points: Mapping[str, tuple[int, ...]]) -> Block:
    first, (last, timer) = image.place(function.enable)[0], image.place(function.timer)
    runs: list[tuple[int, list[int]]] = []
    for path in image.paths:
        at, _ = image.place(path)
        if not first <= at < last + timer.size or (path not in points and image.value(path) is None):
            continue
        if not runs or runs[-1][0] + len(runs[-1][1]) != at:
            runs.append((at, []))
        runs[-1][1].extend(points.get(path) or image.raw(path) or ())
    # the timer stands last: with more than one request it is written first, the value last, which starts it
    return Block(function, tuple((at, tuple(registers)) for at, registers in reversed(runs)), points)
