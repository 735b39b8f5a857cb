"""Commands to a running rehearsal: given to the cell they are for, then watched until physics confirms them.

    requested -> accepted (the cell answered) -> executed -> measured        refused: nothing changed
                                                          -> failed: not measured in time, a person has to look

Every command goes the way an operator at the command line goes; nothing here writes to a device, and a file only
through `archipel.field.operator`. Disarming and the return to the default are never refused.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, timedelta
from threading import Event, Lock, Thread
from typing import final

import msgspec

from archipel.field import operator
from archipel.field.disarm import disarm_all
from archipel.field.operator import Command as Wish
from archipel.field.state import UPSTREAM
from archipel.local.clock import wall_now
from archipel.local.processes import WORLD
from archipel.model import ArchipelError
from archipel.web.nouns import Act, Card, Command, CommandState, Phase
from archipel.web.source import CommandRefused
from archipel.web.sources.live_checks import Check, check_of
from archipel.web.sources.live_world import LiveWorld

LOOK_S = 0.2
"""Between two looks at what became of commands."""
MOST = 200
"""Commands that are remembered."""
LONGEST = timedelta(hours=24)
ANSWER_S = 5.0
"""How long a cell may take to answer."""
ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
NEVER_REFUSED: frozenset[Act] = frozenset({"disarm", "default"})


@final
@dataclass(slots=True)
class _Open:
    """A command that was accepted and is not measured yet."""

    check: Check
    until_s: float
    """Monotonic time by which it has to be measured."""
    cell: str


@final
class LiveDesk:
    """Takes commands for one rehearsal.

    Args:
        world: The rehearsal.
        acts: What can be asked for here at all.
        said: Called with every new state of a command, from any thread.
        acknowledge: Called with a card's id and who has seen it.
    """

    def __init__(
        self,
        world: LiveWorld,
        acts: tuple[Act, ...],
        said: Callable[[CommandState], None],
        acknowledge: Callable[[str, str], None],
    ) -> None:
        self._world, self._acts, self._said, self._acknowledge = world, acts, said, acknowledge
        self._states: dict[str, CommandState] = {}
        self._open: dict[str, _Open] = {}
        self._lock, self._end = Lock(), Event()
        self._thread = Thread(target=self._watch, name="commands", daemon=True)
        self._thread.start()

    # ---------------------------------------------------------------- what was asked

    def states(self) -> list[CommandState]:
        """The newest first."""
        with self._lock:
            return list(self._states.values())[::-1]

    def find(self, command: str) -> CommandState | None:
        """What became of the command with this id."""
        with self._lock:
            return self._states.get(command)

    def cards(self) -> list[Card]:
        """A card for every command that was not measured in time, for as long as it is remembered."""
        failed = [state for state in self.states() if state.phase == "failed"]
        return [
            Card(
                id=f"command {state.command.id}",
                severity="action",
                title=f"{state.command.act} {state.command.element}".strip() + " was not confirmed",
                text=state.text,
                cause=f"command {state.command.id}",
                begun=self._world.clock.utc(state.at["failed"]),
                ended=None,
                cell=self._cell(state.command),
                element=state.command.element,
            )
            for state in failed
        ]

    # ---------------------------------------------------------------- taking a command

    def carry_out(self, command: Command, who: str) -> CommandState:
        """Give it to its cell and wait for the answer; later phases come as `said`.

        Raises:
            CommandRefused: nothing has changed; says why.
        """
        with self._lock:
            known = self._states.get(command.id)
            if known is None:
                self._states[command.id] = CommandState(
                    command=command, who=who, phase="requested", text="", at={"requested": wall_now()}
                )
                while len(self._states) > MOST:
                    del self._states[next(iter(self._states))]
        if known is not None:
            if known.phase == "refused":
                raise CommandRefused(known.text)
            return known
        self._said(self._states[command.id])
        try:
            self._check(command)
            cells = self._cells(command)
            check = check_of(self._world, command, cells)  # before it is given: it compares with how things were
            text = self._give(command, cells, who)
        except ArchipelError as refusal:
            self._turn(command.id, "refused", str(refusal))
            raise CommandRefused(str(refusal)) from refusal
        cell = cells[0] if len(cells) == 1 else ""
        with self._lock:
            self._open[command.id] = _Open(check, time.monotonic() + check.within_s, cell)
        return self._turn(command.id, "accepted", text)

    def _check(self, command: Command) -> None:
        """Whether it can be meant at all."""
        if command.act not in self._acts:
            raise CommandRefused(
                f"{command.act}: found an act that cannot be given here; expected one of {', '.join(self._acts)}."
            )
        if command.act in NEVER_REFUSED:
            return
        if not ID.fullmatch(command.id):  # it becomes a file's name
            raise CommandRefused(f"id: found {command.id[:80]!r}; expected 8 to 64 letters, digits, - or _")
        if command.act in {"limit", "hold"}:
            now = self._world.now()
            if command.until is None:
                raise CommandRefused(f"{command.act}: until: found nothing; expected the time when it ends by itself.")
            until = command.until if command.until.tzinfo else command.until.replace(tzinfo=UTC)
            if not timedelta(0) < until - now <= LONGEST:
                raise CommandRefused(
                    f"{command.act}: until: found {until:%Y-%m-%d %H:%M}; it is {now:%Y-%m-%d %H:%M} UTC in the grid, "
                    "expected a time within the next 24 hours."
                )

    def _cells(self, command: Command) -> list[str]:
        """Who carries it out."""
        world, element = self._world, command.element
        if command.act == "acknowledge":
            return [world.cells[0]]
        if command.act in {"arm", "disarm", "default"} and not element:
            return list(world.cells)
        cell = self._cell(command)
        if not cell:
            what = "a device, branch or switch" if command.act in {"tag", "untag", "hold", "free"} else "a cell"
            raise CommandRefused(f"{command.act}: found {element!r}; expected {what} of this area.")
        if command.act == "hold" and element not in world.device_row:
            raise CommandRefused(f"hold: found {element!r}; expected a device.")
        return [cell]

    def _cell(self, command: Command) -> str:
        world, element = self._world, command.element
        if element == UPSTREAM:
            return world.cells[0]
        return element if element in world.files else world.cell_of(element)

    # ---------------------------------------------------------------- giving it

    def _give(self, command: Command, cells: list[str], who: str) -> str:
        """What the cells answered. Raises `ArchipelError` when they refused."""
        world = self._world
        match command.act:
            case "disarm" | "default":
                return self._disarm(cells, who)
            case "acknowledge":
                self._acknowledge(command.element, who)
                return "seen"
            case "kill":
                if command.element == WORLD or command.element not in world.files:
                    raise CommandRefused(f"kill: found {command.element!r}; expected a cell.")
                world.processes.signal(cells[0], signal.SIGKILL)
                return f"{cells[0]}: sent KILL"
            case "start":
                if not world.runs():
                    raise CommandRefused(f"start: there is no world for {cells[0]} to live in.")
                started = world.processes.start_cell(cells[0])
                return f"{cells[0]}: started, process {started.pid}"
        answers = [self._order(command, cell, who, len(cells) == 1) for cell in cells]
        return answers[0] if len(answers) == 1 else f"{len(answers)} cells: {answers[0]}"

    def _disarm(self, cells: list[str], who: str) -> str:
        """Disarm cells whatever is the matter with them; troubles are told and nothing is refused."""
        done = disarm_all([self._world.layout.cell_file(name) for name in cells], who, wall_now())
        troubles = [text for one in done for text in one.troubles]
        troubles += [f"{d.device}: {d.text}" for one in done for d in one.devices if not d.reached]
        reached = sum(device.reached for one in done for device in one.devices)
        text = f"{len(done)} cells in shadow, {reached} devices released" if len(done) > 1 else f"{reached} released"
        return text if not troubles else f"{text}. To look after: " + "; ".join(troubles[:5])

    def _order(self, command: Command, cell: str, who: str, alone: bool) -> str:
        until = "" if command.until is None else command.until.isoformat()
        report = operator.SIMULATED if command.act == "arm" else ""
        wish = Wish(
            command.act,
            who,
            command.why,
            command.element,
            report,
            # the field's own memory of ids makes the same command one decision, also after this server was restarted
            id=command.id if alone else f"{command.id}.{cell}",
            until=until,
            p_kw=command.p_kw,
            import_kw_max=command.import_kw_max,
            export_kw_max=command.export_kw_max,
        )
        return operator.order(self._world.files[cell], wish, now=wall_now(), wait_s=ANSWER_S).text

    # ---------------------------------------------------------------- what became of it

    def _watch(self) -> None:
        while not self._end.is_set():
            with self._lock:
                waiting = dict(self._open)
            for name, one in waiting.items():
                try:
                    self._look(name, one)
                except ArchipelError as error:
                    self._turn(name, "failed", f"what became of it cannot be seen: {error}")
                    with self._lock:
                        self._open.pop(name, None)
            self._end.wait(LOOK_S)

    def _look(self, name: str, one: _Open) -> None:
        state = self.find(name)
        if state is None:
            with self._lock:
                self._open.pop(name, None)
            return
        if state.phase == "accepted" and (text := one.check.executed()):
            state = self._turn(name, "executed", text)
        if state.phase == "executed" and (text := one.check.measured()):
            self._turn(name, "measured", text)
        elif time.monotonic() > one.until_s:
            what = "measured" if state.phase == "executed" else "executed"
            self._turn(name, "failed", f"not {what} within {one.check.within_s:.0f} s; last: {state.text}")
        else:
            return
        with self._lock:
            self._open.pop(name, None)

    def _turn(self, name: str, phase: Phase, text: str) -> CommandState:
        with self._lock:
            before = self._states[name]
            state = msgspec.structs.replace(before, phase=phase, text=text, at={**before.at, phase: wall_now()})
            self._states[name] = state
        self._said(state)
        return state

    def close(self) -> None:
        """Watch no more."""
        self._end.set()
        self._thread.join()
