"""A portfolio of several owners on top of what cells agreed: network first, nothing sold twice, meters follow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.cell.parts import cut
from archipel.devices import BatteryFleet
from archipel.formats.scenario import load_scenario
from archipel.model import ArchipelError, Delivery, Ownership, Portfolio, Scenario, StrategyResult
from archipel.strategies.network_first import NetworkFirst
from archipel.strategies.pool_member import TIERS, Reach, Room, shared
from archipel.strategies.pooled import SOLD, Pooled
from archipel.twin import run

HOURS = timedelta(hours=9)
"""Into the sunny day: the export limit binds."""
STEPS = 6


@cache
def vpp() -> Scenario:
    return load_scenario("vpp")


@cache
def morning() -> tuple[StrategyResult, Delivery]:
    pool = Pooled(vpp(), workers=1)
    result = run(vpp(), pool, start=vpp().start + HOURS, steps=STEPS)
    (delivery,) = pool.deliveries(result)
    return result, delivery


def test_meters_show_what_was_sold_and_called() -> None:
    _, d = morning()
    called = d.afrr_energy_kw.sum(axis=0)
    assert np.abs(called).max() > 50.0
    off = np.abs(d.metered_kw.sum(axis=0) - d.bought_kw - called)
    assert np.median(off) < 1.0
    np.testing.assert_allclose(d.metered_kw, d.asked_kw, atol=1e-3)


def test_no_limit_is_broken_for_the_portfolio() -> None:
    result, _ = morning()
    nodes = vpp().grid.nodes
    assert result.loading.max() <= 1.0
    assert (result.v_pu <= nodes.v_pu_max[:, None]).all()
    assert result.upstream_p_kw.min() >= -vpp().connection.export_kw_max


def test_plans_leave_free_what_is_sold_as_reserve() -> None:
    _, d = morning()
    battery = next(fleet for fleet in vpp().fleets if isinstance(fleet, BatteryFleet))
    at = np.array(vpp().device_kind) == "battery"
    for i, contract in enumerate(d.contract):
        mine = vpp().ownership.devices_of(contract)[at]
        rating = float(battery.p_kw_charge[mine].sum())
        assert d.fcr_kw[i].max() + d.afrr_up_kw[i].max() <= 2 * SOLD * rating + 1e-9
    assert d.fcr_kw[:2].min() > 0.0
    assert d.fcr_kw[2].max() == 0.0  # vehicles leave: their contract allows no containment


def test_who_is_away_is_not_moved_and_keeps_no_reserve() -> None:
    begin = vpp().start + HOURS
    away = tuple(
        replace(portfolio, contracts=tuple(
            replace(c, away=((begin, begin + timedelta(hours=2)),)) if c.id == "nordhof-homes" else c
            for c in portfolio.contracts
        ))
        for portfolio in vpp().ownership.portfolio
    )  # fmt: skip
    case = replace(vpp(), ownership=replace(vpp().ownership, portfolio=away))
    pool = Pooled(case, workers=1)
    result = run(case, pool, start=begin, steps=2)
    (d,) = pool.deliveries(result)
    np.testing.assert_allclose(d.asked_kw[0], d.baseline_kw[0])
    assert not d.fcr_kw[0].any()
    assert not d.afrr_energy_kw[0].any()
    assert np.abs(d.asked_kw[1] - d.baseline_kw[1]).max() > 0.0


def test_a_position_taken_inside_a_plan_begins_where_the_clock_is() -> None:
    pool = Pooled(vpp(), workers=1)
    begin = vpp().start + HOURS
    run(vpp(), pool, start=begin, steps=1)
    whole, later = pool._bought(begin), pool._bought(begin + timedelta(minutes=45))
    assert whole.shape == (3, 96)
    assert np.ptp(whole[:2], axis=1).min() > 100.0
    np.testing.assert_array_equal(later, whole[:, 3:])


def test_a_scenario_without_a_portfolio_is_refused() -> None:
    with pytest.raises(ArchipelError, match="no portfolio in scenario vpp"):
        Pooled(replace(vpp(), ownership=Ownership()))


def test_what_a_member_tells_of_the_coming_quarter_hour_is_sums() -> None:
    told = Room(1.0, np.zeros(len(TIERS)), np.zeros(len(TIERS)))
    assert set(Room.__slots__) == {"expected_kw", "down_kw", "up_kw"}
    assert np.shape(told.expected_kw) == ()
    assert len(told.down_kw) == len(TIERS)


room = st.lists(st.floats(0.0, 1e4), min_size=len(TIERS), max_size=len(TIERS)).map(np.array)
rooms = st.lists(st.tuples(room, room).map(lambda pair: Room(0.0, *pair)), min_size=1, max_size=6)


@given(rooms, st.floats(-1e5, 1e5))
def test_nobody_is_asked_beyond_its_room_and_all_together_no_more_than_wanted(some: list[Room], wanted: float) -> None:
    change = shared(wanted, some)
    can = sum(float((one.up_kw if wanted > 0 else one.down_kw).sum()) for one in some)
    assert abs(change.sum()) == pytest.approx(min(abs(wanted), can), rel=1e-6, abs=1e-6)
    for one, asked in zip(some, change, strict=True):
        assert (asked <= one.up_kw * (1 + 1e-9) + 1e-9).all()
        assert (asked >= -one.down_kw * (1 + 1e-9) - 1e-9).all()


@given(rooms, st.floats(-1e5, 1e5))
def test_the_order_of_members_changes_nothing(some: list[Room], wanted: float) -> None:
    np.testing.assert_allclose(shared(wanted, some[::-1])[::-1], shared(wanted, some), rtol=1e-9, atol=1e-6)


def test_reach_is_cut_where_a_corner_would_break_a_limit_and_only_there() -> None:
    case = vpp()
    law = NetworkFirst(cut(case))
    n = len(case.device_id)
    still = np.zeros(n)
    small, large = np.full(n, -0.1), np.where(np.array(case.device_kind) == "load", 0.0, -30.0)
    kept = law.within(Reach(still, still, small, still))
    np.testing.assert_allclose(kept.low_kw, small)
    bounded = law.within(Reach(still, still, large, still))
    assert bounded.low_kw.sum() > 0.9 * large.sum()
    assert bounded.low_kw.sum() >= -case.connection.export_kw_max * 1.1


def test_portfolios_act_apart_unless_one_is_a_member_of_the_other() -> None:
    (pool,) = vpp().ownership.portfolio
    first, *rest = pool.contracts
    other = replace(pool, id="other", contracts=(replace(first, portfolio="other"),))
    one = replace(pool, contracts=tuple(rest))

    def asked(*portfolios: Portfolio) -> Delivery:
        case = replace(vpp(), ownership=replace(vpp().ownership, portfolio=portfolios, device_contract=moved))
        strategy = Pooled(case, workers=1)
        result = run(case, strategy, start=case.start + HOURS, steps=1)
        strategy.close()
        return next(d for d in strategy.deliveries(result) if d.portfolio == "other")

    # contracts of `one` come first now
    moved = np.array([2, 0, 1, -1])[vpp().ownership.device_contract]
    apart = asked(one, other)
    own = apart.bought_kw + apart.afrr_energy_kw.sum(axis=0)
    assert apart.asked_kw.sum() == pytest.approx(float(own[0]), abs=1.0)
    nested = asked(one, replace(other, parent=one.id))
    assert nested.asked_kw.sum() != pytest.approx(float(own[0]), abs=1.0)
