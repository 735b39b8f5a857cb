"""The folder of a run: what is written, that it can be read back, and what an interruption leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import made_up
import numpy as np
import pyarrow.parquet as pq
import pytest

from archipel.model import PRICE_PARTS, RunNotFound
from archipel.model.errors import ArchipelError
from archipel.report.folder import RunWriter
from archipel.report.run import Run, load_run
from archipel.report.session import run

CASE = made_up.scenario()
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def write(runs: Path, *strategies: str) -> Run:
    with RunWriter(runs, CASE, start=made_up.START, days=1, forecast="perfect", seed=1, now=NOW) as writer:
        for strategy in strategies:
            writer.add(made_up.result(CASE, strategy))
    return load_run(writer.path, CASE)


def test_the_tables_have_exactly_the_promised_columns(tmp_path: Path) -> None:
    run = write(tmp_path, "alone", "distributed")
    promised = {
        "devices": "strategy time device cell node kind p_kw q_kvar soc p_kw_set",
        "nodes": "strategy time node phase v_pu price_eur_per_kwh price_eur_per_kvarh unbalance",
        "branches": "strategy time branch loading",
        "boundaries": "strategy time tie cell node p_kw q_kvar v_pu price_eur_per_kwh price_eur_per_kvarh "
        "energy_eur_per_kwh losses_eur_per_kwh congestion_eur_per_kwh voltage_eur_per_kwh fees_eur_per_kwh",
        "switches": "strategy time switch closed",
    }
    for name, columns in promised.items():
        file = pq.ParquetFile(run.path / f"{name}.parquet")
        assert file.schema_arrow.names == columns.split()
        assert str(file.schema_arrow.field("time").type) == "timestamp[us, tz=UTC]"
        assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert {"strategy", "time", "rounds"} <= set(run.frame("agreements").column_names)
    assert (run.path / "kpis.json").is_file()


def test_what_was_written_comes_back_element_by_element(tmp_path: Path) -> None:
    run = write(tmp_path, "alone", "distributed")
    result = made_up.result(CASE, "distributed")
    np.testing.assert_array_equal(run.array("devices", "p_kw", "distributed"), result.p_kw)
    np.testing.assert_array_equal(run.array("devices", "soc", "distributed"), result.soc)
    np.testing.assert_array_equal(run.array("nodes", "v_pu", "distributed"), result.v_pu)
    np.testing.assert_array_equal(run.array("agreed", "p_kw", "distributed"), result.tie_agreed_kw)
    both_ends = run.array("boundaries", "p_kw", "distributed").reshape(result.tie_p_kw.shape)
    np.testing.assert_array_equal(both_ends, result.tie_p_kw)
    np.testing.assert_array_equal(run.time("distributed"), result.time)
    assert tuple(run.labels("devices", "device", "distributed")) == CASE.device_id
    assert run.labels("boundaries", "cell", "distributed")[:2] == ["substation", "feeder 1"]
    assert np.isnan(run.array("boundaries", "price_eur_per_kwh", "alone")).all()
    assert np.isnan(run.array("boundaries", "losses_eur_per_kwh", "alone")).all()
    assert np.isnan(run.array("nodes", "price_eur_per_kvarh", "alone")).all()


def test_the_parts_of_a_price_add_up_to_it_at_both_ends_of_a_tie(tmp_path: Path) -> None:
    run = write(tmp_path, "distributed")
    parts = sum(run.array("boundaries", f"{part}_eur_per_kwh", "distributed") for part in PRICE_PARTS)
    np.testing.assert_allclose(parts, run.array("boundaries", "price_eur_per_kwh", "distributed"), atol=1e-12)
    np.testing.assert_array_equal(parts[::2], parts[1::2])


def test_one_row_of_a_table_says_by_itself_what_it_is(tmp_path: Path) -> None:
    row = write(tmp_path, "distributed").frame("devices").slice(96 * 3 + 4, 1).to_pylist()[0]
    assert (row["strategy"], row["device"], row["kind"]) == ("distributed", "load/3", "load")
    assert row["node"] == CASE.grid.nodes.id[CASE.device_node[3]]
    assert row["time"] == datetime(2016, 6, 9, 1, 0, tzinfo=UTC)
    assert row["soc"] is None


def interrupted(writer: RunWriter, *strategies: str) -> None:
    with writer:
        for strategy in strategies:
            writer.add(made_up.result(CASE, strategy))
        raise KeyboardInterrupt


def test_an_interrupted_run_is_usable_and_says_so(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, CASE, start=made_up.START, days=1, forecast="naive", seed=1)
    with pytest.raises(KeyboardInterrupt):
        interrupted(writer, "uncoordinated")
    run = load_run(writer.path, CASE)
    assert not run.info["complete"]
    assert run.strategies == ("uncoordinated",)
    assert "interrupted" in repr(run)
    assert [path.name for path in tmp_path.iterdir()] == [writer.path.name]


def test_a_strategy_cut_short_keeps_the_steps_that_were_done(tmp_path: Path) -> None:
    half = replace(made_up.result(CASE, "distributed", steps=37), complete=False)
    with RunWriter(tmp_path, CASE, start=made_up.START, days=1, forecast="naive", seed=1) as writer:
        writer.add(made_up.result(CASE, "alone"))
        writer.add(half)
    run = load_run(writer.path, CASE)
    assert (run.steps("alone"), run.steps("distributed")) == (96, 37)
    assert not run.info["complete"]
    table = run.table()
    assert "This run was stopped: distributed after 9.25 of 24 hours." in " ".join(table.split())
    assert "*" not in table.replace("* best of its line", ""), "a part of a day is compared with nothing"
    assert run.report().is_file()


def test_a_run_that_did_nothing_leaves_nothing(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, CASE, start=made_up.START, days=1, forecast="naive", seed=1)
    with pytest.raises(KeyboardInterrupt):
        interrupted(writer)
    assert list(tmp_path.iterdir()) == []


def test_results_survive_a_report_that_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(run: Run, path: Path | None = None) -> None:
        raise OSError(f"cannot draw {run.path.name} into {path}")

    monkeypatch.setattr(Run, "report", fail)
    writer = RunWriter(tmp_path, CASE, start=made_up.START, days=1, forecast="naive", seed=1)
    writer.add(made_up.result(CASE, "alone"))
    with pytest.raises(OSError, match="cannot draw"):
        writer.finish()
    assert load_run(writer.path, CASE).strategies == ("alone",)


def test_a_finished_run_has_its_report(tmp_path: Path) -> None:
    assert (write(tmp_path, "alone").path / "report.html").read_text().startswith("<!doctype html>")


def test_two_runs_of_the_same_second_get_different_folders(tmp_path: Path) -> None:
    first, second = write(tmp_path, "alone"), write(tmp_path, "alone")
    assert first.path.name == "20260102-030405-made-up-2016-06-09-1d-perfect-seed1"
    assert second.path.name == f"{first.path.name}-2"


def test_a_scenario_name_cannot_lead_out_of_the_runs_folder(tmp_path: Path) -> None:
    case = replace(CASE, name="../../etc/x y")
    writer = RunWriter(tmp_path, case, start=made_up.START, days=1, forecast="naive", seed=1)
    assert writer.path.parent == tmp_path
    assert "/" not in writer.path.name


@pytest.mark.parametrize("spoil", ["no folder", "no kpis", "bad json", "newer layout"])
def test_a_folder_that_is_no_run_is_refused_in_words(tmp_path: Path, spoil: str) -> None:
    path = write(tmp_path, "alone").path
    if spoil == "no folder":
        path = tmp_path / "elsewhere"
    elif spoil == "no kpis":
        (path / "kpis.json").unlink()
    elif spoil == "bad json":
        (path / "run.json").write_text("{")
    else:
        info = json.loads((path / "run.json").read_text())
        (path / "run.json").write_text(json.dumps(info | {"layout": 99}))
    with pytest.raises(RunNotFound, match=r"expected|Run the case again"):
        load_run(path)


def test_a_strategy_or_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    run = write(tmp_path, "alone")
    with pytest.raises(RunNotFound, match="found no strategy central; it has alone"):
        run.array("nodes", "v_pu", "central")
    with pytest.raises(RunNotFound, match="there is no table weather; expected one of devices"):
        run.frame("weather")
    with pytest.raises(RunNotFound, match="found no column zz; expected some of strategy, time"):
        run.frame("devices", ["zz"])


def test_a_notebook_shows_a_run_as_a_table_with_its_names_escaped(tmp_path: Path) -> None:
    case = replace(CASE, name="<b>bold</b>")
    with RunWriter(tmp_path, case, start=made_up.START, days=1, forecast="naive", seed=1) as writer:
        writer.add(made_up.result(case, "alone"))
    page = load_run(writer.path, case)._repr_html_()
    assert "<table>" in page
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold" in page


def test_a_table_written_in_pieces_reads_like_one_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write(tmp_path / "whole", "alone", "central")
    monkeypatch.setattr("archipel.report.tables.MOST_ROWS", 96 * 3)
    pieces = write(tmp_path / "pieces", "alone", "central")
    assert pq.ParquetFile(pieces.path / "nodes.parquet").num_row_groups == 2 * 7
    for name in ("devices", "nodes", "boundaries", "cells"):
        assert pieces.frame(name).to_pylist() == whole.frame(name).to_pylist()
        assert pieces.labels(name, "cell" if name != "nodes" else "node", "central") == whole.labels(
            name, "cell" if name != "nodes" else "node", "central"
        )
    np.testing.assert_array_equal(pieces.array("devices", "p_kw", "central"), whole.array("devices", "p_kw", "central"))


def test_an_agreement_is_kept_with_all_it_tells(tmp_path: Path) -> None:
    result = made_up.result(CASE, "distributed")
    first = result.agreements[0]
    first |= {"accepted": False, "silent": ["LV 2"], "gap": float("nan"), "method": "exact", "odd": float("inf")}
    with RunWriter(tmp_path, CASE, start=made_up.START, days=1, forecast="naive", seed=1) as writer:
        writer.add(result)
    run = load_run(writer.path, CASE)
    row = run.frame("agreements").slice(0, 1).to_pylist()[0]
    assert (row["accepted"], row["silent"], row["rounds"]) == (False, ["LV 2"], 20)
    assert json.loads(row["more"]) == {"method": "exact", "odd": None}
    assert run.info["planning_problems"]["distributed"][0]["time"] == "2016-06-09T00:00:00+00:00"


@pytest.mark.parametrize(
    ("strategies", "days", "told"),
    [
        ((), 1, "found none; expected some of uncoordinated"),
        (("wind",), 1, "wind is unknown"),
        ("alone", 400, "found 400; expected 1 to 366"),
    ],
)
def test_a_run_that_cannot_be_is_refused_before_it_begins(
    tmp_path: Path, strategies: str | tuple[str, ...], days: int, told: str
) -> None:
    with pytest.raises(ArchipelError, match=told):
        run(CASE, strategies, days=days, runs=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("start", ["1999-01-01", "2999-01-01"])
def test_a_run_that_begins_outside_the_series_is_refused_before_it_begins(tmp_path: Path, start: str) -> None:
    with pytest.raises(ArchipelError, match=r"the series of .* do not cover it; expected a time from"):
        run(CASE, ["uncoordinated"], days=1, start=start, runs=tmp_path)
    assert list(tmp_path.iterdir()) == []
