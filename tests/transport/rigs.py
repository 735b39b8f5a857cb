"""The rigs the suite and the tests run transports on."""

from __future__ import annotations

import socket
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from archipel.testing.transport import NEIGHBOURS, TOPICS
from archipel.transport import MemoryFabric, Messenger, Right, SimulatedTrust, Station, Transport, Trust
from archipel.transport.identity import Authority, Identity
from archipel.transport.memory import Route
from archipel.transport.trust import CertifiedTrust
from archipel.transport.zenoh import zenoh_messenger

RIGHTS = tuple(Right(topic) for topic in TOPICS)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LINKS = tuple((a, b) for a, others in NEIGHBOURS.items() for b in others if a < b)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class MemoryRig:
    """Simulated time; with `folder` trust is by certificates."""

    def __init__(self, folder: Path | None = None, route: Route | None = None) -> None:
        self.fabric = MemoryFabric(LINKS, route)
        self.time, self.epoch = START, 0
        self.folder = folder
        if folder is not None:
            self.authority = Authority.create(folder / "authority", "test", START)

    def trust(self, name: str) -> Trust:
        if self.folder is None:
            return SimulatedTrust("test", name)
        if not (self.folder / name).exists():
            self.authority.issue(name, self.folder / name, self.time)
        return CertifiedTrust(Identity.load(self.folder / name, self.time))

    def open(self, name: str) -> Messenger:
        self.epoch += 1
        station = Station(self.trust(name), epoch=self.epoch, rights=RIGHTS, neighbours=NEIGHBOURS[name], repeat_s=0.25)
        return self.fabric.messenger(station, grace_s=0.5)

    def kill(self, name: str) -> None:
        self.fabric.leave(name)

    def now(self) -> datetime:
        return self.time

    def wait(self) -> None:
        self.time += timedelta(milliseconds=50)


class ZenohRig:
    """Real processes' transport in one process, real time, loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.epoch = folder, 0
        self.ports = {name: free_port() for name in NEIGHBOURS}
        authority = Authority.create(folder / "authority", "test", self.now())
        for name in NEIGHBOURS:
            authority.issue(name, folder / name, self.now())
        self.opened: dict[str, Transport] = {}

    def open(self, name: str) -> Transport:
        self.epoch += 1
        identity = Identity.load(self.folder / name, self.now())
        station = Station(
            CertifiedTrust(identity), epoch=self.epoch, rights=RIGHTS, neighbours=NEIGHBOURS[name], repeat_s=0.25
        )
        connect = {other: f"127.0.0.1:{self.ports[other]}" for other in NEIGHBOURS[name] if other < name}
        self.opened[name] = zenoh_messenger(station, identity, listen=f"127.0.0.1:{self.ports[name]}", connect=connect)
        return self.opened[name]

    def kill(self, name: str) -> None:
        self.opened[name].close()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wait(self) -> None:
        time.sleep(0.05)
