"""The desk: commands and selections come in here, and nothing reaches the source past it."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import final

from anyio import CapacityLimiter, to_thread
from msgspec.structs import replace
from starlette.requests import Request

from archipel.model import ArchipelError
from archipel.web.nouns import Command, CommandState, Selection
from archipel.web.server.audit import Audit, AuditUnwritable, Became
from archipel.web.server.paths import Nothing
from archipel.web.server.people import Person
from archipel.web.server.reading import read_body, read_query
from archipel.web.server.refusals import AGAINST, BAD, Refusal
from archipel.web.server.rules import ALWAYS, SWITCHING, check_reach, check_role, check_words, read_command
from archipel.web.server.settings import Settings
from archipel.web.source import CommandRefused, NotShown, Source

SELECTION_S = 30.0
KEPT = 10_000
"""Ids of commands and selections remembered."""
WAIT_S = 30.0
"""How long the same command, given twice at once, waits for itself."""
logger = logging.getLogger("archipel.web")


@final
@dataclass(eq=False, slots=True)
class _Given:
    """A command that was let through."""

    command: Command
    who: str
    done: threading.Event = field(default_factory=threading.Event)
    state: CommandState | None = None


@final
@dataclass(frozen=True, slots=True)
class _Selected:
    selection: Selection
    command: Command
    who: str
    made_s: float


@final
class Desk:
    """Takes commands."""

    def __init__(self, source: Source, audit: Audit, settings: Settings) -> None:
        self._source, self._audit, self._clock = source, audit, settings.clock
        self._lock = threading.Lock()
        self._given: OrderedDict[str, _Given] = OrderedDict()
        self._selected: OrderedDict[str, _Selected] = OrderedDict()
        self._threads, self._always = CapacityLimiter(16), CapacityLimiter(16)

    async def give(self, person: Person, request: Request) -> tuple[CommandState, bool]:
        """What became of a command, and whether it is new. Raises `Refusal`, `CommandRefused`, `NotShown`."""
        command = await self._read(person, request)
        threads = self._always if command.act in ALWAYS else self._threads
        return await to_thread.run_sync(self._give, person, command, limiter=threads)

    async def select(self, person: Person, request: Request) -> Selection:
        """What a switching would do. Raises like `give`."""
        command = await self._read(person, request)
        return await to_thread.run_sync(self._select, person, command, limiter=self._threads)

    async def _read(self, person: Person, request: Request) -> Command:
        try:
            read_query(request.query_params, Nothing)
            return read_command(await read_body(request), f"server-{secrets.token_hex(12)}")
        except Refusal as refusal:
            await to_thread.run_sync(self._refused, person, refusal.text, None, limiter=self._threads)
            raise

    def _give(self, person: Person, command: Command) -> tuple[CommandState, bool]:
        try:
            check_role(person, command.act)
            if command.act not in ALWAYS:
                check_words(command)
            command, given, is_first = self._begin(person, command)
            if not is_first:
                return _became(given), False
        except (Refusal, CommandRefused, NotShown) as refusal:
            self._refused(person, str(refusal), command)
            raise
        try:
            if command.act not in ALWAYS:
                self._check(person, command)
            state = self._source.carry_out(command, person.name)
            if state.command != command:
                raise Refusal(AGAINST, f"id: {command.id} was used for another command; make a new one")
            given.state = state
        except (Refusal, ArchipelError) as refusal:
            self._refused(person, str(refusal), command)
            raise
        finally:
            self._end(given)
        self._note(person, state)
        return state, True

    def _select(self, person: Person, command: Command) -> Selection:
        try:
            check_role(person, command.act)
            if command.act not in SWITCHING:
                raise Refusal(
                    BAD, f"act: found {command.act}; expected one that switches: {', '.join(sorted(SWITCHING))}"
                )
            check_words(command)
            check_reach(command, self._source.area(), self._now())
            selection = self._source.select(command, person.name)
            self._write(person, "selected", selection.text, command)
        except (Refusal, ArchipelError) as refusal:
            self._refused(person, str(refusal), command)
            raise
        with self._lock:
            self._selected[selection.id] = _Selected(selection, command, person.name, self._clock())
            while len(self._selected) > KEPT:
                self._selected.popitem(last=False)
        return selection

    def _begin(self, person: Person, command: Command) -> tuple[Command, _Given, bool]:
        """Take the id of a command; of one that is known what it was, and False."""
        before = self._before(command)
        with self._lock:
            given = before or self._given.get(command.id)  # the source knows what became of it since
            is_same = given is not None and given.command == command and given.who == person.name
            if given is not None and not is_same and command.act in ALWAYS:
                command, given = replace(command, id=f"server-{secrets.token_hex(12)}"), None
            if given is not None:
                if not is_same:
                    raise Refusal(AGAINST, f"id: {command.id} was used for another command; make a new one")
                return command, given, False
            given = self._given[command.id] = _Given(command, person.name)
            while len(self._given) > KEPT:
                self._given.popitem(last=False)
            return command, given, True

    def _before(self, command: Command) -> _Given | None:
        """The same id among the commands of the source: given before this server began."""
        try:
            states = self._source.commands()
        except ArchipelError:
            if command.act in ALWAYS:
                return None
            raise
        for state in states:
            if state.command.id == command.id:
                before = _Given(state.command, state.who, state=state)
                before.done.set()
                return before
        return None

    def _end(self, given: _Given) -> None:
        """Let go who waits for it; one that was refused may be given again."""
        with self._lock:
            if given.state is None:
                self._given.pop(given.command.id, None)
        given.done.set()

    def _check(self, person: Person, command: Command) -> None:
        """All that is left before it happens; the entry of the audit comes last, so that it is there or nothing is."""
        check_reach(command, self._source.area(), self._now())
        if command.act in SWITCHING:
            self._use_selection(person, command)
        self._write(person, "requested", "", command)

    def _use_selection(self, person: Person, command: Command) -> None:
        """Take the selection a switching needs. Raises `Refusal` where it is none, another's, old, used, or said no."""
        with self._lock:
            found = self._selected.pop(command.selection, None)
        if found is None or found.who != person.name:
            raise Refusal(AGAINST, f"selection: found none of yours; select first, and {command.act} within 30 s")
        if (found.command.act, found.command.element) != (command.act, command.element):
            raise Refusal(AGAINST, f"selection: it was to {found.command.act} {found.command.element}; select again")
        too_old = self._clock() - found.made_s > SELECTION_S or datetime.now(UTC) > found.selection.valid_until
        if too_old:
            raise Refusal(AGAINST, f"selection: it is older than {SELECTION_S:g} s; select again")
        if not found.selection.allowed:
            raise Refusal(AGAINST, f"{command.act} {command.element}: {found.selection.text}")

    def _now(self) -> datetime:
        """Time of the grid."""
        newest = self._source.latest()
        return self._source.span().end if newest is None else newest.time

    def _write(self, person: Person, became: Became, text: str, command: Command) -> None:
        """An entry without which nothing happens. Raises `Refusal`."""
        try:
            self._audit.write(person, became, text, command)
        except AuditUnwritable as error:
            raise Refusal(AGAINST, f"audit: {error}") from error

    def _note(self, person: Person, state: CommandState) -> None:
        """An entry of what has happened already."""
        try:
            self._audit.write(person, state.phase, state.text, state.command)
        except AuditUnwritable:
            logger.exception("%s %s of %s is not in the audit", state.command.act, state.command.element, person.name)

    def _refused(self, person: Person, text: str, command: Command | None) -> None:
        try:
            self._audit.write(person, "refused", text, command)
        except AuditUnwritable:
            logger.exception("a refused command of %s is not in the audit", person.name)


def _became(given: _Given) -> CommandState:
    """What became of a command given before, waiting where it is still on its way in."""
    given.done.wait(WAIT_S)
    if given.state is None:
        raise Refusal(AGAINST, f"id: {given.command.id} is being carried out or was refused; look at /api/v1/commands")
    return given.state
