"""Trust without certificates, for the twin and for tests: fast, and worth nothing against an attacker."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import final

from archipel.transport.envelope import SIGNATURE_BYTES, Refusal


@final
class SimulatedTrust:
    """All cells of a simulated area share one secret: whoever is inside could sign for anyone.

    It costs 2 us instead of 190 us per message and keeps layout, numbering, rights and refusals the same.
    """

    def __init__(self, area: str, name: str, secret: bytes = b"simulated") -> None:
        """`secret` is the same for all cells of the area."""
        self.area, self.name = area, name
        self._secret = secret

    def sign(self, body: bytes) -> bytes:
        """A keyed hash under the cell's own key."""
        return self._seal(self.name, body)

    def introduction(self) -> bytes:
        """Nothing is needed."""
        return b""

    def meet(self, sender: str, introduction: bytes, now: datetime) -> Refusal | None:
        """Everybody knows everybody."""
        del sender, introduction, now
        return None

    def check(self, sender: str, signature: bytes, body: bytes, now: datetime) -> Refusal | None:
        """Whether the keyed hash is right."""
        del now
        return None if hmac.compare_digest(self._seal(sender, body), signature) else Refusal.FORGED

    def standing(self, peer: str, now: datetime) -> Refusal | None:
        """Everybody is in good standing."""
        del peer, now
        return None

    def revocations(self) -> bytes:
        """There are none."""
        return b""

    def adopt(self, revocations: bytes) -> Refusal | None:
        """Nobody can sign a list here."""
        del revocations
        return Refusal.FORGED

    def valid_until(self) -> dict[str, datetime]:
        """Nothing ends."""
        return {}

    def _seal(self, name: str, body: bytes) -> bytes:
        key = hashlib.blake2b(name.encode(), key=self._secret[:64]).digest()
        return hashlib.blake2b(body, key=key, digest_size=SIGNATURE_BYTES).digest()
