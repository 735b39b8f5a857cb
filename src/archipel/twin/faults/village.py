"""The place where faults happen: eight cells in a small tree, a real radial 20/0.4 kV network made by code.

    main grid -- hill (20 kV) --+-- trafo -- oak --+-- cable -- bay -- cable -- moss
                                |                  +-- cable -- cove
                                +-- trafo -- elm ---- cable -- fern
                                +-- trafo -- ash

Every cell but the root has a feeder of four nodes, fixed loads at three of them, a battery, PV and a charger behind a
switch. Its own exchange may reach `import_kw` and `export_kw` at any time, whatever the others do: the network carries
that. The network carries `head_kw` more, and that is what cells agree on.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import final

import numpy as np

from archipel.controller.facts import TieSide
from archipel.model import Floats, Grid, Lines, Nodes, Source, Switches, Transformers

NAMES = ("hill", "oak", "elm", "ash", "bay", "cove", "fern", "moss")
PARENT = {"oak": "hill", "elm": "hill", "ash": "hill", "bay": "oak", "cove": "oak", "fern": "elm", "moss": "bay"}
START = datetime(2016, 6, 9, 12, tzinfo=UTC)
STEP_S = 30
"""Length of one value of an agreement and of one row of the demand."""
HELD_STEPS = 4
"""An agreement holds for two plans, so that at most two can be in force at once anywhere."""
SOC_MIN, SOC_MAX = 0.10, 0.90
"""What a cell keeps its battery in; a tenth at both ends is reserve."""
TOLERANCE_KW = 3.0
_ALLOWANCE = 1.15
"""Ratings over the active power they are made for: reactive power, losses and noise."""

PLAUSIBLE = 2.0
"""No tie carries more than so many times its contract."""


@final
@dataclass(frozen=True, slots=True)
class Place:
    """One cell: its devices and what it may do by itself."""

    name: str
    parent: str
    children: tuple[str, ...]
    node: int
    """Row of its first node; three more follow (none at the root)."""
    load_kw: tuple[tuple[float, float, float], ...]
    """Fixed loads of the three nodes, one row per step."""
    pv_kw: tuple[float, ...]
    """What the sun would give, one value per step."""
    battery_kw: float
    battery_kwh: float
    charger_kw: float
    car: tuple[bool, ...]
    """Whether a car is there, one value per step; the charger's switch is open while there is none."""
    import_kw: float
    export_kw: float
    """Largest exchange of the cell alone, without its child cells."""
    subtree_import_kw: float
    subtree_export_kw: float
    """The same of the cell with all cells below it: the default limits of its upward tie."""
    head_kw: float
    """What the upward tie carries beyond that, in both directions."""
    devices: tuple[str, ...]
    """Ids of what takes orders: battery, PV, charger and its switch; none at the root."""

    @property
    def contract_kw(self) -> float:
        """The most that may ever be agreed for the upward tie, either way."""
        return max(self.subtree_import_kw, self.subtree_export_kw) + self.head_kw


@final
@dataclass(frozen=True, slots=True, eq=False)
class Village:
    """All of it."""

    place: dict[str, Place]
    """By name, parents before their children."""
    grid: Grid
    tie_branch: dict[str, int]
    """Branch row of every upward tie, by the name of the lower cell."""
    behind: dict[str, frozenset[str]]
    """Cells whose power a branch carries, by its id."""

    def ties(self, name: str) -> tuple[TieSide, ...]:
        """The ties of one cell as it sees them."""
        here = self.place[name]
        most_kw = {lower: PLAUSIBLE * self.place[lower].contract_kw for lower in (name, *here.children)}
        up = (TieSide(f"tie/{name}", here.parent, True, 0.0, TOLERANCE_KW, most_kw[name]),) if here.parent else ()
        below = (TieSide(f"tie/{c}", c, False, 0.0, TOLERANCE_KW, most_kw[c]) for c in here.children)
        return (*up, *below)


def village(seed: int, steps: int) -> Village:
    """Draw sizes and demand; the tree is always the same."""
    rng = random.Random(f"village {seed}")
    children = {name: tuple(c for c in NAMES if PARENT.get(c) == name) for name in NAMES}
    drawn: dict[str, Place] = {}
    for i, name in reversed(list(enumerate(NAMES))):  # leaves first: limits add up towards the root
        below = [drawn[child] for child in children[name]]
        root = name not in PARENT
        peak = 0.0 if root else rng.uniform(5.0, 10.0)
        sun = 0.0 if root or rng.random() < 0.3 else rng.uniform(8.0, 24.0)
        import_kw, export_kw = (0.0, 0.0) if root else (peak + 3.0, 5.0)
        rows = range(steps + HELD_STEPS + 4)
        drawn[name] = Place(
            name=name,
            parent=PARENT.get(name, ""),
            children=children[name],
            node=0 if root else 2 + 4 * (i - 1),
            load_kw=tuple(_split(peak * rng.uniform(0.6, 1.0), rng) for _ in rows),
            pv_kw=tuple(sun * rng.uniform(0.5, 1.0) for _ in rows),
            battery_kw=0.0 if root else rng.uniform(4.0, 8.0),
            battery_kwh=rng.uniform(1.0, 2.0),
            charger_kw=0.0 if root else rng.choice([0.0, 11.0, 22.0]),
            car=tuple(row // 6 % 4 > 0 or rng.random() < 0.5 for row in rows),
            import_kw=import_kw,
            export_kw=export_kw,
            subtree_import_kw=import_kw + sum(p.subtree_import_kw for p in below),
            subtree_export_kw=export_kw + sum(p.subtree_export_kw for p in below),
            devices=() if root else tuple(f"{kind}/{name}" for kind in ("battery", "pv", "charger", "switch")),
            head_kw=12.0 + sum(p.head_kw for p in below) / 2,
        )
    place = {name: drawn[name] for name in NAMES}
    grid, tie_branch = _grid(place)
    ids = grid.branch_id
    behind = {ids[0]: frozenset(NAMES)}
    for p in place.values():
        if p.parent:
            behind[ids[tie_branch[p.name]]] = frozenset(_subtree(p.name))
            feeder = [
                i
                for i in range(len(grid.lines))
                if p.node <= grid.lines.from_node[i] < grid.lines.to_node[i] < p.node + 4
            ]
            behind |= {ids[i]: frozenset({p.name}) for i in feeder}
    return Village(place, grid, tie_branch, behind)


def _subtree(name: str) -> set[str]:
    inside = {name}
    for other in NAMES:  # parents stand before their children
        if PARENT.get(other) in inside:
            inside.add(other)
    return inside


def _split(total: float, rng: random.Random) -> tuple[float, float, float]:
    a, b = sorted((rng.random(), rng.random()))
    return total * a, total * (b - a), total * (1.0 - b)


def _grid(place: dict[str, Place]) -> tuple[Grid, dict[str, int]]:
    """Node 0 is the source, node 1 the 20 kV bar; four nodes for every other cell."""
    cells = [p for p in place.values() if p.parent]
    ends: list[tuple[int, int]] = [(0, 1)]
    ohm, amps, line_tie = [0.2], [500.0], {}
    for p in cells:
        own_a = (p.import_kw + p.export_kw + p.charger_kw + max(p.pv_kw)) / (3**0.5 * 0.4)
        for k in range(3):
            ends.append((p.node + k, p.node + k + 1))
            ohm.append(0.02)
            amps.append(own_a)
        if place[p.parent].parent:
            line_tie[p.name] = len(ends)
            ends.append((place[p.parent].node, p.node))
            ohm.append(0.02)
            amps.append(_ALLOWANCE * p.contract_kw / (3**0.5 * 0.4))
    trafos = [p for p in cells if not place[p.parent].parent]
    tie_branch = line_tie | {p.name: len(ends) + i for i, p in enumerate(trafos)}
    count = 2 + 4 * len(cells)
    none = np.zeros(0, dtype=np.int64)

    def of(values: list[float]) -> Floats:
        return np.array(values, dtype=np.float64)

    def each(value: float) -> Floats:
        return np.full(len(trafos), value)

    grid = Grid(
        nodes=Nodes(
            tuple(f"bus/{i}" for i in range(count)),
            tuple(f"n{i}" for i in range(count)),
            np.where(np.arange(count) < 2, 20.0, 0.4),
            np.full(count, 0.9),
            np.full(count, 1.1),
            np.full(count, np.nan),
            np.full(count, np.nan),
        ),
        lines=Lines(
            tuple(f"line/{i}" for i in range(len(ends))),
            tuple(f"l{i}" for i in range(len(ends))),
            np.array([a for a, _ in ends]),
            np.array([b for _, b in ends]),
            of(ohm),
            of(ohm) * 0.5,
            np.full(len(ends), 10.0),
            np.zeros(len(ends)),
            of(amps),
            np.full(len(ends), True),
            np.full(len(ends), True),
        ),
        transformers=Transformers(
            tuple(f"trafo/{p.name}" for p in trafos),
            tuple(p.name for p in trafos),
            np.full(len(trafos), 1),
            np.array([p.node for p in trafos]),
            sn_kva=each(160.0),
            vn_hv_kv=each(20.0),
            vn_lv_kv=each(0.4),
            vk_percent=each(4.0),
            vkr_percent=each(1.2),
            pfe_kw=each(0.4),
            i0_percent=each(0.2),
            shift_degree=each(150.0),
            tap_side_hv=np.full(len(trafos), True),
            tap_pos=each(0.0),
            tap_neutral=each(0.0),
            tap_step_percent=each(2.5),
            loading_max=of([_ALLOWANCE * p.contract_kw / 160.0 for p in trafos]),
            hv_closed=np.full(len(trafos), True),
            lv_closed=np.full(len(trafos), True),
        ),
        switches=Switches((), (), none, (), none.astype(bool)),
        source=Source("main grid", 0, 1.01),
    )
    return grid, tie_branch
