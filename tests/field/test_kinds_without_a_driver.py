from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from archipel.field.build import NO_DRIVER, build
from archipel.field.cell_file import CellFile, CellFileInvalid, CellTable, StatusTable, TransportTable
from archipel.formats.scenario import find_scenario
from archipel.local.served import driver_of


def test_a_cell_with_devices_that_no_driver_can_order_is_refused_and_they_are_named(tmp_path: Path) -> None:
    source = find_scenario("island").parent
    nodes = (source / "rural" / "nodes.csv").read_text("utf-8").splitlines()
    at = nodes[0].split(",").index("cell")
    node, cell = next((row.split(",")[0], row.split(",")[at]) for row in reversed(nodes[1:]))
    text = (source / "island.toml").read_text("utf-8")
    for folder in {"rural", "urban"} & {path.name for path in source.iterdir()}:
        shutil.copytree(source / folder, tmp_path / folder)
    (tmp_path / "runs.csv").write_text(f"id,node,run_kw,earliest,latest\nwasher,{node},2 2,08:00,18:00\n", "utf-8")
    text = text.replace("[devices]\n", '[devices]\nappliances = "runs.csv"\n')
    (tmp_path / "island.toml").write_text(text, "utf-8")
    file = CellFile(
        path=tmp_path / "CELL.toml",
        cell=CellTable(cell, "island.toml", 100.0, 100.0),
        transport=TransportTable("127.0.0.1:7448"),
        status=StatusTable("127.0.0.1:7548"),
    )
    with pytest.raises(CellFileInvalid) as refused:
        build(file)
    (problem,) = refused.value.problems
    assert "1 of kind appliance" in problem.found
    assert "washer" in problem.found
    assert problem.mend


def test_what_the_field_refuses_is_what_no_driver_orders() -> None:
    assert all(driver_of(kind) is None for kind in NO_DRIVER)
    assert all(driver_of(kind) for kind in ("wind", "building"))
