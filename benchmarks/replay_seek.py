"""Seeking in a recording of a day at one second of 50 cells, through the HTTP API.

    python -m benchmarks.replay_seek [--hours 24] [--seeks 200]

A recording of all columns of cells and ties is written with `Recorder`, as a live source does. Then a server shows it
and a client asks for random moments (`GET /api/v1/frame`, bytes) and for series of a random cell over the whole day.
Cold: the system is told to forget the files' pages before every request; warm: it is not.
"""

from __future__ import annotations

import argparse
import http.client
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from archipel.web import nouns
from archipel.web.area_of import COLUMNS
from archipel.web.frames import from_bytes
from archipel.web.recording import Recorder, Recording
from archipel.web.server import Settings, serving
from archipel.web.source import Frame

START = datetime(2016, 6, 9, tzinfo=UTC)
COUNTS = {"cells": 50, "ties": 49}


class Recorded:
    """A source that shows a recording; only what seeking needs."""

    def __init__(self, folder: Path, hours: float) -> None:
        self.recording = Recording(folder)
        self._end = START + timedelta(hours=hours, seconds=-1)
        self._first = {(one.table, one.column): first for one, first in _firsts(self.recording.sections)}

    def area(self) -> nouns.Area:
        nodes = nouns.Nodes(id=[], x=[], y=[], cell=[], vn_kv=[], v_pu_min=[], v_pu_max=[])
        return nouns.Area(
            name="recorded", title="", kind="live", strategies=["live"], f_hz=50.0, import_kw_max=None,
            export_kw_max=None, span=self.span(), acts=[], cells=[], ties=[], nodes=nodes,
            branches=nouns.Branches(id=[], kind=[], from_node=[], to_node=[], cell=[], loading_max=[]),
            devices=nouns.Devices(id=[], kind=[], cell=[], node=[], p_kw_min=[], p_kw_max=[], e_kwh=[]),
            sections=self.recording.sections,
        )  # fmt: skip

    def span(self) -> nouns.Span:
        return nouns.Span(start=START, end=self._end, step_s=1.0, live=False, factor=1.0)

    def latest(self) -> Frame | None:
        return None

    def happened(self, after: int) -> list[Any]:
        return []

    def frame(self, strategy: str, time: datetime) -> Frame:
        return self.recording.at(time)

    def series(
        self, strategy: str, table: str, element: str, columns: Sequence[str], start: datetime, end: datetime
    ) -> nouns.Series:
        rows = [self._first[table, column] + int(element) for column in columns]
        times, values = self.recording.range(start, end, rows)
        told = [datetime.fromtimestamp(t, UTC) for t in times]
        return nouns.Series(
            table=table, element=element, time=told,
            columns={name: values[:, k].tolist() for k, name in enumerate(columns)},
        )  # fmt: skip


def _firsts(sections: Sequence[nouns.Section]) -> list[tuple[nouns.Section, int]]:
    ends = np.cumsum([section.count for section in sections]).tolist()
    return list(zip(sections, [0, *ends[:-1]], strict=True))


def write(folder: Path, hours: float) -> float:
    """Write the recording; seconds of CPU per frame."""
    sections = [
        nouns.Section(table=table, column=column, unit=unit, count=COUNTS[table])
        for table in COUNTS
        for column, unit in COLUMNS[table].items()
    ]
    pool = np.random.default_rng(1).normal(size=(64, sum(section.count for section in sections))).astype(np.float32)
    count = int(hours * 3600)
    began = time.process_time()
    with Recorder(folder, sections) as recorder:
        for second in range(count):
            at = START + timedelta(seconds=second)
            values = pool[second % 64].copy()
            values[0] = second
            recorder.write(Frame(second, at, at, values))
    return (time.process_time() - began) / count


def forget(folder: Path) -> None:
    """Tell the system that it need not keep the pages of the recording."""
    for path in folder.iterdir():
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[float, bytes]:
    """Milliseconds until the whole answer is there, and the answer."""
    began = time.perf_counter()
    connection.request("GET", f"/api/v1/{path}", headers={"Accept": "application/octet-stream"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(body.decode())
    return 1e3 * (time.perf_counter() - began), body


def measure(hours: float, seeks: int) -> dict[str, float]:
    """Write, serve, seek."""
    found: dict[str, float] = {}
    draw = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "recording"
        found["write_us_per_frame"] = 1e6 * write(folder, hours)
        found["size_mb"] = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        source: Any = Recorded(folder, hours)
        with serving(source, Settings(audit=Path(place))) as served:
            connection = http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=60)
            for state in ("cold", "warm"):
                times = []
                for second in draw.integers(0, int(hours * 3600), seeks):
                    if state == "cold":
                        source.recording.close()
                        forget(folder)
                    at = START + timedelta(seconds=int(second))
                    took, body = ask(connection, f"frame?time={at:%Y-%m-%dT%H:%M:%SZ}")
                    times.append(took)
                    if from_bytes(body)[0].values[0] != second:
                        raise RuntimeError(f"another moment than {at} was shown")
                found[f"seek_{state}_ms_median"] = float(np.median(times))
                found[f"seek_{state}_ms_p95"] = float(np.quantile(times, 0.95))
                times = []
                for cell in draw.integers(0, 50, max(5, seeks // 10)):
                    if state == "cold":
                        source.recording.close()
                        forget(folder)
                    span = f"start={START:%Y-%m-%dT%H:%M:%SZ}&end={START + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"
                    times.append(ask(connection, f"series?table=cells&element={cell}&columns=p_kw,load_kw&{span}")[0])
                found[f"series_of_a_day_{state}_ms_p95"] = float(np.quantile(times, 0.95))
            connection.close()
    return {**found, "load": os.getloadavg()[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seeks", type=int, default=200)
    args = parser.parse_args()
    found = measure(args.hours, args.seeks)
    for name, value in found.items():
        sys.stdout.write(f"{name:32} {value:10.2f}\n")
    good = max(found["seek_cold_ms_p95"], found["seek_warm_ms_p95"]) <= 300.0
    sys.stdout.write(f"p95 <= 300 ms: {'yes' if good else 'NO'}\n")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
