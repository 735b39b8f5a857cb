"""Notes of a controller in words, for the log."""

from __future__ import annotations

from archipel.controller.facts import Note


def in_words(note: Note) -> str | None:
    """A note for the log; None for what happens every hour and stands in the journal."""
    body = note.body
    match note.kind:
        case "mode":
            return f"{body['what']}: {body['before'].lower()} -> {body['after'].lower()} ({body['why']})"
        case "life":
            return f"main grid: {body['before']} -> {body['after']} ({body['why']})"
        case "unable":
            return f"main grid: stays {body['mode']}: {body['why']}"
        case "agreement" if body["event"] in {"refused", "contradicted"}:
            return f"tie {body['tie']}: the record of {body['start']} is {body['event']}: {body['why']}"
        case "agreement" if body["event"] == "confirmed":
            return f"tie {body['tie']}: agreed from {body['start'][11:16]} on"
        case "agreement" | "begun":
            return None
        case "late":
            return f"plan for {body['start'][11:16]}: {body['why']}"
    return f"{note.kind}: {body['why']}"
