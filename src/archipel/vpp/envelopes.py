"""Dynamic operating envelopes: limits per connection point and interval in which any behaviour is safe.

Every point may draw and give anything inside its limits, whatever the others do inside theirs: highest and lowest
voltages, currents and the upstream connection keep the scenario's limits with its margins, by AC power flow, with fixed
load anywhere within its margin and inverters anywhere on their volt-var curve (see `envelope_network`). Limits never go
below the defaults while these are safe, so a point that has lost its envelope and holds its default is inside.

Words: an envelope is a lease. IEEE 2030.5-2018 says the same with a control of limits and a `DefaultDERControl`; the
Common Smart Inverter Profile of Australia (CSIP-AUS) calls the limits opModImpLimW and opModExpLimW.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import final

import numpy as np

from archipel.model import Floats, Ints, Scenario
from archipel.model.horizon import STEP_MINUTES, Horizon
from archipel.model.weather import Weather
from archipel.vpp.envelope import OWN_RATING, RULES, THE_RULE, Envelopes, Points, Rule
from archipel.vpp.envelope_network import Wires
from archipel.vpp.envelope_points import Loads, connection_points, fixed_load, load_range
from archipel.vpp.envelope_search import SIDES, Found, Reactive, Search, search

LOAD_MARGIN = 0.1
"""Share by which fixed load may be off its forecast, where nothing else is said."""
BINDS_BEHIND = 0.02
"""A limit binds those points that move it by at least this share of what a point behind it does."""
LOWER, LOWERED, BELOW_KW = 0.03, 4, 1e-3
"""Share by which default limits are lowered, how often at the most, and from which difference on."""
HARDEST = 1
"""Rows of highest and of lowest load of every cell in which default limits must be safe."""


def operating_envelopes(scenario: Scenario, weather: Weather, *, rule: Rule = "equal") -> Envelopes:
    """Envelopes for the quarter hours of `weather`; for several days, or with more choices, use `EnvelopeMaker`."""
    return EnvelopeMaker(scenario, rule).make(weather)


@final
@dataclass(slots=True, eq=False)
class EnvelopeMaker:
    """Makes envelopes of one scenario by one rule, day after day.

    Raises ValueError for an unknown rule or margin, GridError for a network that is not radial.
    """

    scenario: Scenario
    rule: Rule = "equal"
    load_margin: float = LOAD_MARGIN
    """Share by which fixed load may be off its forecast at every node, either way."""
    reactive: Reactive = "volt-var"
    worth: Floats | None = None
    """For `economic`: what a kW is worth at every point (N,); None: all the same."""
    usual: Weather | None = None
    """Rows in which default limits must be safe; None: the hardest of the whole series, see `hard_rows`."""
    points: Points = field(init=False)
    wires: Wires = field(init=False)
    default_kw: Floats = field(init=False)
    """Default limits by side (import, export) and point, shape (2, N)."""
    _search: Search = field(init=False)

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"found the rule {self.rule!r}; expected one of {', '.join(RULES)}")
        if not 0.0 <= self.load_margin < 1.0:
            raise ValueError(f"found a load margin of {self.load_margin:g}; expected a share, from 0 to below 1")
        self.points = connection_points(self.scenario)
        if not len(self.points):
            raise ValueError(f"{self.scenario.name}: found no device but plain load; expected some that can choose")
        self.wires = Wires(self.scenario, self.points)
        worth = np.ones(len(self.points)) if self.worth is None else np.asarray(self.worth, dtype=np.float64)
        self._search = Search(self.wires, self.rule, self.reactive, worth, (set(), set()))
        self.default_kw = self._defaults(self.loads(hard_rows(self.scenario) if self.usual is None else self.usual))

    def make(
        self,
        weather: Weather,
        *,
        wish_import_kw: Floats | None = None,
        wish_export_kw: Floats | None = None,
        hold: int = 1,
        lasts: timedelta | None = None,
    ) -> Envelopes:
        """Envelopes for the quarter hours of `weather`, whose fixed load is the forecast.

        Args:
            weather: Forecast of the profiles, T rows (T times `hold`).
            wish_import_kw: No point gets more than this, shape (N,) or (N, T); None: than its rating.
            wish_export_kw: The same for export, for instance what the sun can give at the most.
            hold: Quarter hours for which each limit stays the same; it is safe in all of them.
            lasts: From the start, how long the lease holds; None: to the end of the last interval.

        Raises:
            ValueError: for a wish that does not fit, is no number or is negative.
            SolverFailed: where HiGHS finds no answer.
            GridError: where the weather holds something that is no number.
        """
        loads = self.loads(weather).over(hold)
        t_count = loads.intervals
        p, _ = fixed_load(self.scenario, weather)
        most = np.repeat(self._rating()[:, :, None], t_count, axis=2)
        for side, wish in enumerate((wish_import_kw, wish_export_kw)):
            if wish is not None:
                most[side] = np.minimum(_wished(wish, most[side].shape, self.points, SIDES[side]), most[side])
        least = np.minimum(self.default_kw[:, :, None], most)
        found = search(self._search, loads, least, most)
        names, why = self._why(found)
        start = self.scenario.profiles.start + timedelta(minutes=STEP_MINUTES * weather.first_row)
        return Envelopes(
            points=self.points,
            start=start,
            dt_h=hold * STEP_MINUTES / 60.0,
            rule=self.rule,
            import_kw=found.limits[0],
            export_kw=found.limits[1],
            default_import_kw=self.default_kw[0],
            default_export_kw=self.default_kw[1],
            load_kw=Horizon(start, np.diff(np.append(np.arange(0, len(p[0]), hold), len(p[0])))).mean(
                p[self.points.node]
            ),
            limit=names,
            import_why=why[0],
            export_why=why[1],
            broken=found.broken,
            expires=None if lasts is None else start + lasts,
        )

    def loads(self, weather: Weather) -> Loads:
        """What fixed load may draw, all of which envelopes are safe for."""
        return load_range(self.scenario, weather, self.load_margin)

    def _defaults(self, loads: Loads) -> Floats:
        """Limits that are safe in all these intervals, and stay so beside the envelopes of each of them.

        What may be drawn lowers the voltage at which power comes back over a branch; envelopes let points draw more
        than defaults do. Where that is too much for the defaults they are lowered until it is not.
        """
        most = self._rating()[:, :, None]
        default = search(self._search, loads, 0.0 * most, most, together=True).limits
        every = np.repeat(most, loads.intervals, axis=2)
        for _ in range(LOWERED):
            found = search(self._search, loads, np.repeat(default, loads.intervals, axis=2), every).limits
            below = np.any(found < default - BELOW_KW, axis=(1, 2))
            if not below.any():
                break
            default = np.where(below[:, None, None], (1.0 - LOWER) * default, default)
        return np.asarray(default[:, :, 0])

    def _rating(self) -> Floats:
        return np.stack([self.points.import_kw_max, self.points.export_kw_max])

    def _why(self, found: Found) -> tuple[tuple[str, ...], Ints]:
        """Names of the limits that bind, and for every side, point and interval which of them does."""
        names: dict[str, int] = {}
        why = np.full(found.limits.shape, THE_RULE, dtype=np.int64)
        for side, rows in enumerate(self._search.known):
            broken = np.flatnonzero((found.room[side] < 0.0).any(axis=1))
            watched = np.union1d(np.array(sorted(rows), dtype=np.int64), broken)
            slope = self.wires.slope[watched]
            tight = 4.0 * self.wires.tolerance[watched] + 1e-3
            behind = slope >= BINDS_BEHIND * np.maximum(slope.max(axis=1, initial=0.0, keepdims=True), 1e-9)
            labels = [names.setdefault(self.wires.label(int(row), SIDES[side]), len(names)) for row in watched]
            for t in range(found.limits.shape[2]):
                room = found.room[side, watched, t]
                binds = behind & (room <= tight)[:, None]
                first = np.where(binds, room[:, None] - slope, np.inf)  # of several the one the point moves most
                some = binds.any(axis=0)
                if some.any():
                    row = np.argmin(first[:, some], axis=0)
                    why[side, some, t] = np.array(labels)[row]
        why[found.limits >= found.most - 1e-6] = OWN_RATING
        return tuple(names), why


def _wished(wish_kw: Floats, shape: tuple[int, ...], points: Points, side: str) -> Floats:
    wide = wish_kw[:, None] if wish_kw.ndim == 1 else wish_kw
    if wide.shape not in (shape, (shape[0], 1)):
        raise ValueError(f"{side} wishes: found the shape {wish_kw.shape}; expected {shape}, points by intervals")
    bad = np.argwhere(~(wide >= 0.0))
    if len(bad):
        n, t = bad[0]
        raise ValueError(f"{points.node_id[n]}: found an {side} wish of {wide[n, t]} kW; expected 0 or more")
    return np.asarray(np.broadcast_to(wide, shape), dtype=np.float64)


def hard_rows(scenario: Scenario) -> Weather:
    """The rows of the scenario's series in which cells draw most and least, and one in which all draw their least.

    The last is made up: every column at the least it ever has, so that limits on what is given are safe in every row.
    """
    value = np.asarray(scenario.profiles.value, dtype=np.float64)
    own = np.column_stack([value, np.ones(len(value))])
    draws = np.zeros((len(scenario.archipelago.cell) + 1, own.shape[1]))
    for fleet in scenario.fleets:
        if fleet.kind == "load":
            cell = scenario.archipelago.node_cell[fleet.node]
            np.add.at(draws, (cell, fleet.p_profile), fleet.p_kw)  # type: ignore[attr-defined]
    draws[-1] = draws.sum(axis=0)
    by_cell = own @ draws[draws.any(axis=1)].T
    order = np.argsort(by_cell, axis=0, kind="stable")
    rows = np.unique(np.concatenate([order[:HARDEST], order[-HARDEST:]]))
    return Weather(0, np.concatenate([value[rows], value.min(axis=0, keepdims=True)]), perfect=True)
