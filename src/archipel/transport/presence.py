"""Which cells are there, although who should tell may be wrong.

Members hold a token of life in the transport. Its end may never be told: a cell that joined while an earlier life of
its neighbour was being cleared away keeps the token for ever (seen with zenoh 1.10 after both had been killed and
started again). So a neighbour whose own link ended is gone, until that link is back or something signed by it comes
over others.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import final

UNDER_WAY = timedelta(seconds=1)
"""What comes so soon after the end of a link may have been sent before it."""


@final
class Presence:
    """What one cell knows of the others' presence. No clock: time is passed in."""

    def __init__(self) -> None:
        self._linked: frozenset[str] = frozenset()
        self._lost: dict[str, datetime] = {}
        """Since when a link that stood is gone."""

    def see(self, attached: frozenset[str], now: datetime) -> None:
        """Who is at the other ends of the own links."""
        self._lost |= dict.fromkeys(self._linked - attached, now)
        for name in attached & self._lost.keys():
            del self._lost[name]
        self._linked = attached

    def heard(self, name: str, now: datetime) -> None:
        """Something signed by it has arrived."""
        since = self._lost.get(name)
        if since is not None and not timedelta(0) <= now - since <= UNDER_WAY:
            del self._lost[name]

    def present(self, members: frozenset[str], attached: frozenset[str]) -> frozenset[str]:
        """Those of the members that are there, with the links as they are now."""
        return members - ((self._lost.keys() | self._linked) - attached)
