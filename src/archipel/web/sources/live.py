"""A running system as a source: the rehearsal that `archipel up` started, as it is and as it was.

world process  --telemetry.bin-->  frames        cells  --/status, journals-->  levels, agreements, beliefs, cards
commands  -->  archipel.field.operator, archipel.field.disarm, archipel.local.processes; nothing else is written
"""

from __future__ import annotations

import time as wall
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Lock, Thread
from typing import final

import numpy as np

from archipel.web.area_of import area_of
from archipel.web.explain import Moment, Reasons, refusal
from archipel.web.nouns import (
    Act,
    Agreements,
    Area,
    Belief,
    Card,
    Command,
    CommandState,
    Happening,
    RunInfo,
    Score,
    Selection,
    Series,
    Span,
    Why,
)
from archipel.web.source import Frame, NotShown
from archipel.web.sources.live_agreements import LiveAgreements
from archipel.web.sources.live_cards import LiveCards
from archipel.web.sources.live_commands import LiveDesk
from archipel.web.sources.live_frames import LiveFrames
from archipel.web.sources.live_journals import Journals
from archipel.web.sources.live_past import LivePast
from archipel.web.sources.live_switching import predicted
from archipel.web.sources.live_told import Told
from archipel.web.sources.live_world import LiveWorld

NAME = "rehearsal"
"""The one strategy."""
ACTS: tuple[Act, ...] = (
    "arm", "disarm", "default", "tag", "untag", "limit", "hold", "free", "kill", "start", "acknowledge",
)  # fmt: skip
SWITCHING: tuple[Act, ...] = ("island", "rejoin")
"""Only where a cell has a switch to the main grid."""
FIRST_S = 10.0
"""How long a source waits for the first moment."""
LOOK_S, REST_S = 0.1, 1.0
"""Between two looks for a frame; for what journals tell."""


def open_live(folder: str | Path = "runs/up") -> LiveSource:
    """A running rehearsal as a source; `close` it. Raises `RehearsalError` where there is none."""
    return LiveSource(LiveWorld(Path(folder)))


@final
class LiveSource:
    """A `Source` that shows one rehearsal."""

    def __init__(self, world: LiveWorld) -> None:
        self.world, self._frames = world, LiveFrames(world.scenario)
        self._lock, self._end = Lock(), Event()
        factor = world.clock.factor
        self._past = LivePast(world.layout.folder, world.scenario, self._frames.builder, max(1.0, factor))
        self._journals = Journals(world.files, world.clock)
        self._agreements = LiveAgreements(world.scenario, self._journals, self._past.means, self._power)
        self._cards = LiveCards(world.scenario, self._journals, factor)
        self._reasons = Reasons(world.scenario)
        self._told = Told()
        self._latest: Frame | None = None
        self._prices: dict[str, float] = {}
        self._looked_s, self._live = -1e9, True
        self._failed: datetime | None = None
        """Since when frames are not kept."""
        world.wait_for_physics(FIRST_S)
        self._take()
        switched = any(file.switch is not None for file in world.files.values())
        acts = (*ACTS, *(SWITCHING if switched else ()))
        self._area = area_of(world.scenario, "live", self.span(), [NAME], acts)
        self._desk = LiveDesk(world, acts, self._told.command, self._cards.acknowledge)
        self._thread = Thread(target=self._watch, name="frames", daemon=True)
        self._thread.start()

    def area(self) -> Area:
        """Everything that does not change."""
        return self._area

    def span(self) -> Span:
        """From the first frame that is kept to the newest."""
        newest, kept = self.latest(), self._past.span()
        start = self.world.clock.start if kept is None else kept[0]
        end = start if newest is None else newest.time
        return Span(
            start=min(start, end), end=end, step_s=self.world.step_s, live=self._live, factor=self.world.clock.factor
        )

    def latest(self) -> Frame | None:
        """The newest frame; None before the world has moved."""
        with self._lock:
            return self._latest

    def frame(self, strategy: str, time: datetime) -> Frame:
        """The frame in force at a time. Raises `NotShown` outside what is kept."""
        self._strategy(strategy)
        newest = self.latest()
        if newest is not None and newest.time <= time:
            if time > newest.time + timedelta(seconds=60.0 * self.world.clock.factor):
                raise NotShown(f"time: found {time.isoformat()}; it is {newest.time:%Y-%m-%d %H:%M:%S} UTC in the grid")
            return newest
        return self._past.at(time)

    def series(
        self, strategy: str, table: str, element: str, columns: Sequence[str], start: datetime, end: datetime
    ) -> Series:
        """Columns of one element; at most 5,000 points, means where there would be more. Raises `NotShown`."""
        self._strategy(strategy)
        return self._past.series(table, element, columns, start, end)

    def agreements(self, strategy: str, time: datetime | None) -> Agreements:
        """Who agreed what, by the journals of both ends of every tie."""
        self._strategy(strategy)
        return self._agreements.at(self._at(time))

    def belief(self, strategy: str, cell: str, time: datetime | None) -> Belief:
        """What a cell believed then, by its journal, beside what was measured. Raises `NotShown`."""
        self._strategy(strategy)
        return self._agreements.belief(cell, self._at(time))

    def why(self, strategy: str, subject: str, element: str, time: datetime | None) -> Why:
        """Why a setpoint, a price or a refusal is what it is. Raises `NotShown`."""
        name, at = self._strategy(strategy), self._at(time)
        if subject == "refusal":
            state = self._desk.find(element)
            if state is None:
                raise NotShown(f"command {element}: found none with this id among the newest")
            return refusal(state, at)
        ties = {tie.tie: tie for tie in self._agreements.at(at).ties}
        cell = self.world.cell_of(element)
        plan = self._journals.newest(cell, "belief", at) if cell else None
        lease = at + timedelta(seconds=self.world.files[cell].controller.lease_s) if cell else None
        moment = Moment(
            time=at,
            values=self.frame(name, at).values,
            ties=ties,
            made=None if plan is None else plan.utc,
            until=lease,
            held_by=self._held_by(cell, element) if time is None else "",
        )
        if subject == "setpoint":
            return self._reasons.setpoint(moment, element)
        if subject == "price":
            return self._reasons.price(moment, element)
        raise NotShown(f"subject {subject}: expected setpoint, price or refusal")

    def cards(self, strategy: str, time: datetime | None) -> list[Card]:
        """Cards open at a time or begun in the 24 h before, newest first."""
        self._strategy(strategy)
        return self._all_cards(self._at(time))

    def score(self) -> Score | None:
        """None: one life only."""
        return None

    def runs(self) -> list[RunInfo]:
        """None."""
        return []

    def happened(self, after: int) -> list[Happening]:
        """What happened since the happening with that id."""
        return self._told.since(after)

    def select(self, command: Command, who: str) -> Selection:
        """Predict what a switching would do; changes nothing. Raises `CommandRefused` where there is no switch."""
        del who
        return predicted(self.world, command)

    def carry_out(self, command: Command, who: str) -> CommandState:
        """Give a command to the cell it is for, and wait for its answer. Raises `CommandRefused`."""
        return self._desk.carry_out(command, who)

    def commands(self) -> list[CommandState]:
        """The newest commands, newest first."""
        return self._desk.states()

    def close(self) -> None:
        """Look no more; the rehearsal goes on."""
        self._end.set()
        self._thread.join()
        self._desk.close()
        self._past.close()
        self.world.close()

    # ---------------------------------------------------------------- what goes on beside

    def _watch(self) -> None:
        while not self._end.is_set():
            self._take()
            if wall.monotonic() - self._looked_s >= REST_S:
                self._looked_s = wall.monotonic()
                self._look()
            self._end.wait(LOOK_S)

    def _take(self) -> None:
        """Make a frame of the newest moment, once."""
        seen = self.world.seen
        newest = self.latest()
        if seen is None or (newest is not None and newest.seq == seen.seq):
            return
        known = self.world.knowledge.all()
        frame = self._frames.frame(seen, known, self._prices)
        with self._lock:
            self._latest = frame
        self._past.take(frame)

    def _look(self) -> None:
        """What changes more slowly: prices, cards, whether the world goes on."""
        newest = self.latest()
        if newest is None:
            return
        self._prices = self._agreements.prices(newest.time)
        self._cards.see(newest, self.world.knowledge.all(), self._agreements.plan(newest.time))
        for card in self._cards.news(self._all_cards(newest.time)):
            self._told.card(card)
        if (live := self.world.runs()) is not self._live:
            self._live = live
            self._told.span(self.span())

    def _all_cards(self, at: datetime) -> list[Card]:
        """What frames, journals and commands tell, and what is the matter with showing it."""
        own = []
        if trouble := self._past.trouble:
            self._failed = self._failed or at
            own = [
                Card(
                    id="recording", severity="action", title="The past is not kept any more", text=trouble,
                    cause="recording", begun=self._failed, ended=None,
                )
            ]  # fmt: skip
        return self._cards.cards(at, [*self._desk.cards(), *own])

    def _at(self, time: datetime | None) -> datetime:
        if time is not None:
            return time
        newest = self.latest()
        return self.world.now() if newest is None else newest.time

    def _power(self, tie: str, at: datetime) -> float | None:
        """What a tie carried then; None where nothing was kept."""
        try:
            values = self.frame(NAME, at).values
        except NotShown:
            return None
        found = float(self._frames.builder.column(values, "ties", "p_kw")[self.world.tie_row[tie]])
        return found if np.isfinite(found) else None

    def _held_by(self, cell: str, element: str) -> str:
        """Who holds a device by hand now, and until when."""
        hold = self.world.knowledge.of(cell).said.get("holds", {}).get(element) if cell else None
        return "" if hold is None else f"{hold['who']} until {datetime.fromisoformat(hold['until']):%H:%M}"

    def _strategy(self, name: str) -> str:
        if name not in {"", NAME}:
            raise NotShown(f"strategy {name}: found none; expected {NAME}")
        return NAME
