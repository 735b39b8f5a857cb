"""SimBench codes and CSV tables: the same network and series as SimBench's own JSON."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path

import numpy as np
import pytest
from formats_cases import data_folder

from archipel.formats.importing import import_scenario
from archipel.formats.networks import reader_of, simbench
from archipel.formats.networks.base import ReadOptions
from archipel.formats.networks.simbench import SimbenchCsvReader, SimbenchReader
from archipel.formats.pandapower_import import import_pandapower
from archipel.formats.pandapower_json import read_tables
from archipel.formats.referee import nominal_flow, reference_voltages
from archipel.formats.scenario import load_scenario
from archipel.model import ExtraMissing, ImportRefused

CODE = "1-LV-rural1--1-sw"


def file_of(code: str) -> Path:
    return data_folder() / "networks" / "simbench" / f"{code}.json.gz"


def exported(code: str, folder: Path) -> Path:
    """CSV tables that the package simbench writes of its own network, without series."""
    pandapower = pytest.importorskip("pandapower", reason="the extra [verify] brings pandapower")
    package = pytest.importorskip("simbench", reason="the extra [simbench] brings simbench")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = pandapower.from_json_string(gzip.decompress(file_of(code).read_bytes()).decode())
        package.pp2csv(net, str(folder), export_pp_std_types=False)
    return folder


def test_a_code_is_read_from_the_folder_of_data_with_its_series(tmp_path: Path) -> None:
    file_of(CODE)
    assert reader_of(CODE).name == "simbench"
    written = import_scenario(CODE, tmp_path / "out")
    assert written.scenario.name == f"{CODE}.toml"
    assert written.report.dv_pu_max is not None
    assert written.report.dv_pu_max < 1e-6
    assert any("Europe/Berlin assumed" in note for note in written.report.approximated)
    direct = import_scenario(file_of(CODE), tmp_path / "direct", zone="Europe/Berlin", compare=False)
    ours, theirs = load_scenario(written.scenario), load_scenario(direct.scenario)
    assert ours.profiles.start == theirs.profiles.start
    assert ours.profiles.name == theirs.profiles.name
    np.testing.assert_array_equal(ours.profiles.value, theirs.profiles.value)


@pytest.mark.slow
def test_a_code_out_of_the_package_is_the_same_network_and_series(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("simbench", reason="the extra [simbench] brings simbench")
    whole = SimbenchReader().read(CODE, ReadOptions())
    file_of(CODE)
    monkeypatch.setattr(simbench, "_file", lambda _: None)
    packaged = SimbenchReader().read(CODE, ReadOptions())
    assert packaged.grid.nodes.name == whole.grid.nodes.name
    np.testing.assert_allclose(nominal_flow(packaged).v_pu, nominal_flow(whole).v_pu, atol=1e-9)
    assert packaged.profiles is not None
    assert whole.profiles is not None
    assert packaged.profiles.start == whole.profiles.start
    for k, name in enumerate(packaged.profiles.name):
        column = whole.profiles.value[:, whole.profiles.name.index(name)]
        np.testing.assert_allclose(packaged.profiles.value[:, k], column, atol=1e-6)


def test_a_code_that_does_not_exist_is_refused_with_the_nearest_one() -> None:
    pytest.importorskip("simbench", reason="the extra [simbench] brings simbench")
    with pytest.raises(ImportRefused, match=r"Did you mean '1-LV-rural[123]--1-sw'"):
        SimbenchReader().read("1-LV-rural9--1-sw", ReadOptions())


def test_a_code_without_the_package_and_without_data_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARCHIPEL_DATA", raising=False)
    monkeypatch.setattr(simbench, "find_spec", lambda _: None)
    with pytest.raises(ExtraMissing, match=r"pip install 'archipel\[simbench\]'"):
        SimbenchReader().read(CODE, ReadOptions())


def test_what_is_no_code_is_left_to_other_doors(tmp_path: Path) -> None:
    for source in ("net.json", "1-LV-rural1--1-sw.json.gz", str(tmp_path), "district", "1-LV.m"):
        assert not SimbenchReader().reads(source)
    assert reader_of("1-LV.m").name == "matpower"


@pytest.mark.parametrize(
    "code", [CODE, pytest.param("1-MV-rural--1-sw", marks=pytest.mark.slow),
             pytest.param("1-MVLV-urban-6.305-1-sw", marks=pytest.mark.slow)]
)  # fmt: skip
def test_csv_tables_are_the_network_of_the_json_of_the_same_code(code: str, tmp_path: Path) -> None:
    folder = exported(code, tmp_path)
    assert reader_of(str(folder)).name == "simbench-csv"
    imported = SimbenchCsvReader().read(str(folder), ReadOptions())
    whole = import_pandapower(file_of(code))
    theirs = reference_voltages(read_tables(file_of(code)))
    by_name = {name: theirs[node] for node, name in zip(whole.grid.nodes.id, whole.grid.nodes.name, strict=True)}
    flow = nominal_flow(imported)
    pairs = [(v, by_name[name]) for v, name in zip(flow.v_pu, imported.grid.nodes.name, strict=True) if name in by_name]
    assert len(pairs) == len(by_name)  # every node of the JSON; the others are auxiliary ones at its switches
    assert max(abs(a - b) for a, b in pairs) < 1e-6
    assert SimbenchCsvReader().compare(str(folder), imported) < 1e-6
    assert imported.report.kept.p_load_kw == pytest.approx(whole.report.p_load_kw)
    assert imported.report.kept.storage_kwh == pytest.approx(whole.report.storage_kwh)
    assert len(imported.devices.pv.id) == len(whole.devices.pv.id)


def spoilt(folder: Path, file: str, old: str, new: str) -> str:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return str(folder)


def small_csv(folder: Path) -> Path:
    """Two nodes, a line, a direct-current line, an external network, a load with a series, a table nobody knows."""
    tables = {
        "Node": "id;type;vmSetp;vaSetp;vmR;vmMin;vmMax;substation;coordID;subnet;voltLvl\n"
        "Bus 1;busbar;1.02;0;20;0.9;1.1;NULL;c1;MV1;5\nBus 2;busbar;1;NULL;20;NULL;NULL;NULL;NULL;MV1;5\n",
        "Coordinates": "id;x;y;subnet;voltLvl\nc1;9.5;52.1;MV1;5\n",
        "Line": "id;nodeA;nodeB;type;length;loadingMax;subnet;voltLvl\nL1;Bus 1;Bus 2;cable;1.5;80;MV1;5\n"
        "L2;Bus 1;Bus 2;direct;1.5;80;MV1;5\n",
        "LineType": "id;r;x;b;iMax;type\ncable;0.2;0.1;50;300;cs\n",
        "DCLineType": "id;pDCLine\ndirect;1\n",
        "ExternalNet": "id;node;calc_type;dspf\nE1;Bus 1;vavm;1\nE2;Bus 2;pq;0\n",
        "Load": "id;node;profile;pLoad;qLoad;sR;subnet;voltLvl\nLoad 1;Bus 2;H0-A;0.5;0.1;0.6;MV1;5\n",
        "LoadProfile": "time;H0-A_pload;H0-A_qload\n01.01.2016 00:00;0.5;0.4\n01.01.2016 00:15;0.6;0.5\n",
        "Windmill": "id;node\nW1;Bus 2\n",
    }
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def test_what_csv_tables_hold_is_kept_or_told(tmp_path: Path) -> None:
    imported = SimbenchCsvReader().read(str(small_csv(tmp_path)), ReadOptions())
    report = imported.report
    assert dict(report.before) == {"Node": 2, "Line": 2, "ExternalNet": 2, "Load": 1, "Windmill": 1}
    assert dict(report.after) == {"Node": 2, "Line": 1, "ExternalNet": 1, "Load": 1}
    assert "1 x Line: direct current, not modelled (L2)" in report.dropped
    assert "1 x ExternalNet: of another calc_type than vavm, not modelled (E2)" in report.dropped
    assert "1 rows of Windmill.csv: not read" in report.dropped
    assert imported.profiles is not None
    assert imported.profiles.start.isoformat() == "2015-12-31T23:00:00+00:00"
    assert imported.grid.lines.i_a_max.tolist() == pytest.approx([240.0])
    assert imported.grid.nodes.x[0] == 9.5


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("Line.csv", "L1;Bus 1", "L1;Bus 9", "Line.csv: Line: L1: found nodeA = 'Bus 9'; expected the id of a node"),
        ("Line.csv", ";cable;", ";kable;", "Did you mean 'cable'?"),
        ("Line.csv", "1.5", "-1.5", "found length = -1.5; expected a positive number"),
        ("Line.csv", "1.5", "nan", "found length = nan; expected a finite number"),
        ("Node.csv", "Bus 2;", "Bus 1;", "found the id twice"),
        ("Node.csv", "vmR", "vnR", "Did you mean 'vnR'?"),
        ("Load.csv", "0.5", "half", "found pLoad = half; expected a finite number"),
        ("Load.csv", "0.6;MV1;5", "0.6", "Load.csv: Load: found unreadable text"),
        ("LoadProfile.csv", "01.01.2016 00:15", "2016-01-01T00:15", "expected numbers and a column time of stamps"),
        ("ExternalNet.csv", "vavm", "pq", "no upstream grid in service"),
    ],
)
def test_what_makes_no_network_is_refused_with_its_row(
    file: str, old: str, new: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(ImportRefused) as refused:
        SimbenchCsvReader().read(spoilt(small_csv(tmp_path), file, old, new), ReadOptions())
    assert told in str(refused.value)
