"""The pictures of the gallery, made again by `python docs/_site/gallery_pictures.py [NAME...]` (minutes; names without
`.svg`).

Maps of the shipped scenarios, of two published feeders (where `ARCHIPEL_DATA` names the folder of public data), and a
day of `district` as its report draws it. A picture in a page knows
no style sheet: colours stand in it, on a paper of its own.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import archipel
from archipel.model import Scenario
from archipel.report.charts import upstream
from archipel.report.network_map import Positions, positions
from archipel.report.svg import tag, text
from archipel.web.area_of import nameplates

FOLDER = Path(__file__).parents[1] / "img" / "gallery"
PAPER, INK, SOFT, LINE = "#fbfaf6", "#1b2430", "#5d6876", "#c3cad2"
CELLS = ("#0072b2", "#d55e00", "#009e73", "#a6488a", "#b8860b", "#3b8fb5", "#6b7a2f", "#7a5c9e")
KINDS = {
    "pv": ("sun", "#e0b000"), "wind": ("wind", "#56b4e9"), "hydro": ("water", "#0072b2"),
    "biomass": ("biomass", "#6b7a2f"), "battery": ("batteries", "#009e73"), "ev_charger": ("vehicles", "#cc79a7"),
    "heat_pump": ("heat pumps", "#d55e00"),
}  # fmt: skip
SHOWN = {
    "district": (),
    "city": ("pv",),
    "city-winter": ("ev_charger", "heat_pump"),
    "city-herd": ("battery",),
    "island": ("pv", "wind", "biomass"),
    "island-year": ("biomass", "battery"),
    "vpp": ("owners",),
}
"""What a map shows beside the network; nothing: its cells, each in a colour."""
WIDE, HIGH, FOOT = 320.0, 230.0, 26.0
LARGEST = 11.0
"""Radius of the largest dot."""
VARIABLES = {
    "paper": PAPER, "ink": INK, "soft": SOFT, "faint": "#8d97a3", "rule": "#dfe4ea", "limit": "#c0392b",
    "uncoordinated": "#8d97a3", "alone": "#e69f00", "distributed": "#0072b2", "central": INK,
}  # fmt: skip
RULES = (
    f"text{{font:9.5px system-ui,sans-serif;fill:{SOFT}}}.grid{{stroke:#dfe4ea;stroke-width:.7}}"
    ".zero,.axis{stroke:#8d97a3;stroke-width:.8}"
    f".halo{{paint-order:stroke;stroke:{PAPER};stroke-width:3px;fill:{INK}}}"
)


def sheet(*drawn: str, wide: float = WIDE, high: float = HIGH) -> str:
    """A whole SVG file on its own paper."""
    paper = tag("rect", width=wide, height=high, rx=8, fill=PAPER)
    return tag("svg", paper, *drawn, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {wide:g} {high:g}") + "\n"


def network(scenario: Scenario, kinds: tuple[str, ...]) -> str:
    """A map with its cells in colours, or grey with dots for the devices of these kinds."""
    at = positions(scenario)
    if at is None:
        raise ValueError(f"{scenario.name}: found no coordinates")
    if scenario.grid.nodes.vn_kv.max() > 1.0 and len(scenario.grid.nodes) > 1000:
        at = replace(at, whole=False)  # low-voltage cells of the shipped grids have drawn, not true, places
    dots, keys = devices(scenario, at, kinds) if kinds else (cells(scenario, at), [])
    root = scenario.grid.source.node
    drawn = [*lines(scenario, at, coloured=not kinds), *dots]
    drawn.append(tag("rect", x=float(at.x[root]) - 3.5, y=float(at.y[root]) - 3.5, width=7, height=7, fill=INK))
    shown = np.isfinite(at.x + at.y) & (at.whole | (scenario.grid.nodes.vn_kv >= 1.0))
    left, top = float(at.x[shown].min()) - 12, float(at.y[shown].min()) - 12
    view = f"{left:.0f} {top:.0f} {np.ptp(at.x[shown]) + 24:.0f} {np.ptp(at.y[shown]) + 24:.0f}"
    inner = tag("svg", *drawn, x=6, y=4, width=WIDE - 12, height=HIGH - FOOT - 4, viewBox=view)
    count = len(scenario.archipelago.cell)
    words = f"{len(scenario.grid.nodes):,} nodes, {count} {'cell' if count == 1 else 'cells'}"
    foot, x = [text(12, HIGH - 9, words, fill=SOFT)], WIDE - 12.0
    for word, colour in reversed(keys):
        x -= 5.7 * len(word)
        foot.append(text(x, HIGH - 9, word, fill=SOFT))
        x -= 7
        foot.append(tag("circle", cx=x, cy=HIGH - 12, r=3.5, fill=colour))
        x -= 9
    return sheet(inner, tag("g", *foot, font_family="system-ui, sans-serif", font_size=9.5))


def lines(scenario: Scenario, at: Positions, *, coloured: bool) -> list[str]:
    """All branches, as one path per cell or one in grey; of large networks those above 1 kV."""
    grid, cell = scenario.grid, scenario.archipelago.node_cell
    a = np.concatenate([grid.lines.from_node, grid.transformers.hv_node])
    b = np.concatenate([grid.lines.to_node, grid.transformers.lv_node])
    seen = np.isfinite(at.x[a] + at.y[a] + at.x[b] + at.y[b])
    if not at.whole:
        seen &= (grid.nodes.vn_kv[a] >= 1.0) & (grid.nodes.vn_kv[b] >= 1.0)
    drawn = []
    for k in range(len(scenario.archipelago.cell)) if coloured else (-1,):
        own = np.flatnonzero(seen & ((cell[b] == k) | (not coloured)))
        path = "".join(f"M{at.x[a[r]]:.1f} {at.y[a[r]]:.1f}L{at.x[b[r]]:.1f} {at.y[b[r]]:.1f}" for r in own)
        stroke = CELLS[k % len(CELLS)] if coloured else LINE
        if path:
            drawn.append(tag("path", d=path, fill="none", stroke=stroke, stroke_width=1.3, stroke_linecap="round"))
    return drawn


def cells(scenario: Scenario, at: Positions) -> list[str]:
    """Where lines below 1 kV are not drawn: a dot per low-voltage cell."""
    if at.whole:
        return []
    tree = scenario.archipelago
    begin = {
        tree.index(tie.lower): tie.upper_node
        for tie in tree.tie
        if tie.direction == "vertical" and tree.cell[tree.index(tie.lower)].level == "lv"
    }
    return [
        tag("circle", cx=float(at.x[n]), cy=float(at.y[n]), r=3.4, fill=CELLS[k % len(CELLS)], stroke=PAPER)
        for k, n in begin.items()
    ]


def devices(scenario: Scenario, at: Positions, kinds: tuple[str, ...]) -> tuple[list[str], list[tuple[str, str]]]:
    """Dots whose area is the power of a kind at a node, or in a low-voltage cell of a large network; and their keys."""
    low, high, _ = nameplates(scenario)
    kw = np.nan_to_num(np.maximum(np.abs(low), np.abs(high)))
    kind = np.array(scenario.device_kind)
    first = 0
    for fleet in scenario.fleets:  # generators by what drives them
        if (source := getattr(fleet, "source", None)) is not None:
            kind[first : first + len(fleet.id)] = source
        first += len(fleet.id)
    group: list[tuple[np.ndarray, str, str]] = []
    if kinds == ("owners",):
        own = scenario.ownership
        steered = own.device_contract >= 0
        owners = [k for k in range(len(own.owner)) if (steered & (own.device_owner == k)).any()]
        group = [
            (steered & (own.device_owner == k), own.owner[k].id, CELLS[i % len(CELLS)]) for i, k in enumerate(owners)
        ]
    else:
        group = [(kind == name, *KINDS[name]) for name in kinds]
    place = where(scenario, at)
    sums = [np.bincount(place, kw * chosen, len(at.x)) for chosen, _, _ in group]
    most = max(float(each.max()) for each in sums)
    radius = LARGEST if len(scenario.grid.nodes) < 5000 else 0.7 * LARGEST
    dots: list[tuple[float, str]] = []
    for total, (_, _, colour) in zip(sums, group, strict=True):
        for n in np.flatnonzero((total > 0.0) & np.isfinite(at.x + at.y)):
            r = max(radius * float(np.sqrt(total[n] / most)), 1.0)
            dots.append((r, tag("circle", cx=float(at.x[n]), cy=float(at.y[n]), r=r, fill=colour, fill_opacity=0.6)))
    return [dot for _, dot in sorted(dots, reverse=True)], [(word, colour) for _, word, colour in group]


def where(scenario: Scenario, at: Positions) -> np.ndarray:
    """The node at which every device is drawn: its own, or where the tie of its low-voltage cell begins."""
    node = scenario.device_node
    if at.whole:
        return node
    row = {cell.id: k for k, cell in enumerate(scenario.archipelago.cell)}
    begin = {row[tie.lower]: tie.upper_node for tie in scenario.archipelago.tie if tie.direction == "vertical"}
    level = [cell.level for cell in scenario.archipelago.cell]
    cell = scenario.device_cell
    moved = [begin[c] if level[c] == "lv" and c in begin else int(n) for c, n in zip(cell, node, strict=True)]
    return np.array(moved, dtype=np.int64)


def imported(source: str) -> str:
    """A published OpenDSS feeder, as `archipel import` cuts it into cells."""
    file = Path(os.environ["ARCHIPEL_DATA"]) / "networks" / "opendss" / source
    with tempfile.TemporaryDirectory() as folder:
        said(["import", str(file), "-o", f"{folder}/grid"])
        return network(archipel.scenario(f"{folder}/grid/{file.stem}.toml"), ())


def day() -> str:
    """The exchange of `district` with the grid above, three ways, as the report draws it."""
    with tempfile.TemporaryDirectory() as folder:
        return exchange(
            archipel.run(archipel.scenario("district"), ["uncoordinated", "alone", "distributed"], runs=folder)
        )


def exchange(run: Any) -> str:
    """What the strategies of a run draw from above."""
    drawn = re.search(r"<svg.*</svg>", upstream(run, run.scenario), re.DOTALL)
    assert drawn is not None
    body = re.sub(r"var\(--(\w+)\)", lambda name: VARIABLES[name[1]], drawn[0])
    body = re.sub(r' (?:class="plot"|role="img"|data-[\w-]+="[^"]*")', "", body)
    body = body.replace("<svg", '<svg x="8" y="8" width="624" height="252"', 1)
    keys, x = [], 46.0
    for name in run.strategies:
        keys += [tag("line", x1=x, x2=x + 16, y1=272, y2=272, stroke=VARIABLES[name], stroke_width=2.4)]
        keys += [text(x + 21, 275.5, name)]
        x += 48 + 6 * len(name)
    return sheet(tag("style", RULES), body, *keys, wide=640, high=288)


def said(words: list[str]) -> None:
    """Run the command line."""
    done = subprocess.run(
        [sys.executable, "-m", "archipel.cli.main", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"archipel {' '.join(words)}: {done.stderr}")


PICTURES: dict[str, Callable[[], str]] = {
    **{name: lambda name=name: network(archipel.scenario(name), SHOWN[name]) for name in SHOWN},  # type: ignore[misc]
    "ieee-123": lambda: imported("123Bus/Run_IEEE123Bus.DSS"),
    "european-lv": lambda: imported("LVTestCase/Master.dss"),
    "day": day,
}

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for made in sys.argv[1:] or PICTURES:
        (FOLDER / f"{made}.svg").write_text(PICTURES[made](), "utf-8")
        sys.stdout.write(f"{made}.svg\n")
