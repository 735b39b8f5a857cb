"""A cell that optimises itself inside a fixed limit at its boundary, as a connection agreement has it today."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

import numpy as np

from archipel.cell.check import excess, forget
from archipel.cell.curvature import bend
from archipel.cell.linear import LIMIT_EUR_PER_KWH, Memory, Point, linearise
from archipel.cell.site import Duty, Site, duty, flow
from archipel.cell.taps import standing
from archipel.controller.agreeing import ACCEPT, both, carry_over, firmness
from archipel.controller.controller import Readings
from archipel.grid.cell_network import CellFlow
from archipel.model import Floats, Horizon
from archipel.optimisation.block import Block, Hinges, Levels, Outputs, fold
from archipel.optimisation.central import join, solve_piqp

OWN = [0, 1, 3, 4]
"""Voltage and loading in `ACCEPT`: the area's connection is nothing a cell alone can see."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class SoloPlan:
    """What one cell decided by itself."""

    duty: Duty
    u: Floats
    block: Block


@final
@dataclass(slots=True, eq=False)
class SoloCell:
    """One cell under the strategy `alone`."""

    site: Site
    import_kw_max: float
    export_kw_max: float
    """Its fixed limits, on its own exchange (without its child cells)."""
    memory: Memory = field(default_factory=Memory)
    last: SoloPlan | None = None
    _state: CellFlow | None = None
    _v: Floats = field(default_factory=lambda: np.zeros(0))

    def plan(
        self,
        horizon: Horizon,
        readings: Readings,
        price_eur_per_kwh: Floats,
        passes: int = 5,
        pinned_kw: float | None = None,
    ) -> SoloPlan:
        """Choose own controls, the boundary voltage taken as metered now and child cells as absent.

        `pinned_kw` is what the exchange of the first interval is held to, where it is agreed.
        """
        site, t_count = standing(self.site, readings.states), len(horizon)
        what = duty(site, readings.states, readings.weather, horizon)
        v = np.full(t_count, readings.v_pu)
        none = np.zeros((len(site.children), 2, t_count))
        at = u = carry_over(self.last, what)
        state = flow(site, what, at, none, v, self._state)
        forget(site, state, self.memory)
        excess(site, horizon, state, self.memory)
        for turn in range(1, passes + 1):
            block = linearise(site, what, Point(at, none, v, state), self.memory, None)
            block = self._limited(fold(block, none), horizon, pinned_kw)
            if not len(block.lo):
                break
            energy = np.stack([price_eur_per_kwh * horizon.dt_h, np.zeros(t_count)])
            stiff = self._stiffness(site, what, state, energy[0])
            block = replace(block, stiff=firmness(turn) * stiff, anchor=at)
            joined = join((block,), [-1], energy, v)
            u = joined.controls(solve_piqp(joined, 1e-6).x)[0]
            state = flow(site, what, u, none, v, state)
            worst = both(excess(site, horizon, state, self.memory))
            if (worst[OWN] < ACCEPT[OWN]).all():
                break
            at = u
        self._state, self._v = state, v
        self.last = SoloPlan(what, u, block)
        return self.last

    def _stiffness(self, site: Site, what: Duty, state: CellFlow, energy_eur_per_kw: Floats) -> Floats:
        """Curvature of the losses in its own network only; child cells stand still."""
        tariff, dt_h = self.site.tariff, what.horizon.dt_h
        worth = energy_eur_per_kw + (tariff.hv_fee_eur_per_kwh + tariff.mv_fee_eur_per_kwh) * dt_h
        still = np.zeros((len(self.site.children), 2, len(dt_h)))
        return bend(site, what, state, still, np.zeros((2, len(dt_h))), worth)[0]

    @property
    def exchange_kw(self) -> Floats:
        """Own exchange by the last plan [kW], (T,)."""
        return np.zeros(0) if self._state is None else self._state.p_b_kw

    @property
    def v_pu(self) -> Floats:
        """Boundary voltage the last plan was made for [pu], (T,)."""
        return self._v

    def hinge_values(self) -> Floats:
        """Outputs of the last plan's hinges."""
        if self.last is None:
            return np.zeros(0)
        block, t_count = self.last.block, self.last.block.intervals
        v = self._v
        y = block.outputs.value(self.last.u, block.levels.lo, np.zeros((0, 2, t_count)), v)
        return np.asarray(y[2 * t_count : 2 * t_count + len(block.hinges.bound)])

    def _limited(self, block: Block, horizon: Horizon, pinned_kw: float | None) -> Block:
        """Add the fixed limits and the fee for the upstream network, all on the own exchange."""
        t_count = len(horizon)
        first = slice(0, t_count)  # with nothing drawn by children the boundary's own power
        rows, bound, price, label = [], [], [], []
        for sign, limit, cost, name in (
            (1.0, 0.0, self.site.tariff.hv_fee_eur_per_kwh, "fee on import"),
            (1.0, self.import_kw_max, LIMIT_EUR_PER_KWH, "import limit"),
            (-1.0, self.export_kw_max, LIMIT_EUR_PER_KWH, "export limit"),
        ):
            if cost > 0 and np.isfinite(limit):
                at_most = np.full(t_count, limit)
                if pinned_kw is not None and cost == LIMIT_EUR_PER_KWH:
                    at_most[0] = sign * pinned_kw
                rows.append((first, sign))
                bound.append(at_most)
                price.append(cost * horizon.dt_h)
                label += [(name, self.site.id)] * t_count
        out, hinges = block.outputs, block.hinges
        head = slice(0, 2 * t_count + len(hinges.bound))

        def grown(values: Floats, part: Floats) -> Floats:
            return np.concatenate([values[head], *(sign * part[at] for at, sign in rows)])

        t = np.concatenate([out.t[head], *(out.t[at] for at, _ in rows)])
        fields = (out.on_control, out.on_p, out.on_q, out.on_level, out.on_v, out.offset)
        outputs = Outputs(t, *(grown(f, f) for f in fields))
        more = Hinges(
            np.concatenate([hinges.bound, *bound]),
            np.concatenate([hinges.price, *price]),
            hinges.label + tuple(label),
            np.concatenate([hinges.scale, np.ones(len(label))]),
        )
        return replace(block, outputs=outputs, hinges=more, levels=Levels.none())
