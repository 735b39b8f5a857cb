"""Profiles that adoption gives to loads, roofs and houses, against their sources and a referee."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest
from formats_cases import data_folder
from hypothesis import given
from hypothesis import strategies as st

from archipel.formats.adopting.individual_loads import EVENTS_50HZ, EVENTS_60HZ, groups, individual
from archipel.formats.adopting.local_clock import ZONE, LocalClock, local_clock
from archipel.formats.adopting.standard_loads import day_shapes, easter_sunday, holidays, standard_profile
from archipel.formats.adopting.weather import heat_demand, sun, sun_of, temperature
from archipel.model import Floats


def year(number: int) -> LocalClock:
    begin, end = (datetime(y, 1, 1, tzinfo=ZONE).astimezone(UTC) for y in (number, number + 1))
    return local_clock(begin, round((end - begin).total_seconds() / 900))


@pytest.mark.parametrize("kind", ["home", "business", "farm"])
def test_a_standard_profile_is_a_year_of_a_thousand_megawatt_hours(kind: str) -> None:
    profile = standard_profile(kind, year(2025))
    assert profile.mean() == pytest.approx(1.0, abs=0.01)
    assert profile.min() > 0.1


def test_homes_peak_on_winter_evenings_and_businesses_at_noon_of_working_days() -> None:
    clock = year(2025)
    home, shop = standard_profile("home", clock), standard_profile("business", clock)
    peak = int(np.argmax(home))
    assert clock.days[clock.day[peak]].month in {1, 2, 11, 12}
    assert 17 * 4 <= clock.quarter[peak] <= 21 * 4
    assert 10 * 4 <= clock.quarter[int(np.argmax(shop))] <= 14 * 4


def test_numbers_of_the_profile_are_those_of_the_source() -> None:
    assert day_shapes("home")[0, 0, 0] == pytest.approx(22.152 * 4 * 8760 / 1e6)
    source = data_folder() / "timeseries" / "bdew_profiles" / "h25.csv"
    last = source.read_text(encoding="utf-8").splitlines()[97].split(",")
    assert day_shapes("home")[11, 2, 95] == pytest.approx(float(last[36]) * 4 * 8760 / 1e6)


def test_easter_is_that_of_the_calendar() -> None:
    easter = pytest.importorskip("dateutil.easter").easter
    assert [easter_sunday(y) for y in range(1900, 2200)] == [easter(y) for y in range(1900, 2200)]
    assert date(2025, 5, 29) in holidays(2025), "Ascension Day"


@given(st.integers(0, 30 * 35_040).map(lambda quarter: datetime.fromtimestamp(946_684_800 + 900 * quarter, UTC)))
def test_the_local_clock_is_that_of_the_zone_in_every_quarter_hour(start: datetime) -> None:
    clock = local_clock(start, 3 * 96)
    for row in (0, 1, 50, 150, 287):
        local = datetime.fromtimestamp(start.timestamp() + 900 * row, ZONE)
        assert clock.quarter[row] == local.hour * 4 + local.minute // 15
        assert clock.days[clock.day[row]] == local.date()
    rows = clock.midnights()
    assert set(np.diff(rows).tolist()) <= {92, 96, 100}


def _coincidence(power: Floats, n: int, rng: np.random.Generator) -> float:
    """Peak of n customers together over the sum of their peaks, mean of draws; power by customer and time."""
    picks = [rng.choice(len(power), n, replace=False) for _ in range(60)]
    return float(np.mean([power[p].sum(axis=0).max() / power[p].max(axis=1).sum() for p in picks]))


def test_single_homes_coincide_like_those_of_the_european_test_feeder() -> None:
    folder = data_folder() / "networks" / "opendss" / "LVTestCase" / "Daily_1min_100profiles"
    theirs = np.array([np.loadtxt(folder / f"load_profile_{k}.txt") for k in range(1, 101)])
    theirs = theirs.reshape(100, 96, 15).mean(axis=2)
    clock = local_clock(datetime(2016, 1, 11, 23, tzinfo=UTC), 96)  # a working day in January, like theirs
    ours = individual(standard_profile("home", clock), EVENTS_50HZ["home"], 100, np.random.default_rng(1)).T
    for n in (2, 5, 10, 30, 100):
        one, other = (_coincidence(power, n, np.random.default_rng(n)) for power in (ours, theirs))
        assert one == pytest.approx(other, abs=0.08), n


def test_coincidence_falls_by_the_law_of_rusck() -> None:
    day = local_clock(datetime(2016, 1, 10, 23, tzinfo=UTC), 96)
    power = individual(standard_profile("home", day), EVENTS_50HZ["home"], 96, np.random.default_rng(2)).T
    rng = np.random.default_rng(3)
    g = {n: _coincidence(power, n, rng) for n in (1, 2, 4, 8, 16, 32, 96)}
    one = {n: 1.0 / np.sqrt(n) for n in g}
    limit = sum((1 - one[n]) * (g[n] - one[n]) for n in g) / sum((1 - one[n]) ** 2 for n in g)  # least squares
    assert 0.1 < limit < 0.3
    assert all(g[n] == pytest.approx(limit + (1 - limit) * one[n], abs=0.1) for n in g)


def test_american_homes_are_less_diverse() -> None:
    week = local_clock(datetime(2016, 1, 10, 23, tzinfo=UTC), 7 * 96)
    shape = standard_profile("home", week)
    rng = np.random.default_rng(4)
    g = [_coincidence(individual(shape, e["home"], 70, rng).T, 70, rng) for e in (EVENTS_50HZ, EVENTS_60HZ)]
    assert g[1] > g[0]
    assert 2.4 < 1.0 / g[1] < 3.8, "Kersting: a diversity factor of 3.2 for 70 customers"


@pytest.mark.parametrize("kind", ["home", "business", "farm"])
def test_the_mean_of_many_customers_is_their_class_and_each_has_its_energy(kind: str) -> None:
    shape = standard_profile(kind, local_clock(datetime(2016, 3, 6, 23, tzinfo=UTC), 14 * 96))
    many = individual(shape, EVENTS_50HZ[kind], 600, np.random.default_rng(5))
    assert np.allclose(many.sum(axis=0), shape.sum())
    assert many.min() >= 0.0
    hourly = many.mean(axis=1).reshape(-1, 8).mean(axis=1)
    assert np.corrcoef(hourly, shape.reshape(-1, 8).mean(axis=1))[0, 1] > 0.97


def test_a_street_is_the_mean_of_as_many_homes_as_it_has() -> None:
    single = np.eye(8)
    street = groups(single, np.array([1, 2, 4, 8, 50]), np.random.default_rng(6))
    assert np.allclose(street.sum(axis=0), 1.0)
    assert (street > 0).sum(axis=0).tolist() == [1, 2, 4, 8, 8]


def test_the_sun_of_2016_is_that_of_the_file_and_other_years_borrow_it_by_day_and_time() -> None:
    assert np.array_equal(sun_of(year(2016)), sun())
    other = sun_of(year(2017))
    assert len(other) == 35040
    assert np.array_equal(other[: 59 * 96], sun()[: 59 * 96])
    assert np.array_equal(other[59 * 96 :], sun()[60 * 96 :])
    assert np.allclose(sun().sum(axis=0) / 4.0, 950.0)


@given(st.integers(0, 2**32))
def test_temperature_and_heat_stay_where_they_belong(seed: int) -> None:
    clock = year(2016)
    outside = temperature(clock, np.random.default_rng(seed))
    assert 6.0 < outside.mean() < 12.5
    demand = heat_demand(clock, outside)
    assert demand.min() >= 0.12 - 1e-9
    warm = (np.bincount(clock.day, outside) / np.bincount(clock.day) >= 15.0)[clock.day]
    assert np.allclose(demand[warm], 0.12), "a warm day needs warm water only"
    assert demand.max() < 1.5
    winter = np.isin(np.array([d.month for d in clock.days])[clock.day], [12, 1, 2])
    assert demand[winter].mean() > 3.0 * demand[warm].mean()
