"""How often one end of a tie acts and the other does not, when nearly a third of all messages is lost."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from archipel.coordination.handshake import Acceptance, Record, TieEnd

NOON = datetime(2016, 6, 9, 12, tzinfo=UTC)
LEAD_S = 40
"""Twenty repeats, one every two seconds, and the first sending."""


def agreements(seed: int, count: int, loss: float, lead_s: int, delay_s: float = 0.5) -> tuple[int, int, int]:
    """(in force at both ends, at one end only, with different values): one agreement after the other on one tie."""
    rng = random.Random(seed)
    ends = (TieEnd("t", 0.0), TieEnd("t", 0.0))
    both = splits = conflicts = 0
    for plan in range(count):
        begun = NOON + plan * timedelta(hours=1)
        record = Record("t", plan, begun + timedelta(seconds=lead_s), (rng.uniform(-50.0, 50.0),))
        for end in ends:
            end.accept(record, begun)
        flying: list[tuple[datetime, int, Acceptance]] = []
        for second in range(0, lead_s, 2):
            now = begun + timedelta(seconds=second)
            for k, end in enumerate(ends):
                passed = [said for said in end.outbox(now) if rng.random() >= loss]
                flying += [(now + timedelta(seconds=delay_s * rng.expovariate(1.0)), 1 - k, said) for said in passed]
            for when, k, said in sorted(flying, key=lambda f: f[:2]):
                if when <= now:
                    ends[k].hear(said, now)
            flying = [letter for letter in flying if letter[0] > now]
        held = [end.holding(record.start) for end in ends]
        acting = [h.record is not None for h in held]
        both += all(acting)
        splits += acting[0] != acting[1]
        conflicts += all(acting) and held[0].p_kw != held[1].p_kw
    return both, splits, conflicts


def test_with_a_third_lost_and_twenty_repeats_at_most_one_agreement_in_ten_thousand_splits() -> None:
    both, splits, conflicts = agreements(seed=1, count=10_000, loss=0.3, lead_s=LEAD_S)
    assert splits <= 1
    assert conflicts == 0
    assert both >= 9_999


@pytest.mark.parametrize("times", [1, 2, 3])
def test_words_said_few_times_split_as_often_as_the_formula_says(times: int) -> None:
    """Said n times at loss q, one end has heard and the other has not in 2 q^n (1 - q^n) of all agreements."""
    count, q = 3_000, 0.3
    _, splits, conflicts = agreements(seed=2, count=count, loss=q, lead_s=2 * times, delay_s=0.0)
    share = 2 * q**times * (1 - q**times)
    assert abs(splits - share * count) < 4 * (count * share * (1 - share)) ** 0.5
    assert conflicts == 0
