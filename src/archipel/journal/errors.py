"""What can go wrong with a journal.

JournalError
  - NotRecordable         what was handed in cannot be written as a record
  - KeyTaken              another record already has this key, with other content
  - JournalTooNew         the file was written by a newer version of the program
  - DamagedJournal        the file no longer says what was acknowledged
  - JournalUnavailable    the disk did not take it; nothing was acknowledged, it may be tried again
      - JournalBusy       another process writes this journal
"""

from __future__ import annotations

from pathlib import Path

from archipel.model.errors import ArchipelError


class JournalError(ArchipelError):
    """Base of everything a journal says went wrong."""


class NotRecordable(JournalError):
    """What was handed in cannot be written as a record."""


class KeyTaken(JournalError):
    """Another record already has this key, with other content."""

    def __init__(self, kind: str, key: str, stands: str, offered: str) -> None:
        super().__init__(
            f"{kind} {key!r} is already in the journal as {_short(stands)}; found another one, {_short(offered)}. "
            "A record never changes: write a new one under a new key."
        )


class JournalTooNew(JournalError):
    """The file was written by a newer version of the program."""

    def __init__(self, file: Path, found: int, expected: int) -> None:
        super().__init__(
            f"{file.name}: found schema version {found}; this version of archipel knows versions up to {expected}. "
            "Install the archipel that wrote it (or a newer one), or restore a backup made before the upgrade."
        )


class DamagedJournal(JournalError):
    """The file no longer says what was acknowledged."""

    def __init__(self, file: Path, why: str, sound: int | None = None, acknowledged: int | None = None) -> None:
        self.file, self.why, self.sound, self.acknowledged = file, why, sound, acknowledged
        super().__init__(
            f"{file.name}: {why}. {_lost(sound, acknowledged)}Keep a copy of the folder, then restore a backup or "
            "salvage what is sound (archipel.journal.salvage)."
        )


class JournalUnavailable(JournalError):
    """The disk did not take it: nothing was acknowledged, and it may be tried again."""

    def __init__(self, file: Path, why: str) -> None:
        self.file, self.why = file, why
        super().__init__(f"{file.name}: {why}. Nothing was acknowledged.")


class JournalBusy(JournalUnavailable):
    """Another process writes this journal."""

    def __init__(self, file: Path, owner: str) -> None:
        super().__init__(file, f"the journal in {file.parent.name} is being written by process {owner}; stop it first")


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _lost(sound: int | None, acknowledged: int | None) -> str:
    if sound is None:
        return ""
    kept = f"Entries 1 to {sound} are sound" if sound else "No entry is sound"
    if acknowledged is None:
        return f"{kept}; how many followed is not known. "
    if acknowledged > sound:
        return f"{kept}; entries {sound + 1} to {acknowledged}, which were acknowledged, are lost. "
    return f"{kept}; {acknowledged} were acknowledged. "
