"""What one might build: a line, a battery, a larger transformer; and the scenario with it built.

    battery  NODE:KWH:KW                    charges and gives at most KW, 95 % each way
    line     A:B                            beside the line between A and B, of the same kind
    line     A:B:TYPE:KM                    of a usual type (`LINE_TYPES`)
    line     A:B:R_OHM:X_OHM:AMPERE         of any kind
    transformer  ID:KVA                     another rating in its place, same relative impedance and losses

Ids may hold colons: what stands last is read first.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, cast, final

import numpy as np

from archipel.devices import BatteryFleet
from archipel.formats.findings import did_you_mean
from archipel.grid.topology import components
from archipel.model import ArchipelError, Fleet, Lines, Ownership, Scenario

EFFICIENCY = 0.95
WEAR_EUR_PER_KWH = 0.01


@final
@dataclass(frozen=True, slots=True)
class LineType:
    """Per kilometre at 50 Hz and 20 degrees, as in data sheets."""

    r_ohm: float
    x_ohm: float
    c_nf: float
    i_a_max: float


LINE_TYPES = {
    "4x95": LineType(0.320, 0.082, 260.0, 215.0),
    "4x150": LineType(0.206, 0.080, 260.0, 275.0),
    "4x240": LineType(0.125, 0.080, 260.0, 360.0),
    "3x1x150-20kV": LineType(0.206, 0.122, 250.0, 320.0),
    "3x1x240-20kV": LineType(0.125, 0.114, 300.0, 415.0),
}
"""Usual aluminium cables: four cores for 0.4 kV, single cores with XLPE for 20 kV, laid in earth. Resistance of the
conductor after IEC 60228 class 2; reactance, capacitance and current rounded from what makers state."""


@final
@dataclass(frozen=True, slots=True)
class Battery:
    """A battery to be built."""

    node: str
    e_kwh: float
    p_kw: float

    def __str__(self) -> str:
        return f"battery of {self.e_kwh:g} kWh, {self.p_kw:g} kW at {self.node}"


@final
@dataclass(frozen=True, slots=True)
class Line:
    """A line to be built; without values beside one that is there and like it."""

    a: str
    b: str
    r_ohm: float | None = None
    x_ohm: float = 0.0
    c_nf: float = 0.0
    i_a_max: float = 0.0

    def __str__(self) -> str:
        if self.r_ohm is None:
            return f"second line from {self.a} to {self.b}"
        return f"line from {self.a} to {self.b} of {self.r_ohm:g} + j{self.x_ohm:g} ohm, {self.i_a_max:g} A"


@final
@dataclass(frozen=True, slots=True)
class Transformer:
    """A transformer of another rating in the place of one that is there."""

    id: str
    sn_kva: float

    def __str__(self) -> str:
        return f"{self.id} with {self.sn_kva:g} kVA"


Measure = Battery | Line | Transformer


def read_battery(text: str) -> Battery:
    """`NODE:KWH:KW`. Raises ArchipelError with what was expected."""
    node, kwh, kw = _split(text, 2, "--battery", "NODE:KWH:KW, such as bus/7:100:50")
    return Battery(node, _above_zero(kwh, text, "kWh"), _above_zero(kw, text, "kW"))


def read_transformer(text: str) -> Transformer:
    """`ID:KVA`. Raises ArchipelError with what was expected."""
    name, kva = _split(text, 1, "--transformer", "ID:KVA, such as trafo/0:630")
    return Transformer(name, _above_zero(kva, text, "kVA"))


def read_line(text: str) -> Line:
    """`A:B`, `A:B:TYPE:KM` or `A:B:R:X:AMPERE`. Raises ArchipelError with what was expected."""
    parts = text.split(":")
    expected = f"A:B, A:B:TYPE:KM or A:B:R_OHM:X_OHM:AMPERE; types: {', '.join(LINE_TYPES)}"
    if len(parts) == 2 and all(parts):
        return Line(parts[0], parts[1])
    if len(parts) == 4 and all(parts):
        kind = LINE_TYPES.get(parts[2])
        if kind is None:
            raise ArchipelError(
                f"--line {text}: found no type {parts[2]}; expected one of {', '.join(LINE_TYPES)}. "
                f"{did_you_mean(parts[2], LINE_TYPES)}"
            )
        km = _above_zero(parts[3], text, "km")
        return Line(parts[0], parts[1], kind.r_ohm * km, kind.x_ohm * km, kind.c_nf * km, kind.i_a_max)
    if len(parts) == 5 and all(parts):
        r, x = (_above_zero(one, text, "ohm") for one in parts[2:4])
        return Line(parts[0], parts[1], r, x, 0.0, _above_zero(parts[4], text, "A"))
    raise ArchipelError(f"--line {text}: expected {expected}")


def built(scenario: Scenario, measure: Measure) -> Scenario:
    """The scenario with the measure built.

    Raises:
        ArchipelError: for a node, line or transformer there is not, nodes of two voltages, or a line that would close
            a ring between cells.
    """
    if isinstance(measure, Battery):
        return _with_battery(scenario, measure)
    if isinstance(measure, Transformer):
        return _with_transformer(scenario, measure)
    return _with_line(scenario, measure)


def _with_battery(scenario: Scenario, measure: Battery) -> Scenario:
    node = _node(scenario, measure.node)
    one = np.ones(1)
    made = BatteryFleet(
        (f"what-if/battery/{measure.node}",),
        np.array([node], dtype=np.int64),
        one * measure.e_kwh,
        one * measure.p_kw,
        one * measure.p_kw,
        one * EFFICIENCY,
        one * EFFICIENCY,
        one * 0.5,
        one * WEAR_EUR_PER_KWH,
    )
    scenario = replace(scenario, ownership=Ownership())
    for k, fleet in enumerate(scenario.fleets):
        if isinstance(fleet, BatteryFleet):
            fleets = (*scenario.fleets[:k], beside(fleet, made), *scenario.fleets[k + 1 :])
            return replace(scenario, fleets=fleets)
    return replace(scenario, fleets=(*scenario.fleets, made))


def _with_transformer(scenario: Scenario, measure: Transformer) -> Scenario:
    old = scenario.grid.transformers
    if measure.id not in old.id:
        raise ArchipelError(
            f"--transformer {measure.id}: found none of that id; expected one of {_some(old.id)}. "
            f"{did_you_mean(measure.id, old.id)}"
        )
    row = old.id.index(measure.id)
    sn, pfe = old.sn_kva.copy(), old.pfe_kw.copy()
    pfe[row] *= measure.sn_kva / sn[row]
    sn[row] = measure.sn_kva
    return replace(scenario, grid=replace(scenario.grid, transformers=replace(old, sn_kva=sn, pfe_kw=pfe)))


def _with_line(scenario: Scenario, measure: Line) -> Scenario:
    grid, lines = scenario.grid, scenario.grid.lines
    a, b = _node(scenario, measure.a), _node(scenario, measure.b)
    name = f"--line {measure.a}:{measure.b}"
    if a == b:
        raise ArchipelError(f"{name}: found the same node twice; expected two nodes")
    if grid.nodes.vn_kv[a] != grid.nodes.vn_kv[b]:
        raise ArchipelError(
            f"{name}: found {grid.nodes.vn_kv[a]:g} and {grid.nodes.vn_kv[b]:g} kV; expected nodes of one voltage"
        )
    beside_it = np.flatnonzero(
        ((lines.from_node == a) & (lines.to_node == b)) | ((lines.from_node == b) & (lines.to_node == a))
    )
    if measure.r_ohm is None and not beside_it.size:
        raise ArchipelError(
            f"{name}: found no line between them that the new one could be like; expected its kind, "
            f"{name}:TYPE:KM or {name}:R_OHM:X_OHM:AMPERE"
        )
    if beside_it.size:
        return replace(scenario, grid=replace(grid, lines=_doubled(lines, int(beside_it[0]), measure)))
    cell = scenario.archipelago.node_cell
    if cell[a] != cell[b] and _joined(scenario, a, b):
        names = [scenario.archipelago.cell[int(cell[n])].id for n in (a, b)]
        raise ArchipelError(
            f"{name}: found a line that closes a ring between the cells {names[0]} and {names[1]}; expected one within "
            "a cell or beside another line, because cells hang together as a tree. Give both nodes to one cell in "
            "nodes.csv, or try a soft open point."
        )
    more = Lines(
        (f"what-if/line/{measure.a}-{measure.b}",), ("",), np.array([a]), np.array([b]),
        np.array([float(measure.r_ohm or 0.0)]), np.array([measure.x_ohm]), np.array([measure.c_nf]), np.zeros(1),
        np.array([measure.i_a_max]), np.ones(1, dtype=np.bool_), np.ones(1, dtype=np.bool_),
    )  # fmt: skip
    return replace(scenario, grid=replace(grid, lines=beside(lines, more)))


def _doubled(lines: Lines, row: int, measure: Line) -> Lines:
    """Two lines side by side as one: how parallel systems are kept.

    The current splits by impedance; the pair is at its limit when the first of the two is.
    """
    old = complex(lines.r_ohm[row], lines.x_ohm[row])
    new = old if measure.r_ohm is None else complex(measure.r_ohm, measure.x_ohm)
    c, i_max = lines.c_nf[row], lines.i_a_max[row]
    c_new, i_new = (c, i_max) if measure.r_ohm is None else (measure.c_nf, measure.i_a_max)
    both = old * new / (old + new)
    most = min(i_max * abs(old / both), i_new * abs(new / both))
    told = {"r_ohm": both.real, "x_ohm": both.imag, "c_nf": c + c_new, "i_a_max": most}
    changed = {}
    for column, value in told.items():
        changed[column] = getattr(lines, column).copy()
        changed[column][row] = value
    return replace(lines, **changed)


def _joined(scenario: Scenario, a: int, b: int) -> bool:
    """Whether the nodes are already connected, so that one more line closes a ring."""
    grid = scenario.grid
    lines, trafos = grid.lines, grid.transformers
    live, live_t = lines.from_closed & lines.to_closed, trafos.hv_closed & trafos.lv_closed
    begin = np.concatenate([lines.from_node[live], trafos.hv_node[live_t]])
    end = np.concatenate([lines.to_node[live], trafos.lv_node[live_t]])
    part = components(len(grid.nodes), begin, end)
    return bool(part[a] == part[b])


def beside(old: Any, new: Any) -> Any:
    """Two records of columns as one, the old one's rows first. Session columns are not renumbered."""
    n, m = len(old.id), len(new.id)
    changes: dict[str, Any] = {}
    for f in fields(old):
        a, b = getattr(old, f.name), getattr(new, f.name)
        if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == n and len(b) == m:
            changes[f.name] = a + b
        elif isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            changes[f.name] = np.concatenate([a, b])
        elif isinstance(a, np.ndarray) and b is None and a.shape[:1] == (n,):
            changes[f.name] = np.concatenate([a, np.zeros(m)])
    return cast("Fleet", replace(old, **changes))


def _node(scenario: Scenario, name: str) -> int:
    ids = scenario.grid.nodes.id
    if name not in ids:
        raise ArchipelError(
            f"node {name}: found none of that id in {scenario.name}; expected one of nodes.csv, such as {_some(ids)}. "
            f"{did_you_mean(name, ids)}"
        )
    return ids.index(name)


def _some(ids: tuple[str, ...]) -> str:
    return ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "") if ids else "none: there is none"


def _split(text: str, numbers: int, option: str, expected: str) -> list[str]:
    parts = text.rsplit(":", numbers)
    if len(parts) != numbers + 1 or not all(parts):
        raise ArchipelError(f"{option} {text}: expected {expected}")
    return parts


def _above_zero(text: str, whole: str, unit: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0.0 < value < 1e9:
        raise ArchipelError(f"{whole}: found {text}; expected a number above 0 in {unit}")
    return value
