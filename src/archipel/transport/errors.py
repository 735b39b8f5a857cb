"""What a person can mend about keys, certificates and links."""

from __future__ import annotations

from archipel.model.errors import ArchipelError


class IdentityUnusable(ArchipelError):
    """A key or certificate is missing, wrong, expired or lies where it must not."""


class LinkUnusable(ArchipelError):
    """A transport cannot be opened."""
