"""What a controller writes down, and how it reads that again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from archipel.controller.facts import Note
from archipel.controller.ladder import Level
from archipel.coordination.handshake import Entry, Record


def mode_note(at_s: float, what: str, before: Level, after: Level, why: str, *, latched: bool) -> Note:
    """A change of what a cell acts by (`acts`), of where it stands (`ladder`) or of the ladder's latch (`latch`)."""
    body = {"what": what, "before": before.name, "after": after.name, "why": why, "latched": latched}
    return Note("mode", f"{what}/{at_s:.3f}", body)


def note_of(entry: Entry) -> Note:
    """The note of what happened to an agreement."""
    record = entry.record
    body = {
        "event": entry.event,
        "tie": record.tie,
        "plan": record.plan,
        "start": record.start.isoformat(),
        "step_s": record.step_s,
        "p_kw": list(record.p_kw),
        "why": entry.why,
    }
    return Note("agreement", f"{record.tie}/{record.plan}/{entry.event}", body)


def entry_of(body: Mapping[str, Any]) -> Entry:
    """The entry that an `agreement` note was made from."""
    start = datetime.fromisoformat(body["start"])
    record = Record(body["tie"], body["plan"], start, tuple(body["p_kw"]), body["step_s"])
    return Entry(body["event"], record, body["why"])
