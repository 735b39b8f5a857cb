from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.coordination.handshake import LAST_WORDS, Acceptance, Entry, Record, TieEnd

NOON = datetime(2016, 6, 9, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def record(plan: int = 1, p_kw: float = 5.0, minutes: int = 15, quarters: int = 4) -> Record:
    return Record("trafo/5", plan, NOON + timedelta(minutes=minutes), (p_kw,) * quarters)


def end() -> TieEnd:
    return TieEnd("trafo/5", default_kw=0.0)


def test_an_end_acts_only_on_what_both_have_accepted() -> None:
    mine, it = end(), record()
    mine.accept(it, NOON)
    assert mine.holding(it.start).record is None
    other = end()
    other.accept(it, NOON)
    mine = end()
    mine.accept(it, NOON)
    assert mine.holding(NOON).record is None, "not before its start"
    entry = mine.hear(other.outbox(NOON)[0], NOON)
    assert entry is not None
    assert entry.event == "confirmed"
    assert mine.holding(it.start).p_kw == 5.0
    assert "lapsed" in mine.holding(it.until).why


def test_having_accepted_a_newer_record_an_end_never_returns_to_an_older_one() -> None:
    mine, old, new = end(), record(1, 5.0), record(2, 7.0, minutes=30)
    mine.accept(old, NOON)
    mine.hear(Acceptance(old.tie, 1, old.digest), NOON)
    mine.accept(new, old.start)
    assert mine.holding(new.start - SECOND).p_kw == 5.0
    assert mine.holding(new.start).record is None, "the newer one was not confirmed, the older one is void"


def test_an_acceptance_that_comes_after_the_start_or_of_another_record_does_not_count() -> None:
    late, it = end(), record()
    late.accept(it, NOON)
    assert late.hear(Acceptance(it.tie, 1, it.digest), it.start) is None
    assert late.holding(it.start).record is None
    other = end()
    other.accept(it, NOON)
    entry = other.hear(Acceptance(it.tie, 1, record(p_kw=6.0).digest), NOON)
    assert entry is not None
    assert entry.event == "refused"
    assert other.hear(Acceptance(it.tie, 1, it.digest), NOON) is None, "who said two things is not believed"
    assert "another record" in other.holding(it.start).why


@pytest.mark.parametrize("bad", [record(1), record(5, minutes=0), Record("line/1", 9, NOON + 2 * SECOND, (1.0,))])
def test_an_older_a_started_or_a_foreign_record_is_not_accepted(bad: Record) -> None:
    mine = end()
    mine.accept(record(3), NOON - timedelta(hours=1))
    with pytest.raises(ValueError, match="tie trafo/5"):
        mine.accept(bad, NOON)


def test_acceptances_are_repeated_until_the_start() -> None:
    mine, it = end(), record(minutes=1)
    mine.accept(it, NOON)
    sent = [k for k in range(90) if mine.outbox(NOON + k * SECOND)]
    assert sent == list(range(0, 60, 2))


def test_an_end_falls_silent_soon_after_the_other_has_said_that_it_heard() -> None:
    mine, it = end(), record(minutes=10)
    mine.accept(it, NOON)
    assert mine.outbox(NOON)[0].heard is False
    mine.hear(Acceptance(it.tie, 1, it.digest, heard=False), NOON)
    assert mine.speaks(NOON + 60 * SECOND), "the other has not said that it heard"
    mine.hear(Acceptance(it.tie, 1, it.digest, heard=True), NOON)
    last = [said for k in range(300) for said in mine.outbox(NOON + k * SECOND)]
    assert [said.heard for said in last] == [True] * LAST_WORDS
    assert not mine.speaks(NOON + 300 * SECOND)


def test_an_end_that_was_started_again_is_told_again() -> None:
    mine, it = end(), record(minutes=10)
    mine.accept(it, NOON)
    mine.hear(Acceptance(it.tie, 1, it.digest, heard=True), NOON)
    assert [k for k in range(60) if mine.outbox(NOON + k * SECOND)] == [0, 2]
    mine.hear(Acceptance(it.tie, 1, it.digest, heard=False), NOON + 60 * SECOND)
    assert mine.outbox(NOON + 60 * SECOND)


def test_what_the_meter_contradicts_is_dropped_until_there_is_a_newer_record() -> None:
    mine, it = end(), record()
    mine.accept(it, NOON)
    mine.hear(Acceptance(it.tie, 1, it.digest), NOON)
    entry = mine.contradicted(it.start, "12 kW metered")
    assert entry is not None
    assert (mine.holding(it.start).p_kw, mine.holding(it.start).why) == (0.0, "12 kW metered")
    assert mine.contradicted(it.start, "again") is None


def one_story(seed: int, loss: float, crashes: bool) -> tuple[int, int, int]:
    """Two ends, messages lost, doubled, late, ends that crash: quarter hours (agreed, split, in conflict)."""
    rng = np.random.default_rng(seed)
    ends = [end(), end()]
    journals: list[list[Entry]] = [[], []]
    flying: list[tuple[int, datetime, Acceptance]] = []
    agreed = splits = conflicts = 0
    for plan in range(10):
        begun = NOON + plan * timedelta(minutes=15)
        start = begun + timedelta(minutes=1)
        values = [5.0, 5.0] if rng.random() < 0.8 else [5.0, 6.0]
        for k in (0, 1):
            if rng.random() < 0.9:
                journals[k].append(ends[k].accept(Record("trafo/5", plan, start, (values[k],) * 8), begun))
        for tick in range(0, 60, 2):
            now = begun + tick * SECOND
            for k in (0, 1):
                for said in ends[k].outbox(now):
                    copies = [now + float(rng.exponential(5.0)) * SECOND for _ in range(1 + int(rng.random() < 0.2))]
                    flying += [(1 - k, when, said) for when in copies if rng.random() >= loss]
                if crashes and rng.random() < 0.02:
                    ends[k] = end()
                    ends[k].restore(journals[k], now)
            for message in [m for m in flying if m[1] <= now]:
                flying.remove(message)
                if entry := ends[message[0]].hear(message[2], now):
                    journals[message[0]].append(entry)
        for quarter in range(2):
            held = [e.holding(start + quarter * timedelta(minutes=5)) for e in ends]
            records = [h.record for h in held]
            if records[0] is not None and records[1] is not None:
                agreed += 1
                conflicts += records[0].at(start) != records[1].at(start) or records[0] != records[1]
            splits += (records[0] is None) != (records[1] is None)
    return agreed, splits, conflicts


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 0.95), st.booleans())
def test_two_ends_never_act_on_two_different_values_whatever_is_lost(seed: int, loss: float, crashes: bool) -> None:
    assert one_story(seed, loss, crashes)[2] == 0


def test_with_a_third_of_the_messages_lost_splits_are_those_of_ends_that_did_not_both_accept() -> None:
    """Thirty repeats: both hear, or one of them had not accepted at all and nobody acts."""
    stories = [one_story(seed, 0.3, crashes=False) for seed in range(40)]
    assert sum(s[0] for s in stories) > 300
    assert sum(s[2] for s in stories) == 0
    # an end that accepted nothing new goes on with what it holds, while the other has promised to leave it
    assert sum(s[1] for s in stories) < 0.25 * 40 * 20


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8), st.integers(0, 5))
def test_equal_digests_are_equal_records(p_kw: list[float], plan: int) -> None:
    one = Record("t", plan, NOON, tuple(p_kw))
    assert one.digest == Record("t", plan, NOON, tuple(p_kw)).digest
    assert one.digest != Record("t", plan, NOON, (*p_kw, 1.0)).digest
    assert one.digest != Record("t", plan + 1, NOON, tuple(p_kw)).digest
