"""Cards of a running system: what frames show and what cells wrote into their journals, one card per cause."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import final

import msgspec
import numpy as np

from archipel.model import Scenario
from archipel.web.card_rules import some
from archipel.web.card_signals import CardFacts
from archipel.web.cards import CardRules
from archipel.web.nouns import Card, PlanRecord, Severity
from archipel.web.source import Frame
from archipel.web.sources.live_journals import Journals, Note
from archipel.web.sources.live_knowledge import NO_ANSWER, Known

KEPT = timedelta(hours=24)
SETTLE_S = 3.0
"""Wall seconds a thing must have been well before its card ends; at least half a minute of the grid."""
NOTICED_S = 6.0
"""Wall seconds by which a neighbour and we may notice the same silence apart."""
JOINED = timedelta(minutes=30)
"""What journals tell so long before or after the begin of another card with the same cell belongs to it."""


@final
@dataclass(frozen=True, slots=True)
class _Told:
    """Something a journal tells that people should know."""

    utc: datetime
    cell: str
    about: tuple[str, ...]
    """Cells whose trouble may be the cause."""
    text: str
    severity: Severity
    title: str
    cause: str


@final
class LiveCards:
    """Makes them for one rehearsal. Safe from several threads."""

    def __init__(self, scenario: Scenario, journals: Journals, factor: float) -> None:
        self._rules = CardRules(scenario, "rehearsal", settle_s=max(30.0, SETTLE_S * factor))
        self._journals = journals
        self._wait = timedelta(seconds=max(30.0, NOTICED_S * factor))
        self._cells = [cell.id for cell in scenario.archipelago.cell]
        self._ends = {tie.id: (tie.upper, tie.lower) for tie in scenario.archipelago.tie}
        self._seen: dict[str, Card] = {}
        self._acknowledged: dict[str, str] = {}
        self._since: dict[str, datetime] = {}
        """When a journal was first found that cannot be read."""
        self._lock = Lock()

    def see(self, frame: Frame, known: Mapping[str, Known], plan: PlanRecord | None) -> None:
        """A new frame, and what cells say beside it."""
        now_s = time.monotonic()
        silent = [name for name, one in known.items() if one.silent(now_s) and not one.starts(now_s)]
        why = {name: _why(one) for name, one in known.items() if one.level(now_s) > 0}
        if plan is not None:
            # who took no part in a plan some time ago may answer again; what cells say now counts
            plan = msgspec.structs.replace(plan, silent=[])
        facts = CardFacts(plan=plan, silent=silent, why={name: text for name, text in why.items() if text})
        values = frame.values.copy()
        level = self._rules.signals.builder.column(values, "cells", "level")
        # nobody misses what was never there: before the first plan, and in a cell that writes nothing
        quiet = np.array([plan is None or not known[name].armed for name in self._cells])
        level[quiet & (level < NO_ANSWER)] = 0.0
        with self._lock:
            self._rules.see(frame.time, values, facts)

    def cards(self, at: datetime, more: Sequence[Card] = ()) -> list[Card]:
        """Cards open at a time or begun in the 24 h before, newest first; `more` are joined to them by cause."""
        with self._lock:
            rules = self._rules.cards()
            acknowledged = dict(self._acknowledged)
        found = [card for card in (*rules, *more) if at - KEPT <= card.begun <= at]
        found = [msgspec.structs.replace(c, ended=None) if c.ended and c.ended > at else c for c in found]
        found = self._with_journals(self._joined(found, at), at)
        found += self._unreadable(at)
        found = [
            msgspec.structs.replace(c, acknowledged_by=acknowledged[c.id]) if c.id in acknowledged else c for c in found
        ]
        return sorted(found, key=lambda card: card.begun, reverse=True)

    def _joined(self, cards: list[Card], at: datetime) -> list[Card]:
        """A lower level of a cell or its neighbour near a silence is a sentence of that silence: neighbours may notice
        before we do. So a card of a level alone is not shown at once."""
        silent = [card for card in cards if card.cause.startswith("silent ")]
        more: dict[str, list[str]] = {}
        out = []
        for card in cards:
            if not card.cause.startswith("level "):
                out.append(card)
                continue
            lead = next((one for one in silent if self._near(card, one)), None)
            if lead is not None:
                more.setdefault(lead.id, []).extend([_plain(card), *card.children])
            elif card.ended is not None or at - card.begun >= self._wait:
                out.append(card)
        return [
            msgspec.structs.replace(card, children=some(list(dict.fromkeys([*card.children, *more[card.id]]))))
            if card.id in more
            else card
            for card in out
        ]

    def _near(self, card: Card, silent: Card) -> bool:
        around = {silent.cell} | {name for ends in self._ends.values() if silent.cell in ends for name in ends}
        ended = silent.ended
        return (
            card.cell in around
            and card.begun >= silent.begun - self._wait
            and (ended is None or card.begun <= ended + self._wait)
        )

    def _unreadable(self, at: datetime) -> list[Card]:
        """A card for every journal that cannot be read now."""
        troubles = self._journals.troubles()
        with self._lock:
            self._since = {name: self._since.get(name, at) for name in troubles}
            since = dict(self._since)
        return [
            Card(
                id=f"journal {name} {since[name]:%Y%m%dT%H%M%S}",
                severity="action",
                title=f"The journal of {name} cannot be read",
                text=trouble,
                cause=f"journal {name}",
                begun=since[name],
                ended=None,
                cell=name,
            )
            for name, trouble in troubles.items()
        ]

    def acknowledge(self, card: str, who: str) -> None:
        """Somebody has seen it."""
        with self._lock:
            self._acknowledged[card] = who
            self._rules.acknowledge(card, who)

    def news(self, cards: Sequence[Card]) -> list[Card]:
        """Those that are new or differ from when they were last asked for."""
        fresh = [card for card in cards if self._seen.get(card.id) != card]
        self._seen = {card.id: card for card in cards}
        return fresh

    # ---------------------------------------------------------------- journals

    def _with_journals(self, cards: list[Card], at: datetime) -> list[Card]:
        """What journals tell becomes sentences of the card it follows from, or cards of its own, one per cause."""
        own: dict[str, list[_Told]] = {}
        more: dict[str, list[str]] = {}
        for told in self._told(at):
            lead = next((card for card in cards if _belongs(told, card)), None)
            if lead is not None:
                more.setdefault(lead.id, []).append(told.text)
            else:
                own.setdefault(told.cause, []).append(told)
        out = [
            msgspec.structs.replace(card, children=some(list(dict.fromkeys([*card.children, *more[card.id]]))))
            if card.id in more
            else card
            for card in cards
        ]
        return [*out, *(_card(cause, all_of) for cause, all_of in own.items())]

    def _told(self, at: datetime) -> list[_Told]:
        found = [
            told
            for cell in self._cells
            for note in self._journals.notes(cell, at)
            if note.utc >= at - KEPT and (told := self._of(note)) is not None
        ]
        return sorted(found, key=lambda told: told.utc)

    def _of(self, note: Note) -> _Told | None:
        body, cell, at = note.body, note.cell, f"{note.utc:%H:%M}"
        if note.kind == "agreement" and body["event"] in {"contradicted", "refused"}:
            tie = body["tie"]
            text = f"{at} {cell} left the agreement on {tie}: {body['why']}."
            title = f"The agreement on {tie} is {'left' if body['event'] == 'contradicted' else 'refused'}"
            return _Told(note.utc, cell, self._ends.get(tie, (cell,)), text, "information", title, f"agreement {tie}")
        if note.kind in {"late", "plan"}:
            text = f"{at} {cell}: {body['why']}."
            about = tuple(name for name in self._cells if name in str(body["why"]))
            return _Told(
                note.utc, cell, (cell, *about), text, "information", "A plan came to nothing", f"plan {body['plan']}"
            )
        if note.kind == "mode" and body["what"] == "latch" and body.get("latched"):
            text = f"{at} {cell}: {body['why']}."
            return _Told(note.utc, cell, (cell,), text, "action", f"{cell} keeps to a lower level", f"latch {cell}")
        if note.kind == "life":
            text = f"{at} {cell}: {body['before']} -> {body['after']}: {body['why']}."
            return _Told(note.utc, cell, (cell,), text, "information", f"{cell} is {body['after']}", f"mode {cell}")
        return None


def _belongs(told: _Told, card: Card) -> bool:
    """Whether it follows from what a card is about."""
    if card.begun - JOINED > told.utc or (card.ended is not None and told.utc > card.ended + JOINED):
        return False
    return card.cause == told.cause or any(card.cause in {f"silent {name}", f"mode {name}"} for name in told.about)


def _card(cause: str, told: list[_Told]) -> Card:
    """What one cause is told of."""
    first, last = told[0], told[-1]
    return Card(
        id=f"{cause} {first.utc:%Y%m%dT%H%M%S}",
        severity=first.severity,
        title=first.title,
        text=last.text,
        cause=cause,
        begun=first.utc,
        ended=last.utc if first.severity == "information" else None,
        cell=first.cell,
        children=some([one.text for one in told[:-1]]),
    )


def _plain(card: Card) -> str:
    """The sentence of a card, without what became of it."""
    return card.text.partition("It was: ")[2] or card.text


def _why(known: Known) -> str:
    """Why a cell does not cooperate, in its own words."""
    held = known.said.get("holdings", {})
    said = dict.fromkeys(str(one["why"]) for one in held.values() if not one.get("agreed"))
    return "; ".join(said)
