"""Alarms: what a transport should look like against what it looks like. No clock: time is passed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import final

from archipel.transport.base import Alarm, Links, Trouble
from archipel.transport.envelope import Refusal
from archipel.transport.station import Station

WEEK = timedelta(days=7)
GRACE_S = 3.0
"""How long a link may be missing before anyone is told: it may be coming up."""


@final
class Watch:
    """Compares expected with actual links, and certificates with the calendar."""

    def __init__(
        self, station: Station, on_alarm: Callable[[Alarm], None] | None = None, grace_s: float = GRACE_S
    ) -> None:
        """`on_alarm` is told once when a trouble begins; a link may be missing for `grace_s`."""
        self._grace = timedelta(seconds=grace_s)
        self._station, self._on_alarm = station, on_alarm
        self._missing_since: dict[str, datetime] = {}
        self._active: dict[tuple[Trouble, str], Alarm] = {}

    def look(self, links: Links, now: datetime) -> None:
        """Bring the alarms up to date."""
        found = {(trouble, who): text for trouble, who, text in self._troubles(links, now)}
        for name in self._active.keys() - found.keys():
            del self._active[name]
        for (trouble, who), text in found.items():
            if (trouble, who) not in self._active:
                alarm = self._active[trouble, who] = Alarm(trouble, who, text, now)
                if self._on_alarm is not None:
                    self._on_alarm(alarm)

    def active(self) -> tuple[Alarm, ...]:
        """What is wrong now, oldest first."""
        return tuple(self._active.values())

    def _troubles(self, links: Links, now: datetime) -> Iterator[tuple[Trouble, str, str]]:
        yield from self._link_troubles(links, now)
        for who, refusal in self._station.wrong.items():
            text = f"{who} shows a certificate that is refused: {refusal}. Make it a new one: archipel certs rotate"
            yield Trouble.CERTIFICATE_WRONG, who, text
        trust = self._station.trust
        if trust.standing(trust.name, now) is Refusal.REVOKED:
            text = f"the certificate of {trust.name} is revoked: no cell listens to it. Issue it a new one."
            yield Trouble.CERTIFICATE_REVOKED, trust.name, text
        for who, until in trust.valid_until().items():
            mend = f"until {until:%Y-%m-%d %H:%M} UTC. Renew it: archipel certs rotate"
            if until <= now:
                yield Trouble.CERTIFICATE_EXPIRED, who, f"the certificate of {who} was valid {mend}"
            elif until - now <= WEEK:
                yield Trouble.CERTIFICATE_EXPIRES, who, f"the certificate of {who} is valid {mend}"

    def _link_troubles(self, links: Links, now: datetime) -> Iterator[tuple[Trouble, str, str]]:
        self._missing_since = {who: self._missing_since.get(who, now) for who in links.missing}
        for who, since in self._missing_since.items():
            if not timedelta(0) <= now - since < self._grace:
                text = (
                    f"no link to {who} since {since:%H:%M:%S} UTC. Either it is down or cut off, or one of the two "
                    "certificates is refused (wrong authority, expired): compare them with archipel certs show"
                )
                yield Trouble.LINK_MISSING, who, text
        for who in links.actual - links.expected:
            text = f"{who} is attached and not among the neighbours; nothing on its link is let through"
            yield Trouble.LINK_UNEXPECTED, who, text
