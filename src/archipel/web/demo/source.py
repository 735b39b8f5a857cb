"""The demonstration as a `Source`: minutes of the engine, released by the wall clock five times a second."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NoReturn, final

import msgspec
import numpy as np

from archipel.model import BELIEVED, Believed
from archipel.web.demo.commands import Commands
from archipel.web.demo.kept import Kept
from archipel.web.demo.process import EngineProcess
from archipel.web.demo.tick import COOPERATING, Tick
from archipel.web.nouns import (
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
from archipel.web.source import CommandRefused, Frame, NotShown

if TYPE_CHECKING:
    from archipel.web.explain import Moment, Reasons

FRAME_S = 0.2
"""Wall seconds between two frames at the usual speed; each is a minute of grid time."""
HAPPENINGS = 1_000
SPAN_EVERY = 25
"""Frames between two happenings that tell of the span."""


class DemoFailed(NotShown):
    """The engine of the demonstration cannot go on."""


@final
class DemoSource:
    """Shows what the engine brings. Threads: one takes in minutes, one releases them; everything is behind one lock."""

    def __init__(
        self, scenario: str = "district", *, seed: int = 1, speed: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """Start the engine; returns at once. `speed` is a factor on five hours a minute."""
        self._period_s = FRAME_S / speed
        self._engine = EngineProcess(scenario, seed, 60.0 / self._period_s)
        self._clock = clock
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._area: Area | None = None
        self._kept: Kept | None = None
        self._commands: Commands | None = None
        self._waiting: deque[Tick] = deque()
        self._happened: deque[Happening] = deque(maxlen=HAPPENINGS)
        self._count = 0
        self._score: Score | None = None
        self._failed = ""
        self._scenario = scenario
        self._reasons: Reasons | None = None
        self._reading = threading.Lock()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._take_in, self._release)]
        for thread in self._threads:
            thread.start()

    # ---------------------------------------------------------------- threads

    def _take_in(self) -> None:
        """Hear the engine."""
        while not self._ending.is_set():
            try:
                said = self._engine.hear(0.5)
            except EOFError:
                self._fail("the engine of the demonstration has ended")
                return
            if said is None:
                continue
            with self._news:
                match said[0]:
                    case "area":
                        self._area = said[1]
                        self._kept = Kept(said[1])
                        self._commands = Commands(said[1])
                    case "tick":
                        if said[1].number < 0:
                            self._show(said[1])
                        else:
                            self._waiting.append(said[1])
                    case "failed":
                        self._failed = said[1]
                self._news.notify_all()

    def _fail(self, text: str) -> None:
        with self._news:
            self._failed = self._failed or text
            self._news.notify_all()

    def _release(self) -> None:
        """Show minute after minute by the clock; where one is late, the story waits for it and then goes on."""
        due = self._clock()
        while not self._ending.is_set():
            with self._news:
                while not self._waiting and not self._ending.is_set() and not self._failed:
                    self._news.wait(0.5)
                if self._ending.is_set() or (self._failed and not self._waiting):
                    return
                tick = self._waiting.popleft()
                self._show(tick)
            self._engine.shown(tick.number)
            due = max(due + self._period_s, self._clock())
            self._ending.wait(max(due - self._clock(), 0.0))

    def _show(self, tick: Tick) -> None:
        """Make a minute visible; the lock is held."""
        assert self._kept is not None, "the area comes before the first minute"
        self._kept.add(tick)
        for scene in tick.scenes:
            self._happen("story", msgspec.to_builtins(scene, builtin_types=(datetime,)))
        for card in tick.cards.get(COOPERATING, ()):
            self._happen("card", msgspec.to_builtins(card, builtin_types=(datetime,)))
        for phased in tick.phases:
            state = None if self._commands is None else self._commands.goes_on(phased.id, phased.phase, phased.text)
            if state is not None:
                self._happen("command", msgspec.to_builtins(state, builtin_types=(datetime,)))
        if tick.score is not None:
            self._score = tick.score
            self._happen("score", msgspec.to_builtins(tick.score))
        if tick.number % SPAN_EVERY == 0:
            self._happen("span", msgspec.to_builtins(self._span(), builtin_types=(datetime,)))
        self._news.notify_all()

    def _happen(self, kind: str, body: dict[str, object]) -> None:
        self._count += 1
        self._happened.append(Happening(id=self._count, kind=kind, body=body))  # type: ignore[arg-type]

    # ---------------------------------------------------------------- the source

    def wait_for(self, what: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something holds of what is shown; whether it does."""
        with self._news:
            return self._news.wait_for(lambda: bool(self._failed) or what(), timeout_s) and not self._failed

    @property
    def failed(self) -> str:
        """Why the engine cannot go on; empty while it can."""
        return self._failed

    def area(self) -> Area:
        """Everything that does not change; waits for the engine to have read it."""
        with self._news:
            self._news.wait_for(lambda: self._area is not None or bool(self._failed), 60.0)
            if self._area is None:
                raise DemoFailed(self._failed or "the demonstration has not begun within a minute")
            return self._area

    def span(self) -> Span:
        """From the first minute that is still kept to the one shown."""
        self.area()
        with self._lock:
            return self._span()

    def _span(self) -> Span:
        assert self._area is not None, "asked for after the area"
        assert self._kept is not None, "made with the area"
        first, last = self._kept.ends()
        old = self._area.span
        return Span(start=first or old.start, end=last or old.end, step_s=old.step_s, live=True, factor=old.factor)

    def latest(self) -> Frame | None:
        """The minute that is shown."""
        with self._lock:
            return None if self._kept is None else self._kept.latest(COOPERATING)

    def frame(self, strategy: str, time: datetime) -> Frame:
        """The minute that holds a time. Raises `NotShown` outside the span."""
        with self._lock:
            return self._there().frame(strategy, time)

    def series(
        self, strategy: str, table: str, element: str, columns: Sequence[str], start: datetime, end: datetime
    ) -> Series:
        """Columns of one element."""
        with self._lock:
            return self._there().series(strategy, table, element, columns, start, end)

    def agreements(self, strategy: str, time: datetime | None) -> Agreements:
        """Who agreed what; without cooperation nobody."""
        with self._lock:
            return self._there().agreements(strategy, time)

    def belief(self, strategy: str, cell: str, time: datetime | None) -> Belief:
        """What a cell believed then, beside what was true."""
        with self._lock:
            return self._there().belief(strategy, cell, time)

    def why(self, strategy: str, subject: str, element: str, time: datetime | None) -> Why:
        """Why a setpoint, a price or a refusal is what it is."""
        if subject == "refusal":
            return self._why_refused(element)
        reasons = self._explainer()
        with self._lock:
            moment = self._moment(strategy, element, time, reasons.node_of(element))
        return reasons.setpoint(moment, element) if subject == "setpoint" else reasons.price(moment, element)

    def _why_refused(self, name: str) -> Why:
        from archipel.web.explain import refusal

        state = self._commands.known(name) if self._commands is not None else None
        if state is None:
            raise NotShown(f"refusal {name}: found no such command")
        return refusal(state, self.span().end)

    def _explainer(self) -> Reasons:
        """Made when it is first asked for: it needs the scenario."""
        with self._reading:
            if self._reasons is None:
                from archipel.formats.scenario import load_scenario
                from archipel.web.explain import Reasons

                self._reasons = Reasons(load_scenario(self._scenario))
            return self._reasons

    def _moment(self, strategy: str, element: str, time: datetime | None, node: int | None) -> Moment:
        from archipel.web.explain import Moment

        kept = self._there()
        name, at = kept.name(strategy), kept.ends()[1] if time is None else time
        if at is None:
            raise NotShown("nothing is shown yet; ask again in a second")
        frame, told, plan = kept.frame(name, at), kept.agreements(name, at), kept.believed(name, at)
        made = None if told.plan is None else told.plan.time
        until = next((tie.until for tie in told.ties if tie.until is not None), None)
        return Moment(
            time=frame.time,
            values=frame.values,
            ties={tie.tie: tie for tie in told.ties},
            made=made,
            until=until,
            held_by=self._commands.held_by(element, at) if self._commands is not None else "",
            node_price_eur_per_kwh=None if node is None else kept.node_price(name, node, at),
            expected_eur_per_kwh=None if node is None or plan is None else self._expected(plan, node),
        )

    def _expected(self, plan: Believed, node: int) -> float | None:
        """Mean price over its horizon that the cell of a node expects [EUR/kWh]."""
        assert self._area is not None, "asked for after the area"
        cell = self._area.cells[self._area.nodes.cell[node]].id
        if cell not in plan.cell:
            return None
        price = plan.value[plan.cell.index(cell), BELIEVED.index("price_eur_per_kwh")]
        return float(np.average(price, weights=plan.hours)) if np.isfinite(price).all() else None

    def cards(self, strategy: str, time: datetime | None) -> list[Card]:
        """Cards as they were at a time, newest first."""
        with self._lock:
            return self._there().cards(strategy, time)

    def score(self) -> Score | None:
        """With and without cooperation, once the minute is over."""
        return self._score

    def runs(self) -> list[RunInfo]:
        """None."""
        return []

    def happened(self, after: int) -> list[Happening]:
        """What happened since."""
        with self._lock:
            return [one for one in self._happened if one.id > after]

    def select(self, command: Command, who: str) -> Selection:
        """Refused: nothing is switched by hand here."""
        _refuse(command)

    def carry_out(self, command: Command, who: str) -> CommandState:
        """Take a command; it acts at the next quarter hour of grid time."""
        now = self.span().end
        with self._lock:
            commands = self._commands
            assert commands is not None, "made with the area"
            if (known := commands.known(command.id)) is not None:
                return known
            if command.act == "acknowledge":
                self._acknowledge(command, who)
            state = commands.accept(command, who, now)
            if command.act == "acknowledge":
                state = commands.goes_on(command.id, "measured", f"acknowledged by {who}") or state
            self._happen("command", msgspec.to_builtins(state, builtin_types=(datetime,)))
        if command.act != "acknowledge":
            self._engine.order(command)
        return state

    def _acknowledge(self, command: Command, who: str) -> None:
        found, at = self._there().card(command.element), self._there().ends()[1]
        if found is None or at is None:
            raise CommandRefused(f"acknowledge {command.element!r}: found no such card; expected the id of one")
        card = msgspec.structs.replace(found[1], acknowledged_by=who)
        self._there().put_card(found[0], card, at)
        self._happen("card", msgspec.to_builtins(card, builtin_types=(datetime,)))

    def commands(self) -> list[CommandState]:
        """The newest commands."""
        with self._lock:
            return [] if self._commands is None else self._commands.newest()

    def close(self) -> None:
        """End the engine and the processes of all cells."""
        self._ending.set()
        with self._news:
            self._news.notify_all()
        for thread in self._threads:
            thread.join(5.0)
        self._engine.close()

    def _there(self) -> Kept:
        if self._kept is None:
            raise NotShown("the demonstration has not begun yet; ask again in a second")
        return self._kept


def _refuse(command: Command) -> NoReturn:
    raise CommandRefused(f"{command.act} {command.element}: nothing is switched by hand in the demonstration")
