"""How often a device is written to."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from archipel.drivers.pace import Pace


def test_an_unchanged_value_is_due_at_half_its_lease_and_not_before() -> None:
    pace = Pace()
    assert pace.due({"p": 5.0}, 60, 100.0) == ("p",)
    pace.took("p", 5.0, 60, 100.0)
    assert pace.due({"p": 5.0}, 60, 129.9) == ()
    assert pace.due({"p": 5.0}, 60, 130.0) == ("p",)
    assert pace.due({"p": 5.1}, 60, 101.0) == ("p",)


def test_a_lease_that_shall_end_earlier_is_written_at_once_and_a_countdown_is_not() -> None:
    pace = Pace()
    pace.took("p", 5.0, 60, 100.0)
    assert pace.due({"p": 5.0}, 55, 105.0) == ()
    assert pace.due({"p": 5.0}, 20, 105.0) == ("p",)


def test_what_was_begun_and_not_taken_is_due_and_waits_behind_the_others() -> None:
    pace = Pace()
    pace.took("p", 5.0, 60, 100.0)
    pace.began("p", 101.0)
    assert pace.held == frozenset()
    assert pace.wait_s(101.25) == 0.75
    assert pace.due({"p": 5.0, "q": 1.0}, 60, 102.0) == ("q", "p")
    pace.began("q", 102.0)
    assert pace.due({"p": 5.0, "q": 1.0}, 60, 103.0) == ("p", "q")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=5, max_size=40))
def test_a_device_is_written_once_a_second_and_no_function_starves(values: list[tuple[int, int]]) -> None:
    pace, now_s, writes = Pace(), 0.0, []
    for p, q in values:
        for _ in range(4):
            wanted = {"p": p, "q": q}
            due = pace.due(wanted, 8, now_s)
            if due and pace.wait_s(now_s) == 0:
                pace.began(due[0], now_s)
                pace.took(due[0], wanted[due[0]], 8, now_s)
                writes.append((now_s, due[0]))
            now_s += 0.3
    times = [at for at, _ in writes]
    assert all(later - earlier >= 1.0 for earlier, later in pairwise(times))
    for name in ("p", "q"):
        mine = [at for at, who in writes if who == name]
        # half of the lease, and one turn of the other
        assert all(later - earlier <= 4 + 2.4 for earlier, later in zip(mine, [*mine[1:], now_s], strict=True))
