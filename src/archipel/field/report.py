"""The commissioning report: canonical JSON, signed by the cell, and the same for people.

    {"report": {...}, "certificate": "PEM", "signature": "hex"}

The cell's Ed25519 key signs; its certificate is kept with the report, because keys are renewed every 30 days and a
report counts for 90. It is believed when this area's authority made that certificate, it was valid then and is not
revoked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, final

from archipel.field.cell_file import CellFile
from archipel.field.state import OperatorRefused
from archipel.field.trial import PASSED
from archipel.journal.entry import canonical, time_text

JSON, MARKDOWN = "commissioning.json", "commissioning.md"
VALID = timedelta(days=90)
AHEAD = timedelta(minutes=5)
"""A report may be this far in the future: clocks differ."""
FORMAT = 1
_SIGNED = b"archipel commissioning report 1\n"


@final
@dataclass(frozen=True, slots=True)
class Report:
    """A report that is believed."""

    digest: str
    """SHA-256 of its canonical text."""
    at: datetime
    passed: Mapping[str, str]
    """Fingerprints of the devices that passed, by id."""
    others: Mapping[str, str]
    """Why each of the others did not."""


def body_of(file: CellFile, at: datetime, software: str, devices: list[dict[str, Any]]) -> dict[str, Any]:
    """The content to sign."""
    return {
        "format": FORMAT,
        "cell": file.cell.id,
        "time": time_text(at, "report"),
        "software": software,
        "devices": devices,
    }


def write_report(file: CellFile, body: Mapping[str, Any], wall: datetime) -> Path:
    """Sign and write it beside the cell file, as JSON and as Markdown. Raises `IdentityUnusable`."""
    from archipel.transport.files import write_whole
    from archipel.transport.identity import Identity

    identity = Identity.load(file.certificates, wall)
    text = canonical(body, "report")
    signature = identity.signing_key.sign(_SIGNED + text.encode())
    whole = {"report": body, "certificate": identity.certified.pem.decode("ascii"), "signature": signature.hex()}
    write_whole(file.folder / JSON, (canonical(whole, "report") + "\n").encode())
    write_whole(file.folder / MARKDOWN, markdown(body).encode())
    return file.folder / JSON


def check_report(file: CellFile, wall: datetime) -> Report:
    """The report beside the cell file, when it is signed by this cell, young enough, and of these devices.

    Raises:
        OperatorRefused: it is not; says how to mend.
        IdentityUnusable: the cell's own certificates cannot be used.
    """
    path = file.folder / JSON
    again = f"Commission again: archipel commission {file.path.name}"
    try:
        whole = json.loads(path.read_bytes())
        body, pem = whole["report"], whole["certificate"].encode("ascii")
        signature, text = bytes.fromhex(whole["signature"]), canonical(body, "report")
        at = datetime.fromisoformat(body["time"])
    except FileNotFoundError:
        raise OperatorRefused(f"arm: found no {JSON} beside {file.path.name}. {again}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise OperatorRefused(f"arm: {JSON} is no report ({error}). {again}") from error
    if (found := _stranger(file, pem, signature, text, at, wall)) is not None:
        raise OperatorRefused(f"arm: {JSON}: found {found}; expected one of cell {file.cell.id}. {again}")
    if body["format"] != FORMAT or body["cell"] != file.cell.id:
        raise OperatorRefused(f"arm: {JSON}: found a report of {body['cell']}; expected of {file.cell.id}. {again}")
    if not -AHEAD <= wall - at <= VALID:
        age = f"from {at:%Y-%m-%d}, {(wall - at).days} days old"
        raise OperatorRefused(f"arm: {JSON}: found one {age}; expected at most {VALID.days} days. {again}")
    rows = {row.id: row for row in file.device}
    for each in body["devices"]:
        row = rows.get(each["id"])
        now = "no such device" if row is None else f"{row.driver} at {row.endpoint}"
        then = f"{each['driver']} at {each['endpoint']}"
        if now != then:
            raise OperatorRefused(f"arm: {each['id']}: found {now} in {file.path.name}; expected {then}. {again}")
    return Report(
        hashlib.sha256(text.encode()).hexdigest(),
        at,
        {each["id"]: each["fingerprint"] for each in body["devices"] if each["verdict"] == PASSED},
        {each["id"]: each["why"] for each in body["devices"] if each["verdict"] != PASSED},
    )


def _stranger(file: CellFile, pem: bytes, signature: bytes, text: str, at: datetime, wall: datetime) -> str | None:
    """What is wrong with its signature, or None."""
    from archipel.transport import certificates
    from archipel.transport.envelope import Refusal
    from archipel.transport.identity import Identity
    from archipel.transport.revocation import read_revocations

    identity = Identity.load(file.certificates, wall)
    signer = certificates.read_certificate(pem, identity.authority, at)
    if isinstance(signer, Refusal):
        return f"a certificate that was not good at {at:%Y-%m-%d %H:%M} UTC ({signer})"
    if signer.name != identity.name:
        return f"the signature of {signer.name}"
    if identity.revocations:
        listed = read_revocations(
            identity.revocations,
            identity.area,
            lambda given, said: certificates.authority_signed(identity.authority, given, said),
        )
        if isinstance(listed, Refusal) or signer.serial in listed.serials:
            return "a certificate that is revoked"
    return None if signer.verifies(signature, _SIGNED + text.encode()) else "a wrong signature"


def markdown(body: Mapping[str, Any]) -> str:
    """The report for people."""
    counts = {verdict: sum(each["verdict"] == verdict for each in body["devices"]) for verdict in _VERDICTS}
    lines = [
        f"# Commissioning of {body['cell']}",
        "",
        f"{body['time'][:16].replace('T', ' ')} UTC, Archipel {body['software']}. "
        + ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        + ". Powers are positive when drawn. This page is a copy for reading; what counts is the signed "
        f"`{JSON}` beside it.",
        "",
        "| device | kind | verdict | order | before kW | ordered kW | reached kW | settled s | returned kW | after s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in body["devices"]:
        first = [each["id"], each["kind"], each["verdict"]]
        for step in each["steps"] or [{}]:
            names = ("before_kw", "value_kw", "reached_kw", "settled_after_s", "returned_kw", "returned_after_s")
            cells = [*first, step.get("order", ""), *(_figure(step.get(name)) for name in names)]
            lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
            first = ["", "", ""]
    reasons = [
        f"- **{_cell(each['id'])}** {_cell(each['verdict'])}: {_cell(each['why'])}"
        for each in body["devices"]
        if each["why"]
    ]
    lines += ["", "## Notes", "", *reasons] if reasons else []
    lines += ["", "## Devices", "", "| device | endpoint | fingerprint |", "|---|---|---|"]
    lines += [
        f"| {_cell(each['id'])} | {_cell(each['endpoint'])} | {_cell(each['fingerprint'])} |"
        for each in body["devices"]
    ]
    return "\n".join(lines) + "\n"


_VERDICTS = (PASSED, "failed", "not tested")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
