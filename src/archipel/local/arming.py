"""Arming the cells of a rehearsal: simulated devices are commanded without commissioning, and the journal says so."""

from __future__ import annotations

from datetime import datetime

from archipel.field import state
from archipel.field.cell_file import CellFile
from archipel.field.permission import FieldState
from archipel.journal import Journal

WHY = "rehearsal on simulated devices: armed without commissioning"
FINGERPRINT = "simulated, not commissioned"


def arm(file: CellFile, now: datetime) -> None:
    """Let a cell that has not run yet command all its devices.

    One without devices is armed, too: cells in shadow and armed ones do not talk with each other.
    """
    fingerprints = {row.id: FINGERPRINT for row in file.device}
    after = state.armed(FieldState(), fingerprints, "", has_devices=bool(file.device))
    with Journal(file.journal) as journal:
        state.record(journal, state.Decision("rehearsal", "arm", "archipel up", WHY), after, now=now)
