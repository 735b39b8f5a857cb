"""Malformed measurements: each is explained, exit code 2, no traceback, nothing half-written."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent / "measured"))

import measured_cases as cases  # isort: skip

Make = Callable[[Path], Path]
LOAD = ("--what", "load")


def text(content: str, name: str = "meters.csv", encoding: str = "utf-8") -> Make:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_text(content, encoding=encoding)
        return path

    return make


def raw(content: bytes, name: str = "meters.csv") -> Make:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return make


def change(edit: Callable[[list[str]], list[str]]) -> Make:
    """The whole month of three meters with its lines changed."""
    return text("\n".join(edit(cases.meters().splitlines())) + "\n")


def cell(row: int, column: int, new: str) -> Callable[[list[str]], list[str]]:
    def edit(lines: list[str]) -> list[str]:
        cells = lines[row].split(",")
        cells[column] = new
        return [*lines[:row], ",".join(cells), *lines[row + 1 :]]

    return edit


def times(factor: float, unit: str = "kWh") -> Make:
    """All values times a factor, under the name of a unit."""
    kwh = cases.load_kwh() * factor
    header = ["start", *(f"load/{k} [{unit}]" for k in range(3))]
    return text(cases.table(header, cases.iso(cases.utc()), *(kwh[:, k] for k in range(3))))


def local(skip: bool, double: bool) -> Make:
    """A month without offsets in which the clock of Berlin changes: 26 March 2023."""
    naive = np.datetime64("2023-03-01T00:00") + np.timedelta64(15, "m") * np.arange(31 * 96)
    gap = (naive >= np.datetime64("2023-03-26T02:00")) & (naive < np.datetime64("2023-03-26T03:00"))
    stamps = [str(t).replace("T", " ") for t in (naive[~gap] if skip else naive)]
    if double:
        at = stamps.index("2023-03-10 02:00")
        stamps = stamps[: at + 4] + stamps[at:]
    kwh = cases.load_kwh(32)[: len(stamps), 0]
    return text(cases.table(["start", "load/0 [kWh]"], stamps, kwh))


def bomb(folder: Path) -> Path:
    path = folder / "meters.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(b"time,load/0 [kWh]\n")
        for _ in range(64):
            stream.write(b"0" * (1 << 20))
    return path


def truncated_gzip(folder: Path) -> Path:
    path = folder / "meters.csv.gz"
    path.write_bytes(gzip.compress(cases.meters().encode())[:-20_000])
    return path


def truncated_parquet(folder: Path) -> Path:
    path = folder / "meters.parquet"
    pq.write_table(pa.table({"time": cases.iso(cases.utc()), "load/0 [kWh]": cases.load_kwh()[:, 0]}), path)
    path.write_bytes(path.read_bytes()[:-500])
    return path


def workbook(folder: Path, merged: bool) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    header = ["start", "load/0 [kWh]", "" if merged else "load/1 [kWh]"]
    sheet.append(header)
    if merged:
        sheet.merge_cells("B1:C1")
    kwh = cases.load_kwh()
    for stamp, row in zip(cases.iso(cases.utc()), kwh, strict=True):
        sheet.append([stamp, float(row[0]), float(row[1])])
    path = folder / "meters.xlsx"
    book.save(path)
    return path


def mixed_steps() -> Make:
    stamps = np.concatenate([cases.utc(20), cases.utc(20)[-1] + 900 + 3600 * np.arange(11 * 24)])
    kwh = cases.load_kwh(31)[: len(stamps), 0]
    return text(cases.table(["start", "load/0 [kWh]"], cases.iso(stamps), kwh))


def irregular() -> Make:
    gaps = np.random.default_rng(1).integers(20, 4000, 3000)
    stamps = int(cases.START.timestamp()) + np.cumsum(gaps)
    stamps = stamps[stamps < cases.utc()[-1]]
    return text(cases.table(["time", "load/0 [kW]"], cases.iso(stamps), np.full(len(stamps), 5.5)))


def pv(shift: int, sign: float = 1.0) -> Make:
    quarter = np.arange(31 * 96)
    sun = np.clip(np.sin(((quarter - shift) % 96 - 22) / 48 * np.pi), 0.0, 1.0) * (((quarter - shift) % 96) < 76)
    return text(cases.table(["start", "roof [kW]"], cases.iso(cases.utc()), np.round(sign * 27.0 * sun, 3)))


PV = ("--what", "pv", "--match", "order")
HOURLY = cases.iso(cases.utc(step_s=3600))
PRICE = np.round(90 + 30 * np.sin(np.arange(len(HOURLY)) / 24 * 2 * np.pi), 2)
PRICES = ("--what", "price")
SESSIONS = "charger,plug_in,plug_out,energy_kwh\ncp1,2023-03-02T08:00:00Z,2023-03-02T07:00:00Z,11\n"

CASES: dict[str, tuple[Make, tuple[str, ...], tuple[str, ...]]] = {
    "an empty file": (raw(b""), LOAD, ("an empty file", "Export it again")),
    "a file of blanks": (raw(b"  \n \n"), LOAD, ("an empty file",)),
    "only a header": (text("start,load/0 [kWh]\n"), LOAD, ("a header without rows",)),
    "no such file": (lambda folder: folder / "nowhere.csv", LOAD, ("no such file",)),
    "bytes that are no text": (raw(bytes(range(256)) * 40), LOAD, ("no text",)),
    "an encoding that it has not": (
        text("Z\u00e4hlzeit" + cases.meters(), encoding="latin-1"),
        (*LOAD, "--encoding", "utf-8"),
        ("not utf-8", "--encoding"),
    ),
    "an encoding that nobody knows": (text(cases.meters()), (*LOAD, "--encoding", "klingon"), ("klingon",)),
    "a truncated gzip": (truncated_gzip, LOAD, ("broken gzip", "cut off")),
    "a gzip bomb": (bomb, LOAD, ("found",)),
    "an old Excel file": (raw(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 99, "m.xls"), LOAD, (".xls", "Save it as")),
    "a zip that is no workbook": (raw(b"PK\x03\x04" + b"x" * 99, "m.xlsx"), LOAD, ("no workbook",)),
    "merged headers in Excel": (lambda folder: workbook(folder, True), LOAD, ("columns without a name (C)", "merged")),
    "a truncated Parquet": (truncated_parquet, LOAD, ("Parquet", "cut off")),
    "naive stamps": (local(True, False), LOAD, ("without an offset", "--zone Europe/Berlin", "--zone +01:00")),
    "a zone that nobody knows": (
        local(True, False),
        (*LOAD, "--zone", "Europe/Berlni"),
        ("Did you mean 'Europe/Berlin'",),
    ),
    "an hour that the clock skips": (
        local(False, False),
        (*LOAD, "--zone", "Europe/Berlin"),
        ("skips", "--zone +01:00", "--dst drop"),
    ),
    "doubled stamps": (local(True, True), (*LOAD, "--zone", "Europe/Berlin"), ("4 rows whose moment", "--doubles")),
    "a word among numbers": (
        change(cell(50, 2, "broken")),
        LOAD,
        ("load/1 [kWh]", "'broken' in line 51", "--accept no-number"),
    ),
    "an infinite number": (change(cell(50, 2, "inf")), LOAD, ("load/1", "infinite")),
    "an empty cell": (change(cell(50, 2, "")), LOAD, ("load/1: found 1 gaps", "2023-03-01 12:15", "--gaps")),
    "a gap longer than the rule": (
        change(lambda lines: lines[:200] + lines[240:]),
        (*LOAD, "--gaps", "linear:2h"),
        ("the longest over 10 h",),
    ),
    "rules for gaps that are none": (text(cases.meters()), (*LOAD, "--gaps", "guess:2h"), ("guess:2h", "linear")),
    "mixed decimal marks": (
        text(cases.meters().replace(",", ";").replace(".", ",").replace("0,5", "0.5", 3)),
        LOAD,
        ("one decimal mark",),
    ),
    "rows of different length": (change(cell(50, 2, "1,1")), LOAD, ("1 rows with 5 values", "4 values in every row")),
    "a series shorter than the horizon": (
        change(lambda lines: lines[:49]),
        LOAD,
        ("48 quarter hours", "at least a day"),
    ),
    "data of another year": (
        text(cases.meters().replace("2023-", "2021-")),
        LOAD,
        ("--span common", "--span repeat", "--span move"),
    ),
    "a meter column twice": (
        change(lambda lines: [lines[0].replace("load/1", "load/0"), *lines[1:]]),
        LOAD,
        ("2 columns of one name",),
    ),
    "a meter that nobody knows": (
        change(lambda lines: [lines[0].replace("load/1", "load/7"), *lines[1:]]),
        LOAD,
        ("'load/7'", "--map", "--only-matched"),
    ),
    "no unit": (
        change(lambda lines: [lines[0].replace(" [kWh]", ""), *lines[1:]]),
        LOAD,
        ("in kW: mean", "a year", "--unit"),
    ),
    "W taken for kW": (times(4000.0, "kW"), LOAD, ("times the nominal power", "It would fit if the unit were W")),
    "kW taken for MW": (times(4.0, "MW"), LOAD, ("unit MW", "kW")),
    "kWh taken for W": (times(1.0, "W"), LOAD, ("unit W", "kWh")),
    "a map of meters that is none": (
        text(cases.meters()),
        (*LOAD, "--map", "bad.toml"),
        ("bad.toml", "meter and device"),
    ),
    "a map that names no device": (
        text(cases.meters()),
        (*LOAD, "--map", "map.csv"),
        ("Did you mean 'load/2'?", "the id of a device"),
    ),
    "two meters for one device": (
        text(cases.meters().replace("load/1", "LOAD-0")),
        LOAD,
        ("'load/0' and 'LOAD-0' for one device",),
    ),
    "stamps at irregular moments": (irregular(), LOAD, ("irregular", "--hold 30min")),
    "two steps in one file": (mixed_steps(), LOAD, ("steps of 15 min, and of 1 h", "Split the file")),
    "day and month either way round": (
        text(
            cases.table(
                ["start", "load/0 [kWh]"],
                [f"3/4/2023 {q // 4:02d}:{q % 4 * 15:02d}" for q in range(96)],
                cases.load_kwh()[:96, 0],
            )
        ),
        (*LOAD, "--zone", "UTC"),
        ("either way round", "--date-order day-first: 2023-04-03", "--date-order month-first: 2023-03-04"),
    ),
    "a stamp that is no moment": (change(cell(50, 0, "2023-02-31T00:00:00Z")), LOAD, ("no moment", "2023-02-31")),
    "no column of time": (text("a,b\n1,2\n3,4\n"), LOAD, ("no column of time stamps", "--start")),
    "label that nothing tells": (
        text(cases.meters().replace("start", "time", 1).replace("2023-03-01T00:00:00Z", "2023-03-01T00:07:00Z")),
        (*LOAD, "--step", "as-stamped"),
        ("the start or the end", "--label"),
    ),
    "load that is given": (times(-1.0), LOAD, ("below zero", "--sign")),
    "PV that is drawn": (pv(0, -1.0), PV, ("100% of what is counted below zero", "--sign drawn")),
    "PV at night": (pv(20), PV, ("noon of the sun", "--zone", "--accept pv-at-night")),
    "prices in another currency": (
        text(cases.table(["start", "price [AUD/MWh]"], HOURLY, PRICE)),
        PRICES,
        ("prices in AUD", "--rate"),
    ),
    "prices per kWh taken for prices per MWh": (
        text(cases.table(["start", "price [EUR/MWh]"], HOURLY, PRICE / 1000)),
        PRICES,
        ("a mean of", "EUR/kWh"),
    ),
    "temperatures in Fahrenheit": (
        text(cases.table(["start", "temperature [degC]"], HOURLY, np.full(len(HOURLY), 68.0))),
        ("--what", "weather"),
        ("out of -60 to 60",),
    ),
    "sessions without chargers": (text(SESSIONS), ("--what", "ev"), ("no devices in ev_chargers",)),
    "a mapping with an unknown key": (text(cases.meters()), (*LOAD, "--mapping", "bad.toml"), ("unknown key 'sped'",)),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("malformed") / "case"
    cases.scenario(folder)
    return folder


@pytest.mark.parametrize("name", CASES)
def test_a_malformed_series_is_explained_and_nothing_is_written(
    name: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make, words, told = CASES[name]
    if name == "a gzip bomb":
        monkeypatch.setattr("archipel.formats.measured.source.MOST_BYTES", 4 << 20)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text('[mapping]\nsped = "fast"\n', encoding="utf-8")
    (tmp_path / "map.csv").write_text("meter,device\nload/0,load/22\n", encoding="utf-8")
    file = make(tmp_path)
    before = cases.content(source)
    assert cases.add(source, file, *words) == 2
    assert cases.content(source) == before, "nothing is half-written"
    said = "".join(capsys.readouterr())
    for word in (*told, "expected"):
        assert word in said, said
    assert file.name in said or "bad.toml" in said, "which file it is about"
    assert "Traceback" not in said


def test_the_month_that_is_malformed_above_is_well_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases.scenario(tmp_path / "case")
    file = text(cases.meters())(tmp_path)
    assert cases.add(tmp_path / "case", file, *LOAD) == 0, capsys.readouterr().out
    assert cases.add(tmp_path / "case", workbook(tmp_path, False), *LOAD, "--dry-run") == 0, capsys.readouterr().out
    assert cases.add(tmp_path / "case", pv(0)(tmp_path), *PV, "--dry-run") == 0, capsys.readouterr().out


def test_stamps_out_of_order_are_sorted_and_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases.scenario(tmp_path / "case")
    file = change(lambda lines: [lines[0], *lines[200:], *lines[1:200]])(tmp_path)
    assert cases.add(tmp_path / "case", file, *LOAD, "--label", "start") == 0
    assert "order: time: rows that go back in time 1 times. Sorted." in capsys.readouterr().out


def test_formulas_in_names_are_neutralised_and_paths_stay_inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases.scenario(tmp_path / "case")
    evil = "=cmd|' /C calc'!A0"
    file = tmp_path / "..evil;rm.csv"
    content = cases.meters().replace("load/0 [kWh]", f'"{evil}"').replace("load/1 [kWh]", "../../x")
    file.write_text(content.replace("load/2 [kWh]", "@sum(1)"), encoding="utf-8")
    assert cases.add(tmp_path / "case", file, *LOAD, "--match", "order", "--unit", "kWh") == 0, capsys.readouterr()
    assert not [p for p in tmp_path.iterdir() if p.name not in {"case", file.name}]
    table = (tmp_path / "case" / "measured" / "loads.csv").read_text(encoding="utf-8")
    for line in table.splitlines():
        assert not any(part.lstrip('"').startswith(("=", "@", "+", "-", "\t")) for part in line.split(","))
    assert "|" not in table


def test_excel_without_its_extra_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cases.scenario(tmp_path / "case")
    file = workbook(tmp_path, False)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert cases.add(tmp_path / "case", file, *LOAD) == 2
    assert "pip install 'archipel[excel]'" in capsys.readouterr().err
