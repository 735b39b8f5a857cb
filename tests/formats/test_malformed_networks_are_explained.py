"""Every kind of malformed network is refused with file, place, finding, expectation and mend, and leaves nothing."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from formats_cases import Source, as_json, small_source
from test_importing_matpower import TINY
from test_importing_pgm import document
from test_importing_simbench import small_csv

from archipel.cli.main import main
from archipel.formats import bounded
from archipel.formats.importing import import_scenario
from archipel.formats.networks import pgm
from archipel.formats.tables import runs_as_formula


@dataclass(frozen=True)
class Case:
    """One way to be wrong: what makes the source, and what the message must say of place, finding and mend."""

    name: str
    make: Callable[[Path], str]
    told: tuple[str, ...]


def put(name: str, content: str | bytes) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return make


def pandapower(change: Callable[[Source], Any], name: str = "net.json") -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        source = small_source()
        change(source)
        return put(name, as_json(source))(folder)

    return make


def column(table: str, name: str, value: Any, row: int = 0) -> Callable[[Path], str]:
    def change(source: Source) -> None:
        cells = source[table].setdefault(name, [None] * len(next(iter(source[table].values()))))
        cells[row] = value

    return pandapower(change)


def every(table: str, name: str, factor: float) -> Callable[[Path], str]:
    return pandapower(lambda s: s[table].update({name: [factor * abs(value) for value in s[table][name]]}))


def matpower(old: str, new: str) -> Callable[[Path], str]:
    assert old in TINY
    return put("tiny.m", TINY.replace(old, new, 1))


def power_grid_model(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        content = document()
        change(content["data"])
        return put("grid.json", json.dumps(content))(folder)

    return make


def csv(file: str, old: str, new: str) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        path = small_csv(folder) / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return str(folder)

    return make


def cgmes(files: dict[str, bytes], declared: int | None = None) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        path = folder / "model.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        if declared is not None:  # the archive's own directory lies about the size
            raw = bytearray(path.read_bytes())
            at = raw.rindex(b"PK\x01\x02")
            raw[at + 24 : at + 28] = declared.to_bytes(4, "little")
            path.write_bytes(bytes(raw))
        return str(path)

    return make


def without_slack(folder: Path) -> str:
    powsybl = pytest.importorskip("pypowsybl", reason="the extra [cgmes] brings pypowsybl")
    network = powsybl.network.create_ieee14()
    names = list(network.get_generators().index)
    network.update_generators(id=names, voltage_regulator_on=[False] * len(names))
    network.save(str(folder / "model.zip"), format="CGMES")
    return str(folder / "model.zip")


def without_boundary(folder: Path) -> str:
    powsybl = pytest.importorskip("pypowsybl", reason="the extra [cgmes] brings pypowsybl")
    powsybl.network.create_micro_grid_be_network().save(str(folder / "model.zip"), format="CGMES")
    return str(folder / "model.zip")


def code(text: str) -> Callable[[Path], str]:
    return lambda _: text


def _latin(folder: Path) -> str:
    path = small_csv(folder) / "Node.csv"
    path.write_bytes(path.read_text(encoding="utf-8").replace("busbar", "Süd").encode("latin-1"))
    return str(folder)


WHOLE = as_json(small_source())
RDF = b'<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
CASES = [
    Case("no such file", code("nowhere.json"), ("nowhere.json", "no such file", "Check the path")),
    Case("an unknown format", put("net.raw", "0, 100"), ("net.raw", "no format that is known", "--format")),
    # pandapower
    Case("truncated JSON", put("net.json", WHOLE[:2000]), ("net.json", "not JSON", "line 1 column")),
    Case("an empty file", put("net.json", ""), ("net.json", "an empty file")),
    Case(
        "wrong encoding",
        put("net.json", WHOLE.replace("node 1", "Fuß").encode("latin-1")),
        ("net.json: line", "not UTF-8"),
    ),
    Case("truncated gzip", put("net.json.gz", gzip.compress(WHOLE.encode())[:600]), ("net.json.gz", "cannot be read")),
    Case("no gzip", put("net.json.gz", WHOLE), ("net.json.gz", "Not a gzipped file")),
    Case("a NaN voltage", column("bus", "vn_kv", float("nan"), 3), ("bus/3", "vn_kv", "nominal voltage in kV")),
    Case("an infinite length", column("line", "length_km", float("inf")), ("line/0", "length_km is infinite")),
    Case("a negative length", column("line", "length_km", -1.0, 2), ("line/2", "r_ohm", "at least 0", "Correct")),
    Case("zero impedance", pandapower(lambda s: s["line"].update(length_km=[0.0] * 6)), ("line/0", "no impedance")),
    Case("an unknown node", column("line", "from_bus", "3a"), ("line/0", "from_bus is '3a'", "expected a number")),
    Case("no source", pandapower(lambda s: s.pop("ext_grid")), ("no upstream grid", "Add it")),
    Case(
        "both ends at one node", column("line", "to_bus", 2), ("line/0", "both ends at the same node", "two different")
    ),
    Case(
        "a doubled id",
        put("net.json", WHOLE.replace('\\"index\\": [0, 1, 2, 3', '\\"index\\": [0, 1, 2, 2', 1)),
        ("table 'bus'", "index twice"),
    ),
    Case(
        "kW written for MW", every("load", "p_mw", 1e5), ("total load of", "kW written where MW was meant", "net.json")
    ),
    Case("leading for lagging", every("load", "q_mvar", -1.0), ("all 3 loads", "leading", "sign of Q")),
    Case("given for drawn", every("load", "p_mw", -1.0), ("all 3 loads giving power", "sign of P")),
    Case("a formula in a name", column("bus", "name", '=HYPERLINK("http://x";"y")', 4), ("bus/4", "formula", "Rename")),
    Case("a class to run", put("net.json", '{"_class": "os.system", "_object": {}}'), ("net.json", "_class")),
    # MATPOWER
    Case(
        "a call of eval",
        matpower("mpc.baseMVA", "eval('delete x');\nmpc.baseMVA"),
        ("tiny.m: line 3", "eval", "never run"),
    ),
    Case(
        "a call of the system",
        matpower("mpc.baseMVA = 10", "mpc.baseMVA = system('ls')"),
        ("tiny.m: line 3", "a call of system(...)", "savecase"),
    ),
    Case(
        "a ragged matrix",
        matpower("20 1 1.1 0.9;\n 7", "20 1 1.1;\n 7"),
        ("tiny.m: line 6", "a row of 12 numbers", "13"),
    ),
    Case(
        "a branch to nowhere", matpower(" 7 8 0.02", " 7 80 0.02"), ("mpc.branch: row 3", "bus 80", "Did you mean '8'")
    ),
    Case("a doubled bus", matpower(" 8 1 1 0.2", " 7 1 1 0.2"), ("mpc.bus: row 4", "number 7 twice", "Renumber")),
    Case("no reference bus", matpower(" 1 3 0 0", " 1 1 0 0"), ("mpc.bus", "no reference bus", "Set column 2")),
    Case("no matrix", matpower("mpc.branch", "mpc.branches"), ("found no branch", "Did you mean 'branches'")),
    Case("a branch without impedance", matpower("1 2 0.01 0.02", "1 2 0 0"), ("mpc.branch: row 1", "r = 0 and x = 0")),
    Case("a number too large", matpower("2 1 2 1 0", "2 1 1e400 1 0"), ("mpc.bus: row 2, column 3", "found inf")),
    Case("kW for MW without ratings", matpower("2 1 2 1 0 0.5", "2 1 2000 1000 0 0.5"), ("tiny.m", "kW written")),
    Case("an unclosed matrix", put("x.m", "mpc.bus = [1 2 3"), ("x.m: line 1", "end of the file", "Close")),
    Case("binary data", put("x.m", b"\x00\x01\x02 mpc"), ("x.m", "binary data")),
    # power-grid-model
    Case("a component without an id", power_grid_model(lambda d: d["line"][0].pop("id")), ("line: row 1", "id = None")),
    Case(
        "a link to nowhere", power_grid_model(lambda d: d["link"][0].update(to_node=77)), ("link/20", "to_node", "77")
    ),
    Case("an id twice", power_grid_model(lambda d: d["shunt"][0].update(id=3)), ("shunt/3", "found the id twice")),
    Case("no source in the data", power_grid_model(lambda d: d.pop("source")), ("grid.json", "no source", "Add one")),
    Case("cut data", put("grid.json", json.dumps(document())[:700]), ("grid.json", "no whole JSON", "again")),
    Case(
        "a negative rating", power_grid_model(lambda d: d["transformer"][0].update(sn=-1.0)), ("transformer/30", "sn")
    ),
    # SimBench
    Case("a code that does not exist", code("1-LV-rural9--1-sw"), ("1-LV-rural9--1-sw", "Did you mean '1-LV-rural")),
    Case(
        "an unknown line type", csv("Line.csv", ";cable;", ";kable;"), ("Line.csv: Line: L1", "Did you mean 'cable'?")
    ),
    Case("a row too short", csv("Load.csv", "0.6;MV1;5", "0.6"), ("Load.csv", "Expected 8 columns", "again")),
    Case("wrong encoding in CSV", _latin, ("Node.csv", "utf-8", "semicolons")),
    # CGMES
    Case(
        "expanding entities",
        cgmes({"EQ.xml": b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + RDF}),
        ("model.zip: EQ.xml", "document type declaration", "Remove it"),
    ),
    Case("a path out of the archive", cgmes({"../../EQ.xml": RDF}), ("model.zip", "'../../EQ.xml'", "leads out")),
    Case("no XML", cgmes({"readme.xml.txt": b"hello", "x.xml": b"<html></html>"}), ("x.xml", "no RDF", "CGMES")),
    Case("no archive", put("model.zip", b"PK but not really"), ("model.zip", "cannot be read", "zip archive")),
    Case("no slack", without_slack, ("model.zip", "no generator or external injection", "RegulatingControl")),
    Case("no boundary", without_boundary, ("model.zip", "BaseVoltage", "boundary files")),
    Case("an empty profile", cgmes({"EQ.xml": b" "}), ("model.zip: EQ.xml", "an empty file", "again")),
]


MENDS = """Write Name Correct Fill Complete Download Rename Remove Give Add Look Set Did Use Save Export Close Pack
Make Copy Check mend write remove""".split()  # noqa: SIM905
"""One of these begins the sentence that says what to do."""


def refused(source: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command line says of a source it refuses."""
    out = folder / "made" / "scenario"
    assert main(["import", source, "-o", str(out)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("archipel: ")
    assert "Traceback" not in said.err
    assert Path(source).name in said.err, said.err
    assert not out.parent.exists(), "something was left behind"
    return said.err


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_malformed_network_is_explained(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(case.make(tmp_path), tmp_path, capsys)
    assert "xpected " in told, told
    assert any(word in told for word in MENDS), told
    for words in case.told:
        assert words in told, told


def test_there_are_at_least_25_kinds() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 25


@pytest.mark.parametrize("name", ["bomb.m.gz", "bomb.json.gz"])
def test_what_unpacks_without_end_is_refused_before_it_is_parsed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archipel.formats.pandapower_json.LARGEST_MB", 1)
    monkeypatch.setattr("archipel.formats.networks.matpower.LARGEST_MB", 1)
    source = put(name, gzip.compress(b" " * (3 * 2**20)))(tmp_path)
    told = refused(source, tmp_path, capsys)
    assert name in told
    assert "more than 1 MB" in told


def test_a_zip_bomb_is_refused_by_its_directory_and_by_what_really_comes_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    big = {"EQ.xml": RDF + b" " * (3 * 2**20)}
    monkeypatch.setattr(bounded, "LARGEST_MB", 1)
    monkeypatch.setattr("archipel.formats.networks.cgmes.LARGEST_MB", 1)
    monkeypatch.setattr(bounded.check_archive, "__defaults__", (1,))
    assert "3 MB unpacked; expected at most 1 MB" in refused(cgmes(big)(tmp_path), tmp_path, capsys)
    told = refused(cgmes(big, declared=1000)(tmp_path), tmp_path, capsys)
    assert "model.zip: EQ.xml" in told


def test_what_is_implausible_is_kept_when_told_to_and_the_report_says_so(tmp_path: Path) -> None:
    source = every("load", "q_mvar", -1.0)(tmp_path)
    report = import_scenario(source, tmp_path / "out", compare=False, implausible=True).report
    assert any(note.startswith("IMPLAUSIBLE, kept as asked") for note in report.approximated)


def test_designations_of_plants_are_no_formulas() -> None:
    assert not any(runs_as_formula(name) for name in ("=E01+H02-Q1", "-T1", "+5 V", "@home", "-", "", "Süd (alt)"))
    active = ("=cmd|'/c calc'!A0", "+SUM(A1:A9)", "-2+3+cmd|' /C calc'!A0", "@SUM(1+1)")
    assert all(runs_as_formula(name) for name in active)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    small_csv(folder)
    secret = tmp_path / "secret.csv"
    secret.write_text((folder / "Load.csv").read_text(), encoding="utf-8")
    (folder / "Load.csv").unlink()
    (folder / "Load.csv").symlink_to(secret)
    told = refused(str(folder), tmp_path, capsys)
    assert "a link out of the folder" in told
    assert "Load.csv" in told


def test_a_file_that_cannot_be_looked_into_is_left_to_the_reader_that_explains_it(tmp_path: Path) -> None:
    source = put("grid.json.gz", b"\x1f\x8b\x08broken")(tmp_path)
    assert not pgm.PgmReader().reads(source)
