"""The first seconds of an area that lost its main grid, at steps of 2 milliseconds: droop at once, then secondary
control brings frequency back and shares power, over messages that are lost and late.
"""

from __future__ import annotations

import numpy as np

from archipel.devices import BatteryFleet
from archipel.grid.dynamics import Traces, Trip, simulate
from archipel.model import Floats, Scenario
from archipel.strategies.cells_as_units import MAIN, State, area
from archipel.strategies.seconds import Faults, Sharing
from archipel.twin.plant import Happened

LOST_S, SECONDS, STEP_S = 1.0, 20.0, 0.002
NOTICED_S = 0.1
"""From the loss until cells take up secondary control: they see the switch open."""


def first_seconds(
    scenario: Scenario,
    before: Happened,
    battery: BatteryFleet,
    droop_share: float,
    *,
    e_kwh: Floats,
    seed: int = 0,
    faults: Faults | None = None,
    secondary: bool = True,
) -> Traces:
    """Frequency, voltages and powers from a second before the loss of the main grid on.

    Args:
        scenario: The area with its main grid.
        before: The quarter hour before.
        battery: The fleet that forms the grid.
        droop_share: Of the forming units.
        e_kwh: In every battery at the loss: a full one does not take, an empty one does not give.
        seed: Of messages and meters.
        faults: Of the same.
        secondary: Whether there is secondary control; without it frequency stays where droop puts it.
    """
    state = State(before.p_kw, before.q_kvar, e_kwh, before.flow.v_pu)
    built = area(scenario, state, battery, droop_share, main="joined")
    control = Sharing(built, begins_s=LOST_S + NOTICED_S, seed=seed, faults=faults) if secondary else None
    lost = Trip(time_s=LOST_S, id=MAIN)
    return simulate(built.island, [lost], duration_s=LOST_S + SECONDS, step_s=STEP_S, control=control)


def back_after_s(traces: Traces, f_hz: float, within_hz: float = 0.02) -> float:
    """Seconds from the loss until frequency stays within a band around nominal; infinite if it does not."""
    off = np.abs(traces.f_centre_hz[0] - f_hz) > within_hz
    after = off & (traces.time_s > LOST_S)
    if not after.any():
        return 0.0
    last = int(np.flatnonzero(after)[-1])
    return float(traces.time_s[last] - LOST_S) if last + 1 < len(off) else float("inf")
