"""A source for tests: three cells with moving values, tags, limits, and commands that go through all their phases.

It is small and honest: what it says of a command is what it did, and it keeps what reached it (`reached`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import numpy as np

from archipel.web import nouns
from archipel.web.nouns import Command, CommandState, Happening, Reason, Selection
from archipel.web.source import CommandRefused, Frame, NotShown

START = datetime(2016, 6, 9, 12, 0, tzinfo=UTC)
CELLS = ("MV", "LV1", "LV2")
DEVICES = ("LV1.battery", "LV2.battery", "LV1.pv")
TIES = ("MV-LV1", "MV-LV2", "LV1-LV2")
SWITCHING = ("open", "close", "island", "rejoin")
ACTS: tuple[nouns.Act, ...] = (
    "arm", "disarm", "default", "tag", "untag", "island", "rejoin", "open", "close", "limit", "hold", "free", "kill",
    "start", "acknowledge",
)  # fmt: skip
COLUMNS = {
    "area": (("upstream_p_kw", "kW"), ("f_hz", "Hz")),
    "cells": (("p_kw", "kW"), ("load_kw", "kW"), ("price_eur_per_kwh", "EUR/kWh"), ("armed", "1"), ("age_s", "s")),
    "ties": (("p_kw", "kW"), ("closed", "1")),
    "nodes": (("v_pu", "pu"),),
    "branches": (("loading", "1"),),
    "devices": (("p_kw", "kW"), ("p_kw_set", "kW")),
}
COUNTS = {"area": 1, "cells": 3, "ties": 3, "nodes": 6, "branches": 5, "devices": 3}


def area(kind: nouns.Kind = "demo", acts: Sequence[nouns.Act] = ACTS) -> nouns.Area:
    """Three cells, three ties, six nodes."""
    return nouns.Area(
        name="scripted", title="Three <cells> & a script", kind=kind, strategies=["cooperating", "alone"], f_hz=50.0,
        import_kw_max=400.0, export_kw_max=200.0,
        span=nouns.Span(start=START, end=START + timedelta(hours=1), step_s=1.0, live=kind != "run", factor=1.0),
        acts=list(acts),
        cells=[
            nouns.CellInfo(
                id=name, parent="" if name == "MV" else "MV", level="medium" if name == "MV" else "low", x=100.0 * row,
                y=50.0 * row, devices={"battery": 1}, rated_kw=[400.0, 100.0, 100.0][row],
            )
            for row, name in enumerate(CELLS)
        ],
        ties=[
            nouns.TieInfo(
                id=name, direction="horizontal" if row == 2 else "vertical", upper="LV1" if row == 2 else "MV",
                lower="LV1" if row == 0 else "LV2", upper_node=row, lower_node=row + 2, closed=row != 2,
                metered_at="lower", branch=row if row != 2 else None,
            )
            for row, name in enumerate(TIES)
        ],
        nodes=nouns.Nodes(
            id=[f"node/{k}" for k in range(6)], x=[50.0 * k for k in range(6)], y=[10.0 * k for k in range(6)],
            cell=[0, 0, 1, 1, 2, 2], vn_kv=[20.0, 20.0, 0.4, 0.4, 0.4, 0.4], v_pu_min=[0.9] * 6, v_pu_max=[1.1] * 6,
        ),
        branches=nouns.Branches(
            id=[f"line/{k}" for k in range(5)], kind=["transformer", "transformer", "line", "line", "line"],
            from_node=[0, 1, 2, 3, 4], to_node=[2, 4, 3, 2, 5], cell=[1, 2, 1, 1, 2], loading_max=[1.0] * 5,
        ),
        devices=nouns.Devices(
            id=list(DEVICES), kind=["battery", "battery", "pv"], cell=[1, 2, 1], node=[3, 5, 3],
            p_kw_min=[-10.0, -20.0, -5.0], p_kw_max=[10.0, 20.0, 0.0], e_kwh=[20.0, 40.0, None],
        ),
        sections=[
            nouns.Section(table=table, column=column, unit=unit, count=COUNTS[table])
            for table, columns in COLUMNS.items()
            for column, unit in columns
        ],
    )  # fmt: skip


@dataclass
class ScriptedSource:
    """Implements `archipel.web.source.Source`. Time stands still until `step` is called."""

    kind: nouns.Kind = "demo"
    acts: Sequence[nouns.Act] = ACTS
    seconds: int = 0
    """Grid time since `START`."""
    ended: bool = False
    tags: set[str] = field(default_factory=lambda: {"MV-LV2", "LV2.battery"})
    open_ties: set[str] = field(default_factory=lambda: {"LV1-LV2"})
    refuses_to_select: set[str] = field(default_factory=lambda: {"MV"})
    """Elements of which a selection says no."""
    reached: list[tuple[Command, str]] = field(default_factory=list)
    """Commands that were carried out, and for whom."""
    before_carrying_out: Callable[[Command], None] = lambda command: None
    """Called within `carry_out`, to look or to wait there."""

    def __post_init__(self) -> None:
        self._area = area(self.kind, self.acts)
        self._lock = threading.RLock()
        self._states: dict[str, CommandState] = {}
        self._happened: list[Happening] = []
        self._selections = 0
        self._cards = [
            nouns.Card(
                id="card-1", severity="action", title="<b>Voltage</b> low", text="node/5 is at 0.91 pu",
                cause="voltage node/5", begun=START, ended=None, cell="LV2", element="node/5",
            )
        ]  # fmt: skip

    # -------------------------------------------------------------- time

    def step(self, seconds: int = 1) -> None:
        """Let time pass; commands go one phase on."""
        with self._lock:
            self.seconds += seconds
            for state in list(self._states.values()):
                following: dict[str, nouns.Phase] = {"accepted": "executed", "executed": "measured"}
                if state.phase in following:
                    self._put(_on(state, following[state.phase], f"{state.command.act}: {following[state.phase]}"))

    def say(self, kind: Literal["card", "command", "span", "story", "score"], record: Any) -> None:
        """Let something happen."""
        with self._lock:
            body = msgspec.to_builtins(record)
            self._happened.append(Happening(id=len(self._happened) + 1, kind=kind, body=body))

    @property
    def now(self) -> datetime:
        """Grid time."""
        return START + timedelta(seconds=self.seconds)

    # -------------------------------------------------------------- what is shown

    def area(self) -> nouns.Area:
        return self._area

    def span(self) -> nouns.Span:
        live = self.kind != "run" and not self.ended
        end = self.now if self.kind != "run" else self._area.span.end
        return nouns.Span(start=START, end=end, step_s=1.0, live=live, factor=1.0)

    def latest(self) -> Frame | None:
        return None if self.kind == "run" else self._frame(self.now, self.seconds + 1)

    def frame(self, strategy: str, time: datetime) -> Frame:
        self._known(strategy)
        span = self.span()
        if not span.start <= time <= span.end:
            raise NotShown(f"time: found {time.isoformat()}; expected one between {span.start} and {span.end}")
        found = self._frame(time.replace(microsecond=0), int((time - START).total_seconds()) + 1)
        return replace(found, values=-found.values) if strategy == "alone" else found

    def _frame(self, time: datetime, seq: int) -> Frame:
        count = sum(section.count for section in self._area.sections)
        values = np.sin(np.arange(count, dtype=np.float32) + seq / 10).astype(np.float32)
        values[3] = np.nan
        return Frame(seq, time, datetime.now(UTC) if self.kind != "run" else time, values)

    def series(
        self, strategy: str, table: str, element: str, columns: Sequence[str], start: datetime, end: datetime
    ) -> nouns.Series:
        self._known(strategy)
        known = {name for name, _ in COLUMNS.get(table, ())}
        rows = {"cells": CELLS, "ties": TIES, "devices": DEVICES, "area": ("",)}.get(table, ())
        if element not in rows or not known.issuperset(columns):
            raise NotShown(f"series: found {table} {element} {list(columns)}; expected one of {sorted(known)}")
        last = min(end, self.span().end)
        count = max(0, min(5_000, int((last - max(start, START)).total_seconds()) + 1))
        times = [max(start, START) + timedelta(seconds=k) for k in range(count)]
        waves: dict[str, list[float | None]] = {
            name: [math.sin(number + k / 60) for k in range(count)] for number, name in enumerate(columns)
        }
        return nouns.Series(table=table, element=element, time=times, columns=waves)

    def agreements(self, strategy: str, time: datetime | None) -> nouns.Agreements:
        self._known(strategy)
        parts = nouns.PriceParts(energy=0.1, losses=0.01, congestion=None, voltage=None, fees=0.05)
        ties = [
            nouns.TieAgreement(
                tie=name, upper="MV", lower="LV1", agreed_kw=5.0, default_kw=0.0, p_kw=None, price_eur_per_kwh=0.16,
                parts=parts, since=START, until=None, plan="1", why="",
            )
            for name in TIES[:2]
        ]  # fmt: skip
        return nouns.Agreements(time=time or self.now, plan=None, ties=ties)

    def belief(self, strategy: str, cell: str, time: datetime | None) -> nouns.Belief:
        self._known(strategy)
        if cell not in CELLS:
            raise NotShown(f"cell: found {cell!r}; expected one of {', '.join(CELLS)}")
        curve = nouns.Curve(name="load_kw", unit="kW", believed=[1.0, None], true=[1.1, None])
        return nouns.Belief(
            cell=cell, time=time or self.now, made=START, start=[START, START + timedelta(minutes=15)],
            hours=[0.25, 0.25], curves=[curve], neighbours=[], level="cooperating",
        )  # fmt: skip

    def why(self, strategy: str, subject: str, element: str, time: datetime | None) -> nouns.Why:
        self._known(strategy)
        known = {"setpoint": DEVICES, "price": (*TIES, *self._area.nodes.id), "refusal": tuple(self._states)}
        if element not in known[subject]:
            raise NotShown(f"element: found {element!r}; expected a thing with a {subject}")
        reason = Reason(rule="limit", text="line/2 is full.", element="line/2", value=1.0, bound=1.0, unit="1")
        return nouns.Why(
            subject="price", element=element, time=time or self.now, text="Because a line is full.", reasons=[reason]
        )

    def cards(self, strategy: str, time: datetime | None) -> list[nouns.Card]:
        self._known(strategy)
        return list(self._cards)

    def score(self) -> nouns.Score | None:
        if self.kind != "run":
            return None
        figure = nouns.Figure(name="cost_eur", title="Cost", unit="EUR", best="low", values={"cooperating": 1.0})
        return nouns.Score(title="One hour", strategies=["cooperating"], figures=[figure], complete=True)

    def runs(self) -> list[nouns.RunInfo]:
        return [
            nouns.RunInfo(
                id="run-1", scenario="scripted", start=START, days=1, forecast="perfect", seed=1,
                strategies=["cooperating"], made=START, complete=True, shown=self.kind == "run",
            )
        ]  # fmt: skip

    def happened(self, after: int) -> list[Happening]:
        with self._lock:
            return self._happened[after:][-1000:]

    # -------------------------------------------------------------- commands

    def select(self, command: Command, who: str) -> Selection:
        if command.act not in SWITCHING:
            raise CommandRefused(f"{command.act} operates no switch")
        self._switch(command)
        with self._lock:
            self._selections += 1
            allowed = command.element not in self.refuses_to_select
            return Selection(
                id=f"selection-{self._selections}", command=command, allowed=allowed,
                text="5 kW would flow over it" if allowed else "nobody could hold the balance",
                effects=[Reason(rule="limit", text="5 kW flow.", element=command.element, value=5.0, unit="kW")],
                valid_until=datetime.now(UTC) + timedelta(seconds=30),
            )  # fmt: skip

    def carry_out(self, command: Command, who: str) -> CommandState:
        self.before_carrying_out(command)
        with self._lock:
            if command.id in self._states:
                return self._states[command.id]
            if command.act not in {"default", "disarm"}:
                self._may(command)
            self.reached.append((command, who))
            self._do(command)
            now = datetime.now(UTC)
            state = CommandState(
                command=command, who=who, phase="accepted", text="accepted", at={"requested": now, "accepted": now}
            )
            self._put(state)
            return state

    def commands(self) -> list[CommandState]:
        with self._lock:
            return list(reversed(self._states.values()))[:200]

    def close(self) -> None:
        self.ended = True

    def _may(self, command: Command) -> None:
        if command.act in SWITCHING:
            self._switch(command)
        if command.element in self.tags and command.act not in {"tag", "untag"}:
            raise CommandRefused(f"{command.element}: a safety tag stands on it")
        if command.act == "acknowledge" and command.element not in {card.id for card in self._cards}:
            raise NotShown(f"element: found {command.element!r}; expected the id of a card")

    def _switch(self, command: Command) -> None:
        if command.element in self.tags:
            raise CommandRefused(f"{command.element}: a safety tag stands on it")
        known = TIES if command.act in {"open", "close"} else CELLS
        if command.element not in known:
            raise NotShown(f"element: found {command.element!r}; expected one of {', '.join(known)}")

    def _do(self, command: Command) -> None:
        if command.act == "tag":
            self.tags.add(command.element)
        elif command.act == "untag":
            self.tags.discard(command.element)
        elif command.act == "open":
            self.open_ties.add(command.element)
        elif command.act == "close":
            self.open_ties.discard(command.element)

    def _put(self, state: CommandState) -> None:
        self._states[state.command.id] = state
        self.say("command", state)

    def _known(self, strategy: str) -> None:
        if strategy and strategy not in self._area.strategies:
            raise NotShown(f"strategy: found {strategy!r}; expected one of {', '.join(self._area.strategies)}")


def _on(state: CommandState, phase: nouns.Phase, text: str) -> CommandState:
    return msgspec.structs.replace(state, phase=phase, text=text, at={**state.at, phase: datetime.now(UTC)})
