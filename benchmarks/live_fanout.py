"""Measurement to client: a live source of 5,000 nodes at 5 Hz, ten clients in another process.

    python -m benchmarks.live_fanout [--seconds 60] [--clients 10] [--nodes 5000]

Every client holds a telemetry WebSocket (nodes, branches and cells) and an event stream, as a browser does. Age: wall
time at the client when a frame is there, less the wall time at which the source measured it. CPU: of the whole server
process, source included, beside the same process with nobody listening.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import socket
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from archipel.web import nouns
from archipel.web.frames import HEADER
from archipel.web.server import Settings, serving
from archipel.web.source import Frame

HZ = 5.0
CELLS = 50


class Synthetic:
    """A live source with moving numbers; only what telemetry needs."""

    def __init__(self, nodes: int) -> None:
        columns = [("cells", f"c{k}", CELLS) for k in range(18)]
        columns += [("nodes", "v_pu", nodes), ("branches", "loading", nodes - 1)]
        sections = [nouns.Section(table=table, column=column, unit="", count=count) for table, column, count in columns]
        self.start = datetime.now(UTC)
        empty = nouns.Nodes(id=[], x=[], y=[], cell=[], vn_kv=[], v_pu_min=[], v_pu_max=[])
        self._area = nouns.Area(
            name="synthetic", title="", kind="live", strategies=["live"], f_hz=50.0, import_kw_max=None,
            export_kw_max=None, span=self.span(), acts=[], cells=[], ties=[], nodes=empty,
            branches=nouns.Branches(id=[], kind=[], from_node=[], to_node=[], cell=[], loading_max=[]),
            devices=nouns.Devices(id=[], kind=[], cell=[], node=[], p_kw_min=[], p_kw_max=[], e_kwh=[]),
            sections=sections,
        )  # fmt: skip
        self._pool = np.random.default_rng(1).normal(size=(16, sum(s.count for s in sections))).astype(np.float32)
        self._frame: Frame | None = None
        threading.Thread(target=self._measure, daemon=True).start()

    def _measure(self) -> None:
        """A new frame five times a second, not in step with the server's looks."""
        seq, due = 0, time.monotonic()
        while True:
            seq += 1
            now = datetime.now(UTC)
            self._frame = Frame(seq, now, now, self._pool[seq % 16])
            due += 1.0 / HZ
            time.sleep(max(0.0, due - time.monotonic()))

    def area(self) -> nouns.Area:
        return self._area

    def span(self) -> nouns.Span:
        return nouns.Span(start=self.start, end=datetime.now(UTC), step_s=1.0 / HZ, live=True, factor=1.0)

    def latest(self) -> Frame | None:
        return self._frame

    def happened(self, after: int) -> list[Any]:
        return []

    def commands(self) -> list[Any]:
        return []


def serve(pipe: Connection, nodes: int) -> None:
    """The server's process: tells its address, then its CPU whenever asked."""
    source: Any = Synthetic(nodes)
    with tempfile.TemporaryDirectory() as folder, serving(source, Settings(audit=Path(folder))) as served:
        pipe.send(served.url)
        while pipe.recv() == "cpu":
            used = resource.getrusage(resource.RUSAGE_SELF)
            pipe.send((used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))


def listen(pipe: Connection, url: str, clients: int, seconds: float) -> None:
    """The clients' process: ages of all frames [s], and how many each client got."""
    ages: list[list[float]] = [[] for _ in range(clients)]

    async def one(number: int) -> None:
        from websockets.asyncio.client import connect
        from websockets.typing import Origin

        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /api/v1/events HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        address = f"ws://{host}:{port}/api/v1/telemetry?tables=cells,nodes,branches"
        async with connect(address, origin=Origin(url), compression=None, max_size=2**27, proxy=None) as client:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                data = await client.recv()
                assert isinstance(data, bytes)
                ages[number].append(time.time() - HEADER.unpack_from(data)[6])
        writer.close()
        del reader

    async def together() -> None:
        await asyncio.gather(*(one(number) for number in range(clients)))

    asyncio.run(together())
    pipe.send(ages)


def measure(nodes: int, clients: int, seconds: float) -> dict[str, float]:
    """One measurement."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    server = spawn.Process(target=serve, args=(there, nodes))
    server.start()
    url = here.recv()
    ours, theirs = spawn.Pipe()

    def cpu_s() -> tuple[float, float]:
        here.send("cpu")
        found: tuple[float, float] = here.recv()
        return found

    idle_s = min(10.0, seconds)
    before, _ = cpu_s()
    time.sleep(idle_s)
    idle = (cpu_s()[0] - before) / idle_s
    listeners = spawn.Process(target=listen, args=(theirs, url, clients, seconds))
    before, began = cpu_s()[0], time.monotonic()
    listeners.start()
    ages = ours.recv()
    after, rss = cpu_s()
    share = (after - before) / (time.monotonic() - began)
    listeners.join()
    here.send("end")
    server.join()
    every = np.sort(np.concatenate([one[5:] for one in ages]))
    return {
        "clients": clients,
        "nodes": nodes,
        "frames_per_client_per_s": min(map(len, ages)) / seconds,
        "age_ms_median": 1e3 * float(np.median(every)),
        "age_ms_p95": 1e3 * float(np.quantile(every, 0.95)),
        "age_ms_max": 1e3 * float(every[-1]),
        "cpu_percent_of_a_core": 100.0 * share,
        "cpu_percent_idle": 100.0 * idle,
        "rss_mb": rss,
        "load": os.getloadavg()[0],
        "open_sockets_refused": float(_refused(url)),
    }


def _refused(url: str) -> bool:
    """Whether nothing of the server is left."""
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--nodes", type=int, default=5_000)
    args = parser.parse_args()
    found = measure(args.nodes, args.clients, args.seconds)
    for name, value in found.items():
        sys.stdout.write(f"{name:28} {value:10.2f}\n")
    good = found["age_ms_p95"] <= 500.0 and found["cpu_percent_of_a_core"] <= 5.0
    sys.stdout.write(f"p95 <= 500 ms and CPU <= 5 %: {'yes' if good else 'NO'}\n")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
