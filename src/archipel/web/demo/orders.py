"""What people order in the demonstration, from the order to what is measured. Takes effect at the next quarter hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from archipel.model import Connection
from archipel.web.demo.tick import Phased
from archipel.web.nouns import Command

if TYPE_CHECKING:
    from archipel.web.demo.engine import Engine

PATIENCE = timedelta(minutes=45)
"""Grid time after which what was executed and not measured has failed."""
NEAR_KW, NEAR_SHARE = 0.5, 0.02
"""A power is as ordered when it is this close, or this close as a share."""
AT_ONCE = ("kill", "start")


@final
class Orders:
    """Commands that were accepted: waiting to act, then to be measured."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[Command] = []
        self._acted: list[tuple[Command, datetime]] = []
        self._row = {name: i for i, name in enumerate(engine.scenario.device_id)}

    def take(self, command: Command) -> None:
        """A command that was accepted."""
        self._waiting.append(command)

    def act(self, at: datetime) -> tuple[Phased, ...]:
        """Carry out what is due at the beginning of a minute."""
        quarter = at.minute % 15 == 0
        due = [command for command in self._waiting if quarter or command.act in AT_ONCE]
        self._waiting = [command for command in self._waiting if command not in due]
        self._acted += [(command, at) for command in due]
        return tuple(Phased(command.id, "executed", self._do(command, at)) for command in due)

    def _do(self, command: Command, at: datetime) -> str:
        engine, name = self._engine, command.element
        dead = engine.cells.dead if engine.cells is not None else frozenset()
        until = command.until or at
        match command.act:
            case "kill" | "start":
                return self._process(command.act, name, name in dead)
            case "limit":
                most = [float("inf") if x is None else x for x in (command.import_kw_max, command.export_kw_max)]
                engine.set_limit(Connection(*most), until)
                return f"the head of the area was told; cells plan at {at:%H:%M}"
            case "hold":
                engine.held.holds[self._row[name]] = (float(command.p_kw or 0.0), until)
                return f"{name} was told to hold {command.p_kw:g} kW until {until:%H:%M}"
            case "free":
                return self._free(name)
        engine.held.holds.clear()
        engine.unlimit()
        for cell in sorted(dead):
            engine.start(cell)
        return "nothing is held or limited any more, and every cell has its process"

    def _process(self, act: str, name: str, gone: bool) -> str:
        if act == "kill":
            if gone:
                return f"the process of {name} was gone already"
            self._engine.kill(name)
            return f"the process of {name} was ended with kill -9"
        if not gone:
            return f"the process of {name} was there already"
        self._engine.start(name)
        return f"the process of {name} was started; it plans at the next quarter hour"

    def _free(self, name: str) -> str:
        if name == "upstream":
            self._engine.unlimit()
            return "the limit at the connection has ended"
        self._engine.held.holds.pop(self._row[name], None)
        return f"{name} follows its cell again"

    def measured(self, at: datetime, frame: NDArray[np.float32]) -> tuple[Phased, ...]:
        """What the frame of this minute confirms, and what has waited too long."""
        out, left = [], []
        for command, since in self._acted:
            seen, text = self._seen(command, frame)
            if seen:
                out.append(Phased(command.id, "measured", text))
            elif at - since >= PATIENCE:
                out.append(Phased(command.id, "failed", text))
            else:
                left.append((command, since))
        self._acted = left
        return tuple(out)

    def _seen(self, command: Command, frame: NDArray[np.float32]) -> tuple[bool, str]:
        engine, name = self._engine, command.element
        build = engine.builder
        match command.act:
            case "limit":
                kw = float(build.column(frame, "area", "upstream_p_kw")[0])
                most, least = command.import_kw_max, command.export_kw_max
                beyond = max(kw - (np.inf if most is None else most), -kw - (np.inf if least is None else least))
                return beyond <= NEAR_KW + NEAR_SHARE * abs(kw), f"{abs(kw):.0f} kW flow {'out' if kw < 0 else 'in'}"
            case "hold":
                kw, wanted = float(build.column(frame, "devices", "p_kw")[self._row[name]]), float(command.p_kw or 0.0)
                return abs(kw - wanted) <= NEAR_KW + NEAR_SHARE * abs(wanted), f"{name} draws {kw:.1f} kW"
            case "kill" | "start":
                row = [cell.id for cell in engine.scenario.archipelago.cell].index(name)
                level = int(build.column(frame, "cells", "level")[row])
                gone = level == 5
                text = f"{name} {'does not answer' if gone else 'answers' if level == 0 else 'has not agreed yet'}"
                return gone if command.act == "kill" else level == 0, text
        return True, "measured in the next minute"
