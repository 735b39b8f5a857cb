"""A cell as a real process beside a real Modbus switch: it leaves the main grid, lives through a restart, comes back.

One story goes through all steps of this file, in their order.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "local"))

from hamlet import START, hamlet

from archipel.cli.main import main as archipel
from archipel.farm import (
    Farm,
    GridFormer,
    GridSwitch,
    Inverter,
    InverterPlate,
    MainSide,
    MappedDevice,
    MappedPlate,
    Storage,
)
from archipel.field.cell_file import (
    CellFile,
    CellTable,
    ClockTable,
    ControllerTable,
    DeviceTable,
    NeighbourTable,
    StatusTable,
    TransportTable,
    write_cell_file,
)
from archipel.field.switch_table import FormerTable, SwitchTable
from archipel.journal.chain import LedgerReader
from archipel.local.arming import arm
from archipel.local.status import ask
from archipel.model.register_map import Kind
from archipel.transport.identity import Authority

PATIENCE_S = 120.0
"""The machine may be busy; nothing here asserts how long things take, only that they happen."""


class Stand:
    """The cell's devices on a thread of their own, and the cell's process."""

    def __init__(self, folder: Path, transport: str, status: str) -> None:
        self.main = MainSide()
        self.former = GridFormer("storage/0 as former", forms=True)
        self.switch = GridSwitch(MappedPlate("switch/0", Kind.SWITCH, 150.0), self.former, self.main)
        self.load = MappedDevice(MappedPlate("shed/0", Kind.SHEDDABLE_LOAD, 2.0))
        self.battery = Inverter(InverterPlate("storage/0", 5.0), Storage(e_kwh=10.0, soc=0.9))
        self.stop = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self.at: dict[str, str] = {}
        self.status, self.folder = status, folder
        scenario, ready = hamlet(folder / "hamlet", switch=True), threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self.thread.start()
        ready.wait()
        self.file = self._file(scenario, transport)

    async def _serve(self, ready: threading.Event) -> None:
        farm = Farm()
        try:
            devices = [self.former, self.switch, self.load, self.battery]
            self.at = {name: str(at) for name, at in (await farm.start(devices)).items()}
            ready.set()
            begun = time.monotonic()
            while not self.stop.is_set():
                farm.step(time.monotonic() - begun)
                await asyncio.sleep(0.01)
        finally:
            await farm.stop()
            ready.set()

    def _file(self, scenario: Path, transport: str) -> CellFile:
        now = datetime.now(UTC)
        authority = Authority.create(self.folder / "authority", "area", now)
        file = CellFile(
            path=(self.folder / "lv" / "CELL.toml").resolve(),
            cell=CellTable("lv", str(scenario), 100.0, 100.0),
            transport=TransportTable(transport),
            status=StatusTable(self.status),
            controller=ControllerTable(tick_s=0.5, healthy_s=2.0),
            clock=ClockTable(1.0, START, now),
            switch=SwitchTable("switch/0", healthy_s=1.0, settled_s=1.0, near_deg=1.0),
            neighbour=(NeighbourTable("feeder"),),  # which is not there
            device=(
                DeviceTable("switch/0", "archipel", self.at["switch/0"]),
                DeviceTable("storage/0", "sunspec", self.at["storage/0"]),
                DeviceTable("shed/0", "archipel", self.at["shed/0"]),
            ),
            former=(FormerTable("storage/0", self.at["storage/0 as former"], 500.0),),
        )
        write_cell_file(file)
        authority.issue("lv", file.certificates, now)
        arm(file, now)
        return file

    def start(self) -> None:
        command = [sys.executable, "-m", "archipel.field", str(self.file.path)]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def said(self) -> dict[str, Any]:
        return (ask(self.status) or {}).get("main_grid", {})

    def wait(self, what: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end_s = time.monotonic() + PATIENCE_S
        while not (said := self.said()) or not until(said):
            log = (self.folder / "log").read_text()
            assert self.process is not None
            assert self.process.poll() is None, log
            assert time.monotonic() < end_s, f"{what}: not within {PATIENCE_S:g} s, {said}\n{log}"
            time.sleep(0.05)
        return said

    def wait_for(self, mode: str) -> dict[str, Any]:
        return self.wait(mode, lambda said: said["mode"] == mode)

    def notes(self, kind: str) -> list[dict[str, Any]]:
        reader = LedgerReader(self.file.journal / "ledger.db")
        try:
            return [dict(entry.body) for entry in reader.entries() if entry.kind == kind]
        finally:
            reader.close()


@pytest.fixture
def stand(tmp_path: Path, free_address: str) -> Iterator[Stand]:
    host, port = free_address.split(":")
    made = Stand(tmp_path, f"{host}:{int(port) + 1}", free_address)
    try:
        made.start()
        yield made
    finally:
        made.kill()
        made.stop.set()
        made.thread.join()


def the_main_grid_is_lost_and_the_cell_opens_the_switch_and_lives_on(stand: Stand) -> None:
    stand.wait_for("connected")
    stand.wait("formers follow", lambda _: not stand.former.forms)
    stand.main.v_pu = 0.0
    stand.wait_for("island")
    assert not stand.switch.closed
    assert stand.former.forms
    why = next(note["why"] for note in stand.notes("life") if note["after"] == "islanding")
    assert why.startswith("voltage of the main grid was outside")


def it_is_an_island_again_after_a_restart_because_the_switch_says_so(stand: Stand) -> None:
    stand.kill()
    stand.start()
    stand.wait_for("island")
    assert stand.notes("life")[-1]["why"] == "the switch was found open"
    assert stand.switch.own[0] == pytest.approx(1.0), "nobody noticed"


def a_tag_keeps_the_switch_open_and_the_reason_is_said(stand: Stand) -> None:
    path = str(stand.file.path)
    assert archipel(["tag", "set", path, "switch/0", "--who", "Ada", "--why", "joint open"]) == 0
    stand.main.v_pu = 1.0
    said = stand.wait("the reason", lambda said: any("joint open" in why for why in said["why_not"]))
    assert said["mode"] == "island"
    stand.wait("noted", lambda _: any("joint open" in note["why"] for note in stand.notes("unable")))
    assert stand.switch.touches == []


def without_the_tag_it_turns_towards_the_main_grid_and_closes_inside_the_window(stand: Stand) -> None:
    stand.switch.angle_deg = 4.0  # else it may have half a turn to go
    assert archipel(["tag", "remove", str(stand.file.path), "switch/0", "--who", "Ada"]) == 0
    stand.wait_for("resynchronising")
    stand.wait_for("reconnected")
    stand.wait_for("connected")
    assert stand.switch.closed
    (touch,) = stand.switch.touches
    assert abs(touch.angle_deg) <= 10.0
    assert abs(touch.f_hz) <= 0.1
    assert abs(touch.v_pu) <= 0.03


def an_operator_makes_it_an_island(stand: Stand) -> None:
    assert archipel(["cell", "island", str(stand.file.path), "--on", "--who", "Ada", "--why", "work"]) == 0
    said = stand.wait_for("island")
    assert said["wants_island"]
    assert [note["why"] for note in stand.notes("life")][-2:][0] == "planned"
    assert not stand.switch.closed


def test_a_cell_leaves_the_main_grid_lives_through_a_restart_and_comes_back_inside_the_window(stand: Stand) -> None:
    the_main_grid_is_lost_and_the_cell_opens_the_switch_and_lives_on(stand)
    it_is_an_island_again_after_a_restart_because_the_switch_says_so(stand)
    a_tag_keeps_the_switch_open_and_the_reason_is_said(stand)
    without_the_tag_it_turns_towards_the_main_grid_and_closes_inside_the_window(stand)
    an_operator_makes_it_an_island(stand)


def test_a_cell_without_a_switch_to_the_main_grid_is_told_how_to_get_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = CellFile(
        path=tmp_path / "CELL.toml",
        cell=CellTable("lv", "district", 1.0, 1.0),
        transport=TransportTable("127.0.0.1:1"),
        status=StatusTable("127.0.0.1:1"),
    )
    write_cell_file(file)
    assert archipel(["cell", "island", str(file.path), "--on", "--who", "Ada"]) == 2
    assert "names no switch to the main grid. Add a table [switch]" in capsys.readouterr().err
