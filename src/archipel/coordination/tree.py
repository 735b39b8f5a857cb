"""Conversations along the tree of cells, without a clock or a socket.

What a cell does is written as a generator, its *program*, that yields four kinds of request:

    bodies = yield Gather()        wait for one message of every child
    body   = yield Ask(body)       send to the parent, wait for its answer
             yield Tell(bodies)    answer the children
    heard  = yield Swap(up, down)  say something to all neighbours; go on when all said something new, or at a tick

      child                parent                 Who waits asks at a tick for what it misses, and who has said that
        |-- ask 0 --------->|  Gather             says it again (see `coordination.links`). Every cell knows what it
        |                   |-- ask 0 --> ...     has heard before, so messages may be late, doubled or reordered.
        |                   |<- tell 0 -- ...
        |<-- tell 0 --------|  Tell
        |<-- swap 7 --------|  Swap               What is swapped is loose: of every neighbour only the newest counts,
        |--- swap 7 ------->|                     and a lost one is not missed once a newer one has come.

A neighbour that gives no sign of life for `patience` ticks has fallen silent. A child is then left out: its parent
begins anew without it and says so, and all who hear that begin anew too, each with a new program, once for all who are
silent by then. A cell whose parent is silent ends with `Silent`, and holds what it held before; so do the cells below.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, final

from archipel.coordination.links import Link
from archipel.coordination.message import Body, Kind, Message


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

    bodies: Sequence[Body]


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


@final
@dataclass(frozen=True, slots=True)
class Pace:
    """How it has gone since it (last) began; as a request it is answered at once."""

    waits: int = 0
    """How often the cell had to wait for others."""
    ticks: int = 0
    """Ticks that passed meanwhile; without loss and with quick neighbours there are none."""
    attempt: int = 0
    """How often it began anew."""


Request = Gather | Ask | Tell | Swap | Pace
Program = Generator[Request, Any, Any]
MakeProgram = Callable[[tuple[str, ...]], Program]
"""Makes a cell's program for the children that are left."""
MOST_ATTEMPTS = 8
"""Times a conversation may begin; who would have to once more ends it."""
SLOW = 10
"""Times its patience that a cell waits for one message of a neighbour that does give signs of life."""


@final
@dataclass(slots=True, eq=False)
class Conversation:
    """One cell's side of one conversation. `outcome` is what the program returned, or `Silent`; None while open."""

    plan: int
    cell: str
    parent: str
    children: tuple[str, ...]
    """Those that take part; who falls silent is taken out."""
    program: Program
    patience: int = 20
    """Ticks without a sign of life after which a neighbour counts as silent."""
    again: MakeProgram | None = None
    """The program to begin anew with; None: a silent child ends the conversation, too."""
    outcome: Any = None
    attempt: int = 0
    """How often it began anew."""
    asks: int = 0
    tells: int = 0
    swaps: int = 0
    sent_bytes: int = 0
    sent_messages: int = 0
    _waiting: Gather | Ask | Swap | None = None
    _links: dict[str, Link] = field(init=False)
    """By neighbour, the parent first."""
    _gone: set[str] = field(default_factory=set)
    """Children left out."""
    _said: list[Message] = field(default_factory=list)
    """What was swapped last."""
    _waited: int = 0
    """Ticks since it began to wait."""
    waits: int = 0
    """How often it had to wait; while this stays the same there was no progress."""
    _ticks: int = 0
    """Ticks since it (last) began."""
    _waits_before: int = 0
    """How often it had waited by then."""

    def __post_init__(self) -> None:
        names = (self.parent, *self.children) if self.parent else self.children
        self._links = {name: Link(name) for name in names}

    def open(self) -> list[Message]:
        """Run until the program waits for the first time."""
        return self._count(self._run(None))

    def receive(self, inbox: list[Message]) -> list[Message]:
        """Take messages in any order; returns what to send."""
        out: list[Message] = []
        for message in inbox:
            if message.plan == self.plan and message.receiver == self.cell:
                out += self._hear(message)
        return self._count(out + self._advance())

    def tick(self) -> list[Message]:
        """Time passes without progress: ask for what is missed; go on without who is silent, or end.

        Who calls it waits for longer, since `waits` last grew, than an answer takes when all is well.
        """
        if self.outcome is not None or self._waiting is None:
            return []
        self._ticks += 1
        if isinstance(self._waiting, Swap):
            return self._count(self._run(self._take()) + self._advance())
        self._waited += 1
        missing = [self._links[name] for name in self.waits_for]
        for link in missing:
            link.tick()
        late = self._waited > SLOW * self.patience
        if silent := [link.name for link in missing if late or link.idle > self.patience]:
            return self._count(self._without(silent))
        return self._count([m for link in missing for m in link.ask_for(self._header(link.name, self._wanted))])

    def close(self, outcome: Any) -> None:
        """End it from outside."""
        self.program.close()
        self.outcome, self._waiting = outcome, None

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Neighbours that have not answered; empty when it is not open."""
        if self._waiting is None:
            return ()
        if isinstance(self._waiting, Ask):
            return () if self._wanted in self._links[self.parent].mail else (self.parent,)
        if isinstance(self._waiting, Swap):
            # one that asks, or waits for us to ask, swaps no more
            links = self._links.values()
            return tuple(link.name for link in links if link.fresh is None and not (link.ahead or link.mail))
        return tuple(child for child in self.children if self.tells not in self._links[child].mail)

    # ---------------------------------------------------------------- hearing

    @property
    def _wanted(self) -> int:
        """Number of the message that is waited for."""
        return self.asks - 1 if isinstance(self._waiting, Ask) else self.tells

    def _hear(self, message: Message) -> list[Message]:
        link, spoken = self._links.get(message.sender), message.kind in {Kind.SAY, Kind.SWAP, Kind.WAIT}
        if link is None:
            left_out = spoken and message.sender in self._gone
            return [self._note(message.sender, Kind.OVER, message.attempt)] if left_out else []
        if self.outcome is not None:
            return self._hear_ended(link, message) if spoken else []
        if message.attempt < self.attempt:
            return [self._note(link.name, Kind.AGAIN)] if spoken else []
        link.idle = 0
        if message.kind is Kind.OVER:
            return self._without([link.name])
        out = self._begin_anew(message.attempt, link.name) if message.attempt > self.attempt else []
        if self.outcome is not None:
            return out
        if message.kind is Kind.WAIT:
            return out + self._answer(link, message)
        if message.kind in {Kind.SAY, Kind.SWAP}:
            link.hear(message)
        return out

    def _hear_ended(self, link: Link, message: Message) -> list[Message]:
        """What a cell that has ended says: what was lost once more, or that it has ended."""
        if message.attempt == self.attempt:
            if message.kind is not Kind.WAIT:
                return []
            if (again := link.missed(message)) is not None:
                return again
        return [self._note(link.name, Kind.OVER, message.attempt)]

    def _answer(self, link: Link, wait: Message) -> list[Message]:
        """Say again what was lost, or what is missed here of the same neighbour, or give a sign of life."""
        again = link.missed(wait)
        if again is not None:
            return again
        link.ahead = True
        asks_back = not isinstance(self._waiting, Swap) and link.name in self.waits_for
        if asks_back and link.may_answer():
            return link.ask_for(self._header(link.name, self._wanted))
        return [self._note(link.name, Kind.BUSY)]

    # ---------------------------------------------------------------- silence

    def _without(self, silent: list[str]) -> list[Message]:
        """Go on without these neighbours, or end."""
        self._gone.update(name for name in silent if name != self.parent)
        if self.parent in silent or self.again is None or self.attempt + 1 >= MOST_ATTEMPTS:
            self.close(Silent(self.parent if self.parent in silent else silent[0]))
            return [self._note(name, Kind.OVER) for name in self._links if name not in silent]
        self.children = tuple(name for name in self.children if name not in silent)
        self._links = {name: link for name, link in self._links.items() if name not in silent}
        return self._begin_anew(self.attempt + 1, "")

    def _begin_anew(self, attempt: int, told_by: str) -> list[Message]:
        """Begin once more with a new program, and say so to all other neighbours."""
        if self.again is None or attempt >= MOST_ATTEMPTS:
            self.close(Silent(told_by))
            return [self._note(name, Kind.OVER) for name in self._links]
        self.program.close()
        self._ticks, self._waits_before = 0, self.waits
        self.attempt, self.asks, self.tells, self.swaps, self._said = attempt, 0, 0, 0, []
        for link in self._links.values():
            link.begin_anew()
        self.program = self.again(self.children)
        told = [self._note(name, Kind.AGAIN) for name in self._links if name != told_by]
        return told + self._run(None) + self._advance()

    # ---------------------------------------------------------------- the program

    def _take(self) -> list[Body | None]:
        """What neighbours have swapped since it was last taken."""
        fresh = [link.fresh for link in self._links.values()]
        self._forget_swaps()
        return fresh

    def _forget_swaps(self) -> None:
        for link in self._links.values():
            link.fresh = None

    def _advance(self) -> list[Message]:
        """Let the program go on for as long as nothing is missed."""
        out: list[Message] = []
        while self._waiting is not None and not self.waits_for:
            if isinstance(self._waiting, Ask):
                out += self._run(self._links[self.parent].take(self._wanted))
            elif isinstance(self._waiting, Swap):
                out += self._run(self._take())
            else:
                out += self._run([self._links[child].take(self.tells) for child in self.children])
        return out

    def _run(self, value: Any) -> list[Message]:
        """Let the program go on until it waits or ends."""
        out: list[Message] = []
        self._waiting, self._waited = None, 0
        for link in self._links.values():
            link.idle = 0
        try:
            while True:
                request = self.program.send(value)
                value = None
                if isinstance(request, Pace):
                    value = Pace(self.waits - self._waits_before, self._ticks, self.attempt)
                    continue
                if isinstance(request, Tell):
                    for child, body in zip(self.children, request.bodies, strict=True):
                        out += self._links[child].say(self._header(child, self.tells, body))
                    self.tells += 1
                    continue
                if isinstance(request, Swap):
                    out += self._swap(request)
                else:
                    # what was swapped before a question is older than its answer
                    self._said = []
                    self._forget_swaps()
                    if isinstance(request, Ask):
                        out += self._links[self.parent].say(self._header(self.parent, self.asks, request.body))
                        self.asks += 1
                    elif not self.children:
                        value = []
                        continue
                self._waiting = request
                self.waits += 1
                return out
        except StopIteration as stop:
            self.outcome = stop.value
        return out

    def _swap(self, request: Swap) -> list[Message]:
        if request.bodies is not None:
            pairs = zip(self._links, request.bodies, strict=True)
            self._said = [replace(self._header(name, self.swaps, body), kind=Kind.SWAP) for name, body in pairs]
            self.swaps += 1
        return self._said

    # ---------------------------------------------------------------- saying

    def _header(self, to: str, number: int, body: Body = MappingProxyType({})) -> Message:
        return Message(self.plan, number, to == self.parent, self.cell, to, body, attempt=self.attempt)

    def _note(self, to: str, kind: Kind, attempt: int | None = None) -> Message:
        """A message that is a header only; `attempt` where it is not the own one."""
        message = replace(self._header(to, 0), kind=kind)
        return message if attempt is None else replace(message, attempt=attempt)

    def _count(self, out: list[Message]) -> list[Message]:
        self.sent_bytes += sum(message.size for message in out)
        self.sent_messages += len(out)
        return out
