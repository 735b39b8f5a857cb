"""The public feeders through the door, end to end, against the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from opendss_cases import public

from archipel.formats.importing import Written, import_scenario
from archipel.formats.networks.base import ReadOptions
from archipel.formats.networks.opendss.reader import OpenDssReader
from archipel.formats.scenario import load_scenario
from archipel.model import ImportRefused

FEEDERS = [
    # name, nodes, at most so far from the engine's positive sequence: at worst, in the median [pu]
    ("13Bus/IEEE13Nodeckt.dss", 16, 0.032, 2e-3),
    ("34Bus/ieee34Mod1.dss", 37, 0.008, 1e-3),
    ("34Bus/ieee34Mod2.dss", 56, 0.008, 1e-3),
    ("37Bus/ieee37.dss", 39, 0.007, 6e-3),
    ("123Bus/IEEE123Master.dss", 132, 0.022, 1e-3),
    ("8500-Node/Master.dss", 4876, 0.055, 0.012),
    ("8500-Node/Master-unbal.dss", 4876, 0.055, 0.012),
    ("LVTestCase/Master.dss", 907, 1e-3, 1e-3),
    ("ckt5/Master_ckt5.dss", 2998, 0.013, 5e-3),
    ("epri_dpv/J1/Master_withPV.dss", 3434, 0.045, 0.012),
    ("epri_dpv/J1/Master_noPV.dss", 3434, 0.045, 0.012),
]


def check(name: str, nodes: int, worst: float, folder: Path) -> Written:
    written = import_scenario(public(f"opendss/{name}"), folder / "out")
    report = written.report
    scenario = load_scenario(written.scenario)
    assert len(scenario.grid.nodes) == nodes == report.before["bus"]
    assert report.dv_pu_max is not None
    assert report.dv_pu_max < worst
    explained = " ".join([*report.dropped, *report.merged, *report.approximated])
    for kind, count in report.before.items():
        assert report.after.get(kind, 0) == count or kind in explained, kind
    assert report.unknown == ()
    assert scenario.three_phase is not None
    return written


def test_european_lv_agrees_with_the_engine_to_a_thousandth_and_brings_its_profiles(tmp_path: Path) -> None:
    written = check("LVTestCase/Master.dss", 907, 1e-3, tmp_path)
    scenario = load_scenario(written.scenario)
    assert scenario.grid.f_hz == 50.0
    assert set(np.unique(scenario.grid.nodes.v_pu_min)) == {0.9}
    shapes = public("opendss/LVTestCase/Daily_1min_100profiles")
    theirs = np.loadtxt(shapes / "load_profile_1.txt").reshape(96, 15).mean(axis=1)
    ours = scenario.profiles.value[:96, scenario.profiles.name.index("shape_1_pload")]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    load = next(fleet for fleet in scenario.fleets if fleet.id[0].startswith("load/"))
    assert load.p_kw.sum() == pytest.approx(55.0)  # type: ignore[attr-defined]


def test_ieee_13_comes_in_whole_and_says_what_it_costs(tmp_path: Path) -> None:
    written = check("13Bus/IEEE13Nodeckt.dss", 16, 0.032, tmp_path)
    text = (written.scenario.parent / "import-report.txt").read_text()
    assert "reg1 + reg2 + reg3" in text
    assert "3 x regcontrol" in text
    assert "worst single phase" in text


@pytest.mark.slow
@pytest.mark.parametrize(("name", "nodes", "worst", "median"), FEEDERS, ids=[name for name, *_ in FEEDERS])
def test_every_public_feeder_comes_in(name: str, nodes: int, worst: float, median: float, tmp_path: Path) -> None:
    report = check(name, nodes, worst, tmp_path).report
    found = float(next(t for t in report.approximated if "median by" in t).split("median by ")[1].split(";")[0])
    assert found < median


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "most"), [("123Bus/IEEE123Master.dss", 6), ("ckt5/Master_ckt5.dss", 25), ("8500-Node/Master.dss", 40)]
)
def test_cells_of_an_american_feeder_are_a_handful_of_sections(name: str, most: int, tmp_path: Path) -> None:
    cells = import_scenario(public(f"opendss/{name}"), tmp_path / "out").archipelago
    assert 3 <= len(cells.cell) <= most


def test_a_model_the_engine_refuses_is_refused_with_its_words() -> None:
    path = public("restoration/network.ieee13mod.dss")
    with pytest.raises(ImportRefused, match=r"line \d+: found .*Invalid impedance"):
        OpenDssReader().read(str(path), ReadOptions())


def test_a_script_that_reaches_far_needs_a_named_folder() -> None:
    path = public("opendss/microgrid_gfm_ieee123/GFM_IEEE123/Run_IEEE123Bus_GFMSnap.DSS")
    with pytest.raises(ImportRefused, match="--root"):
        OpenDssReader().read(str(path), ReadOptions())
    imported = OpenDssReader().read(str(path), ReadOptions(root=public("opendss")))
    assert imported.devices.battery.e_kwh.tolist() == [6000.0]
    assert imported.devices.pv.p_kw_peak.tolist() == [800.0]
    with pytest.raises(ImportRefused, match="no folder above"):
        OpenDssReader().read(str(path), ReadOptions(root=public("matpower")))
