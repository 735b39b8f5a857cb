from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal

import numpy as np
import pytest

from archipel.market.base import Bid, Metered
from archipel.market.market_day import MarketDay
from archipel.market.retail import Band, DynamicPrice, FlatPrice, Retail, TimeOfUse

DAY, SPRING, AUTUMN = (MarketDay(date(2016, *on)) for on in ((2, 10), (3, 27), (10, 30)))
NIGHT = TimeOfUse((Band(time(22), time(6), 0.20),), 0.35)


def metered(day: MarketDay, kw: float) -> list[Metered]:
    return [Metered("anna", start, kw) for start in day.edges("quarter_hour")[:-1]]


def billed(market: Retail, readings: list[Metered]) -> Decimal:
    paid = market.settle(market.clear(()), readings)
    assert {p.payer for p in paid} | {p.payee for p in paid} == {"anna", "supplier"}
    return sum(((p.payer == "anna") - (p.payee == "anna")) * p.amount_eur for p in paid)


@pytest.mark.parametrize(("day", "hours"), [(DAY, 24), (SPRING, 23), (AUTUMN, 25)])
def test_a_flat_tariff_bills_every_quarter_hour_of_short_and_long_days(day: MarketDay, hours: int) -> None:
    market = Retail(day, FlatPrice(0.30), FlatPrice(0.08))
    assert billed(market, metered(day, 2.0)) == hours * 2 * Decimal("0.30")


@pytest.mark.parametrize(("day", "night"), [(DAY, 8), (SPRING, 7), (AUTUMN, 9)])
def test_a_night_tariff_follows_the_local_clock_when_it_changes(day: MarketDay, night: int) -> None:
    assert billed(Retail(day, NIGHT, FlatPrice(0)), metered(day, 1.0)) == Decimal("0.20") * night + Decimal("0.35") * 16


def test_a_band_holds_on_its_weekdays_only_and_the_first_that_holds_counts() -> None:
    week = TimeOfUse((Band(time(8), time(20), 0.4, weekdays=(0, 1, 2, 3, 4)), Band(time(0), time(12), 0.1)), 0.2)
    wednesday, sunday = week.prices(DAY.edges("hour")), week.prices(MarketDay(date(2016, 2, 14)).edges("hour"))
    assert wednesday.tolist() == [0.1] * 8 + [0.4] * 12 + [0.2] * 4
    assert sunday.tolist() == [0.1] * 12 + [0.2] * 12


def test_what_is_fed_in_is_paid_at_its_own_price() -> None:
    market = Retail(DAY, FlatPrice(0.30), FlatPrice(0.08))
    assert billed(market, metered(DAY, -4.0)) == 96 * Decimal("-0.08")
    assert {p.what for p in market.settle(market.clear(()), metered(DAY, -4.0))} == {"feed_in"}


@pytest.mark.parametrize(("day", "count"), [(DAY, 24), (SPRING, 23), (AUTUMN, 25)])
def test_a_dynamic_tariff_adds_tax_and_fee_to_the_hour_of_every_quarter(day: MarketDay, count: int) -> None:
    hourly = np.linspace(-0.1, 0.2, count)
    prices = DynamicPrice(day, hourly, 0.12, factor=1.19).prices(day.edges("quarter_hour"))
    assert prices == pytest.approx(np.repeat(hourly, 4) * 1.19 + 0.12)


def test_a_negative_price_pays_who_draws() -> None:
    market = Retail(DAY, DynamicPrice(DAY, np.full(24, -0.2), 0.1), FlatPrice(0))
    assert billed(market, metered(DAY, 1.0)) == Decimal("-2.4")


def test_the_base_fee_is_billed_once_a_day_to_everyone_with_a_reading() -> None:
    market = Retail(DAY, FlatPrice(0.3), FlatPrice(0.1), base_eur_per_day=0.33)
    assert billed(market, metered(DAY, 0.0)) == Decimal("0.33")


def test_a_dynamic_tariff_of_another_day_is_refused() -> None:
    with pytest.raises(ValueError, match="dynamic tariff of 2016-03-27: found intervals from 2016-02-09 23:00"):
        Retail(DAY, DynamicPrice(SPRING, np.zeros(23), 0.1), FlatPrice(0)).clear(())
    with pytest.raises(ValueError, match="found 24 values"):
        DynamicPrice(SPRING, np.zeros(24), 0.1)


def test_a_customer_draws_what_is_worth_its_price() -> None:
    at = datetime(2016, 2, 10, 12, tzinfo=UTC)
    market = Retail(DAY, FlatPrice(0.3), FlatPrice(0.08))
    found = market.clear([Bid("a", "energy", at, ((2, 0.5), (3, 0.3), (4, 0.2))), Bid("b", "energy", at, ((-5, 0.1),))])
    assert found.accepted_kw.tolist() == [5, 0]
