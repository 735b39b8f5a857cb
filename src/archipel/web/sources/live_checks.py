"""Whether a command was executed and what physics says of it: asked again and again after a cell accepted it.

    executed   the device echoed the order, or the cell's state says so
    measured   metered power, a tie, or writes on the wire confirm it

A check answers with a sentence once it is so, and with nothing before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.model.kinds import SPILT
from archipel.web.nouns import Command
from archipel.web.sources.live_world import LiveWorld

MEASURED_S = 10.0
"""Wall seconds after a command was accepted within which physics has to confirm it."""
START_S = 45.0
"""A process takes longer to start, on a busy machine."""
QUIET_S = 2.0
"""Writes have stopped when there was none for so long: the world tells of them once a second."""
NEAR_KW, NEAR = 0.1, 0.05
"""How near a metered power is to the one wished for, as kW and as a share."""
SLACK_KW = 1.0
"""What a cell may pass its limit by: loads are not known to the kilowatt."""
Ask = Callable[[], str]


@final
@dataclass(frozen=True, slots=True)
class Check:
    """What is to be seen of one command."""

    executed: Ask
    measured: Ask
    within_s: float = MEASURED_S


def check_of(world: LiveWorld, command: Command, cells: list[str]) -> Check:
    """The check of a command that `cells` have accepted."""
    one = cells[0]
    make: dict[str, Callable[[], Check]] = {
        "disarm": lambda: _released(world, cells),
        "default": lambda: _released(world, cells),
        "arm": lambda: _armed(world, cells),
        "tag": lambda: _tagged(world, command, one),
        "untag": lambda: _tagged(world, command, one),
        "hold": lambda: _held(world, command),
        "free": lambda: _freed(world, command, one),
        "limit": lambda: _limited(world, command, one),
        "kill": lambda: _killed(world, one),
        "start": lambda: _started(world, one),
        "island": lambda: _apart(world, one, island=True),
        "rejoin": lambda: _apart(world, one, island=False),
    }
    if command.act in make:
        return make[command.act]()
    return Check(lambda: "done", lambda: "done")


def _devices(world: LiveWorld, cells: list[str]) -> list[str]:
    return [row.id for name in cells for row in world.files[name].device if row.id in world.device_row]


def _quiet(world: LiveWorld, devices: list[str]) -> Ask:
    """Says so once nothing was written to these devices for a while."""
    last: list[tuple[int, float]] = []

    def ask() -> str:
        count, now_s = sum(world.writes(name) for name in devices), time.monotonic()
        if not last or last[0][0] != count:
            last[:] = [(count, now_s)]
        return f"no write for {QUIET_S:g} s" if now_s - last[0][1] >= QUIET_S else ""

    return ask


def _released(world: LiveWorld, cells: list[str]) -> Check:
    devices = _devices(world, cells)
    quiet = _quiet(world, devices)

    def executed() -> str:
        now_s, known = time.monotonic(), world.knowledge.all()
        awake = [known[name] for name in cells if not known[name].silent(now_s)]
        return "" if any(one.armed for one in awake) else "in shadow"

    def measured() -> str:
        held = int(np.isfinite(world.orders(devices)).sum())
        return "" if held or not quiet() else f"{len(devices)} devices follow their own rules; {quiet()}"

    return Check(executed, measured, MEASURED_S + _lease_s(world, cells[0]))


def _armed(world: LiveWorld, cells: list[str]) -> Check:
    def all_armed() -> bool:
        now_s, known = time.monotonic(), world.knowledge.all()
        return all(known[name].armed and not known[name].silent(now_s) for name in cells)

    def measured() -> str:
        known = world.knowledge.all()
        silent = sum(len(known[name].said.get("devices", {}).get("silent", ())) for name in cells)
        return f"{len(_devices(world, cells))} devices answer" if all_armed() and not silent else ""

    return Check(lambda: "armed" if all_armed() else "", measured)


def _tagged(world: LiveWorld, command: Command, cell: str) -> Check:
    element, wanted = command.element, command.act == "tag"
    quiet = _quiet(world, [element])

    def executed() -> str:
        there = element in world.knowledge.of(cell).said.get("tags", {})
        return ("the tag stands" if wanted else "the tag is gone") if there is wanted else ""

    return Check(executed, lambda: executed() and (quiet() if wanted else "it may be operated again"))


def _held(world: LiveWorld, command: Command) -> Check:
    device, p_kw = command.element, command.p_kw or 0.0
    row = world.device_row[device]
    kind = world.scenario.device_kind[row]

    def executed() -> str:
        echo = float(world.orders([device])[0])
        return f"the device echoes {echo:g} kW" if _near(echo, p_kw) else ""

    def measured() -> str:
        found = world.power(device)
        if _near(found, p_kw):
            return f"metered {found:.2f} kW"
        # what cannot be forced: the sun gives no more, the car takes no more
        if kind in SPILT and p_kw - NEAR_KW <= found <= NEAR_KW:
            return f"metered {found:.2f} kW: held to at most {-p_kw:g} kW given, there is no more"
        if kind in {"ev_charger", "v2g", "sheddable"} and -NEAR_KW <= found <= p_kw + NEAR_KW:
            return f"metered {found:.2f} kW: held to at most {p_kw:g} kW drawn, it wants no more"
        return ""

    return Check(executed, measured)


def _freed(world: LiveWorld, command: Command, cell: str) -> Check:
    element = command.element
    if element not in world.device_row:

        def unlimited() -> str:
            return "" if world.knowledge.of(cell).said.get("limit") else "no limit is set any more"

        return Check(unlimited, unlimited)
    before, count = float(world.orders([element])[0]), world.writes(element)

    def executed() -> str:
        return "" if element in world.knowledge.of(cell).said.get("holds", {}) else "it is not held any more"

    def measured() -> str:
        echo = float(world.orders([element])[0])
        if math.isnan(echo):
            return "it follows its own rule"
        return f"ordered {echo:g} kW by the plan" if echo != before or world.writes(element) > count else ""

    return Check(executed, measured, MEASURED_S + _lease_s(world, cell))


def _limited(world: LiveWorld, command: Command, cell: str) -> Check:
    imports = math.inf if command.import_kw_max is None else command.import_kw_max
    exports = math.inf if command.export_kw_max is None else command.export_kw_max

    def executed() -> str:
        limit = world.knowledge.of(cell).said.get("limit") or {}
        same = limit.get("id") == command.id
        return f"{cell} plans within it" if same else ""

    def measured() -> str:
        p_kw = world.exchange(cell)
        inside = -_with_slack(exports) <= p_kw <= _with_slack(imports)
        return f"metered {p_kw:.1f} kW" if inside else ""

    # child cells keep what they have agreed until the next plan begins
    later_s = world.until_next_plan_s() if world.has_children(cell) else 0.0
    return Check(executed, measured, MEASURED_S + later_s)


def _killed(world: LiveWorld, cell: str) -> Check:
    def executed() -> str:
        return "its process has ended" if world.processes.state(cell) == "dead" else ""

    def measured() -> str:
        return "it does not answer" if world.knowledge.of(cell).silent(time.monotonic()) else ""

    return Check(executed, measured)


def _started(world: LiveWorld, cell: str) -> Check:
    since_s = time.monotonic()

    def executed() -> str:
        return "its process runs" if world.processes.state(cell) == "running" else ""

    def measured() -> str:
        known = world.knowledge.of(cell)
        answers = known.answered_s > since_s and not known.silent(time.monotonic())
        return f"it answers: {known.said['mode']}, {str(known.said['level']).lower()}" if answers else ""

    return Check(executed, measured, START_S)


def _apart(world: LiveWorld, cell: str, *, island: bool) -> Check:
    def executed() -> str:
        at = world.knowledge.of(cell).said.get("main_grid", {})
        return "the cell wants it" if bool(at.get("wants_island")) is island else ""

    def measured() -> str:
        at = world.knowledge.of(cell).said.get("main_grid", {})
        if at.get("switch") != ("open" if island else "closed"):
            return ""
        return f"the switch is {at['switch']}, {world.exchange(cell):.1f} kW over the tie"

    return Check(executed, measured)


def _with_slack(limit_kw: float) -> float:
    return limit_kw + max(SLACK_KW, NEAR * limit_kw)


def _near(found: float, wished: float) -> bool:
    return abs(found - wished) <= max(NEAR_KW, NEAR * abs(wished))


def _lease_s(world: LiveWorld, cell: str) -> float:
    """Wall seconds an order of this cell outlives its last renewal."""
    return world.files[cell].controller.lease_s / world.clock.factor
