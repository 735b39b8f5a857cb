"""The area's own authority, and one certificate per cell. Needs the package cryptography (extra 'field').

A cell's certificate (X.509, EC P-256, 30 days) has the cell's name as common name and three URIs as subject
alternative names: its area, its name, and the Ed25519 key that signs its messages. So one signature of the authority
vouches for both the link and every message, however many others relayed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final
from urllib.parse import quote, unquote

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from archipel.transport.envelope import Refusal, is_name

CELL_DAYS = 30
AUTHORITY_DAYS = 3650
BACKDATED = timedelta(minutes=5)
"""A new certificate counts from a little earlier, for cells whose clock is behind."""
MOST_PEM_BYTES = 16_384

_AREA, _CELL, _KEY = "urn:archipel:area:", "urn:archipel:cell:", "urn:archipel:ed25519:"


@final
@dataclass(frozen=True, slots=True)
class Certified:
    """What a valid certificate says about a cell."""

    name: str
    area: str
    serial: int
    valid_from: datetime
    valid_until: datetime
    signing_key: Ed25519PublicKey
    pem: bytes

    def verifies(self, signature: bytes, body: bytes) -> bool:
        """Whether this cell signed `body`."""
        try:
            self.signing_key.verify(signature, body)
        except InvalidSignature:
            return False
        return True


def new_authority(area: str, now: datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """Key and self-signed certificate of a new area. Raises `ValueError` for a name that cannot be one."""
    _named("area", area)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, area)])
    certificate = (
        _started(name, name, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def certify(
    authority_key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    name: str,
    keys: tuple[ec.EllipticCurvePublicKey, Ed25519PublicKey],
    now: datetime,
    days: float = CELL_DAYS,
    after: datetime | None = None,
) -> x509.Certificate:
    """Certificate of the cell `name` for its link key and its signing key.

    With `after` it counts from later than that: of two certificates of a cell the later one is the one in use.
    """
    _named("cell", name)
    area = common_name(authority)
    link_key, signing_key = keys
    raw = signing_key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    # a certificate's URI is ASCII; names may have letters of any language
    uris = (_AREA + quote(area, safe=""), _CELL + quote(name, safe=""), _KEY + raw.hex())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        _started(subject, authority.subject, link_key, now, days, after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris]), critical=False
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def read_certificate(pem: bytes, authority: x509.Certificate, now: datetime) -> Certified | Refusal:
    """What `pem` says, if `authority` signed it and it is valid at `now`; otherwise why not. Never raises."""
    if len(pem) > MOST_PEM_BYTES:
        return Refusal.OVERSIZED
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        certificate.verify_directly_issued_by(authority)
        found = _said(certificate, pem)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound, x509.DuplicateExtension):
        return Refusal.WRONG_CERTIFICATE
    if found is None or found.area != common_name(authority):
        return Refusal.WRONG_CERTIFICATE
    if not found.valid_from <= now < found.valid_until:
        return Refusal.EXPIRED
    return found


def common_name(certificate: x509.Certificate) -> str:
    """The subject's common name; empty when it has none or several."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def authority_signed(authority: x509.Certificate, signature: bytes, body: bytes) -> bool:
    """Whether the authority itself signed `body` (ECDSA, SHA-256)."""
    key = authority.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, body, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def private_pem(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    """A private key as PKCS 8, without password: the file's mode guards it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """A certificate as text."""
    return certificate.public_bytes(Encoding.PEM)


def _said(certificate: x509.Certificate, pem: bytes) -> Certified | None:
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = alternative.get_values_for_type(x509.UniformResourceIdentifier)
    said = [[unquote(uri[len(head) :]) for uri in uris if uri.startswith(head)] for head in (_AREA, _CELL, _KEY)]
    name = common_name(certificate)
    if constraints.ca or any(len(values) != 1 for values in said) or said[1] != [name] or not is_name(name):
        return None
    (area,), _, (key,) = said
    return Certified(
        name,
        area,
        certificate.serial_number,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)),
        pem,
    )


def _started(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    days: float,
    after: datetime | None = None,
) -> x509.CertificateBuilder:
    valid_from = now - BACKDATED
    if after is not None:
        valid_from = max(valid_from, after + timedelta(seconds=1))
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _named(what: str, name: str) -> None:
    if not is_name(name):
        raise ValueError(f"{what}: found {name!r}, expected 1 to 64 letters, digits or _.:+=,()-")
