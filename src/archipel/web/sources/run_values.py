"""Frames and time series of a run, from its tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from archipel.model import PRICE_PARTS, Floats, Ints, Scenario
from archipel.model.kinds import GIVES_BACK
from archipel.report.run import Run
from archipel.report.tables import utc
from archipel.report.tally import END_USE, RENEWABLE
from archipel.web.area_of import COLUMNS, branch_cell, nameplates
from archipel.web.columns import FrameBuilder
from archipel.web.source import NotShown
from archipel.web.sources.run_columns import RunColumns, Single

LEVEL_OF = {"uncoordinated": 4, "alone": 3}
"""Level of the ladder that cells act on under a strategy, see `nouns`; under all others they cooperate."""


@final
class RunValues:
    """What was measured in a run, by step."""

    def __init__(self, run: Run, scenario: Scenario) -> None:
        self.scenario, self.run = scenario, run
        self.columns = RunColumns(run)
        self.builder = FrameBuilder(scenario)
        archipelago = scenario.archipelago
        self._ids = {
            "area": ("area",),
            "cells": tuple(cell.id for cell in archipelago.cell),
            "ties": tuple(tie.id for tie in archipelago.tie),
            "nodes": scenario.grid.nodes.id,
            "branches": scenario.grid.branch_id,
            "devices": scenario.device_id,
        }
        self._start: dict[str, datetime] = {}
        self._row: dict[str, dict[str, int]] = {}
        self._kind = np.array(scenario.device_kind)
        self._branch_cell = branch_cell(scenario)

    # ---------------------------------------------------------------- time

    def steps(self, strategy: str) -> int:
        """Number of steps."""
        return self.run.steps(strategy)

    def start(self, strategy: str) -> datetime:
        """Start of the first step."""
        if strategy not in self._start:
            self._start[strategy] = utc(self.run.time(strategy)[0].astype("datetime64[us]").item())
        return self._start[strategy]

    def at(self, strategy: str, step: int) -> datetime:
        """Start of a step."""
        return self.start(strategy) + timedelta(hours=self.run.dt_h(strategy)) * step

    def step_at(self, strategy: str, time: datetime) -> int:
        """The step that holds a time. Raises `NotShown` outside the run."""
        past = (time - self.start(strategy)) / timedelta(hours=self.run.dt_h(strategy))
        count = self.steps(strategy)
        if not 0.0 <= past <= count:
            raise NotShown(
                f"time {time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}: the run has nothing then; expected a time from "
                f"{self.at(strategy, 0):%Y-%m-%dT%H:%MZ} to {self.at(strategy, count):%Y-%m-%dT%H:%MZ}"
            )
        return min(int(past + 1e-9), count - 1)

    # ---------------------------------------------------------------- one moment

    def frame(self, strategy: str, s: int) -> NDArray[np.float32]:
        """All numbers of step `s`."""
        build = self.builder
        get = self._at(strategy, s)
        p_kw = get("devices", "p_kw")
        soc = get("devices", "soc")
        upstream = float(get("area", "upstream_p_kw")[0])
        price = float(get("area", "price_eur_per_kwh")[0])
        tie_p, tie_q = (get("boundaries", column).reshape(-1, 2) for column in ("p_kw", "q_kvar"))
        tie_price = get("boundaries", "price_eur_per_kwh").reshape(-1, 2)[:, 0]
        return build.values(
            {
                **{("area", c): get("area", c) for c in ("upstream_q_kvar", "losses_kw", "f_hz")},
                ("area", "upstream_p_kw"): upstream,
                ("area", "price_eur_per_kwh"): price,
                ("area", "unserved_kw"): get("area", "unserved_kwh") / self.run.dt_h(strategy),
                **build.from_devices(p_kw, soc),
                ("cells", "available_kw"): get("cells", "available_kw"),
                **build.from_network(get("nodes", "v_pu"), get("branches", "loading")),
                **build.from_ties(tie_p, tie_q, upstream, p_kw),
                ("ties", "agreed_kw"): get("agreed", "p_kw"),
                ("ties", "price_eur_per_kwh"): tie_price,
                ("cells", "price_eur_per_kwh"): build.cell_price(tie_price, price),
                ("cells", "level"): float(self.level(strategy)),
                ("cells", "mode"): float(self.mode()),
                ("cells", "armed"): 1.0,
                ("cells", "age_s"): 0.0,
                ("devices", "p_kw"): p_kw,
                ("devices", "q_kvar"): get("devices", "q_kvar"),
                ("devices", "soc"): soc,
                ("devices", "p_kw_set"): get("devices", "p_kw_set"),
            }
        )

    def level(self, strategy: str) -> int:
        """Level of the ladder all cells act on."""
        return LEVEL_OF.get(strategy, 0)

    def mode(self) -> int:
        """Mode of all cells: connected, or an island."""
        return 2 if self.scenario.island.off_grid else 0

    def _at(self, strategy: str, s: int) -> Any:
        def get(table: str, column: str) -> Floats:
            if not self.columns.has(table, column):
                return np.full(len(self._ids.get(table, ())), np.nan)
            row = self.quarter(strategy, s) if table == "cells" else s
            return np.asarray(self.columns.get(strategy, table, column)[row], dtype=np.float64)

        return get

    def quarter(self, strategy: str, s: int) -> int:
        """Row of the quarter-hourly table `cells` that holds a step."""
        return int(s * self.run.dt_h(strategy) / 0.25 + 1e-6)

    # ---------------------------------------------------------------- one element over time

    def row(self, table: str, element: str) -> int:
        """Row of an element of a table of frames. Raises `NotShown`."""
        if table not in self._ids:
            raise NotShown(f"table {table}: found no such table; expected one of {', '.join(self._ids)}")
        if table == "area":
            return 0
        if table not in self._row:
            self._row[table] = {name: i for i, name in enumerate(self._ids[table])}
        if element not in self._row[table]:
            raise NotShown(f"{table} {element}: found no such element; expected one of `GET /api/v1/area`")
        return self._row[table][element]

    def whole(self, strategy: str, table: str, column: str) -> Single:
        """A column of a table of the run, (steps, elements); NaN where the run does not have it."""
        if self.columns.has(table, column):
            return self.columns.get(strategy, table, column)
        return np.full((self.run.steps(strategy, table), max(1, len(self._ids.get(table, ())))), np.nan, np.float32)

    def value(self, strategy: str, table: str, column: str, row: int, step: int) -> float:
        """One number of one step; NaN where it is not known."""
        values = self._series(strategy, table, column, row)
        return float("nan") if values is None else float(values[step])

    def price_parts(self, strategy: str, tie: int, step: int) -> dict[str, float]:
        """What the price at a tie is the sum of [EUR/kWh]; NaN where it is not known."""
        names = {part: f"{part}_eur_per_kwh" for part in PRICE_PARTS}
        there = {part: self.columns.has("boundaries", name) for part, name in names.items()}
        return {
            part: float(self.columns.get(strategy, "boundaries", name)[step, 2 * tie]) if there[part] else float("nan")
            for part, name in names.items()
        }

    def node_price(self, strategy: str, node: int, step: int) -> float | None:
        """Price of active power at a node [EUR/kWh]; None where it is not known."""
        if not self.columns.has("nodes", "price_eur_per_kwh"):
            return None
        price = float(self.columns.get(strategy, "nodes", "price_eur_per_kwh")[step, node])
        return price if np.isfinite(price) else None

    def boundary_v_pu(self, strategy: str, cell: int) -> Floats:
        """Voltage where a cell hangs on the one above, (steps,); of the root at the source."""
        if cell == 0:
            return self._one(strategy, "nodes", "v_pu", self.scenario.grid.source.node)
        return self._one(strategy, "boundaries", "v_pu", 2 * (cell - 1))

    def room_kwh(self, cell: int) -> float:
        """What the batteries of a cell can hold."""
        rows = np.flatnonzero((self._kind == "battery") & (self.scenario.device_cell == cell))
        return float(nameplates(self.scenario)[2][rows].sum())

    def series(self, strategy: str, table: str, column: str, row: int) -> Floats:
        """One column of one element over all steps, (steps,). Raises `NotShown` for a column no frame has."""
        if column not in COLUMNS[table]:
            raise NotShown(f"{table} {column}: found no such column; expected one of {', '.join(COLUMNS[table])}")
        if (table, column) in self.builder.firm:
            return np.full(self.steps(strategy), self.builder.firm[table, column])
        values = self._series(strategy, table, column, row)
        return np.full(self.steps(strategy), np.nan) if values is None else np.asarray(values, dtype=np.float64)

    def _series(self, strategy: str, table: str, column: str, row: int) -> Floats | Single | None:
        match table, column:
            case "area", "unserved_kw":
                return self._one(strategy, "area", "unserved_kwh", 0) / self.run.dt_h(strategy)
            case "ties", ("p_kw" | "q_kvar"):
                return self._metered(strategy, column, row)
            case "ties", "agreed_kw":
                return self._one(strategy, "agreed", "p_kw", row)
            case "ties", "price_eur_per_kwh":
                return self._one(strategy, "boundaries", column, 2 * row)
            case "ties", "loading":
                tie = self.scenario.archipelago.tie[row].id
                ids = self.scenario.grid.branch_id
                return self._one(strategy, "branches", "loading", ids.index(tie)) if tie in ids else None
            case "ties", "closed":
                return np.full(self.steps(strategy), float(self.scenario.archipelago.tie[row].closed))
            case "cells", _:
                return self._cell(strategy, column, row)
        return self._one(strategy, table, column, row) if self.columns.has(table, column) else None

    def _one(self, strategy: str, table: str, column: str, row: int) -> Floats:
        return np.asarray(self.columns.get(strategy, table, column)[:, row], dtype=np.float64)

    def _metered(self, strategy: str, column: str, tie: int) -> Floats:
        upper = self.scenario.archipelago.tie[tie].metered_at == "upper"
        value = self._one(strategy, "boundaries", column, 2 * tie + (0 if upper else 1))
        return -value if upper else value

    def _cell(self, strategy: str, column: str, cell: int) -> Floats | Single | None:
        match column:
            case "p_kw":
                return self._into(strategy, cell)
            case "own_kw":
                return self._own(strategy, cell)
            case "stored_kwh" | "soc":
                return self._stored(strategy, column, cell)
            case "v_pu_min" | "v_pu_max" | "loading_max":
                return self._extreme(strategy, column, cell)
            case "available_kw" | "price_eur_per_kwh" | "level" | "mode" | "armed" | "age_s":
                return self._told(strategy, column, cell)
        return self._drawn(strategy, column, cell)

    def _told(self, strategy: str, column: str, cell: int) -> Floats:
        """What is in the tables as it is, or holds all the time."""
        count = self.steps(strategy)
        if column == "available_kw":
            return self._one(strategy, "cells", column, cell)[[self.quarter(strategy, s) for s in range(count)]]
        if column == "price_eur_per_kwh":
            table, row = ("area", 0) if cell == 0 else ("boundaries", 2 * (cell - 1))
            return self._one(strategy, table, column, row)
        always = {"level": self.level(strategy), "mode": self.mode(), "armed": 1, "age_s": 0}
        return np.full(count, float(always[column]))

    def _drawn(self, strategy: str, column: str, cell: int) -> Floats:
        """Sums of devices, (steps,)."""
        use = column.removesuffix("_kw")
        kinds = {
            "charging": ["battery"],
            "discharging": list(GIVES_BACK),
            "renewable": list(RENEWABLE),
        }.get(use) or [kind for kind, name in END_USE.items() if name == use]
        sign = -1.0 if use in {"discharging", "renewable"} else 1.0
        p_kw = self._devices(strategy, "p_kw", np.flatnonzero(np.isin(self._kind, kinds)), cell)
        return np.asarray(np.maximum(sign * p_kw, 0.0).sum(axis=1))

    def _devices(self, strategy: str, column: str, rows: Ints, cell: int) -> Floats:
        mine = rows[self.scenario.device_cell[rows] == cell]
        return np.asarray(self.columns.get(strategy, "devices", column)[:, mine], dtype=np.float64)

    def _into(self, strategy: str, cell: int) -> Floats:
        return (
            self._one(strategy, "area", "upstream_p_kw", 0) if cell == 0 else self._metered(strategy, "p_kw", cell - 1)
        )

    def _own(self, strategy: str, cell: int) -> Floats:
        archipelago = self.scenario.archipelago
        me = archipelago.cell[cell].id
        own = self._one(strategy, "area", "upstream_p_kw", 0) if cell == 0 else np.zeros(self.steps(strategy))
        for row, tie in enumerate(archipelago.tie):
            if me in {tie.upper, tie.lower}:
                flow = np.nan_to_num(self._metered(strategy, "p_kw", row))
                own = own + (flow if tie.lower == me else -flow)
        soft = self._devices(strategy, "p_kw", np.flatnonzero(self._kind == "soft_open_point"), cell)
        return np.asarray(own - soft.sum(axis=1))

    def _stored(self, strategy: str, column: str, cell: int) -> Floats:
        rows = np.flatnonzero(self._kind == "battery")
        rows = rows[self.scenario.device_cell[rows] == cell]
        e_kwh = nameplates(self.scenario)[2][rows]
        stored = np.asarray(self.columns.get(strategy, "devices", "soc")[:, rows] @ e_kwh)
        room = float(e_kwh.sum())
        if column == "stored_kwh":
            return stored
        return stored / room if room > 0 else np.full(len(stored), np.nan)

    def _extreme(self, strategy: str, column: str, cell: int) -> Floats | Single | None:
        if column == "loading_max":
            table, name, owner = "branches", "loading", self._branch_cell
        else:
            table, name, owner = "nodes", "v_pu", self.scenario.archipelago.node_cell
        rows = np.flatnonzero(owner == cell)
        if not len(rows):
            return None
        best = np.fmin if column == "v_pu_min" else np.fmax
        return np.asarray(best.reduce(self.columns.get(strategy, table, name)[:, rows], axis=1))
