"""Bids: what a market takes, what is accepted, how it is met."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bidding_cases import battery, drawn_prices, scenarios, sun
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.vpp.bidding import FORMS, Bid, Form, Settings, make_offer, meet
from archipel.vpp.bidding_program import Risk, decide, steps_at
from archipel.vpp.portfolio_plan import best_plan, pool_of, value_eur
from archipel.vpp.price_scenarios import PriceScenarios

SEEDS = st.integers(0, 10_000)


@settings(max_examples=5, deadline=None)
@given(SEEDS, st.sampled_from(FORMS))
def test_a_higher_price_never_buys_more_in_any_hour_of_a_curve(seed: int, form: Form) -> None:
    pool = pool_of([battery(), sun()])
    bid = make_offer(pool, scenarios(seed, noise=0.03), Settings(form)).bid
    assert all(np.all(np.diff(step) <= 1e-6) for step in bid.step_kw)
    assert all(np.all(np.diff(edge) > 0) for edge in bid.edge_eur_per_kwh)


@settings(max_examples=5, deadline=None)
@given(SEEDS)
def test_equal_prices_buy_equal_quantities_whatever_else_the_scenarios_say(seed: int) -> None:
    price = scenarios(seed, 6).price_eur_per_kwh.copy()
    price[3, :6] = price[1, :6]
    found = decide(pool_of([battery()]), PriceScenarios(price, np.full(6, 1 / 6)), steps_at(price, 6), Risk())
    bought = found.x_kw[found.steps.of(price)]
    assert np.array_equal(bought[3, :6], bought[1, :6])


@settings(max_examples=6, deadline=None)
@given(SEEDS, SEEDS)
def test_whatever_blocks_the_market_takes_they_are_delivered_exactly(seed: int, other: int) -> None:
    pool = pool_of([battery(), sun(), battery(member="c", e_kwh=50.0, p_kw=40.0, ramp=30.0)])
    bid = make_offer(pool, scenarios(seed), Settings("blocks")).bid
    price = drawn_prices(np.random.default_rng(other), 1, noise=0.05)[0]
    assert bid.groups
    out = meet(pool, bid, price)
    assert (out.over_kw + out.under_kw).sum() < 1.0  # blocks are rounded to a tenth of a kW


def test_all_blocks_of_a_group_buy_or_all_sell_and_never_reach_into_the_hours_of_another() -> None:
    bid = make_offer(pool_of([battery()]), scenarios(4), Settings("blocks")).bid
    busy = [np.abs(blocks).sum(axis=0) > 0 for blocks in bid.groups]
    assert all(np.all(blocks >= 0) or np.all(blocks <= 0) for blocks in bid.groups)
    assert np.max(np.sum(busy, axis=0)) == 1
    assert max(len(blocks) for blocks in bid.groups) > 1


def test_a_group_takes_the_block_that_is_worth_most_at_the_prices_that_came() -> None:
    pool = pool_of([battery(4)])
    blocks = np.array([[0.0, 0.0, -5.0, 0.0], [0.0, 0.0, 0.0, -5.0]])
    bid = Bid(pool.start, 1.0, (np.zeros(0),) * 4, (np.full(1, 20.0),) * 4, (blocks,))
    assert np.array_equal(bid.accepted_kw(np.array([0.01, 0.01, 0.05, 0.04])), [20.0, 20.0, 15.0, 20.0])
    assert np.array_equal(bid.accepted_kw(np.array([0.01, 0.01, 0.04, 0.05])), [20.0, 20.0, 20.0, 15.0])


def test_a_price_at_an_edge_belongs_to_the_step_below_it() -> None:
    pool = pool_of([battery(1)])
    bid = Bid(pool.start, 1.0, (np.array([0.03]),), (np.array([50.0, -50.0]),))
    assert bid.accepted_kw(np.array([0.03]))[0] == 50.0
    assert bid.accepted_kw(np.array([0.0301]))[0] == -50.0


def test_sun_is_sold_above_its_cost_and_kept_below() -> None:
    pool = pool_of([sun(2)])
    bid = make_offer(pool, scenarios(1, 4, 2), Settings("blocks")).bid
    assert np.allclose(bid.accepted_kw(np.array([0.03, -0.03])), [-50.0, 0.0])


@settings(max_examples=4, deadline=None)
@given(SEEDS)
def test_nobody_earns_more_than_who_knew_the_prices(seed: int) -> None:
    pool, price = pool_of([battery(), sun()]), drawn_prices(np.random.default_rng(seed + 1), 1, noise=0.02)[0]
    best = value_eur(pool, best_plan(pool, price), price)
    for form in FORMS:
        bid = make_offer(pool, scenarios(seed), Settings(form)).bid
        assert meet(pool, bid, price).earned_eur <= best + 1e-6


def test_a_plan_that_is_met_earns_what_it_is_worth() -> None:
    pool, price = pool_of([battery()]), drawn_prices(np.random.default_rng(3), 1)[0]
    plan = best_plan(pool, price)
    kw = pool.total_base_kw + plan.net_kw
    bid = Bid(pool.start, 1.0, (np.zeros(0),) * 24, tuple(np.array([x]) for x in kw))
    out = meet(pool, bid, price)
    assert out.earned_eur == pytest.approx(value_eur(pool, plan, price), abs=1e-6)
    assert (out.over_kw + out.under_kw).sum() == pytest.approx(0.0, abs=1e-6)


def test_what_is_missing_is_bought_at_the_price_and_the_spread() -> None:
    pool = pool_of([battery(1, e_kwh=0.0, p_kw=0.0)])
    bid = Bid(pool.start, 1.0, (np.zeros(0),), (np.array([-80.0]),))  # promised 100 kW less than is drawn
    out = meet(pool, bid, np.array([0.04]), imbalance_eur_per_kwh=0.03)
    assert out.over_kw[0] == pytest.approx(100.0)
    assert out.earned_eur == pytest.approx(-3.0)


def test_no_energy_is_burnt_to_get_rid_of_what_was_bought_too_much() -> None:
    pool = pool_of([battery(2)])
    bid = Bid(pool.start, 1.0, (np.zeros(0),) * 2, (np.array([120.0]), np.array([120.0])))
    out = meet(pool, bid, np.array([-0.2, -0.3]))
    stored = 100.0 + 0.95 * np.cumsum(out.plan.u_kw[0])
    assert np.allclose(out.plan.e_kwh[0], stored)
    assert out.plan.e_kwh.max() <= 200.0 + 1e-6
    assert out.under_kw.sum() == pytest.approx(200.0 - 100.0 / 0.95)


@settings(max_examples=8, deadline=None)
@given(SEEDS)
def test_a_day_ends_with_what_it_began_with_even_below_a_price_of_zero(seed: int) -> None:
    price = drawn_prices(np.random.default_rng(seed), 1, noise=0.04)[0] - 0.25
    plan = best_plan(pool_of([battery()]), price)
    assert plan.e_kwh[0, -1] >= 100.0 - 1e-6
    change = np.where(plan.u_kw[0] > 0, 0.95 * plan.u_kw[0], plan.u_kw[0] / 0.95)
    assert np.allclose(plan.e_kwh[0], 100.0 + np.cumsum(change), atol=1e-3)


@settings(max_examples=8, deadline=None)
@given(SEEDS, st.floats(0.0, 1.0))
def test_a_member_that_is_partly_there_stays_within_its_part(seed: int, part: float) -> None:
    pool, price = pool_of([battery()]), drawn_prices(np.random.default_rng(seed), 1, noise=0.02)[0]
    plan = best_plan(pool, price, np.array([part]))
    assert np.all(np.abs(plan.u_kw) <= 100.0 * part + 1e-6)
    assert np.all(np.abs(plan.e_kwh - 100.0) <= 100.0 * part + 1e-6)


@settings(max_examples=8, deadline=None)
@given(SEEDS)
def test_a_ramp_holds_from_hour_to_hour(seed: int) -> None:
    price = drawn_prices(np.random.default_rng(seed), 1, noise=0.02)[0]
    plan = best_plan(pool_of([battery(ramp=30.0)]), price)
    assert np.all(np.abs(np.diff(plan.net_kw)) <= 30.0 + 1e-6)


def test_more_weight_on_the_worst_scenarios_never_worsens_their_mean() -> None:
    pool, seen = pool_of([battery()]), scenarios(11, 12, noise=0.02)
    steps = steps_at(seen.price_eur_per_kwh, 3)
    cvar, mean = [], []
    for weight in (0.0, 0.5, 1.0):
        offer = make_offer(pool, seen, Settings("curves", Risk(weight, 0.25), steps=3))
        cvar.append(offer.cvar_eur(0.25))
        mean.append(offer.expected_eur)
    assert cvar[0] <= cvar[1] + 1e-6 <= cvar[2] + 2e-6
    assert mean[0] >= mean[1] - 1e-6 >= mean[2] - 2e-6
    assert cvar[2] > cvar[0] + 0.01
    assert len(steps.edge) == 24


@settings(max_examples=4, deadline=None)
@given(SEEDS)
def test_what_is_expected_of_blocks_is_what_they_earn_when_a_scenario_comes(seed: int) -> None:
    pool, seen = pool_of([battery(), sun()]), scenarios(seed, 4, noise=0.03)
    offer = make_offer(pool, seen, Settings("blocks"))
    earned = [meet(pool, offer.bid, price).earned_eur for price in seen.price_eur_per_kwh]
    assert np.allclose(earned, offer.earned_eur, atol=0.02)  # blocks are rounded to a tenth of a kW


def test_cvar_is_the_mean_of_the_worst_part() -> None:
    offer = make_offer(pool_of([battery()]), scenarios(2, 8), Settings("plan"))
    assert offer.cvar_eur(0.25) == pytest.approx(np.sort(offer.earned_eur)[:2].mean())
    assert offer.cvar_eur(1.0) == pytest.approx(offer.expected_eur)


def test_curves_with_one_step_are_the_best_plan_at_the_mean_price() -> None:
    pool, seen = pool_of([battery()]), scenarios(5)
    offer = make_offer(pool, seen, Settings("plan"))
    plan = best_plan(pool, seen.mean_price)
    assert offer.expected_eur == pytest.approx(value_eur(pool, plan, seen.mean_price), abs=1e-6)


@settings(max_examples=6, deadline=None)
@given(SEEDS)
def test_steps_never_bring_less_than_one_quantity_in_the_scenarios_they_were_made_for(seed: int) -> None:
    pool, seen = pool_of([battery(8), sun(8)]), scenarios(seed, 6, 8, noise=0.03)
    plan, curves = (make_offer(pool, seen, Settings(form)).expected_eur for form in ("plan", "curves"))
    assert curves >= plan - 1e-6


def test_availability_below_one_makes_bids_smaller() -> None:
    pool, seen = pool_of([battery()]), scenarios(5)
    gone = replace(seen, availability=np.zeros((8, 1)))
    for form in FORMS:
        bid = make_offer(pool, gone, Settings(form)).bid
        assert np.allclose(bid.accepted_kw(seen.mean_price), pool.total_base_kw, atol=1e-6)


def test_missing_prices_are_refused_by_their_intervals_and_negative_ones_are_prices() -> None:
    pool = pool_of([battery()])
    bid = make_offer(pool, scenarios(1), Settings("plan")).bid
    price = np.full(24, 0.03)
    price[[4, 7]] = np.nan
    with pytest.raises(ValueError, match="intervals 4, 7 "):
        meet(pool, bid, price)
    meet(pool, bid, np.full(24, -0.05))


@pytest.mark.parametrize("hours", [23, 25])
def test_days_on_which_clocks_change_are_bid_like_any_other(hours: int) -> None:
    pool = pool_of([battery(hours)])
    for form in FORMS:
        bid = make_offer(pool, scenarios(1, 4, hours), Settings(form)).bid
        assert len(bid.accepted_kw(np.full(hours, 0.03))) == hours


def test_prices_of_another_day_length_are_refused_with_both_counts() -> None:
    with pytest.raises(ValueError, match="found 24; expected 23"):
        make_offer(pool_of([battery(23)]), scenarios(1, 4, 24))


def test_a_member_that_is_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="b more than once"):
        pool_of([battery(), battery()])


def test_members_of_different_intervals_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="c: found 23 intervals"):
        pool_of([battery(), battery(23, member="c")])


def test_a_curve_that_rises_with_the_price_is_refused() -> None:
    with pytest.raises(ValueError, match="none above the one before"):
        Bid(battery(1).start, 1.0, (np.array([0.03]),), (np.array([-5.0, 5.0]),))
