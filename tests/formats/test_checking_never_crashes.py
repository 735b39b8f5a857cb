"""Laws of checking: whatever stands in a file, the answer is a list of problems or a usable scenario."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest
from formats_cases import small_scenario
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archipel.formats.scenario import check_scenario, load_scenario
from archipel.formats.scenario_keys import TABLES

TABLE_FILES = [
    f"{name}.csv"
    for name in (
        "nodes",
        "lines",
        "transformers",
        "switches",
        "cells",
        "ties",
        "loads",
        "pv",
        "generators",
        "batteries",
    )
]
WORDS = """0 -1 1 24 1e400 -inf inf nan true "" "bus/1" "nodes.csv" "x.csv" [] ["profiles.parquet"] [["a"]] [1] {} {a=1}
2016-05-26 2016-05-26T00:00:00 2016-05-26T00:00:00Z 9999-12-31T23:59:59-12:00 "\\u0000" "H0-*" ["*"]"""
TOML_VALUES = st.sampled_from([*WORDS.split(), "9" * 30, "9" * 5000])
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    return small_scenario(folder, {"population": {}, "population.pv": {"factor": 2.0}}).parent


def fresh(good: Path, folder: Path) -> Path:
    shutil.copytree(good, folder, dirs_exist_ok=True)
    return folder / "small.toml"


def usable_or_explained(path: Path) -> bool:
    """Either there are problems, each with a mend, or the scenario loads."""
    problems = check_scenario(path)
    if problems:
        return all(problem.file and problem.found and problem.expected and problem.mend for problem in problems)
    return len(load_scenario(path).grid.nodes) > 0


@RELAXED
@given(data=st.data(), value=TOML_VALUES)
def test_any_value_of_any_key_is_explained_or_usable(
    data: st.DataObject, value: str, good: Path, tmp_path: Path
) -> None:
    path = fresh(good, tmp_path)
    table = data.draw(st.sampled_from(sorted(TABLES)))
    key = data.draw(st.sampled_from(sorted(TABLES[table])))
    lines = path.read_text(encoding="utf-8").splitlines()
    header = f"[{table}]"
    if header not in lines:
        lines += [header]
    at = lines.index(header) + 1
    end = next((i for i in range(at, len(lines)) if lines[i].startswith("[")), len(lines))
    kept = [line for line in lines[at:end] if not line.startswith(f"{key} =")]
    path.write_text("\n".join([*lines[:at], f"{key} = {value}", *kept, *lines[end:]]), encoding="utf-8")
    assert usable_or_explained(path)


@RELAXED
@given(
    data=st.data(), value=st.text(max_size=12) | st.sampled_from(["nan", "inf", "-1", "1e308", "bus/0", "line/1", "0"])
)
def test_any_text_in_any_cell_is_explained_or_usable(
    data: st.DataObject, value: str, good: Path, tmp_path: Path
) -> None:
    path = fresh(good, tmp_path)
    file = tmp_path / data.draw(st.sampled_from(TABLE_FILES))
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    row = data.draw(st.integers(0, len(rows) - 1))
    rows[row][data.draw(st.integers(0, len(rows[0]) - 1))] = value.encode("utf-8", "ignore").decode()
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    assert usable_or_explained(path)


@RELAXED
@given(data=st.data(), junk=st.binary(max_size=40))
def test_any_bytes_in_any_file_are_explained_or_usable(
    data: st.DataObject, junk: bytes, good: Path, tmp_path: Path
) -> None:
    path = fresh(good, tmp_path)
    file = tmp_path / data.draw(st.sampled_from([*TABLE_FILES, "profiles.parquet", "small.toml"]))
    raw = file.read_bytes()
    at = data.draw(st.integers(0, len(raw)))
    file.write_bytes(raw[:at] + junk + raw[at + len(junk) :])
    assert usable_or_explained(path)


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_number_where_a_table_belongs_is_explained(table: str, good: Path, tmp_path: Path) -> None:
    path = fresh(good, tmp_path)
    head, _, last = table.rpartition(".")
    text = path.read_text(encoding="utf-8")
    kept: list[str] = []
    skipping = False
    for line in text.splitlines():
        if line.startswith("["):
            skipping = line == f"[{table}]" or line.startswith(f"[{table}.")
        if not skipping:
            kept.append(line)
    insert: Any = kept.index(f"[{head}]") + 1 if head and f"[{head}]" in kept else 0
    path.write_text("\n".join([*kept[:insert], f"{last} = 5" if insert else f"{table} = 5", *kept[insert:]]), "utf-8")
    assert check_scenario(path)
    assert usable_or_explained(path)
