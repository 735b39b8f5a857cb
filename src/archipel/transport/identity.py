"""Folders of keys: the authority's, which never lies on a cell, and each cell's own.

authority folder: authority.key (mode 0600), authority.crt, issued.json, revocations
cell folder:      cell.pem (mode 0600: certificate, link key, signing key), authority.crt, revocations

A cell's keys and certificate are one file, so that a rotation puts all three in place at once.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from archipel.transport.envelope import Refusal
from archipel.transport.files import write_whole
from archipel.transport.revocation import Revocations, read_revocations

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
except ModuleNotFoundError as error:
    from archipel.model.errors import ExtraMissing

    raise ExtraMissing("cryptography", "field", "certificates and signatures") from error

from archipel.transport import certificates
from archipel.transport.certificates import CELL_DAYS, Certified

if TYPE_CHECKING:
    from archipel.model.errors import ArchipelError

AUTHORITY_KEY, AUTHORITY, ISSUED, CELL, REVOKED = (
    "authority.key",
    "authority.crt",
    "issued.json",
    "cell.pem",
    "revocations",
)
_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----\n?", re.DOTALL)


@final
@dataclass(frozen=True, slots=True)
class Identity:
    """Who a cell is: its certificate, the keys to it, and the authority it believes."""

    certified: Certified
    authority: x509.Certificate
    link_key_pem: bytes
    signing_key: Ed25519PrivateKey
    revocations: bytes

    @property
    def name(self) -> str:
        """The cell."""
        return self.certified.name

    @property
    def area(self) -> str:
        """Its area."""
        return self.certified.area

    @property
    def authority_fingerprint(self) -> str:
        """SHA-256 of the authority's certificate, in hex: two cells of one area have the same."""
        return self.authority.fingerprint(hashes.SHA256()).hex()

    @staticmethod
    def load(folder: str | Path, now: datetime) -> Identity:
        """Read a cell's folder. Raises `IdentityUnusable` when anything in it is missing, wrong, or lies open."""
        folder = Path(folder)
        if (folder / AUTHORITY_KEY).exists():
            raise _unusable(
                f"{folder}: found {AUTHORITY_KEY}, expected it nowhere near a cell. "
                "Move it to a machine that runs no cell; if others could read it, make a new area."
            )
        path = folder / CELL
        authority = _certificate(folder / AUTHORITY)
        blocks = _private_blocks(path)
        found = certificates.read_certificate(blocks[0], authority, now)
        if isinstance(found, Refusal):
            raise _unusable(
                f"{path}: found a certificate that is refused ({found}), expected one that {AUTHORITY} beside it "
                f"signed and that is valid at {now:%Y-%m-%d %H:%M} UTC. Make a new one: archipel certs rotate {folder}"
            )
        link, signing = (load_pem_private_key(block, None) for block in blocks[1:])
        fits = (
            isinstance(link, ec.EllipticCurvePrivateKey)
            and isinstance(signing, Ed25519PrivateKey)
            and signing.public_key() == found.signing_key
            and x509.load_pem_x509_certificate(found.pem).public_key() == link.public_key()
        )
        if not fits or not isinstance(signing, Ed25519PrivateKey):
            raise _unusable(
                f"{path}: found keys that are not the certificate's. Make new ones: archipel certs rotate {folder}"
            )
        revoked = folder / REVOKED
        return Identity(found, authority, blocks[1], signing, revoked.read_bytes() if revoked.exists() else b"")


@final
class Authority:
    """The area's authority, opened from its folder. Its key is in memory as long as this object lives."""

    def __init__(self, folder: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        """Use `create` or `load`."""
        self.folder, self.certificate, self._key = folder, certificate, key
        self.area = certificates.common_name(certificate)

    @staticmethod
    def create(folder: str | Path, area: str, now: datetime) -> Authority:
        """A new area in a new or empty folder. Raises `IdentityUnusable` when something lies there already."""
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise _unusable(f"{folder}: expected a new or empty folder for the authority. Name another one.")
        try:
            key, certificate = certificates.new_authority(area, now)
        except ValueError as error:
            raise _unusable(f"{error}. Choose another name.") from error
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        write_whole(folder / AUTHORITY_KEY, certificates.private_pem(key), 0o600)
        write_whole(folder / AUTHORITY, certificates.certificate_pem(certificate))
        made = Authority(folder, key, certificate)
        made._write_issued([])
        made._publish(Revocations(area, 0, now, frozenset()))
        return made

    @staticmethod
    def load(folder: str | Path) -> Authority:
        """Open an authority's folder. Raises `IdentityUnusable` when it is none or its key lies open."""
        folder = Path(folder)
        path = folder / AUTHORITY_KEY
        _guarded(path, "archipel certs init AREA")
        certificate = _certificate(folder / AUTHORITY)
        try:
            key = load_pem_private_key(path.read_bytes(), None)
        except (ValueError, TypeError) as error:
            raise _unusable(f"{path}: found no key ({error}). Restore it from your backup.") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise _unusable(f"{path}: found a key that is not that of {AUTHORITY} beside it. Restore both.")
        return Authority(folder, key, certificate)

    def issue(self, name: str, folder: str | Path, now: datetime, days: float = CELL_DAYS) -> Certified:
        """A new cell's folder. Raises `IdentityUnusable` when there is one, or when it is the authority's own."""
        folder = Path(folder)
        if (folder / CELL).exists():
            raise _unusable(f"{folder}: found {CELL} already. To renew it: archipel certs rotate {folder}")
        here, there = self.folder.resolve(), folder.resolve()
        if here == there or here in there.parents or there in here.parents:
            raise _unusable(
                f"{folder}: expected a folder apart from the authority's, whose key must never lie on a cell."
            )
        return self._write_cell(name, folder, now, days)

    def rotate(self, folder: str | Path, now: datetime, days: float = CELL_DAYS) -> Certified:
        """New keys and a new certificate in a cell's folder, all at once. The old ones count until they expire.

        Raises `IdentityUnusable` when the folder belongs to no cell of this area, or to a revoked one.
        """
        folder = Path(folder)
        old = x509.load_pem_x509_certificate(_private_blocks(folder / CELL)[0])
        name = certificates.common_name(old)
        mine = [row for row in self._issued() if row["serial"] == f"{old.serial_number:x}" and row["name"] == name]
        if not mine:
            raise _unusable(f"{folder}: found a certificate that {self.folder} did not issue. Issue one anew.")
        if old.serial_number in self.revocations().serials:
            raise _unusable(f"{folder}: the certificate of {name} is revoked. Issue one in a new folder.")
        return self._write_cell(name, folder, now, days, after=old.not_valid_before_utc)

    def revoke(self, name: str, now: datetime) -> Revocations:
        """Every certificate of `name` counts no more. Raises `IdentityUnusable` when none was issued."""
        serials = {int(row["serial"], 16) for row in self._issued() if row["name"] == name}
        if not serials:
            known = ", ".join(sorted({row["name"] for row in self._issued()})) or "none"
            raise _unusable(f"{self.folder}: no certificate was issued for {name!r}; issued: {known}")
        last = self.revocations()
        # what has expired need not be listed for ever
        alive = {int(row["serial"], 16) for row in self._issued() if datetime.fromisoformat(row["valid_until"]) > now}
        listed = Revocations(self.area, last.number + 1, now, (last.serials | serials) & (alive | serials))
        return self._publish(listed)

    def revocations(self) -> Revocations:
        """The list in force."""
        path = self.folder / REVOKED
        data = path.read_bytes() if path.exists() else b""
        found = read_revocations(
            data, self.area, lambda sig, body: certificates.authority_signed(self.certificate, sig, body)
        )
        if isinstance(found, Refusal):
            raise _unusable(f"{path}: the list is refused ({found}). Restore it from your backup or a cell.")
        return found

    def _write_cell(
        self, name: str, folder: Path, now: datetime, days: float, after: datetime | None = None
    ) -> Certified:
        link_key, signing_key = ec.generate_private_key(ec.SECP256R1()), Ed25519PrivateKey.generate()
        keys = (link_key.public_key(), signing_key.public_key())
        try:
            certificate = certificates.certify(self._key, self.certificate, name, keys, now, days, after)
        except ValueError as error:
            raise _unusable(f"{error}. Choose another name.") from error
        pem = certificates.certificate_pem(certificate)
        found = certificates.read_certificate(pem, self.certificate, now)
        if isinstance(found, Refusal):
            raise _unusable(f"{self.folder}: its new certificates are refused ({found}); is it itself expired?")
        # first into the ledger: a certificate that nobody wrote down could not be revoked
        row = {"name": name, "serial": f"{found.serial:x}", "valid_until": found.valid_until.isoformat()}
        self._write_issued([*self._issued(), row])
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(folder / AUTHORITY, certificates.certificate_pem(self.certificate))
        write_whole(folder / REVOKED, self.revocations().to_bytes())
        secrets = pem + certificates.private_pem(link_key) + certificates.private_pem(signing_key)
        write_whole(folder / CELL, secrets, 0o600)
        return found

    def _publish(self, listed: Revocations) -> Revocations:
        signed = replace(listed, signature=self._key.sign(listed.body(), ec.ECDSA(hashes.SHA256())))
        write_whole(self.folder / REVOKED, signed.to_bytes())
        return signed

    def _issued(self) -> list[dict[str, Any]]:
        path = self.folder / ISSUED
        try:
            rows: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise _unusable(f"{path}: expected the list of issued certificates ({error}). Restore it.") from error
        return rows

    def _write_issued(self, rows: list[dict[str, Any]]) -> None:
        write_whole(self.folder / ISSUED, json.dumps(rows, indent=1, ensure_ascii=False).encode(), 0o600)


def utc_now() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


def _unusable(text: str) -> ArchipelError:
    # imported only now: with it comes numpy, which a process that only relays need not hold
    from archipel.transport.errors import IdentityUnusable

    return IdentityUnusable(text)


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise _unusable(f"{path}: not there. archipel certs issue puts it there.") from error
    except ValueError as error:
        raise _unusable(f"{path}: found no certificate ({error}). Copy it again from the authority.") from error


def _private_blocks(path: Path) -> tuple[bytes, bytes, bytes]:
    _guarded(path, "archipel certs issue CELL")
    blocks = [(match.group(1), match.group()) for match in _BLOCK.finditer(path.read_bytes())]
    if [kind for kind, _ in blocks] != [b"CERTIFICATE", b"PRIVATE KEY", b"PRIVATE KEY"]:
        raise _unusable(f"{path}: expected a certificate and two keys. Make it anew: archipel certs issue CELL")
    certificate, link, signing = (block for _, block in blocks)
    return certificate, link, signing


def _guarded(path: Path, command: str) -> None:
    """Refuse a secret that is missing or that others of this machine can read."""
    if not path.is_file():
        raise _unusable(f"{path}: not there. Make it with: {command}")
    if path.stat().st_mode & 0o077:
        raise _unusable(
            f"{path}: others may read it (mode {path.stat().st_mode & 0o777:o}, expected 600). "
            "If they could have, make a new one; otherwise: chmod 600"
        )
