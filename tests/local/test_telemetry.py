"""What the world shows to those who look on: whole moments, newest first, at no cost to it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hamlet import hamlet, world_folder
from test_world import running, until

from archipel.formats.scenario import load_scenario
from archipel.local.errors import RehearsalError
from archipel.local.telemetry import Moment, Seen, Sizes, TelemetryReader, TelemetryWriter

SIZES = Sizes(nodes=3000, branches=2999, devices=4000, ties=7)
NOW = datetime(2016, 6, 8, 11, tzinfo=UTC)
LOOK = """
import sys, time
from pathlib import Path
from archipel.local.telemetry import TelemetryReader
reader, seen, end = TelemetryReader(Path(sys.argv[1])), 0, time.monotonic() + 60
while seen < int(sys.argv[2]) and time.monotonic() < end:
    found = reader.latest(seen)
    if found is None:
        continue
    assert found.seq > seen
    seen = found.seq
    values = found.moment.joined()
    assert (values == values[0]).all(), f"half of two moments at {seen}"
    assert values[0] == seen % 1000
print(seen)
"""


def moment(value: float, sizes: Sizes = SIZES) -> Moment:
    def of(n: int) -> np.ndarray:
        return np.full(n, value, np.float32)

    n, b, d, t = sizes.nodes, sizes.branches, sizes.devices, 2 * sizes.ties
    return Moment(of(5), of(n), of(b), of(d), of(d), of(d), of(d), of(d), of(t), of(t))


def newest(reader: TelemetryReader) -> Seen:
    found = reader.latest()
    assert found is not None
    return found


def test_the_newest_moment_is_read_whole_and_once(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.bin"
    reader = TelemetryReader(path)
    assert reader.latest() is None
    writer = TelemetryWriter(path, SIZES)
    assert reader.latest() is None
    for i in range(1, 4):
        writer.write(NOW + timedelta(seconds=i), NOW, moment(i))
    found = newest(reader)
    assert (found.seq, found.time) == (3, NOW + timedelta(seconds=3))
    assert found.moment.joined().tolist() == moment(3.0).joined().tolist()
    assert reader.latest(after=3) is None


def test_two_readers_never_see_half_of_two_moments_while_the_world_writes(tmp_path: Path) -> None:
    path, count = tmp_path / "telemetry.bin", 3000
    writer = TelemetryWriter(path, SIZES)
    readers = [
        subprocess.Popen([sys.executable, "-c", LOOK, str(path), str(count)], stdout=-1, stderr=-1) for _ in range(2)
    ]
    for i in range(1, count + 1):
        writer.write(NOW, NOW, moment(i % 1000))
    for reader in readers:
        out, err = reader.communicate(timeout=90)
        assert (reader.returncode, out.strip(), err.decode()) == (0, str(count).encode(), "")


def test_a_slot_whose_numbers_do_not_fit_its_sum_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.bin"
    writer = TelemetryWriter(path, SIZES)
    writer.write(NOW, NOW, moment(1.0))
    with path.open("r+b") as file:
        file.seek(64 + SIZES.slot_bytes + 400)
        file.write(b"\1\2\3\4")
    assert TelemetryReader(path).latest() is None


def test_a_new_world_in_the_same_place_is_followed_and_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.bin"
    TelemetryWriter(path, SIZES).write(NOW, NOW, moment(1.0))
    reader = TelemetryReader(path)
    assert newest(reader).moment.area[0] == 1.0
    small = Sizes(2, 1, 1, 0)
    TelemetryWriter(path, small).write(NOW, NOW, moment(9.0, small))
    assert newest(reader).moment.v_pu.tolist() == [9.0, 9.0]
    path.unlink()
    path.write_bytes(bytes(200))
    with pytest.raises(RehearsalError, match="no telemetry"):
        reader.latest()


def test_numbers_of_another_size_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected"):
        TelemetryWriter(tmp_path / "telemetry.bin", SIZES).write(NOW, NOW, moment(1.0, Sizes(1, 1, 1, 1)))


def test_the_world_shows_its_physics_and_the_orders_that_hold(tmp_path: Path) -> None:
    path = hamlet(tmp_path / "scenario")
    scenario = load_scenario(path)
    layout = world_folder(tmp_path / "up", path)
    with running(layout):
        reader = TelemetryReader(layout.telemetry)
        until(lambda: reader.latest() is not None, layout)
        first = newest(reader)
        until(lambda: newest(reader).seq > first.seq, layout)
        found = newest(reader)
    assert found.time > first.time
    kinds = dict(zip(scenario.device_kind, found.moment.p_kw.tolist(), strict=True))
    assert kinds["generator"] < -20.0
    assert np.isnan(found.moment.p_kw_set).all(), "nobody has ordered anything"
    assert found.moment.v_pu == pytest.approx(np.ones(4), abs=0.1)
    drawn = float(found.moment.p_kw.sum())
    assert found.moment.area[0] == pytest.approx(drawn + float(found.moment.area[2]), abs=0.1)
