"""The commands import, check and scenarios, as the command line calls them."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from formats_cases import as_json, replace_text, small_scenario, small_source

from archipel.cli import import_command, scenario_commands
from archipel.model import ImportRefused


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    scenario_commands.add_parsers(commands)
    import_command.add_parsers(commands)
    args = parser.parse_args(words)
    return int(args.func(args))


def test_check_says_that_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", str(small_scenario(tmp_path))) == 0
    assert "no problem found" in capsys.readouterr().out


def test_check_lists_problems_and_exits_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = small_scenario(tmp_path)
    replace_text(tmp_path, "small.toml", "seed = 1", "sed = 1")
    assert run("check", str(path)) == 2
    out = capsys.readouterr().out
    assert "small.toml: [scenario]: sed: found the unknown key 'sed'" in out
    assert "Did you mean 'seed'?" in out


def test_check_of_a_missing_scenario_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "nowhere.toml") == 2
    assert "no such file or scenario" in capsys.readouterr().out


def test_a_folder_with_two_scenarios_names_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_scenario(tmp_path)
    (tmp_path / "small-adopted.toml").write_text("", encoding="utf-8")
    assert run("check", str(tmp_path)) == 2
    out = capsys.readouterr().out
    assert "holds two scenarios: small-adopted.toml, small.toml; expected one of them" in out
    assert "district" not in out


@pytest.mark.parametrize("typed", ["eulv/smal.toml", "eulw/small.toml", "eulw/small.tml"])
def test_a_mistyped_path_is_answered_with_the_one_that_is_there(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small_scenario(tmp_path / "eulv")
    monkeypatch.chdir(tmp_path)
    assert run("check", typed) == 2
    out = capsys.readouterr().out
    assert "Did you mean eulv/small.toml?" in out
    assert "district" not in out


def test_a_path_like_nothing_there_names_no_shipped_scenario(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", str(tmp_path / "zzz" / "feeder.toml")) == 2
    out = capsys.readouterr().out
    assert f"There is no folder {tmp_path / 'zzz'}" in out
    assert "district" not in out


def test_a_mistyped_name_is_still_answered_with_a_shipped_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "distrct") == 2
    assert "Did you mean 'district'?" in capsys.readouterr().out


def test_import_writes_a_scenario_with_report_and_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "net.json"
    source.write_text(as_json(small_source()), encoding="utf-8")
    assert run("import", str(source), "-o", str(tmp_path / "out"), "--no-compare") == 0
    out = capsys.readouterr().out
    assert "Import of net.json" in out
    assert "    LV_a (lv, 2 nodes, tie trafo/1)" in out
    assert "no problem found" in out
    assert (tmp_path / "out" / "net.toml").is_file()


def test_import_overwrites_what_a_person_may_have_changed_only_when_told_to(
    tmp_path: Path,
) -> None:
    source = tmp_path / "net.json"
    source.write_text(as_json(small_source()), encoding="utf-8")
    again = ("import", str(source), "-o", str(tmp_path / "out"), "--no-compare")
    assert run(*again) == 0
    changed = tmp_path / "out" / "cells.csv"
    changed.write_text(changed.read_text().replace("LV_a", "Harbour"))
    with pytest.raises(ImportRefused, match="--force"):
        run(*again)
    assert "Harbour" in changed.read_text()
    assert run(*again, "--force") == 0
    assert "Harbour" not in changed.read_text()


def test_scenarios_lists_names_and_titles(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("scenarios") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "city-herd",
        "city-winter",
        "city",
        "district",
        "island-year",
        "island",
        "vpp",
    ]
    assert all(len(line.split()) > 3 for line in lines)
