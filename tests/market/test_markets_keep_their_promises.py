from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_cases import MARKETS

from archipel.testing.market import check_market


@pytest.mark.parametrize("name", MARKETS)
@settings(max_examples=5)
@given(seed=st.integers(0, 10**6))
def test_every_market_keeps_the_promises_of_a_market(name: str, seed: int) -> None:
    check_market(MARKETS[name], seeds=(seed,))
