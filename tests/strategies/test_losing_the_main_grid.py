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
from archipel.formats.scenario import load_scenario
from archipel.model import GridError, IslandRules, Scenario
from archipel.strategies.first_seconds import LOST_S
from archipel.strategies.leaving import Left, leave, off_grid, timeline
from archipel.strategies.way_back import life_beside

WINTER = datetime(2016, 1, 20, 18, tzinfo=UTC)
RULES = IslandRules(reserve_kwh=11_000.0, fuel_below_kwh=30_000.0)


@pytest.fixture(scope="module")
def island() -> Scenario:
    return load_scenario("island")


@pytest.fixture(scope="module")
def left(island: Scenario) -> Left:
    return leave(island, WINTER, 6.0, rules=RULES)


def test_critical_load_goes_on_without_a_break_and_frequency_stays_in_its_band(left: Left) -> None:
    assert left.cannot == ()
    assert left.traces is not None
    assert 49.0 < float(left.traces.nadir_hz[0]) <= float(left.traces.peak_hz[0]) < 51.5
    assert left.traces.trips == ()
    before = left.traces.time_s < LOST_S
    assert np.abs(left.traces.f_centre_hz[0, before] - 50.0).max() < 1e-3  # at rest before the loss
    assert left.held_h == left.hours


def test_frequency_settles_where_the_droop_of_all_forming_units_puts_it(left: Left, island: Scenario) -> None:
    assert left.traces is not None
    rated = sum(float(f.p_kw_discharge.sum()) for f in island.fleets if f.kind == "battery")  # type: ignore[attr-defined]
    expected = 50.0 * (1.0 - 0.02 * left.import_kw / rated)
    # loads that feel the voltage, losses and curves of followers move it a little
    assert float(left.traces.settled_hz[0]) == pytest.approx(expected, abs=0.1 * abs(expected - 50.0) + 0.02)


def test_the_cell_forms_before_it_opens_and_comes_back_when_the_main_grid_is_healthy(left: Left) -> None:
    modes = [said.after for said in left.life]
    assert modes == [Mode.ISLANDING, Mode.ISLAND, Mode.RESYNCHRONISING, Mode.RECONNECTED, Mode.CONNECTED]
    assert left.life[1].at_s < 0.5
    assert left.life[2].at_s >= 6.0 * 3600.0 + 300.0


def test_it_closes_only_inside_the_window_whatever_the_angle_it_meets(left: Left) -> None:
    assert left.traces is not None
    for seed in range(25):
        _, closing = life_beside(float(left.traces.settled_hz[0]) - 50.0, 1.0, seed, ())
        assert closing is not None
        assert abs(closing.angle_deg) <= 10.0
        assert abs(closing.f_hz) <= 0.1
        assert abs(closing.v_pu) <= 0.03


def test_where_protection_would_not_see_a_fault_no_island_is_formed_and_the_reason_is_said() -> None:
    left = leave(load_scenario("district"), WINTER, 2.0, rules=RULES)
    assert left.traces is None
    assert any("protection" in reason for reason in left.cannot)
    assert left.life[0].after is Mode.DEGRADED
    assert left.held_h == 0.0


def test_an_area_without_main_grid_or_batteries_has_none_to_lose_and_says_so(island: Scenario) -> None:
    with pytest.raises(GridError, match="a main grid to lose"):
        leave(load_scenario("island-year"), WINTER, 1.0, rules=RULES)
    bare = replace(island, fleets=tuple(f for f in island.fleets if f.kind != "battery"))
    with pytest.raises(GridError, match="nothing can form an island"):
        leave(bare, WINTER, 1.0, rules=RULES)


def test_empty_stores_form_nothing(island: Scenario) -> None:
    assert leave(island, WINTER, 1.0, rules=RULES, soc=0.0).cannot[0] == "all batteries are empty"


def test_a_long_calm_sheds_first_and_says_when_critical_load_was_cut(island: Scenario) -> None:
    still = [f for f in island.fleets if f.kind in {"load", "battery"}]
    calm = replace(island, fleets=tuple(still))
    left = leave(calm, WINTER, 24.0, rules=RULES, soc=0.3)
    words = [text for _, text in timeline(left)]
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
    assert figures["nadir_hz"] > 49.0
    assert main([*asked, "--page", str(page)]) == 0
    said = capsys.readouterr().out
    assert "islanding -> island" in said
    written = page.read_text("utf-8")
    for title in ("What happened when", "The first seconds", "The hours without main grid", "Who carried whom"):
        assert title in written


@pytest.mark.parametrize("wrong", [["--at", "noon"], ["--at", "2016-01-20T18:07Z"]])
def test_a_time_that_is_none_is_explained(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["island", "island", *wrong]) == 2
    assert "expected" in capsys.readouterr().err
