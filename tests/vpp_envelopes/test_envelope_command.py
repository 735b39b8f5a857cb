"""`archipel envelope`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from archipel.cli.main import main


def test_the_limits_of_a_day_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, picture = tmp_path / "limits.csv", tmp_path / "point.svg"
    words = ["envelope", "district", "--hold", "48", "--point", "bus/1712", "-o", str(table), "--picture", str(picture)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "LV3.304" in said
    assert "bus/1712 in LV3.304" in said
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 2 * 201
    assert all(float(row["export_kw"]) >= float(row["default_export_kw"]) - 1e-3 for row in rows)
    assert picture.read_text(encoding="utf-8").startswith("<svg")
    assert main(["envelope", "district", "--hold", "96", "--rule", "economic", "--json", "--try", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tried"]["violations"] == 0
    assert found["export_kwh"] >= found["default_export_kwh"]


def test_a_point_a_day_and_a_time_that_are_none_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["envelope", "district", "--point", "bus/x", "--hold", "96"]) == 2
    assert "flexible device" in capsys.readouterr().err
    assert main(["envelope", "district", "--date", "1999-01-01"]) == 2
    for words in (["--hold", "7"], ["--load-margin", "2"], ["--try", "-1"]):
        with pytest.raises(SystemExit):
            main(["envelope", "district", *words])
