"""Exclusive groups of profile blocks for stores: which hours of a window is left to the market.

    change        +--+                            +--+
    of power   ---+  +-----+  +-----------+  +----+  +-----+  +---   one plan for the day
                           +--+           +--+             +--+
    windows    | charge |  discharge  | charge    | ...              cut between, energies at the cuts are the plan's

Inside a window every store goes from the plan's energy at its beginning to that at its end, whatever block the market
takes; so any choice in one window fits any choice in the next, and all can be delivered. All blocks of a window buy or
all sell, as exchanges want it. Candidates are the best ways through the window in every scenario; of these a few are
kept, one after the other the one that adds most to what the market's choice brings (the greedy choice of sites, within
1 - 1/e of the best: G. Cornuejols, M. L. Fisher, G. L. Nemhauser, "Location of bank accounts to optimize float",
Management Science 23(8), 1977, doi:10.1287/mnsc.23.8.789). Of several plans the one whose windows leave most to choose
wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp

from archipel.model import Floats
from archipel.vpp.portfolio_plan import Plan, Pool, columns_of, plan_from, solved
from archipel.vpp.price_scenarios import PriceScenarios

LEAST_KW = 1e-3
LOT_KW = 0.1
"""Blocks are rounded to this."""


@final
@dataclass(frozen=True, slots=True)
class Window:
    """Intervals [first, end) in which the pool as a whole only draws more (`sign` 1) or only draws less (-1)."""

    first: int
    end: int
    sign: int


def groups_of(
    pool: Pool, scenarios: PriceScenarios, plans: Sequence[Plan], most: int, merit: Callable[[Floats], float]
) -> tuple[tuple[Floats, ...], Floats]:
    """Exclusive groups, each of shape (blocks, T), around the plan that makes most of the market's choice.

    Also what they earn in every scenario, shape (W,).

    Args:
        pool: Stores of finite energy only.
        scenarios: Prices.
        plans: Where energies may stand between windows; at least one.
        most: Most blocks of a group.
        merit: What is made of the earnings in every scenario (W,): their mean, or with a view to the worst.
    """
    known: _Known = {}
    found = [_around(pool, scenarios, plan, most, known) for plan in plans]
    return max(found, key=lambda one: merit(one[1]))


_Known = dict[tuple[Window, bytes], tuple[Floats, Floats]]
"""Windows that were looked at, with the energies at their ends: plans on several forecasts share many."""


def _around(
    pool: Pool, scenarios: PriceScenarios, plan: Plan, most: int, known: _Known
) -> tuple[tuple[Floats, ...], Floats]:
    """Groups around one plan, and what they earn in every scenario, shape (W,)."""
    groups, earned = [], np.zeros(len(scenarios.probability))
    for window in windows_of(plan.net_kw):
        key = (window, _ends(pool, plan, window))
        if key not in known:
            block, cost = _different(*ways_through(pool, scenarios.price_eur_per_kwh, plan, window))
            worth = -(pool.dt_h * scenarios.price_eur_per_kwh @ block.T) - cost
            chosen = _best_few(worth, scenarios.probability, most)
            known[key] = block[chosen], worth[:, chosen].max(axis=1)
        groups.append(known[key][0])
        earned += known[key][1]
    return tuple(groups), earned


def _ends(pool: Pool, plan: Plan, window: Window) -> bytes:
    """What of a plan a window depends on: energies at both ends, and powers there of members with a ramp."""
    tied = np.isfinite(pool.ramp_kw_per_h)[pool.of]
    edge = [window.first, window.end - 1]
    before = plan.e_kwh[:, window.first - 1] if window.first else pool.e_kwh_start
    return np.round(np.concatenate([before, plan.e_kwh[:, edge[1]], plan.u_kw[tied][:, edge].ravel()]), 3).tobytes()


def windows_of(net_kw: Floats) -> tuple[Window, ...]:
    """The day cut half way between runs of one sign; a day without any change has no windows."""
    busy = np.flatnonzero(np.abs(net_kw) > LEAST_KW)
    if len(busy) == 0:
        return ()
    sign = np.sign(net_kw[busy]).astype(np.int64)
    turn = np.flatnonzero(np.diff(sign))
    cuts = [0, *((busy[turn] + busy[turn + 1] + 2) // 2).tolist(), len(net_kw)]
    signs = sign[np.append(turn, len(busy) - 1)]
    return tuple(Window(a, b, int(s)) for a, b, s in zip(cuts[:-1], cuts[1:], signs, strict=True))


def ways_through(pool: Pool, price: Floats, plan: Plan, window: Window) -> tuple[Floats, Floats]:
    """The best way through a window in every scenario, the plan's own last: power (W + 1, T) and cost (W + 1,)."""
    part = pool.part(window.first, window.end, plan.e_kwh)
    one = columns_of(part)
    held, held_at = _held_at_ends(part, plan, window)
    cut = slice(window.first, window.end)
    sign = one.net * float(-window.sign)  # one sign in all
    # rounding of the plan may leave its own energies outside by a hair
    copies, t = len(price), window.end - window.first
    rows = sp.kron(sp.eye_array(copies), sp.vstack([one.most, sign])).tocsr()
    right = np.tile(np.concatenate([one.at_most + 1e-6, np.zeros(t)]), copies)
    cost = np.concatenate([one.cost_eur + pool.dt_h * (one.net.T @ p[cut]) for p in price])
    x = solved(
        cost, rows, right, sp.kron(sp.eye_array(copies), sp.vstack([one.equal, held])).tocsr(),
        np.tile(np.concatenate([one.equal_to, held_at]), copies),
        np.tile(one.low - 1e-6 * (one.low != 0.0), copies), np.tile(one.high + 1e-6 * (one.high != 0.0), copies),
    )  # fmt: skip
    n = len(one.low)
    block, paid = np.zeros((copies + 1, len(plan.net_kw))), np.zeros(copies + 1)
    for w in range(copies):
        way = plan_from(part, one, x[w * n : (w + 1) * n])
        block[w, cut], paid[w] = way.net_kw, way.cost_eur
    block[-1, cut] = plan.net_kw[cut]
    paid[-1] = pool.dt_h * float((pool.cost_eur_per_kwh[:, cut] * np.abs(plan.u_kw[:, cut])).sum())
    return np.round(block / LOT_KW) * LOT_KW, paid


def _held_at_ends(part: Pool, plan: Plan, window: Window) -> tuple[sp.csr_array, Floats]:
    """Members with a ramp keep the plan's power at both ends of a window: then no choice breaks it at a cut."""
    s, t = part.stores, part.intervals
    tied = np.flatnonzero(np.isfinite(part.ramp_kw_per_h)[part.of])
    at = np.concatenate([tied * t, tied * t + t - 1])
    many = np.arange(len(at))
    signs = np.repeat([1.0, -1.0], len(at))
    rows = sp.csr_array((signs, (np.tile(many, 2), np.concatenate([at, s * t + at]))), shape=(len(at), 3 * s * t))
    return rows, np.concatenate([plan.u_kw[tied, window.first], plan.u_kw[tied, window.end - 1]])


def _different(block: Floats, cost: Floats) -> tuple[Floats, Floats]:
    """Every block once, with its least cost."""
    order = np.argsort(cost, kind="stable")
    unique, first = np.unique(block[order], axis=0, return_index=True)
    return unique, cost[order][first]


def _best_few(worth: Floats, chance: Floats, most: int) -> list[int]:
    """Columns of `worth` (W, N) of which the best in every scenario is worth most on the mean, chosen one by one."""
    best, chosen = np.full(len(worth), -np.inf), list[int]()
    for _ in range(min(most, worth.shape[1])):
        gain = chance @ np.maximum(best[:, None], worth)
        pick = int(np.argmax(gain))
        if chosen and gain[pick] <= chance @ best + 1e-6:
            break
        chosen.append(pick)
        best = np.maximum(best, worth[:, pick])
    return chosen
