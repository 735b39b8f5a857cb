"""What our reader makes of power-grid-model's JSON, against power-grid-model on the file as it is."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats_cases import data_folder, small_import
from power_grid_model.utils import json_serialize

from archipel.formats.importing import import_scenario
from archipel.formats.networks import reader_of
from archipel.formats.networks.base import ReadOptions
from archipel.formats.networks.pgm import PgmReader
from archipel.formats.pandapower_import import import_pandapower
from archipel.grid.pgm_input import pgm_input
from archipel.model import ImportRefused

READER = PgmReader()


def line(i: int, a: int, b: int, **more: Any) -> dict[str, Any]:
    return {"id": i, "from_node": a, "to_node": b, "from_status": 1, "to_status": 1, "r1": 0.3, "x1": 0.2,
            "c1": 4e-7, "tan1": 0.01, "i_n": 200.0, **more}  # fmt: skip


def document() -> dict[str, Any]:
    """Two sources of one voltage, a link, a step-up transformer, shunts, every kind of load, generators, a sensor."""
    node = [{"id": i, "u_rated": 10e3} for i in range(5)] + [{"id": 5, "u_rated": 400.0}, {"id": 6, "u_rated": 20e3}]
    branch = {"from_status": 1, "to_status": 1, "winding_from": 2, "winding_to": 1, "tap_side": 0, "tap_min": -5,
              "tap_max": 5, "tap_nom": 0}  # fmt: skip
    return {
        "version": "1.0",
        "type": "input",
        "is_batch": False,
        "attributes": {"sym_load": ["id", "node", "status", "type", "p_specified", "q_specified"]},
        "data": {
            "node": node,
            "line": [line(10, 0, 1), line(11, 1, 2, to_status=0), line(12, 2, 3, i_n=None), line(13, 0, 3)],
            "link": [{"id": 20, "from_node": 3, "to_node": 4, "from_status": 1, "to_status": 1}],
            "transformer": [
                {**branch, "id": 30, "from_node": 4, "to_node": 5, "u1": 10.2e3, "u2": 420.0, "sn": 630e3, "uk": 0.06,
                 "pk": 7e3, "i0": 0.01, "p0": 900.0, "clock": 5, "tap_pos": 2, "tap_size": 250.0},
                {**branch, "id": 31, "from_node": 1, "to_node": 6, "u1": 10e3, "u2": 20e3, "sn": 5e6, "uk": 0.08,
                 "pk": 30e3, "i0": 0.002, "p0": 4e3, "clock": 0, "winding_from": 1, "tap_pos": -1, "tap_size": 300.0,
                 "tap_side": 1},
            ],
            "source": [{"id": 40, "node": 0, "status": 1, "u_ref": 1.03, "sk": 2e8, "rx_ratio": 0.2},
                       {"id": 41, "node": 2, "status": 1, "u_ref": 1.03}],
            "shunt": [{"id": 50, "node": 6, "status": 1, "g1": 1e-5, "b1": 2e-3}],
            "sym_load": [[60, 5, 1, 0, 1e5, 3e4], [61, 6, 1, 1, 4e5, 1e5], [62, 3, 0, 0, 1e9, 0.0]],
            "sym_gen": [{"id": 70, "node": 6, "status": 1, "type": 0, "p_specified": 6e5, "q_specified": -1e5}],
            "sym_power_sensor": [{"id": 80, "measured_object": 60, "measured_terminal_type": 4, "power_sigma": 1.0,
                                  "p_measured": 0.0, "q_measured": 0.0}],
        },
    }  # fmt: skip


def written(folder: Path, content: Any, name: str = "net.json") -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def test_every_kind_of_element_is_kept_or_told_and_agrees_with_power_grid_model(tmp_path: Path) -> None:
    source = written(tmp_path, document())
    assert reader_of(source).name == "power-grid-model"
    imported = READER.read(source, ReadOptions())
    assert READER.compare(source, imported) < 2e-6  # a link is an admittance there, none at all here
    report = imported.report
    assert report.dropped == ("1 x sym_load: out of service", "1 x sym_power_sensor: no part of the network")
    assert any("(sym_gen/70)" in note for note in report.merged)
    assert report.in_source is not None
    assert report.in_source.p_load_kw == pytest.approx(500.0)
    assert imported.grid.shunts.id == ("shunt/50", "sym_load/61")
    assert imported.grid.transformers.tap_side_hv.tolist() == [True, True]
    assert np.isinf(imported.grid.lines.i_a_max[2])


def test_a_scenario_of_power_grid_model_data_is_written_with_its_difference(tmp_path: Path) -> None:
    report = import_scenario(written(tmp_path, document()), tmp_path / "out").report
    assert report.format == "power-grid-model"
    assert report.dv_pu_max is not None
    assert report.dv_pu_max < 2e-6


def test_components_that_are_not_modelled_or_unknown_are_named(tmp_path: Path) -> None:
    content = document()
    content["data"]["three_winding_transformer"] = [{"id": 90}]
    content["data"]["transformer_tap_regulator"] = [{"id": 91}]
    content["data"]["flux_capacitor"] = [{"id": 92}, {"id": 93}]
    report = READER.read(written(tmp_path, content), ReadOptions()).report
    assert any("three_winding_transformer/90" in note and "not modelled" in note for note in report.dropped)
    assert any("transformer_tap_regulator/91" in note for note in report.dropped)
    assert report.unknown == ("2 x flux_capacitor",)


@pytest.mark.parametrize("name", ["1-LV-rural1--1-sw", "1-MV-rural--1-sw"])
def test_what_power_grid_model_itself_wrote_agrees_with_it(name: str, tmp_path: Path) -> None:
    whole = import_pandapower(data_folder() / "networks" / "simbench" / f"{name}.json.gz")
    data, _ = pgm_input(whole.grid, 1.0, 1.0)
    data["sym_load"]["p_specified"], data["sym_load"]["q_specified"] = 2e4, 5e3
    source = written(tmp_path, json_serialize(data))
    imported = READER.read(source, ReadOptions())
    assert READER.compare(source, imported) < 1e-7
    assert imported.report.after["line"] == len(whole.grid.lines)


def test_a_file_of_pandapower_is_not_taken_for_one_of_power_grid_model(tmp_path: Path) -> None:
    assert not READER.reads(written(tmp_path, '{"_class": "pandapowerNet", "x": "\\"is_batch\\""}'))
    assert not READER.reads(str(tmp_path / "nowhere.json"))
    assert small_import().report.format == "pandapower"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda d: d["data"]["line"][0].update(from_node=99),
            "line/10: from_node: found 99; expected the id of a node",
        ),
        (lambda d: d["data"]["line"][0].pop("id"), "line: row 1: found id = None; expected a whole number"),
        (lambda d: d["data"]["line"][0].update(id=0), "line/0: found the id twice"),
        (lambda d: d["data"]["line"][0].update(r1=0.0, x1=0.0), "expected an impedance"),
        (
            lambda d: d["data"]["node"][1].update(u_rated=-1.0),
            "node/1: u_rated: found -1.0; expected a positive number",
        ),
        (lambda d: d["data"].pop("source"), "no source in service"),
        (lambda d: d["data"].pop("node"), "no component 'node'"),
        (lambda d: d["data"]["sym_load"][0].pop(), "sym_load: row 1"),
        (lambda d: d.update(is_batch=True), "expected one network"),
        (lambda d: d["data"]["source"][0].update(u_ref="high"), "u_ref is 'high'; expected a number"),
    ],
)
def test_what_makes_no_network_is_refused_with_its_place(spoil: Any, told: str, tmp_path: Path) -> None:
    content = copy.deepcopy(document())
    spoil(content)
    with pytest.raises(ImportRefused) as refused:
        READER.read(written(tmp_path, content), ReadOptions())
    assert told in str(refused.value)
