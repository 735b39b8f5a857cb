"""Sharing room by a rule: the limits of all points that linear rows leave, as fair or as large as can be.

    equal          e[n] = min(most[n], level[cell of n])
    proportional   e[n] = min(most[n], level[cell of n] * rating[n])
    economic       e[n] free, the largest sum of worth[n] * e[n]

Within a cell the first two treat every point alike. Between cells they take the levels that maximise the sum over cells
of weight * log(level), weights being the numbers of points (ratings): proportional fairness. A cell at the end of a
weak line then does not hold down a whole city, which the same level for all would do, and no cell is starved, which the
largest total would do.

Source: F. P. Kelly, A. K. Maulloo, D. K. H. Tan, "Rate control for communication networks: shadow prices, proportional
fairness and stability", J. Oper. Res. Soc. 49 (1998), doi:10.1057/palgrave.jors.2600523. The logarithm is replaced by
its tangents, so that HiGHS can solve a linear problem; tangents near the last answer are added in every round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.optimize import linprog

from archipel.model import Bools, Floats, Ints, SolverFailed
from archipel.vpp.envelope import Rule

TANGENTS = np.geomspace(1e-3, 1.0, 14)
FINEST = 2e-3
"""Spacing of the last tangents, as a share of the level; what levels between cells are accurate to."""
ROUNDS = 8
TURNS = 10
HALVINGS = 14
WORST = 12
"""Rows added at a time, of those the last answer breaks."""
BREAKS_KW = 1e-6


@final
@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """What a rule decides, for one side (import or export) of N points in one interval."""

    rule: Rule
    group: Ints
    """Cell of every point."""
    weight: Floats
    """One for `equal`, the rating for `proportional`."""
    worth: Floats
    """What a kW is worth to `economic`."""
    least: Floats
    most: Floats
    """Bounds of the limits [kW]."""

    def fill(self, level: Floats) -> Floats:
        """Limits at levels of the cells (cells,) or at limits of the points (N,) for `economic`."""
        wanted = level if self.rule == "economic" else self.weight * level[self.group]
        return np.asarray(np.minimum(np.maximum(wanted, self.least), self.most))


def share(shares: Shares, slope: Floats, room: Floats, now: Floats, known: set[int]) -> Floats:
    """Limits (N,) that keep `slope @ (limits - now) <= room` for all rows, as the rule wants them.

    `known` holds rows that were found to matter; it grows. Rows that cannot be kept even at `least` are kept as well as
    can be: `least` must be chosen such that there are none. Raises SolverFailed where HiGHS finds no answer.
    """
    reach = np.isfinite(room)
    e = now
    for _ in range(ROUNDS):
        rows = np.array(sorted(k for k in known if reach[k]), dtype=np.int64)
        if shares.rule == "economic":
            e = _economic(shares, slope[rows], room[rows], now)
        else:
            e = _levels(shares, slope[rows], room[rows], now, e)
        left = np.where(reach, room - slope @ (e - now), np.inf)
        left[rows] = np.inf
        worst = np.argsort(left)[:WORST]
        worst = worst[left[worst] < -BREAKS_KW]
        if len(worst) == 0:
            break
        known.update(worst.tolist())
    return e


def _economic(shares: Shares, slope: Floats, room: Floats, now: Floats) -> Floats:
    bound = np.maximum(room + slope @ now, slope @ shares.least)
    found = linprog(
        -shares.worth, A_ub=slope if len(slope) else None, b_ub=bound if len(slope) else None,
        bounds=np.column_stack([shares.least, np.maximum(shares.most, shares.least)]), method="highs",
    )  # fmt: skip
    if found.x is None:
        raise SolverFailed(f"the largest total of envelopes was not found: {found.message}")
    return np.asarray(found.x)


def _levels(shares: Shares, slope: Floats, room: Floats, now: Floats, e: Floats) -> Floats:
    """What rows use rises with the levels less and less, as points reach their most. So the tangent at levels that keep
    the rows is above it, and each linear problem gives better levels that keep the rows as well."""
    active = (shares.most > 0.0) & (shares.weight > 0.0)
    groups, group = np.unique(shares.group[active], return_inverse=True)
    level = np.zeros(int(shares.group.max(initial=0)) + 1)
    if len(groups) == 0:
        return shares.fill(level)
    weight, most, least = shares.weight[active], shares.most[active], shares.least[active]
    top, size = np.zeros((2, len(groups)))
    low = np.full(len(groups), np.inf)
    np.maximum.at(top, group, most / weight)
    np.add.at(size, group, weight)
    np.minimum.at(low, group, np.where(least < most, least / weight, np.inf))
    low = np.where(np.isfinite(low), low, top)
    bound = np.maximum(room + slope @ now, slope @ shares.least)
    at = low.copy()
    np.maximum.at(at, group, np.minimum(e[active], most) / weight)
    level[groups] = at = _kept(shares, slope, bound, level, groups, low, at)
    for turn in range(TURNS):
        moves = weight * at[group] < most * (1.0 - 1e-9)
        column = np.zeros((len(slope), len(groups)))
        np.add.at(column.T, group, (slope[:, active] * (weight * moves)).T)
        used = slope @ shares.fill(level)
        new = _most_fair(column, bound - used + column @ at, size, low, top, at, max(0.3 * 0.4**turn, FINEST))
        still = np.abs(new - at).max() <= FINEST * top.max()
        level[groups] = at = _kept(shares, slope, bound, level, groups, at, new)
        if still and turn > 1:
            break
    return shares.fill(level)


def _kept(
    shares: Shares, slope: Floats, bound: Floats, level: Floats, groups: Ints, good: Floats, new: Floats
) -> Floats:
    """The last levels on the way from `good` to `new` that keep the rows."""
    there = level.copy()
    low, high = 0.0, 1.0
    for trial in range(HALVINGS):
        part = 1.0 if trial == 0 else 0.5 * (low + high)
        there[groups] = good + part * (new - good)
        if bool((slope @ shares.fill(there) <= bound + BREAKS_KW).all()):
            low = part
            if trial == 0:
                break
        else:
            high = part
    return np.asarray(good + low * (new - good))


def _most_fair(
    column: Floats, bound: Floats, size: Floats, low: Floats, top: Floats, level: Floats, width: float
) -> Floats:
    """Maximise sum(size * log(level)) over `column @ level <= bound`, low <= level <= top; finest around `level`."""
    g = len(size)
    near = np.maximum(level, 1e-3 * top) * (1.0 + width * np.linspace(-1.0, 1.0, 5)[:, None])
    at = np.minimum(np.concatenate([TANGENTS[:, None] * top, near]), top)
    # every tangent is one row: the logarithm of a level is at most what the tangent at `at` says
    tangent = np.zeros((at.size, 2 * g))
    row, col = np.arange(at.size), np.tile(np.arange(g), len(at))
    tangent[row, g + col] = 1.0
    tangent[row, col] = -1.0 / at.ravel()
    height = (np.log(at / top) - 1.0).ravel()
    limits = np.concatenate([column, np.zeros_like(column)], axis=1)
    found = linprog(
        np.concatenate([np.zeros(g), -size]), A_ub=np.concatenate([limits, tangent]),
        b_ub=np.concatenate([np.maximum(bound, column @ low), height]),
        bounds=[*zip(low, top, strict=True), *[(None, None)] * g], method="highs",
    )  # fmt: skip
    if found.x is None:
        raise SolverFailed(f"a fair sharing of envelopes was not found: {found.message}")
    return np.asarray(found.x[:g])


def blocked(slope: Floats, room: Floats) -> Bools:
    """Which points (N,) must get nothing: those that move a row that is broken without them."""
    return np.asarray((slope[room < 0.0] > 0.0).any(axis=0))
