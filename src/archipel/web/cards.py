"""Cards: what to know or to act on, one per cause, with begin and end.

    frame -> signals -> conditions, each with its cause -> episodes that begin, grow and end -> cards

A condition begins a card when it is beyond its limit and ends when it has been well inside for a while. Whatever
follows from a cause that has a card becomes a sentence of that card, so that a storm of symptoms stays readable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.model import Scenario
from archipel.web.card_rules import Condition, Rules, some
from archipel.web.card_signals import CardFacts, Signals, SignalsOf
from archipel.web.nouns import Card, Severity

MOST_NEW, IN = 8, timedelta(minutes=10)
"""Cards that may begin in so much time; what comes beyond joins those there are. Source: EEMUA 191, which asks for at
most ten alarms in ten minutes after an upset."""
RANK: dict[Severity, int] = {"alarm": 0, "action": 1, "information": 2, "compliant": 3}
WORSE = 1.1
"""A card says something new when a thing has become worse by so much."""
FLOOD = "many things at once"


@final
@dataclass(slots=True, eq=False)
class Episode:
    """One cause from begin to end."""

    id: str
    cause: str
    rule: str
    begun: datetime
    ended: datetime | None = None
    last: datetime | None = None
    """When something of it was last there."""
    members: dict[str, Condition] = field(default_factory=dict)
    """The worst of each, the leading one first."""
    severity: Severity = "information"
    acknowledged_by: str = ""
    shown: Card | None = None

    def take(self, condition: Condition) -> None:
        """A condition that is there now: kept where it is clearly worse than before."""
        before = self.members.get(condition.key)
        if before is None or condition.size > WORSE * before.size or RANK[condition.severity] < RANK[before.severity]:
            self.members[condition.key] = condition
        if RANK[condition.severity] < RANK[self.severity]:
            self.severity = condition.severity

    def card(self) -> Card:
        """As it stands."""
        lead = self.members.get(self.cause) or next(iter(self.members.values()))
        others = [member.text for member in self.members.values() if member is not lead]
        title = lead.title if self.cause != FLOOD else "Many things at once"
        text = lead.text
        if self.ended is not None:
            text = f"Well again since {self.ended:%H:%M:%S}. It was: {text}"
        return Card(
            id=self.id,
            severity=self.severity if self.ended is None else "compliant",
            title=title,
            text=text,
            cause=self.cause,
            begun=self.begun,
            ended=self.ended,
            cell=lead.cell,
            element=lead.element,
            children=some(others),
            acknowledged_by=self.acknowledged_by,
        )


@final
class CardRules:
    """Cards from frames, one after the other. Not safe for several threads at once.

    Args:
        scenario: The case.
        name: Of the strategy; part of the cards' ids, so that those of two differ.
        normal_level: Level of the ladder that is normal here and no reason for a card.
        stale_s: Age of a cell's values from which it counts as not answering [wall s].
        settle_s: How long a thing must have been well before its card ends [s of grid time].
        kept_h: How long cards that ended are kept [h of grid time].
    """

    def __init__(
        self,
        scenario: Scenario,
        name: str = "",
        *,
        normal_level: int = 0,
        stale_s: float = 3.0,
        settle_s: float = 30.0,
        kept_h: float = 24.0,
    ) -> None:
        self.signals = SignalsOf(scenario, normal_level, stale_s)
        self._rules = Rules(scenario)
        self._name, self._settle, self._kept = name, timedelta(seconds=settle_s), timedelta(hours=kept_h)
        self._episodes: list[Episode] = []
        self._open: list[Episode] = []

    def afresh(self) -> CardRules:
        """The same rules with nothing seen yet; much cheaper than making them anew."""
        other = object.__new__(CardRules)
        other.signals, other._rules, other._name = self.signals, self._rules, self._name
        other._settle, other._kept, other._episodes, other._open = self._settle, self._kept, [], []
        return other

    def see(self, time: datetime, values: NDArray[np.float32], facts: CardFacts | None = None) -> list[Card]:
        """A frame's numbers at a grid time, later than the one before; returns the cards that changed by it."""
        return self.step(time, self.signals.frame(values, facts or CardFacts()))

    def step(self, time: datetime, signals: Signals) -> list[Card]:
        """The same from signals that were found already."""
        changed = [self._take(time, condition) for condition in self._rules.conditions(signals)]
        for episode in self._open:
            if episode.last is not None and episode.last < time and time - episode.last >= self._settle:
                episode.ended = time
                changed.append(episode)
        self._open = [episode for episode in self._open if episode.ended is None]
        self._episodes = [e for e in self._episodes if e.ended is None or time - e.ended <= self._kept]
        return _news(dict.fromkeys(episode for episode in changed if episode is not None))

    def cards(self) -> list[Card]:
        """All that are open or ended not long ago, newest first."""
        return [episode.card() for episode in sorted(self._episodes, key=lambda e: e.begun, reverse=True)]

    def acknowledge(self, card: str, who: str) -> Card | None:
        """Somebody has seen it; None where there is no such card."""
        for episode in self._episodes:
            if episode.id == card:
                episode.acknowledged_by = who
                episode.shown = episode.card()
                return episode.shown
        return None

    def _take(self, time: datetime, condition: Condition) -> Episode | None:
        episode = self._of(condition)
        if episode is None:
            if not condition.beyond:
                return None
            episode = self._begin(time, condition)
        episode.last = time
        episode.take(condition)
        return episode

    def _of(self, condition: Condition) -> Episode | None:
        """The open card it belongs to: where it is already, else that of its cause."""
        cause = condition.cause or condition.key
        by_cause = next((e for e in self._open if e.cause == cause or cause in e.members), None)
        here = next((e for e in self._open if condition.key in e.members), None)
        return here if here is not None else by_cause if condition.beyond else None

    def _begin(self, time: datetime, condition: Condition) -> Episode:
        cause = condition.cause or condition.key
        if sum(time - episode.begun < IN for episode in self._episodes) >= MOST_NEW:
            alike = [e for e in self._open if e.rule == condition.rule and time - e.begun < IN]
            flood = alike or [e for e in self._open if e.cause == FLOOD]
            if flood:
                return flood[0]
            cause = FLOOD
        for episode in reversed(self._episodes):
            if episode.cause == cause and episode.ended is not None and time - episode.ended < IN:
                episode.ended = None
                self._open.append(episode)
                return episode
        told = f"{self._name}/{cause}/{time.isoformat()}"
        episode = Episode(hashlib.blake2s(told.encode(), digest_size=8).hexdigest(), cause, condition.rule, time)
        self._episodes.append(episode)
        self._open.append(episode)
        return episode


def _news(episodes: Iterable[Episode]) -> list[Card]:
    """Cards of those whose card is no longer what it was when it was last told."""
    out = []
    for episode in episodes:
        card = episode.card()
        if card != episode.shown:
            episode.shown = card
            out.append(card)
    return out
