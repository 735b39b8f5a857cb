"""The energy that batteries keep for a loss of the main grid: from the past, as a floor of plans and local rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from archipel.cell.parts import cut
from archipel.cell.reserve import (
    Reserve,
    area_kw,
    bank_of,
    island_reserve_kwh,
    reserve_of,
    survival,
    survival_words,
    with_reserve,
)
from archipel.devices import BatteryFleet, Sensed, Weather
from archipel.forecasting.analogs import DAY, required_kwh
from archipel.forecasting.perfect import perfect
from archipel.formats.scenario import load_scenario
from archipel.model import Horizon, Scenario

FEBRUARY = datetime(2016, 2, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def island() -> Scenario:
    return load_scenario("island")


def asking(case: Scenario, hours: float, probability: float = 0.999) -> Scenario:
    rules = replace(case.island, reserve_for_h=hours, reserve_probability=probability)
    return with_reserve(replace(case, island=rules))


def kept_by(case: Scenario) -> Reserve:
    kept = reserve_of(case)
    assert kept is not None
    return kept


def battery_of(case: Scenario) -> BatteryFleet:
    return next(f for f in case.fleets if isinstance(f, BatteryFleet))


def test_nothing_is_kept_unless_it_is_asked_for(island: Scenario) -> None:
    assert reserve_of(island) is None
    assert reserve_of(asking(island, 0.0)) is None
    assert reserve_of(with_reserve(replace(asking(island, 6.0), island=island.island))) is None
    assert island_reserve_kwh(island, 96 * 40) == island.island.reserve_kwh


def test_what_is_kept_is_told_from_the_past_only(island: Scenario) -> None:
    case = asking(island, 6.0)
    row = case.profiles.row(FEBRUARY) + 37
    rng = np.random.default_rng(4)
    value = case.profiles.value.copy()
    value[row // DAY * DAY :] = rng.uniform(0, 1, value[row // DAY * DAY :].shape)
    other = with_reserve(replace(case, profiles=replace(case.profiles, value=value)))
    np.testing.assert_array_equal(kept_by(case).wanted_kwh(row, 200), kept_by(other).wanted_kwh(row, 200))
    value[row:] = 0.0
    changed = replace(case, profiles=replace(case.profiles, value=value))
    assert survival(other, row, 2e4, 0.9) == survival(changed, row, 2e4, 0.9)


def test_all_batteries_keep_the_same_share_and_what_cells_hold_adds_up(island: Scenario) -> None:
    case, row = asking(island, 6.0), island.profiles.row(FEBRUARY)
    wanted = kept_by(case).wanted_kwh(row, 1)[0]
    held = 0.0
    for own in (own for cell in cut(case).own for own in cell):
        if isinstance(own.fleet, BatteryFleet):
            assert own.fleet.reserve is not None
            held += float(own.fleet.reserve.share(row, 1)[0] * own.fleet.e_kwh.sum())
    assert held == pytest.approx(wanted)


def test_a_local_rule_never_discharges_the_reserve_and_fills_it_up(island: Scenario) -> None:
    case, row = asking(island, 6.0), island.profiles.row(FEBRUARY)
    fleet = battery_of(case)
    floor = kept_by(case).share(row, 2).max() * fleet.e_kwh
    weather = Weather(row, case.profiles.window(row, 1).astype(np.float64), perfect=True)
    thirsty = Sensed(np.ones(len(floor)), np.full(len(floor), 1e5))
    for above_kwh in (0.0, 1.0, 50.0):
        state = {"e_kwh": floor + above_kwh}
        p, q = fleet.local_rule(state, weather, thirsty, 0.25)
        after = fleet.advance(state, weather, p, q, np.zeros(len(p), dtype=bool), 0.25).state["e_kwh"]
        assert (after >= floor - 1e-9).all()
    state = {"e_kwh": 0.5 * floor}
    for _ in range(16):
        p, q = fleet.local_rule(state, weather, thirsty, 0.25)
        state = fleet.advance(state, weather, p, q, np.zeros(len(p), dtype=bool), 0.25).state
    assert (state["e_kwh"] > 0.95 * floor).all()


def test_a_straight_line_between_the_ends_of_planned_intervals_is_never_below_the_reserve(island: Scenario) -> None:
    case, row = asking(island, 6.0), island.profiles.row(FEBRUARY)
    fleet, horizon = battery_of(case), Horizon.multi_rate(FEBRUARY, 8, 4)
    rows = int(horizon.steps.sum())
    state = {"e_kwh": 0.9 * fleet.e_kwh}
    plan = fleet.plan(np.arange(3), state, perfect(case.profiles, row, rows), horizon, case.tariff)
    assert plan.columns.store is not None
    lo = plan.columns.store.lo / fleet.e_kwh[:3, None]
    ends = np.append(0, horizon.first + horizon.steps)
    between = np.interp(np.arange(1, rows + 1), ends[1:], lo[0])
    assert (between[horizon.steps[0] :] >= kept_by(case).share(row, rows + 1)[2:] - 1e-12).all()
    free = replace(fleet, reserve=None).plan(
        np.arange(3), state, perfect(case.profiles, row, rows), horizon, case.tariff
    )
    assert free.columns.store is not None
    assert (plan.columns.store.lo >= free.columns.store.lo).all()
    assert (plan.columns.store.hi >= plan.columns.store.lo).all()


def test_a_reserve_that_cannot_be_held_is_told_with_the_hours_that_can(island: Scenario) -> None:
    case, row = asking(island, 24.0), island.profiles.row(FEBRUARY)
    kept, size = kept_by(case), float(battery_of(case).e_kwh.sum())
    wanted = kept.wanted_kwh(row, 96)
    assert wanted.max() > size
    assert kept.share(row, 96).max() == 1.0
    hours = kept.promised_h(row)
    assert 0.0 < hours < 24.0
    less = kept_by(asking(island, hours)).wanted_kwh(row, 96)
    more = kept_by(asking(island, hours + 0.25)).wanted_kwh(row, 96)
    assert less.max() <= size < more.max()
    said = kept.why_not(row, float(wanted[0]))
    for part in (
        "24 h at 99.9 %",
        f"{size:,.0f} kWh",
        f"promised instead, that day: {hours:g} h",
        "kept full",
        "Lower",
    ):
        assert part in said
    assert "no day before it" in kept.why_not(0, float(kept.wanted_kwh(0, 1)[0]))
    assert kept.promised_h(0) == 0.0


def test_promises_of_the_year_are_kept_as_often_as_said(island: Scenario) -> None:
    bank = bank_of(island)
    assert bank is not None
    critical, _, offered = area_kw(island, 0, 366 * DAY)
    for hours, probability, least in ((6.0, 0.9, 0.9), (6.0, 0.99, 0.99), (6.0, 0.999, 0.999), (12.0, 0.99, 0.99)):
        steps = round(4 * hours)
        happened = required_kwh(critical - offered, steps, bank)
        kept = kept_by(asking(island, hours, probability))
        days = range(28, 364, 9)
        share = np.mean(
            [(happened[DAY * d : DAY * d + DAY] <= kept.wanted_kwh(DAY * d, DAY) + 1e-6).mean() for d in days]
        )
        assert share >= least


def test_survival_grows_with_what_is_stored_and_is_told_in_words(island: Scenario) -> None:
    row = island.profiles.row(FEBRUARY + timedelta(hours=18))
    hours = [survival(island, row, e, 0.99, most_h=24.0) for e in (0.0, 5e3, 1.5e4, 3e4)]
    assert hours == sorted(hours)
    assert hours[0] < hours[-1]
    words = survival_words(island, FEBRUARY, 2e4)
    assert "h at 90 %" in words
    assert "h at 99.9 %" in words
    with pytest.raises(ValueError, match="nothing is ever sure"):
        survival(island, row, 1e4, 1.0)
    assert (
        survival(replace(island, fleets=tuple(f for f in island.fleets if f.kind != "battery")), row, 0.0, 0.9) == 0.0
    )
