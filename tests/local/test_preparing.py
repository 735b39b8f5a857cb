"""What `archipel up` writes before anything runs, and the whole of it with stand-ins for cells."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hamlet import CELLS, START, hamlet
from hypothesis import given
from hypothesis import strategies as st

from archipel.drivers import Endpoint, parse
from archipel.drivers.scan import scan
from archipel.farm import Fault, Refusal
from archipel.field.cell_file import read_cell_file
from archipel.field.state import read_state
from archipel.formats.scenario import load_scenario
from archipel.journal import Journal
from archipel.local.clock import SimulatedClock
from archipel.local.errors import RehearsalError
from archipel.local.faults_file import read_faults
from archipel.local.links import links
from archipel.local.prepare import begin, times
from archipel.local.rehearsal import Wish, up
from archipel.local.status import live_line, look, table
from archipel.transport.identity import AUTHORITY_KEY, Identity

CELL = """
import sys, signal, json, http.server
from archipel.field.cell_file import read_cell_file
file = read_cell_file(sys.argv[1])
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"cell": file.cell.id, "level": "FALLBACK", "mode": "armed", "utc": "2016-06-08T11:00:00",
            "holdings": {"t": {"agreed": True}, "u": {"agreed": False}}, "writes": 0,
            "links": {"expected": ["x", "y"], "actual": ["x"]}}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
host, port = file.status.listen.split(":")
server = http.server.HTTPServer((host, int(port)), Page)
print("serving", flush=True)
server.serve_forever()
"""
"""Stands in for a cell: reads its file and serves a status."""


def test_up_writes_every_cell_starts_everything_and_down_ends_it(tmp_path: Path) -> None:
    path, folder = hamlet(tmp_path / "scenario"), tmp_path / "up"
    standing = up(
        Wish(str(path), factor=60.0, armed=True, tick_s=0.2), folder, cell_command=(sys.executable, "-c", CELL)
    )
    layout = standing.layout
    try:
        with pytest.raises(RehearsalError, match="in use, 4 processes"):
            up(Wish(str(path)), folder)
        assert standing.processes.alive() == ["world", *CELLS]
        clock = SimulatedClock.read(layout.clock)
        named = set()
        for cell in CELLS:
            file = read_cell_file(layout.cell_file(cell))
            assert load_scenario(file.cell.scenario).name == "hamlet"
            assert file.clock is not None
            assert (file.clock.start, file.clock.wall_start) == (START, clock.wall_start)
            assert Identity.load(file.certificates, datetime.now(UTC)).name == cell
            assert not list(layout.cell(cell).rglob(AUTHORITY_KEY)), "the authority's key is on no cell"
            assert file.controller == times(60.0)
            with Journal(tmp_path / "look" / cell) as journal:
                assert not read_state(journal).armed
            named |= {row.id for row in file.device}
            for row in (*file.device, *file.meter):
                found = asyncio.run(scan(Endpoint(*parse(row.endpoint), timeout_s=5.0)))
                assert (found.kind == "sunspec") == (getattr(row, "driver", "sunspec") == "sunspec")
        assert named == {"sgen/0", "sgen/1", "wind/0", "storage/0", "ev/0", "hp/0", "shed/0"}
        assert [row.tie for row in read_cell_file(layout.cell_file("root")).meter] == ["", "line/0"]
        assert [row.tie for row in read_cell_file(layout.cell_file("feeder")).meter] == ["line/0", "trafo/0"]
        rows = _answered(standing.layout)
        assert [row.agreed for row in rows] == ["", "1/2", "1/2", "1/2"]
        assert "FALLBACK" in table(rows)
        assert "3 fallback" in live_line(rows)
    finally:
        standing.processes.stop()
    assert not layout.processes.exists()
    for cell in CELLS:
        with Journal(read_cell_file(layout.cell_file(cell)).journal) as journal:
            state = read_state(journal)
        assert state.mode.value == "armed"
        assert set(state.armed) == {row.id for row in read_cell_file(layout.cell_file(cell)).device}


def _answered(layout: object) -> list:
    """Rows once all cells answer."""
    import time

    end = time.monotonic() + 30.0
    while True:
        rows = look(layout)
        if all(row.said for row in rows[1:]) or time.monotonic() > end:
            return rows
        time.sleep(0.1)


def test_a_world_that_ends_early_is_quoted_and_nothing_is_left_running(tmp_path: Path) -> None:
    path, folder = hamlet(tmp_path / "scenario"), tmp_path / "up"
    broken = (sys.executable, "-c", "import sys; sys.exit('no coal left')")
    with pytest.raises(RehearsalError, match="no coal left"):
        up(Wish(str(path)), folder, world_command=broken)
    assert not (folder / "processes.json").exists()


@st.composite
def trees(draw: st.DrawFn) -> list[int]:
    count = draw(st.integers(1, 25))
    return [-1, *(draw(st.integers(0, i - 1)) for i in range(1, count))]


@given(trees())
def test_no_single_cell_separates_the_others(parents: list[int]) -> None:
    cells = [f"c{i}" for i in range(len(parents))]
    found = links(cells, parents)
    pairs = [frozenset((link.listens, link.dials)) for link in found]
    assert len(set(pairs)) == len(pairs), "no link twice"
    assert all(len(pair) == 2 for pair in pairs), "nobody is linked to itself"
    assert {(link.dials, link.listens) for link in found if link.electrical} == {
        (cells[i], cells[p]) for i, p in enumerate(parents) if p >= 0
    }
    for gone in cells:
        assert _together([cell for cell in cells if cell != gone], pairs)


def _together(cells: Sequence[str], pairs: Sequence[frozenset[str]]) -> bool:
    reached, todo = set(cells[:1]), list(cells[:1])
    while todo:
        here = todo.pop()
        for pair in pairs:
            if here in pair:
                (other,) = pair - {here}
                if other in cells and other not in reached:
                    reached.add(other)
                    todo.append(other)
    return reached == set(cells)


@given(st.floats(0.1, 240.0))
def test_times_stretch_with_the_factor_and_stay_possible(factor: float) -> None:
    table_ = times(factor)
    assert 120.0 <= table_.lead_s <= 840.0
    assert 60.0 <= table_.lease_s <= 3600.0, "devices accept no longer lease"
    assert table_.lease_s / factor >= 4 * table_.tick_s or factor < 15, "some ticks may be lost"
    assert table_.grace_s + table_.contradiction_s < 3600.0


def test_at_real_time_the_times_are_those_of_the_field() -> None:
    from archipel.field.cell_file import ControllerTable

    assert times(1.0) == ControllerTable()


@pytest.mark.parametrize(
    ("start", "factor", "match"),
    [
        (None, 0.0, "--factor"),
        (None, 1e6, "--factor"),
        (START + timedelta(minutes=7), 60.0, "--start"),
    ],
)
def test_a_clock_that_cannot_be_is_refused(tmp_path: Path, start: datetime | None, factor: float, match: str) -> None:
    scenario = load_scenario(hamlet(tmp_path))
    with pytest.raises(RehearsalError, match=match):
        begin(scenario, start, factor, datetime.now(UTC))


def test_faults_are_read_by_pattern_and_the_last_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(
        '[[fault]]\ndevice = "ev/*"\ndeaf = true\n'
        '[[fault]]\ndevice = "ev/1"\nrefuses_writes = "BUSY"\ndelay_s = 1.5\novershoot = 2\n',
        "utf-8",
    )
    assert read_faults(path, ["ev/0", "ev/1", "pv/0"]) == {
        "ev/0": Fault(deaf=True),
        "ev/1": Fault(refuses_writes=Refusal.BUSY, delay_s=1.5, overshoot=2),
    }
    assert read_faults(tmp_path / "none.toml", ["ev/0"]) == {}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[[fault]", "no readable TOML"),
        ("[other]\n", "nothing but"),
        ("[[fault]]\ndeaf = true\n", "no device"),
        ('[[fault]]\ndevice = "x"\n', "a device that is served"),
        ('[[fault]]\ndevice = "ev/0"\ndef = true\n', "the key def"),
        ('[[fault]]\ndevice = "ev/0"\ndeaf = 1\n', "true or false"),
        ('[[fault]]\ndevice = "ev/0"\ndelay_s = -1\n', "zero or more"),
        ('[[fault]]\ndevice = "ev/0"\nreading = "odd"\n', "wrong sign"),
        ('[[fault]]\ndevice = "ev/0"\nrefuses_reads = "NO"\n', "BUSY"),
    ],
)
def test_a_spoilt_faults_file_is_explained(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(RehearsalError, match=match):
        read_faults(path, ["ev/0"])
