"""Vehicles as pieces of a few shapes, so that hundreds of sessions become one store without a loss of energy.

A session may draw up to P in [a, d) and wants E by d. In the window [A, D) of its group, inside its own, it is the sum
of two sessions with the durations n < m between which its own E / P lies:

    P = P_n + P_m,   E = P_n n dt + P_m m dt:      min(s P, E) >= P_n min(s, n) + P_m min(s, m)  for every s

The left side bounds what it can take in any s intervals of the window, so the two together are deliverable, and where
durations are whole intervals and n, m neighbours nothing is lost. All pieces of one window and duration have one shape
and add up exactly. Who wants more than the window can give takes the rest outside it, as soon as it can.

Source: for the sum of such sessions as a g-polymatroid, K. Mukhi, C. Qu, P. You, A. Abate, "Exact aggregation of
storage-like flexibility", 2024; interpolating its bound is our own step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy import sparse

from archipel.model import Floats, Ints
from archipel.optimisation.columns import Columns
from archipel.vpp.window_groups import grouped

FULL = 1.0 - 1e-6
"""Part of the rating from which an interval counts as plugged in from start to end."""
ROOM_KWH = 1e-9
LEAST_KWH = 1e-6
HALVINGS = 24
TOLERANCE = 1e-7
"""kW and kWh by which pieces may be beyond the curves of their column: rounding."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """What columns hold between two times when nothing is left to choose, flat; energies from its own start."""

    column: Ints
    begin: Ints
    end: Ints
    """Intervals [begin, end) of the column that are its own."""
    first: Ints
    last: Ints
    """Intervals [first, last) with full power."""
    p_kw: Floats
    e_kwh: Floats
    e_kwh_least: Floats
    """Energy at the end: at most and at least. They differ for who leaves after the horizon."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Pieces of sessions by store, and what is fixed of the columns."""

    column: Ints
    store: Ints
    p_kw: Floats
    """Power at full of each piece, shape (N,)."""
    fixed_kw: Floats
    """Power of every column that is no piece's, shape (K, T)."""
    first: Ints
    last: Ints
    duration: Floats
    open: Ints
    """Of every store: window, duration in intervals, and 1 where any energy up to that will do, shape (S,)."""


def sessions_of(columns: Columns, level: Floats, dt_h: float) -> Sessions:
    """Cut the columns wherever the energy curves meet; `level` is the upper one, what is charged at once.

    They also part in an interval in which one vehicle leaves and the next one comes: by its end the lower curve has
    reached what the upper one was before it. Each of the two then has the power that its own curve shows there. Who is
    there for a part of an interval only is cut again, so that all sessions fill whole intervals.
    """
    store, h = columns.store, columns.hi[:, 0]
    assert store is not None
    t_count, none = columns.intervals, np.zeros((len(h), 1))
    before_kwh = np.concatenate([store.start[:, None], level[:, :-1]], axis=1)
    met = np.concatenate([none == 0, (level - store.lo)[:, :-1] <= ROOM_KWH], axis=1)
    over = store.lo - before_kwh
    shared = ~met & (over >= -ROOM_KWH)
    rises = np.where(shared & (over <= ROOM_KWH), 1.0 / dt_h, 0.0)
    late_kw = rises * np.diff(store.lo, axis=1, prepend=store.start[:, None])
    early_kw = rises * (level - before_kwh)

    at = np.flatnonzero((met | shared).ravel())
    column, begin = at // t_count, at % t_count
    end = np.append(begin[1:], 0)
    end = np.where(end == 0, t_count, end)
    shares_first = shared[column, begin]
    shares_last = np.append(shares_first[1:], False) & (end < t_count)
    next_t = np.minimum(end, t_count - 1)
    e_before = np.where(shares_first, np.maximum(store.lo, before_kwh)[column, begin], before_kwh[column, begin])
    e = level[column, end - 1] - e_before
    least = np.where(shares_last, e, store.lo[column, end - 1] - e_before)
    early = np.where(shares_first, early_kw[column, begin], 0.0)
    late = np.where(shares_last, late_kw[column, next_t], 0.0)
    core = begin + shares_first
    some = np.flatnonzero((e > LEAST_KWH) & (end - begin > 1))
    column, core, end, e = column[some], core[some], end[some], e[some]
    peak, first, last = _full(h, column, core, end)
    early = np.where(first > core, h[column, np.maximum(first - 1, 0)], early[some])
    late = np.where(last < end, h[column, np.minimum(last, t_count - 1)], late[some])
    whole = Sessions(column, begin[some], end, first, last, peak, e, np.clip(least[some], 0.0, e))
    return _whole_intervals(whole, np.minimum(early, peak), np.minimum(late, peak), dt_h)


def _forced(columns: Columns, level: Floats, dt_h: float) -> Floats:
    """Power without which the lower curve would pass what was charged at the earliest before, shape (K, T)."""
    store = columns.store
    assert store is not None
    before_kwh = np.concatenate([store.start[:, None], level[:, :-1]], axis=1)
    met = np.concatenate([np.ones((len(level), 1), dtype=bool), (level - store.lo)[:, :-1] <= ROOM_KWH], axis=1)
    return np.asarray(np.where(met, 0.0, np.maximum(store.lo - before_kwh, 0.0) / dt_h))


def _full(h: Floats, column: Ints, begin: Ints, end: Ints) -> tuple[Floats, Ints, Ints]:
    """Highest power of every session and the first run of intervals that have it: [first, last)."""
    t = np.arange(h.shape[1])
    own = np.where((t >= begin[:, None]) & (t < end[:, None]), h[column], 0.0)
    peak = own.max(axis=1, initial=0.0)
    inside = own >= FULL * np.maximum(peak, 1e-9)[:, None]
    first = inside.argmax(axis=1)
    after = (t > first[:, None]) & ~inside
    return peak, first, np.where(after.any(axis=1), after.argmax(axis=1), h.shape[1])


def _whole_intervals(s: Sessions, early: Floats, late: Floats, dt_h: float) -> Sessions:
    """Who has less power in the interval before or after as up to three sessions of whole intervals.

    Powers of the parts add up to what may be drawn in every interval; energy goes where it leaves most to choose.
    """
    both = np.minimum(early, late)
    p_kw = np.stack([s.p_kw - np.maximum(early, late), np.abs(early - late), both])
    length = (s.last - s.first) + np.arange(3)[:, None]
    e_kwh = _spread(p_kw * dt_h, length, s.e_kwh)
    least = e_kwh * np.divide(s.e_kwh_least, s.e_kwh, out=np.ones_like(s.e_kwh), where=s.e_kwh > 0)
    with_early, with_late = early > late, late > early
    first = s.first - np.stack([0 * s.first, with_early, both > 0])
    last = s.last + np.stack([0 * s.last, with_late, both > 0])
    part, row = np.nonzero((p_kw > 1e-9) & (e_kwh > LEAST_KWH))
    return Sessions(
        s.column[row], s.begin[row], s.end[row], first[part, row], last[part, row], p_kw[part, row], e_kwh[part, row],
        least[part, row],
    )  # fmt: skip


def _spread(per_interval_kwh: Floats, length: Ints, e_kwh: Floats) -> Floats:
    """Energy of every part, (parts, N), so that the sum of what they are worth at noisy prices is largest.

    Interval m + 1 of a part of n intervals adds (n - 2 m - 1) / (2 (n + 1)) to its worth per kWh, see `window_groups`;
    the price of energy between all parts of a session is found by halving.
    """

    def filled(price: Floats) -> Floats:
        units = np.clip(np.ceil((length - 1 - price * (length + 1)) / 2), 0, length)
        return np.asarray(per_interval_kwh * units)

    low, high = np.full(e_kwh.shape, -1.1), np.full(e_kwh.shape, 1.1)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        enough = filled(middle).sum(axis=0) >= e_kwh
        low, high = np.where(enough, middle, low), np.where(enough, high, middle)
    least, most = filled(high), filled(low)
    gap = (most - least).sum(axis=0)
    part = np.clip(np.divide(e_kwh - least.sum(axis=0), gap, out=np.zeros_like(gap), where=gap > 0), 0.0, 1.0)
    return np.asarray(least + part * (most - least))


def share_out(columns: Columns, level: Floats, dt_h: float, most: int, least: int, lattice: int) -> Shares:
    """Pieces for the sessions of `columns`, in at most about `most` stores of `lattice` durations per window.

    Columns whose pieces would break their own curves (sessions of two vehicles that no time parts) stay as they are
    when nothing is asked.
    """
    s = sessions_of(columns, level, dt_h)
    flow = np.diff(level, axis=1, prepend=np.zeros((len(columns), 1))) / dt_h
    if not len(s.column):
        return _shares(np.zeros((7, 0)), flow)
    duration = s.e_kwh / (s.p_kw * dt_h)
    is_open = (s.e_kwh_least < s.e_kwh - LEAST_KWH).astype(np.int64)
    group = grouped(s.first, s.last, duration, s.p_kw, is_open, max(1, most // max(lattice - 1, 1)), least)
    count = int(group.max()) + 1
    first, last = np.zeros(count, dtype=np.int64), np.full(count, columns.intervals)
    np.maximum.at(first, group, s.first)
    np.minimum.at(last, group, s.last)
    length = np.maximum(last - first, 0)
    inside_kwh = np.minimum(s.e_kwh, s.p_kw * length[group] * dt_h)
    rest_kwh = s.e_kwh - inside_kwh
    surely_kwh = np.clip(s.e_kwh_least - rest_kwh, 0.0, inside_kwh)
    duration = inside_kwh / (s.p_kw * dt_h)
    surely = np.divide(surely_kwh, inside_kwh, out=np.ones_like(inside_kwh), where=inside_kwh > 0)
    table = np.concatenate(
        [
            _split(np.flatnonzero(part * s.p_kw > 1e-9), s.column, group, s.p_kw * part, duration, end, lattice, least)
            for end, part in ((0, surely), (1, 1.0 - surely))
        ],
        axis=1,
    )
    table[5:] = np.stack([first, last])[:, table[1].astype(int)]
    fixed = _outside(s, columns, level, flow, rest_kwh, first[group], last[group], dt_h)
    return _sound(columns, level, flow, _shares(table, fixed), dt_h)


def _split(
    rows: Ints, column: Ints, group: Ints, p_kw: Floats, duration: Floats, is_open: int, lattice: int, least: int
) -> Floats:
    """Pieces of the sessions `rows`: (column, group, power, duration, open, 0, 0), shape (7, pieces)."""
    out = []
    for g in np.unique(group[rows]):
        mine = rows[group[rows] == g]
        wanted = duration[mine]
        at = np.unique(np.round(np.quantile(wanted, np.linspace(0, 1, max(lattice, 2))[1:-1])))
        ends = np.floor(wanted.min() + 1e-9), np.ceil(wanted.max() - 1e-9)
        at = at[(at > ends[0]) & (at < ends[1])]
        if len(mine) < least * (len(at) + 1):
            at = at[:0]
        nodes = np.unique(np.concatenate([[ends[0]], at, [ends[1]]]))
        right = np.clip(np.searchsorted(nodes, wanted, side="right"), 1, max(len(nodes) - 1, 1))
        n, m = nodes[right - 1], nodes[np.minimum(right, len(nodes) - 1)]
        upper = np.clip(np.divide(wanted - n, m - n, out=np.zeros_like(wanted), where=m > n), 0.0, 1.0)
        for node, part in ((n, 1.0 - upper), (m, upper)):
            some = (part > 1e-9) & (node > 0)
            size = p_kw[mine[some]] * part[some]
            fill = np.zeros(len(size))
            out.append(np.stack([column[mine[some]], fill + g, size, node[some], fill + is_open, fill, fill]))
    return np.concatenate(out, axis=1) if out else np.zeros((7, 0))


def _shares(table: Floats, fixed_kw: Floats) -> Shares:
    """Stores are the distinct (group, duration, open) of the pieces."""
    if not table.shape[1]:
        none = np.zeros(0, dtype=np.int64)
        return Shares(none, none, np.zeros(0), fixed_kw, none, none, np.zeros(0), none)
    _, some, store = np.unique(table[[1, 3, 4]], axis=1, return_index=True, return_inverse=True)
    kinds = table[:, some]
    return Shares(
        column=table[0].astype(np.int64),
        store=store.ravel().astype(np.int64),
        p_kw=table[2],
        fixed_kw=fixed_kw,
        first=kinds[5].astype(np.int64),
        last=kinds[6].astype(np.int64),
        duration=kinds[3],
        open=kinds[4].astype(np.int64),
    )


def _outside(
    s: Sessions,
    columns: Columns,
    level: Floats,
    flow: Floats,
    rest_kwh: Floats,
    first: Ints,
    last: Ints,
    dt_h: float,
) -> Floats:
    """Fixed power of every column: what does not fit into the windows, and all that belongs to no session."""
    t = np.arange(columns.intervals)
    out = (t >= s.first[:, None]) & (t < s.last[:, None]) & ~((t >= first[:, None]) & (t < last[:, None]))
    room = np.cumsum(np.where(out, s.p_kw[:, None] * dt_h, 0.0), axis=1)
    rest = np.diff(np.minimum(room, rest_kwh[:, None]), axis=1, prepend=0.0) / dt_h
    taken = np.zeros(flow.shape, dtype=bool)
    np.logical_or.at(taken, s.column, (t >= s.begin[:, None]) & (t < s.end[:, None]))
    fixed = np.where(taken, _forced(columns, level, dt_h), flow)
    np.add.at(fixed, s.column, rest)
    return fixed


def unit_curves(shares: Shares, intervals: int) -> tuple[Floats, Floats, Floats]:
    """Of every store per kW: power at once, energy in intervals at the earliest and at the latest, (S, T) each."""
    t = np.arange(intervals)
    into = np.clip(t + 1 - shares.first[:, None], 0, None)
    length = (shares.last - shares.first)[:, None]
    into = np.minimum(into, length)
    wanted = shares.duration[:, None]
    earliest = np.minimum(into, wanted)
    latest = np.where(shares.open[:, None] > 0, 0.0, np.maximum(wanted - (length - into), 0.0))
    latest = np.minimum(latest, earliest)
    return np.diff(earliest, axis=1, prepend=0.0), earliest, latest


def in_window(shares: Shares, intervals: int) -> Floats:
    """1 in the window of every store, else 0, shape (S, T)."""
    t = np.arange(intervals)
    return np.asarray((t >= shares.first[:, None]) & (t < shares.last[:, None]), dtype=np.float64)


def _sound(columns: Columns, level: Floats, flow: Floats, shares: Shares, dt_h: float) -> Shares:
    """Without the pieces of columns where they do not fit between the curves."""
    k_count, t_count = flow.shape
    size = sparse.csr_array((shares.p_kw, (shares.column, shares.store)), shape=(k_count, len(shares.first)))
    _, earliest, latest = unit_curves(shares, t_count)
    begun = np.cumsum(shares.fixed_kw, axis=1) * dt_h
    store = columns.store
    assert store is not None
    over = begun + size @ (earliest * dt_h) > level - store.start[:, None] + TOLERANCE
    under = begun + size @ (latest * dt_h) < store.lo - store.start[:, None] - TOLERANCE
    strong = shares.fixed_kw + size @ in_window(shares, t_count) > columns.hi[:, 0] + TOLERANCE
    bad = (over | under | strong).any(axis=1)
    kept = ~bad[shares.column]
    return replace(
        shares,
        column=shares.column[kept],
        store=shares.store[kept],
        p_kw=shares.p_kw[kept],
        fixed_kw=np.where(bad[:, None], flow, shares.fixed_kw),
    )
