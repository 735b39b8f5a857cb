"""The main grid is lost: seconds, hours, and the way back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from archipel.cell.mode import Mode
from archipel.cli.main import main
from archipel.devices import LoadFleet
from archipel.formats.scenario import load_scenario
from archipel.model import GridError, IslandRules, Scenario
from archipel.strategies.area_in_parts import AreaInParts
from archipel.strategies.connected import Before, before
from archipel.strategies.first_seconds import LOST_S, NOTICED_S, back_after_s
from archipel.strategies.leaving import Left, LeftIsland, leave, off_grid, timeline
from archipel.strategies.way_back import life_beside

WINTER = datetime(2016, 1, 20, 18, tzinfo=UTC)
RULES = IslandRules(reserve_kwh=11_000.0, fuel_below_kwh=30_000.0)


@pytest.fixture(scope="module")
def island() -> Scenario:
    return load_scenario("island")


@pytest.fixture(scope="module")
def left(island: Scenario) -> Left:
    return leave(island, WINTER, 6.0, rules=RULES)


@pytest.fixture(scope="module")
def whole(left: Left) -> LeftIsland:
    assert left.dark == ()
    (one,) = left.islands
    return one


@pytest.fixture(scope="module")
def district() -> AreaInParts:
    return AreaInParts(load_scenario("district"))


@pytest.fixture(scope="module")
def since(district: AreaInParts) -> Before:
    return before(district.scenario, WINTER)


@pytest.fixture(scope="module")
def parted(district: AreaInParts, since: Before) -> Left:
    return leave(district, WINTER, 1.0, rules=RULES, since=since, closing_in_dynamics=False)


def test_critical_load_goes_on_without_a_break_and_frequency_stays_in_its_band(left: Left, whole: LeftIsland) -> None:
    assert 49.0 < float(whole.traces.nadir_hz[0]) <= float(whole.traces.peak_hz[0]) < 51.5
    assert whole.traces.trips == ()
    before = whole.traces.time_s < LOST_S
    assert np.abs(whole.traces.f_centre_hz[0, before] - 50.0).max() < 1e-3  # at rest before the loss
    assert whole.held_h == left.held_h == left.hours


def test_frequency_falls_by_the_droop_and_secondary_control_brings_it_back(whole: LeftIsland, island: Scenario) -> None:
    rated = sum(float(f.p_kw_discharge.sum()) for f in island.fleets if f.kind == "battery")  # type: ignore[attr-defined]
    expected = 50.0 * (1.0 - 0.02 * whole.import_kw / rated)
    # loads that feel the voltage, losses and curves of followers move it a little
    noticed = np.abs(whole.traces.time_s - LOST_S - NOTICED_S).argmin()
    assert whole.traces.f_centre_hz[0, noticed] == pytest.approx(expected, abs=0.1 * abs(expected - 50.0) + 0.02)
    assert back_after_s(whole.traces, 50.0) < 10.0


def test_the_power_that_flows_when_the_switch_closes_is_small_because_it_waits_for_zero(whole: LeftIsland) -> None:
    assert whole.closing is not None
    assert whole.closing.power_step_share is not None
    assert 0.0 < whole.closing.power_step_share <= 0.05
    assert abs(whole.closing.angle_deg) < 1.0
    assert abs(whole.closing.f_hz) < 0.1
    assert abs(whole.closing.v_pu) < 0.03


def test_the_cell_forms_before_it_opens_and_comes_back_when_the_main_grid_is_healthy(whole: LeftIsland) -> None:
    modes = [said.after for said in whole.life]
    assert modes == [Mode.ISLANDING, Mode.ISLAND, Mode.RESYNCHRONISING, Mode.RECONNECTED, Mode.CONNECTED]
    assert whole.life[1].at_s < 0.5
    assert whole.life[2].at_s >= 6.0 * 3600.0 + 300.0


def test_it_closes_only_inside_the_window_whatever_the_angle_it_meets(whole: LeftIsland) -> None:
    for seed in range(25):
        _, closing = life_beside(0.01 * (seed - 12), 1.0, seed, ())
        assert closing is not None
        assert abs(closing.angle_deg) <= 10.0
        assert abs(closing.f_hz) <= 0.1
        assert abs(closing.v_pu) <= 0.03


def test_where_the_whole_cannot_be_one_island_its_largest_parts_that_can_are(parted: Left) -> None:
    assert [one.name for one in parted.islands] == ["LV3.304", "LV5.346"]
    for one in parted.islands:
        assert one.held_h == parted.hours
        assert one.traces.trips == ()
        assert float(one.traces.nadir_hz[0]) > 49.0
        assert one.promised_h == 6.0
        assert one.earth.missing == ()
        assert one.closing is not None


def test_each_part_takes_over_where_it_stood_in_the_whole(parted: Left) -> None:
    for one in parted.islands:
        rated = sum(float(f.p_kw_discharge.sum()) for f in one.scenario.fleets if f.kind == "battery")  # type: ignore[attr-defined]
        expected = 50.0 * (1.0 - 0.02 * one.import_kw / rated)
        noticed = np.abs(one.traces.time_s - LOST_S - NOTICED_S).argmin()
        assert one.traces.f_centre_hz[0, noticed] == pytest.approx(expected, abs=0.02)
        assert one.import_kw < parted.import_kw


def test_the_rest_is_dark_and_every_cell_says_why(parted: Left, district: AreaInParts) -> None:
    area = district.scenario
    living = {cell for one in parted.islands for cell in one.cells}
    why = {dark.cell: " ".join(dark.why) for dark in parted.dark}
    assert sorted([*living, *why]) == sorted(cell.id for cell in area.archipelago.cell)
    assert "neutral earth" in why["Substation"]
    assert "protection" in why["Substation"]
    assert "protection" in why["LV4.335"]
    assert why["LV3.305"] == "no grid-forming source in it or below it"
    assert parted.dark_life[0].after is Mode.DEGRADED
    assert parted.held_h == 0.0


def test_what_dark_cells_miss_is_what_their_loads_would_have_drawn(parted: Left, district: AreaInParts) -> None:
    area = district.scenario
    row = area.profiles.row(WINTER)
    fleet = next(f for f in area.fleets if isinstance(f, LoadFleet))
    dark = {dark.cell: dark for dark in parted.dark}["LV3.305"]
    mine = area.archipelago.node_cell[fleet.node] == area.archipelago.index("LV3.305")
    value = np.hstack([area.profiles.window(row, 4), np.ones((4, 1), dtype=np.float32)]).astype(np.float64)
    expected = float((value[:, fleet.p_profile] * fleet.p_kw)[:, mine].sum()) * 0.25
    assert dark.unserved_kwh == pytest.approx(expected)
    assert dark.critical_unserved_kwh == pytest.approx(0.4 * expected)


def test_an_area_that_remembers_its_parts_and_what_was_before_loses_its_main_grid_alike(
    parted: Left, district: AreaInParts
) -> None:
    anew = leave(district.scenario, WINTER, 1.0, rules=RULES, closing_in_dynamics=False)
    assert anew.dark == parted.dark
    assert anew.dark_life == parted.dark_life
    for one, two in zip(parted.islands, anew.islands, strict=True):
        assert one.stored_kwh == two.stored_kwh
        assert one.life == two.life
        assert np.array_equal(one.result.p_kw, two.result.p_kw)


def test_where_units_cannot_carry_what_is_on_the_parts_below_are_asked(
    island: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overloaded(scenario: Scenario, *rest: object, **more: object) -> None:
        raise GridError(f"{scenario.archipelago.cell[0].id} has no settled state")

    monkeypatch.setattr("archipel.strategies.leaving.first_seconds", overloaded)
    left = leave(island, WINTER, 1.0, rules=RULES)
    assert left.islands == ()
    assert "Substation has no settled state" in left.dark[0].why[0]
    assert all("neutral earth" in dark.why[0] for dark in left.dark[1:])


def test_a_sunny_cell_is_lost_at_noon_as_its_busbar_sees_it(district: AreaInParts) -> None:
    # its sun at one house would be more than any cable there could take away
    noon = datetime(2016, 5, 20, 11, tzinfo=UTC)
    row = district.scenario.profiles.row(noon)
    full = {"battery": {"e_kwh": district.battery.e_kwh}}
    fresh = {fleet.kind: fleet.initial(row - 1) for fleet in district.scenario.fleets}  # type: ignore[attr-defined]
    since = before(district.scenario, noon, {**fresh, **full})
    left = leave(district, noon, 0.25, rules=RULES, since=since, closing_in_dynamics=False)
    assert [one.name for one in left.islands] == ["LV3.304", "LV5.346"]
    assert min(one.import_kw for one in left.islands) < -300.0
    # full batteries take nothing, so frequency rises until the sun is turned down, and nothing trips
    assert all(50.5 < float(one.traces.peak_hz[0]) < 51.2 for one in left.islands)
    assert not any(one.traces.trips for one in left.islands)


def test_an_area_without_main_grid_or_batteries_has_none_to_lose_and_says_so(island: Scenario) -> None:
    with pytest.raises(GridError, match="a main grid to lose"):
        leave(load_scenario("island-year"), WINTER, 1.0, rules=RULES)
    bare = replace(island, fleets=tuple(f for f in island.fleets if f.kind != "battery"))
    with pytest.raises(GridError, match="nothing can form an island"):
        leave(bare, WINTER, 1.0, rules=RULES)


def test_empty_stores_form_nothing(island: Scenario) -> None:
    left = leave(island, WINTER, 1.0, rules=RULES, soc=0.0, closing_in_dynamics=False)
    assert left.islands == ()
    assert {dark.why[0] for dark in left.dark if dark.cell != "Substation"} <= {"all batteries are empty"}
    assert left.dark[0].why == ("all batteries are empty",)


def test_a_long_calm_sheds_first_and_says_when_critical_load_was_cut(island: Scenario) -> None:
    still = [f for f in island.fleets if f.kind in {"load", "battery"}]
    calm = replace(island, fleets=tuple(still))
    left = leave(calm, WINTER, 24.0, rules=RULES, soc=0.3, closing_in_dynamics=False)
    words = [text for _, _, text in timeline(left)]
    assert next(k for k, w in enumerate(words) if "load is shed" in w) < next(
        k for k, w in enumerate(words) if "critical load is cut" in w
    )
    assert 0.0 < left.held_h < 24.0


def test_the_area_without_main_grid_wants_as_much_as_before(island: Scenario) -> None:
    alone = off_grid(island, IslandRules(off_grid=True, critical_share=0.3))

    def wanted(case: Scenario, kind: str) -> float:
        return sum(float(f.p_kw.sum()) for f in case.fleets if f.kind == kind)  # type: ignore[attr-defined]

    assert wanted(alone, "load") == pytest.approx(0.3 * wanted(island, "load"))
    assert wanted(alone, "load") + wanted(alone, "sheddable") == pytest.approx(wanted(island, "load"))


def test_the_command_tells_in_words_figures_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "island.html"
    asked = ["island", "island", "--at", "2016-01-20T18:00Z", "--hours", "1"]
    assert main([*asked, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["critical_held_h"] == 1.0
    assert figures["islands"][0]["nadir_hz"] > 49.0
    assert figures["dark"] == []
    promised = figures["islands"][0]["survival_h"]
    assert list(promised) == ["0.9", "0.99", "0.999"]
    assert promised["0.9"] >= promised["0.999"] >= 1.0
    assert main([*asked, "--page", str(page)]) == 0
    said = capsys.readouterr().out
    assert "islanding -> island" in said
    assert "h at 99.9 %" in said
    written = page.read_text("utf-8")
    for title in ("What happened when", "The first seconds", "The hours without main grid", "Who carried whom"):
        assert title in written


def test_the_command_tells_of_every_island_and_of_the_dark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "parts.html"
    asked = ["island", "district", "--at", "2016-01-20T18:00Z", "--hours", "0.5", "--quiet"]
    assert main([*asked, "--page", str(page)]) == 1  # somebody's critical load is dark
    said = capsys.readouterr().out
    assert "LV3.304" in said
    assert "no grid-forming source" in said
    written = page.read_text("utf-8")
    for title in ("Islands", "Without supply", "The first seconds: LV5.346"):
        assert title in written


@pytest.mark.parametrize("wrong", [["--at", "noon"], ["--at", "2016-01-20T18:07Z"]])
def test_a_time_that_is_none_is_explained(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["island", "island", *wrong]) == 2
    assert "expected" in capsys.readouterr().err
