"""What may be ordered in the demonstration: checked before it is accepted, and what became of it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import final

from archipel.web.nouns import Area, Command, CommandState, Phase
from archipel.web.source import CommandRefused

LONGEST = timedelta(hours=24)
KEPT = 200
HOLDABLE = ("battery", "pv", "ev_charger", "heat_pump", "generator", "dispatchable", "wind", "v2g", "hydro", "building")


@final
class Commands:
    """Commands by id, in the order they came. Not safe for threads by itself."""

    def __init__(self, area: Area) -> None:
        self._area = area
        self._states: dict[str, CommandState] = {}
        self._device = {name: i for i, name in enumerate(area.devices.id)}
        self._cells = {cell.id for cell in area.cells}
        self._ties = {tie.id for tie in area.ties}

    def known(self, name: str) -> CommandState | None:
        """What became of a command."""
        return self._states.get(name)

    def newest(self) -> list[CommandState]:
        """At most 200, newest first."""
        return list(self._states.values())[::-1]

    def held_by(self, device: str, at: datetime) -> str:
        """Who holds a device at a grid time, and until when; empty where nobody does."""
        for state in reversed(self._states.values()):
            command = state.command
            over = command.act == "default" or (command.act == "free" and command.element == device)
            if over and state.phase in {"executed", "measured"}:
                return ""
            if (
                command.act == "hold"
                and command.element == device
                and state.phase in {"executed", "measured", "failed"}
            ):
                held = command.until is not None and command.until > at
                return f"{state.who} until {command.until:%H:%M}" if held else ""
        return ""

    def accept(self, command: Command, who: str, now: datetime) -> CommandState:
        """Check and take a command at grid time `now`. Raises `CommandRefused`."""
        self._check(command, now)
        at = datetime.now(UTC)
        state = CommandState(command=command, who=who, phase="accepted", text="", at={"requested": at, "accepted": at})
        self._states[command.id] = state
        while len(self._states) > KEPT:
            del self._states[next(iter(self._states))]
        return state

    def goes_on(self, name: str, phase: Phase, text: str) -> CommandState | None:
        """A command has come further; None for one that is forgotten."""
        old = self._states.get(name)
        if old is None:
            return None
        at = {**old.at, phase: datetime.now(UTC)}
        new = CommandState(command=old.command, who=old.who, phase=phase, text=text, at=at)
        self._states[name] = new
        return new

    def _check(self, command: Command, now: datetime) -> None:
        act, name = command.act, command.element
        if act not in self._area.acts:
            raise CommandRefused(
                f"{act}: the demonstration takes no such command here; it takes {', '.join(self._area.acts)}"
            )
        if act in {"kill", "start"} and name not in self._cells:
            raise CommandRefused(
                f"{act} {name!r}: found no such cell; expected one of {', '.join(sorted(self._cells))}"
            )
        if act in {"limit", "hold"}:
            self._check_end(command, now)
        if act == "limit":
            self._check_limit(command)
        if act == "hold":
            self._check_hold(command)
        if act == "free" and name != "upstream" and name not in self._device:
            raise CommandRefused(f"free {name!r}: found no such device; expected one, or upstream")

    @staticmethod
    def _check_end(command: Command, now: datetime) -> None:
        if command.until is None or command.until.tzinfo is None:
            raise CommandRefused(f"{command.act} {command.element}: found no end; expected `until`, with a time zone")
        if not now < command.until <= now + LONGEST:
            raise CommandRefused(
                f"{command.act} {command.element}: it would end {command.until:%Y-%m-%d %H:%M}; expected a grid time "
                f"after {now:%Y-%m-%d %H:%M}, at most 24 h ahead"
            )

    def _check_limit(self, command: Command) -> None:
        name = command.element
        if name != "upstream":
            known = name in self._cells or name in self._ties
            found = "what flows between cells is agreed here, not capped" if known else "there is no such element"
            raise CommandRefused(f"limit {name!r}: {found}; expected upstream")
        wanted = {"import_kw_max": command.import_kw_max, "export_kw_max": command.export_kw_max}
        if all(value is None for value in wanted.values()):
            raise CommandRefused("limit upstream: found no power; expected import_kw_max, export_kw_max or both")
        firm = {"import_kw_max": self._area.import_kw_max, "export_kw_max": self._area.export_kw_max}
        for key, value in wanted.items():
            if value is None:
                continue
            most = firm[key]
            if not math.isfinite(value) or value < 0.0 or (most is not None and value > most):
                bound = "a number from 0 up" if most is None else f"0 to the firm limit of {most:g} kW"
                raise CommandRefused(f"limit upstream: found {key} = {value:g}; expected {bound}")

    def _check_hold(self, command: Command) -> None:
        name, p_kw = command.element, command.p_kw
        row = self._device.get(name)
        if row is None:
            raise CommandRefused(f"hold {name!r}: found no such device; expected an id of `Area.devices`")
        kind = self._area.devices.kind[row]
        if kind not in HOLDABLE:
            raise CommandRefused(f"hold {name}: it is a {kind} and draws what people use; nobody can hold it")
        low, high = self._area.devices.p_kw_min[row], self._area.devices.p_kw_max[row]
        if p_kw is None or not math.isfinite(p_kw):
            raise CommandRefused(f"hold {name}: found no power; expected p_kw, positive when it draws")
        if low is None or high is None or not low <= p_kw <= high:
            raise CommandRefused(
                f"hold {name}: found {p_kw:g} kW; its nameplate goes from {low or 0:g} to {high or 0:g} kW"
            )
