"""A cell's modes from the loss of the main grid to a minute after it is back, and how its switch closes.

Here angle and slip are integrated by hand, so that thousands of attempts can be made; `strategies.closing` has the last
seconds in dynamics.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from archipel.cell.mode import Facts, Life, Mode, Order, Said
from archipel.cell.synchronism import wrapped
from archipel.strategies.closing import Touched

BREAKER_S = 0.06
"""From the order to open until the switch has opened."""
TICK_S = 0.02


@final
@dataclass(frozen=True, slots=True, eq=False)
class Closing:
    """How the switch to the main grid was closed again."""

    after_s: float
    """From the main grid's return."""
    angle_deg: float
    f_hz: float
    v_pu: float
    """Over the contacts when they touched, island less main grid."""
    power_step_share: float | None = None
    """Largest power through the switch in the second after, over the rating of the island's forming units; None where
    it was not simulated."""

    def measured(self, touched: Touched) -> Closing:
        """The same closing with what dynamics say of its last seconds."""
        return replace(
            self, angle_deg=touched.angle_deg, f_hz=touched.f_hz, v_pu=touched.v_pu,
            power_step_share=touched.power_step_share,
        )  # fmt: skip


def life_beside(
    moved_hz: float | None, hours: float, seed: int, cannot: tuple[str, ...]
) -> tuple[tuple[Said, ...], Closing | None]:
    """The cell's modes from the loss (time 0) to a minute after it is back with the main grid.

    `moved_hz` is where the island's frequency settles, from nominal; None where there is no island. The rules of modes
    count from 50 Hz, so frequencies are told to them from there.
    """
    rng = np.random.default_rng(seed)
    life, said, order_open = Life(), [], None
    alive = moved_hz is not None
    angle, slip, dv = rng.uniform(-180, 180), moved_hz or 0.0, rng.uniform(-0.03, 0.03)
    now, back, closed, closing, touch = 0.0, hours * 3600.0, True, None, None
    while now < back + 1200.0:
        main = now >= back
        facts = Facts(
            now, closed, 1.0 if main else 0.0, 50.0 if main else None,
            (1.0 + dv if not closed or main else 0.0) if alive or (closed and main) else 0.0,
            50.0 + slip, wrapped(angle), cannot_form=cannot,
        )  # fmt: skip
        wanted, change = life.step(facts)
        if change is not None:
            said.append(change)
        if Order.OPEN in wanted.orders and order_open is None and closed:
            order_open = now
        if order_open is not None and now - order_open >= BREAKER_S and closed:
            closed = False
        if Order.CLOSE in wanted.orders and touch is None and not closed:
            touch = now + life.rules.window.closing_s + rng.uniform(-1, 1) * life.rules.window.spread_s
        if touch is not None and now >= touch:
            closed, touch, order_open = True, None, None
            if alive:
                closing = Closing(now - back, wrapped(angle), slip, dv)
        if Order.STEER in wanted.orders:
            slip += TICK_S / 0.5 * (wanted.slip_hz - slip)
            dv -= TICK_S / 2.0 * dv
        angle += 360.0 * slip * TICK_S
        if life.mode is Mode.CONNECTED and main and now > back:
            break
        calm = touch is None and life.mode in {Mode.ISLAND, Mode.DEGRADED, Mode.RECONNECTED}
        now += 10.0 if calm and now + 10.0 < back else 1.0 if calm else TICK_S
    return tuple(said), closing
