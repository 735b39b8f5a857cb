"""Disarming is never blocked: by no cell that hangs, no broken file, no damaged journal."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from commissioning_rig import WALL, a_cell, battery, farm_in_a_thread, mapped

from archipel.cli.main import main
from archipel.drivers import Endpoint, MappedDevice, SunSpecDevice, parse
from archipel.farm import Farm, Fault, Inverter
from archipel.field.cell_file import CellFile, DeviceTable, write_cell_file
from archipel.field.disarm import disarm, disarm_all
from archipel.field.operator import Answer, Command, attend, open_inbox, order, reply, take
from archipel.field.permission import FieldState, Mode
from archipel.field.state import Decision, armed, read_state, record
from archipel.journal import Journal
from archipel.model.register_map import Kind
from archipel.transport.identity import Authority

DEVICES = ("battery", "switch")


@contextmanager
def commanded(tmp_path: Path, *names: str) -> Iterator[tuple[Farm, CellFile]]:
    """A cell that is armed and has just told its battery to draw 20 kW and its switch to stay closed."""
    devices = [battery(), mapped("switch", Kind.SWITCH, 400.0)]
    with farm_in_a_thread(a_cell(tmp_path), devices, 10.0) as (farm, file):
        with Journal(file.journal) as journal:
            state = armed(FieldState(), dict.fromkeys(DEVICES, "m"), "digest")
            record(journal, Decision("1", "arm", "Ada", ""), state, now=WALL)

        async def tell() -> None:
            inverter, switch = (Endpoint(*parse(row.endpoint), timeout_s=2.0) for row in file.device)
            one, other = SunSpecDevice(inverter, writable=True), MappedDevice(switch, writable=True)
            await one.connect()
            await other.connect()
            await one.write_setpoint(p_kw=20.0, lease_s=3600)
            await other.write_setpoint(closed=True, lease_s=3600)
            await one.close()
            await other.close()

        asyncio.run(tell())
        yield farm, file


def enabled(farm: Farm) -> bool:
    """Whether the battery is still under an order."""
    inverter = farm.devices["battery"]
    assert isinstance(inverter, Inverter)
    return inverter.image.raw("704.WSetEna") == 1


def test_a_cell_that_does_not_run_is_put_into_shadow_and_its_devices_are_released(tmp_path: Path) -> None:
    with commanded(tmp_path) as (farm, file):
        assert enabled(farm)
        found = disarm(file.path, "Ada", WALL)
        assert found.well, found
        assert not enabled(farm)
    with Journal(file.journal) as journal:
        assert read_state(journal).mode is Mode.SHADOW


def test_a_cell_that_hangs_is_not_waited_for_and_disarms_when_it_wakes(tmp_path: Path) -> None:
    with commanded(tmp_path) as (farm, file):
        open_inbox(file.folder)
        with Journal(file.journal):
            found = disarm(file.path, "Ada", WALL, wait_s=0.1)
            assert not found.well
            assert "when it wakes" in found.troubles[0]
            assert all(device.reached for device in found.devices)
            assert not enabled(farm)
        assert [command.act for command in take(file.folder)] == ["disarm"]


@pytest.mark.parametrize("mode", list(Mode))
def test_a_running_cell_disarms_itself_and_in_shadow_is_helped_from_outside(tmp_path: Path, mode: Mode) -> None:
    with commanded(tmp_path) as (farm, file):
        open_inbox(file.folder)
        if mode is Mode.SHADOW:
            order(file, Command("disarm", "Ada"), now=WALL)
        stop = threading.Event()
        with Journal(file.journal) as journal:

            def cell() -> None:
                while not stop.wait(0.01):
                    for command in attend(file, journal, now=WALL, wall=WALL):
                        reply(file.folder, command.id, Answer(True, "in shadow", dict.fromkeys(DEVICES, "")))

            thread = threading.Thread(target=cell)
            thread.start()
            try:
                found = disarm(file.path, "Bob", WALL)
            finally:
                stop.set()
                thread.join()
            assert found.well, found
            assert read_state(journal).mode is Mode.SHADOW
        # this cell only says that it released them
        assert enabled(farm) == (mode is Mode.ARMED)


def test_a_tagged_switch_is_left_as_it_is_and_so_is_every_switch_when_tags_cannot_be_known(tmp_path: Path) -> None:
    with commanded(tmp_path) as (farm, file):
        order(file, Command("tag", "Ada", "people at work", "switch"), now=WALL)
        before = farm.writes.count["switch"]
        found = disarm(file.path, "Ada", WALL)
        assert [device.text for device in found.devices if device.device == "switch"] == [
            "a switch, left as it is: it has a safety tag"
        ]
        for name in ("ledger.db", "ledger.witness"):
            (file.journal / name).write_bytes(b"damaged" * 1000)
        (file.journal / "ledger.db-wal").unlink(missing_ok=True)
        found = disarm(file.path, "Ada", WALL)
        assert "does not say that it is disarmed" in found.troubles[0]
        assert "tags cannot be read" in next(device.text for device in found.devices if device.device == "switch")
        assert farm.writes.count["switch"] == before
        assert not enabled(farm)


def test_a_cell_file_with_a_typing_error_does_not_block(tmp_path: Path) -> None:
    with commanded(tmp_path) as (farm, file):
        file.path.write_text(file.path.read_text().replace("import_kw_max", "improt_kw_max"))
        found = disarm(file.path, "Ada", WALL)
        assert "improt_kw_max" in found.troubles[0]
        assert not enabled(farm)


def test_every_cell_below_a_folder_is_disarmed_and_one_that_cannot_be_reached_holds_up_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with commanded(tmp_path) as (farm, file):
        south = a_cell(tmp_path, "south", Authority.load(tmp_path / "authority"))
        write_cell_file(replace(south, device=(DeviceTable("pv", "sunspec", "modbus://127.0.0.1:1/1"),)))
        (tmp_path / "scenario.toml").write_text("[scenario]\nname = 'other'\n")
        (tmp_path / "broken.toml").write_text("[cell\n")
        assert main(["disarm", "--all", str(tmp_path), "--who", "Ada"]) == 1
        said = capsys.readouterr().out
        assert "north: 2 of 2 devices reached" in said
        assert "south: 0 of 1 devices reached" in said
        assert "reversion timer ends its last order" in said
        assert "broken.toml" in said
        assert "scenario.toml" not in said
        assert not enabled(farm)
        assert main(["disarm", str(file.path)]) == 0
    assert not (south.journal / "ledger.db").exists()


def test_a_device_that_does_not_answer_is_said_and_the_others_are_released(tmp_path: Path) -> None:
    with commanded(tmp_path) as (farm, file):
        farm.devices["switch"].fault = Fault(deaf=True)
        (found,) = disarm_all([file.path], "Ada", WALL)
        assert {device.device: device.reached for device in found.devices} == {"battery": True, "switch": False}
        assert not enabled(farm)


def test_nothing_to_disarm_is_an_error(tmp_path: Path) -> None:
    assert main(["disarm", "--all", str(tmp_path)]) == 2
    assert main(["disarm"]) == 2
