"""How two live islands, or an island and the main grid, become one: turned towards each other, closed, watched.

Who closes measures angle, frequency and voltage over the open tie, with errors, and tells the cells of its side where
to go (`Sharing.aim`): their secondary control is what turns the island. The window of `cell.synchronism` says when a
tie may close; closing waits inside it until next to nothing is left, because the power that flows goes with the angle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.cell.synchronism import Across, Steering, Window
from archipel.devices import BatteryFleet
from archipel.grid.dynamics import Close, Event, Reading, Traces, settled, simulate
from archipel.model import Floats, Scenario
from archipel.strategies.cells_as_units import SWITCH, Area, Beyond, State, area
from archipel.strategies.seconds import PERIOD_S, Faults, Sharing

LOOK_S = 0.02
SETTLE_S = 3.0
"""Before an island turns: its own steps have died out."""
GIVE_UP_S = 180.0
STEP_S = 0.005
WATCHED_S = 1.0
"""After contacts touched: the step of power is the largest in this time."""
VT_DEG, VT_PU = 10.0 / 60.0, 0.002
"""Most by which a voltage transformer of class 0.2 is wrong (IEC 61869-3, table 302): 10 minutes, 0.2 %."""
METER_HZ, RELAY_HZ = 0.005, 0.001
TRIM_DEG, TRIM_S = 20.0, 10.0
VOLTAGE_S = 1.5
"""How fast voltages are asked to follow what is left over the tie."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Touched:
    """How a tie was closed."""

    after_s: float
    """From when it was wanted."""
    angle_deg: float
    f_hz: float
    v_pu: float
    """Over the contacts when they touched, own side less the other."""
    power_step_share: float
    """Largest apparent power through the tie in the second after, over the rating of the island's forming units."""
    traces: Traces


@final
class Synchroniser:
    """Turns one side of a tie towards the other and closes.

    What it measures is wrong by a transformer at either side (`VT_DEG`, `VT_PU`), its frequency by `METER_HZ`; the two
    frequencies differ by less, because one relay measures both. The window allows for more.
    """

    def __init__(self, tie: int, name: str, *, own_end: int, leader: int, rng: np.random.Generator) -> None:
        self.tie, self.name, self._own, self._leader, self._rng = tie, name, own_end, leader, rng
        self.window, self.steering = Window(), Steering()
        self._wrong = tuple(float(rng.uniform(-x, x, 2).sum()) for x in (VT_DEG, 0.5 * RELAY_HZ, VT_PU))
        self._meter_hz = float(rng.uniform(-METER_HZ, METER_HZ))
        self._trim_hz, self._v_shift, self._told_s = 0.0, 0.0, -np.inf
        self.touch_s: float | None = None
        """When contacts touch, once they were told to."""

    def across(self, reading: Reading) -> Across:
        """What is really there."""
        own, other = self._own, 1 - self._own
        angle, f, v = reading.tie_angle_deg[0, self.tie], reading.tie_f_hz[0, self.tie], reading.tie_v_pu[0, self.tie]
        live = bool(np.isfinite(angle))
        return Across(
            float(angle) * (1 - 2 * own) if live else 0.0, float(f[own] - f[other]) if live else 0.0,
            float(v[own] - v[other]) if live else 0.0, live=live,
        )  # fmt: skip

    def step(self, reading: Reading, sharing: Sharing) -> list[Event]:
        """One look: tells the leader's island where to go, and closes when it may."""
        now, real = reading.time_s, self.across(reading)
        if not real.live or self.touch_s is not None:
            return []
        seen = Across(
            real.angle_deg + self._wrong[0], real.f_hz + self._wrong[1], real.v_pu + self._wrong[2], live=True
        )
        if now - self._told_s >= PERIOD_S - 1e-9:
            self._v_shift = min(max(self._v_shift - seen.v_pu * PERIOD_S / VOLTAGE_S, -0.05), 0.05)
            if abs(seen.angle_deg) < TRIM_DEG:  # meters of cells and ours differ: what is left of the angle says so
                self._trim_hz -= seen.angle_deg / (360.0 * self.steering.time_s) * PERIOD_S / TRIM_S
            other_f = float(reading.tie_f_hz[0, self.tie, 1 - self._own]) + self._meter_hz
            aim_f = other_f + self._trim_hz + self.steering.slip_hz(seen)
            sharing.aim(self._leader, aim_f, self._v_shift, now)
            self._told_s = now
        if self.window.refuses(seen) or not self.steering.near(seen, self.window.closing_s):
            return []
        wait = self.window.closing_s + float(self._rng.uniform(-1.0, 1.0)) * self.window.spread_s
        self.touch_s = now + wait
        return [Close(time_s=self.touch_s, tie=self.name)]


@final
class _Return:
    """Sharing goes on; when the island is at rest it turns towards the main grid, closes, and follows it."""

    period_s = LOOK_S

    def __init__(self, built: Area, seed: int, faults: Faults | None) -> None:
        self.sharing = Sharing(built, begins_s=0.0, seed=seed, faults=faults)
        self.turning = Synchroniser(
            len(built.island.ties) - 1, SWITCH, own_end=0, leader=int(np.argmax(built.rating_kw)),
            rng=np.random.default_rng(seed),
        )  # fmt: skip
        self.touched: tuple[float, Across] | None = None
        self.done = False

    def __call__(self, reading: Reading) -> Sequence[Event]:
        now = reading.time_s
        events: list[Event] = []
        if round(now / LOOK_S) % round(PERIOD_S / LOOK_S) == 0:
            events += self.sharing(reading)
        if reading.closed[0, self.turning.tie]:
            self.sharing.follow()
            self.done = self.turning.touch_s is not None and now >= self.turning.touch_s + WATCHED_S + 0.5
        elif now >= SETTLE_S:
            events += self.turning.step(reading, self.sharing)
        return events


def close_to_main(
    scenario: Scenario,
    now: State,
    battery: BatteryFleet,
    droop_share: float,
    *,
    seed: int,
    faults: Faults | None = None,
    most_deg: float = 60.0,
) -> Touched | None:
    """Turn an island to the main grid and close its switch, in steps of 5 ms; None if it could not in `GIVE_UP_S`,
    or if its stores can no longer carry it.

    The main grid leads or lags by up to `most_deg` when the island begins to turn, has a frequency within 0.03 Hz of
    nominal and a voltage within 2 % of the source's, all by `seed`.
    """
    rng = np.random.default_rng([seed, 1])
    grid = scenario.grid
    beyond = Beyond(
        float(rng.uniform(-most_deg, most_deg)), grid.f_hz + float(rng.uniform(-0.03, 0.03)),
        grid.source.v_pu + float(rng.uniform(-0.02, 0.02)),
    )  # fmt: skip
    built = area(scenario, now, battery, droop_share, main=beyond)
    if not settled(built.island).found.all():
        return None
    control = _Return(built, seed, faults)
    traces = simulate(built.island, duration_s=SETTLE_S + GIVE_UP_S, step_s=STEP_S, control=control)
    touch = control.turning.touch_s
    if touch is None or not control.done:
        return None
    return _touched(built, traces, control.turning.tie, touch, beyond)


def _touched(built: Area, traces: Traces, tie: int, touch_s: float, beyond: Beyond) -> Touched:
    """Read off the traces: the last instant before contacts touched, and the second after."""
    before = int(np.searchsorted(traces.time_s, touch_s - 1e-9)) - 1
    first = int(built.unit[0])
    seconds = (traces.time_s > touch_s) & (traces.time_s <= touch_s + WATCHED_S)
    through: Floats = np.hypot(traces.tie_p_kw[0, :, tie], traces.tie_q_kvar[0, :, tie])
    f_hz = float(traces.f_part_hz[0, before, first]) - beyond.f_hz
    angle = float(traces.tie_angle_deg[0, before, tie]) + 360.0 * f_hz * (touch_s - float(traces.time_s[before]))
    return Touched(
        touch_s - SETTLE_S, angle, f_hz, float(traces.tie_v_pu[0, before, tie, 0] - traces.tie_v_pu[0, before, tie, 1]),
        float(through[seconds].max() / built.rating_kw.sum()), traces,
    )  # fmt: skip
