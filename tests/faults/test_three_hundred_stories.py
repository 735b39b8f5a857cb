"""Eight cells, ten minutes, everything that goes wrong: 300 stories without a broken promise, in chunks for workers."""

from __future__ import annotations

import pytest

from archipel.twin.faults import simulate

SEEDS, CHUNK = 300, 15


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_promise_is_broken_whatever_goes_wrong(first: int) -> None:
    stories = [simulate(seed) for seed in range(first, first + CHUNK)]
    assert [f"{s.replay}   # {s.violations[0]}" for s in stories if s.violations] == []
    assert sum(s.counts["agreed"] for s in stories) > 20 * CHUNK, "cells agreed, so there was something to break"
