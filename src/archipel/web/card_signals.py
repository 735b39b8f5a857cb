"""What cards are made of: what is abnormal in a moment, found with few operations on whole columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.model import Floats, Scenario
from archipel.report.kpis import CONNECTION_TOLERANCE, LOADING_TOLERANCE, V_TOLERANCE_PU
from archipel.web.columns import FrameBuilder
from archipel.web.nouns import PlanRecord

DEAD_V_PU = 0.2
EDGE_LOADING, EDGE_V_PU, EDGE_SHARE = 0.002, 0.0005, 0.002
"""How far back inside its limit a value must be before it counts as well again: less than the margin plans keep."""
CURTAILED_KW, CURTAILED_SHARE = 1.0, 0.02
UNSERVED_KW = 0.05


@final
@dataclass(frozen=True, slots=True, eq=False)
class CardFacts:
    """What a frame does not hold; whoever knows it tells."""

    plan: PlanRecord | None = None
    """The newest plan."""
    silent: Collection[str] = ()
    """Cells that are known not to answer."""
    tripped: NDArray[np.bool_] | None = None
    """Inverters that tripped on overvoltage, (devices,)."""
    critical_unserved_kw: float = 0.0
    wanted_islands: Collection[str] = ()
    """Cells that are islands because somebody wants them to be."""
    why: Mapping[str, str] = field(default_factory=dict)
    """Why a cell does not cooperate, or has no voltage, by cell."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A value near or beyond its limit."""

    row: int
    value: float
    bound: float
    beyond: bool
    """False: it is not well inside yet, so a card that is open stays so."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """All that is abnormal in one moment; empty is normal."""

    voltage: tuple[tuple[int, Found], ...] = ()
    """(cell, its worst node)."""
    loading: tuple[Found, ...] = ()
    """Branches."""
    connection: Found | None = None
    """Row 0: import, 1: export."""
    unserved_kw: float = 0.0
    tripped: tuple[tuple[int, int], ...] = ()
    """(cell, how many inverters)."""
    curtailed: tuple[tuple[int, float], ...] = ()
    """(cell, kW)."""
    level: tuple[tuple[int, int], ...] = ()
    """(cell, level of the ladder) below the normal one."""
    stale: tuple[tuple[int, float], ...] = ()
    """(cell, age of its values [s])."""
    mode: tuple[tuple[int, int], ...] = ()
    """(cell, mode) where it is not connected."""
    facts: CardFacts = field(default_factory=CardFacts)


@final
class SignalsOf:
    """Finds them.

    Args:
        scenario: The case.
        normal_level: Level of the ladder that is normal here.
        stale_s: Age of a cell's values from which it counts as not answering [wall s].
    """

    def __init__(self, scenario: Scenario, normal_level: int = 0, stale_s: float = 3.0) -> None:
        self.builder = FrameBuilder(scenario)
        self._normal, self._stale_s = normal_level, stale_s
        nodes = scenario.grid.nodes
        self._v_min, self._v_max = nodes.v_pu_min, nodes.v_pu_max
        cell = scenario.archipelago.node_cell
        self._order = np.argsort(cell, kind="stable")
        self._has, self._first = np.unique(cell[self._order], return_index=True)
        self._device_cell = scenario.device_cell
        self._cells = len(scenario.archipelago.cell)
        self._off_grid = scenario.island.off_grid
        limit = scenario.connection
        self._firm = (limit.import_kw_max, limit.export_kw_max)

    def frame(self, values: NDArray[np.float32], facts: CardFacts) -> Signals:
        """Of one frame."""

        def get(table: str, column: str) -> Floats:
            return np.asarray(self.builder.column(values, table, column), dtype=np.float64)

        upstream, unserved = float(get("area", "upstream_p_kw")[0]), float(get("area", "unserved_kw")[0])
        level, age = get("cells", "level"), get("cells", "age_s")
        off = np.flatnonzero(level > self._normal)
        late = np.flatnonzero((age > self._stale_s) | (level == 5))
        mode = get("cells", "mode")
        apart = np.flatnonzero((mode != (2 if self._off_grid else 0)) & (mode != 4) & np.isfinite(mode))
        return Signals(
            voltage=self.voltage(get("nodes", "v_pu")),
            loading=self.loading(get("branches", "loading")),
            connection=self.connection(upstream, [get("area", f"{way}_kw_max")[0] for way in ("import", "export")]),
            unserved_kw=unserved if unserved > UNSERVED_KW else 0.0,
            tripped=self.trips(facts.tripped),
            curtailed=self.curtailed(get("cells", "available_kw"), get("cells", "renewable_kw")),
            level=tuple((int(c), int(level[c])) for c in off if level[c] < 5),
            stale=tuple((int(c), float(age[c])) for c in late),
            mode=tuple((int(c), int(mode[c])) for c in apart),
            facts=facts,
        )

    def voltage(self, v_pu: Floats) -> tuple[tuple[int, Found], ...]:
        """Cells with a node beyond its limits, or not well inside yet; a dead node is no voltage."""
        over = np.where(v_pu > DEAD_V_PU, np.fmax(v_pu - self._v_max, self._v_min - v_pu), -np.inf)[self._order]
        if not len(over):
            return ()
        worst = np.fmax.reduceat(over, self._first)
        out = []
        for at in np.flatnonzero(worst > -EDGE_V_PU):
            cell = int(self._has[at])
            stop = self._first[at + 1] if at + 1 < len(self._first) else len(over)
            node = int(self._order[self._first[at] + np.nanargmax(over[self._first[at] : stop])])
            high = v_pu[node] > 0.5 * (self._v_min[node] + self._v_max[node])
            bound = self._v_max[node] if high else self._v_min[node]
            out.append((cell, Found(node, float(v_pu[node]), float(bound), bool(worst[at] > V_TOLERANCE_PU))))
        return tuple(out)

    def loading(self, loading: Floats) -> tuple[Found, ...]:
        """Branches above their limit, or not well below yet."""
        rows = np.flatnonzero(loading > 1.0 - EDGE_LOADING)
        return tuple(Found(int(r), float(loading[r]), 1.0, bool(loading[r] > 1.0 + LOADING_TOLERANCE)) for r in rows)

    def connection(self, upstream_kw: float, told_kw: Sequence[float] = (np.nan, np.nan)) -> Found | None:
        """The connection upstream beyond a limit, firm or told for a time, or not well inside yet.

        Args:
            upstream_kw: Drawn from upstream.
            told_kw: Limits of import and export that hold besides the firm ones; NaN: none.
        """
        if self._off_grid or not np.isfinite(upstream_kw):
            return None
        for row, value in enumerate((upstream_kw, -upstream_kw)):
            bound = float(np.fmin(told_kw[row], self._firm[row]))
            if np.isfinite(bound) and value > bound * (1.0 - EDGE_SHARE) and value > 0.0:
                return Found(row, value, bound, value > bound * (1.0 + CONNECTION_TOLERANCE))
        return None

    def trips(self, tripped: NDArray[np.bool_] | None) -> tuple[tuple[int, int], ...]:
        """Inverters that tripped, counted by cell."""
        if tripped is None or not tripped.any():
            return ()
        count = np.bincount(self._device_cell[tripped], minlength=self._cells)
        return tuple((int(c), int(count[c])) for c in np.flatnonzero(count))

    def curtailed(self, available_kw: Floats, renewable_kw: Floats) -> tuple[tuple[int, float], ...]:
        """Cells whose renewable power is held back."""
        lost = available_kw - renewable_kw
        rows = np.flatnonzero(lost > np.maximum(CURTAILED_KW, CURTAILED_SHARE * available_kw))
        return tuple((int(c), float(lost[c])) for c in rows)
