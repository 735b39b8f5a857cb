"""Plans of a rehearsal made again in one process, from what every cell noted that it knew when it began them.

    journal of every cell  ->  states, orders, partners  ->  the same planners, mail passed as bytes  ->  records

The same knowledge must give the same schedules: what differs was changed on its way between processes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, final

from archipel.controller.planner import ExactPlan
from archipel.controller.stepping import Controller
from archipel.coordination.message import Message
from archipel.coordination.tree import Conversation
from archipel.field.build import build
from archipel.field.cell_file import CellFile, read_cell_file
from archipel.field.keeping import known_of
from archipel.journal.chain import LedgerReader
from archipel.journal.measurements import Measurements

Schedules = dict[str, tuple[float, ...]]
"""Power of every tie [kW], step by step."""


@final
@dataclass(frozen=True, slots=True)
class Again:
    """One plan, as it was and as it is when made again."""

    plan: int
    start: datetime
    accepted: Mapping[str, Schedules]
    """What each cell accepted, by cell."""
    again: Mapping[str, Schedules]
    held: Mapping[str, ExactPlan]
    """What every cell holds after it was made again."""

    @property
    def off_kw(self) -> float:
        """Largest difference of any value on any tie at any end; NaN when nothing can be compared."""
        found = [
            abs(was - now)
            for cell, ties in self.accepted.items()
            for tie, values in ties.items()
            for was, now in zip(values, self.again.get(cell, {}).get(tie, ()), strict=True)
        ]
        return max(found, default=float("nan"))


@final
@dataclass(slots=True)
class _Cell:
    """One cell's notes, and a controller whose planner makes its plans again."""

    file: CellFile
    life: str = ""
    begun: dict[int, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    """By plan: in which life of the process, and the note."""
    accepted: dict[int, Schedules] = field(default_factory=lambda: defaultdict(dict))
    fleets: Any = ()
    controller: Controller | None = None

    def read(self) -> None:
        """Take the notes from its journal."""
        reader = LedgerReader(self.file.journal / "ledger.db")
        try:
            for entry in reader.entries():
                if entry.kind == "begun":
                    self.begun[entry.body["plan"]] = (entry.key.split("/")[0], entry.body)
                elif entry.kind == "anew" and (first := self.begun.get(entry.body["plan"])) is not None:
                    self.begun[entry.body["plan"]] = (first[0], {**first[1], "with": entry.body["with"]})
                elif entry.kind == "agreement" and entry.body["event"] == "accepted":
                    self.accepted[entry.body["plan"]][entry.body["tie"]] = tuple(entry.body["p_kw"])
        finally:
            reader.close()

    def conversation(self, plan: int) -> Conversation:
        """Its side of a plan, from what it knew; a new life of the process begins with a new planner."""
        life, body = self.begun[plan]
        if self.controller is None or life != self.life:
            built = build(self.file)
            self.life, self.controller, self.fleets = life, built.controller, built.estimator.site.fleets
        at = datetime.fromisoformat(body["utc"])
        kept = Measurements(self.file.journal / "meas.db")
        try:
            values = {row.source: row.values for row in kept.read("known", at, at + timedelta(microseconds=1))}
        finally:
            kept.close()
        facts, told = known_of(self.fleets, values)
        children, start = tuple(body["with"]), datetime.fromisoformat(body["start"])
        program = self.controller.planner.program(start, at, facts, told, children, body["held_kw"])
        parent = next((side.neighbour for side in self.controller.ties if side.upward), "")
        return Conversation(plan, self.file.cell.id, parent, children, program)

    def schedules(self, talk: Conversation) -> Schedules:
        """What it would have accepted."""
        if self.controller is None or not isinstance(talk.outcome, ExactPlan):
            return {}
        partners = {*talk.children, talk.parent}
        return {s.id: talk.outcome.exchange_kw(s.neighbour) for s in self.controller.ties if s.neighbour in partners}


def plans_again(folder: Path) -> Iterator[Again]:
    """Make every plan again that all cells below `folder` began, in their order. Nothing may run there any more."""
    cells = [_Cell(read_cell_file(path)) for path in sorted(folder.glob("**/CELL.toml"))]
    for cell in cells:
        cell.read()
    for plan in sorted(set.intersection(*(set(cell.begun) for cell in cells)) if cells else ()):
        talks = {cell.file.cell.id: cell.conversation(plan) for cell in cells}
        _talk(talks)
        start = datetime.fromisoformat(cells[0].begun[plan][1]["start"])
        accepted = {cell.file.cell.id: cell.accepted[plan] for cell in cells if plan in cell.accepted}
        again = {cell.file.cell.id: cell.schedules(talks[cell.file.cell.id]) for cell in cells}
        held = {name: talk.outcome for name, talk in talks.items() if isinstance(talk.outcome, ExactPlan)}
        yield Again(plan, start, accepted, again, held)


def _talk(talks: Mapping[str, Conversation]) -> None:
    """Pass messages, as bytes, until nobody has more to say."""
    mail = [message for talk in talks.values() for message in talk.open()]
    while mail:
        inbox: dict[str, list[Message]] = defaultdict(list)
        for message in mail:
            inbox[message.receiver].append(Message.from_bytes(message.to_bytes()))
        mail = [said for name, heard in inbox.items() for said in talks[name].receive(heard)]
