"""Swaps: only the newest counts, nobody waits for what is lost, and questions still come through."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import PARENTS

from archipel.coordination.message import Kind, Message
from archipel.coordination.tree import Ask, Conversation, Gather, Swap, Tell

TURNS = 40


def averaging(
    own: float, neighbours: int, children: int, *, root: bool
) -> Generator[Any, Any, tuple[float, list[Any]]]:
    """Moves towards what neighbours say; then all tell the root."""
    value, heard = own, []
    for _ in range(TURNS):
        news = yield Swap([{"value": np.array(value)}] * neighbours)
        heard.append([None if body is None else float(body["value"]) for body in news])
        known = [x for x in heard[-1] if x is not None]
        value += sum(0.2 * (x - value) for x in known)
    yield Gather()
    if not root:
        yield Ask({})
    yield Tell([{}] * children)
    return value, heard


def conversations() -> dict[str, Conversation]:
    out = {}
    for i, (name, parent) in enumerate(PARENTS.items()):
        kids = tuple(k for k, p in PARENTS.items() if p == name)
        program = averaging(float(i), len(kids) + bool(parent), len(kids), root=not parent)
        out[name] = Conversation(1, name, parent, kids, program, patience=200)
    return out


def carry(cells: dict[str, Conversation], seed: int, lose: float, double: float) -> None:
    rng = np.random.default_rng(seed)
    post = [m for c in cells.values() for m in c.open()]
    for _ in range(20_000):
        if all(c.outcome is not None for c in cells.values()):
            return
        if not post:
            post = [m for c in cells.values() for m in c.tick()]
            continue
        message = Message.from_bytes(post.pop(int(rng.integers(len(post)))).to_bytes())
        if rng.random() < lose:
            continue
        if rng.random() < double:
            post.append(message)
        post += cells[message.receiver].receive([message])
    raise AssertionError("it never ended")


def test_without_loss_everybody_hears_everybody_in_every_turn() -> None:
    cells = conversations()
    post = [m for c in cells.values() for m in c.open()]
    while post:
        message = post.pop(0)
        post += cells[message.receiver].receive([message])
    for cell in cells.values():
        assert all(None not in heard for heard in cell.outcome[1])
    values = [cell.outcome[0] for cell in cells.values()]
    assert max(values) - min(values) < 0.1


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), lose=st.floats(0.0, 0.4), double=st.floats(0.0, 0.5))
def test_loss_doubles_and_disorder_end_in_as_many_turns_and_near_the_same(
    seed: int, lose: float, double: float
) -> None:
    cells = conversations()
    carry(cells, seed, lose, double)
    values = [cell.outcome[0] for cell in cells.values()]
    assert all(len(cell.outcome[1]) == TURNS for cell in cells.values())
    assert 0.0 <= min(values) <= max(values) <= 4.0


def test_of_two_words_the_newer_counts_whichever_comes_first() -> None:
    cell = conversations()["b"]
    cell.open()

    def word(number: int, value: float) -> Message:
        return Message(1, number, False, "root", "b", {"value": np.array(value)}, kind=Kind.SWAP)

    cell.receive([word(5, 50.0)])
    assert cell.receive([word(4, 40.0), word(5, 50.0)]) == []
    assert cell.receive([word(6, 60.0)]) != []


def test_a_stranger_is_not_heard() -> None:
    cell = conversations()["b"]
    cell.open()
    assert cell.receive([Message(1, 0, False, "a", "b", {"value": np.array(9.0)}, kind=Kind.SWAP)]) == []
    assert cell.waits_for == ("root",)
