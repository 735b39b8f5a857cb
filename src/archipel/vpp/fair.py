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
NEARBY = (0.7, 0.85, 0.95, 1.0, 1.05, 1.2, 1.4)
ROUNDS = 8
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
    """By tangents of the logarithm; which points have reached their most is found by trying again."""
    active = (shares.most > 0.0) & (shares.weight > 0.0)
    groups, group = np.unique(shares.group[active], return_inverse=True)
    if len(groups) == 0:
        return shares.fill(np.zeros(int(shares.group.max(initial=0)) + 1))
    weight, most, least = shares.weight[active], shares.most[active], shares.least[active]
    top, low, size = np.zeros((3, len(groups)))
    np.maximum.at(top, group, most / weight)
    np.add.at(size, group, weight)
    level = np.zeros(len(groups))
    np.maximum.at(level, group, np.minimum(e[active], most) / weight)
    whole = np.zeros(int(shares.group.max()) + 1)
    bound = np.maximum(room + slope @ now, slope @ shares.least)
    part = slope[:, active]
    for _ in range(ROUNDS):
        moves = (weight * level[group] < most * (1.0 - 1e-9)) & (weight * level[group] >= least * (1.0 - 1e-9))
        column = np.zeros((len(slope), len(groups)))
        np.add.at(column.T, group, (part * (weight * moves)).T)
        whole[groups] = level
        used = slope @ shares.fill(whole)
        new = _most_fair(column, bound - used + column @ level, size, low, top, level)
        if np.abs(new - level).max() <= 1e-6 * top.max():
            break
        level = new
    whole[groups] = _inside(shares, slope, bound, whole, groups, level)
    return shares.fill(whole)


def _inside(shares: Shares, slope: Floats, bound: Floats, whole: Floats, groups: Ints, level: Floats) -> Floats:
    """The levels, lowered together where points beyond their most were taken for free."""
    low, high = 0.0, 1.0
    if not len(slope):
        return level
    for trial in range(12):
        part = 1.0 if trial == 0 else 0.5 * (low + high)
        whole[groups] = part * level
        if bool((slope @ shares.fill(whole) <= bound + BREAKS_KW).all()):
            if trial == 0:
                return level
            low = part
        else:
            high = part
    return low * level


def _most_fair(column: Floats, bound: Floats, size: Floats, low: Floats, top: Floats, level: Floats) -> Floats:
    """Maximise sum(size * log(level)) over `column @ level <= bound`, low <= level <= top."""
    g = len(size)
    at = np.concatenate([TANGENTS[:, None] * top, np.array(NEARBY)[:, None] * np.maximum(level, 1e-3 * top)])
    at = np.minimum(at, top)
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
