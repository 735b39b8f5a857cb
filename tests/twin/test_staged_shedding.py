"""Load is shed stage by stage, the least important first, and comes back in reverse order without flapping."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from small_scenario import START, scenario

from archipel.devices import BatteryFleet, EvChargerFleet, SheddableFleet
from archipel.devices.critical import with_critical
from archipel.model import IslandRules, Scenario, Stage
from archipel.report.kpis import kpis
from archipel.strategies.off_grid import OffGridRule
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import run

STAGES = (Stage(1, 0.2, 12.0), Stage(2, 0.3, 18.0), Stage(5, 0.1, 24.0))
RULES = IslandRules(off_grid=True, critical_share=0.4, reserve_kwh=12.0, stages=STAGES)


def village(rules: IslandRules = RULES, *, soc: float = 0.5, only: tuple[str, ...] = ("load", "battery")) -> Scenario:
    """Three houses with 60 kWh of storage and no main grid."""
    made = scenario(pv_kw=0.0, only=only, overvoltage_trip=False)
    same = np.ones(3)

    def sized(fleet: BatteryFleet) -> BatteryFleet:
        return replace(fleet, e_kwh=20 * same, p_kw_charge=20 * same, p_kw_discharge=20 * same, soc_start=soc * same)

    fleets = with_critical(made.fleets, rules, 10.0)
    return replace(made, fleets=tuple(sized(f) if isinstance(f, BatteryFleet) else f for f in fleets), island=rules)


def served(case: Scenario, rule: OffGridRule, hour: float, stored_kwh: float) -> set[int]:
    """Priorities that are served when so much is stored."""
    decided = rule.decide(START + timedelta(hours=hour), {"battery": {"e_kwh": np.full(3, stored_kwh / 3)}}, None)
    shed = next(f for f in case.fleets if isinstance(f, SheddableFleet))
    on = np.isnan(decided[np.array(case.device_kind) == "sheddable"])
    return {int(p) for p in shed.rank[on]}


def test_loads_are_cut_into_their_stages_and_keep_their_sum() -> None:
    whole, cut = scenario(only=("load",)), village(only=("load", "battery"))
    total = sum(float(f.p_kw.sum()) for f in cut.fleets if f.kind in {"load", "sheddable"})  # type: ignore[attr-defined]
    assert np.isclose(total, sum(float(f.p_kw.sum()) for f in whole.fleets))  # type: ignore[attr-defined]
    shed = next(f for f in cut.fleets if isinstance(f, SheddableFleet))
    assert shed.id[3] == "load/0/stage-2"
    worth = {int(p): v for p, v in zip(shed.rank, shed.voll_eur_per_kwh, strict=True)}
    assert worth[1] > worth[2] > worth[5]  # plans shed in the same order


def test_without_stages_all_the_rest_is_one() -> None:
    one = IslandRules(off_grid=True, reserve_kwh=20.0)
    case = village(one)
    rule = OffGridRule(case)
    assert next(f for f in case.fleets if isinstance(f, SheddableFleet)).id[0] == "load/0/rest"
    assert [served(case, rule, k, e) for k, e in enumerate((25.0, 19.9, 20.0, 19.0))] == [{1}, set(), {1}, set()]


def test_the_least_important_goes_first_and_comes_back_last() -> None:
    case = village()
    rule = OffGridRule(case)
    falling = [served(case, rule, k, e) for k, e in enumerate((30.0, 20.0, 15.0, 10.0))]
    assert falling == [{1, 2, 5}, {1, 2}, {1}, set()]
    rising = [served(case, rule, 4 + k, e) for k, e in enumerate((13.0, 19.0, 25.0))]
    assert rising == [{1}, {1, 2}, {1, 2, 5}]


def test_a_stage_that_is_off_stays_off_until_there_is_a_margin_and_it_has_rested() -> None:
    case = village(replace(RULES, restore_margin_kwh=3.0, restore_after_h=2.0))
    rule = OffGridRule(case)
    assert served(case, rule, 0.0, 23.0) == {1, 2}
    assert served(case, rule, 3.0, 26.9) == {1, 2}  # rested, no margin
    assert served(case, rule, 3.25, 27.0) == {1, 2, 5}
    assert served(case, rule, 4.0, 17.0) == {1}
    assert served(case, rule, 5.75, 40.0) == {1}  # a margin, not rested
    assert served(case, rule, 6.0, 40.0) == {1, 2, 5}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.0, 60.0), min_size=2, max_size=40), st.floats(0.0, 6.0), st.floats(0.0, 2.0))
def test_whatever_is_stored_less_important_load_is_never_served_before_more_important_and_nothing_flaps(
    stored: list[float], margin: float, rest_h: float
) -> None:
    case = village(replace(RULES, restore_margin_kwh=margin, restore_after_h=rest_h))
    rule = OffGridRule(case)
    since = dict.fromkeys((1, 2, 5), -np.inf)
    before = {1, 2, 5}
    for k, e in enumerate(stored):
        hour, now = 0.25 * k, served(case, rule, 0.25 * k, e)
        assert now in (set(), {1}, {1, 2}, {1, 2, 5})
        for stage in STAGES:
            p = stage.priority
            if p in now:
                assert e >= stage.below_kwh - 1e-6
            if p in now and p not in before:
                assert e >= stage.below_kwh + margin - 1e-6
                assert hour - since[p] >= rest_h - 1e-9
            if p not in now and p in before:
                since[p] = hour
        before = now


def test_where_stores_end_inside_a_quarter_hour_the_least_important_is_cut_first_and_critical_load_last() -> None:
    case = village(replace(RULES, reserve_kwh=0.0, stages=tuple(replace(s, below_kwh=0.0) for s in STAGES)), soc=0.05)
    result = run(case, Uncoordinated(case), start=START + timedelta(hours=24), steps=3)
    kind = np.array(case.device_kind)
    shed = next(f for f in case.fleets if isinstance(f, SheddableFleet))
    load = result.p_kw[kind == "load"].sum(axis=0)
    for s in range(3):
        wanted = 15.0 * float(case.profiles.value[96 + s, 0])
        by = {p: result.p_kw[kind == "sheddable"][shed.rank == p, s].sum() for p in (1, 2, 5)}
        if by[5] > 1e-3:
            assert by[2] > 0.29 * wanted
        if by[2] > 1e-3:
            assert by[1] > 0.19 * wanted
        if by[1] > 1e-3:
            assert load[s] > 0.39 * wanted
    assert load[-1] < 1e-3  # nothing is left for anybody


def test_vehicles_and_heat_pumps_wait_with_the_stage_that_is_shed_first() -> None:
    case = village(soc=0.3, only=("load", "battery", "ev_charger", "heat_pump"))
    at = START + timedelta(hours=18)
    result = run(case, Uncoordinated(case), start=at, steps=4)
    assert (result.p_kw[np.isin(case.device_kind, ("ev_charger", "heat_pump"))] == 0.0).all()
    full = village(soc=1.0, only=("load", "battery", "ev_charger", "heat_pump"))
    served_all = run(full, Uncoordinated(full), start=at, steps=1)
    assert served_all.p_kw[np.isin(full.device_kind, ("ev_charger", "heat_pump"))].sum() > 0.0


def test_energy_moved_by_more_than_a_day_is_not_served_whatever_comes_then() -> None:
    case = village(soc=0.9, only=("load", "battery", "ev_charger"))
    one = np.ones(1)
    car = EvChargerFleet(("ev/0",), np.array([3]), 4 * one, np.array([0]), np.array([4]), np.array([4 + 120]), 2 * one)
    others = tuple(f for f in case.fleets if f.kind != "ev_charger")
    plenty = [replace(f, e_kwh=1e3 * f.e_kwh) if isinstance(f, BatteryFleet) else f for f in others]
    case = replace(case, fleets=(*plenty, car))
    result = run(case, Uncoordinated(case), start=START, steps=130)
    assert kpis(case, result)["unserved_share"] == 0.0
    late = np.full(130, np.nan, dtype=np.float32)
    late[4:124] = np.interp(np.arange(120), [0, 96, 108, 119], [0.0, 0.25, 1.0, 1.0])  # three quarters after a day
    result.soc[-1] = late
    used = result.p_kw[np.isin(case.device_kind, ("load", "sheddable", "ev_charger"))].sum() / 4
    assert np.isclose(kpis(case, result)["unserved_share"], 1.5 / used, rtol=0.05)


def test_below_the_reserve_no_stage_is_served_and_a_part_of_an_area_has_its_part_of_all_energies() -> None:
    high = replace(RULES, reserve_kwh=20.0)
    assert [stage.below_kwh for stage in high.shedding] == [20.0, 20.0, 24.0]
    half = replace(RULES, fuel_below_kwh=40.0, restore_margin_kwh=2.0).part(0.5)
    assert (half.reserve_kwh, half.fuel_below_kwh, half.restore_margin_kwh) == (6.0, 20.0, 1.0)
    assert [(stage.share, stage.below_kwh) for stage in half.stages] == [(0.2, 6.0), (0.3, 9.0), (0.1, 12.0)]
