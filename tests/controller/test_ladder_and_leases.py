from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.controller.ladder import Ladder, Level
from archipel.controller.leases import Lease, Leases

levels = st.sampled_from(list(Level))
stories = st.lists(st.tuples(st.floats(0.0, 40.0), levels), min_size=1, max_size=60)


@given(stories)
def test_a_cell_never_stands_higher_than_was_possible_at_any_time_in_the_last_half_minute(
    story: list[tuple[float, Level]],
) -> None:
    ladder, now_s = Ladder(), 0.0
    seen: list[tuple[float, Level]] = []
    for wait_s, possible in story:
        now_s += wait_s
        seen.append((now_s, possible))
        ladder.observe(now_s, possible, "test")
        assert ladder.level >= max(level for at_s, level in seen if at_s > now_s - 30.0)


@given(stories)
def test_a_step_down_is_taken_at_once_and_every_step_is_told(story: list[tuple[float, Level]]) -> None:
    ladder, now_s = Ladder(Level.COOPERATING), 0.0
    for wait_s, possible in story:
        now_s += wait_s
        before = ladder.level
        step = ladder.observe(now_s, possible, "because")
        assert ladder.level >= possible
        assert (step is not None) == (ladder.level != before)
        if step is not None:
            assert (step.before, step.after, step.why) == (before, ladder.level, "because")


def test_a_step_up_needs_half_a_minute_of_health() -> None:
    ladder = Ladder(Level.ALONE)
    steps = [ladder.observe(float(t), Level.COOPERATING, "links are back") for t in range(40)]
    assert [t for t, step in enumerate(steps) if step] == [30]
    assert ladder.level == Level.COOPERATING


def test_a_swinging_ladder_latches_below_until_an_operator_looks() -> None:
    ladder, t = Ladder(Level.COOPERATING), 0
    for _ in range(4):
        assert not ladder.latched
        ladder.observe(t, Level.ALONE, "link lost")
        for _ in range(31):
            t += 1
            ladder.observe(t, Level.COOPERATING, "link back")
    assert ladder.latched
    ladder.observe(t, Level.ALONE, "link lost")
    for _ in range(2000):
        t += 1
        assert ladder.observe(t, Level.COOPERATING, "link back") is None
    ladder.release(t)
    for _ in range(31):
        t += 1
        ladder.observe(t, Level.COOPERATING, "link back")
    assert ladder.level == Level.COOPERATING


def test_the_ladder_refuses_a_clock_that_runs_backwards() -> None:
    ladder = Ladder()
    ladder.observe(5.0, Level.RULES, "start")
    with pytest.raises(ValueError, match="monotonic"):
        ladder.observe(4.0, Level.RULES, "start")


@given(st.floats(-100, 100), st.floats(0.1, 900.0), st.floats(0.0, 2000.0))
def test_after_its_lease_a_device_is_at_its_fallback(value: float, length_s: float, later_s: float) -> None:
    leases = Leases()
    leases.grant("sgen/1", Lease(value, length_s, -1000.0), now_s=0.0)
    expected = value if later_s < length_s else -1000.0
    assert leases.value("sgen/1", later_s) == expected
    assert leases.alive("sgen/1", later_s) == (later_s < length_s)


@pytest.mark.parametrize(
    ("lease", "word"),
    [(Lease(math.nan, 10, 0), "numbers"), (Lease(1, 10, math.inf), "numbers"), (Lease(1, 0, 0), "0 s"),
     (Lease(1, 901, 0), "901 s")],
)  # fmt: skip
def test_a_lease_that_is_no_number_has_lapsed_or_never_ends_is_refused(lease: Lease, word: str) -> None:
    leases = Leases()
    with pytest.raises(ValueError, match=word):
        leases.grant("sgen/1", lease, now_s=0.0)
    assert leases.value("sgen/1", 0.0) is None


def test_leases_are_due_before_they_end_and_can_be_ended() -> None:
    leases = Leases(longest_s=60.0)
    leases.grant("a", Lease(1.0, 60.0, 0.0), 0.0)
    leases.grant("b", Lease(1.0, 20.0, 0.0), 0.0)
    assert leases.due(0.0) == ["b"]
    assert leases.due(31.0) == ["a", "b"]
    leases.end("a", 1.0)
    assert (leases.value("a", 1.0), leases.value("c", 1.0)) == (0.0, None)
