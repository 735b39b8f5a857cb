"""A tiny way of agreeing: the tree adds up its numbers, three times, and everybody learns the sum."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from archipel.coordination.message import Message
from archipel.coordination.tree import Ask, Conversation, Gather, Program, Tell

PARENTS = {"root": "", "a": "root", "b": "root", "a1": "a", "a2": "a"}


def adding(own: float, *, root: bool, children: int) -> Generator[Any, Any, list[float]]:
    seen = []
    for turn in range(3):
        heard = yield Gather()
        total = own * (turn + 1) + sum(float(body["sum"]) for body in heard)
        if not root:
            told = yield Ask({"sum": np.array(total)})
            total = float(told["sum"])
        seen.append(total)
        yield Tell([{"sum": np.array(total)}] * children)
    return seen


def conversations(plan: int = 1, patience: int = 20, *, anew: bool = False) -> dict[str, Conversation]:
    """With `anew` they begin anew without children that fall silent."""
    out = {}
    for i, (name, parent) in enumerate(PARENTS.items()):
        kids = tuple(k for k, p in PARENTS.items() if p == name)

        def program(children: tuple[str, ...], own: float = 10.0**i, root: bool = not parent) -> Program:
            return adding(own, root=root, children=len(children))

        out[name] = Conversation(plan, name, parent, kids, program(kids), patience, program if anew else None)
    return out


def deliver(cells: dict[str, Conversation], queue: list[Message], deaf: tuple[str, ...] = ()) -> None:
    """Carry messages until none is left; those to or from `deaf` cells are lost."""
    while queue:
        message = queue.pop(0)
        if message.receiver not in deaf and message.sender not in deaf:
            queue += cells[message.receiver].receive([message])
