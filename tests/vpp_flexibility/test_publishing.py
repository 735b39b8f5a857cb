"""Everything inside what a member publishes is deliverable by its devices."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fleets_for_flexibility import KINDS, START, breach, planned
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.devices import LoadFleet
from archipel.model import Horizon, Tariff
from archipel.model.weather import Weather
from archipel.vpp.optimum import contains, optimum
from archipel.vpp.publish import Rules, column_powers, disaggregate, publish
from archipel.vpp.within import within

TOLERANCE = 1e-6


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    n=st.integers(1, 25),
    seed=st.integers(0, 10_000),
    steps=st.sampled_from([1, 2, 4]),
    stores=st.integers(1, 12),
)
def test_every_vertex_of_what_is_published_is_deliverable(
    kind: str, n: int, seed: int, steps: int, stores: int
) -> None:
    plan, horizon = planned(kind, n, seed, steps)
    flexibility, key = publish("m", [plan], horizon, Rules(stores=stores, least=2))
    (rest,) = disaggregate(key, np.zeros((flexibility.stores, flexibility.intervals)))
    rng = np.random.default_rng(seed)
    for direction in rng.normal(size=(3, flexibility.intervals)):
        best = optimum(flexibility, direction)
        assert contains(flexibility, best.change_kw)
        (u,) = disaggregate(key, best.change_kw)
        assert breach(plan, u, rest) < TOLERANCE
        drawn = plan.base_p_kw.sum(axis=0) + column_powers(key, best.change_kw)[0].sum(axis=0)
        np.testing.assert_allclose(drawn, best.p_kw, atol=1e-6)


def test_all_kinds_of_a_member_are_one_publication_and_deliver_together() -> None:
    plans, horizon = zip(*(planned(kind, 12, 3, 4) for kind in KINDS), strict=True)
    flexibility, key = publish("m", plans, horizon[0])
    best = optimum(flexibility, np.random.default_rng(5).normal(size=flexibility.intervals))
    rest = disaggregate(key, 0.0 * best.change_kw)
    for plan, u, still in zip(plans, disaggregate(key, best.change_kw), rest, strict=True):
        assert breach(plan, u, still) < TOLERANCE


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_published_is_worth_most_of_what_one_device_alone_can_do(kind: str) -> None:
    """A guard against publishing nothing: with one store per device little may be lost."""
    plan, horizon = planned(kind, 6, 8, 1)
    flexibility, _ = publish("m", [plan], horizon, Rules(stores=60, least=1, durations=8))
    alone = sum(
        optimum(
            publish("m", [planned_one(plan, k)], horizon, Rules(stores=60, least=1, durations=48))[0], price
        ).gain_eur
        for k in range(len(plan.columns))
        for price in [_price(horizon)]
    )
    together = optimum(flexibility, _price(horizon)).gain_eur
    assert together >= 0.95 * alone
    assert alone > 0.1


def _price(horizon: Horizon) -> np.ndarray:
    """Negative at times, so that cutting sun pays; far apart, so that shedding does."""
    return np.random.default_rng(2).uniform(-3.0, 6.0, len(horizon))


def planned_one(plan, k: int):
    columns = plan.columns
    parts = {
        f.name: getattr(columns, f.name)[k : k + 1]
        for f in dataclasses.fields(columns)
        if f.name not in ("store", "even")
    }
    store = columns.store
    if store is not None:
        store = type(store)(**{f.name: getattr(store, f.name)[k : k + 1] for f in dataclasses.fields(store)})
    none = np.zeros((0, columns.intervals))
    return dataclasses.replace(
        plan, base_p_kw=none, base_q_kvar=none, columns=type(columns)(**parts, store=store), column_of=np.zeros(0, int)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_published_lets_a_device_leave_the_limits_of_its_connection(kind: str) -> None:
    plan, horizon = planned(kind, 15, 4, 2)
    rng = np.random.default_rng(6)
    shape = plan.base_p_kw.shape
    draws, gives = rng.uniform(0.0, 6.0, shape), rng.uniform(0.0, 6.0, shape)
    narrow = within(plan, draws, gives)
    flexibility, key = publish("m", [narrow], horizon)
    top, bottom = np.zeros((2, len(plan.columns), len(horizon)))
    has = plan.column_of >= 0
    np.add.at(top, plan.column_of[has], draws[has])
    np.add.at(bottom, plan.column_of[has], gives[has])
    for direction in rng.normal(size=(4, len(horizon))):
        p_kw = column_powers(key, optimum(flexibility, direction).change_kw)[0]
        assert (p_kw <= top + TOLERANCE).all()
        assert (p_kw >= -bottom - TOLERANCE).all()


def test_a_limit_that_is_no_limit_is_refused() -> None:
    plan, _ = planned("battery", 3, 1, 4)
    good = np.ones(plan.base_p_kw.shape)
    with pytest.raises(ValueError, match="no limit below 0"):
        within(plan, good, -good)
    with pytest.raises(ValueError, match="no limit below 0"):
        within(plan, good * np.nan, good)
    with pytest.raises(ValueError, match="expected \\(3, 12\\)"):
        within(plan, good[:2], good)


def test_intervals_of_two_lengths_are_refused() -> None:
    plan, _ = planned("battery", 3, 1, 4)
    with pytest.raises(ValueError, match="intervals of one length"):
        publish("m", [plan], Horizon(START, np.array([1, 2] * 6)))


def test_a_member_without_devices_publishes_its_load_and_no_store() -> None:
    plan, horizon = planned("battery", 0, 1, 4)
    flexibility, key = publish("m", [plan], horizon)
    assert flexibility.stores == 0
    assert optimum(flexibility, np.ones(12)).gain_eur == 0.0
    assert disaggregate(key, np.zeros((0, 12)))[0].shape == (0, 2, 12)


def test_a_whole_cell_is_a_member_with_its_load_in_the_baseline() -> None:
    plan, horizon = planned("battery", 8, 1, 4)
    one = np.zeros(2, dtype=np.int64)
    load = LoadFleet(("a", "b"), one, np.array([3.0, 4.0]), 0.0 * one, one - 1, one - 1)
    fixed = load.plan(np.arange(2), {}, Weather(0, np.zeros((48, 0)), perfect=True), horizon, Tariff())
    alone, _ = publish("m", [plan], horizon)
    cell, key = publish("m", [fixed, plan], horizon)
    np.testing.assert_allclose(cell.base_kw, alone.base_kw + 7.0)
    assert cell.stores == alone.stores
    best = optimum(cell, np.resize([0.0, 1.0], len(horizon)))
    np.testing.assert_allclose(7.0 + column_powers(key, best.change_kw)[1].sum(axis=0), best.p_kw)


def test_stores_stand_for_no_fewer_devices_than_asked_for() -> None:
    for kind in ("battery", "heat_pump"):
        plan, horizon = planned(kind, 40, 2, 2)
        _, key = publish("m", [plan], horizon, Rules(stores=100, least=7))
        behind = np.diff(key.parts[0].up.tocsc().indptr)
        assert behind.min() >= 7
        assert len(behind) > 1
