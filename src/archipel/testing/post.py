"""Carries messages between the cells of a tree, as bytes, as well or as badly as wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

from archipel.coordination.message import Kind, Message
from archipel.coordination.tree import Conversation, Program
from archipel.testing.device import PromiseBroken
from archipel.testing.trees import Tree, without

Look = frozenset[tuple[str, tuple[int, ...]]]
"""Names and shapes of the arrays in a message."""
MakeAll = Callable[[Tree], Sequence[Program]]
"""One program per cell of a tree, the root's first."""
TICKS = 500
"""Ticks without end after which a conversation counts as hanging."""
TALK = 3000
"""Messages per cell after which it counts as endless."""


@final
class Post:
    """Carries messages as bytes between the cells of a tree; a seed makes it unreliable."""

    def __init__(
        self,
        tree: Tree,
        programs: Sequence[Program],
        *,
        seed: int | None = None,
        lose: float = 0.0,
        double: float = 0.0,
        late: float = 0.0,
        silent: tuple[int, int] | None = None,
        make: MakeAll | None = None,
    ) -> None:
        """With `seed`, messages arrive in any order, and are lost, doubled or late with these probabilities: late ones
        come after time has passed. `silent` is a cell and after how many of its own messages it is heard no more, nor
        hears. With `make` cells begin anew without silent children, whose powers are then `HELD`."""
        names = cell_names(tree)
        self.cells = {
            names[i]: Conversation(
                plan=1,
                cell=names[i],
                parent=names[tree.parents[i]] if i else "",
                children=tuple(names[j] for j in tree.children(i)),
                program=program,
                again=None if make is None else _again(tree, i, make),
            )
            for i, program in enumerate(programs)
        }
        self._rng = None if seed is None else np.random.default_rng(seed)
        self._lose, self._double, self._late = lose, double, late
        self._mute, self._words = ("", 0) if silent is None else (names[silent[0]], silent[1])
        self.carried = self.bytes = 0
        self.shapes: set[tuple[str, bool, str, tuple[int, ...]]] = set()
        """Of every array that was sent: by whom, whether upwards, its name and shape."""
        self.replies: dict[tuple[str, Look], set[Look]] = {}
        """What messages upwards looked like: by whom, and what it had last been told by its parent."""
        self._told: dict[str, Look] = {}

    def run(self) -> list[Any]:
        """Carry on until nobody waits, ticking when nothing moves; outcomes in the order of the cells.

        Raises PromiseBroken when the conversation never ends.
        """
        queue = self._sent([m for cell in self.cells.values() for m in cell.open()])
        ticks = 0
        waiting: list[bytes] = []
        while any(cell.outcome is None for cell in self.cells.values()):
            if not queue:
                ticks += 1
                if ticks > TICKS:
                    raise PromiseBroken(f"broken promise: a conversation ends; after {TICKS} ticks one had not")
                queue = waiting + self._sent([m for cell in self.cells.values() for m in cell.tick()])
                waiting = []
                continue
            at = 0 if self._rng is None else int(self._rng.integers(len(queue)))
            parcel = queue.pop(at)
            if self._rng is not None and self._rng.random() < self._late:
                waiting.append(parcel)
                continue
            message = Message.from_bytes(parcel)
            self.carried += 1
            if message.kind is Kind.SAY and not message.up:
                self._told[message.receiver] = _look(message)
            if self.carried > TALK * len(self.cells):
                raise PromiseBroken(f"broken promise: a conversation ends; after {self.carried} messages one had not")
            queue += self._sent(self.cells[message.receiver].receive([message]))
        return [cell.outcome for cell in self.cells.values()]

    def _sent(self, messages: list[Message]) -> list[bytes]:
        out = []
        for message in messages:
            self.shapes |= {(message.sender, message.up, name, np.shape(v)) for name, v in message.body.items()}
            self.bytes += message.size
            if message.up and message.body:
                asked = message.sender, self._told.get(message.sender, frozenset())
                self.replies.setdefault(asked, set()).add(_look(message))
            if self._mute in {message.sender, message.receiver}:
                self._words -= message.sender == self._mute
                if self._words < 0:
                    continue
            if self._rng is not None and self._rng.random() < self._lose:
                continue
            copies = 2 if self._rng is not None and self._rng.random() < self._double else 1
            out += [message.to_bytes()] * copies
        return out


def _look(message: Message) -> Look:
    return frozenset((name, np.shape(value)) for name, value in message.body.items())


def cell_names(tree: Tree) -> list[str]:
    """Names of the cells in conversations."""
    return [f"cell {i}" for i in range(len(tree.blocks))]


def _again(tree: Tree, cell: int, make: MakeAll) -> Callable[[tuple[str, ...]], Program]:
    """What a cell begins anew with when only some of its children are left."""
    names = cell_names(tree)

    def program(left: tuple[str, ...]) -> Program:
        gone = [child for child in tree.children(cell) if names[child] not in left]
        rest, kept = without(tree, gone)
        return make(rest)[kept.index(cell)]

    return program
