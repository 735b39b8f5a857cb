"""The network on the map, grey where all is well, in colour only where something is not.

Networks of up to `WHOLE` nodes are drawn node by node; of larger ones the lines above 1 kV, with one dot per
low-voltage cell that takes the colour of the worst thing in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from archipel.devices import SoftOpenPointFleet
from archipel.model import Floats, Scenario
from archipel.report.charts import side_by_side
from archipel.report.kpis import LOADING_TOLERANCE, V_TOLERANCE_PU
from archipel.report.run import Run
from archipel.report.svg import legend, tag, text

WHOLE = 3000
SIZE = 300.0
EDGE = 10.0


@final
@dataclass(frozen=True, slots=True, eq=False)
class Worst:
    """The worst of a whole run, element by element."""

    over_pu: Floats
    """Highest voltage above the limit of each node; negative where always below."""
    under_pu: Floats
    """Lowest voltage below the limit."""
    v_high: Floats
    v_low: Floats
    loading: Floats
    """Highest loading of each branch."""

    @property
    def high(self) -> NDArray[np.bool_]:
        """Nodes that were above their limit."""
        return self.over_pu > V_TOLERANCE_PU

    @property
    def low(self) -> NDArray[np.bool_]:
        """Nodes that were below their limit."""
        return self.under_pu > V_TOLERANCE_PU

    @property
    def full(self) -> NDArray[np.bool_]:
        """Branches that were above their limit."""
        return self.loading > 1 + LOADING_TOLERANCE


def network_map(run: Run, scenario: Scenario) -> str:
    """One map per strategy, with the same grey network below."""
    at = positions(scenario)
    if at is None:
        return "<p>The source of this scenario has no coordinates, so there is no map.</p>"
    grey = _grey(scenario, at)
    height = SIZE * at.aspect

    def draw(strategy: str) -> tuple[str, str]:
        worst = _worst(run, scenario, strategy)
        marks = _every_mark(scenario, at, worst) if at.whole else _cell_marks(scenario, at, worst)
        picture = tag(
            "svg",
            tag("title", f"Network, {escape(strategy)}"),
            '<use href="#network"/>',
            *marks,
            _substation(scenario, at),
            viewBox=f"0 0 {SIZE:g} {height:.0f}",
            class_="map",
            role="img",
        )
        return picture, _remark(worst)

    keys = [
        ("grid-normal", "within limits", "line"),
        ("over", "overloaded", "line"),
        ("high", "voltage above limit", "dot"),
        ("under", "voltage below limit", "dot"),
    ]
    if "soft_open_point" in scenario.device_kind:
        keys.append(("soft", "soft open point", "dash"))
    shared = f'<svg width="0" height="0" aria-hidden="true" style="position:absolute"><defs>{grey}</defs></svg>'
    return shared + side_by_side(run, draw) + legend(keys)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Where every node is drawn."""

    x: Floats
    y: Floats
    """NaN where unknown."""
    aspect: float
    """Height over width of the map."""
    whole: bool
    """Whether every node is drawn."""


def positions(scenario: Scenario) -> Positions | None:
    """Coordinates fitted to the map; None when fewer than half of the nodes have any."""
    nodes = scenario.grid.nodes
    x, y = nodes.x.astype(np.float64), nodes.y.astype(np.float64)
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() * 2 < len(nodes) or not known.any():
        return None
    if np.abs(y[known]).max() <= 90 and np.abs(x[known]).max() <= 360:  # degrees: a degree of longitude is shorter
        x = x * np.cos(np.radians(float(y[known].mean())))
    wide, tall = float(np.ptp(x[known])), float(np.ptp(y[known]))
    if wide == 0 and tall == 0:
        return None
    scale = (SIZE - 2 * EDGE) / max(wide, tall / 1.1)
    left = EDGE + (SIZE - 2 * EDGE - wide * scale) / 2
    return Positions(
        x=left + (x - x[known].min()) * scale,
        y=EDGE + (y[known].max() - y) * scale,
        aspect=(tall * scale + 2 * EDGE) / SIZE,
        whole=len(nodes) <= WHOLE,
    )


def _worst(run: Run, scenario: Scenario, strategy: str) -> Worst:
    nodes = scenario.grid.nodes
    v = run.array("nodes", "v_pu", strategy).astype(np.float64)
    v_high, v_low = np.nanmax(v, axis=1, initial=-np.inf), np.nanmin(v, axis=1, initial=np.inf)
    loading = np.nanmax(run.array("branches", "loading", strategy), axis=1, initial=0.0)
    return Worst(v_high - nodes.v_pu_max, nodes.v_pu_min - v_low, v_high, v_low, loading)


def _remark(worst: Worst) -> str:
    found = [
        _counted(int(np.count_nonzero(flags)), *words)
        for flags, *words in (
            (worst.high, "node high", "nodes high"),
            (worst.low, "node low", "nodes low"),
            (worst.full, "branch overloaded", "branches overloaded"),
        )
        if flags.any()
    ]
    return ", ".join(found) or "nothing abnormal"


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _branches(scenario: Scenario, at: Positions) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Ends of all branches, and which of them are drawn as lines."""
    grid = scenario.grid
    a = np.concatenate([grid.lines.from_node, grid.transformers.hv_node])
    b = np.concatenate([grid.lines.to_node, grid.transformers.lv_node])
    shown = np.isfinite(at.x[a] + at.y[a] + at.x[b] + at.y[b])
    if not at.whole:
        shown &= (grid.nodes.vn_kv[a] >= 1.0) & (grid.nodes.vn_kv[b] >= 1.0)
    return a, b, shown


def _grey(scenario: Scenario, at: Positions) -> str:
    a, b, shown = _branches(scenario, at)
    high = scenario.grid.nodes.vn_kv[a] >= 1.0
    root = scenario.grid.source.node
    parts = [
        _segments(at, a, b, np.flatnonzero(shown & ~high), "grid-normal", 0.5),
        _segments(at, a, b, np.flatnonzero(shown & high), "grid-normal", 1.1),
    ]
    parts += _soft_open_points(scenario, at)
    if not at.whole:
        parts += [
            f'<circle cx="{at.x[n]:.1f}" cy="{at.y[n]:.1f}" r="1.7" fill="var(--grid-normal)"/>'
            for n in _cell_nodes(scenario).values()
            if np.isfinite(at.x[n] + at.y[n])
        ]
    if np.isfinite(at.x[root] + at.y[root]):
        x, y = float(at.x[root]), float(at.y[root])
        parts.append(tag("rect", x=x - 3, y=y - 3, width=6, height=6, fill="var(--soft)"))
    return tag("g", *parts, id="network")


def _soft_open_points(scenario: Scenario, at: Positions) -> list[str]:
    """A dotted line between the ends of each."""
    parts = []
    for fleet in scenario.fleets:
        if isinstance(fleet, SoftOpenPointFleet):
            for a, b, name in zip(fleet.node[::2], fleet.node[1::2], fleet.point[::2], strict=True):
                told = tag("title", escape(f"soft open point {name}"))
                ends = {"x1": float(at.x[a]), "y1": float(at.y[a]), "x2": float(at.x[b]), "y2": float(at.y[b])}
                if np.isfinite(sum(ends.values())):
                    parts.append(tag("line", told, stroke="var(--soft)", stroke_dasharray="1.5 2", **ends))
    return parts


def _substation(scenario: Scenario, at: Positions) -> str:
    x, y = float(at.x[scenario.grid.source.node]), float(at.y[scenario.grid.source.node])
    return text(x + 6, y - 5, "substation", class_="halo") if np.isfinite(x + y) else ""


def _segments(at: Positions, a: NDArray[Any], b: NDArray[Any], rows: NDArray[Any], colour: str, width: float) -> str:
    path = "".join(f"M{at.x[a[r]]:.1f} {at.y[a[r]]:.1f}L{at.x[b[r]]:.1f} {at.y[b[r]]:.1f}" for r in rows)
    return tag("path", d=path, fill="none", stroke=f"var(--{colour})", stroke_width=width, stroke_linecap="round")


def _every_mark(scenario: Scenario, at: Positions, worst: Worst) -> list[str]:
    """Every branch and node that was beyond its limits, with its name and worst value."""
    grid = scenario.grid
    a, b, shown = _branches(scenario, at)
    marks = []
    for r in np.flatnonzero(worst.full & shown):
        told = tag("title", escape(f"{grid.branch_id[r]}: {worst.loading[r]:.1%} of its limit"))
        ends = {"x1": float(at.x[a[r]]), "y1": float(at.y[a[r]]), "x2": float(at.x[b[r]]), "y2": float(at.y[b[r]])}
        marks.append(tag("line", told, stroke="var(--over)", stroke_width=3, stroke_linecap="round", **ends))
    for flags, v, colour in ((worst.high, worst.v_high, "high"), (worst.low, worst.v_low, "under")):
        for n in np.flatnonzero(flags & np.isfinite(at.x + at.y)):
            told = tag("title", escape(f"{grid.nodes.id[n]} ({grid.nodes.name[n]}): {v[n]:.4f} pu"))
            marks.append(tag("circle", told, cx=float(at.x[n]), cy=float(at.y[n]), r=2.6, fill=f"var(--{colour})"))
    return marks


def _cell_marks(scenario: Scenario, at: Positions, worst: Worst) -> list[str]:
    """Overloaded lines above 1 kV, nodes above 1 kV beyond their limits, and one dot per cell in trouble."""
    grid = scenario.grid
    high_level = grid.nodes.vn_kv >= 1.0
    above = Worst(
        np.where(high_level, worst.over_pu, -1.0),
        np.where(high_level, worst.under_pu, -1.0),
        worst.v_high,
        worst.v_low,
        worst.loading,
    )
    marks = _every_mark(scenario, at, above)
    cell = scenario.archipelago.node_cell
    a = np.concatenate([grid.lines.to_node, grid.transformers.lv_node])
    for c, node in _cell_nodes(scenario).items():
        mine = cell == c
        branch = cell[a] == c
        said, colour = [], ""
        for flags, colour_here, words in (
            (mine & worst.low, "under", f"below limit, lowest {worst.v_low[mine].min(initial=9):.4f} pu"),
            (mine & worst.high, "high", f"above limit, highest {worst.v_high[mine].max(initial=0):.4f} pu"),
        ):
            if flags.any():
                said.append(f"{_counted(int(np.count_nonzero(flags)), 'node', 'nodes')} {words}")
                colour = colour_here
        if (branch & worst.full).any():
            count, most = int(np.count_nonzero(branch & worst.full)), worst.loading[branch].max()
            said.append(f"{_counted(count, 'branch', 'branches')} overloaded, up to {most:.1%}")
            colour = "over"
        if said and np.isfinite(at.x[node] + at.y[node]):
            told = tag("title", escape(f"{scenario.archipelago.cell[c].id}: {'; '.join(said)}"))
            marks.append(tag("circle", told, cx=float(at.x[node]), cy=float(at.y[node]), r=4, fill=f"var(--{colour})"))
    return marks


def _cell_nodes(scenario: Scenario) -> dict[int, int]:
    """For every low-voltage cell the node its tie leaves from."""
    archipelago = scenario.archipelago
    return {
        archipelago.index(tie.lower): tie.upper_node
        for tie in archipelago.tie
        if tie.direction == "vertical" and archipelago.cell[archipelago.index(tie.lower)].level == "lv"
    }
