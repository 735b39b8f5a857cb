"""What a controller writes down, and how it reads that again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from archipel.controller.facts import Note
from archipel.controller.ladder import Level
from archipel.coordination.handshake import Entry, Record
from archipel.coordination.tree import Conversation, Silent


def mode_note(at_s: float, what: str, before: Level, after: Level, why: str, *, latched: bool) -> Note:
    """A change of what a cell acts by (`acts`), of where it stands (`ladder`) or of the ladder's latch (`latch`)."""
    body = {"what": what, "before": before.name, "after": after.name, "why": why, "latched": latched}
    return Note("mode", f"{what}/{at_s:.3f}", body)


def life_note(at_s: float, before: str, after: str, why: str) -> Note:
    """A change of where a cell stands towards the main grid, see `archipel.cell.mode`."""
    return Note("life", f"{at_s:.3f}/{after}", {"before": str(before), "after": str(after), "why": why})


def unable_note(at_s: float, mode: str, why_not: tuple[str, ...]) -> Note:
    """What keeps a cell in a mode that it wants to leave."""
    return Note("unable", f"{at_s:.3f}", {"mode": str(mode), "why": "; ".join(why_not)})


def talk_notes(talk: Conversation, before: tuple[str, ...], start: datetime, *, was_open: bool) -> list[Note]:
    """What silence did to a plan since it was `was_open` with the children `before`."""
    if was_open and isinstance(talk.outcome, Silent):
        why = f"{talk.outcome.neighbour} has fallen silent or goes on without us"
        return [Note("late", f"{talk.plan}/silent", {"plan": talk.plan, "start": start.isoformat(), "why": why})]
    if talk.children == before:
        return []
    why = f"begun anew without {', '.join(name for name in before if name not in talk.children)}"
    return [Note("anew", f"{talk.plan}/{talk.attempt}", {"plan": talk.plan, "with": list(talk.children), "why": why})]


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
