"""Optima over published models, their sums, and what a portfolio refuses."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from fleets_for_flexibility import KINDS, START, planned
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.model import Flexibility
from archipel.vpp.accept import FlexibilityRefused, check_flexibility
from archipel.vpp.combine import combine, without_ramp
from archipel.vpp.optimum import contains, levels, optimum
from archipel.vpp.publish import Rules, column_powers, publish
from archipel.vpp.worth import best_uses, gains


def published(kind: str, seed: int = 1, n: int = 10, member: str = "m") -> Flexibility:
    plan, horizon = planned(kind, n, seed, 4)
    return publish(member, [plan], horizon, Rules(stores=4, least=2))[0]


@settings(max_examples=10, deadline=None)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 1000))
def test_worth_without_a_solver_equals_the_linear_programme(kind: str, seed: int) -> None:
    flexibility = published(kind, seed)
    prices = np.random.default_rng(seed).uniform(0.0, 0.5, (3, flexibility.intervals))
    solved = [optimum(flexibility, price).gain_eur for price in prices]
    np.testing.assert_allclose(gains(flexibility, prices), solved, rtol=1e-6, atol=1e-6)


def test_at_negative_prices_no_store_charges_and_discharges_at_once() -> None:
    flexibility = published("battery", n=6)
    price = np.where(np.arange(flexibility.intervals) % 4 < 3, -1.0, 0.2)
    best = optimum(flexibility, price)
    assert contains(flexibility, best.change_kw)
    bound = float(gains(flexibility, price[None])[0])
    assert 0.8 * bound < best.gain_eur <= bound + 1e-6


def test_an_optimum_is_never_worse_than_the_baseline() -> None:
    flexibility = published("ev_charger")
    assert optimum(flexibility, np.zeros(flexibility.intervals)).gain_eur >= -1e-9


def test_a_ramp_is_kept() -> None:
    flexibility = replace(published("battery"), ramp_kw_per_h=3.0)
    best = optimum(flexibility, np.resize([0.0, 1.0], flexibility.intervals))
    assert np.abs(np.diff(best.p_kw)).max() <= 3.0 + 1e-6
    assert best.gain_eur > 0.0
    assert contains(flexibility, best.change_kw)
    steep = np.where(np.arange(flexibility.intervals)[None] == 3, flexibility.p_kw_max, 0.0)
    assert not contains(flexibility, steep)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), ramp=st.floats(1.0, 60.0))
def test_whatever_the_sum_does_every_member_can_do(seed: int, ramp: float) -> None:
    members = [published("battery", seed, member="a"), published("heat_pump", seed + 1, member="b")]
    members[0] = replace(members[0], ramp_kw_per_h=ramp, base_kw=np.zeros(12))
    both = combine("portfolio", members)
    best = optimum(both, np.random.default_rng(seed).normal(size=both.intervals))
    at = 0
    for one in members:
        assert contains(one, best.change_kw[at : at + one.stores])
        at += one.stores
    np.testing.assert_allclose(both.base_kw, members[0].base_kw + members[1].base_kw)


def test_a_portfolio_can_be_a_member_of_a_portfolio() -> None:
    a, b, c = (published(kind, member=kind) for kind in ("battery", "heat_pump", "ev_charger"))
    nested = combine("outer", [combine("inner", [a, b]), c])
    flat = combine("outer", [a, b, c])
    for field in fields(Flexibility):
        np.testing.assert_array_equal(getattr(nested, field.name), getattr(flat, field.name))


def test_confidence_of_a_sum_holds_however_failures_go_together() -> None:
    parts = [replace(published("battery"), confidence=0.9) for _ in range(3)]
    assert combine("p", parts).confidence == pytest.approx(0.7)
    assert combine("p", parts * 5).confidence == 0.0


def test_members_of_different_hours_are_not_added() -> None:
    one = published("battery", member="one")
    with pytest.raises(ValueError, match="two tells 12 intervals of 1 h from 2016-01-11 13:00, one 12"):
        combine("p", [one, replace(one, member="two", start=START + timedelta(hours=1))])
    with pytest.raises(ValueError, match="no members"):
        combine("p", [])


def test_a_baseline_steeper_than_its_ramp_is_told() -> None:
    one = published("battery")
    steep = replace(one, base_kw=np.arange(12) * 50.0, ramp_kw_per_h=10.0)
    with pytest.raises(ValueError, match=r"moves by 50 kW .* allows 10 kW"):
        without_ramp(steep)


def test_levels_keep_what_a_store_keeps() -> None:
    one = published("battery")
    leaky = replace(one, keep=np.full(one.stores, 0.5), charge_efficiency=np.ones(one.stores))
    change = np.zeros((one.stores, 12))
    change[:, 0] = 8.0
    np.testing.assert_allclose(levels(leaky, change)[:, 3], 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_member_truly_publishes_is_accepted(kind: str) -> None:
    check_flexibility(published(kind))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"p_kw_max": np.nan}, r"p_kw_max\[0, 0\]: found nan; expected a number"),
        ({"base_kw": np.inf}, r"base_kw\[0\]: found inf; expected a number"),
        ({"e_kwh_min": np.nan}, r"e_kwh_min\[0, 0\]: found nan; expected a number, infinite where free"),
        ({"p_kw_min": 1.0}, r"store\[0, 0\]: found p_kw_min above 0"),
        ({"p_kw_max": -1.0}, r"store\[0, 0\]: found p_kw_max below 0"),
        ({"e_kwh_min": 9e9}, "found e_kwh_min above e_kwh_max"),
        ({"e_kwh_min": 1e-3}, "found a level out of bounds when nothing is asked"),
        ({"cost_eur_per_kwh": -0.1}, "found cost_eur_per_kwh below 0"),
        ({"keep": 0.0}, r"keep\[0\]: found 0; expected above 0 and at most 1"),
        ({"charge_efficiency": 1.2}, r"charge_efficiency\[0\]: found 1.2"),
        ({"discharge_efficiency": np.nan}, r"discharge_efficiency\[0\]: found nan"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(change: dict[str, float], sentence: str) -> None:
    good = published("battery")
    wrong = {name: np.full_like(getattr(good, name), value) for name, value in change.items()}
    with pytest.raises(FlexibilityRefused, match=sentence):
        check_flexibility(replace(good, **wrong))


def test_odd_single_values_are_refused_all_at_once() -> None:
    good = published("battery")
    with pytest.raises(FlexibilityRefused) as refused:
        check_flexibility(replace(good, confidence=1.5, ramp_kw_per_h=-1.0))
    assert len(refused.value.problems) == 2
    with pytest.raises(FlexibilityRefused, match="without a zone"):
        check_flexibility(replace(good, start=datetime(2016, 1, 1)))  # noqa: DTZ001
    with pytest.raises(FlexibilityRefused, match="length above 0"):
        check_flexibility(replace(good, dt_h=0.0))
    with pytest.raises(FlexibilityRefused, match=r"keep: found shape \(1,\)"):
        check_flexibility(replace(good, keep=np.ones(1)))


def test_a_member_that_publishes_more_than_is_registered_is_refused() -> None:
    good = published("battery")
    up, down = good.p_kw_max.sum(axis=0).max(), -good.p_kw_min.sum(axis=0).min()
    held = (good.e_kwh_max - good.e_kwh_min).sum(axis=0).max()
    check_flexibility(good, p_kw_up=up, p_kw_down=down, e_kwh=held)
    for limit in ({"p_kw_up": 0.9 * up}, {"p_kw_down": 0.9 * down}, {"e_kwh": 0.9 * held}):
        with pytest.raises(FlexibilityRefused, match=r"its contract registers .* publish less"):
            check_flexibility(good, **limit)


def test_no_message_to_the_portfolio_holds_device_level_data() -> None:
    """No id, no node, no array with a row or column per device, and the same numbers whoever's devices they are."""
    plans, horizon = zip(*(planned(kind, 37, 3, 4) for kind in KINDS), strict=True)
    flexibility, key = publish("contract-7", plans, horizon[0], Rules(stores=3, least=5))
    told = {field.name: getattr(flexibility, field.name) for field in fields(Flexibility)}
    text = json.dumps(told, default=lambda x: x.tolist() if isinstance(x, np.ndarray) else str(x))
    assert "secret" not in text
    stores, intervals = flexibility.stores, flexibility.intervals
    for name, value in told.items():
        if isinstance(value, np.ndarray):
            assert value.shape in ((stores, intervals), (intervals,), (stores,)), name
    own = np.concatenate([plan.columns.hi.max(axis=(1, 2)) for plan in plans])
    assert not np.isin(np.round(own[own > 0.01], 6), np.round(flexibility.p_kw_max, 6)).any()
    answer = column_powers(key, optimum(flexibility, np.ones(intervals)).change_kw)
    assert sum(len(p) for p in answer) > stores  # the split stays with the member: it is no part of what was told


def test_the_order_of_a_members_devices_does_not_show() -> None:
    plan, horizon = planned("battery", 12, 3, 4)
    turned = np.arange(12)[::-1]
    columns = plan.columns
    parts = {f.name: getattr(columns, f.name) for f in fields(columns)}
    store = columns.store
    assert store is not None
    mixed = {k: v[turned] for k, v in parts.items() if isinstance(v, np.ndarray)}
    mixed["store"] = type(store)(**{f.name: getattr(store, f.name)[turned] for f in fields(store)})
    other = replace(plan, columns=replace(columns, **mixed))
    one, two = (publish("m", [p], horizon, Rules(stores=1))[0] for p in (plan, other))
    np.testing.assert_allclose(one.e_kwh_max, two.e_kwh_max)
    np.testing.assert_allclose(one.p_kw_min, two.p_kw_min)


@settings(max_examples=10, deadline=None)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 1000))
def test_uses_at_many_prices_are_inside_and_as_good_as_optima_one_by_one(kind: str, seed: int) -> None:
    flexibility = published(kind, seed)
    rng = np.random.default_rng(seed)
    prices = np.concatenate([rng.uniform(0.0, 0.5, (3, 12)), rng.normal(size=(3, 12))])
    uses = best_uses(flexibility, prices)
    assert all(contains(flexibility, change) for change in uses)
    for price, change in zip(prices[:3], uses[:3], strict=True):
        paid = float((flexibility.cost_eur_per_kwh * np.abs(change)).sum())
        gain = -(float(price @ change.sum(axis=0)) + paid) * flexibility.dt_h
        assert gain == pytest.approx(optimum(flexibility, price).gain_eur, rel=1e-6, abs=1e-6)
