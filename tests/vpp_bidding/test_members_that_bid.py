"""What the members of a scenario publish for a day of the market."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from archipel.formats.scenario import load_scenario
from archipel.model import Scenario
from archipel.vpp.bidding_members import FEW, published_members
from archipel.vpp.portfolio_plan import best_plan, pool_of, value_eur
from archipel.vpp.publish import Rules


@pytest.fixture(scope="module")
def vpp() -> Scenario:
    return load_scenario("vpp")


def test_every_contract_publishes_few_stores_for_every_hour_of_a_long_day(vpp: Scenario) -> None:
    members = published_members(vpp, datetime(2016, 10, 29, 22, tzinfo=UTC), 25)
    assert [one.member for one in members] == [one.id for one in vpp.ownership.contracts]
    for one in members:
        assert one.intervals == 25
        # batteries, sun, vehicles, heat pumps; vehicles have a few windows of a few durations
        assert 0 < one.stores <= 6 * FEW.stores


def test_a_member_offers_nothing_in_the_hours_it_is_away(vpp: Scenario) -> None:
    start = datetime(2016, 12, 26, 23, tzinfo=UTC) - timedelta(hours=12)
    homes = published_members(vpp, start, 24)[0]
    assert homes.member == "nordhof-homes"
    moves = (homes.p_kw_max - homes.p_kw_min).sum(axis=0)
    assert np.all(moves[:12] == 0.0)
    assert np.all(moves[12:] > 0.0)


def test_more_stores_are_worth_more(vpp: Scenario) -> None:
    start = datetime(2016, 1, 18, 23, tzinfo=UTC)
    price = 0.03 + 0.02 * np.sin(np.arange(24) / 2.0)
    worth = [
        value_eur(pool, best_plan(pool, price), price)
        for pool in (pool_of(published_members(vpp, start, 24, rules)) for rules in (FEW, Rules(128, 1, 4)))
    ]
    assert 0.9 * worth[1] < worth[0] < worth[1]
