"""A recorded mapping reads the next month's file as it read the first: with its meters, wherever the folder lies."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from measured_cases import add, content, iso, load_kwh, scenario, table, utc

from archipel.formats.measured.mapping import Mapping, read_mapping
from archipel.model import DataRefused

AFTER = datetime(2023, 4, 1, tzinfo=UTC)
METERS = ('M-"1"', "M 2", "Zähler=3")
RECORDED = "measured/load-march.mapping.toml"


def month(start: datetime) -> str:
    kwh = load_kwh(28)
    return table(["start", "a", "b", "c"], iso(utc(28, start)), *(kwh[:, k] for k in range(3)))


def first_month(tmp_path: Path) -> Path:
    """The small scenario with two months of series, and March added with a map that is then thrown away."""
    folder = tmp_path / "first"
    scenario(folder, days=61)
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "march.csv").write_text(month(datetime(2023, 3, 1, tzinfo=UTC)), encoding="utf-8")
    (tmp_path / "april.csv").write_text(month(AFTER), encoding="utf-8")
    pairs = tmp_path / "map.csv"
    pairs.write_text("meter,device\na,load/2\nb,load/0\nc,load/1\n", encoding="utf-8")
    words = ("--what", "load", "--unit", "kWh", "--sign", "drawn", "--map", str(pairs), "--span", "common")
    assert add(folder, tmp_path / "march.csv", *words, "--accept", "limits", "--accept", "above-nominal") == 0
    pairs.unlink()
    return folder


def test_the_next_month_needs_no_map_again_on_a_copied_folder(tmp_path: Path) -> None:
    folder = first_month(tmp_path)
    copied = tmp_path / "copy"
    (copied / "measured").mkdir()
    recorded = copied / RECORDED
    shutil.copy(folder / RECORDED, recorded)
    shutil.rmtree(folder)
    assert dict(read_mapping(recorded)["map"]) == {"a": "load/2", "b": "load/0", "c": "load/1"}
    assert add(copied, tmp_path / "april.csv", "--what", "load", "--mapping", str(recorded)) == 0
    lines = (copied / "measured" / "loads.csv").read_text(encoding="utf-8").splitlines()
    rows = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    assert {row["id"]: row["profile"] for row in rows} == {"load/2": "load/a", "load/0": "load/b", "load/1": "load/c"}


def test_a_month_after_what_the_first_left_names_the_option_that_helps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = first_month(tmp_path)
    before = content(folder)
    words = ("--what", "load", "--mapping", str(folder / RECORDED))
    capsys.readouterr()
    assert add(folder, tmp_path / "april.csv", *words) == 2
    told = capsys.readouterr().out
    assert "which have nothing in common with the scenario's series from 2023-03-01" in told
    assert "--span move" in told
    assert content(folder) == before
    assert add(folder, tmp_path / "april.csv", *words, "--span", "move") == 0


def test_a_map_that_is_not_there_is_said_with_its_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = first_month(tmp_path)
    assert add(folder, tmp_path / "april.csv", "--what", "load", "--map", str(tmp_path / "mpa.csv")) == 2
    told = capsys.readouterr().err
    assert "mpa.csv" in told
    assert "Correct the path after --map." in told


def test_a_mapping_that_names_a_file_of_meters_says_what_to_write(tmp_path: Path) -> None:
    path = tmp_path / "old.mapping.toml"
    path.write_text('[mapping]\nwhat = "load"\nmap = "map.csv"\n', encoding="utf-8")
    with pytest.raises(DataRefused, match="give the file with --map"):
        read_mapping(path)


def test_meters_with_any_name_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    mapping = Mapping(what="load", map=tuple((meter, "load/1\x7f") for meter in METERS))
    path = tmp_path / "any.mapping.toml"
    path.write_text(mapping.text("x.csv"), encoding="utf-8")
    assert Mapping(**read_mapping(path)) == mapping
