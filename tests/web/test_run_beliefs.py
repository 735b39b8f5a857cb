"""What cells believed, kept by runs and shown beside what was true."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import short_district
from short_district import NOON

from archipel.model import BELIEVED
from archipel.web.sources.run import open_run

QUARTER = timedelta(minutes=15)
PLANNING = ("alone", "distributed", "central")


@pytest.mark.parametrize("strategy", PLANNING)
def test_a_plan_on_a_perfect_forecast_believes_what_then_happens(strategy: str) -> None:
    source = short_district.source()
    for cell in source.area().cells:
        belief = source.belief(strategy, cell.id, NOON)
        assert belief.made == NOON
        assert belief.start[:2] == [NOON, NOON + QUARTER]
        curves = {curve.name: curve for curve in belief.curves}
        for name in ("load_kw", "vehicles_kw", "charging_kw", "discharging_kw", "renewable_kw", "available_kw"):
            assert curves[name].believed[0] == pytest.approx(curves[name].true[0], abs=0.05), (cell.id, name)
        assert curves["own_kw"].believed[0] == pytest.approx(curves["own_kw"].true[0], abs=2.0)


@pytest.mark.parametrize("strategy", ["distributed", "central"])
def test_boundary_voltage_and_power_are_believed_as_they_come(strategy: str) -> None:
    source = short_district.source()
    for cell in source.area().cells:
        curves = {curve.name: curve for curve in source.belief(strategy, cell.id, NOON).curves}
        assert curves["v_pu"].believed[0] == pytest.approx(curves["v_pu"].true[0], abs=2e-4)
        assert curves["p_kw"].believed[0] == pytest.approx(curves["p_kw"].true[0], abs=0.5)


def test_beyond_the_end_of_the_run_nothing_is_true_yet() -> None:
    belief = short_district.source().belief("distributed", "Feeder12", NOON + 5 * QUARTER)
    assert belief.made == NOON + 4 * QUARTER, "cells plan every hour"
    curve = next(curve for curve in belief.curves if curve.name == "p_kw")
    assert None not in curve.believed
    assert curve.true[3] is not None
    assert curve.true[-1] is None
    assert sum(belief.hours) == 24.0


def test_both_ends_of_a_tie_hold_the_same_agreement() -> None:
    source = short_district.source()
    for tie in source.area().ties:
        if not tie.closed:
            continue
        views = [
            next(view for view in source.belief("distributed", cell, NOON).neighbours if view.tie == tie.id)
            for cell in (tie.upper, tie.lower)
        ]
        assert {view.neighbour for view in views} == {tie.upper, tie.lower}
        assert views[0].p_kw == views[1].p_kw
        assert views[0].price_eur_per_kwh == views[1].price_eur_per_kwh
        assert {view.state for view in views} == {"agreed"}


def test_cells_alone_know_no_neighbour_and_no_power_of_their_tie() -> None:
    belief = short_district.source().belief("alone", "LV3.304", NOON)
    assert belief.level == "alone"
    assert belief.neighbours == []
    assert "p_kw" not in {curve.name for curve in belief.curves}


def test_without_a_plan_there_is_only_what_was_true() -> None:
    belief = short_district.source().belief("uncoordinated", "LV3.304", NOON + QUARTER)
    assert belief.made is None
    assert belief.level == "rules"
    assert all(value is None for curve in belief.curves for value in curve.believed)
    assert next(curve for curve in belief.curves if curve.name == "load_kw").true[0] is not None


def test_tables_hold_one_row_per_plan_cell_and_interval_and_tell_sums_only() -> None:
    run = short_district.source().run
    told = short_district.results()["distributed"].believed
    plans, views = run.frame("plans", strategy="distributed"), run.frame("views", strategy="distributed")
    cells, intervals = len(short_district.district().archipelago.cell), len(told[0].hours)
    assert plans.num_rows == len(told) * cells * intervals
    closed = sum(tie.closed for tie in short_district.district().archipelago.tie)
    assert views.num_rows == len(told) * 2 * closed * intervals
    assert plans.column_names == ["strategy", "made", "cell", "time", "hours", *BELIEVED]
    value = plans.column("load_kw").to_numpy().reshape(len(told), cells, intervals)
    np.testing.assert_array_equal(value[1], told[1].value[:, 0])
    assert run.frame("plans", strategy="uncoordinated").num_rows == 0


def test_a_run_of_an_older_version_opens_and_says_that_it_kept_no_beliefs(tmp_path: Path) -> None:
    old = shutil.copytree(short_district.folder(), tmp_path / "old")
    for name in ("plans", "views"):
        (old / f"{name}.parquet").unlink()
    source = open_run(old, tmp_path, short_district.district())
    assert np.isfinite(source.frame("distributed", NOON).values).any()
    assert source.why("distributed", "setpoint", source.area().devices.id[-1], NOON).text
    told = source.belief("distributed", "LV3.304", NOON)
    assert told.made is None
    assert "did not keep what cells believed" in told.note
    assert all(value is None for curve in told.curves for value in curve.believed)
    assert any(value is not None for curve in told.curves for value in curve.true)


def test_agreements_are_what_the_tables_say() -> None:
    source = short_district.source()
    now = source.agreements("distributed", NOON + 5 * QUARTER)
    assert now.plan is not None
    assert now.plan.time == NOON + 4 * QUARTER
    assert now.plan.accepted
    assert now.plan.silent == []
    result = short_district.results()["distributed"]
    for row, tie in enumerate(now.ties):
        if not source.area().ties[row].closed:
            assert tie.agreed_kw is None
            assert "open" in tie.why
            continue
        assert tie.agreed_kw == pytest.approx(result.tie_agreed_kw[row, 5], abs=1e-3)
        assert tie.p_kw == pytest.approx(tie.agreed_kw, abs=0.2)
        parts = [tie.parts.energy, tie.parts.losses, tie.parts.congestion, tie.parts.voltage, tie.parts.fees]
        assert sum(part for part in parts if part is not None) == pytest.approx(tie.price_eur_per_kwh, abs=1e-6)
        assert (tie.since, tie.until) == (NOON + 4 * QUARTER, NOON + 20 * QUARTER)
    nobody = source.agreements("uncoordinated", None)
    assert nobody.plan is None
    assert all(tie.agreed_kw is None and tie.why for tie in nobody.ties)
