"""What tap changers and switched capacitors have in common: positions that move by voltage, a step at a time."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from archipel.devices.base import Delivered, DeviceFleet, Plan, State
from archipel.devices.shared import no_columns
from archipel.model import Floats, Horizon


@runtime_checkable
class SwitchingFleet(DeviceFleet, Protocol):
    """A fleet whose `position` moves by the voltage at its node."""

    def switched(self, state: State, v_pu: Floats, dt_h: float) -> State:
        """The state after `dt_h` more at voltage `v_pu` (n,), moved by at most one step each.

        Asked again with `dt_h` 0 at the voltage that followed, until no position moves: what is left of the time is
        kept in the state.
        """
        ...


def waited(state: State, way: Floats, low: Floats, high: Floats, delay_s: Floats, dt_h: float) -> State:
    """Positions moved one step in the direction `way` (-1, 0, 1) where that was due for `delay_s`, within bounds.

    A clock starts anew where nothing is to be done; time beyond the delay counts for the next step.
    """
    possible = np.where(way > 0, state["position"] < high, state["position"] > low) & (way != 0.0)
    outside_s = np.where(possible, state["outside_s"] + 3600.0 * dt_h, 0.0)
    moves = possible & (outside_s >= delay_s)
    return {
        "position": np.clip(state["position"] + np.where(moves, way, 0.0), low, high),
        "outside_s": np.where(moves, outside_s - delay_s, outside_s),
    }


def inert(state: State, q_kvar: Floats) -> Delivered:
    """A step in which only reactive power flows and nothing else moves."""
    zero = np.zeros(len(q_kvar))
    return Delivered(state, zero, q_kvar, np.full(len(zero), np.nan), zero, zero, zero, zero)


def only_base(q_kvar: Floats, horizon: Horizon) -> Plan:
    """A plan without choice in which reactive power stays what it is now, shape (rows,)."""
    q = np.repeat(q_kvar[:, None], len(horizon), axis=1)
    return Plan(np.zeros_like(q), q, no_columns(len(horizon)), np.full(len(q), -1, dtype=np.int64))
