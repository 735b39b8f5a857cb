"""Who waits asks; loss, slowness and silence are three different things; silence costs one new beginning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import PARENTS, conversations, deliver

from archipel.coordination.links import COPIES, REPEATS, STRETCH, Link
from archipel.coordination.message import Kind, Message
from archipel.coordination.tree import MOST_ATTEMPTS, SLOW, Ask, Conversation, Gather, Pace, Program, Silent, Swap, Tell

OWN = dict(zip(PARENTS, (1.0, 10.0, 100.0, 1000.0, 10000.0), strict=True))


def sums(*without: str) -> list[float]:
    total = sum(value for name, value in OWN.items() if name not in without)
    return [total, 2.0 * total, 3.0 * total]


def carry(
    cells: dict[str, Conversation], silent: dict[str, int], ticks: int = 60, lose: float = 0.0, seed: int = 0
) -> int:
    """Carry messages and tick until all that still speak have ended; returns the ticks.

    `silent` cells are heard no more, nor hear, after so many of their own messages.
    """
    rng, words = np.random.default_rng(seed), dict(silent)

    def heard(messages: list[Message]) -> list[Message]:
        out = []
        for message in messages:
            if message.sender in words:
                words[message.sender] -= 1
            if all(words.get(name, 1) >= 0 for name in (message.sender, message.receiver)) and rng.random() >= lose:
                out.append(message)
        return out

    queue = heard([m for c in cells.values() for m in c.open()])
    for tick in range(ticks):
        while queue:
            message = queue.pop(int(rng.integers(len(queue))) if lose else 0)
            queue += heard(cells[message.receiver].receive([message]))
        if all(cell.outcome is not None for name, cell in cells.items() if words.get(name, 1) >= 0):
            return tick
        queue = heard([m for c in cells.values() for m in c.tick()])
    raise AssertionError("it never ended")


def test_whoever_is_asked_before_it_can_answer_gives_a_sign_of_life_of_a_few_bytes() -> None:
    cells = conversations(patience=3)
    late = [m for c in cells.values() for m in c.open()]
    for _ in range(3 * SLOW):  # a1 and a2 are heard by nobody, so a is alive and has nothing to say
        waits = [m for m in cells["root"].tick() if m.receiver == "a"]
        assert [m.kind for m in waits] == [Kind.WAIT]
        (busy,) = cells["a"].receive(waits)
        assert (busy.kind, busy.size) == (Kind.BUSY, 0)
        cells["root"].receive([busy, *(m for m in late if m.sender == "b")])
        assert cells["root"].outcome is None
    cells["root"].tick()
    assert cells["root"].outcome == Silent("a"), "nobody waits for ever, even for one that is alive"


def test_without_loss_nothing_is_said_but_asks_and_tells() -> None:
    cells = conversations()
    queue = [m for c in cells.values() for m in c.open()]
    while queue:
        message = queue.pop(0)
        assert (message.kind, message.count, message.attempt) == (Kind.SAY, 0, 0)
        assert b"kind" not in message.to_bytes()
        queue += cells[message.receiver].receive([message])
    assert cells["root"].outcome == sums()


def test_what_was_lost_is_said_again_in_copies_and_more_is_said_twice_for_a_stretch() -> None:
    link = Link("b")

    def said(number: int) -> Message:
        return Message(1, number, True, "a", "b", {})

    def waits(number: int, count: int) -> Message:
        return Message(1, number, False, "b", "a", {}, Kind.WAIT, count=count)

    assert len(link.say(said(0))) == 1
    assert link.missed(waits(1, 1)) is None
    again = link.missed(waits(0, 2))
    assert again is not None
    assert [m.count for m in again] == [1] * REPEATS
    assert link.missed(waits(0, 2)) == [], "a question that came twice is answered once"
    assert [len(link.say(said(n))) for n in range(1, STRETCH + 2)] == [COPIES] * STRETCH + [1]
    assert link.missed(waits(3, 3)) == [], "an old question has been answered"


def test_who_hears_that_something_was_said_again_knows_of_the_loss_too() -> None:
    link = Link("b")
    link.hear(Message(1, 0, False, "b", "a", {}, count=1))
    assert len(link.say(Message(1, 0, True, "a", "b", {}))) == COPIES
    other = Link("b")
    other.hear(Message(1, 0, False, "b", "a", {}))
    other.hear(Message(1, 0, False, "b", "a", {}, count=1))
    assert len(other.say(Message(1, 0, True, "a", "b", {}))) == 1, "the first had come"


@pytest.mark.parametrize("words", [0, 1, 2])
@pytest.mark.parametrize("leaf", ["b", "a2"])
def test_a_silent_leaf_costs_one_new_beginning_and_all_others_finish(leaf: str, words: int) -> None:
    cells = conversations(patience=5, anew=True)
    carry(cells, {leaf: words})
    others = {name: cell for name, cell in cells.items() if name != leaf}
    assert {name: cell.outcome for name, cell in others.items()} == dict.fromkeys(others, sums(leaf))
    assert {cell.attempt for cell in others.values()} == {1}
    assert leaf not in cells[PARENTS[leaf]].children


@pytest.mark.parametrize("words", [0, 3, 5])
def test_a_silent_subtree_is_left_out_as_a_whole_and_its_cells_hold_what_they_held(words: int) -> None:
    cells = conversations(patience=5, anew=True)
    carry(cells, {"a": words})
    for name in ("root", "b"):
        assert cells[name].outcome == sums("a", "a1", "a2")
        assert cells[name].attempt == 1
    assert cells["a1"].outcome == cells["a2"].outcome == Silent("a")


def test_two_that_fall_silent_together_cost_one_new_beginning() -> None:
    cells = conversations(patience=5, anew=True)
    carry(cells, {"a1": 1, "b": 1})
    for name in ("root", "a", "a2"):
        assert cells[name].outcome == sums("a1", "b")
        assert cells[name].attempt == 1


def test_a_silent_root_ends_it_for_all_below() -> None:
    cells = conversations(patience=5, anew=True)
    carry(cells, {"root": 2})
    assert cells["a"].outcome == cells["b"].outcome == Silent("root")
    assert cells["a1"].outcome == Silent("a")


def test_a_root_whom_nobody_answers_ends_alone() -> None:
    cells = conversations(patience=5, anew=True)
    carry(cells, {"a": 0, "b": 0})
    assert cells["root"].outcome == sums("a", "a1", "a2", "b")
    assert cells["root"].children == ()


def test_who_was_left_out_is_told_so_when_it_is_heard_again() -> None:
    cells = conversations(patience=3, anew=True)
    opened = [m for c in cells.values() for m in c.open()]
    deliver(cells, opened, deaf=("b",))
    for _ in range(5):
        deliver(cells, [m for name, c in cells.items() if name != "b" for m in c.tick()], deaf=("b",))
    assert cells["root"].outcome == sums("b")
    deliver(cells, cells["b"].tick())
    assert cells["b"].outcome == Silent("root")


def test_a_cell_that_is_back_takes_part_in_the_next_plan() -> None:
    first = conversations(plan=1, patience=3, anew=True)
    carry(first, {"a2": 1})
    assert first["root"].outcome == sums("a2")
    second = conversations(plan=2, patience=3, anew=True)
    carry(second, {})
    assert {cell.attempt for cell in second.values()} == {0}
    assert second["a2"].outcome == sums()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    lose=st.floats(0.0, 0.3),
    silent=st.dictionaries(st.sampled_from(list(PARENTS)), st.integers(0, 12), max_size=2),
)
def test_under_loss_and_silence_it_ends_and_all_that_finish_have_the_same(
    seed: int, lose: float, silent: dict[str, int]
) -> None:
    cells = conversations(patience=20, anew=True)
    carry(cells, silent, ticks=400, lose=lose, seed=seed)
    done = [cell for name, cell in cells.items() if name not in silent and not isinstance(cell.outcome, Silent)]
    if "root" not in silent:
        assert cells["root"] in done
    assert len({tuple(cell.outcome) for cell in done}) <= 1
    for cell in done:
        assert cell.attempt <= len(silent)


def test_a_neighbour_that_always_begins_anew_ends_it_at_last() -> None:
    root = conversations(anew=True)["root"]
    root.open()
    for attempt in range(1, MOST_ATTEMPTS + 1):
        root.receive([Message(1, 0, True, "a", "root", {}, Kind.AGAIN, attempt=attempt)])
    assert root.outcome == Silent("a")


def test_two_cells_that_contradict_each_other_do_not_talk_without_end() -> None:
    def asks() -> Program:
        yield Ask({})

    def gathers() -> Program:
        yield Gather()
        yield Gather()

    cells = {
        "up": Conversation(1, "up", "", ("down",), gathers()),  # gathers twice and never tells
        "down": Conversation(1, "down", "up", (), asks()),
    }
    queue = [m for c in cells.values() for m in c.open()]
    deliver(cells, queue)
    for _ in range(SLOW * 20 + 5):
        messages = [m for c in cells.values() for m in c.tick()]
        assert len(messages) <= 4
        deliver(cells, messages)
    assert all(isinstance(c.outcome, Silent) for c in cells.values())


def test_a_program_may_know_how_it_goes() -> None:
    def watching(children: int, *, root: bool) -> Program:
        yield Gather()
        if not root:
            yield Ask({})
        yield Tell([{}] * children)
        return (yield Pace())

    cells = {
        "up": Conversation(1, "up", "", ("down",), watching(1, root=True)),
        "down": Conversation(1, "down", "up", (), watching(0, root=False)),
    }
    cells["up"].open(), cells["down"].open()  # what is said first is lost
    for _ in range(2):
        cells["up"].tick()
    deliver(cells, cells["up"].tick())
    assert cells["up"].outcome == Pace(waits=1, ticks=3, attempt=0)
    assert cells["down"].outcome == Pace(waits=1, ticks=0, attempt=0)


def test_who_asks_already_is_not_waited_for_with_swaps() -> None:
    def early() -> Program:
        yield Ask({})

    def swapping() -> Program:
        for turn in range(5):
            yield Swap([{"turn": np.array(float(turn))}])
        yield Gather()
        yield Tell([{}])
        return True

    cells = {
        "up": Conversation(1, "up", "", ("down",), swapping()),
        "down": Conversation(1, "down", "up", (), early()),
    }
    deliver(cells, [m for c in cells.values() for m in c.open()])
    assert cells["up"].outcome is True
