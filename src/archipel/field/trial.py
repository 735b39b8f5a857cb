"""One device's trial: a small order, watched until it holds and until the device has returned by itself.

    own default --order with a short lease--> target, held --the lease lapses, nobody writes--> own default
       baseline            read-back, sign, size, settling                 reversion

What is checked is what the device's own meter says. Sizes are within a fifth of the step. No clock here: `Time` gives
seconds of the device's time and lets them pass.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, final

from archipel.drivers import MappedDevice, Quality, ReadBackDiffers, Status, SunSpecDevice
from archipel.drivers.base import DeviceState, Driver, Reading

STEP_SHARE = 0.1
"""A step is this share of the rating,"""
LEAST_SHARE = 0.02
"""or less where there is less to move, down to this."""
TOLERANCE = 0.2
"""Share of the step by which a size may differ."""
PASSED, FAILED, NOT_NOW = "passed", "failed", "not tested"


class Time(Protocol):
    """Seconds of the device's time."""

    def now_s(self) -> float:
        """Monotonic."""
        ...

    async def sleep(self, s: float) -> None:
        """Let them pass."""
        ...


@final
@dataclass(frozen=True, slots=True)
class WallTime:
    """The host's clock; `factor` times faster where a rehearsal's devices are."""

    factor: float = 1.0

    def now_s(self) -> float:
        """Monotonic."""
        return time.monotonic() * self.factor

    async def sleep(self, s: float) -> None:
        """Let them pass."""
        await asyncio.sleep(s / self.factor)


@final
@dataclass(frozen=True, slots=True)
class Timing:
    """How long a trial waits [s]."""

    lease_s: int = 20
    settle_s: float = 15.0
    """Longest time to reach the target, and to be steady before; below the lease."""
    return_s: float = 20.0
    """Longest time to be back after the lease has lapsed."""
    every_s: float = 1.0


@final
@dataclass(slots=True)
class Step:
    """What one order did. Powers in load convention."""

    order: str
    """Which argument of `write_setpoint`."""
    value_kw: float
    lease_s: int
    before_kw: float
    target_kw: float
    reached_kw: float | None = None
    settled_after_s: float | None = None
    returned_kw: float | None = None
    returned_after_s: float | None = None
    """Since the order; the lease and what the device takes to move."""
    wrong: dict[str, str] = field(default_factory=dict)
    """What failed (read-back, sign, size, settling, reversion) and how."""


@final
@dataclass(slots=True)
class Outcome:
    """What a trial found."""

    kind: str = ""
    """battery, pv, charger, heat pump, sheddable load, switch or meter."""
    rated_kw: float | None = None
    verdict: str = NOT_NOW
    why: str = ""
    steps: list[Step] = field(default_factory=list)


class NotNow(Exception):
    """The device cannot be tested now; the text says why."""


class _Wrong(Exception):
    """The device fails before any order; the text says why."""


Watch = Callable[[float, float], None]
"""Told seconds spent and the most that there will be."""


async def trial(driver: Driver, timing: Timing, clock: Time, watch: Watch) -> Outcome:
    """Try one connected device. It is released at the end, whatever happens; switches are not operated.

    Raises:
        DriverError: it could not be asked, or would not be released.
    """
    outcome = Outcome(kind_of(driver), rated_kw(driver))
    try:
        if outcome.kind == "switch":
            await _look_at_switch(driver, outcome)
        else:
            await _try_powers(driver, outcome, timing, clock, watch)
    except NotNow as reason:
        outcome.verdict, outcome.why = NOT_NOW, str(reason)
    except _Wrong as reason:
        outcome.verdict, outcome.why = FAILED, str(reason)
    return outcome


def kind_of(driver: Driver) -> str:
    """What kind of device a connected driver has before it."""
    if isinstance(driver, MappedDevice):
        return "" if driver.kind is None else driver.kind.name.lower().replace("_", " ")
    if not driver.orders:
        return "meter"
    return "battery" if isinstance(driver, SunSpecDevice) and driver.rated.p_kw_draw else "pv"


def rated_kw(driver: Driver) -> float | None:
    """The power that a step is a share of; None when the device does not tell it."""
    if isinstance(driver, MappedDevice):
        return _per_mille(driver, "p_most")
    if isinstance(driver, SunSpecDevice):
        both = [each for each in (driver.rated.p_kw_give, driver.rated.p_kw_draw) if each]
        return min(both, default=None)
    return None


def _per_mille(driver: MappedDevice, name: str) -> float | None:
    value = driver.identity.get(name)
    return value / 1000 if isinstance(value, int) else None


async def _look_at_switch(driver: Driver, outcome: Outcome) -> None:
    """A switch is not operated: its position is read, and read again."""
    first, second = await driver.read(), await driver.read()
    positions = {reading.state for reading in (first, second)}
    if len(positions) == 1 and positions <= {DeviceState.OPEN, DeviceState.CLOSED}:
        outcome.verdict, outcome.why = PASSED, f"reads {first.state.value if first.state else ''}; not operated"
    else:
        found = ", ".join(sorted(each.value if each else "nothing" for each in positions))
        outcome.verdict, outcome.why = FAILED, f"position: found {found}; expected open or closed"


async def _try_powers(driver: Driver, outcome: Outcome, timing: Timing, clock: Time, watch: Watch) -> None:
    if not driver.orders & {"p_kw", "p_limit_kw"}:
        raise NotNow("it takes no order of active power with a reversion timer")
    if not outcome.rated_kw:
        raise NotNow("it does not tell its rating")
    await driver.release()
    try:
        before = await _steady(driver, STEP_SHARE * outcome.rated_kw, timing, clock)
        orders = _orders(driver, outcome.kind, outcome.rated_kw, before)
        for order, value in orders:
            step = Step(order, value, timing.lease_s, before, value)
            outcome.steps.append(step)
            await _take(driver, step, timing, clock, watch)
            outcome.verdict = FAILED if step.wrong else PASSED
            outcome.why = "; ".join(f"{name}: {text}" for name, text in step.wrong.items())
            _excuse(step)
            if step.wrong:
                return
    finally:
        await driver.release()


def _excuse(step: Step) -> None:
    """Sun and cars come and go: less than before, and less than the limit, after it has lapsed, is no fault."""
    if step.order != "p_limit_kw" or step.returned_kw is None or not step.wrong.keys() <= {"size", "reversion"}:
        return
    if abs(step.returned_kw) < abs(step.target_kw) - _slack(step):
        raise NotNow(f"what it could do changed meanwhile, from {step.before_kw:.3g} to {step.returned_kw:.3g} kW")


def _orders(driver: Driver, kind: str, rated: float, p_kw: float) -> list[tuple[str, float]]:
    """The orders of a trial from what it draws now: argument and value. Raises `NotNow` when there is none to give."""
    step = STEP_SHARE * rated
    least = (_per_mille(driver, "p_least") or 0.0) if isinstance(driver, MappedDevice) else 0.0
    if kind == "battery":
        return [("p_kw", p_kw + step), ("p_kw", p_kw - step)]
    if kind == "heat pump":
        return [("p_kw", max(least, p_kw + step if p_kw + step <= rated else p_kw - step))]
    sign = -1.0 if kind == "pv" else 1.0
    now_kw = sign * p_kw + 0.0  # never minus zero
    if now_kw < -LEAST_SHARE * rated:
        able = "give" if kind == "pv" else "draw"
        raise _Wrong(f"sign: found {p_kw:.3g} kW without any order (positive is drawn); a {kind} can only {able}")
    room = min(step, 0.5 * now_kw, now_kw - least)
    if room < LEAST_SHARE * rated:
        does = "gives" if kind == "pv" else "draws"
        raise NotNow(f"it {does} only {max(now_kw, 0.0):.3g} of {rated:.3g} kW now, too little to limit")
    return [("p_limit_kw", p_kw - sign * room)]


async def _steady(driver: Driver, step_kw: float, timing: Timing, clock: Time) -> float:
    """What it draws by itself, once three measurements agree. Raises `NotNow` when they do not."""
    end_s, seen = clock.now_s() + timing.settle_s, list[float]()
    while clock.now_s() <= end_s:
        seen.append(await _power(driver))
        if len(seen) >= 3 and max(seen[-3:]) - min(seen[-3:]) <= TOLERANCE * step_kw:
            return sum(seen[-3:]) / 3
        await clock.sleep(timing.every_s)
    raise NotNow(f"it was not steady within {timing.settle_s:g} s: from {min(seen):.3g} to {max(seen):.3g} kW")


async def _power(driver: Driver) -> float:
    reading: Reading = await driver.read()
    if reading.quality is not Quality.GOOD or reading.p_kw is None:
        raise _Wrong(f"measurement: found one that is {reading.quality.value}; expected a good one")
    return reading.p_kw


async def _take(driver: Driver, step: Step, timing: Timing, clock: Time, watch: Watch) -> None:
    """Order, watch it settle, let the lease lapse, watch it return."""
    while True:
        try:
            done = await driver.write_setpoint(lease_s=step.lease_s, **{step.order: step.value_kw})  # type: ignore[arg-type]
        except ReadBackDiffers as error:
            step.wrong["read-back"] = str(error)
            return
        if done.status is Status.WRITTEN:
            break
        await clock.sleep(max(done.wait_s, 0.01))
    begun_s = clock.now_s()
    held = await _watch_settling(driver, step, begun_s, timing, clock, watch)
    await _watch_return(driver, step, begun_s, timing, clock, watch)
    if not held and "size" not in step.wrong:
        step.wrong["reversion"] = "it left the order before its lease had ended"


async def _watch_settling(
    driver: Driver, step: Step, begun_s: float, timing: Timing, clock: Time, watch: Watch
) -> bool:
    """Until the lease is about to lapse; returns whether the target, once reached, was held so long."""
    near, held, moved_kw = 0, True, 0.0
    while (spent_s := clock.now_s() - begun_s) < step.lease_s - timing.every_s:
        watch(spent_s, step.lease_s + timing.return_s)
        moved_kw = await _power(driver)
        close = abs(moved_kw - step.target_kw) <= _slack(step)
        if step.settled_after_s is None:
            near = near + 1 if close else 0
            if near == 1:
                first_s = spent_s
            if near == 3:
                step.settled_after_s = first_s
            if near == 0 and spent_s > timing.settle_s:
                break
        elif not close:
            held = False
        if step.settled_after_s is None or held:
            step.reached_kw = moved_kw
        await clock.sleep(timing.every_s)
    if step.settled_after_s is None:
        wished, moved = step.target_kw - step.before_kw, moved_kw - step.before_kw
        if moved * wished < 0 and abs(moved) > _slack(step):
            step.wrong["sign"] = (
                f"it went from {step.before_kw:.3g} to {moved_kw:.3g} kW instead of {step.target_kw:.3g}"
            )
        else:
            step.wrong["size"] = f"found {moved_kw:.3g} kW after {timing.settle_s:g} s; expected {step.target_kw:.3g}"
    return held


async def _watch_return(driver: Driver, step: Step, begun_s: float, timing: Timing, clock: Time, watch: Watch) -> None:
    """Nobody writes; the lease lapses."""
    rest_s = begun_s + step.lease_s - clock.now_s()
    if rest_s > 0:
        await clock.sleep(rest_s)
    near = 0
    while (spent_s := clock.now_s() - begun_s) <= step.lease_s + timing.return_s:
        watch(spent_s, step.lease_s + timing.return_s)
        step.returned_kw = await _power(driver)
        near = near + 1 if abs(step.returned_kw - step.before_kw) <= _slack(step) else 0
        if near == 1:
            step.returned_after_s = spent_s
        if near == 2:
            return
        await clock.sleep(timing.every_s)
    step.returned_after_s = None
    step.wrong["reversion"] = (
        f"found {step.returned_kw:.3g} kW {timing.return_s:g} s after the lease lapsed; "
        f"expected {step.before_kw:.3g} as before"
    )


def _slack(step: Step) -> float:
    return max(TOLERANCE * abs(step.target_kw - step.before_kw), 0.02)
