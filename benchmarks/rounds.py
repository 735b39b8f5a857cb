"""A round of messages between neighbours: Zenoh against bare asyncio TCP, the same TLS and signatures, same processes.

python -m benchmarks.rounds [PEERS ...]        (default 2 8 32)

Every peer is a process. In a round each signs and publishes 2 kB and waits until the 2 kB of its four neighbours on the
ring (two each side) have arrived and are verified; then the next begins. Both engines carry the same envelopes, made
and checked by the same code; TCP sends to its four neighbours directly, Zenoh routes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from pathlib import Path

from archipel.transport import Messenger, Parcel, Received, Right, Station
from archipel.transport.identity import Authority, Identity, utc_now
from archipel.transport.trust import CertifiedTrust
from archipel.transport.zenoh import zenoh_messenger

SIZE = 2000
ROUNDS = {2: 400, 8: 200, 32: 60}
RESEND_S = 1.0
START_S = 120.0


def ring(me: int, peers: int) -> list[int]:
    """Neighbours of a peer: two on each side."""
    return sorted({(me + step) % peers for step in (-2, -1, 1, 2)} - {me})


class Peer:
    """What both engines share: a station and the newest round of every neighbour."""

    def __init__(self, folder: Path, me: int, peers: int) -> None:
        self.name, self.me = f"p{me}", me
        self.identity = Identity.load(folder / self.name, utc_now())
        self.neighbours = [f"p{other}" for other in ring(me, peers)]
        self.newest = dict.fromkeys(self.neighbours, -1)
        rights = [Right(f"round/{name}") for name in self.neighbours]
        self.station = Station(CertifiedTrust(self.identity), epoch=1, rights=rights, neighbours=self.neighbours)
        self.resent = 0

    def subscribe(self, cell: Messenger) -> None:
        """To what the neighbours publish, and to nobody else."""
        for name in self.neighbours:
            cell.subscribe(f"round/{name}", self.enqueue)

    def enqueue(self, received: Received) -> None:
        if received.sender in self.newest:
            (number,) = struct.unpack_from(">q", received.payload)
            self.newest[received.sender] = max(number, self.newest[received.sender])

    def complete(self, number: int) -> bool:
        return min(self.newest.values()) >= number

    def publish(self, cell: Messenger, number: int) -> None:
        cell.publish(f"round/{self.name}", "sample", struct.pack(">q", number).ljust(SIZE, b"x"), utc_now())

    def result(self, times_s: list[float], cpu_s: float) -> dict[str, float]:
        delivered = len(times_s) * len(self.neighbours)
        return {
            "p50_ms": 1e3 * statistics.median(times_s),
            "p99_ms": 1e3 * sorted(times_s)[int(0.99 * (len(times_s) - 1))],
            "cpu_us": 1e6 * cpu_s / delivered,
            "private_mb": private_mb(),
            "resent": self.resent,
        }


def private_mb() -> float:
    """Memory of this process that it shares with no other [MB]; its peak where the system does not say."""
    path = Path("/proc/self/smaps_rollup")
    if not path.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines = [line.split() for line in path.read_text().splitlines()]
    return sum(int(words[1]) for words in lines if words[0] in {"Private_Clean:", "Private_Dirty:"}) / 1024


def zenoh_peer(peer: Peer, ports: list[int], rounds: int) -> dict[str, float]:
    woken = threading.Event()
    connect = {name: f"127.0.0.1:{ports[int(name[1:])]}" for name in peer.neighbours if int(name[1:]) < peer.me}
    listen = f"127.0.0.1:{ports[peer.me]}"
    with zenoh_messenger(peer.station, peer.identity, listen=listen, connect=connect, on_arrival=woken.set) as cell:
        peer.subscribe(cell)

        def do(number: int, resend_s: float) -> None:
            peer.publish(cell, number)
            due = time.perf_counter() + resend_s
            while not peer.complete(number):
                woken.wait(0.05)
                woken.clear()
                cell.pump(utc_now())
                if time.perf_counter() > due:
                    peer.resent += number > 0
                    peer.publish(cell, number)
                    due = time.perf_counter() + resend_s

        do(0, 0.3)
        times, begin = [], time.process_time()
        for number in range(1, rounds + 1):
            started = time.perf_counter()
            do(number, RESEND_S)
            times.append(time.perf_counter() - started)
        found = peer.result(times, time.process_time() - begin)
        # who is behind still needs our last message
        until = time.perf_counter() + 2
        while time.perf_counter() < until:
            woken.wait(0.2)
            woken.clear()
            cell.pump(utc_now())
        return found


class TcpCarrier:
    """Bare asyncio streams with TLS to every neighbour; each frame is two lengths, an address and bytes."""

    dropped = 0

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.writers: dict[str, asyncio.StreamWriter] = {}
        self.queue: list[Parcel] = []
        self.woken = asyncio.Event()

    def put(self, parcel: Parcel) -> None:
        address = parcel.address.encode()
        frame = struct.pack(">HI", len(address), len(parcel.data)) + address + parcel.data
        for writer in self.writers.values():
            writer.write(frame)

    def subscribe(self, address: str) -> None:
        del address

    def appear(self) -> None:
        pass

    def arrivals(self) -> Iterable[Parcel]:
        arrived, self.queue = self.queue, []
        return arrived

    def members(self) -> frozenset[str]:
        return frozenset(self.writers)

    def attached(self) -> frozenset[str]:
        return frozenset(self.writers)

    def close(self) -> None:
        for writer in self.writers.values():
            writer.close()

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            self.woken.set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("peercert")
        name = dict(pair for part in certificate["subject"] for pair in part)["commonName"]
        self.writers[name] = writer
        try:
            while True:
                at, length = struct.unpack(">HI", await reader.readexactly(6))
                frame = await reader.readexactly(at + length)
                # a parcel for one cell also reaches the other neighbours here; the gate would count it
                if f"/to/{self.peer.name}/" in (address := frame[:at].decode()) or "/pub/" in address:
                    self.queue.append(Parcel(address, frame[at:]))
                    self.woken.set()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            # the other end is done, or this one is
            self.writers.pop(name, None)


def context(folder: Path, purpose: ssl.Purpose) -> ssl.SSLContext:
    made = ssl.create_default_context(purpose, cafile=str(folder / "authority.crt"))
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.load_cert_chain(str(folder / "cell.pem"))
    return made


async def tcp_peer(peer: Peer, folder: Path, ports: list[int], rounds: int) -> dict[str, float]:
    carrier = TcpCarrier(peer)
    tasks: list[asyncio.Task[None]] = []
    mine = folder / peer.name
    server = await asyncio.start_server(
        carrier.talk, "127.0.0.1", ports[peer.me], ssl=context(mine, ssl.Purpose.CLIENT_AUTH)
    )
    dialling = context(mine, ssl.Purpose.SERVER_AUTH)
    for name in peer.neighbours:
        while int(name[1:]) < peer.me:
            try:
                streams = await asyncio.open_connection("127.0.0.1", ports[int(name[1:])], ssl=dialling)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            tasks.append(asyncio.create_task(carrier.talk(*streams)))
            break
    tasks.append(asyncio.create_task(carrier.tick()))
    cell = Messenger(peer.station, carrier)
    peer.subscribe(cell)

    async def do(number: int, resend_s: float) -> None:
        peer.publish(cell, number)
        due = time.perf_counter() + resend_s
        while not peer.complete(number):
            await carrier.woken.wait()
            carrier.woken.clear()
            cell.pump(utc_now())
            if time.perf_counter() > due:
                peer.resent += number > 0
                peer.publish(cell, number)
                due = time.perf_counter() + resend_s

    await do(0, 0.3)
    times, begin = [], time.process_time()
    for number in range(1, rounds + 1):
        started = time.perf_counter()
        await do(number, RESEND_S)
        times.append(time.perf_counter() - started)
    found = peer.result(times, time.process_time() - begin)
    await asyncio.sleep(2)
    cell.close()
    server.close()
    for task in tasks:
        task.cancel()
    return found


def run(engine: str, folder: Path, peers: int, rounds: int) -> dict[str, float]:
    """All peers of one engine; medians over peers."""
    with ExitStack() as stack:
        held = [stack.enter_context(closing(socket.socket())) for _ in range(peers)]
        for each in held:
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in held]
    words = [sys.executable, "-m", "benchmarks.rounds", "--peer", engine, str(folder), str(peers), str(rounds)]
    running = [
        subprocess.Popen([*words, str(me), json.dumps(ports)], stdout=subprocess.PIPE, text=True) for me in range(peers)
    ]
    try:
        said = [each.communicate(timeout=START_S + rounds)[0] for each in running]
    finally:
        for each in running:
            each.kill()
    results = [json.loads(text) for text in said]
    found = {key: statistics.median(result[key] for result in results) for key in results[0]}
    return found | {"resent": sum(result["resent"] for result in results)}


def peer_main(engine: str, folder: str, peers: str, rounds: str, me: str, ports: str) -> None:
    peer = Peer(Path(folder), int(me), int(peers))
    work: dict[str, Callable[[], dict[str, float]]] = {
        "zenoh": lambda: zenoh_peer(peer, json.loads(ports), int(rounds)),
        "tcp": lambda: asyncio.run(tcp_peer(peer, Path(folder), json.loads(ports), int(rounds))),
    }
    print(json.dumps(work[engine]()))


def main() -> None:
    args = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    args.add_argument("peers", nargs="*", type=int, help="how many peers (default: 2 8 32)")
    args.add_argument("--peer", nargs=6, help=argparse.SUPPRESS)
    chosen = args.parse_args()
    if chosen.peer:
        peer_main(*chosen.peer)
        return
    sizes = chosen.peers or list(ROUNDS)
    head = f"{'peers':>6} {'engine':<8}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>7}{'CPU us/message':>16}{'private MB':>12}"
    print(f"{head}{'sent again':>12}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        authority = Authority.create(folder / "authority", "rounds", utc_now())
        for me in range(max(sizes)):
            authority.issue(f"p{me}", folder / f"p{me}", utc_now())
        for peers in sizes:
            rounds = ROUNDS.get(peers, 60)
            bare = 0.0
            for engine in ("tcp", "zenoh"):
                found = run(engine, folder, peers, rounds)
                bare = bare or found["p50_ms"]
                columns = (("p50_ms", "9.2f"), ("p99_ms", "9.2f"))
                row = "".join(format(found[name], width) for name, width in columns)
                row += f"{found['p50_ms'] / bare:>7.2f}{found['cpu_us']:>16.0f}{found['private_mb']:>12.1f}"
                print(f"{peers:>6} {engine:<8}{row}{found['resent']:>12.0f}", flush=True)


if __name__ == "__main__":
    main()
