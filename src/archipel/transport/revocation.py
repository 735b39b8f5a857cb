"""The list of certificates that count no more: numbered, signed by the area's authority, the newest wins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import final

from archipel.transport.envelope import Refusal, is_name
from archipel.transport.payload import read_json, write_json


@final
@dataclass(frozen=True, slots=True)
class Revocations:
    """Serial numbers of revoked certificates of one area."""

    area: str
    number: int
    """Grows with every list; a smaller one is never taken."""
    issued_at: datetime
    serials: frozenset[int]
    signature: bytes = b""
    """ECDSA (P-256, SHA-256) by the area's authority."""

    def body(self) -> bytes:
        """What is signed."""
        return write_json(
            {
                "area": self.area,
                "number": self.number,
                "issued_at": self.issued_at.isoformat(),
                "serials": [f"{serial:x}" for serial in sorted(self.serials)],
            }
        )

    def to_bytes(self) -> bytes:
        """As it is stored and sent: the signed text, a line end, the signature in hex."""
        return self.body() + b"\n" + self.signature.hex().encode()


def read_revocations(data: bytes, area: str, verify: Callable[[bytes, bytes], bool]) -> Revocations | Refusal:
    """Read a list that `verify(signature, body)` accepts for `area`, or say why not. Never raises."""
    body, _, signature_hex = data.rpartition(b"\n")
    try:
        signature = bytes.fromhex(signature_hex.decode("ascii"))
    except ValueError:
        return Refusal.MALFORMED
    # first the signature: nothing of a stranger's text is parsed
    if not verify(signature, body):
        return Refusal.FORGED
    found = read_json(body)
    if isinstance(found, Refusal):
        return found
    try:
        listed = Revocations(
            str(found["area"]),
            int(found["number"]),
            datetime.fromisoformat(found["issued_at"]).astimezone(UTC),
            frozenset(int(serial, 16) for serial in found["serials"]),
            signature,
        )
    except (KeyError, TypeError, ValueError):
        return Refusal.MALFORMED
    return listed if listed.area == area and is_name(area) else Refusal.WRONG_AREA
