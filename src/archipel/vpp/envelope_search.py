"""Limits for a batch of intervals: linear sharing and AC corners in turn, until nothing is beyond a limit.

    room at the corners (AC)  ->  limits by the rule (LP)  ->  room at their corners (AC)  ->  ...

The slopes of the linear problem stay the same; its offsets are those of the last AC corners, so that it is exact at the
answer. What is beyond a limit at the end is drawn back towards the least limits, which are safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from archipel.model import Bools, Floats, Ints
from archipel.vpp.envelope import Broken, Rule
from archipel.vpp.envelope_network import Room, Wires
from archipel.vpp.envelope_points import Loads, curve_kvar
from archipel.vpp.fair import Shares, blocked, share

Reactive = Literal["volt-var", "any", "unity"]
"""What inverters do: follow the curve of the scenario, anything they can, or nothing."""
SIDES = ("import", "export")
ROOM = ("export", "imports", "v_high", "v_low")
AT_ONCE = 96
"""Intervals whose AC states are held at once."""
ROUNDS = 6
DRAWN_BACK = 12
SETTLED = 2e-3
"""Change of the total, as a share of it, below which another round is not worth it."""
CURVE_SLACK_PU = 5e-4
"""How much a voltage may move after its reactive power was chosen."""
TOO_FAR = 1.3
"""What is drawn back, by linear estimate of what is too much."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What stays the same from batch to batch. `known` are rows that were found to matter, by side; they grow."""

    wires: Wires
    rule: Rule
    reactive: Reactive
    worth: Floats
    known: tuple[set[int], set[int]]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Limits (side, N, T), the room at their corners (side, rows, T), and what fixed load breaks by itself."""

    limits: Floats
    room: Floats
    most: Floats
    broken: tuple[Broken, ...]


def search(what: Search, loads: Loads, least: Floats, most: Floats, *, together: bool = False) -> Found:
    """Limits between `least` and `most` (side, N, T); with `together` the same for all intervals, (side, N, 1).

    Where `least` is not safe, or fixed load breaks a limit, limits go down to zero.
    """
    n, t_count = len(what.wires.points), loads.intervals
    q = np.zeros((2, n, t_count))
    limits = np.zeros_like(most)
    for _ in range(2):  # the second time with the reactive power of the voltages found
        room = _room(what, limits, loads, q)
        q = _reactive(what, room, CURVE_SLACK_PU)
    at = _rooms(room, together)
    broken, least, most = _what_holds(what, at, _rooms(room, False), least, most)
    floor = np.minimum(at, 0.0) - what.wires.tolerance[None, :, None]  # what is broken anyway may not get worse
    safe, done = np.zeros((2, 2, limits.shape[2]), dtype=bool)  # by side and interval
    if least.any():  # nearer to the answer than nothing
        limits = least.copy()
        _judge(what, limits, loads, q, at, floor, safe, np.arange(limits.shape[2]), together)
        too_much = np.any(at < floor, axis=1, keepdims=True)
        least = np.where(too_much, 0.0, least)
    for turn in range(ROUNDS):
        open_ = np.flatnonzero(~done.all(axis=0))
        if len(open_) == 0:
            break
        before = limits.copy()
        for side, t in np.argwhere(~done).tolist():
            limits[side, :, t] = _shared(what, side, least, most, at, before, t)
        _judge(what, limits, loads, q, at, floor, safe, open_, together)
        change = np.abs(limits - before).sum(axis=1) / np.maximum(limits.sum(axis=1), 1e-9)
        done = safe & (done | (change < SETTLED) | (turn >= 1))
    for turn in range(DRAWN_BACK):
        open_ = np.flatnonzero(~safe.all(axis=0))
        if len(open_) == 0:
            break
        if turn == DRAWN_BACK // 2:  # even the least was too much
            least[:, :, open_] = 0.0
        for side, t in np.argwhere(~safe).tolist():
            left = at[side, :, t] - floor[side, :, t]
            limits[side, :, t] = _drawn_back(what, limits[side, :, t], least[side, :, t], left)
        _judge(what, limits, loads, q, at, floor, safe, open_, together)
    limits[:, :, ~safe.all(axis=0)] = 0.0
    return Found(limits, at, most, broken)


def _shared(what: Search, side: int, least: Floats, most: Floats, at: Floats, now: Floats, t: int) -> Floats:
    points = what.wires.points
    rating = (points.import_kw_max, points.export_kw_max)[side]
    shares = Shares(
        rule=what.rule,
        group=points.cell,
        weight=rating if what.rule == "proportional" else np.ones(len(points)),
        worth=what.worth,
        least=least[side, :, t],
        most=most[side, :, t],
    )
    return share(shares, what.wires.slope, at[side, :, t], now[side, :, t], what.known[side])


def _room(what: Search, limits: Floats, loads: Loads, q: Floats) -> Room:
    both = np.broadcast_to(limits, (2, limits.shape[1], loads.intervals))
    parts = [slice(t, t + AT_ONCE) for t in range(0, loads.intervals, AT_ONCE)]
    some = [what.wires.room(both[0][:, k], both[1][:, k], loads.take(k), q[0][:, k], q[1][:, k]) for k in parts]
    return Room(*(np.concatenate([getattr(one, name) for one in some], axis=1) for name in ROOM))


def _rooms(room: Room, together: bool) -> Floats:
    both = np.stack([room.imports, room.export])
    return both.min(axis=2, keepdims=True) if together else both


def _reactive(what: Search, room: Room, slack_pu: float) -> Floats:
    """(least, most) reactive power that inverters may draw, shape (2, N, T).

    With volt-var anything between nothing and the curve, at the lowest voltage found and at the highest allowed: what
    may be drawn does not depend on what the other side may do, so that defaults stay safe beside any envelopes.
    """
    points = what.wires.points
    kvar = points.q_kvar_max
    shape = room.v_low.shape
    if what.reactive == "volt-var":
        highest = np.broadcast_to(what.wires.v_pu_max[points.node][:, None], shape)
        low, high = curve_kvar(np.nan_to_num(room.v_low) - slack_pu, kvar), curve_kvar(highest, kvar)
        return np.stack([np.minimum(low, 0.0), np.maximum(high, 0.0)])
    most = np.broadcast_to((kvar if what.reactive == "any" else 0.0 * kvar)[:, None], shape)
    return np.stack([-most, most])


def _judge(
    what: Search,
    limits: Floats,
    loads: Loads,
    q: Floats,
    at: Floats,
    floor: Floats,
    safe: Bools,
    open_: Ints,
    together: bool,
) -> None:
    """Room and safety of the intervals `open_` at new limits, and the reactive power of their voltages; in place."""
    part = np.arange(loads.intervals) if together else open_
    room = _room(what, limits if together else limits[:, :, open_], loads.take(part), q[:, :, part])
    need = _reactive(what, room, 0.0)
    kept = (need[0] >= q[0][:, part] - 1e-6).all(axis=0) & (need[1] <= q[1][:, part] + 1e-6).all(axis=0)
    q[:, :, part] = _reactive(what, room, CURVE_SLACK_PU)
    at[:, :, open_] = rooms = _rooms(room, together)
    good = np.all(rooms >= floor[:, :, open_], axis=1)
    safe[:, open_] = good & (kept.all() if together else kept)


def _what_holds(
    what: Search, at: Floats, each: Floats, least: Floats, most: Floats
) -> tuple[tuple[Broken, ...], Floats, Floats]:
    """What fixed load breaks alone, and bounds that do not make it worse; `least` only where it is safe."""
    wires, slope = what.wires, what.wires.slope
    most = most.copy()
    broken: list[Broken] = []
    dark = np.any(each == -np.inf, axis=1)
    for side, t in np.argwhere(dark):
        broken.append(Broken(int(t), "no solution", f"{SIDES[side]} side", float("inf")))
    for side, row, t in np.argwhere((each < 0.0) & ~np.expand_dims(dark, 1)):
        broken.append(wires.broken(int(t), int(row), SIDES[side], float(each[side, row, t])))
    for side in (0, 1):
        for t in range(at.shape[2]):
            room = at[side, :, t]
            most[side, blocked(slope, room), t] = 0.0
    return tuple(broken), np.minimum(least, most), most


def _drawn_back(what: Search, limits: Floats, least: Floats, room: Floats) -> Floats:
    """Nearer to `least`, all by the same share, by a little more than what is too much: where `room` is below zero."""
    if (room == -np.inf).any():
        return 0.5 * (limits + least)
    more = what.wires.slope @ (limits - least)
    beyond = (room < 0.0) & (more > 0.0)
    cut = float((TOO_FAR * -room[beyond] / more[beyond]).max(initial=0.0))
    return least + (limits - least) * (1.0 - min(cut + 1e-3, 1.0))
