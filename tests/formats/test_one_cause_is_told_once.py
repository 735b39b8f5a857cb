"""What only follows from a table that was not read is not told beside it, and suggestions are of the kind named."""

from __future__ import annotations

from pathlib import Path

import pytest
from formats_cases import replace_text, small_scenario

from archipel.formats.scenario import check_scenario

SWITCHES = "id,name,node,element,closed\n"


def with_switches(folder: Path, *elements: str) -> Path:
    """The small scenario with a table of switches that name `elements`, written anew."""
    path = small_scenario(folder)
    (node,) = (folder / "nodes.csv").read_text(encoding="utf-8").splitlines()[1].split(",")[:1]
    rows = "".join(f"switch/{k},,{node},{element},true\n" for k, element in enumerate(elements))
    (folder / "switches.csv").write_text(SWITCHES + rows, encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    if "\nswitches = " not in text:
        path.write_text(text.replace("[network]\n", '[network]\nswitches = "switches.csv"\n', 1), encoding="utf-8")
    return path


def line_ids(folder: Path) -> list[str]:
    return [row.split(",")[0] for row in (folder / "lines.csv").read_text(encoding="utf-8").splitlines()[1:]]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [("lines = ", "lins = ", "Did you mean 'lines'?"), ('"lines.csv"', '"lnes.csv"', "Did you mean 'lines.csv'?")],
)
def test_a_lost_table_is_the_only_thing_told(old: str, new: str, told: str, tmp_path: Path) -> None:
    small_scenario(tmp_path)
    path = with_switches(tmp_path, *line_ids(tmp_path) * 20)
    replace_text(tmp_path, "small.toml", old, new)
    problems = check_scenario(path)
    assert [problem.mend for problem in problems] == [told]


def test_other_tables_are_still_looked_at_beside_a_lost_one(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    path = with_switches(tmp_path, line_ids(tmp_path)[0])
    replace_text(tmp_path, "small.toml", "lines = ", "lins = ")
    replace_text(tmp_path, "switches.csv", "true", "maybe")
    assert {problem.file for problem in check_scenario(path)} == {"small.toml", "switches.csv"}


def test_a_table_that_is_not_named_at_all_is_told_as_one(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    path = with_switches(tmp_path, *line_ids(tmp_path) * 20)
    replace_text(tmp_path, "small.toml", 'lines = "lines.csv"\n', "")
    told = [problem for problem in check_scenario(path) if problem.file == "switches.csv"]
    assert len(told) == 1
    assert "[network] names no table of lines" in told[0].mend


def test_a_misspelt_line_is_answered_with_a_line(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    path = with_switches(tmp_path, "line/99", "liner/0")
    told = [problem.mend for problem in check_scenario(path) if problem.file == "switches.csv"]
    lines = line_ids(tmp_path)
    assert len(told) == 2
    assert any(repr(name) in told[0] for name in lines)
    assert "trafo" not in told[0]
    assert "node" not in told[0]
