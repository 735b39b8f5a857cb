"""Baselines: which days count, how the day itself adjusts them, and what is not enough."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.market.baseline import RULES, Adjustment, adjusted, baseline, before_after, even_day

WORKDAY, WEEKEND, HOLIDAY = 0, 1, 2


def days(levels: list[float], quarters: int = 96) -> Any:
    return np.array(levels)[:, None] * np.ones(quarters)


def of(rule: Any, levels: list[float], kinds: list[int] | None = None, events: list[bool] | None = None) -> float:
    n = len(levels)
    found = baseline(rule, days(levels), np.array(kinds or [WORKDAY] * n), np.array(events or [False] * n), WORKDAY)
    assert np.ptp(found) == 0
    return float(found[0])


@pytest.mark.parametrize(("rule", "expected"), [("10-of-10", 7.5), ("high-5-of-10", 10.0), ("mid-4-of-6", 9.5)])
def test_each_rule_takes_the_days_its_name_says(rule: str, expected: float) -> None:
    assert of(rule, [99.0, 98.0, *map(float, range(3, 13))]) == expected


def test_mid_four_leaves_out_one_day_above_and_one_below_wherever_they_stand() -> None:
    assert of("mid-4-of-6", [4.0, 100.0, 6.0, 5.0, -50.0, 7.0]) == 5.5


def test_only_days_of_the_same_kind_count() -> None:
    kinds = [WEEKEND, WORKDAY, HOLIDAY, WORKDAY, WORKDAY, WEEKEND]
    assert of("10-of-10", [50.0, 1.0, 70.0, 2.0, 3.0, 60.0], kinds) == 2.0


def test_days_on_which_something_was_asked_do_not_count() -> None:
    assert of("10-of-10", [1.0, 2.0, 3.0, 40.0], events=[False, False, False, True]) == 2.0


def test_days_with_a_silent_meter_do_not_count() -> None:
    past = days([1.0, 2.0, 3.0, 40.0])
    past[3, 17] = np.nan
    assert baseline("10-of-10", past, np.zeros(4, dtype=int), np.zeros(4, dtype=bool), WORKDAY)[0] == 2.0


@pytest.mark.parametrize("rule", RULES)
def test_too_few_days_are_refused_and_it_is_said_what_helps(rule: Any) -> None:
    with pytest.raises(ValueError, match=r"found 2 whole days.*before-after"):
        of(rule, [1.0, 2.0])


@given(st.floats(0.1, 3.0), st.sampled_from([0.1, 0.2, np.inf]))
def test_the_day_itself_scales_the_baseline_up_to_its_cap(ratio: float, cap: float) -> None:
    event = np.arange(96) >= 60
    today = np.where(event, 0.0, 10.0 * ratio)
    found = adjusted(np.full(96, 10.0), today, event, Adjustment(cap=cap))
    np.testing.assert_allclose(found, 10.0 * np.clip(ratio, 1 - cap, 1 + cap))


def test_only_the_hours_before_the_request_adjust() -> None:
    event = (np.arange(96) >= 40) & (np.arange(96) < 48)
    today = np.full(96, 10.0)
    today[28:36], today[36:] = 11.0, 99.0  # 99: preparing for the request, and the request itself
    found = adjusted(np.full(96, 10.0), today, event, Adjustment(hours=2.0, ends_before_h=1.0))
    np.testing.assert_allclose(found, 11.0)


def test_who_gives_power_is_shifted_and_never_turned_around() -> None:
    event = np.arange(96) >= 60
    flat, today = np.full(96, -10.0), np.full(96, -13.0)
    np.testing.assert_allclose(adjusted(flat, today, event, Adjustment()), -12.0)
    np.testing.assert_allclose(adjusted(flat, today, event, Adjustment(way="shift", cap=np.inf)), -13.0)
    np.testing.assert_allclose(adjusted(flat, today, event, Adjustment(way="shift")), -12.0)
    np.testing.assert_array_equal(adjusted(flat, -today, event, Adjustment()), flat)


@pytest.mark.parametrize("begin", [0, 2])
def test_without_hours_to_compare_nothing_is_adjusted(begin: int) -> None:
    event = np.arange(96) >= begin
    today = np.where(event, 5.0, np.nan)
    np.testing.assert_array_equal(adjusted(np.ones(96), today, event, Adjustment()), np.ones(96))


def test_an_adjustment_needs_the_day() -> None:
    with pytest.raises(ValueError, match="needs what was drawn today"):
        baseline(
            "10-of-10", days([1.0] * 4), np.zeros(4, dtype=int), np.zeros(4, dtype=bool), 0, adjustment=Adjustment()
        )


@given(st.integers(1, 30), st.integers(1, 10), st.floats(-5, 5), st.floats(-5, 5))
def test_before_and_after_join_in_a_straight_line(begin: int, length: int, left: float, right: float) -> None:
    event = (np.arange(60) >= begin) & (np.arange(60) < begin + length)
    drawn = np.where(np.arange(60) < begin, left, np.where(event, 77.0, right))
    found = before_after(drawn, event)
    np.testing.assert_array_equal(found[~event], drawn[~event])
    np.testing.assert_allclose(np.diff(found[begin - 1 : begin + length + 1], n=2), 0.0, atol=1e-9)


def test_what_members_make_up_for_afterwards_does_not_count() -> None:
    drawn = np.array([2.0, 2, 2, 2, 0, 0, 9, 9, 4, 4, 4, 4])
    event = np.isin(np.arange(12), [4, 5])
    np.testing.assert_allclose(before_after(drawn, event, rest=2)[4:6], [2 + 2 / 3, 2 + 4 / 3])


def test_a_request_at_the_start_or_end_has_a_level_line_and_one_of_all_day_none() -> None:
    drawn, event = np.array([0.0, 0, 3, 5, 4]), np.array([True, True, False, False, False])
    assert before_after(drawn, event)[:2].tolist() == [4.0, 4.0]
    assert before_after(drawn[::-1], event[::-1])[-2:].tolist() == [4.0, 4.0]
    with pytest.raises(ValueError, match="no metered quarter hour"):
        before_after(drawn, np.ones(5, dtype=bool))


def test_days_of_92_and_100_quarter_hours_are_brought_to_the_clock() -> None:
    clock = np.arange(96.0)
    short, long = np.delete(clock, slice(8, 12)), np.insert(clock, 12, clock[8:12] + 2.0)
    assert (len(short), len(long)) == (92, 100)
    np.testing.assert_allclose(even_day(short, 8), clock)
    expected = clock.copy()
    expected[8:12] += 1.0
    np.testing.assert_allclose(even_day(long, 8), expected)
    np.testing.assert_array_equal(even_day(clock, 8), clock)
    with pytest.raises(ValueError, match="found a day of 90"):
        even_day(clock[:90], 8)
