"""Charging sessions: made from the source's charging profiles, or by a rule for homes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from archipel.formats.device_rows import ChargerRows
from archipel.model import Bools, Floats, Ints

DAY = 96
WEEK = 7 * DAY
HOME_SLACK_STEPS = (24, 32)
"""A vehicle at home stays plugged in for 6 to 8 h after it arrived."""
WORK_SLACK_STEPS = (12, 12)
"""At work for 3 h."""
TIME_SHIFT_STEPS = 4
"""Copies of one profile arrive up to an hour earlier or later."""


def runs(series: NDArray[np.float32], threshold: float) -> tuple[Ints, Ints, Floats]:
    """Every maximal run above `threshold`: first row, row after the last, energy [kWh per kW of rating]."""
    on = series > threshold
    edge = np.diff(np.r_[False, on, False].astype(np.int8))
    start, end = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)
    energy = np.concatenate([[0.0], np.cumsum(np.where(on, np.minimum(series, 1.0), 0.0), dtype=np.float64)]) * 0.25
    return start.astype(np.int64), end.astype(np.int64), energy[end] - energy[start]


def chargers_of_profiles(
    ids: tuple[str, ...],
    node: Ints,
    p_kw: Floats,
    profile: Ints,
    work: Bools,
    value: NDArray[np.float32],
    copies: int,
    threshold: float,
    rng: np.random.Generator,
) -> ChargerRows:
    """Chargers whose sessions are the runs of their charging profile, with `copies` more of each.

    Every charger, copies and originals, is shifted by its own number of whole weeks (so weekdays stay) and by up to
    an hour. The vehicle may leave when the run ends in the source, and is plugged in for at least the stated slack,
    never beyond the next arrival. `profile` are columns of `value`.
    """
    repeat = 1 + copies
    n = len(ids)
    who = np.repeat(np.arange(n), repeat)
    weeks = max(len(value) // WEEK, 1)
    # Never the same week twice for the copies of one charger, as far as there are weeks.
    week = (np.repeat(rng.integers(0, weeks, n), repeat) + np.tile(np.arange(repeat), n) * 7) % weeks
    shift = week * WEEK + rng.integers(-TIME_SHIFT_STEPS, TIME_SHIFT_STEPS + 1, len(who))
    low, high = np.where(work[who, None], WORK_SLACK_STEPS, HOME_SLACK_STEPS).T
    device, start, end, kwh = [], [], [], []
    for column in np.unique(profile):
        first, last, energy = runs(value[:, column], threshold)
        rows = np.flatnonzero(profile[who] == column)
        slack = rng.integers(low[rows, None], high[rows, None] + 1, (len(rows), len(first)))
        arrival = (first[None, :] + shift[rows, None]) % len(value)
        leave = arrival + np.maximum((last - first)[None, :], slack)
        device.append(np.repeat(rows, len(first)))
        start.append(arrival.ravel())
        end.append(leave.ravel())
        kwh.append((energy[None, :] * p_kw[who[rows], None]).ravel())
    names = tuple(ids[w] if k % repeat == 0 else f"{ids[w]}/copy/{k % repeat}" for k, w in enumerate(who))
    all_device, all_start, all_end = (
        np.concatenate([np.zeros(0, dtype=np.int64), *part]).astype(np.int64) for part in (device, start, end)
    )
    sessions = _in_order(all_device, all_start, all_end, np.concatenate([np.zeros(0), *kwh]), p_kw[who], len(value))
    return ChargerRows(names, node[who], p_kw[who], *sessions)


def _in_order(
    device: Ints, start: Ints, end: Ints, kwh: Floats, p_kw: Floats, rows: int
) -> tuple[Ints, Ints, Ints, Floats]:
    """Sessions by charger and start; each ends before the next begins, none wraps around the end of the year."""
    order = np.lexsort((start, device))
    device, start, end, kwh = device[order], start[order], end[order], kwh[order]
    following = np.r_[np.where(device[1:] == device[:-1], start[1:], rows), rows] if len(start) else start
    end = np.minimum(end, following)
    needed = np.ceil(kwh / (p_kw[device] * 0.25) - 1e-9)
    keep = (end - start >= needed) & (end > start)
    return device[keep], start[keep], end[keep], kwh[keep]


def home_chargers(
    ids: tuple[str, ...],
    node: Ints,
    p_kw: float,
    kwh_per_day: float,
    arrival_h: float,
    arrival_sd_h: float,
    arrival_spread_h: float,
    departure_h: float,
    start: datetime,
    rows: int,
    rng: np.random.Generator,
) -> ChargerRows:
    """One charger per id that charges the same energy every night.

    Arrival is drawn every day in local time (Europe/Berlin) from a normal distribution around `arrival_h`, never
    further from it than `arrival_spread_h`; departure is at a fixed local hour of the next day.
    """
    zone = ZoneInfo("Europe/Berlin")
    midnight = datetime.combine(start.astimezone(zone).date(), datetime.min.time(), zone)
    days = rows // DAY + 1
    local = [midnight.replace(tzinfo=None) + timedelta(days=k) for k in range(days + 1)]
    day_row = np.array([round((d.replace(tzinfo=zone).astimezone(UTC) - start).total_seconds() / 900) for d in local])
    drawn = rng.standard_normal((len(ids), days), dtype=np.float32)
    hour = arrival_h + np.clip(arrival_sd_h * drawn, -arrival_spread_h, arrival_spread_h)
    arrival = day_row[:-1] + np.rint(hour * 4.0).astype(np.int64)
    leave = np.broadcast_to(day_row[1:] + round(departure_h * 4.0), arrival.shape)
    # The next arrival is never before this departure; nights beyond either end of the series are left out.
    arrival[:, 1:] = np.maximum(arrival[:, 1:], leave[:, :-1])
    keep = (arrival >= 0) & (leave <= rows) & (leave - arrival >= np.ceil(kwh_per_day / (p_kw * 0.25)))
    device = np.broadcast_to(np.arange(len(ids))[:, None], arrival.shape)[keep]
    return ChargerRows(
        ids, node, np.full(len(ids), p_kw), device, arrival[keep], leave[keep], np.full(len(device), kwh_per_day)
    )


def join_chargers(first: ChargerRows, second: ChargerRows) -> ChargerRows:
    """The chargers of both with their sessions."""
    return ChargerRows(
        first.id + second.id,
        np.concatenate([first.node, second.node]),
        np.concatenate([first.p_kw, second.p_kw]),
        np.concatenate([first.session_device, second.session_device + len(first.id)]),
        np.concatenate([first.session_start, second.session_start]),
        np.concatenate([first.session_end, second.session_end]),
        np.concatenate([first.session_kwh, second.session_kwh]),
    )
