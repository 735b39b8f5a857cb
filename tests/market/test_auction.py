from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import highspy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.market.auction import pro_rata
from archipel.market.base import Bid, BidsRefused, Clearing
from archipel.market.books import Books
from archipel.market.day_ahead import DayAhead, PriceTaker
from archipel.market.market_day import MarketDay
from archipel.testing.market_bids import random_bids

DAY = MarketDay(date(2016, 2, 10))
START = DAY.start
MARKET = DayAhead(DAY)
QUARTERS = DayAhead(DAY, "quarter_hour")


def bid(owner: str, *steps: tuple[float, float], **more: object) -> Bid:
    return Bid(owner, "energy", START, steps, **more)  # type: ignore[arg-type]


def price(clearing: Clearing) -> float:
    return float(clearing.prices["energy", ""][0])


def test_demand_meets_supply_at_the_price_of_the_step_that_is_cut() -> None:
    found = MARKET.clear([bid("a", (10, 0.30)), bid("b", (-4, 0.05)), bid("c", (-4, 0.10)), bid("d", (-4, 0.20))])
    assert found.accepted_kw.tolist() == [10, -4, -4, -2]
    assert price(found) == 0.20


def test_where_a_range_of_prices_clears_the_middle_is_taken() -> None:
    found = MARKET.clear([bid("a", (10, 0.30)), bid("b", (-10, 0.10)), bid("c", (5, 0.15))])
    assert found.accepted_kw.tolist() == [10, -10, 0]
    assert price(found) == pytest.approx(0.225)


def test_at_equal_prices_on_both_sides_as_much_as_possible_is_traded() -> None:
    found = MARKET.clear([bid("a", (10, 0.1)), bid("b", (-6, 0.1))])
    assert found.accepted_kw.tolist() == [6, -6]


def test_steps_at_the_price_share_pro_rata_to_their_size() -> None:
    found = MARKET.clear([bid("a", (12, 0.3)), bid("b", (-30, 0.1)), bid("c", (-10, 0.1)), bid("d", (-20, 0.1))])
    assert found.accepted_kw.tolist() == [12, -6, -2, -4]


def test_a_milliwatt_that_does_not_divide_goes_by_id() -> None:
    one = [bid("a", (1, 0.3)), *(bid(owner, (-1, 0.1)) for owner in "zyx")]
    found = MARKET.clear(one)
    assert dict(zip("zyx", found.accepted_kw[1:].tolist(), strict=True)) == {
        "x": -0.333334,
        "y": -0.333333,
        "z": -0.333333,
    }


@given(st.integers(0, 10**6))
def test_energy_bought_is_energy_sold_to_the_last_digit_with_what_rounding_leaves(seed: int) -> None:
    bids = random_bids(np.random.default_rng(seed), QUARTERS.terms)
    paid = QUARTERS.settle(QUARTERS.clear(bids))
    assert sum(((p.payee == "market") - (p.payer == "market")) * p.quantity for p in paid) == 0
    assert all(abs(p.quantity) < Decimal("0.0001") for p in paid if p.what == "rounding")
    assert any(p.what == "energy" for p in paid)


def test_what_a_market_settles_can_be_booked_and_said_twice_is_booked_once() -> None:
    bids = random_bids(np.random.default_rng(0), QUARTERS.terms)
    paid, books = QUARTERS.settle(QUARTERS.clear(bids)), Books()
    books.post(paid)
    before = books.balances()
    books.post(paid)
    assert books.balances() == before
    assert before.get("market", 0) == 0


def test_a_clearing_of_another_day_is_not_settled() -> None:
    found = DayAhead(MarketDay(date(2016, 3, 27))).clear([Bid("a", "energy", START + timedelta(days=46), ((1, 0.1),))])
    with pytest.raises(
        ValueError, match="found a clearing of day_ahead to settle; expected one of day_ahead on the same"
    ):
        MARKET.settle(found)


def test_where_nothing_is_traded_there_is_no_price() -> None:
    found = MARKET.clear([bid("a", (10, 0.1)), bid("b", (-10, 0.2))])
    assert found.accepted_kw.tolist() == [0, 0]
    assert np.isnan(price(found))
    assert MARKET.settle(found) == ()


def test_prices_below_zero_clear_like_any_other() -> None:
    found = MARKET.clear([bid("a", (10, -0.05)), bid("b", (-20, -0.2))])
    assert found.accepted_kw.tolist() == [10, -10]
    assert price(found) == -0.2
    paid = {p.payer: p.amount_eur for p in MARKET.settle(found)}
    assert (paid["a"], paid["market"]) == (-2, -2), "who draws is paid, who gives pays"


def test_a_bid_at_any_price_is_cut_pro_rata_at_the_limit() -> None:
    found = MARKET.clear([bid("a", (10, 4.0)), bid("b", (30, 4.0)), bid("c", (-20, 0.0))])
    assert found.accepted_kw.tolist() == [5, 15, -20]
    assert price(found) == 4.0


def test_an_indivisible_bid_that_would_be_cut_is_left_out() -> None:
    found = MARKET.clear([bid("a", (10, 0.3)), bid("b", (-15, 0.1), divisible=False), bid("c", (-8, 0.2))])
    assert found.accepted_kw.tolist() == [8, 0, -8]


def test_an_indivisible_bid_that_fits_is_taken_whole() -> None:
    found = MARKET.clear([bid("a", (20, 0.3)), bid("b", (-15, 0.1), divisible=False), bid("c", (-8, 0.2))])
    assert found.accepted_kw.tolist() == [20, -15, -5]


def test_all_problems_are_told_at_once_with_the_names_of_the_bids() -> None:
    wrong = [
        bid("anna", (1, float("nan"))),
        bid("bert", (1, 0.1), (1, 0.2)),
        bid("carl", (float("inf"), 0.1)),
        Bid("dora", "energy", datetime(2016, 2, 12, tzinfo=UTC), ((1, 0.1),)),
        bid("emil", (1, 0.1)),
        bid("emil", (2, 0.2)),
    ]
    with pytest.raises(BidsRefused) as told:
        MARKET.clear(wrong)
    assert len(told.value.problems) == 5
    for name, why in (
        ("anna", "expected finite numbers"),
        ("bert", "do not rise"),
        ("carl", "expected finite numbers"),
        ("dora", "expected the start of one of the 24 intervals from 2016-02-09 23:00 to 2016-02-10 23:00 UTC"),
        ("emil", "found 2 of the same owner"),
    ):
        assert any(f"bid {name}/energy" in problem and why in problem for problem in told.value.problems), name


def test_a_price_taker_is_filled_at_and_beyond_the_given_price() -> None:
    market = PriceTaker(DAY, np.full(24, 0.1))
    found = market.clear([bid("a", (1, 0.3), (1, 0.1), (1, 0.05)), bid("b", (-1, 0.1), (-5, 0.2)), bid("c", (7, 0.0))])
    assert found.accepted_kw.tolist() == [2, -1, 0]


def test_a_missing_price_is_refused_with_its_hour() -> None:
    prices = np.full(24, 0.1)
    prices[3] = np.nan
    with pytest.raises(ValueError, match="found no value at 2016-02-10 02:00 UTC"):
        PriceTaker(DAY, prices)
    with pytest.raises(ValueError, match=r"found 24 values .* expected one for each of 23 intervals"):
        PriceTaker(MarketDay(date(2016, 3, 27)), np.full(24, 0.1))


def test_imbalance_is_paid_at_its_own_price_and_the_trade_stands() -> None:
    from archipel.market.base import Metered

    market = DayAhead(DAY, imbalance_price_eur_per_kwh=np.full(24, 0.5))
    found = market.clear([bid("a", (10, 0.2)), bid("b", (-10, 0.2))])
    paid = market.settle(found, [Metered("a", START, 13.0), Metered("b", START, -10.0)])
    imbalance = [p for p in paid if p.what == "imbalance"]
    assert [(p.payer, p.payee, float(p.amount_eur)) for p in imbalance] == [("a", "tso", 1.5)]
    assert len(paid) == 3


def highs_welfare(bids: list[Bid]) -> float:
    """The largest welfare of divisible bids of one interval [EUR/h], by HiGHS."""
    steps = [step for one in bids for step in one.steps]
    highs = highspy.Highs()
    highs.silent()
    kw, cost = (np.array(column, dtype=float) for column in zip(*steps, strict=True))
    n = len(kw)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = n, 1
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = -np.sign(kw) * cost, np.zeros(n), np.abs(kw)
    lp.row_lower_ = lp.row_upper_ = np.zeros(1)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = np.array([0, n]), np.arange(n), np.sign(kw)
    highs.passModel(lp)
    highs.run()
    return -highs.getObjectiveValue()


steps = st.tuples(st.integers(1, 400).map(lambda n: n / 8), st.integers(-20, 50).map(lambda n: n / 100))
curves = st.lists(st.tuples(st.lists(steps, min_size=1, max_size=4), st.booleans()), min_size=1, max_size=25)


def bids_of(drawn: list[tuple[list[tuple[float, float]], bool]]) -> list[Bid]:
    found = []
    for i, (points, buys) in enumerate(drawn):
        prices = sorted((p for _, p in points), reverse=buys)
        found.append(bid(f"o{i}", *((q if buys else -q, p) for (q, _), p in zip(points, prices, strict=True))))
    return found


def welfare(bids: list[Bid], accepted_kw: list[float]) -> float:
    """What accepted power is worth to those who bid; a bid's best steps first."""
    total = 0.0
    for one, kw in zip(bids, accepted_kw, strict=True):
        left = abs(kw)
        for size, limit in one.steps:
            taken = min(left, abs(size))
            total, left = total + np.sign(size) * taken * limit, left - taken
    return total


@given(curves)
def test_the_clearing_is_the_optimum_of_highs(drawn: list[tuple[list[tuple[float, float]], bool]]) -> None:
    bids = bids_of(drawn)
    found = MARKET.clear(bids)
    best = highs_welfare(bids)
    assert welfare(bids, found.accepted_kw.tolist()) == pytest.approx(best, rel=1e-6, abs=1e-6)
    assert abs(found.accepted_kw.sum()) <= 1e-9


@given(curves)
def test_the_price_is_one_at_which_nobody_wants_anything_else(
    drawn: list[tuple[list[tuple[float, float]], bool]],
) -> None:
    bids = bids_of(drawn)
    found = MARKET.clear(bids)
    for one, kw in zip(bids, found.accepted_kw.tolist(), strict=True):
        if not np.isnan(price(found)):
            wants = sum(size for size, limit in one.steps if (limit - price(found)) * size > 0)
            would = sum(size for size, limit in one.steps if (limit - price(found)) * size >= 0)
            assert abs(wants) - 1e-9 <= abs(kw) <= abs(would) + 1e-9


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=20), st.data())
def test_shares_add_up_and_are_within_one_of_the_exact_ones(sizes: list[int], data: st.DataObject) -> None:
    everything = sum(sizes)
    total = data.draw(st.integers(0, everything))
    share = pro_rata(np.array(sizes), total, str).tolist()
    assert sum(share) == total
    for size, given_ in zip(sizes, share, strict=True):
        assert 0 <= given_ <= size
        assert abs(given_ * max(everything, 1) - size * total) < max(everything, 1)
