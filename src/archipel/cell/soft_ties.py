"""Soft open points between cells: who decides their power, whom it concerns, and what it does to a cell's problem.

          S           decides w, lowest cell above both ends (or the upper end, or the cell that holds both)
        /   \\
       A     B        pass w down, beside the voltage
       |     |
      LV1 - LV2       ends: draw +w and -w, and half of the losses each

An end is a device of its cell (`devices.soft_open_point`), so power flow, orders and meters know nothing new. In the
cell's linear problem the end itself stands still, and w does what the end would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, final

import numpy as np

from archipel.devices.soft_open_point import SoftOpenPointFleet
from archipel.model import Floats, Horizon, Ints
from archipel.optimisation.block import Block, Hinges, Outputs
from archipel.optimisation.columns import Columns, tiny_quad

if TYPE_CHECKING:
    from archipel.cell.site import Duty

NETWORK_SHARE = 0.04
"""What the networks on its way are taken to lose more when a soft open point moves all it can, as a share of that: how
far a plan trusts losses to stay as they are. No part of any bill."""
KEPT_EUR_PER_KWH = 20.0
"""Price of moving power by way of a cell that takes no part."""


@final
@dataclass(frozen=True, slots=True)
class SoftTies:
    """What a cell knows of the soft open points it has to do with; all of them on its way, none of who owns them."""

    above: tuple[str, ...] = ()
    """Those decided above that end in this cell or below it."""
    decides: tuple[str, ...] = ()
    """Those whose power is decided here."""
    p_kw_max: tuple[float, ...] = ()
    loss_share: tuple[float, ...] = ()
    """Of those decided here."""
    passed_to: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By child, those that end in it or below it."""
    blocked: frozenset[str] = frozenset()
    """Those whose way leads through a child that takes no part."""

    @property
    def every(self) -> tuple[str, ...]:
        """In the order of `Block.tie_powers`."""
        return self.above + self.decides

    def without(self, absent: Sequence[str]) -> SoftTies:
        """The same while some children take no part."""
        if not (lost := {name for child in absent for name in self.passed_to.get(child, ())}):
            return self
        return replace(self, blocked=self.blocked | lost)

    def hands_down(self, children: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        """As in `Block.hands_down`."""
        return tuple(tuple(self.every.index(name) for name in self.passed_to.get(child, ())) for child in children)

    def columns(self, horizon: Horizon, node: int) -> Columns:
        """The powers decided here as controls that draw nothing themselves; `node` stands for all of them."""
        hi = np.repeat(np.array(self.p_kw_max)[:, None, None], len(horizon), axis=2)
        for place, name in enumerate(self.decides):
            hi[place] = 0.0 if name in self.blocked else hi[place]
        none = np.zeros((len(hi), 1))
        nodes = np.full(len(hi), node, dtype=np.int64)
        quad = tiny_quad(hi, -hi, horizon.dt_h)
        return Columns(self.decides, nodes, none, none, -hi, hi, 0.0 * hi, quad, even=0.0 * hi)

    def bend(self, worth: Floats) -> Floats:
        """Stiffness of the powers decided here [EUR/kW^2 per interval], (ties, T); `worth` of a kW lost (T,)."""
        share = (np.array(self.loss_share) + NETWORK_SHARE) / np.maximum(np.array(self.p_kw_max), 1e-9)
        return np.asarray(2.0 * share[:, None] * worth)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """The ends in a cell: rows of its fleet of soft open points, and the control of each."""

    fleet: SoftOpenPointFleet | None
    control: Ints
    point: tuple[str, ...]

    def drawn(self, moved_kw: Mapping[str, Floats]) -> Floats:
        """What the ends draw (ends, T) when so much is moved (T,)."""
        if self.fleet is None:
            return np.zeros((0, 0))
        return self.fleet.drawn(np.stack([moved_kw[name] for name in self.point]), np.arange(len(self.point)))


def ends_of(fleets: Sequence[object], order: Sequence[tuple[int, int, int]]) -> Ends:
    """The ends among a cell's devices; `order` as in `Duty.order`."""
    for group, fleet in enumerate(fleets):
        if isinstance(fleet, SoftOpenPointFleet):
            at = [n for n, (g, _, _) in enumerate(order) if g == group]
            return Ends(fleet, np.array(at, dtype=np.int64), fleet.point)
    return Ends(None, np.zeros(0, dtype=np.int64), ())


def follow(what: Duty, ties: SoftTies, u: Floats, above_kw: Floats | None) -> Floats:
    """Controls (N, T) with every end at what was decided, here and above (ties, T)."""
    if what.ends.fleet is None:
        return u
    first = len(u) - len(ties.decides)
    above = np.zeros((len(ties.above), u.shape[1])) if above_kw is None else above_kw
    moved = dict(zip(ties.every, np.concatenate([above, u[first:]]), strict=True))
    out = u.copy()
    out[what.ends.control] = what.ends.drawn(moved)
    return out


def with_soft_ties(block: Block, what: Duty, ties: SoftTies, at: Floats, children: Sequence[str]) -> Block:
    """The linear problem around controls `at` (N, T) with powers moved in place of the ends that move them."""
    if not ties.every:
        return block
    out = block.outputs
    on_control, on_tie = out.on_control.copy(), np.zeros((len(out.t), len(ties.above)))
    offset, lo, hi, cost, quad = out.offset, block.lo.copy(), block.hi.copy(), block.cost.copy(), block.quad.copy()
    first = len(block.lo) - len(ties.decides)
    if what.ends.fleet is not None:
        n, rows = what.ends.control, np.arange(len(what.ends.control))
        moved = what.ends.fleet.moved(at[n], rows)
        slope = what.ends.fleet.slope(moved, rows)
        effect = on_control[:, n]
        offset = offset + (effect * (at[n] - slope * moved)[:, out.t].T).sum(axis=1)
        for k, name in enumerate(what.ends.point):
            place = ties.every.index(name)
            part = effect[:, k] * slope[k, out.t]
            if place < len(ties.above):
                on_tie[:, place] += part
            else:
                on_control[:, first + place - len(ties.above)] += part
        on_control[:, n] = 0.0
        for values in (lo, hi, cost, quad):
            values[n] = 0.0
    new = replace(
        block,
        lo=lo,
        hi=hi,
        cost=cost,
        quad=quad,
        outputs=replace(out, on_control=on_control, on_tie=on_tie, offset=offset),
        decides=tuple(range(first, len(block.lo))),
        hands_down=ties.hands_down(children),
    )
    return _blocked(new, [k for k, name in enumerate(ties.above) if name in ties.blocked], what.horizon)


def _blocked(block: Block, places: list[int], horizon: Horizon) -> Block:
    """Make it dear to move anything on ties decided above that lead to cells taking no part: two hinges each."""
    if not places:
        return block
    out, t_count, hinges = block.outputs, block.intervals, block.hinges
    at = 2 * t_count + len(hinges.bound)
    count = 2 * len(places) * t_count
    on_tie = np.zeros((count, out.on_tie.shape[1]))
    for i, (place, sign) in enumerate((place, sign) for place in places for sign in (1.0, -1.0)):
        on_tie[i * t_count : (i + 1) * t_count, place] = sign

    def grown(values: Floats, more: Floats) -> Floats:
        return np.concatenate([values[:at], more, values[at:]])

    def none(values: Floats) -> Floats:
        return np.zeros((count, *values.shape[1:]))

    outputs = Outputs(
        t=np.concatenate([out.t[:at], np.tile(np.arange(t_count), 2 * len(places)), out.t[at:]]),
        on_control=grown(out.on_control, none(out.on_control)),
        on_p=grown(out.on_p, none(out.on_p)),
        on_q=grown(out.on_q, none(out.on_q)),
        on_level=grown(out.on_level, none(out.on_level)),
        on_v=grown(out.on_v, none(out.on_v)),
        offset=grown(out.offset, none(out.offset)),
        on_tie=grown(out.on_tie, on_tie),
    )
    more = Hinges(
        np.concatenate([hinges.bound, np.zeros(count)]),
        np.concatenate([hinges.price, np.tile(KEPT_EUR_PER_KWH * horizon.dt_h, 2 * len(places))]),
        hinges.label + (("soft open point blocked", ""),) * count,
        np.concatenate([hinges.scale, np.ones(count)]),
    )
    return replace(block, outputs=outputs, hinges=more)
