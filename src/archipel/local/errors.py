"""Errors of rehearsals."""

from __future__ import annotations

from archipel.model.errors import ArchipelError


class RehearsalError(ArchipelError):
    """A rehearsal cannot be started, found, or asked for what it was asked."""
