"""Trust by certificates: who was certified by our authority, is not revoked, and signed with the certified key."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import final

from archipel.transport import certificates
from archipel.transport.certificates import Certified
from archipel.transport.envelope import Refusal
from archipel.transport.identity import Identity
from archipel.transport.revocation import Revocations, read_revocations

MOST_MEMBERS = 10_000


@final
class CertifiedTrust:
    """What one cell knows about keys. No clock: time is passed in."""

    def __init__(self, identity: Identity) -> None:
        """Trusts the identity's authority; knows no other cell yet."""
        self._identity = identity
        self._members: dict[str, Certified] = {identity.name: identity.certified}
        self._listed = Revocations(identity.area, -1, identity.certified.valid_from, frozenset())
        if identity.revocations:
            self.adopt(identity.revocations)

    @property
    def area(self) -> str:
        """The area of this cell."""
        return self._identity.area

    @property
    def name(self) -> str:
        """This cell."""
        return self._identity.name

    def renew(self, identity: Identity) -> None:
        """Use rotated keys from now on. Raises `ValueError` when they are another cell's or another authority's."""
        if (identity.name, identity.authority) != (self.name, self._identity.authority):
            raise ValueError(f"rotated keys of {self.name} in {self.area}: found those of {identity.name}")
        self._identity = identity
        self._members[self.name] = identity.certified
        if identity.revocations:
            self.adopt(identity.revocations)

    def sign(self, body: bytes) -> bytes:
        """Ed25519."""
        return self._identity.signing_key.sign(body)

    def introduction(self) -> bytes:
        """Our certificate."""
        return self._identity.certified.pem

    def meet(self, sender: str, introduction: bytes, now: datetime) -> Refusal | None:
        """Take in another cell's certificate; of two, the one issued later counts."""
        known = self._members.get(sender)
        if known is not None and known.pem == introduction:
            return None
        found = certificates.read_certificate(introduction, self._identity.authority, now)
        if isinstance(found, Refusal):
            return found
        if found.name != sender:
            return Refusal.WRONG_CERTIFICATE
        if found.serial in self._listed.serials:
            return Refusal.REVOKED
        if known is None and len(self._members) >= MOST_MEMBERS:
            return Refusal.OVERFLOW
        if known is None or found.valid_from > known.valid_from or known.serial in self._listed.serials:
            self._members[sender] = found
        return None

    def check(self, sender: str, signature: bytes, body: bytes, now: datetime) -> Refusal | None:
        """None when `sender` is in good standing and signed `body`."""
        refusal = self.standing(sender, now)
        if refusal is None and not self._members[sender].verifies(signature, body):
            return Refusal.FORGED
        return refusal

    def standing(self, peer: str, now: datetime) -> Refusal | None:
        """None when `peer` is known, its certificate valid now and not revoked."""
        member = self._members.get(peer)
        if member is None:
            return Refusal.UNKNOWN_SENDER
        if member.serial in self._listed.serials:
            return Refusal.REVOKED
        # a certificate issued a moment ago may lie ahead of a clock that is behind
        valid = member.valid_from - timedelta(minutes=5) <= now < member.valid_until
        return None if valid else Refusal.EXPIRED

    def revocations(self) -> bytes:
        """The newest list; empty when there is none."""
        return self._listed.to_bytes() if self._listed.signature else b""

    def adopt(self, revocations: bytes) -> Refusal | None:
        """Take in a list that our authority signed, unless ours has the same or a larger number."""
        if revocations == self.revocations():
            return None
        found = read_revocations(
            revocations,
            self.area,
            lambda signature, body: certificates.authority_signed(self._identity.authority, signature, body),
        )
        if isinstance(found, Refusal):
            return found
        if found.number > self._listed.number:
            self._listed = found
        return None

    def valid_until(self) -> dict[str, datetime]:
        """When all certificates known end, our own included."""
        return {name: member.valid_until for name, member in self._members.items()}
