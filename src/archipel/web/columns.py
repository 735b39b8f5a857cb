"""Building a frame: one float32 vector out of arrays per table and column, and the columns that follow from others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.model import Bools, Connection, Floats, Ints, Scenario
from archipel.model.kinds import GIVES_BACK
from archipel.report.tally import END_USE, RENEWABLE
from archipel.twin.base import Decision
from archipel.twin.plant import Happened
from archipel.twin.record import Meters
from archipel.web.area_of import branch_cell, nameplates, sections_of

Values = Mapping[tuple[str, str], NDArray[np.float64] | NDArray[np.float32] | float]
"""Numbers by (table, column); one number stands for all rows."""


@final
class FrameBuilder:
    """Knows where every column of a scenario's frame lies, and what cells' columns are the sums of. Never changed
    after it is made, so several threads may use one."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.sections = sections_of(scenario)
        self.at: dict[tuple[str, str], slice] = {}
        """Where the numbers of a column are."""
        first = 0
        for section in self.sections:
            self.at[section.table, section.column] = slice(first, first + section.count)
            first += section.count
        self.size = first
        kind = np.array(scenario.device_kind)
        self._cell = scenario.device_cell
        self._cells = len(scenario.archipelago.cell)
        self._use = {
            name: np.flatnonzero(np.isin(kind, [k for k, v in END_USE.items() if v == name]))
            for name in ("load", "vehicles", "heat")
        }
        self._battery = np.flatnonzero(kind == "battery")
        self._gives_back = np.flatnonzero(np.isin(kind, GIVES_BACK))
        self._renewable = np.flatnonzero(np.isin(kind, RENEWABLE))
        self._soft = np.flatnonzero(kind == "soft_open_point")
        self._e_kwh = nameplates(scenario)[2][self._battery]
        self._nodes = _Grouped(scenario.archipelago.node_cell, self._cells)
        self._branches = _Grouped(branch_cell(scenario), self._cells)
        ties = scenario.archipelago.tie
        row = {name: i for i, name in enumerate(scenario.grid.branch_id)}
        self._tie_branch = np.array([row.get(tie.id, -1) for tie in ties], dtype=np.int64)
        self._tie_closed = np.array([tie.closed for tie in ties], dtype=np.float32)
        self._upper_end = np.array([tie.metered_at == "upper" for tie in ties], dtype=bool)
        cell = {cell.id: i for i, cell in enumerate(scenario.archipelago.cell)}
        self._tie_upper = np.array([cell[tie.upper] for tie in ties], dtype=np.int64)
        self._tie_lower = np.array([cell[tie.lower] for tie in ties], dtype=np.int64)
        self._meters: Meters | None = None
        self.firm = self.limited()
        """Limits at the connection that hold as long as nobody tells lower ones."""

    # ---------------------------------------------------------------- filling

    def values(self, given: Values) -> NDArray[np.float32]:
        """One frame's numbers; what is not given is NaN. Raises `KeyError` for a column no frame has."""
        out = np.full(self.size, np.nan, np.float32)
        self.put(out, given)
        return out

    def put(self, out: NDArray[np.float32], given: Values) -> None:
        """Write columns into a frame's numbers, in place."""
        for key, value in given.items():
            out[self.at[key]] = value

    def column(self, values: NDArray[np.float32], table: str, column: str) -> NDArray[np.float32]:
        """One column of a frame's numbers; a view."""
        return values[self.at[table, column]]

    def limited(self, told: Connection | None = None) -> dict[tuple[str, str], float]:
        """Limits at the connection that hold while `told` does: the lower of each and the scenario's; NaN for none."""
        firm, told = self.scenario.connection, told or Connection()
        bounds = min(firm.import_kw_max, told.import_kw_max), min(firm.export_kw_max, told.export_kw_max)
        return {
            ("area", name): bound if np.isfinite(bound) else float("nan")
            for name, bound in zip(("import_kw_max", "export_kw_max"), bounds, strict=True)
        }

    # ---------------------------------------------------------------- what follows from what was measured

    def from_devices(
        self, p_kw: Floats, soc: Floats | None = None, available_kw: Floats | None = None
    ) -> dict[tuple[str, str], Floats]:
        """Sums of devices by cell. One device that is not known makes its cell's sum NaN, as every sum must be.

        Args:
            p_kw: What every device draws, (devices,).
            soc: State of charge of every device, (devices,).
            available_kw: Renewable power that every device could give, (devices,).
        """
        out = {
            ("cells", f"{name}_kw"): self._sum(rows, np.maximum(p_kw[rows], 0.0)) for name, rows in self._use.items()
        }
        out["cells", "charging_kw"] = self._sum(self._battery, np.maximum(p_kw[self._battery], 0.0))
        out["cells", "discharging_kw"] = self._sum(self._gives_back, np.maximum(-p_kw[self._gives_back], 0.0))
        out["cells", "renewable_kw"] = self._sum(self._renewable, np.maximum(-p_kw[self._renewable], 0.0))
        if available_kw is not None:
            out["cells", "available_kw"] = self._sum(self._renewable, available_kw[self._renewable])
        if soc is not None:
            stored = self._sum(self._battery, soc[self._battery] * self._e_kwh)
            room = self._sum(self._battery, self._e_kwh)
            out["cells", "stored_kwh"] = stored
            out["cells", "soc"] = np.divide(stored, room, out=np.full(self._cells, np.nan), where=room > 0)
        return out

    def from_network(self, v_pu: Floats, loading: Floats) -> dict[tuple[str, str], Floats]:
        """Nodes and branches (nodes,), (branches,), and the extremes of every cell; NaN where a cell has none."""
        tie_loading = np.full(len(self._tie_branch), np.nan)
        known = self._tie_branch >= 0
        tie_loading[known] = loading[self._tie_branch[known]]
        return {
            ("nodes", "v_pu"): v_pu,
            ("branches", "loading"): loading,
            ("cells", "v_pu_min"): self._nodes.least(v_pu),
            ("cells", "v_pu_max"): self._nodes.most(v_pu),
            ("cells", "loading_max"): self._branches.most(loading),
            ("ties", "loading"): tie_loading,
        }

    def from_ties(
        self,
        p_kw: Floats,
        q_kvar: Floats,
        upstream_p_kw: float,
        device_p_kw: Floats | None = None,
        closed: Floats | Bools | None = None,
    ) -> dict[tuple[str, str], Floats | float]:
        """Ties as metered, what flows into every cell, and what the connection may carry.

        Args:
            p_kw: At both ends of all ties, positive into the end's cell, (ties, 2) as in `Seen`.
            q_kvar: Likewise.
            upstream_p_kw: Drawn from upstream.
            device_p_kw: Of all devices; soft open points are no import of the cell's own.
            closed: Of every tie; the scenario's when not given.
        """
        shut = np.asarray(self._tie_closed if closed is None else closed, dtype=np.float64)
        into, q = self.metered(p_kw), self.metered(q_kvar)
        flow = np.where((shut == 0.0) & np.isnan(into), 0.0, into)  # what is not known stays so, but over closed ties
        own = np.zeros(self._cells)
        np.add.at(own, self._tie_lower, flow)
        np.subtract.at(own, self._tie_upper, flow)
        own[0] += upstream_p_kw
        if device_p_kw is not None and len(self._soft):
            own = own - self._sum(self._soft, device_p_kw[self._soft])
        return {
            **self.firm,
            ("ties", "p_kw"): into,
            ("ties", "q_kvar"): q,
            ("ties", "closed"): shut,
            ("cells", "p_kw"): np.concatenate([[upstream_p_kw], into[: self._cells - 1]]),
            ("cells", "own_kw"): own,
        }

    def metered(self, both_ends: Floats) -> Floats:
        """Into the lower cell at the metered end, (ties,), from both ends (ties, 2)."""
        return np.asarray(np.where(self._upper_end, -both_ends[:, 0], both_ends[:, 1]), dtype=np.float64)

    def cell_price(self, tie_price: Floats, root: float) -> Floats:
        """Price at every cell's boundary upwards, (cells,): of the root the day-ahead price."""
        return np.concatenate([[root], tie_price[: self._cells - 1]])

    def from_step(
        self,
        happened: Happened,
        decision: Decision,
        *,
        dt_h: float,
        price_eur_per_kwh: float,
        more: Values | None = None,
    ) -> NDArray[np.float32]:
        """One frame of one step of the twin.

        Args:
            happened: The step.
            decision: What held in it.
            dt_h: Its length.
            price_eur_per_kwh: Day-ahead price.
            more: What only the caller knows: level, mode, armed, age_s of cells ...; it comes last and wins.
        """
        if self._meters is None:
            self._meters = Meters(self.scenario)
        flow = happened.flow
        tie_p, tie_q = self._meters.read(flow)
        soc = np.concatenate([np.zeros(0), *(one.soc for one in happened.delivered)])
        available = np.concatenate([np.zeros(0), *(one.available_kw for one in happened.delivered)])
        unserved_kwh = float(sum(one.unserved_kwh.sum() for one in happened.delivered))
        upstream = float(flow.upstream_p_kw)
        out = self.values(
            {
                ("area", "upstream_p_kw"): upstream,
                ("area", "upstream_q_kvar"): float(flow.upstream_q_kvar),
                ("area", "losses_kw"): float(flow.losses_kw),
                ("area", "price_eur_per_kwh"): price_eur_per_kwh,
                ("area", "f_hz"): happened.f_hz,
                ("area", "unserved_kw"): unserved_kwh / dt_h,
                **self.from_devices(happened.p_kw, soc, available),
                **self.from_network(flow.v_pu, flow.loading),
                **self.from_ties(tie_p, tie_q, upstream, happened.p_kw),
                ("ties", "agreed_kw"): decision.agreed_kw,
                ("ties", "price_eur_per_kwh"): decision.price,
                ("cells", "price_eur_per_kwh"): self.cell_price(decision.price, price_eur_per_kwh),
                ("devices", "p_kw"): happened.p_kw,
                ("devices", "q_kvar"): happened.q_kvar,
                ("devices", "soc"): soc,
                ("devices", "p_kw_set"): decision.p_kw,
            }
        )
        self.put(out, more or {})
        return out

    def _sum(self, rows: Ints, value: Floats) -> Floats:
        return np.asarray(np.bincount(self._cell[rows], value, self._cells), dtype=np.float64)


@final
class _Grouped:
    """Extremes by cell of a column over nodes or branches; what is NaN does not count."""

    def __init__(self, cell: Ints, cells: int) -> None:
        self._order = np.argsort(cell, kind="stable")
        has, first = np.unique(cell[self._order], return_index=True)
        self._has, self._first, self._cells = has, first, cells

    def most(self, value: Floats) -> Floats:
        """Highest of every cell."""
        out = np.full(self._cells, np.nan)
        if len(self._first):
            out[self._has] = np.fmax.reduceat(value[self._order], self._first)
        return out

    def least(self, value: Floats) -> Floats:
        """Lowest of every cell."""
        out = np.full(self._cells, np.nan)
        if len(self._first):
            out[self._has] = np.fmin.reduceat(value[self._order], self._first)
        return out
