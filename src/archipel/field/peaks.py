"""The root's highest mean import of a quarter hour, by day: what is charged for, so plans must know it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import final

from archipel.controller.facts import Instant
from archipel.field.clock import wall
from archipel.journal import Journal

QUARTER = timedelta(minutes=15)


@final
class Peaks:
    """Counts the upstream meter; cells without one have no peaks."""

    def __init__(self, journal: Journal, epoch: int, most_kw: float) -> None:
        """`most_kw` is the most the meter can show in earnest."""
        self.kw: dict[str, float] = {}
        """By ISO day."""
        self._journal, self._epoch, self._most_kw = journal, epoch, most_kw
        self._quarter: tuple[datetime, float, float] | None = None
        """Quarter hour, energy drawn in it so far [kWh], until when [s]."""

    def count(self, now: Instant, p_kw: float | None) -> None:
        """Take a metered import [kW]. None, or what cannot be, is left out: the next value counts since the last."""
        if p_kw is None or not abs(p_kw) <= self._most_kw:
            return
        utc = now.utc
        quarter = utc.replace(minute=utc.minute - utc.minute % 15, second=0, microsecond=0)
        if self._quarter is None or quarter - self._quarter[0] > QUARTER:
            self._quarter = (quarter, 0.0, now.mono_s)  # the first reading, or a long silence
            return
        before, e_kwh, until_s = self._quarter
        if quarter != before:
            ended_s = max(now.mono_s - (utc - quarter).total_seconds(), until_s)
            self._close(before, e_kwh + p_kw * (ended_s - until_s) / 3600.0)
            e_kwh, until_s = 0.0, ended_s
        self._quarter = (quarter, e_kwh + p_kw * (now.mono_s - until_s) / 3600.0, now.mono_s)

    def _close(self, quarter: datetime, e_kwh: float) -> None:
        day, mean_kw = quarter.date().isoformat(), e_kwh / (QUARTER / timedelta(hours=1))
        if mean_kw > self.kw.get(day, 0.0):
            self.kw[day] = mean_kw
            self._journal.append("peak", f"{quarter.isoformat()}/{self._epoch}", {"p_kw": mean_kw}, time=wall())

    def restore(self, utc: datetime) -> None:
        """Take up today's from the journal."""
        for entry in self._journal.newest("peak"):
            day = entry.key[:10]
            if day < utc.date().isoformat():
                break
            self.kw[day] = max(self.kw.get(day, 0.0), float(entry.body["p_kw"]))
