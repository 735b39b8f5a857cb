from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.transport.clock import GOOD_FOR_S, ClockWatch
from archipel.transport.files import begin_epoch
from archipel.transport.replay import WINDOW, ReplayWindow, next_epoch

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 12) | st.integers(1, 5 * WINDOW)), max_size=60))
def test_no_message_is_fresh_twice_and_no_life_comes_back(numbers: list[tuple[int, int]]) -> None:
    window, taken = ReplayWindow(), set()
    for epoch, counter in numbers:
        if window.fresh("a", epoch, counter):
            assert (epoch, counter) not in taken
            assert epoch >= max((life for life, _ in taken), default=0)
            taken.add((epoch, counter))
            window.note("a", epoch, counter)
        else:
            life = max(life for life, _ in taken)
            newest = max(number for each, number in taken if each == life)
            assert (epoch, counter) in taken or epoch < life or counter <= newest - WINDOW
        again = ReplayWindow(window.state())
        assert again.fresh("a", epoch, counter) == window.fresh("a", epoch, counter) is False


def test_messages_of_one_sender_say_nothing_about_another() -> None:
    window = ReplayWindow()
    window.note("a", 5, 5)
    assert window.fresh("b", 1, 1)
    assert window.knows("a")
    assert not window.knows("b")


def test_an_epoch_grows_at_every_start_also_when_its_file_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "epoch"
    first = begin_epoch(path, 1000.5)
    assert first == 1000
    assert begin_epoch(path, 900.0) == 1001, "a clock that was set back changes nothing"
    path.write_text("nonsense")
    assert begin_epoch(path, 2000.0) == 2000
    assert next_epoch(7, 0.0) == 8


def measured(offset_s: float, there_s: float, back_s: float, held_s: float = 0.0) -> ClockWatch:
    """A clock watch after one question to `b`, whose clock is ahead by `offset_s`."""
    watch, peer = ClockWatch(), ClockWatch()
    ahead, came = timedelta(seconds=offset_s), NOW + timedelta(seconds=there_s)
    question = watch.ask("b", NOW)
    answer = peer.answer(question, came + ahead, came + timedelta(seconds=held_s) + ahead)
    assert answer is not None
    assert watch.learn("b", answer, came + timedelta(seconds=held_s + back_s))
    return watch


@settings(max_examples=100, deadline=None)
@given(st.floats(-5, 5), st.floats(0, 1), st.floats(0, 1), st.floats(0, 10))
def test_the_true_offset_lies_within_the_margin(offset_s: float, there_s: float, back_s: float, held_s: float) -> None:
    watch = measured(offset_s, there_s, back_s, held_s)
    soon = NOW + timedelta(seconds=there_s + back_s + held_s + 0.001)
    known = watch.offset("b", soon)
    assert known is not None
    assert abs(known.offset_s - offset_s) <= known.margin_s + 1e-5
    if abs(offset_s) > 2.0 + 1e-5:
        assert not watch.near("b", soon)


@pytest.mark.parametrize(("offset_s", "near"), [(0.0, True), (1.9, True), (-1.9, True), (2.1, False), (-2.1, False)])
def test_a_clock_is_near_up_to_two_seconds(offset_s: float, near: bool) -> None:
    assert measured(offset_s, 0.01, 0.01).near("b", NOW + timedelta(seconds=1)) is near


def test_an_offset_is_forgotten_after_a_while_and_when_our_clock_is_set_back() -> None:
    watch = measured(0.0, 0.01, 0.01)
    assert watch.near("b", NOW + timedelta(seconds=GOOD_FOR_S))
    assert not watch.near("b", NOW + timedelta(seconds=GOOD_FOR_S + 1))
    assert not watch.near("b", NOW - timedelta(seconds=1))
    assert not watch.near("c", NOW)


def test_answers_nobody_asked_for_teach_nothing() -> None:
    watch = ClockWatch()
    question = watch.ask("b", NOW)
    answer = ClockWatch().answer(question, NOW, NOW)
    assert answer is not None
    assert not watch.learn("c", answer, NOW), "another cell was asked"
    assert watch.learn("b", answer, NOW)
    assert not watch.learn("b", answer, NOW), "the same answer again"
    assert not watch.learn("b", b"short", NOW)
    assert ClockWatch().answer(b"short", NOW, NOW) is None
    question = watch.ask("b", NOW)
    answer = ClockWatch().answer(question, NOW + timedelta(seconds=1), NOW)
    assert answer is not None
    assert not watch.learn("b", answer, NOW), "it went before it came"


def test_a_clock_set_back_between_question_and_answer_teaches_nothing() -> None:
    watch = ClockWatch()
    answer = ClockWatch().answer(watch.ask("b", NOW), NOW, NOW)
    assert answer is not None
    assert not watch.learn("b", answer, NOW - timedelta(hours=1))
