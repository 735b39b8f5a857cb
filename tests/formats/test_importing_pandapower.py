"""What our reader makes of pandapower files: elements kept, losses told, physics equal to pandapower's."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats_cases import Source, as_json, data_folder, small_import, small_source
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.formats.importing import import_scenario
from archipel.formats.pandapower_import import from_tables, import_pandapower
from archipel.formats.pandapower_json import Tables, parse_tables, read_tables
from archipel.formats.referee import voltage_difference
from archipel.formats.scenario import check_scenario, load_scenario
from archipel.grid.power_flow import PowerFlow
from archipel.model import ImportRefused

SIMBENCH = [
    "1-LV-rural1--1-sw",
    "1-LV-semiurb4--1-sw",
    "1-LV-urban6--1-sw",
    "1-MV-rural--1-sw",
    "1-MVLV-urban-6.305-1-sw",
    "1-MVLV-urban-all-1-sw",
    "1-HVMV-urban-all-1-sw",
]


def test_the_small_source_keeps_every_element() -> None:
    imported = small_import()
    assert imported.report.before == imported.report.after
    assert imported.report.dropped == ()
    assert imported.report.p_load_kw == pytest.approx(530.0)
    assert imported.report.q_load_kvar == pytest.approx(106.0)
    assert imported.report.storage_kwh == pytest.approx(10.0)


def test_parallel_lines_and_loading_limits_are_folded_into_the_values() -> None:
    lines = small_import().grid.lines
    assert lines.r_ohm[1] == pytest.approx(0.1)
    assert lines.c_nf[1] == pytest.approx(600.0)
    assert lines.i_a_max[1] == pytest.approx(600.0)
    assert lines.i_a_max[3] == pytest.approx(240.0)


def test_a_line_switch_opens_its_own_end_only() -> None:
    lines = small_import().grid.lines
    assert lines.from_closed.tolist() == [True] * 6
    assert lines.to_closed.tolist() == [True] * 5 + [False]


def test_a_transformer_switch_opens_its_own_side_only() -> None:
    def open_low_voltage_side(source: Source) -> None:
        for column, value in zip(
            ("bus", "element", "et", "closed", "name", "z_ohm"), (5, 1, "t", False, "", 0.0), strict=True
        ):
            source["switch"][column].append(value)

    trafos = small_import(open_low_voltage_side).grid.transformers
    assert trafos.hv_closed.tolist() == [True, True]
    assert trafos.lv_closed.tolist() == [True, False]


def test_a_missing_tap_position_means_neutral() -> None:
    trafos = small_import().grid.transformers
    assert trafos.tap_pos.tolist() == [-2.0, 0.0]


def test_generation_and_storage_get_their_kinds_and_signs() -> None:
    devices = small_import().devices
    assert devices.pv.id == ("sgen/0",)
    assert devices.pv.p_kw_peak.tolist() == [30.0]
    assert devices.generator.source == ("hydro",)
    assert devices.battery.e_kwh.tolist() == [10.0]
    assert devices.battery.efficiency_charge.tolist() == [0.95]
    assert devices.battery.soc_start.tolist() == [0.4]


@pytest.mark.parametrize(
    ("table", "column", "value", "told"),
    [
        ("line", "in_service", False, "dropped: 1 x line: out of service"),
        ("load", "in_service", False, "dropped: 1 x load: out of service"),
        ("bus", "in_service", False, "dropped: 1 x bus: out of service"),
        ("line", "parallel", 3, "merged: 2 lines of several parallel systems"),
        ("trafo", "tap_step_degree", 5.0, "approximated: 1 phase-shifting tap changers"),
        ("trafo", "tap_changer_type", "Symmetrical", "approximated: 1 tap changers of another type"),
        ("load", "const_z_p_percent", 40.0, "approximated: 1 voltage-dependent loads"),
        ("sgen", "type", "Fusion", "approximated: 1 static generators of unknown kind"),
        ("bus", "max_vm_pu", None, "approximated: 1 nodes without max_vm_pu"),
        ("ext_grid", "va_degree", 30.0, "approximated: 1 voltage angle"),
        ("switch", "z_ohm", 0.5, "approximated: 1 node-node switches with an impedance"),
        ("storage", "max_e_mwh", 0.0, "dropped: 1 x storage: without capacity"),
    ],
)
def test_what_is_not_kept_is_told(table: str, column: str, value: Any, told: str) -> None:
    def change(source: Source) -> None:
        rows = source[table].setdefault(column, [None] * len(next(iter(source[table].values()))))
        rows[0] = value
        if (table, column) == ("bus", "in_service"):
            rows[0], rows[8] = True, False
        if (table, column) == ("sgen", "type"):
            source["sgen"]["profile"][0] = None

    report = small_import(change).report
    kind, text = told.split(": ", 1)
    assert any(note.startswith(text) for note in getattr(report, kind)), getattr(report, kind)
    assert text in str(report)


@pytest.mark.parametrize("table", ["trafo3w", "impedance", "ward", "motor", "dcline"])
def test_a_table_we_do_not_model_is_counted_as_dropped(table: str) -> None:
    def add(source: Source) -> None:
        source[table] = {"bus": [3], "in_service": [True]}

    assert any(f"1 x {table}: not modelled" in note for note in small_import(add).report.dropped)


def small_tables(change: Callable[[Source], None]) -> Tables:
    source = small_source()
    change(source)
    return parse_tables(as_json(source), "small.json")


def test_shunts_are_kept_and_agree_with_pandapower() -> None:
    def add(source: Source) -> None:
        source["shunt"] = {
            "name": ["capacitor", "reactor", "spare"],
            "bus": [3, 8, 4],
            "p_mw": [0.01, 0.0, 0.0],
            "q_mvar": [-0.4, 0.3, -1.0],
            "vn_kv": [10.5, 10.0, 10.0],
            "step": [2, 1, 1],
            "max_step": [2, 1, 1],
            "in_service": [True, True, False],
        }

    tables = small_tables(add)
    imported = from_tables(tables)
    assert imported.grid.shunts.id == ("shunt/0", "shunt/1")
    assert imported.grid.shunts.q_kvar == pytest.approx([-800.0 * (10.0 / 10.5) ** 2, 300.0])
    assert imported.report.dropped == ("1 x shunt: out of service",)
    assert voltage_difference(tables, imported) < 1e-8


def test_upstream_connections_of_one_voltage_are_joined_and_agree_with_pandapower() -> None:
    def second(source: Source) -> None:
        for column, value in (("bus", 8), ("vm_pu", 1.02), ("va_degree", 0.0), ("in_service", True)):
            source["ext_grid"][column].append(value)
        source["ext_grid"]["bus"][0] = 2

    tables = small_tables(second)
    imported = from_tables(tables)
    assert imported.grid.switches.id[-1] == "join/ext_grid/1"
    assert any("(ext_grid/1)" in note for note in imported.report.merged)
    assert voltage_difference(tables, imported) < 1e-8


def test_an_out_of_service_node_takes_its_elements_with_it() -> None:
    def remove(source: Source) -> None:
        source["bus"]["in_service"][8] = False

    imported = small_import(remove)
    assert "line/4" not in imported.grid.lines.id
    assert "load/2" not in imported.devices.load.id


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("ext_grid"), "no upstream grid"),
        (lambda s: s.pop("bus"), "no table 'bus'"),
        (lambda s: s["line"].update(length_km=[0.0] * 6), "line/0 has no impedance"),
        (lambda s: s["trafo"].update(sn_mva=[0.0, 0.4]), "trafo/0 has no positive sn_mva"),
        (lambda s: s["trafo"].update(vk_percent=["much", 6.0]), "trafo/0: vk_percent is 'much'"),
        (lambda s: s["bus"].update(vn_kv=[None] * 9), "bus/0 has no positive vn_kv"),
        (lambda s: s["load"].update(bus=[0.5, 1, 2]), "not whole numbers"),
    ],
)
def test_a_source_that_makes_no_network_is_refused_with_the_reason(change: Any, words: str) -> None:
    with pytest.raises(ImportRefused, match=words):
        small_import(change)


def _with_bus(body: str) -> str:
    return f'{{"_class": "pandapowerNet", "_object": {{"bus": {{"_class": "DataFrame", "_object": {body}}}}}}}'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[1, 2]", "not a pandapower network"),
        ('{"_class": "Exploit", "_object": {}}', "not a pandapower network"),
        ("[" * 100_000, "not JSON"),
        (_with_bus("7"), "orient 'split'"),
        (_with_bus('{"columns": ["a", "a"], "index": [0], "data": [[1, 2]]}'), "distinct"),
        (_with_bus('{"columns": ["a"], "index": [0, 0], "data": [[1], [2]]}'), "index twice"),
        (_with_bus('{"columns": ["a"], "index": [0], "data": [[1, 2]]}'), "does not have 1 values"),
        (_with_bus('{"columns": ["vn_kv"], "index": [0], "data": [[1e999]]}'), "infinite"),
    ],
)
def test_a_file_that_is_no_network_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(ImportRefused, match=words):
        from_tables(parse_tables(text, "bad.json"))


def test_a_broken_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.json.gz"
    path.write_bytes(gzip.compress(as_json(small_source()).encode())[:-20])
    with pytest.raises(ImportRefused, match="cannot be read"):
        read_tables(path)


def test_classes_named_in_a_file_are_never_looked_up() -> None:
    trap = {"_module": "archipel_no_such_module", "_class": "Trap", "_object": "{}"}
    frame = {**trap, "_class": "DataFrame", "_object": '{"columns": [], "index": [], "data": []}'}
    source = as_json(small_source(), controller=trap, trap=frame)
    before = set(sys.modules)
    imported = from_tables(parse_tables(source, "trap.json"))
    assert len(imported.grid.nodes) == 9
    assert set(sys.modules) == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TABLE = st.sampled_from(sorted(small_source()))


@given(value=JSON)
def test_any_json_is_refused_or_read_and_nothing_else_happens(value: Any) -> None:
    for document in (value, {"_class": "pandapowerNet", "_object": value}):
        with pytest.raises(ImportRefused):
            parse_tables(json.dumps(document), "any.json")


@settings(max_examples=200)
@given(table=TABLE, value=JSON, data=st.data())
def test_any_value_in_any_cell_is_refused_or_imported(table: str, value: Any, data: st.DataObject) -> None:
    source = small_source()
    column = data.draw(st.sampled_from(sorted(source[table])))
    source[table][column][0] = value
    try:
        imported = from_tables(parse_tables(as_json(source), "any.json"))
    except ImportRefused:
        return
    assert len(imported.grid.nodes) >= 8
    assert np.isfinite(imported.grid.lines.r_ohm).all()


def test_the_small_source_agrees_with_pandapower() -> None:
    tables = parse_tables(as_json(small_source()), "small.json")
    assert voltage_difference(tables, from_tables(tables)) < 1e-8


def test_taps_move_the_voltage_as_their_ratio_says() -> None:
    def neutral(source: Source) -> None:
        source["trafo"]["tap_pos"] = [0.0, 0.0]

    zero = np.zeros(9)
    moved, still = (PowerFlow(i.grid).solve(zero, zero).v_pu[2] for i in (small_import(), small_import(neutral)))
    assert moved / still == pytest.approx(1.0 / (1.0 - 2 * 0.015), rel=1e-4)


@pytest.mark.parametrize("name", SIMBENCH)
def test_a_simbench_file_becomes_a_scenario_that_agrees_with_pandapower(name: str, tmp_path: Path) -> None:
    source = data_folder() / "networks" / "simbench" / f"{name}.json.gz"
    written = import_scenario(source, tmp_path, zone="Europe/Berlin")
    assert written.report.dv_pu_max is not None
    assert written.report.dv_pu_max < 1e-6
    kept = {key: value for key, value in written.report.before.items() if key not in {"measurement", "substation"}}
    assert dict(written.report.after) == kept
    assert check_scenario(written.scenario) == ()
    scenario, imported = load_scenario(written.scenario), import_pandapower(source)
    assert scenario.profiles.start.isoformat() == "2015-12-31T23:00:00+00:00"
    assert scenario.grid.nodes.id == imported.grid.nodes.id
    np.testing.assert_allclose(scenario.grid.lines.r_ohm, imported.grid.lines.r_ohm, rtol=1e-11)
    assert set(scenario.device_id) == {
        i for rows in ("load", "pv", "generator", "battery") for i in getattr(imported.devices, rows).id
    }


def test_naive_profile_stamps_are_refused_without_a_zone(tmp_path: Path) -> None:
    source = data_folder() / "networks" / "simbench" / "1-LV-rural1--1-sw.json.gz"
    with pytest.raises(ImportRefused, match="--zone Europe/Berlin"):
        import_scenario(source, tmp_path)


def test_a_source_without_series_becomes_a_scenario_of_constant_power(tmp_path: Path) -> None:
    source = tmp_path / "net.json"
    source.write_text(as_json(small_source()), encoding="utf-8")
    written = import_scenario(source, tmp_path / "out", compare=False)
    assert any("without a series" in note for note in written.report.approximated)
    assert check_scenario(written.scenario) == ()
