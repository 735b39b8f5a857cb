from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archipel.cell.mode import Rules
from archipel.field.build import build
from archipel.field.cell_file import (
    CellFile,
    CellFileInvalid,
    CellTable,
    ClockTable,
    ControllerTable,
    DeviceTable,
    MeterTable,
    NeighbourTable,
    StatusTable,
    TransportTable,
    read_cell_file,
    write_cell_file,
)
from archipel.field.switch_table import FormerTable, SwitchTable

Change = Callable[[CellFile], CellFile]


def whole(path: Path) -> CellFile:
    return CellFile(
        path=path,
        cell=CellTable('LV "3"\\304', "district", 510.5, 212.0),
        transport=TransportTable("127.0.0.1:7448"),
        status=StatusTable("127.0.0.1:7548"),
        controller=ControllerTable(lead_s=600.0),
        clock=ClockTable(60.0, datetime(2016, 6, 9, tzinfo=UTC), datetime(2026, 1, 1, 12, tzinfo=UTC)),
        neighbour=(NeighbourTable("Feeder12", "127.0.0.1:7447"), NeighbourTable("LV3.305", electrical=False)),
        device=(DeviceTable("sgen/12", "sunspec", "modbus://127.0.0.1:50210/1"),),
        meter=(MeterTable("trafo/5", "modbus://127.0.0.1:50211/1", 400.0),),
    )


def with_switch(path: Path) -> CellFile:
    file = whole(path)
    rows = (*file.device, DeviceTable("switch/7", "archipel", "modbus://127.0.0.1:50212/1"))
    former = FormerTable("sgen/12", "modbus://127.0.0.1:50213/1", 120.0)
    return replace(file, device=rows, switch=SwitchTable("switch/7", main="second", healthy_s=60.0), former=(former,))


def test_a_cell_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = whole((tmp_path / "a" / "CELL.toml").resolve())
    write_cell_file(file)
    assert read_cell_file(file.path) == file


def test_a_cell_file_with_a_switch_to_the_main_grid_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = with_switch((tmp_path / "CELL.toml").resolve())
    write_cell_file(file)
    found = read_cell_file(file.path)
    assert found == file
    assert found.switch is not None
    assert found.switch.rules == Rules(healthy_s=60.0, unknown_s=10.0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda f: replace(f, switch=SwitchTable("switch/8")),
            "device: found 'switch/8'; expected the id of a",
        ),
        (lambda f: replace(f, switch=SwitchTable("sgen/12")), "found driver sunspec; expected driver archipel"),
        (lambda f: replace(f, former=()), "found no [[former]]; expected at least one"),
        (lambda f: replace(f, switch=None), "found one without a [switch]; expected both or none"),
        (lambda f: replace(f, former=(FormerTable("sgen/13", "modbus://h:1/1"),)), "id: found 'sgen/13'"),
        (
            lambda f: replace(f, switch=SwitchTable("switch/7", shed_below_soc=0.8)),
            "found 0.8 and 0.6; expected 0 <= shed_below_soc <= restore_above_soc <= 1",
        ),
    ],
)
def test_a_switch_that_cannot_work_is_refused_with_how_to_mend_it(tmp_path: Path, change: Change, told: str) -> None:
    file = change(with_switch(tmp_path / "CELL.toml"))
    write_cell_file(file)
    with pytest.raises(CellFileInvalid) as refused:
        read_cell_file(file.path)
    assert told in str(refused.value)


def test_every_problem_of_a_cell_file_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "CELL.toml"
    path.write_text(
        """
[cell]
id = 3
scenario = "district"
import_kw_max = -1.0
export_kw_max = true
journal = "../outside"
forecasts = "naive"
[controller]
lead_s = 0
every_s = 1.5
[status]
listen = "nowhere"
[clock]
factor = 60.0
start = 2016-06-09T00:00:00
wall_start = 2026-01-01T00:00:00Z
[windmill]
[[device]]
id = "sgen/1"
driver = "modbus"
endpoint = "tcp://127.0.0.1"
[[device]]
id = "sgen/2"
driver = "sunspec"
endpoint = "modbus://127.0.0.1:502/1"
[[device]]
id = "sgen/2"
driver = "sunspec"
endpoint = "modbus://127.0.0.1:503/1"
[meter]
tie = "trafo/5"
"""
    )
    with pytest.raises(CellFileInvalid) as refused:
        read_cell_file(path)
    told = str(refused.value)
    for word in (
        "[cell]: id",
        "import_kw_max",
        "export_kw_max",
        "forecasts",
        "Did you mean 'forecast'",
        "lead_s",
        "every_s",
        "[transport]",
        "'nowhere'",
        "a time with its zone",
        "[windmill]",
        "one of sunspec, archipel",
        "modbus://",
        "sgen/2: found the same a second time",
        "[[meter]]",
    ):
        assert word in told, word
    assert len(refused.value.problems) >= 13


def test_folders_of_a_cell_stay_inside_its_own(tmp_path: Path) -> None:
    file = whole(tmp_path / "CELL.toml")
    write_cell_file(file)
    file.path.write_text(file.path.read_text().replace('journal = "journal"', 'journal = "../other/journal"'))
    with pytest.raises(CellFileInvalid, match="inside the cell's"):
        read_cell_file(file.path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[cell", b""])
def test_what_is_no_cell_file_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "CELL.toml"
    path.write_bytes(content)
    with pytest.raises(CellFileInvalid):
        read_cell_file(path)


def test_a_missing_cell_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CellFileInvalid, match=r"gone\.toml"):
        read_cell_file(tmp_path / "gone.toml")


def test_devices_ties_and_neighbours_that_are_not_the_cell_s_are_all_named(tmp_path: Path) -> None:
    file = CellFile(
        path=tmp_path / "CELL.toml",
        cell=CellTable("LV3.304", "district", 100.0, 100.0),
        transport=TransportTable("127.0.0.1:7448"),
        status=StatusTable("127.0.0.1:7548"),
        neighbour=(NeighbourTable("Feeder13"), NeighbourTable("Feeder99")),
        device=(
            DeviceTable("sgen/76", "sunspec", "modbus://h:1/1"),
            DeviceTable("nosuch/1", "sunspec", "modbus://h:2/1"),
        ),
        meter=(MeterTable("trafo/5", "modbus://h:3/1"), MeterTable("trafo/9999", "modbus://h:4/1")),
    )
    with pytest.raises(CellFileInvalid) as refused:
        build(file)
    assert [(problem.id, problem.found) for problem in refused.value.problems] == [
        ("id", "'nosuch/1'"),
        ("tie", "'trafo/9999'"),
        ("cell", "'Feeder99'"),
    ]
