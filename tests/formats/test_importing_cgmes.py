"""CGMES through pypowsybl: exact against its own load flow, and nothing of a stranger reaches it unbounded."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest

from archipel.formats.importing import import_scenario
from archipel.formats.networks import cgmes, reader_of
from archipel.formats.networks.base import ReadOptions
from archipel.formats.networks.cgmes import CgmesReader
from archipel.formats.referee import largest_difference, nominal_flow, solved
from archipel.model import ExtraMissing, ImportRefused

powsybl = pytest.importorskip("pypowsybl", reason="the extra [cgmes] brings pypowsybl")
READER = CgmesReader()


def ieee14(holding: bool = False) -> Any:
    """IEEE 14 of pypowsybl; unless `holding`, only its slack holds a voltage."""
    network = powsybl.network.create_ieee14()
    others = [name for name in network.get_generators().index if name != "B1-G"]
    if not holding:
        network.update_generators(id=others, voltage_regulator_on=[False] * len(others))
    return network


def saved(network: Any, folder: Path, version: str = "16") -> str:
    path = folder / "net.zip"
    network.save(str(path), format="CGMES", parameters={"iidm.export.cgmes.cim-version": version})
    return str(path)


@pytest.mark.parametrize("version", ["16", "100"])
def test_ieee14_in_both_versions_agrees_with_the_load_flow_of_pypowsybl(version: str, tmp_path: Path) -> None:
    source = saved(ieee14(), tmp_path, version)
    assert reader_of(source).name == "cgmes"
    imported = READER.read(source, ReadOptions())
    assert READER.compare(source, imported) < 1e-7
    assert imported.report.before["bus"] == imported.report.after["bus"] == 14
    assert imported.report.p_load_kw == pytest.approx(259e3)
    assert imported.report.dropped == ()


def test_generators_that_hold_a_voltage_are_named_and_the_difference_is_told(tmp_path: Path) -> None:
    report = import_scenario(saved(ieee14(holding=True), tmp_path), tmp_path / "out").report
    assert any("generators that hold a voltage" in note and "B2-G" in note for note in report.approximated)
    assert any("largest generator that holds its voltage" in note for note in report.approximated)
    assert report.dv_pu_max is not None
    assert report.dv_pu_max > 1e-3  # an honest number: four generators no longer hold their voltages
    assert "pypowsybl's load flow" in str(report)


def test_a_folder_is_read_as_the_archive(tmp_path: Path) -> None:
    source = saved(ieee14(), tmp_path)
    folder = tmp_path / "profiles"
    with zipfile.ZipFile(source) as archive:
        archive.extractall(folder)
    assert READER.reads(str(folder))
    assert largest_difference(
        dict(
            zip(
                READER.read(source, ReadOptions()).grid.nodes.id,
                nominal_flow(READER.read(source, ReadOptions())).v_pu,
                strict=True,
            )
        ),
        READER.read(str(folder), ReadOptions()),
    ) == pytest.approx(0.0, abs=1e-12)


def test_a_network_of_pandapower_written_as_cgmes_agrees_with_pandapower(tmp_path: Path) -> None:
    networks = pytest.importorskip("pandapower.networks", reason="the extra [verify] brings the referee pandapower")
    net = networks.case33bw()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        imported = READER.read(saved(powsybl.network.convert_from_pandapower(net), tmp_path), ReadOptions())
        theirs = sorted(solved(net))
    ours = sorted(nominal_flow(imported).v_pu)
    assert ours == pytest.approx(theirs, abs=1e-6)


def test_three_windings_become_three_transformers_and_agree(tmp_path: Path) -> None:
    network = powsybl.network.create_eurostag_tutorial_example1_network()
    network.create_substations(id="S9")
    network.create_voltage_levels(
        id=["A", "B", "C"],
        substation_id=["S9"] * 3,
        topology_kind=["BUS_BREAKER"] * 3,
        nominal_v=[150.0, 20.0, 10.0],
    )
    network.create_buses(id=["a", "b", "c"], voltage_level_id=["A", "B", "C"])
    network.create_3_windings_transformers(
        id="T3",
        rated_u0=150.0,
        **{f"voltage_level{k}_id": level for k, level in zip("123", "ABC", strict=True)},
        **{f"bus{k}_id": bus for k, bus in zip("123", "abc", strict=True)},
        **{f"rated_u{k}": u for k, u in zip("123", (152.0, 20.0, 10.5), strict=True)},
        **{f"r{k}": r for k, r in zip("123", (0.5, 0.6, 0.7), strict=True)},
        **{f"x{k}": x for k, x in zip("123", (12.0, 3.0, 20.0), strict=True)},
        **{f"{name}{k}": 1e-6 for name in "gb" for k in "123"},
    )
    network.create_loads(id=["LB", "LC"], voltage_level_id=["B", "C"], bus_id=["b", "c"], p0=[12.0, 5.0], q0=[4.0, 1.0])
    network.create_generators(
        id="GA", voltage_level_id="A", bus_id="a", target_p=0.0, target_v=151.0, voltage_regulator_on=True,
        min_p=0.0, max_p=90000.0,
    )  # fmt: skip
    source = saved(network, tmp_path)
    imported = READER.read(source, ReadOptions())
    assert [one.split("/")[0] for one in imported.grid.transformers.id].count("trafo3w") == 3
    assert imported.grid.source.id == "generator/GA"
    network = cgmes._network(source)
    powsybl.loadflow.run_ac(
        network,
        powsybl.loadflow.Parameters(
            distributed_slack=False,
            component_mode=powsybl.loadflow.ComponentMode.ALL_CONNECTED,
            provider_parameters={"newtonRaphsonConvEpsPerEq": "1e-9"},
        ),
    )
    volts = network.get_bus_breaker_view_buses(attributes=["v_mag"])["v_mag"]
    flow = nominal_flow(imported)
    kv = {
        node: v * vn for node, v, vn in zip(imported.grid.nodes.id, flow.v_pu, imported.grid.nodes.vn_kv, strict=True)
    }
    live = {node: v for node, v in kv.items() if v > 0.0 and not node.startswith("inner/")}
    assert len(live) == 3
    for node, v in live.items():
        assert v == pytest.approx(float(volts[node.removeprefix("bus/")]), rel=1e-6)


def test_what_has_no_counterpart_is_named_with_its_number(tmp_path: Path) -> None:
    network = powsybl.network.create_four_substations_node_breaker_network()
    report = READER.read(saved(network, tmp_path), ReadOptions()).report
    assert any("2 x HVDC line: not modelled (" in note for note in report.dropped)
    assert any("static var compensator" in note for note in report.dropped)


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = saved(ieee14(), tmp_path)
    monkeypatch.setattr(cgmes, "find_spec", lambda _: None)
    with pytest.raises(ExtraMissing, match=r"pip install 'archipel\[cgmes\]'"):
        READER.read(source, ReadOptions())


def test_no_entity_reaches_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "laughs.xml"
    source.write_text('<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY a "ha">]><rdf:RDF>&a;</rdf:RDF>', encoding="utf-8")
    monkeypatch.setattr(
        powsybl.network, "load_from_binary_buffers", lambda _: pytest.fail("the library was asked to read it")
    )
    with pytest.raises(ImportRefused, match="document type declaration"):
        READER.read(str(source), ReadOptions())
