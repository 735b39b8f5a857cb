"""Whatever is wrong with what `archipel adopt` is given: one clear message, exit code 2, nothing half-written."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from adopting_cases import street
from formats_cases import append_line, replace_text, set_cell

from archipel.cli.main import main
from archipel.formats.adopting import session_file
from archipel.formats.scenario import shipped_scenarios

GOOD = "start,end,e_kwh,charger\n2016-05-26T07:00:00Z,2016-05-26T15:00:00Z,9.5,a\n"
ZONE = ("--ev", "0.5", "--ev-sessions", "cars.csv", "--ev-zone", "Europe/Berlin")

PANELS = "/".join(("pv", "home", "1"))
"""Id that new panels at the customer home/1 would have."""


def nothing(folder: Path) -> None:
    del folder


def cars(text: str | bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "cars.csv").write_bytes(text.encode() if isinstance(text, str) else text)

    return write


def price(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "price.csv").write_text(text, encoding="utf-8") and None


def without_loads(folder: Path) -> None:
    replace_text(folder, "small.toml", 'loads = "loads.csv"', "")


def big_car(folder: Path) -> None:
    set_cell(folder, "loads.csv", "home/0", "id", PANELS)


PRICE = ("--pv", "0.5", "--price", "price.csv")
CASES: dict[str, tuple[Callable[[Path], None], tuple[str, ...], tuple[str, ...]]] = {
    "a share in percent": (nothing, ("--pv", "60"), ("--pv: found 60", "Write 0.6 for 60 %")),
    "a negative share": (nothing, ("--ev", "-0.1"), ("--ev: found -0.1", "0 to 1")),
    "a share that is no number": (nothing, ("--ev", "nan"), ("--ev: found nan", "0 to 1")),
    "an infinite share": (nothing, ("--battery", "inf"), ("--battery: found inf", "0 to 1")),
    "a share in words": (nothing, ("--pv", "half"), ("--pv", "half")),
    "nothing to adopt": (nothing, ("--profiles", "given"), ("no share above 0", "--pv 0.6")),
    "a negative seed": (nothing, ("--pv", "0.5", "--seed", "-1"), ("--seed: found -1", "at least 0")),
    "a name that leads outside": (nothing, ("--pv", "0.5", "--name", "../x"), ("--name", "'../x'", "letters")),
    "a name that is a formula": (nothing, ("--pv", "0.5", "--name", "=cmd|' /C calc'!A0"), ("--name", "letters")),
    "the name of the scenario itself": (nothing, ("--pv", "0.5", "--name", "small"), ("another name",)),
    "a year of another age": (nothing, ("--pv", "0.5", "--year", "20160"), ("--year: found 20160", "1990")),
    "a start outside the year": (nothing, ("--pv", "0.5", "--start", "2018-05-26"), ("2018-05-26", "--year")),
    "a start that is none": (nothing, ("--pv", "0.5", "--start", "tomorrow"), ("--start", "'tomorrow'", "2016-05-26")),
    "a price file that is missing": (nothing, ("--pv", "0.5", "--price", "no.csv"), ("--price", "no.csv", "no file")),
    "prices of another kind": (price("time;price\n"), ("--pv", "0.5", "--price", "small.toml"), ("--price", "CSV or")),
    "prices without their column": (price("time,eur\n2016-01-01T00:00:00Z,3\n"), PRICE, ("price_eur_per_mwh",)),
    "prices that end too early": (
        price("time,price_eur_per_mwh\n2015-12-31T23:00:00Z,30\n2016-01-01T00:00:00Z,31\n"), PRICE, ("Complete",),
    ),
    "prices with naive stamps": (price("time,price_eur_per_mwh\n2016-01-01T00:00:00,30\n"), PRICE, ("Append Z",)),
    "sessions without a share": (cars(GOOD), ("--pv", "0.5", *ZONE[2:]), ("--ev-sessions", "Add --ev")),
    "sessions that are missing": (nothing, ZONE, ("--ev-sessions", "cars.csv", "no file")),
    "sessions without a zone": (cars(GOOD), ZONE[:4], ("--ev-zone", "America/Los_Angeles")),
    "sessions of a zone there is not": (cars(GOOD), (*ZONE[:5], "Mars/Base"), ("--ev-zone", "Mars/Base", "IANA")),
    "sessions without an energy": (cars(GOOD.replace("e_kwh", "work")), ZONE, ("energy", "work", "Rename")),
    "sessions with naive stamps": (cars(GOOD.replace("Z", "")), ZONE, ("without an offset", "--ev-stamps utc")),
    "sessions with a stamp that is none": (cars(GOOD.replace("2016-05-26T15:00:00Z", "noon")), ZONE, ("noon",)),
    "sessions in Wh": (cars(GOOD.replace("9.5", "9500")), ZONE, ("9500", "divide Wh by 1000")),
    "sessions with a negative energy": (cars(GOOD.replace("9.5", "-9.5")), ZONE, ("-9.5", "0 to 400")),
    "sessions with an energy in words": (cars(GOOD.replace("9.5", "much")), ZONE, ("line 2", "much")),
    "sessions that end before they start": (cars(GOOD.replace("T15", "T05")), ZONE, ("line 2", "Exchange")),
    "sessions without a row": (cars(GOOD.split("\n", 1)[0] + "\n"), ZONE, ("no session", "at least one")),
    "an empty session file": (cars(""), ZONE, ("cars.csv", "unreadable")),
    "sessions in another encoding": (cars(GOOD.replace(",a", ",Ä").encode("latin-1")), ZONE, ("UTF-8",)),
    "sessions with a ragged row": (cars(GOOD + "too,few\n"), ZONE, ("unreadable text", "Export it again")),
    "a gzip that ends too early": (cars(gzip.compress(GOOD.encode() * 99)[:-30]), ZONE, ("ends too early",)),
    "a gzip that is none": (cars(b"\x1f\x8b" + b"no gzip at all"), ZONE, ("unreadable text",)),
    "a gzip that grows beyond all bounds": (cars(gzip.compress(b"0" * 300_000)), ZONE, ("MB of text", "smaller")),
    "a scenario without loads": (without_loads, ("--pv", "0.5"), ("loads", "customers are seen in them")),
    "a scenario with a recipe": (
        lambda f: append_line(f, "small.toml", "[population.pv]\nfactor = 2.0"), ("--pv", "1"), ("[population]",),
    ),
    "a scenario that has problems": (
        lambda f: set_cell(f, "lines.csv", "line/0", "r_ohm", "nan"), ("--pv", "0.5"), ("lines.csv", "line/0", "r_ohm"),
    ),
    "ids that the new devices would have": (big_car, ("--pv", "1"), (PANELS, "another id")),
    "a year that the series do not have": (
        lambda f: set_cell(f, "loads.csv", "home/0", "profile", "H0-A"), ("--pv", "1", "--year", "2020"), ("--year",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_explained_and_leaves_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, words, said = CASES[name]
    folder = tmp_path / "street"
    street(folder)
    spoil(folder)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.chdir(folder)
    monkeypatch.setattr(session_file, "MOST_BYTES", 200_000)
    try:
        code = main(["adopt", str(folder / "small.toml"), *words])
    except SystemExit as refused:  # argparse
        code = int(refused.code or 0)
    text = capsys.readouterr()
    assert code == 2
    assert not [word for word in said if word not in text.err], text.err
    assert "Traceback" not in text.err + text.out
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_shipped_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(shipped_scenarios()["district"].parent.rglob("*"))
    assert main(["adopt", "district", "--pv", "0.5"]) == 2
    assert "one of your own" in capsys.readouterr().err
    assert sorted(shipped_scenarios()["district"].parent.rglob("*")) == before


def test_a_folder_with_several_scenarios_and_none_at_all_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    street(tmp_path / "street")
    (tmp_path / "street" / "second.toml").write_text("", encoding="utf-8")
    assert main(["adopt", str(tmp_path / "street"), "--pv", "0.5"]) == 2
    assert "holds two scenarios: second.toml, " in capsys.readouterr().err
    assert main(["adopt", str(tmp_path / "nowhere"), "--pv", "0.5"]) == 2
    assert "no such file or scenario" in capsys.readouterr().err


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = street(tmp_path / "street")
    assert main(["adopt", str(path), "--pv", "60", "--ev", "-1", "--seed", "-3", "--price", "no.csv"]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in ("4 problems", "--pv", "--ev", "--seed", "no.csv"))
