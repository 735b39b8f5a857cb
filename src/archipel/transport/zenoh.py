"""The transport between processes and hosts: Eclipse Zenoh, a router inside every cell process, no broker.

Links are TLS, both ends show a certificate of the area's authority, and only the named neighbours may attach. Zenoh
knows who is at the other end of a link, not who wrote what came over it; that is what the signatures are for.
Needs the packages eclipse-zenoh and cryptography (extra 'field').
"""

from __future__ import annotations

import atexit
import base64
import faulthandler
import json
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, final

try:
    import zenoh
except ModuleNotFoundError as error:
    from archipel.model.errors import ExtraMissing

    raise ExtraMissing("eclipse-zenoh", "field", "talking with other cells") from error

from archipel.transport import certificates
from archipel.transport.base import Alarm
from archipel.transport.identity import Identity
from archipel.transport.memory import MOST_QUEUED, covers
from archipel.transport.messenger import Messenger
from archipel.transport.station import Parcel, Station
from archipel.transport.watch import GRACE_S

if TYPE_CHECKING:
    from archipel.model.errors import ArchipelError

LEASE_MS = 2000
"""A neighbour that is silent this long is gone."""
CLOSE_S = 3.0
"""How long closing may take; then the process goes on without it."""
EXIT_S = 8
"""How long the interpreter may take to end with a session open; then it is ended."""
_MESSAGES = (
    "put",
    "declare_subscriber",
    "liveliness_token",
    "declare_liveliness_subscriber",
    "liveliness_query",
)
_OPEN: weakref.WeakSet[ZenohCarrier] = weakref.WeakSet()


def zenoh_messenger(
    station: Station,
    identity: Identity,
    *,
    listen: str,
    connect: Mapping[str, str],
    on_alarm: Callable[[Alarm], None] | None = None,
    on_arrival: Callable[[], None] | None = None,
    grace_s: float = GRACE_S,
) -> Messenger:
    """Open a cell's end. Raises `LinkUnusable` when it cannot listen.

    `listen` is `host:port` of this cell; `connect` has `host:port` of the neighbours this cell dials (of two
    neighbours one dials). Only the station's neighbours may attach. `on_arrival` is called from another thread when
    something came: it should wake the thread that calls `pump`, and do nothing else.
    """
    return Messenger(station, ZenohCarrier(station, identity, listen, connect, on_arrival), on_alarm, grace_s)


@final
class ZenohCarrier:
    """One cell's Zenoh session. All Zenoh callbacks only enqueue."""

    def __init__(
        self,
        station: Station,
        identity: Identity,
        listen: str,
        connect: Mapping[str, str],
        on_arrival: Callable[[], None] | None = None,
    ) -> None:
        """Made by `zenoh_messenger`."""
        strangers = set(connect) - station.neighbours
        if strangers:
            raise _unusable(f"{identity.name}: would dial {', '.join(sorted(strangers))}, expected neighbours only")
        self._area, self._name = identity.area, identity.name
        self._queue: deque[Parcel] = deque(maxlen=MOST_QUEUED)
        self._came = self._taken = 0
        self._addresses: list[list[str]] = []
        self._lives: set[tuple[str, str]] = set()
        self._links: dict[tuple[str, str, str], str] = {}
        self._on_arrival = on_arrival
        try:
            self._session = zenoh.open(configuration(identity, listen, connect, station.neighbours))
        except zenoh.ZError as error:
            raise _unusable(
                f"{identity.name}: cannot listen on {listen} ({error}). Is another process of this cell running?"
            ) from error
        _OPEN.add(self)
        self._session.info.declare_link_events_listener(_direct(self._link_changed), history=True)
        alive = f"archipel/{self._area}/alive/*/*"
        self._session.liveliness().declare_subscriber(alive, _direct(self._life_changed), history=True)

    @property
    def dropped(self) -> int:
        """Arrivals pushed out of a full queue."""
        return max(0, self._came - self._taken - len(self._queue))

    def put(self, parcel: Parcel) -> None:
        """Carry it if there is room on the links."""
        # DROP, never BLOCK: a slow neighbour would hold this cell for 5 s; what must arrive is repeated above
        self._session.put(parcel.address, parcel.data, congestion_control=zenoh.CongestionControl.DROP, express=True)

    def subscribe(self, address: str) -> None:
        """Bring what is put under `address`."""
        number = len(self._addresses)
        self._addresses.append(address.split("/"))
        self._session.declare_subscriber(
            address,
            _direct(lambda sample: self._enqueue(number, sample)),
            # not what this cell itself publishes
            allowed_origin=zenoh.Locality.REMOTE,
        )

    def appear(self) -> None:
        """Declare a liveliness token."""
        # the session's id tells this life of the cell from an earlier one that is not cleared away yet
        token = f"archipel/{self._area}/alive/{self._name}/{self._session.zid()}"
        self._token = self._session.liveliness().declare_token(token)

    def arrivals(self) -> Iterable[Parcel]:
        """What came since the last time."""
        arrived = []
        with suppress(IndexError):
            while True:
                arrived.append(self._queue.popleft())
        self._taken += len(arrived)
        return arrived

    def members(self) -> frozenset[str]:
        """Other cells of the area that hold a liveliness token."""
        return frozenset(name for name, _ in tuple(self._lives) if name != self._name)

    def attached(self) -> frozenset[str]:
        """Common names in the certificates at the other ends of our links."""
        return frozenset(self._links.copy().values())

    def close(self) -> None:
        """Leave; a session that does not close in time is left behind, and the process still ends."""
        _OPEN.discard(self)
        closing = threading.Thread(target=self.close_now, name=f"close {self._name}", daemon=True)
        closing.start()
        closing.join(CLOSE_S)

    def close_now(self) -> None:
        """Leave, however long it takes."""
        # a session that fails to close is as gone as one that closed; there is nobody to tell
        with suppress(zenoh.ZError):
            self._session.close()  # type: ignore[no-untyped-call]

    def _enqueue(self, number: int, sample: zenoh.Sample) -> None:
        address = str(sample.key_expr)
        parts = address.split("/")
        if any(covers(asked, parts) for asked in self._addresses[:number]):
            # an earlier subscription brings the same message
            return
        self._came += 1
        self._queue.append(Parcel(address, bytes(sample.payload)))
        if self._on_arrival is not None:
            self._on_arrival()

    def _life_changed(self, sample: zenoh.Sample) -> None:
        name, life = str(sample.key_expr).split("/")[-2:]
        if sample.kind == zenoh.SampleKind.PUT:
            self._lives.add((name, life))
        else:
            self._lives.discard((name, life))
        if self._on_arrival is not None:
            self._on_arrival()

    def _link_changed(self, event: Any) -> None:
        link = event.link
        if event.kind == zenoh.SampleKind.PUT:
            self._links[str(link.zid), link.src, link.dst] = link.auth_identifier or "no certificate"
        else:
            self._links.pop((str(link.zid), link.src, link.dst), None)
        if self._on_arrival is not None:
            self._on_arrival()


def configuration(
    identity: Identity, listen: str, connect: Mapping[str, str], neighbours: Iterable[str]
) -> zenoh.Config:
    """Zenoh's settings for one cell: everything that is not named here is refused."""
    certificate = _text(identity.certified.pem)
    key = _text(identity.link_key_pem)
    settings: dict[str, Any] = {
        "mode": "router",
        "listen/endpoints": [f"tls/{listen}"],
        "connect/endpoints": [f"tls/{endpoint}" for endpoint in connect.values()],
        # try for ever, and open without waiting for it; 0 would try once
        "connect/timeout_ms": -1,
        "connect/exit_on_failure": False,
        "connect/retry": {"period_init_ms": 200, "period_max_ms": 1000, "period_increase_factor": 1.5},
        "scouting/multicast/enabled": False,
        "scouting/gossip/enabled": False,
        "scouting/delay": 0,
        "adminspace/enabled": False,
        "transport/link/protocols": ["tls"],
        "transport/link/rx/max_message_size": 1 << 21,
        "transport/link/tx/lease": LEASE_MS,
        "transport/link/tx/keep_alive": 4,
        "transport/link/tls": {
            "root_ca_certificate_base64": _text(certificates.certificate_pem(identity.authority)),
            "listen_private_key_base64": key,
            "listen_certificate_base64": certificate,
            "connect_private_key_base64": key,
            "connect_certificate_base64": certificate,
            "enable_mtls": True,
            # hosts have addresses, cells have names: the name is compared with the neighbours instead
            "verify_name_on_connect": False,
            "close_link_on_expiration": True,
        },
        "access_control": {
            "enabled": True,
            "default_permission": "deny",
            "rules": [
                {
                    "id": "area",
                    "permission": "allow",
                    "flows": ["ingress", "egress"],
                    "messages": list(_MESSAGES),
                    "key_exprs": [f"archipel/{identity.area}/**"],
                }
            ],
            "subjects": [{"id": "neighbours", "cert_common_names": sorted(neighbours)}],
            "policies": [{"rules": ["area"], "subjects": ["neighbours"]}],
        },
    }
    config = zenoh.Config()
    for name, value in settings.items():
        config.insert_json5(name, json.dumps(value))
    return config


def _direct(callback: Callable[[Any], None]) -> Any:
    """Called by Zenoh's own thread.

    A plain callback gets a Python thread for itself, which the interpreter waits for at its end: after an error with a
    session open, for ever (zenoh-python issue 434, met again in 1.10.2).
    """
    return zenoh.handlers.Callback(callback, indirect=False)


def _unusable(text: str) -> ArchipelError:
    # imported only now: with it comes numpy, which a process that only relays need not hold
    from archipel.transport.errors import LinkUnusable

    return LinkUnusable(text)


def _text(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


@atexit.register
def _close_all() -> None:
    # An interpreter that ends with a session open may hang for ever (seen with zenoh 1.10). Close what an error left
    # open; and should that hang as well, the timer, which needs no interpreter, ends the process.
    if _OPEN:
        faulthandler.dump_traceback_later(EXIT_S, exit=True)
        for carrier in tuple(_OPEN):
            carrier.close_now()
