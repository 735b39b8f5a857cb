"""Charging sessions as an indexed table, and the two energy curves that bound what a schedule may do with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from archipel.model import Bools, Floats, Ints
from archipel.model.weather import Weather

WEEK = 7 * 96
SPAN = 1 << 40
"""Larger than any profile row, so that `device * SPAN + row` sorts by device first."""
FAR = 1 << 39


@final
@dataclass(frozen=True, eq=False)
class Sessions:
    """Sessions sorted by device, then start. One more row at the end stands for "no session any more"."""

    devices: int
    device: Ints
    start: Ints
    end: Ints
    kwh: Floats
    first: Ints = field(init=False)
    """Number of every device's first session, shape (devices + 1,)."""
    start_key: Ints = field(init=False)
    end_key: Ints = field(init=False)

    def __post_init__(self) -> None:
        key = self.device * SPAN
        if np.any(np.diff(key + self.start) <= 0) or np.any(self.end <= self.start):
            raise ValueError("sessions must be sorted by device, then start, and end after they start")
        same = self.device[1:] == self.device[:-1]
        if np.any(same & (self.start[1:] < self.end[:-1])):
            raise ValueError("two sessions of one charger overlap")
        put = object.__setattr__  # derived columns of a frozen record
        put(self, "first", np.searchsorted(self.device, np.arange(self.devices + 1)))
        put(self, "start_key", key + self.start)
        put(self, "end_key", key + self.end)
        put(self, "start", np.append(self.start, FAR))
        put(self, "end", np.append(self.end, FAR))
        put(self, "kwh", np.append(self.kwh, 0.0))

    def at(self, row: int) -> Ints:
        """Every device's current session at `row`, or its next one, or the row behind all, shape (devices,)."""
        return self.own(np.searchsorted(self.end_key, np.arange(self.devices) * SPAN + row, side="right"))

    def own(self, session: Ints) -> Ints:
        """The same session numbers, those beyond a device's last replaced by the row behind all."""
        return np.where(session < self.first[1:], session, len(self.end_key))

    def starting(self, devices: Ints, first_row: int, end_row: int) -> tuple[Ints, Ints]:
        """Sessions of `devices` that start in [first_row, end_row): (position in `devices`, session), flat."""
        begin = np.searchsorted(self.start_key, devices * SPAN + first_row)
        count = np.searchsorted(self.start_key, devices * SPAN + end_row) - begin
        who = np.repeat(np.arange(len(devices)), count)
        within = np.arange(len(who)) - np.repeat(np.cumsum(count) - count, count)
        return who, begin[who] + within


@final
@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Sessions a plan reckons with, flat."""

    who: Ints
    """Position among the rows of the plan."""
    start: Ints
    end: Ints
    kwh: Floats
    session: Ints
    """Number of the session each is known from."""

    def lanes(self, node: Ints) -> Ints:
        """A number for every row of the plan such that rows with equal node and number are never in use at once.

        Rows take the first number that is free at their node, in the order of their first session.
        """
        lane = np.zeros(len(node), dtype=np.int64)
        taken: dict[int, list[list[tuple[int, int]]]] = {}
        order = np.lexsort((self.start, self.who))
        first = np.flatnonzero(np.diff(self.who[order], prepend=-1))
        groups = np.split(order, first[1:])
        for group in sorted(groups, key=lambda g: (int(self.start[g[0]]), int(self.who[g[0]]))):
            mine = list(zip(self.start[group].tolist(), self.end[group].tolist(), strict=True))
            lanes = taken.setdefault(int(node[self.who[group[0]]]), [])
            free = (n for n, busy in enumerate(lanes) if not any(_overlap(a, b) for a in mine for b in busy))
            number = next(free, len(lanes))
            if number == len(lanes):
                lanes.append([])
            lanes[number] += mine
            lane[self.who[group[0]]] = number
        return lane


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def known_sessions(
    sessions: Sessions, rows: Ints, session: Ints, plugged: Bools, wanted_kwh: Floats, weather: Weather, steps: int
) -> Seen:
    """What is plugged in now, and what will come (known when the forecast is perfect, else as a week before).

    `session`, `plugged` and `wanted_kwh` describe the devices `rows` now, shape (rows,).
    """
    now, until = weather.first_row, weather.first_row + steps
    here = np.flatnonzero(plugged & (wanted_kwh > 0))
    if weather.perfect:
        who, coming = sessions.starting(rows, now + 1, until)
        # Those starting in this very row are plugged in already.
        start, end = sessions.start[coming], sessions.end[coming]
    else:
        who, coming = sessions.starting(rows, now + 1 - WEEK, min(until - WEEK, now))
        start, end = sessions.start[coming] + WEEK, sessions.end[coming] + WEEK
        busy_until = np.where(plugged, sessions.end[session], now)
        fits = (start >= busy_until[who]) & (end - WEEK <= now)
        who, coming, start, end = who[fits], coming[fits], start[fits], end[fits]
    return Seen(
        who=np.concatenate([here, who]),
        start=np.concatenate([np.full(len(here), now), start]),
        end=np.concatenate([sessions.end[session[here]], end]),
        kwh=np.concatenate([wanted_kwh[here], sessions.kwh[coming]]),
        session=np.concatenate([session[here], coming]),
    )


def energy_curves(
    seen: Seen, rating_kw: Floats, edge: Ints, rows_per_h: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """(latest kWh, earliest kWh, rating kW, even kW) of every session, shape (sessions, T), between `edge`s.

    Energy is cumulative at the end of each interval; powers are means over it, `even` when charging at one power from
    plug-in to departure. What a session cannot get even
    at full power is left out: a schedule cannot help it.
    """
    p_kw = rating_kw[seen.who][:, None]
    length = (seen.end - seen.start)[:, None]
    plugged = np.clip(edge[None, :] - seen.start[:, None], 0, length)
    kwh = np.minimum(seen.kwh[:, None], p_kw * length / rows_per_h)
    earliest = np.minimum(kwh, p_kw * plugged / rows_per_h)
    latest = np.maximum(kwh - p_kw * (length - plugged) / rows_per_h, 0.0)
    latest = np.minimum(latest, earliest)  # against rounding, where there is no choice left
    share = np.diff(plugged, axis=1) / np.diff(edge)
    return latest[:, 1:], earliest[:, 1:], p_kw * share, kwh * rows_per_h / np.maximum(length, 1) * share
