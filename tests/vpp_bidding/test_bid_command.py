"""`archipel bid` prints a bid, writes it, and says what it cannot use."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from archipel.cli.main import main


def test_a_bid_is_printed_and_written_with_every_hour_of_the_market_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bid.csv"
    assert main(["bid", "vpp", "--day", "2016-10-30", "--scenarios", "4", "-o", str(path)]) == 0
    said = capsys.readouterr().out
    assert "25 hours from 2016-10-29 22:00 UTC" in said
    assert "expected:" in said
    assert "mean of the worst 10 %" in said
    rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    curve = [row for row in rows if row["order"] == "curve"]
    assert len({row["start"] for row in curve}) == 25
    assert any(row["order"].startswith("group") and row["block"] == "1" for row in rows)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["district"], "no contract"),
        (["vpp", "--day", "someday"], "someday"),
        (["vpp", "--day", "2019-01-01"], "2019-01-01"),
        (["vpp", "--scenarios", "0"], "at least one scenario"),
    ],
)
def test_what_cannot_be_bid_is_said_in_a_sentence(
    words: list[str], found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bid", *words]) == 2
    assert found in capsys.readouterr().err


def test_members_that_may_fail_are_bid_with_less(capsys: pytest.CaptureFixture[str]) -> None:
    expected = []
    for kind in ("all", "contract"):
        assert main(["bid", "vpp", "--form", "plan", "--scenarios", "12", "--availability", kind]) == 0
        line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("expected:"))
        expected.append(float(line.split()[1].replace(",", "")))
    assert expected[1] < expected[0]


def test_a_weight_of_risk_outside_zero_to_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bid", "vpp", "--risk", "2"])
    assert "from 0 to 1" in capsys.readouterr().err
