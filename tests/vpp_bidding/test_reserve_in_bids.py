"""Reserve that is promised is there: in power, in energy, once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bidding_cases import battery, drawn_prices, scenarios, sun
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.model import Floats
from archipel.vpp.bidding import Bid, Settings, make_offer, meet
from archipel.vpp.portfolio_plan import Plan, pool_of
from archipel.vpp.price_scenarios import PriceScenarios
from archipel.vpp.reserve_bids import ReserveProduct, afrr, fcr

SEEDS = st.integers(0, 10_000)


def products(price: Floats, least_kw: float = 0.0) -> tuple[ReserveProduct, ...]:
    return (
        fcr(price, 1.0, least_kw=least_kw),
        afrr("up", 0.6 * price, 1.0, least_kw=least_kw),
        afrr("down", 0.5 * price, 1.0, least_kw=least_kw),
    )


def is_backed(plan: Plan, up_kw: Floats, down_kw: Floats, up_kwh: Floats, down_kwh: Floats) -> bool:
    """One battery of 200 kWh and 100 kW: power beyond the plan, and energy at both ends of every hour."""
    u, e = plan.u_kw[0], plan.e_kwh[0]
    power = np.all(u + down_kw <= 100.0 + 1e-4) and np.all(u - up_kw >= -100.0 - 1e-4)
    before = np.append(100.0, e[:-1])
    low = np.minimum(e, before) - up_kwh / 0.95
    high = np.maximum(e, before) + down_kwh * 0.95
    return bool(power and np.all(low >= -1e-4) and np.all(high <= 200.0 + 1e-4))


@settings(max_examples=6, deadline=None)
@given(SEEDS, st.floats(0.0, 0.05))
def test_all_that_is_promised_together_is_backed_by_power_and_energy_at_every_moment(seed: int, worth: float) -> None:
    rng = np.random.default_rng(seed)
    pool, kinds = pool_of([battery()]), products(worth * rng.random(6))
    bid = make_offer(pool, scenarios(seed, 4), Settings("curves"), kinds).bid
    price = drawn_prices(rng, 1)[0]
    out = meet(pool, bid, price, products=kinds)
    both, up, down = (np.repeat(r, 4) for r in bid.reserve_kw)
    assert is_backed(out.plan, both + up, both + down, 0.25 * both + up, 0.25 * both + down)


def test_reserve_that_pays_well_is_promised_and_paid() -> None:
    pool, seen = pool_of([battery()]), scenarios(1, 4)
    kinds = (fcr(np.full(6, 0.05), 1.0, least_kw=0.0),)
    bid = make_offer(pool, seen, Settings("curves"), kinds).bid
    assert np.all(bid.reserve_kw[0] > 50.0)
    plain = make_offer(pool, seen, Settings("curves"))
    paid = 4.0 * 0.05 * bid.reserve_kw[0].sum()
    out = meet(pool, bid, seen.mean_price, products=kinds)
    assert plain.expected_eur < out.earned_eur <= paid + plain.expected_eur + 0.5


def test_reserve_that_pays_nothing_costs_no_energy() -> None:
    pool, seen = pool_of([battery()]), scenarios(1, 4)
    kinds = (fcr(np.zeros(6), 1.0, least_kw=0.0),)
    with_it, without = make_offer(pool, seen, Settings("curves"), kinds), make_offer(pool, seen, Settings("curves"))
    assert with_it.expected_eur == pytest.approx(without.expected_eur, abs=1e-6)


def test_less_than_the_market_takes_is_not_promised_at_all() -> None:
    pool, seen = pool_of([battery()]), scenarios(1, 4)
    kinds = (fcr(np.full(6, 0.05), 1.0, least_kw=1000.0),)
    offer = make_offer(pool, seen, Settings("curves"), kinds)
    assert np.all(offer.bid.reserve_kw[0] == 0.0)
    assert offer.expected_eur == pytest.approx(make_offer(pool, seen, Settings("curves")).expected_eur, abs=1e-6)


def test_reserve_that_is_not_kept_is_not_paid_and_costs_its_price_once_more() -> None:
    pool, seen = pool_of([battery()]), scenarios(1, 4)
    kinds = (fcr(np.full(6, 0.05), 1.0, least_kw=0.0),)
    idle = Bid(pool.start, 1.0, (np.zeros(0),) * 24, (np.full(1, 20.0),) * 24, (), (np.full(6, 100.0),))
    whole = meet(pool, idle, seen.mean_price, products=kinds)
    assert whole.earned_eur == pytest.approx(24 * 0.05 * 100.0)
    assert np.allclose(whole.short_kw, 0.0)
    half = meet(pool, idle, seen.mean_price, availability=np.array([0.5]), products=kinds)
    assert np.allclose(half.short_kw, 50.0)
    assert half.earned_eur == pytest.approx(0.0, abs=1e-6)


@settings(max_examples=4, deadline=None)
@given(SEEDS)
def test_every_block_promises_nothing_or_what_its_market_takes(seed: int) -> None:
    kinds = products(0.02 * np.random.default_rng(seed).random(3), least_kw=60.0)
    bid = make_offer(pool_of([battery(12)]), scenarios(seed, 2, 12), Settings("plan"), kinds).bid
    for promised in bid.reserve_kw:
        assert np.all((promised < 1e-6) | (promised >= 60.0 - 1e-6))


def test_a_member_whose_contract_does_not_allow_it_gives_no_reserve() -> None:
    pool, seen = pool_of([battery(), battery(member="c")]), scenarios(1, 4)
    one = replace(fcr(np.full(6, 0.05), 1.0, least_kw=0.0), members=("c",))
    two = fcr(np.full(6, 0.05), 1.0, least_kw=0.0)
    allowed, all_of_them = (make_offer(pool, seen, Settings("curves"), (k,)).bid.reserve_kw[0] for k in (one, two))
    assert np.all(allowed <= 100.0 + 1e-6)
    assert np.all(all_of_them > allowed + 50.0)


def test_reserve_that_is_there_only_in_some_scenarios_is_not_promised() -> None:
    pool, seen = pool_of([battery()]), scenarios(1, 4)
    some = PriceScenarios(seen.price_eur_per_kwh, seen.probability, np.array([[1.0], [1.0], [1.0], [0.25]]))
    kinds = (fcr(np.full(6, 0.05), 1.0, least_kw=0.0),)
    assert np.all(make_offer(pool, some, Settings("curves"), kinds).bid.reserve_kw[0] <= 25.0 + 1e-6)


def test_sun_gives_down_reserve_only() -> None:
    pool, seen = pool_of([sun()]), scenarios(1, 4)
    kinds = (afrr("up", np.full(6, 0.05), 1.0, least_kw=0.0), afrr("down", np.full(6, 0.05), 1.0, least_kw=0.0))
    up, down = make_offer(pool, seen, Settings("curves"), kinds).bid.reserve_kw
    assert np.allclose(up, 0.0)
    assert np.allclose(down, 50.0)


def test_prices_for_another_number_of_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="fcr: found 5 prices"):
        make_offer(pool_of([battery()]), scenarios(1, 4), Settings("curves"), (fcr(np.full(5, 0.01), 1.0),))
