"""One look at the source for all clients: the newest frame, and what happened, five times a second."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import final

import msgspec
import numpy as np
from anyio import CapacityLimiter, to_thread
from numpy.typing import NDArray

from archipel.web.frames import LAST, LIVE, rows_of, to_bytes
from archipel.web.nouns import Happening
from archipel.web.server.audit import Audit, AuditUnwritable
from archipel.web.server.people import Person
from archipel.web.server.settings import Settings
from archipel.web.source import Frame, Source

KEPT = 1_000
"""Happenings kept for who comes back."""
NEWEST = ("span", "story", "score")
"""Kinds whose newest is told to who comes for the first time."""
ENCODINGS = 64
"""Sets of tables whose places are remembered: six tables make 63."""
PLATFORM = Person("archipel", "administer", "", signed_in=True)
"""Who writes into the audit what became of a command later."""
logger = logging.getLogger("archipel.web")


@final
class Hub:
    """The newest frame in every encoding that is asked for, and the events; everything on the server's loop."""

    def __init__(self, source: Source, settings: Settings, audit: Audit) -> None:
        self._source, self._settings, self._audit = source, settings, audit
        self.sections = source.area().sections
        self._thread = CapacityLimiter(1)
        self._tick = asyncio.Event()
        self._frame: Frame | None = None
        self._flags = 0
        self._rows: dict[frozenset[str], NDArray[np.int64] | None] = {}
        self._encoded: dict[frozenset[str], bytes] = {}
        self._happened: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._newest: dict[str, tuple[int, bytes]] = {}
        self._was_live = False
        self._complained = False
        self.looked = asyncio.Event()
        """Set once the source was looked at; before that, numbers of happenings say nothing."""
        self.version = 0
        """Grows with every frame."""
        self.head = 0
        """Id of the newest happening."""
        self.closing = False
        """The server ends: streams shall end too."""

    async def run(self) -> None:
        """Look at the source until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                self._take(*await to_thread.run_sync(self._look, limiter=self._thread))
                self._complained = False
            except Exception:  # a source that fails for a while must not end the server: the page shows its age
                if not self._complained:
                    logger.exception("the source could not be read; trying on")
                self._complained = True
            due = max(due + self._settings.poll_s, loop.time())
            await asyncio.sleep(due - loop.time())

    def close(self) -> None:
        """Let every stream end."""
        self.closing = True
        self._wake()

    async def changed(self) -> None:
        """Return at the next tick that brings something."""
        await self._tick.wait()

    def encoded(self, tables: frozenset[str]) -> bytes | None:
        """The newest frame with these tables (empty: all); made once for all clients. None before the first."""
        if self._frame is None:
            return None
        if tables not in self._encoded:
            if tables not in self._rows:
                if len(self._rows) >= ENCODINGS:
                    self._rows.clear()
                self._rows[tables] = rows_of(self.sections, tables)
            self._encoded[tables] = to_bytes(self._frame, self._rows[tables], self._flags)
        return self._encoded[tables]

    def events_after(self, after: int | None) -> list[tuple[int, bytes]]:
        """Events as they go over the wire, oldest first; without `after` the newest of those that say how it stands."""
        if after is None or after > self.head:  # a number from before a restart says nothing
            return sorted(self._newest.values())
        return [event for event in self._happened if event[0] > after]

    def _look(self) -> tuple[Frame | None, list[Happening], bool]:
        """In a thread: everything that is asked of the source."""
        frame, happened = self._source.latest(), self._source.happened(self.head)
        for one in happened:
            if one.kind == "command" and one.id > self.head:
                self._note(one)
        return frame, happened, frame is not None and self._source.span().live

    def _take(self, frame: Frame | None, happened: list[Happening], live: bool) -> None:
        """Note what was found, and wake who waits."""
        flags = (LIVE if live else 0) | (LAST if self._was_live and not live else 0)
        self._was_live = self._was_live or live
        new = frame is not None and (self._frame is None or frame.seq != self._frame.seq or flags != self._flags)
        if new:
            self._frame, self._flags = frame, flags
            self._encoded.clear()
            self.version += 1
        for one in happened:
            if one.id <= self.head:
                continue
            self.head = one.id
            event = (one.id, b"id: %d\nevent: %s\ndata: %s\n\n" % (one.id, one.kind.encode(), msgspec.json.encode(one)))
            self._happened.append(event)
            if one.kind in NEWEST:
                self._newest[one.kind] = event
        self.looked.set()
        if new or happened:
            self._wake()

    def _note(self, happened: Happening) -> None:
        """Write into the audit how a command ended, which is known only now."""
        phase = happened.body.get("phase")
        if phase not in {"measured", "failed"}:
            return
        try:
            self._audit.write(PLATFORM, phase, str(happened.body.get("text", "")), happened.body.get("command"))
        except AuditUnwritable as error:
            logger.error("%s", error)

    def _wake(self) -> None:
        tick, self._tick = self._tick, asyncio.Event()
        tick.set()
