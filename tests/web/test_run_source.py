"""A finished run as a source: its frames are its tables, and what flows in flows out."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import short_district
from short_district import NOON, STEPS

from archipel.model import RunNotFound
from archipel.web.area_of import COLUMNS
from archipel.web.nouns import Command
from archipel.web.source import CommandRefused, NotShown
from archipel.web.sources.run import open_run

QUARTER = timedelta(minutes=15)
STRATEGIES = ("uncoordinated", "alone", "distributed", "central")


def column(strategy: str, step: int, table: str, name: str) -> np.ndarray:
    source = short_district.source()
    at = source._values.builder.at[table, name]
    return source.frame(strategy, NOON + step * QUARTER).values[at]


def test_the_area_says_all_that_is_there() -> None:
    area, case = short_district.source().area(), short_district.district()
    assert area.strategies == list(STRATEGIES)
    assert [cell.id for cell in area.cells] == [cell.id for cell in case.archipelago.cell]
    assert area.export_kw_max == 2600.0
    assert area.import_kw_max is None
    assert (area.span.start, area.span.end) == (NOON, NOON + (STEPS - 1) * QUARTER)
    assert area.span.step_s == 900.0
    frame = short_district.source().frame("", NOON)
    assert sum(section.count for section in area.sections) == len(frame.values)
    assert frame.values.dtype == np.float32
    assert [s.column for s in area.sections if s.table == "ties"] == list(COLUMNS["ties"])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("table", ["devices", "nodes", "branches", "cells", "area"])
def test_columns_of_frames_equal_those_of_the_tables(strategy: str, table: str) -> None:
    run = short_district.source().run
    for name in set(COLUMNS[table]) & set(run.columns(table)) - {"price_eur_per_kwh"}:
        told = run.array(table, name, strategy)
        for step in (0, 3, STEPS - 1):
            np.testing.assert_allclose(column(strategy, step, table, name), told[:, step], rtol=2e-4, atol=2e-3)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_flows_in_flows_out_but_for_what_is_lost(strategy: str) -> None:
    result = short_district.results()[strategy]
    for step in range(STEPS):

        def of(name: str, at: int = step) -> np.ndarray:
            return column(strategy, at, "cells", name).astype(np.float64)

        drawn = of("load_kw") + of("vehicles_kw") + of("heat_kw") + of("charging_kw")
        unknown = of("own_kw") + of("renewable_kw") + of("discharging_kw") - drawn
        assert unknown.sum() == pytest.approx(result.losses_kw[step], abs=0.1)
        assert (unknown > -0.05).all(), "no cell makes power out of nothing"
        parents = short_district.district().archipelago.parents()
        below = np.bincount(parents[1:], of("p_kw")[1:], len(parents))
        np.testing.assert_allclose(of("p_kw"), of("own_kw") + below, atol=0.05)
    assert column(strategy, 0, "area", "upstream_p_kw")[0] == column(strategy, 0, "cells", "p_kw")[0]


@pytest.mark.parametrize("table", ["area", "cells", "ties", "nodes", "branches", "devices"])
def test_a_series_is_what_frames_show_one_after_the_other(table: str) -> None:
    source = short_district.source()
    area = source.area()
    ids = {"area": ["area"], "cells": [c.id for c in area.cells], "ties": [t.id for t in area.ties]}
    ids |= {"nodes": area.nodes.id[::97], "branches": area.branches.id[::97], "devices": area.devices.id[::53]}
    end = NOON + STEPS * QUARTER
    for element in ids[table]:
        told = source.series("distributed", table, element, list(COLUMNS[table]), NOON, end)
        row = source._values.row(table, element)
        assert told.time == [NOON + s * QUARTER for s in range(STEPS)]
        for name, series in told.columns.items():
            for step in (0, STEPS - 1):
                shown, said = float(column("distributed", step, table, name)[row]), series[step]
                if np.isnan(shown):
                    assert said is None
                else:
                    assert said == pytest.approx(shown, rel=1e-4, abs=2e-3)


def test_the_setpoint_that_held_is_in_the_frame_and_empty_where_the_local_rule_does() -> None:
    result = short_district.results()["distributed"]
    assert result.p_kw_set is not None
    np.testing.assert_array_equal(column("distributed", 2, "devices", "p_kw_set"), result.p_kw_set[:, 2])
    kinds = np.array(short_district.district().device_kind)
    assert np.isnan(column("distributed", 2, "devices", "p_kw_set")[kinds == "load"]).all()
    assert np.isfinite(column("distributed", 2, "devices", "p_kw_set")[kinds == "battery"]).all()
    assert np.isnan(column("uncoordinated", 2, "devices", "p_kw_set")).all()


def test_minutes_keep_their_own_sums_beside_a_quarter_hourly_table_of_cells() -> None:
    result, source = short_district.by_the_minute()
    builder = source._values.builder
    kind, cell = np.array(source.scenario.device_kind), source.scenario.device_cell
    for minute in (0, 7, 22, 59):
        frame = source.frame("", NOON + timedelta(minutes=minute, seconds=30))
        assert frame.time == NOON + timedelta(minutes=minute)
        given = np.where(kind == "pv", np.maximum(-result.p_kw[:, minute], 0.0), 0.0)
        want = np.bincount(cell, given, len(source.area().cells))
        np.testing.assert_allclose(builder.column(frame.values, "cells", "renewable_kw"), want, atol=1e-2)
        quarter = source.run.array("cells", "available_kw", "uncoordinated")[:, minute // 15]
        np.testing.assert_allclose(builder.column(frame.values, "cells", "available_kw"), quarter, rtol=1e-5)
    told = source.series("", "cells", source.area().cells[3].id, ["renewable_kw"], NOON, NOON + timedelta(hours=1))
    assert len(told.time) == 60


def test_more_points_than_a_picture_has_room_for_become_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archipel.web.sources.run.MOST_POINTS", 4)
    source = short_district.source()
    told = source.series("alone", "area", "area", ["losses_kw"], NOON, NOON + STEPS * QUARTER)
    losses = short_district.results()["alone"].losses_kw
    assert told.columns["losses_kw"] == pytest.approx(losses.reshape(4, 2).mean(axis=1), rel=1e-5)
    assert told.time == [NOON + 2 * s * QUARTER for s in range(4)]


def test_what_is_not_there_is_not_shown() -> None:
    source = short_district.source()
    for ask in (
        lambda: source.frame("distributed", NOON - QUARTER),
        lambda: source.frame("distributed", NOON + (STEPS + 1) * QUARTER),
        lambda: source.frame("nobody", NOON),
        lambda: source.series("", "cells", "nowhere", ["p_kw"], NOON, NOON),
        lambda: source.series("", "cells", "Substation", ["colour"], NOON, NOON),
        lambda: source.series("", "moods", "x", ["p_kw"], NOON, NOON),
        lambda: source.why("", "refusal", "c1", None),
    ):
        with pytest.raises(NotShown, match=r"expected|found|finished run"):
            ask()


def test_a_finished_run_takes_no_command() -> None:
    source = short_district.source()
    command = Command(id="12345678", act="default")
    with pytest.raises(CommandRefused, match="finished run"):
        source.carry_out(command, "anybody")
    assert source.latest() is None
    assert source.commands() == []


def test_the_score_has_the_figures_of_kpis_json() -> None:
    source = short_district.source()
    score = source.score()
    assert score is not None
    assert score.strategies == list(STRATEGIES)
    figures = {figure.name: figure for figure in score.figures}
    kpis = json.loads((short_district.folder() / "kpis.json").read_text(encoding="utf-8"))["strategies"]
    assert 8 <= len(figures) <= 12
    for name, figure in figures.items():
        assert figure.values == {strategy: kpis[strategy][name] for strategy in STRATEGIES}
    assert "critical_unserved_kwh" not in figures, "a figure that no strategy has is left out"


def test_the_runs_of_a_folder_are_listed_newest_first_and_strange_folders_left_out(tmp_path: Path) -> None:
    one = tmp_path / short_district.folder().name
    shutil.copytree(short_district.folder(), one)
    other = shutil.copytree(one, tmp_path / "older")
    info = json.loads((other / "run.json").read_text(encoding="utf-8"))
    info["made"] = "2001-01-01T00:00:00+00:00"
    (other / "run.json").write_text(json.dumps(info), encoding="utf-8")
    (tmp_path / "letters").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "kpis.json").write_text("{}", encoding="utf-8")
    (tmp_path / "broken" / "run.json").write_text("not json", encoding="utf-8")
    source = open_run("", tmp_path, short_district.district())
    assert [(run.id, run.shown) for run in source.runs()] == [(one.name, True), ("older", False)]
    with pytest.raises(RunNotFound, match="no run there"):
        open_run("", tmp_path / "letters")
