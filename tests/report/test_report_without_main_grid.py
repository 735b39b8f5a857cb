"""The report of an area without a main grid tells who was served, not what was paid or what came from upstream."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import made_up
import numpy as np
import pytest
from test_report import Tags, run_of

from archipel.model import IslandRules, Scenario, StrategyResult
from archipel.report.folder import RunWriter
from archipel.report.html import report
from archipel.report.kpis import kpis
from archipel.report.run import load_run
from archipel.report.words import story

STRATEGIES = ("uncoordinated", "distributed")


def off_grid_case() -> Scenario:
    case = made_up.scenario()
    no_import = replace(case.connection, import_kw_max=0.0)
    return replace(case, island=IslandRules(off_grid=True, reserve_kwh=10.0), connection=no_import)


def lived(case: Scenario, strategy: str, critical_kwh: float = 0.0) -> StrategyResult:
    result = made_up.result(case, strategy)
    steps = len(result.time)
    result.f_hz = 50.0 + 0.1 * np.sin(np.arange(steps))
    result.critical_unserved_kwh = np.full(steps, critical_kwh / steps)
    return result


def page(tmp_path: Path, case: Scenario) -> str:
    with RunWriter(tmp_path, case, start=made_up.START, days=1, forecast="perfect", seed=1) as writer:
        for strategy in STRATEGIES:
            writer.add(lived(case, strategy))
    return report(load_run(writer.path, case))


def test_a_report_without_main_grid_shows_storage_shedding_frequency_and_who_carried_whom(tmp_path: Path) -> None:
    made = page(tmp_path, off_grid_case())
    for words in ("Without a main grid", "Energy in all batteries", "Load not served", "Who carried whom, distributed"):
        assert words in made
    assert "Upstream and prices" not in made
    assert "Not served, %" in made
    Tags(made)


def test_a_report_with_a_main_grid_has_nothing_of_it(tmp_path: Path) -> None:
    made = report(run_of(tmp_path, made_up.scenario(), *STRATEGIES))
    assert "Upstream and prices" in made
    assert "Who carried whom" not in made


def test_what_is_left_over_of_a_balance_breaks_no_limit_of_a_connection_that_is_not_there() -> None:
    case = off_grid_case()
    result = lived(case, "distributed")
    assert (result.upstream_p_kw > 0.0).any()
    assert kpis(case, result)["connection_violation_h"] == 0.0


@pytest.mark.parametrize(("critical_kwh", "words"), [(0.0, "all critical load in it"), (500.0, "but 500\u00a0kWh")])
def test_the_headline_says_who_was_served_and_whether_critical_load_was(critical_kwh: float, words: str) -> None:
    case = off_grid_case()
    runs = {name: kpis(case, lived(case, name, critical_kwh)) for name in STRATEGIES}
    first, second = story({"days": 1, "strategies": runs})
    assert first.startswith("Agreement between cells served ")
    assert words in first
    assert second.startswith("Rules that every cell follows by itself served ")
