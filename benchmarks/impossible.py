"""Problems that are really impossible, by seed, made without any optimiser.

Each stands on a real network (shipped ones, SimBench low voltage, case33bw) with devices, limits and demands drawn by
chance. That nothing could be done is known by one of two ways, neither of which asks a solver:

- an hour in which AC power flow with every choice at its most helpful (storage giving all it has, vehicles away, sun in
  full, or all of it the other way round) still breaks a limit, whatever the stores hold;
- arithmetic: more energy is asked for than could get there at full rating, or than lossless wires could bring.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from archipel.cell.remedy.case import Case, Hosted, Promise, Wishes, case_of
from archipel.cell.subtree import subtree
from archipel.devices import BatteryFleet, EvChargerFleet, HeatPumpFleet, LoadFleet, PvFleet
from archipel.formats.pandapower_import import import_pandapower
from archipel.formats.scenario import load_scenario
from archipel.grid.power_flow import PowerFlow
from archipel.grid.topology import fused, live
from archipel.model import (
    Archipelago,
    Cell,
    Connection,
    FirmLimits,
    Grid,
    Horizon,
    IslandRules,
    Lines,
    Nodes,
    Profiles,
    Scenario,
    Source,
    Switches,
    Tariff,
    Transformers,
)

START = datetime(2016, 1, 5, tzinfo=UTC)
ROWS = 7 * 96
HOURS = 24
DATA = os.environ.get("ARCHIPEL_DATA")


@dataclass(frozen=True)
class Problem:
    """An impossible problem and why it is one."""

    seed: int
    kind: str
    net: str
    scenario: Scenario
    horizon: Horizon
    wishes: Wishes
    why: str


def one_cell(grid: Grid) -> Archipelago:
    """The whole grid as one cell."""
    return Archipelago((Cell("area", "", "substation"),), (), np.zeros(len(grid.nodes), dtype=np.int64))


@cache
def shipped(name: str) -> tuple[Grid, Archipelago]:
    """`rural`, or `lv-N`: the N-th low-voltage cell of the district with its transformer."""
    if name == "rural":
        scenario = load_scenario("island")
        return scenario.grid, scenario.archipelago
    scenario = load_scenario("district")
    rows = [i for i, cell in enumerate(scenario.archipelago.cell) if cell.level == "lv"]
    part = subtree(scenario, rows[int(name.split("-")[1])]).scenario
    return part.grid, part.archipelago


@cache
def simbench(name: str) -> tuple[Grid, Archipelago]:
    """A low-voltage network of SimBench."""
    grid = import_pandapower(Path(DATA or "") / "networks" / "simbench" / f"1-LV-{name}--1-sw.json.gz").grid
    return grid, one_cell(grid)


@cache
def case33bw() -> tuple[Grid, Archipelago]:
    """Baran and Wu's feeder, lines of 5 MVA: the file gives none."""
    text = (Path(DATA or "") / "networks" / "matpower" / "case33bw.m").read_text(encoding="utf-8")

    def table(name: str) -> Any:
        body = re.search(rf"mpc\.{name} = \[(.*?)\];", text, re.S)
        assert body is not None
        lines = (line.split("%")[0].strip().rstrip(";") for line in body.group(1).splitlines())
        return np.array([[float(x) for x in line.split()] for line in lines if line])

    bus, branch = table("bus"), table("branch")
    n, m = len(bus), len(branch)
    closed = branch[:, 10] > 0
    nan, none = np.full(n, np.nan), np.zeros(0)
    whole = np.zeros(0, dtype=np.int64)
    grid = Grid(
        Nodes(
            tuple(f"bus/{int(i)}" for i in bus[:, 0]), tuple(f"{int(i)}" for i in bus[:, 0]), bus[:, 9],
            np.full(n, 0.9), np.full(n, 1.1), nan, nan,
        ),
        Lines(
            tuple(f"line/{i}" for i in range(m)), ("",) * m, branch[:, 0].astype(np.int64) - 1,
            branch[:, 1].astype(np.int64) - 1, branch[:, 2], branch[:, 3], np.zeros(m), np.zeros(m),
            np.full(m, 5000.0 / (3.0**0.5 * 12.66)), closed, closed,
        ),
        Transformers(
            (), (), whole, whole, none, none, none, none, none, none, none, none, none.astype(bool), none, none, none,
            none, none.astype(bool), none.astype(bool),
        ),
        Switches((), (), whole, (), none.astype(bool)),
        Source("source", 0, 1.0),
    )  # fmt: skip
    return grid, one_cell(grid)


def nets() -> list[str]:
    """Names of the networks there are here."""
    here = ["rural", "lv-0", "lv-1", "lv-2", "lv-3"]
    return here + (["rural1", "semiurb4", "urban6", "case33bw"] if DATA else [])


def network(name: str) -> tuple[Grid, Archipelago]:
    """Grid and cells by name."""
    if name == "case33bw":
        return case33bw()
    return shipped(name) if name == "rural" or name.startswith("lv-") else simbench(name)


class Drawn:
    """A scenario by chance on a network."""

    def __init__(self, rng: np.random.Generator, name: str) -> None:
        self.rng, self.name = rng, name
        self.grid, self.archipelago = network(name)
        grid = self.grid
        alive = live(grid)
        point = fused(grid)
        source = point[grid.source.node]
        low = grid.nodes.vn_kv <= grid.nodes.vn_kv[alive].min() * 1.01
        self.nodes = np.flatnonzero(alive & (point != source) & low)
        self.mv = bool(grid.nodes.vn_kv[alive].min() > 1.0)
        self.size = 10.0 if self.mv else 1.0
        shapes = [self._shape(19.0, 2.5, 0.3), self._shape(9.0, 3.0, 0.4), self._shape(12.5, 2.0, 0.0), self._cold()]
        self.profiles = Profiles(START, ("home", "shop", "sun", "heat"), np.stack(shapes, axis=1).astype(np.float32))
        self.fleets: list[Any] = []
        self.connection = Connection()
        self.island = IslandRules()
        self.horizon = Horizon(START, np.full(HOURS, 4))

    def _shape(self, peak_h: float, width_h: float, floor: float) -> Any:
        hour = (np.arange(ROWS) % 96) / 4.0
        bell = np.exp(-0.5 * ((hour - peak_h - self.rng.normal(0, 0.5)) / width_h) ** 2)
        return floor + (1 - floor) * bell * self.rng.uniform(0.95, 1.0, ROWS)

    def _cold(self) -> Any:
        return 0.7 + 0.3 * np.cos(2 * np.pi * (np.arange(ROWS) % 96 - 20) / 96)

    def some(self, count: int) -> Any:
        """Nodes by chance."""
        return np.sort(self.rng.choice(self.nodes, min(count, len(self.nodes)), replace=False)).astype(np.int64)

    def loads(self, share: float = 0.6, scale: float = 1.0) -> None:
        """Fixed load at many nodes."""
        at = self.some(max(3, int(share * len(self.nodes))))
        p = self.rng.uniform(1.0, 4.0, len(at)) * self.size * scale
        self.fleets.append(
            LoadFleet(
                tuple(f"load/{i}" for i in at), at, p, p * self.rng.uniform(0.1, 0.4, len(at)),
                self.rng.integers(0, 2, len(at)), np.zeros(len(at), dtype=np.int64),
            )
        )  # fmt: skip

    def batteries(self, count: int, soc: float | None = None) -> None:
        """Storage."""
        at = self.some(count)
        e = self.rng.uniform(5, 15, len(at)) * self.size
        n = len(at)
        self.fleets.append(
            BatteryFleet(
                tuple(f"battery/{i}" for i in at), at, e, 0.3 * e, 0.3 * e, np.full(n, 0.95), np.full(n, 0.95),
                np.full(n, 0.5 if soc is None else soc), np.full(n, 0.01),
            )
        )  # fmt: skip

    def pv(self, count: int, scale: float = 1.0) -> None:
        """Photovoltaics, half of them with reactive power."""
        at = self.some(count)
        p = self.rng.uniform(3, 10, len(at)) * self.size * scale
        self.fleets.append(
            PvFleet(tuple(f"pv/{i}" for i in at), at, p, 1.05 * p, np.full(len(at), 2), self.rng.random(len(at)) < 0.5)
        )

    def vehicles(self, count: int, first: int = 40, last: int = 90, hard: float = 0.6) -> None:
        """Chargers with a stay each; `hard`: share of the most it could get that it wants."""
        at = self.some(count)
        n = len(at)
        start = self.rng.integers(first, last - 12, n)
        end = np.minimum(start + self.rng.integers(12, 32, n), last)
        p = self.rng.choice([3.7, 11.0, 22.0], n)
        kwh = hard * self.rng.uniform(0.5, 1.0, n) * p * (end - start) / 4
        self.fleets.append(EvChargerFleet(tuple(f"ev/{i}" for i in at), at, p, np.arange(n), start, end, kwh))

    def heat_pumps(self, count: int, power: float = 1.5) -> None:
        """Heat pumps that suffice `power` times over in the coldest hour."""
        at = self.some(count)
        n = len(at)
        heat = self.rng.uniform(4, 9, n)
        self.fleets.append(
            HeatPumpFleet(
                tuple(f"heat/{i}" for i in at), at, power * heat / 3.0, np.full(n, 3), heat, np.full(n, 3.0),
                self.rng.uniform(1, 3, n), np.full(n, 2.0),
            )
        )  # fmt: skip

    def mixed(self, must_run: bool = False) -> None:
        """Some of everything."""
        self.batteries(int(self.rng.integers(1, 4)))
        self.pv(int(self.rng.integers(1, 5)), 3.0 if must_run else 1.0)
        self.vehicles(int(self.rng.integers(1, 6)))
        if self.rng.random() < 0.4:
            self.heat_pumps(int(self.rng.integers(1, 4)))

    @property
    def scenario(self) -> Scenario:
        """What was drawn."""
        return Scenario(
            name=f"{self.name}", title="", grid=self.grid, archipelago=self.archipelago, fleets=tuple(self.fleets),
            profiles=self.profiles, price=np.full(ROWS, 0.08), tariff=Tariff(), connection=self.connection,
            start=START, days=1, seed=1, island=self.island,
        )  # fmt: skip

    def widen(self) -> None:
        """Limits wide open, so that only what is set afterwards can bind."""
        nodes, lines, trafos = self.grid.nodes, self.grid.lines, self.grid.transformers
        self.grid = replace(
            self.grid,
            nodes=replace(nodes, v_pu_min=np.full(len(nodes), 0.8), v_pu_max=np.full(len(nodes), 1.2)),
            lines=replace(lines, i_a_max=3.0 * lines.i_a_max),
            transformers=replace(trafos, loading_max=3.0 * np.ones(len(trafos))),
        )


def extreme(case: Case, side: float, q_helps: bool = True) -> tuple[Any, Any]:
    """Powers (nodes, T) with every choice at its most helpful: drawing least (`side` +1) or most (-1) everywhere.

    Reactive power at the end of its range that helps (giving where least is drawn)."""
    p_of = np.asarray(case.p.sum(axis=0)).ravel()
    q_of = np.asarray(case.q.sum(axis=0)).ravel()
    best = np.where((side * p_of > 0)[:, None], case.lo, case.hi)
    if q_helps:
        best = np.where((q_of != 0.0)[:, None], np.where((side * q_of > 0)[:, None], case.lo, case.hi), best)
    return case.base_kw + case.p @ best, case.base_kvar + case.q @ best


def state(drawn: Drawn, side: float, wishes: Wishes) -> tuple[int, Any]:
    """The hour that is worst even so, and its AC state."""
    case = case_of(drawn.scenario, drawn.horizon, wishes)
    p, q = extreme(case, side)
    t = int(np.argmax(side * p.sum(axis=0)))
    return t, PowerFlow(drawn.grid).solve(p[:, t], q[:, t])


def _loaded(drawn: Drawn, fraction: float = 1.2) -> None:
    """Scale fixed load so that its peak uses about `fraction` of what feeds the area, or sags it well."""
    trafos = drawn.grid.transformers
    load = sum(float(f.p_kw.sum()) for f in drawn.fleets if isinstance(f, LoadFleet))
    live_kva = float(trafos.sn_kva[trafos.hv_closed].sum()) if len(trafos) else 3000.0
    if drawn.name == "rural":
        live_kva = 8000.0
    k = fraction * live_kva / load
    drawn.fleets = [
        replace(f, p_kw=k * f.p_kw, q_kvar=k * f.q_kvar) if isinstance(f, LoadFleet) else f for f in drawn.fleets
    ]


def transformer(drawn: Drawn) -> tuple[Wishes, str]:
    """A transformer that load alone overloads."""
    drawn.loads()
    _loaded(drawn, 0.5)
    drawn.mixed()
    drawn.widen()
    return _tighten(drawn, 1.0, Wishes(), transformers=True)


def line(drawn: Drawn) -> tuple[Wishes, str]:
    """A line that load alone overloads."""
    drawn.loads()
    _loaded(drawn, 0.5)
    drawn.mixed()
    drawn.widen()
    return _tighten(drawn, 1.0, Wishes(), transformers=False)


def feeding_line(drawn: Drawn) -> tuple[Wishes, str]:
    """A line that the sun overloads, where nothing may be curtailed."""
    drawn.loads(0.4, 0.3)
    drawn.batteries(2)
    drawn.pv(max(4, len(drawn.nodes) // 3), 3.0)
    drawn.widen()
    return _tighten(drawn, -1.0, Wishes(curtail=False), transformers=False)


def _tighten(drawn: Drawn, side: float, wishes: Wishes, transformers: bool) -> tuple[Wishes, str]:
    """Set the rating of a loaded branch below what flows at the most helpful."""
    t, flow = state(drawn, side, wishes)
    grid = drawn.grid
    lines = len(grid.lines)
    rows = np.arange(len(flow.loading))
    mine = rows[lines:] if transformers and len(grid.transformers) else rows[:lines]
    # by active power alone, in the direction in which what cannot be chosen drives it: no choice makes that less
    p_from, q_from = flow.branch_p_kw[0], flow.branch_q_kvar[0]
    base = case_of(drawn.scenario, drawn.horizon, wishes)
    driven = PowerFlow(grid).solve(base.base_kw[:, t] - 0.0, base.base_kvar[:, t]).branch_p_kw[0]
    along = np.sign(driven) == np.sign(p_from)
    amps = np.where(along, flow.loading * np.abs(p_from) / np.maximum(np.hypot(p_from, q_from), 1e-9), 0.0)
    if len(mine) == 0 or amps[mine].max() <= 0:
        mine = rows
    first = mine[np.argsort(-amps[mine])]
    top = first[: max(1, min(4, len(first) // 3))]
    pick = int(drawn.rng.choice(top))
    factor = amps[pick] * drawn.rng.uniform(0.75, 0.97)
    if pick >= lines:
        loading = grid.transformers.loading_max.copy()
        loading[pick - lines] *= factor
        drawn.grid = replace(grid, transformers=replace(grid.transformers, loading_max=loading))
    else:
        i = grid.lines.i_a_max.copy()
        i[pick] *= factor
        drawn.grid = replace(grid, lines=replace(grid.lines, i_a_max=i))
    over = PowerFlow(drawn.grid).solve(
        *(x[:, t] for x in extreme(case_of(drawn.scenario, drawn.horizon, wishes), side))
    )
    assert over.loading[pick] > 1.0
    return wishes, f"{grid.branch_id[pick]} carries {over.loading[pick]:.2f} of its limit with every choice helping"


def low_voltage(drawn: Drawn) -> tuple[Wishes, str]:
    """A voltage that load alone drags too low."""
    drawn.loads()
    _loaded(drawn, 0.5)
    drawn.mixed()
    drawn.widen()
    return _band(drawn, 1.0, Wishes())


def high_voltage(drawn: Drawn) -> tuple[Wishes, str]:
    """A voltage that the sun lifts too high, where nothing may be curtailed."""
    drawn.loads(0.4, 0.3)
    drawn.batteries(2)
    drawn.pv(max(4, len(drawn.nodes) // 3), 3.0)
    drawn.widen()
    return _band(drawn, -1.0, Wishes(curtail=False))


def _band(drawn: Drawn, side: float, wishes: Wishes) -> tuple[Wishes, str]:
    t, flow = state(drawn, side, wishes)
    v = flow.v_pu[drawn.nodes]
    nodes = drawn.grid.nodes
    worst = drawn.nodes[int(np.argmin(side * v))]
    at = float(flow.v_pu[worst])
    away = abs(at - drawn.grid.source.v_pu)
    by = side * float(drawn.rng.uniform(0.05, 0.3)) * max(away, 0.01)
    if side > 0:
        limit = nodes.v_pu_min.copy()
        limit[drawn.nodes] = at + by
        drawn.grid = replace(drawn.grid, nodes=replace(nodes, v_pu_min=limit))
    else:
        limit = nodes.v_pu_max.copy()
        limit[drawn.nodes] = at + by
        drawn.grid = replace(drawn.grid, nodes=replace(nodes, v_pu_max=limit))
    return (
        wishes,
        f"{nodes.id[worst]} is at {at:.4f} pu in hour {t} with every choice helping, its limit is {at + by:.4f}",
    )


def firm_import(drawn: Drawn) -> tuple[Wishes, str]:
    """A connection too small for the load alone."""
    drawn.loads()
    _loaded(drawn, 0.3)
    drawn.mixed()
    drawn.widen()
    _, flow = state(drawn, 1.0, Wishes())
    limit = flow.upstream_p_kw * drawn.rng.uniform(0.8, 0.97)
    drawn.connection = Connection(import_kw_max=float(limit))
    return Wishes(), f"at least {flow.upstream_p_kw:.1f} kW are drawn in one hour, {limit:.1f} are allowed"


def firm_export(drawn: Drawn) -> tuple[Wishes, str]:
    """A connection too small for the sun, where nothing may be curtailed."""
    drawn.loads(0.4, 0.3)
    drawn.batteries(2)
    drawn.pv(max(4, len(drawn.nodes) // 3), 3.0)
    drawn.widen()
    wishes = Wishes(curtail=False)
    _, flow = state(drawn, -1.0, wishes)
    limit = -flow.upstream_p_kw * drawn.rng.uniform(0.7, 0.97)
    drawn.connection = Connection(export_kw_max=float(limit))
    return wishes, f"at least {-flow.upstream_p_kw:.1f} kW are given in one hour, {limit:.1f} are allowed"


def one_vehicle(drawn: Drawn) -> tuple[Wishes, str]:
    """A vehicle that wants more than its charger gives in its stay."""
    drawn.loads()
    drawn.mixed()
    drawn.widen()
    k = next(i for i, f in enumerate(drawn.fleets) if isinstance(f, EvChargerFleet))
    fleet = drawn.fleets[k]
    most = fleet.p_kw[0] * (fleet.session_end[0] - fleet.session_start[0]) / 4
    kwh = fleet.session_kwh.copy()
    kwh[0] = most * drawn.rng.uniform(1.05, 1.4)
    drawn.fleets[k] = replace(fleet, session_kwh=kwh)
    return Wishes(), f"{fleet.id[0]} can get {most:.1f} kWh and wants {kwh[0]:.1f}"


def vehicles_together(drawn: Drawn) -> tuple[Wishes, str]:
    """Vehicles that together want more than the connection brings while they stay."""
    drawn.loads(0.4)
    drawn.vehicles(int(drawn.rng.integers(2, 6)), first=60, last=84, hard=0.9)
    fleet = drawn.fleets[-1]
    fleet = replace(
        fleet, session_start=np.full(len(fleet.id), 60), session_end=np.full(len(fleet.id), 84),
        session_kwh=fleet.p_kw * drawn.rng.uniform(2.0, 5.0, len(fleet.id)),
    )  # fmt: skip
    drawn.fleets[-1] = fleet
    drawn.widen()
    case = case_of(drawn.scenario, drawn.horizon, Wishes())
    base = case.base_kw.sum(axis=0)[15:21]
    wanted = float(fleet.session_kwh.sum())
    # lossless wires would need this much: what is allowed is less
    needed = (wanted + base.sum()) / 6
    limit = max(needed * drawn.rng.uniform(0.85, 0.97), float(case.base_kw.sum(axis=0).max()) * 1.08)
    if limit >= needed * 0.985:
        limit = needed * 0.97
    drawn.connection = Connection(import_kw_max=float(limit))
    return Wishes(), f"{wanted:.0f} kWh for vehicles and {base.sum():.0f} kWh of load in 6 h at {limit:.1f} kW at most"


def cold(drawn: Drawn) -> tuple[Wishes, str]:
    """Heat pumps too weak for the cold: below even at full power all day."""
    drawn.loads()
    drawn.batteries(1)
    drawn.heat_pumps(int(drawn.rng.integers(1, 4)), power=float(drawn.rng.uniform(0.6, 0.85)))
    drawn.widen()
    fleet = drawn.fleets[-1]
    return (
        Wishes(),
        f"{fleet.id[0]} gives {fleet.p_kw[0] * 3:.1f} kW of heat at most, {fleet.heat_kw[0]:.1f} are needed",
    )


@dataclass(frozen=True)
class Floor:
    """A reserve that is asked for from some row on."""

    from_row: int
    soc: float

    def share(self, first_row: int, rows: int) -> Any:
        """Least state of charge."""
        return np.where(first_row + np.arange(rows) >= self.from_row, self.soc, 0.0)


def reserve(drawn: Drawn) -> tuple[Wishes, str]:
    """A reserve earlier than the battery can be filled."""
    drawn.loads()
    drawn.pv(2)
    drawn.batteries(int(drawn.rng.integers(1, 3)), soc=0.1)
    drawn.widen()
    fleet = drawn.fleets[-1]
    hours = int(drawn.rng.integers(1, 3))
    drawn.fleets[-1] = replace(fleet, reserve=Floor(4 * hours, float(drawn.rng.uniform(0.75, 0.95))))
    at = 0.1 + 0.3 * 0.95 * hours
    return Wishes(day_ends_as_begun=False), f"full power reaches {at:.2f} of capacity after {hours} h, more is asked"


def outage(drawn: Drawn) -> tuple[Wishes, str]:
    """Critical load for hours, from less than it takes."""
    drawn.loads(0.5)
    drawn.batteries(2, soc=0.9)
    drawn.pv(2, 0.3)
    drawn.widen()
    first, hours = int(drawn.rng.integers(16, 18)), int(drawn.rng.integers(3, 6))
    wishes = Wishes(outage=(first, first + hours))
    case = case_of(drawn.scenario, drawn.horizon, wishes)
    battery = drawn.fleets[1]
    need = case.base_kw.sum(axis=0)[first : first + hours].sum()
    have = float((battery.e_kwh * 0.95).sum())
    sun = sum(float(-case.lo[n, first : first + hours].sum()) for n, k in enumerate(case.kind) if k == "pv")
    k = (have + sun) / need * drawn.rng.uniform(1.1, 1.6)
    load = drawn.fleets[0]
    drawn.fleets[0] = replace(load, p_kw=k * load.p_kw, q_kvar=k * load.q_kvar)
    return wishes, f"{k * need:.0f} kWh critical in {hours} h, full storage and sun give {have + sun:.0f}"


def envelope(drawn: Drawn) -> tuple[Wishes, str]:
    """An agreement of a cell that its load alone breaks."""
    drawn.loads()
    drawn.mixed()
    drawn.widen()
    cells = drawn.archipelago.cell
    inner = [c.id for c in cells[1:]] or [cells[0].id]
    loads = drawn.fleets[0]
    case = case_of(drawn.scenario, drawn.horizon, Wishes())
    p, _ = extreme(case, 1.0)
    best, most = "", -np.inf
    for cell in inner:
        inside = drawn.archipelago.node_cell == [c.id for c in cells].index(cell)
        power = p[inside].sum(axis=0).max()
        if power > most:
            best, most = cell, power
    del loads
    if most <= 0.0:  # all of it is fed from inside: leave the sun out
        drawn.fleets = [f for f in drawn.fleets if not isinstance(f, PvFleet | BatteryFleet)]
        return envelope_again(drawn)
    limit = most * drawn.rng.uniform(0.6, 0.95)
    firm = FirmLimits(np.full(HOURS, limit), np.full(HOURS, np.inf))
    return Wishes(
        cells={best: firm}
    ), f"nodes of {best} draw {most:.1f} kW or more in one hour, {limit:.1f} were agreed"


def envelope_again(drawn: Drawn) -> tuple[Wishes, str]:
    """The same of load alone."""
    case = case_of(drawn.scenario, drawn.horizon, Wishes())
    cells = drawn.archipelago.cell
    rows = range(1, len(cells)) if len(cells) > 1 else range(1)
    power = {i: case.base_kw[drawn.archipelago.node_cell == i].sum(axis=0).max() for i in rows}
    best = max(power, key=lambda i: power[i])
    limit = power[best] * drawn.rng.uniform(0.6, 0.95)
    firm = FirmLimits(np.full(HOURS, limit), np.full(HOURS, np.inf))
    return Wishes(cells={cells[best].id: firm}), f"{cells[best].id} draws {power[best]:.1f} kW, {limit:.1f} were agreed"


def promise(drawn: Drawn) -> tuple[Wishes, str]:
    """A portfolio that promised more than its converters give."""
    drawn.loads()
    drawn.batteries(3)
    drawn.widen()
    fleet = drawn.fleets[-1]
    give = float(fleet.p_kw_discharge.sum()) * drawn.rng.uniform(1.05, 1.5)
    p = np.full(HOURS, np.nan)
    first = int(drawn.rng.integers(8, 18))
    p[first : first + int(drawn.rng.integers(1, 3))] = -give
    return Wishes(promises=(Promise("pool", fleet.id, 1.0, p),)), (
        f"{give:.1f} kW promised, converters give {fleet.p_kw_discharge.sum():.1f}"
    )


def event(drawn: Drawn) -> tuple[Wishes, str]:
    """An event asks vehicles to draw more than their chargers can."""
    drawn.loads()
    drawn.vehicles(3, first=40, last=80)
    fleet = drawn.fleets[-1]
    fleet = replace(fleet, session_start=np.full(len(fleet.id), 40), session_end=np.full(len(fleet.id), 80))
    drawn.fleets[-1] = fleet
    drawn.widen()
    p = np.full(HOURS, np.nan)
    most = float(fleet.p_kw.sum())
    asked = most * drawn.rng.uniform(1.05, 1.4)
    p[12] = -asked
    wishes = Wishes(promises=(Promise("event", fleet.id, -1.0, -p),))
    return wishes, f"{asked:.1f} kW asked of chargers of {most:.1f} kW"


def hosted(drawn: Drawn) -> tuple[Wishes, str]:
    """A fixed charger that the connection cannot take."""
    drawn.loads()
    drawn.mixed()
    drawn.widen()
    node = int(drawn.some(1)[0])
    size = float(drawn.rng.uniform(50, 150)) * (10 if drawn.mv else 1)
    shape = np.zeros(HOURS)
    shape[8:20] = size
    wishes = Wishes(hosted=(Hosted("new charger", node, shape, 0.1 * shape),))
    _, without = state(drawn, 1.0, Wishes())
    t, flow = state(drawn, 1.0, wishes)
    limit = flow.upstream_p_kw - size * drawn.rng.uniform(0.2, 0.7)
    limit = max(limit, 0.02 * size)
    drawn.connection = Connection(import_kw_max=float(limit))
    del without, t
    return wishes, f"with it at least {flow.upstream_p_kw:.1f} kW are drawn, {limit:.1f} are allowed"


def source_voltage(drawn: Drawn) -> tuple[Wishes, str]:
    """A source or a tap so low that the band is left without any load at all."""
    drawn.loads(0.3, 0.2)
    drawn.batteries(1)
    drawn.widen()
    case = case_of(drawn.scenario, drawn.horizon, Wishes())
    empty = PowerFlow(drawn.grid).solve(np.zeros(len(drawn.grid.nodes)), np.zeros(len(drawn.grid.nodes)))
    del case
    top = float(empty.v_pu[drawn.nodes].max())
    return _band(drawn, 1.0, Wishes())[0], f"no load gives {top:.3f} pu"


def crossed(drawn: Drawn) -> tuple[Wishes, str]:
    """A lower voltage limit above the upper one."""
    drawn.loads()
    drawn.batteries(1)
    drawn.widen()
    nodes = drawn.grid.nodes
    node = int(drawn.some(1)[0])
    low, high = nodes.v_pu_min.copy(), nodes.v_pu_max.copy()
    high[node] = 1.0
    low[node] = 1.0 + drawn.rng.uniform(0.005, 0.03)
    drawn.grid = replace(drawn.grid, nodes=replace(nodes, v_pu_min=low, v_pu_max=high))
    return Wishes(), f"{nodes.id[node]}: at least {low[node]:.4f} and at most {high[node]:.4f} pu"


FAMILIES = {
    "transformer": transformer, "line": line, "feeding line": feeding_line, "low voltage": low_voltage,
    "high voltage": high_voltage, "import": firm_import, "export": firm_export, "vehicle": one_vehicle,
    "vehicles": vehicles_together, "cold": cold, "reserve": reserve, "outage": outage, "envelope": envelope,
    "promise": promise, "event": event, "hosted": hosted, "source voltage": source_voltage, "crossed": crossed,
}  # fmt: skip


def problem(seed: int) -> Problem:
    """The problem of a seed: kinds in turn, networks by chance."""
    rng = np.random.default_rng([2026, seed])
    kinds = list(FAMILIES)
    kind = kinds[seed % len(kinds)]
    here = nets()
    if kind == "transformer":
        here = [n for n in here if n not in ("case33bw", "rural")]
    drawn = Drawn(rng, here[int(rng.integers(len(here)))])
    wishes, why = FAMILIES[kind](drawn)
    return Problem(seed, kind, drawn.name, drawn.scenario, drawn.horizon, wishes, why)
