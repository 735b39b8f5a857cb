from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.market.market_day import MarketDay, hours

ZONES = (
    "Europe/Berlin",
    "Europe/Lisbon",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "UTC",
)


@pytest.mark.parametrize(
    ("on", "quarters", "blocks"),
    [
        (date(2016, 3, 26), 96, [4, 4, 4, 4, 4, 4]),
        (date(2016, 3, 27), 92, [3, 4, 4, 4, 4, 4]),
        (date(2016, 10, 30), 100, [5, 4, 4, 4, 4, 4]),
    ],
)
def test_days_on_which_clocks_change_have_92_and_100_quarter_hours(on: date, quarters: int, blocks: list[int]) -> None:
    day = MarketDay(on)
    assert len(day.edges("quarter_hour")) - 1 == quarters
    assert len(day.edges("hour")) - 1 == quarters // 4
    assert hours(day.edges("block")).tolist() == blocks


def test_a_day_in_berlin_begins_at_local_midnight() -> None:
    assert MarketDay(date(2016, 1, 11)).start == datetime(2016, 1, 10, 23, tzinfo=UTC)
    assert MarketDay(date(2016, 7, 1)).start == datetime(2016, 6, 30, 22, tzinfo=UTC)


def test_blocks_follow_the_local_clock_when_it_changes() -> None:
    edges = MarketDay(date(2016, 3, 27)).edges("block")
    assert edges[0] == datetime(2016, 3, 26, 23, tzinfo=UTC)
    assert edges[1] == datetime(2016, 3, 27, 2, tzinfo=UTC), "04:00 summer time"


def test_a_day_whose_midnight_does_not_exist_begins_when_clocks_have_jumped() -> None:
    day = MarketDay(date(2016, 3, 27), "Asia/Beirut")  # 00:00 becomes 01:00
    assert day.start == datetime(2016, 3, 26, 22, tzinfo=UTC)
    assert len(day.edges("hour")) - 1 == 23


def test_where_clocks_move_by_half_an_hour_the_last_interval_is_cut_short() -> None:
    day = MarketDay(date(2016, 10, 2), "Australia/Lord_Howe")
    assert hours(day.edges("hour")).tolist() == [1.0] * 23 + [0.5]
    assert len(day.edges("quarter_hour")) - 1 == 94


@given(on=st.dates(date(2000, 1, 1), date(2030, 12, 30)), zone=st.sampled_from(ZONES))
def test_days_follow_each_other_without_gap_and_intervals_fill_them(on: date, zone: str) -> None:
    day = MarketDay(on, zone)
    assert day.end == MarketDay(on + timedelta(days=1), zone).start
    for resolution in ("quarter_hour", "hour", "block"):
        edges = day.edges(resolution)  # type: ignore[arg-type]
        assert (edges[0], edges[-1]) == (day.start, day.end)
        assert all(a < b for a, b in pairwise(edges))


def test_an_unknown_zone_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'Europe/Atlantis': found no such time zone"):
        MarketDay(date(2016, 1, 1), "Europe/Atlantis")
