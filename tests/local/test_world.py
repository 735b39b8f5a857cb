"""The world as a process of its own, met over the wire by our drivers and by an independent client."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sunspec2.modbus.client as independent
from hamlet import FIRST, START, hamlet, world_folder

from archipel.drivers import Endpoint, SunSpecDevice, parse
from archipel.formats.scenario import load_scenario
from archipel.local.layout import Layout, read_json
from archipel.local.record import read_record
from archipel.local.world import parts
from archipel.twin import Decision
from archipel.twin.base import Truth
from archipel.twin.outside import Outside
from archipel.twin.plant import Plant

PATIENCE_S = 60.0


@contextmanager
def running(layout: Layout) -> Iterator[subprocess.Popen[bytes]]:
    with layout.world_log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "archipel.local.world", str(layout.folder)], stdout=log, stderr=log
        )
    try:
        until(layout.endpoints.exists, layout)
        yield process
    finally:
        process.kill()
        process.wait(10)


def until(true: Callable[[], Any], layout: Layout) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, layout.world_log.read_text("utf-8")
        time.sleep(0.05)


def beat(layout: Layout) -> dict[str, Any]:
    return read_json(layout.heartbeat) if layout.heartbeat.exists() else {"utc": "", "writes": -1}


def test_the_world_serves_the_twins_day_to_any_client_and_keeps_a_record(tmp_path: Path) -> None:
    path = hamlet(tmp_path / "scenario")
    layout = world_folder(tmp_path / "up", path, factor=240.0)
    with running(layout) as process:
        at = read_json(layout.endpoints)
        host, port, unit = parse(at["sgen/0"])
        client = independent.SunSpecModbusClientDeviceTCP(slave_id=unit, ipaddr=host, ipport=port, timeout=5.0)
        client.scan()
        assert client.models[1][0].Mn.value == "Archipel", "the independent client is alive"
        until(lambda: beat(layout)["utc"] > "2016-06-08T11:16", layout)
        inverter = client.models[701][0]
        inverter.read()
        scenario = load_scenario(path)
        row = scenario.profiles.row(START) + 1
        free = Decision.free(len(scenario.device_node), 0)
        weather = Outside(scenario.profiles, 15, 0.0, scenario.seed).weather(row, 0)
        happened = Plant(scenario, Truth(), row).step(weather, free, 0.25)
        expected = happened.p_kw[scenario.device_id.index("sgen/0")]
        assert inverter.W.cvalue / 1000.0 == pytest.approx(-expected, rel=0.02), "it gives, so its sign is turned"
        assert beat(layout)["writes"] == 0

        controls = client.models[704][0]
        controls.read()
        controls.WMaxLimPct.cvalue, controls.WMaxLimPctRvrtTms.value = 30.0, 900
        controls.WMaxLimPctEna.value = 1
        controls.write()
        client.close()
        assert asyncio.run(power(at["sgen/0"], lambda p_kw: abs(p_kw + 9.9) < 0.1)) == pytest.approx(-9.9, abs=0.1)
        back = asyncio.run(power(at["sgen/0"], lambda p_kw: p_kw < -20.0))
        assert back < -20.0, "its reversion timer ran out"
        until(lambda: beat(layout)["writes"] > 0, layout)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not beat(layout)["running"]
    devices = read_record(layout.record, "devices").to_pylist()
    first = next(one for one in devices if one["device"] == "sgen/1" and one["time"] == START)
    assert first["p_kw"] == pytest.approx(-30.0 * scenario.profiles.value[row - 1, 2], rel=0.001)
    ties = read_record(layout.record, "ties").to_pylist()
    assert {one["tie"] for one in ties} == {"line/0", "trafo/0"}
    assert ties[0]["time"] == START
    assert ties[0]["time"] > FIRST


async def power(address: str, wanted: Callable[[float], bool]) -> float:
    """What our driver reads, as soon as it is as wanted."""
    device = SunSpecDevice(Endpoint(*parse(address), timeout_s=5.0))
    await device.connect()
    end = time.monotonic() + PATIENCE_S
    try:
        while True:
            found = (await device.read()).p_kw
            assert found is not None
            if wanted(found) or time.monotonic() > end:
                return found
            await asyncio.sleep(0.05)
    finally:
        await device.close()


def test_faults_come_and_go_while_the_world_runs(tmp_path: Path) -> None:
    layout = world_folder(tmp_path / "up", hamlet(tmp_path / "scenario"))
    with running(layout):
        at = read_json(layout.endpoints)
        assert asyncio.run(power(at["wind/0"], lambda p_kw: p_kw < -20.0)) < -20.0
        layout.faults.write_text('[[fault]]\ndevice = "wind/*"\nreading = "wrong sign"\n', "utf-8")
        assert asyncio.run(power(at["wind/0"], lambda p_kw: p_kw > 20.0)) > 20.0
        layout.faults.write_text("[[fault]]\ndevice = 3\n", "utf-8")
        until(lambda: "Faults stay" in layout.world_log.read_text("utf-8"), layout)
        layout.faults.unlink()
        assert asyncio.run(power(at["wind/0"], lambda p_kw: p_kw < -20.0)) < -20.0


def test_a_world_whose_time_is_over_ends(tmp_path: Path) -> None:
    layout = world_folder(tmp_path / "up", hamlet(tmp_path / "scenario"), hours=0.03)
    with running(layout) as process:
        assert process.wait(PATIENCE_S) == 0
    assert "its time is over" in layout.world_log.read_text("utf-8")
    assert beat(layout)["utc"].startswith("2016-06-08T11:01:48")


def test_a_world_without_its_folder_says_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "archipel.local.world", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "world.json: no such file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("now_s", "until_s", "expected"),
    [
        (0.0, 0.05, []),
        (0.0, 15.03, [15.0]),
        (50.0, 130.0, [10.0, 60.0, 10.0]),
        (899.9, 901.0, [0.1, 1.0]),
    ],
)
def test_parts_end_with_minutes_and_leave_no_splinters(now_s: float, until_s: float, expected: list[float]) -> None:
    assert list(parts(now_s, until_s)) == pytest.approx(expected)
