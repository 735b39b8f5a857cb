"""Letters between controllers as bytes, and the journal as the place where they wait.

A cell in shadow talks with cells in shadow only, on topics of its own: nobody acts on what was agreed in shadow.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, final

from archipel.controller.facts import Mail
from archipel.coordination.handshake import Acceptance
from archipel.coordination.message import Message
from archipel.field.clock import wall
from archipel.journal import Journal
from archipel.transport import Form, Pending, Received, Right, Transport

MODES = ("armed", "shadow")


def rights(cell: str, neighbours: Sequence[str]) -> list[Right]:
    """What neighbours may send, and that every cell may say its mode; everything else is refused."""
    spoken = [
        Right(topic, name)
        for name in neighbours
        for mode in MODES
        for topic in (f"{mode}/{cell}", f"to/acceptance_{mode}")
    ]
    return [*spoken, Right("mode")]


def post(transport: Transport, letter: Mail, mode: str, keep: timedelta) -> None:
    """Send a letter: what belongs to a conversation may be lost, an acceptance is repeated until it is acknowledged."""
    now = wall()
    if isinstance(letter.said, Message):
        transport.publish(f"{mode}/{letter.receiver}", "plan", letter.said.to_bytes(), now)
        return
    said = letter.said
    payload = json.dumps({"tie": said.tie, "plan": said.plan, "digest": said.digest}).encode()
    key = f"{said.tie}/{said.plan}/{said.digest[:16]}"
    kind, until = f"acceptance_{mode}", now + keep
    transport.send(letter.receiver, key, kind, payload, now, expires_at=until, form=Form.JSON)


def opened(received: Received, cell: str) -> Mail | None:
    """The letter in a message; None when it is none."""
    try:
        if received.envelope.kind == "plan":
            return Mail(received.sender, cell, Message.from_bytes(received.payload))
        said = json.loads(received.payload)
        if isinstance(said["tie"], str) and isinstance(said["plan"], int) and isinstance(said["digest"], str):
            return Mail(received.sender, cell, Acceptance(said["tie"], said["plan"], said["digest"]))
    except (ValueError, KeyError, TypeError):
        return None  # from a certified neighbour, and yet no letter; it is counted by who calls
    return None


@final
@dataclass(slots=True, eq=False)
class JournalOutbox:
    """Acceptances wait in the journal until they are acknowledged: they survive a restart."""

    journal: Journal

    def add(self, item: Pending) -> None:
        """Keep it; the same receiver and key again change nothing."""
        name = _name(item.receiver, item.key)
        if any(out.key == name for out in self.journal.pending()):
            return
        fields: dict[str, Any] = {
            "receiver": item.receiver,
            "key": item.key,
            "kind": item.kind,
            "payload": base64.b64encode(item.payload).decode(),
            "form": item.form.value,
            "expires_at": item.expires_at.isoformat(),
        }
        if self.journal.find("outbox", name) is None:
            self.journal.put(name, json.dumps(fields, sort_keys=True).encode(), time=datetime.now(UTC))

    def pending(self) -> Sequence[Pending]:
        """All that is not acknowledged, oldest first."""
        out = []
        for waiting in self.journal.pending():
            said = json.loads(waiting.message)
            payload, until = base64.b64decode(said["payload"]), datetime.fromisoformat(said["expires_at"])
            out.append(Pending(said["receiver"], said["key"], said["kind"], payload, Form(said["form"]), until))
        return out

    def acknowledge(self, receiver: str, key: str) -> bool:
        """It arrived, or it is of no use any more."""
        return self.journal.acknowledge(_name(receiver, key), time=datetime.now(UTC))


def _name(receiver: str, key: str) -> str:
    return f"{receiver}|{key}"
