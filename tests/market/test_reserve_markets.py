from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from archipel.market.base import Bid, BidsRefused, Metered
from archipel.market.market_day import MarketDay
from archipel.market.reserve import AfrrEnergy, afrr_capacity, fcr

DAY = MarketDay(date(2016, 2, 10))
BLOCKS = DAY.edges("block")
QUARTERS = DAY.edges("quarter_hour")


def offer(owner: str, *steps: tuple[float, float], product: str = "fcr", start: int = 0, **more: object) -> Bid:
    return Bid(owner, product, BLOCKS[start], steps, **more)  # type: ignore[arg-type]


def test_fcr_is_paid_at_the_price_of_the_dearest_offer_that_is_needed() -> None:
    market = fcr(DAY, np.full(6, 3000.0))
    found = market.clear([offer("a", (-2000, 0.010)), offer("b", (-1000, 0.020)), offer("c", (-5000, 0.030))])
    assert found.accepted_kw.tolist() == [-2000, -1000, 0]
    paid = {p.payee: p for p in market.settle(found)}
    assert paid["a"].amount_eur == Decimal("160") == 2000 * 4 * Decimal("0.02")
    assert (paid["a"].payer, paid["a"].what, paid["a"].quantity, paid["a"].unit) == ("tso", "fcr", 8000, "kW h")


def test_a_block_of_three_hours_is_paid_for_three() -> None:
    spring = MarketDay(date(2016, 3, 27))
    market = fcr(spring, np.full(6, 1000.0))
    found = market.clear([Bid("a", "fcr", spring.start, ((-1000, 0.01),))])
    assert market.settle(found)[0].quantity == 3000


def test_what_is_wanted_and_not_offered_is_told_per_block() -> None:
    found = fcr(DAY, np.full(6, 3500.0)).clear([offer("a", (-1000, 0.01), start=2)])
    assert found.missing_kw["fcr"].tolist() == [4000, 4000, 3000, 4000, 4000, 4000], "rounded up to whole products"


def test_ties_share_in_whole_products() -> None:
    found = fcr(DAY, np.full(6, 4000.0)).clear([offer(o, (-3000, 0.01)) for o in "cba"])
    assert found.accepted_kw.tolist() == [-1000, -1000, -2000]


def test_part_of_a_product_is_refused_and_another_size_may_be_agreed() -> None:
    small = offer("a", (-250.0, 0.01))
    with pytest.raises(BidsRefused, match=r"bid a/fcr/.*-250 kW; expected multiples of the product's 1000 kW"):
        fcr(DAY, np.full(6, 1000.0)).clear([small])
    assert fcr(DAY, np.full(6, 1000.0), product_kw=50.0).clear([small]).accepted_kw.tolist() == [-250]


def test_who_offers_reserve_as_if_to_buy_it_is_told_so() -> None:
    with pytest.raises(BidsRefused, match="expected selling, negative ones: fcr is offered so"):
        fcr(DAY, np.full(6, 1000.0)).clear([offer("a", (1000.0, 0.01))])


def test_afrr_up_and_down_are_bought_apart_and_paid_as_bid() -> None:
    market = afrr_capacity(DAY, np.full(6, 2000.0), np.full(6, 1000.0))
    bids = [
        offer("a", (-1000, 0.01), (-1000, 0.03), product="afrr_up"),
        offer("b", (-1000, 0.02), product="afrr_up"),
        offer("a", (-1000, 0.05), product="afrr_down"),
    ]
    found = market.clear(bids)
    assert found.accepted_kw.tolist() == [-1000, -1000, -1000]
    assert found.price.tolist() == pytest.approx([0.01, 0.02, 0.05])
    assert found.prices["afrr_up", ""][0] == 0.02
    as_cleared = afrr_capacity(DAY, np.full(6, 2000.0), np.full(6, 1000.0), pricing="as_cleared").clear(bids)
    assert as_cleared.price.tolist() == [0.02, 0.02, 0.05]


def test_capacity_that_was_not_there_is_not_paid_and_costs_a_penalty() -> None:
    market = fcr(DAY, np.full(6, 2000.0), penalty_times=3.0)
    found = market.clear([offer("a", (-2000, 0.01))])
    paid = market.settle(found, [Metered("a", BLOCKS[0], -1500.0, "fcr")])
    assert [(p.what, p.payer, p.payee, p.amount_eur) for p in paid] == [
        ("fcr", "tso", "a", Decimal("60")),
        ("penalty", "a", "tso", Decimal("60")),
    ]


def test_energy_up_goes_to_the_cheapest_and_energy_down_to_who_pays_most() -> None:
    market = AfrrEnergy(DAY, np.full(96, 8.0), np.full(96, 5.0))
    up = [Bid(o, "afrr_up", QUARTERS[0], ((-5.0, p),)) for o, p in (("a", 0.3), ("b", 0.1))]
    down = [Bid(o, "afrr_down", QUARTERS[0], ((4.0, p),)) for o, p in (("c", -0.2), ("d", 0.05))]
    found = market.clear([*up, *down])
    assert found.accepted_kw.tolist() == [-3, -5, 1, 4]
    assert found.price.tolist() == [0.3, 0.3, -0.2, -0.2]
    money = {p.id.split("/")[2]: (p.payer, p.payee, p.amount_eur) for p in market.settle(found)}
    assert money["a"] == ("tso", "a", Decimal("0.225"))
    assert money["d"] == ("d", "tso", Decimal("-0.2")), "below zero the TSO pays for drawing"


def test_energy_that_was_called_is_paid_as_far_as_it_came() -> None:
    market = AfrrEnergy(DAY, np.full(96, 8.0), np.zeros(96))
    found = market.clear([Bid("a", "afrr_up", QUARTERS[0], ((-8.0, 0.1),))])
    for came, kwh in ((-4.0, 1), (-20.0, 2), (3.0, 0)):
        paid = market.settle(found, [Metered("a", QUARTERS[0], came, "afrr_up")])
        assert sum(p.quantity for p in paid) == kwh


def test_a_negative_or_missing_want_is_refused() -> None:
    with pytest.raises(ValueError, match="negative want of fcr"):
        fcr(DAY, np.full(6, -1.0))
    with pytest.raises(ValueError, match="wanted afrr_down: found no value at"):
        afrr_capacity(DAY, np.zeros(6), np.full(6, np.nan))
