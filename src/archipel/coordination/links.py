"""What one cell keeps about one neighbour during a conversation: what was said, what was heard, how the link is.

Repair is asked for by who waits, so that silence, slowness and loss are three different things:

      who waits            the other
        |---- wait 4 -------->|   said before: it was lost, and is said again, `REPEATS` copies at once
        |<--- 4, 4, 4 --------|
        |---- wait 5 -------->|   not said yet: a sign of life
        |<--- busy -----------|
        |---- wait 5 ---> x       no answer again and again: the other has fallen silent

Over a link that was seen to lose something, what is said goes out in `COPIES`: with a fifth of all messages lost, one
in twenty-five needs a time-out instead of one in five. After a `STRETCH` without loss single messages do again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

from archipel.coordination.message import Body, Kind, Message

COPIES = 2
"""Copies at once of what is said over a link that has seen loss."""
REPEATS = 3
"""Copies at once of what was lost."""
STRETCH = 30
"""Asks and tells without loss after which a link counts as good again."""
MOST_SLOW = 3
"""Most ticks that are waited before a neighbour is asked, once answers were seen to be late and not lost."""


@final
@dataclass(slots=True, eq=False)
class Link:
    """One neighbour, as one cell sees it."""

    name: str
    mail: dict[int, Body] = field(default_factory=dict)
    """Asks or tells heard and not taken yet, by number."""
    fresh: Body | None = None
    """What was swapped last, until the program takes it."""
    idle: int = 0
    """Ticks of waiting for it without any sign of life."""
    ahead: bool = False
    """It waits for an ask or a tell, so it swaps no more."""
    _taken: int = -1
    """Number of the newest ask or tell taken."""
    _newest: int = -1
    """Number of the newest swap heard."""
    _last: Message | None = None
    """What was said last."""
    _waits: int = 0
    _waits_heard: int = 0
    _answered: bool = False
    """Whether a question of its was answered with a question since the last tick."""
    _rough: int = 0
    """Messages still to be said in copies."""
    _slow: int = 0
    """Ticks that an answer of it may take when all is well."""
    _in_vain: int = -1
    """Number of the newest ask or tell that came because it was asked for."""

    def begin_anew(self) -> None:
        """Forget what was said and heard; what is known of the link stays."""
        self.mail, self.fresh, self._taken, self._newest, self._last = {}, None, -1, -1, None
        self.ahead, self.idle, self._answered, self._waits, self._waits_heard = False, 0, False, 0, 0
        self._in_vain = -1

    def say(self, message: Message) -> list[Message]:
        """Say an ask or a tell for the first time."""
        self._last, self.ahead = message, False
        if not self._rough:
            return [message]
        self._rough -= 1
        return [message] * COPIES

    def ask_for(self, header: Message) -> list[Message]:
        """Say that its message `header.number` is waited for; nothing while it may still come by itself."""
        if 0 < self.idle <= self._slow:
            return []
        self._waits += 1
        waits = replace(header, kind=Kind.WAIT, count=self._waits)
        return [waits] * (COPIES if self._rough else 1)

    def missed(self, wait: Message) -> list[Message] | None:
        """What it waits for, once more; none when it has been answered; None when it has not been said."""
        if wait.count <= self._waits_heard:
            return []
        self._waits_heard = wait.count
        if self._last is None or self._last.number < wait.number:
            return None
        if self._last.number > wait.number:
            return []
        self._rough = STRETCH
        self._last = replace(self._last, count=self._last.count + 1)
        return [self._last] * REPEATS

    def hear(self, message: Message) -> None:
        """Keep an ask, a tell or a swap; what was taken before is left alone."""
        if message.kind is Kind.SWAP:
            if message.number > self._newest:
                self._newest, self.fresh = message.number, message.body
        elif message.number > self._taken and message.number not in self.mail:
            self.mail[message.number] = message.body
            if message.count:
                self._rough, self._in_vain = STRETCH, message.number
        elif message.number == self._in_vain and not message.count:
            # what was asked for again had only been late
            self._slow, self._in_vain = min(self._slow + 1, MOST_SLOW), -1

    def take(self, number: int) -> Body:
        """The ask or tell of that number."""
        self._taken = number
        return self.mail.pop(number)

    def tick(self) -> None:
        """Time passes while it is waited for."""
        self.idle += 1
        self._answered = False

    def may_answer(self) -> bool:
        """Whether a question may be answered with a question; once between two ticks, or two cells could go on."""
        may, self._answered = not self._answered, True
        return may
