"""Soft open points: two converters back to back where a network is open, which move active power from one end to the
other.

    from --[~/=]--[=/~]-- to        both ends draw +w and -w and half of the losses each

Losses grow with the square of the power moved. A soft open point belongs to nobody alone: it moves what both ends ask
for, the smaller of the two, and nothing where they ask for opposite directions or one of them asks for nothing. So an
agreement that only one end heard of does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.shared import row_names, setpoint_or_zero
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather
from archipel.optimisation.columns import Columns, tiny_quad

ENDS = ("from", "to")


@final
@dataclass(frozen=True, eq=False)
class SoftOpenPointFleet:
    """Ends of soft open points, each a row of its own; a cell knows those at its own nodes."""

    id: tuple[str, ...]
    """`<point>/from` and `<point>/to`."""
    node: Ints
    point: tuple[str, ...]
    """The soft open point each end belongs to."""
    p_kw_max: Floats
    """Most that it moves, either way."""
    loss_share: Floats
    """Share of that power which both converters together lose at it, in [0, 0.5)."""
    sign: Floats
    """+1 at `from`, -1 at `to`: what the end draws of a kW moved from `from` to `to`."""

    kind: ClassVar[str] = "soft_open_point"
    follows_net: ClassVar[bool] = False
    follows_voltage: ClassVar[bool] = False

    def initial(self, first_row: int) -> State:
        """Nothing is held."""
        del first_row
        return {}

    def held_kwh(self, state: State) -> Floats:
        """Nothing."""
        del state
        return np.zeros(len(self.id))

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """Open: nothing moves unless both ends ask for it."""
        del state, weather, sensed, dt_h
        return np.zeros(len(self.id)), np.zeros(len(self.id))

    def q_at_voltage(self, sensed_v_pu: Floats, p_kw: Floats, q_set_kvar: Floats) -> Floats:
        """No curve."""
        del sensed_v_pu, p_kw
        return setpoint_or_zero(q_set_kvar)

    def trips(self, v_pu: Floats) -> Bools:
        """Never."""
        return np.zeros(len(v_pu), dtype=bool)

    def drawn(self, moved_kw: Floats, rows: Ints) -> Floats:
        """What ends draw when (n, ...) kW are moved from `from` to `to`, losses included [kW], in that shape."""
        shape = (-1,) + (1,) * (np.ndim(moved_kw) - 1)
        bend = (0.5 * self.loss_share / self.p_kw_max)[rows].reshape(shape)
        return np.asarray(self.sign[rows].reshape(shape) * moved_kw + bend * moved_kw**2)

    def slope(self, moved_kw: Floats, rows: Ints) -> Floats:
        """Derivative of `drawn`."""
        shape = (-1,) + (1,) * (np.ndim(moved_kw) - 1)
        return np.asarray(
            self.sign[rows].reshape(shape) + (self.loss_share / self.p_kw_max)[rows].reshape(shape) * moved_kw
        )

    def moved(self, p_kw: Floats, rows: Ints) -> Floats:
        """The inverse of `drawn`, inside the rating."""
        shape = (-1,) + (1,) * (np.ndim(p_kw) - 1)
        bend = (0.5 * self.loss_share / self.p_kw_max)[rows].reshape(shape)
        # the root of bend z^2 + z = p that is p where nothing is lost, z what leaves the end, without cancellation
        leaves = 2.0 * p_kw / (1.0 + np.sqrt(np.maximum(1.0 + 4.0 * bend * p_kw, 0.0)))
        most = self.p_kw_max[rows].reshape(shape)
        return np.asarray(np.clip(self.sign[rows].reshape(shape) * leaves, -most, most))

    def advance(
        self, state: State, weather: Weather, p_kw: Floats, q_kvar: Floats, tripped: Bools, dt_h: float
    ) -> Delivered:
        """Moves what both ends ask for. An end whose other end is not in the fleet gets what it asks for."""
        del weather, q_kvar, dt_h
        rows = np.arange(len(self.id))
        asked = np.where(tripped, 0.0, self.moved(p_kw, rows))
        other = asked[self._partner()]
        both = np.where(asked * other > 0.0, np.sign(asked) * np.minimum(np.abs(asked), np.abs(other)), 0.0)
        p, zero = self.drawn(both, rows), np.zeros(len(rows))
        # what an end gives was sent to it by the other
        return Delivered(state, p, zero, np.full(len(rows), np.nan), np.maximum(-p, 0.0), zero, zero, zero)

    def _partner(self) -> Ints:
        """Row of each end's other end; its own where there is none."""
        first = {name: row for row, name in reversed(list(enumerate(self.point)))}
        last = {name: row for row, name in enumerate(self.point)}
        return np.array([first[name] + last[name] - row for row, name in enumerate(self.point)], dtype=np.int64)

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """One column per end with its range; only an agreement can use it, see `cell.soft_ties`."""
        del state, weather, tariff
        t_count = len(horizon)
        most, lost = self.p_kw_max[rows, None, None], self.loss_share[rows, None, None]
        hi = np.repeat(most * (1.0 + 0.5 * lost), t_count, axis=2)
        lo = np.repeat(-most * (1.0 - 0.5 * lost), t_count, axis=2)
        one, none = np.ones((len(rows), 1)), np.zeros((len(rows), t_count))
        columns = Columns(
            device=row_names(self.id, rows),
            node=self.node[rows],
            p=one,
            q=0.0 * one,
            lo=lo,
            hi=hi,
            cost=0.0 * hi,
            quad=tiny_quad(hi, lo, horizon.dt_h),
            even=0.0 * hi,
        )
        return Plan(none, none, columns, np.arange(len(rows), dtype=np.int64))

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """What was agreed."""
        del state, plan, now
        return u[:, 0, t], np.zeros(len(rows))
