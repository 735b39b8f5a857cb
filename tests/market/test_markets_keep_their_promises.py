from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_cases import MARKETS

from archipel.market.market_day import MarketDay
from archipel.testing.market import DAYS, check_market


@pytest.mark.parametrize("name", MARKETS)
@settings(max_examples=5)
@given(seed=st.integers(0, 10**6), day=st.sampled_from(DAYS))
def test_every_market_keeps_the_promises_of_a_market(name: str, seed: int, day: MarketDay) -> None:
    check_market(MARKETS[name], seeds=(seed,), days=(day,))
