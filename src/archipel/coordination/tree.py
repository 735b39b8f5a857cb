"""Conversations along the tree of cells, without a clock or a socket.

What a cell does is written as a generator, its *program*, that yields four kinds of request:

    bodies = yield Gather()        wait for one message of every child
    body   = yield Ask(body)       send to the parent, wait for its answer
             yield Tell(bodies)    answer the children
    heard  = yield Swap(up, down)  say something to all neighbours; go on when all said something new, or at a tick

      child                parent                 A conversation repeats what may have been lost and knows what it
        |-- ask 0 --------->|  Gather             has heard before, so messages may be late, doubled or reordered.
        |                   |-- ask 0 --> ...     A neighbour silent for `patience` ticks ends it: the outcome is
        |                   |<- tell 0 -- ...     `Silent` and the cell holds what it held before.
        |<-- tell 0 --------|  Tell
        |<-- swap 7 --------|  Swap               What is swapped is loose: of every neighbour only the newest counts,
        |--- swap 7 ------->|                     and a lost one is not missed once a newer one has come.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from archipel.coordination.message import Body, Message


@final
@dataclass(frozen=True, slots=True)
class Gather:
    """Wait for one message of every child; the answer is a list of bodies in the order of the children.

    With `without_silent` a child silent for `patience` ticks is left out from then on: its body is None.
    """

    without_silent: bool = False


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """Send to the parent and wait for its answer, a body."""

    body: Body


@final
@dataclass(frozen=True, slots=True, eq=False)
class Tell:
    """Answer the children, one body each, in their order; nothing to those with None."""

    bodies: Sequence[Body | None]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Swap:
    """Say one body to the parent (None at the root) and one to every child; None for all: say the last again.

    The answer is a list of what is new, the parent's word first (where there is one), then the children's: a body or
    None. It comes when all have said something new, or at the next tick with what there is.
    """

    bodies: list[Body] | None


@final
@dataclass(frozen=True, slots=True)
class Silent:
    """Outcome of a conversation that ended because a neighbour did not answer."""

    neighbour: str


Program = Generator[Gather | Ask | Tell | Swap, Any, Any]


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
    swaps: int = 0
    sent_bytes: int = 0
    sent_messages: int = 0
    _waiting: Gather | Ask | Swap | None = None
    _mail: dict[tuple[str, int], Body] = field(default_factory=dict)
    _last: dict[str, Message] = field(default_factory=dict)
    _idle: int = 0
    _said: list[Message] = field(default_factory=list)
    """What was swapped last."""
    _newest: dict[str, int] = field(default_factory=dict)
    """Number of the newest swap heard, by neighbour."""
    _fresh: dict[str, Body] = field(default_factory=dict)
    """Its body, until the program takes it."""
    _quiet: set[str] = field(default_factory=set)
    """Children left out."""

    def open(self) -> list[Message]:
        """Run until the program waits for the first time."""
        return self._run(None)

    def receive(self, inbox: list[Message]) -> list[Message]:
        """Take messages in any order; returns what to send."""
        out: list[Message] = []
        for message in inbox:
            if message.plan != self.plan or message.receiver != self.cell:
                continue
            if message.loose:
                if message.number > self._newest.get(message.sender, -1) and message.sender in self._neighbours():
                    self._newest[message.sender] = message.number
                    self._fresh[message.sender] = message.body
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
        if isinstance(self._waiting, Swap):
            return self._run(self._take()) + self._advance()
        self._idle += 1
        if self._idle > self.patience:
            if isinstance(self._waiting, Gather) and self._waiting.without_silent:
                self._quiet.update(self._missing())
                return self._advance()
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
        if isinstance(self._waiting, Swap):
            return tuple(name for name in self._neighbours() if name not in self._fresh)
        return (self.parent,) if isinstance(self._waiting, Ask) else tuple(self._missing())

    def _neighbours(self) -> tuple[str, ...]:
        return (self.parent, *self.children) if self.parent else self.children

    def _missing(self) -> list[str]:
        """Children to wait for."""
        return [child for child in self.children if child not in self._quiet and (child, self.tells) not in self._mail]

    def _take(self) -> list[Body | None]:
        """What neighbours have swapped since it was last taken."""
        fresh, self._fresh = self._fresh, {}
        return [fresh.get(name) for name in self._neighbours()]

    def _advance(self) -> list[Message]:
        out: list[Message] = []
        while self._waiting is not None:
            if isinstance(self._waiting, Ask):
                body = self._mail.pop((self.parent, self.asks - 1), None)
                if body is None:
                    break
                out += self._run(body)
            elif isinstance(self._waiting, Swap):
                if any(name not in self._fresh and name not in self._quiet for name in self._neighbours()):
                    break
                out += self._run(self._take())
            else:
                if self._missing():
                    break
                out += self._run([self._mail.pop((child, self.tells), None) for child in self.children])
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
                    bodies = zip(self.children, request.bodies, strict=True)
                    out += [self._send(child, body, up=False) for child, body in bodies if body is not None]
                    self.tells += 1
                    continue
                if isinstance(request, Swap):
                    out += self._swap(request)
                    self._waiting = request
                    return out
                # what was swapped before a question is older than its answer
                self._said, self._fresh = [], {}
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

    def _swap(self, request: Swap) -> list[Message]:
        if request.bodies is not None:
            pairs = zip(self._neighbours(), request.bodies, strict=True)
            self._said = [
                Message(self.plan, self.swaps, name == self.parent, self.cell, name, body, loose=True)
                for name, body in pairs
            ]
            self.swaps += 1
        self.sent_bytes += sum(message.size for message in self._said)
        self.sent_messages += len(self._said)
        return self._said

    def _send(self, to: str, body: Body, *, up: bool) -> Message:
        message = Message(self.plan, self.asks if up else self.tells, up, self.cell, to, body)
        self._last[to] = message
        self.sent_bytes += message.size
        self.sent_messages += 1
        return message
