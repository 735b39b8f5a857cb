from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import PARENTS, conversations, deliver

from archipel.coordination.message import Kind, Message
from archipel.coordination.tree import Silent

SUM = [11111.0, 22222.0, 33333.0]


def test_a_conversation_ends_with_what_its_program_returned() -> None:
    cells = conversations()
    deliver(cells, [m for c in cells.values() for m in c.open()])
    assert {name: c.outcome for name, c in cells.items()} == dict.fromkeys(PARENTS, SUM)
    assert [c.sent_messages for c in cells.values()] == [6, 9, 3, 3, 3]
    assert cells["b"].sent_bytes == 24


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), lose=st.floats(0.0, 0.4), double=st.floats(0.0, 0.5))
def test_late_lost_doubled_and_reordered_messages_change_nothing(seed: int, lose: float, double: float) -> None:
    rng = np.random.default_rng(seed)
    cells = conversations(patience=1000)
    post = [m for c in cells.values() for m in c.open()]
    for _ in range(10_000):
        if all(c.outcome is not None for c in cells.values()):
            break
        if not post or rng.random() < 0.05:
            post += [m for c in cells.values() for m in c.tick()]
            continue
        message = post.pop(int(rng.integers(len(post))))
        if rng.random() < lose:
            continue
        if rng.random() < double:
            post.append(message)
        post += cells[message.receiver].receive([message])
    assert {name: c.outcome for name, c in cells.items()} == dict.fromkeys(PARENTS, SUM)


def test_messages_of_another_plan_or_for_another_cell_are_left_alone() -> None:
    cells, others = conversations(plan=1), conversations(plan=2)
    queue = [m for c in cells.values() for m in c.open()]
    foreign = [m for c in others.values() for m in c.open()]
    assert foreign
    for message in foreign:
        assert cells[message.receiver].receive([message]) == []
        assert cells["b" if message.receiver == "a" else "a"].receive([message]) == []
    deliver(cells, queue)
    assert cells["root"].outcome == SUM


def test_who_waits_for_a_lost_ask_asks_for_it_on_the_next_tick_and_hears_it() -> None:
    cells = conversations()
    lost = [m for c in cells.values() for m in c.open()]
    assert {m.sender for m in lost} == {"b", "a1", "a2"}
    waits = [m for c in cells.values() for m in c.tick()]
    assert {m.kind for m in waits} == {Kind.WAIT}
    assert sum(m.size for m in waits) == 0
    deliver(cells, waits)
    assert cells["root"].outcome == SUM


def test_a_lost_last_answer_is_said_again_by_a_cell_that_is_done() -> None:
    cells = conversations()
    queue = [m for c in cells.values() for m in c.open()]
    while queue:
        message = queue.pop(0)
        if message.receiver == "b" and message.number == 2:
            continue
        queue += cells[message.receiver].receive([message])
    assert cells["root"].outcome == SUM
    assert cells["b"].outcome is None
    deliver(cells, cells["b"].tick())
    assert cells["b"].outcome == SUM


@pytest.mark.parametrize("deaf", ["root", "a", "b", "a2"])
def test_a_silent_neighbour_ends_it_for_everybody_within_the_patience(deaf: str) -> None:
    cells = conversations(patience=20)
    queue = [m for c in cells.values() for m in c.open()]
    for ticks in range(22):
        deliver(cells, queue, deaf=(deaf,))
        queue = [m for name, c in cells.items() if name != deaf for m in c.tick()]
        if ticks < 20:
            assert any(c.outcome is None for name, c in cells.items() if name != deaf)
    for name, cell in cells.items():
        if name != deaf:
            assert isinstance(cell.outcome, Silent)
            assert cell.outcome.neighbour in {PARENTS[name], *(k for k, p in PARENTS.items() if p == name)}
            assert cell.tick() == []
    beside = [name for name, parent in PARENTS.items() if parent == deaf or name == PARENTS[deaf]]
    assert all(cells[name].outcome == Silent(deaf) for name in beside)


def test_a_cell_falling_silent_half_way_ends_it_too_for_those_that_cannot_begin_anew() -> None:
    cells = conversations(patience=5)
    queue = [m for c in cells.values() for m in c.open()]
    said_by_b = 0
    for _ in range(40):
        while queue:
            message = queue.pop(0)
            said_by_b += message.sender == "b"
            if "b" in {message.sender, message.receiver} and said_by_b >= 2:
                continue
            queue += cells[message.receiver].receive([message])
        queue = [m for c in cells.values() for m in c.tick()]
    assert cells["root"].outcome == Silent("b")
    assert all(isinstance(c.outcome, Silent) for c in cells.values())


def test_a_closed_conversation_stays_closed_whatever_arrives_later() -> None:
    cells = conversations()
    queue = [m for c in cells.values() for m in c.open()]
    cells["root"].close(Silent("b"))
    deliver(cells, queue)
    assert cells["root"].outcome == Silent("b")
    assert cells["root"].tick() == []


def test_progress_makes_patience_start_anew() -> None:
    cells = conversations(patience=5)  # a turn takes four hops, the whole of it twelve
    queue = [m for c in cells.values() for m in c.open()]
    for _ in range(40):
        still: list[Message] = []
        for message in queue:  # one hop for every tick
            still += cells[message.receiver].receive([message])
        queue = still
        for c in cells.values():
            c.tick()
        if cells["root"].outcome is not None:
            break
    assert cells["root"].outcome == SUM
