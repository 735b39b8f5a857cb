"""One cell in a process of its own: publishes ten times a second until it is killed, and prints what it hears of.

python transport_process.py FOLDER LISTEN EPOCH [NEIGHBOUR=HOST:PORT or NEIGHBOUR ...]
"""

from __future__ import annotations

import sys
import time

from archipel.transport import Right, Station
from archipel.transport.identity import Identity, utc_now
from archipel.transport.trust import CertifiedTrust
from archipel.transport.zenoh import zenoh_messenger


def main(folder: str, listen: str, epoch: str, *neighbours: str) -> None:
    identity = Identity.load(folder, utc_now())
    named = [word.partition("=")[::2] for word in neighbours]
    station = Station(
        CertifiedTrust(identity), epoch=int(epoch), rights=[Right("measured/**")], neighbours=[n for n, _ in named]
    )
    connect = {name: endpoint for name, endpoint in named if endpoint}
    with zenoh_messenger(station, identity, listen=listen, connect=connect) as cell:
        cell.subscribe("measured/**", lambda received: print("heard", received.sender, flush=True))
        print("open", flush=True)
        while True:
            cell.publish("measured/x", "sample", identity.name.encode(), utc_now())
            cell.pump(utc_now())
            time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
