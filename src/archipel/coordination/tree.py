"""Conversations along the tree of cells, without a clock or a socket.

What a cell does is written as a generator, its *program*, that yields three kinds of request:

    bodies = yield Gather()        wait for one message of every child
    body   = yield Ask(body)       send to the parent, wait for its answer
             yield Tell(bodies)    answer the children

      child                parent                 A conversation repeats what may have been lost and knows what it
        |-- ask 0 --------->|  Gather             has heard before, so messages may be late, doubled or reordered.
        |                   |-- ask 0 --> ...     A neighbour silent for `patience` ticks ends it: the outcome is
        |                   |<- tell 0 -- ...     `Silent` and the cell holds what it held before.
        |<-- tell 0 --------|  Tell
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, final

from archipel.coordination.message import Body, Message


@final
@dataclass(frozen=True, slots=True)
class Gather:
    """Wait for one message of every child; the answer is a list of bodies in the order of the children."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """Send to the parent and wait for its answer, a body."""

    body: Body


@final
@dataclass(frozen=True, slots=True, eq=False)
class Tell:
    """Answer the children, one body each, in their order."""

    bodies: list[Body]


@final
@dataclass(frozen=True, slots=True)
class Silent:
    """Outcome of a conversation that ended because a neighbour did not answer."""

    neighbour: str


Program = Generator[Gather | Ask | Tell, Any, Any]


@final
@dataclass(slots=True, eq=False)
class Conversation:
    """One cell's side of one conversation. `outcome` is what the program returned, or `Silent`; None while open."""

    plan: int
    cell: str
    parent: str
    children: tuple[str, ...]
    program: Program
    patience: int = 20
    """Ticks without progress after which a neighbour counts as silent."""
    outcome: Any = None
    asks: int = 0
    tells: int = 0
    sent_bytes: int = 0
    sent_messages: int = 0
    _waiting: Gather | Ask | None = None
    _mail: dict[tuple[str, int], Body] = field(default_factory=dict)
    _last: dict[str, Message] = field(default_factory=dict)
    _idle: int = 0

    def open(self) -> list[Message]:
        """Run until the program waits for the first time."""
        return self._run(None)

    def receive(self, inbox: list[Message]) -> list[Message]:
        """Take messages in any order; returns what to send."""
        out: list[Message] = []
        for message in inbox:
            if message.plan != self.plan or message.receiver != self.cell:
                continue
            expected = self.tells if message.up else self.asks - 1
            if message.number < expected:
                # the sender missed our last answer: say it again
                if (last := self._last.get(message.sender)) is not None and message.up:
                    out.append(last)
                continue
            self._mail[message.sender, message.number] = message.body
        return out + self._advance()

    def tick(self) -> list[Message]:
        """Time passed without news: repeat what may have been lost; give up after `patience` ticks."""
        if self.outcome is not None or self._waiting is None:
            return []
        self._idle += 1
        if self._idle > self.patience:
            missing = self.parent if isinstance(self._waiting, Ask) else self._missing()[0]
            self.close(Silent(missing))
            return []
        return [m for name, m in self._last.items() if (name == self.parent) == isinstance(self._waiting, Ask)]

    def close(self, outcome: Any) -> None:
        """End it from outside."""
        self.program.close()
        self.outcome, self._waiting = outcome, None

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Neighbours that have not answered; empty when it is not open."""
        if self._waiting is None:
            return ()
        return (self.parent,) if isinstance(self._waiting, Ask) else tuple(self._missing())

    def _missing(self) -> list[str]:
        return [child for child in self.children if (child, self.tells) not in self._mail]

    def _advance(self) -> list[Message]:
        out: list[Message] = []
        while self._waiting is not None:
            if isinstance(self._waiting, Ask):
                body = self._mail.pop((self.parent, self.asks - 1), None)
                if body is None:
                    break
                out += self._run(body)
            else:
                if self._missing():
                    break
                out += self._run([self._mail.pop((child, self.tells)) for child in self.children])
        return out

    def _run(self, value: Any) -> list[Message]:
        """Let the program go on until it waits or ends."""
        out: list[Message] = []
        self._idle, self._waiting = 0, None
        try:
            while True:
                request = self.program.send(value)
                value = None
                if isinstance(request, Tell):
                    out += [self._send(c, b, up=False) for c, b in zip(self.children, request.bodies, strict=True)]
                    self.tells += 1
                    continue
                if isinstance(request, Ask):
                    out.append(self._send(self.parent, request.body, up=True))
                    self.asks += 1
                elif not self.children:
                    value = []
                    continue
                self._waiting = request
                return out
        except StopIteration as stop:
            self.outcome = stop.value
        return out

    def _send(self, to: str, body: Body, *, up: bool) -> Message:
        message = Message(self.plan, self.asks if up else self.tells, up, self.cell, to, body)
        self._last[to] = message
        self.sent_bytes += message.size
        self.sent_messages += 1
        return message
