"""An area as its seconds see it: every cell one forming and one following unit, at the node of its largest.

What has no converter is an admittance at its node, or a load of its own where it is to be switched. Ties of the area
are lines, or switches that a run opens and closes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast, final

import numpy as np

from archipel.devices import BatteryFleet, DeviceFleet
from archipel.grid.branch_model import BASE_KVA
from archipel.grid.dynamics import Following, Forming, Island, Load, Network, Store, Tie, droop, main_grid, reduced
from archipel.grid.dynamics.grid_codes import ISLAND_READY
from archipel.grid.topology import fused
from archipel.model import Floats, Grid, GridError, Ints, Scenario, StrategyResult
from archipel.model.kinds import RENEWABLE

STRONG_MVA = 10_000.0
"""Short-circuit power of a main grid that states none."""
SWITCH_X_PU = 1e-5
"""Of a closed switch, on the base of the network."""
MAIN = "main grid"
SWITCH = "switch to the main grid"
"""Ids of its unit, and of the tie to it."""
SPARE = 0.002
"""Of a battery's usable capacity: some 15 s at the rating of a battery of two hours."""
FOLLOWING = RENEWABLE


@final
@dataclass(frozen=True, slots=True, eq=False)
class State:
    """An area at one instant, by device and node; load convention."""

    p_kw: Floats
    q_kvar: Floats
    e_kwh: Floats
    """In batteries, shape (batteries,)."""
    v_pu: Floats
    """Of nodes; 0 where nothing is live."""


def last_state(result: StrategyResult, island: Scenario, battery: BatteryFleet) -> State:
    """At the end of a run of an area with this fleet of batteries."""
    p, q, soc, v = (x[:, -1].astype(np.float64) for x in (result.p_kw, result.q_kvar, result.soc, result.v_pu))
    return State(p, q, soc[np.array(island.device_kind) == "battery"] * battery.e_kwh, v)


@final
@dataclass(frozen=True, slots=True)
class Beyond:
    """A main grid beyond an open switch."""

    angle_deg: float
    """Against the area, at the start."""
    f_hz: float
    v_pu: float


@final
@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """What `simulate` needs, and who is who in it."""

    island: Island
    cells: tuple[str, ...]
    """Those with storage, in the order of `unit`."""
    unit: Ints
    """Rows of their forming units among the island's."""
    rating_kw: Floats
    e_kwh_max: Floats
    links: tuple[tuple[int, int], ...]
    """Which of them talk with each other."""

    def row(self, unit: str) -> int:
        """Of any unit."""
        return [each.id for each in self.island.units].index(unit)


def area(
    scenario: Scenario,
    now: State,
    battery: BatteryFleet,
    droop_share: float,
    *,
    main: Beyond | Literal["joined", "none"],
    switched: bool = False,
    critical: float = 0.4,
) -> Area:
    """The area at this state.

    Args:
        scenario: With or without main grid.
        now: Where it begins.
        battery: The fleet that forms the grid. A full battery does not take, an empty one does not give: their
            ratings count only the other way.
        droop_share: Of the forming units.
        main: The main grid as one of the units, or beyond an open tie called `SWITCH`, or not at all.
        switched: Ties of the area are ties of the run (all open, upper cell at a), and load stands in it by cell as
            `<cell>/critical`, `<cell>/rest 1` and so on, off; otherwise both are in the network.
        critical: Part of every load that comes first where load is switched.

    Raises:
        GridError: A tie that should be switched is no line.
    """
    grid, names = scenario.grid, [cell.id for cell in scenario.archipelago.cell]
    node, kind, cell = scenario.device_node, np.array(scenario.device_kind), scenario.device_cell
    forms, follows = kind == "battery", np.isin(kind, FOLLOWING)
    rated = np.zeros(len(node))
    rated[forms] = battery.p_kw_discharge
    rating = [_rating(cast("DeviceFleet", f)) for f in scenario.fleets if f.kind in FOLLOWING]
    rated[follows] = np.concatenate([np.zeros(0), *rating])
    places = _Places([grid.source.node], fused(grid))
    cut, ends = _cut(scenario) if switched else (grid, {})
    tie_ends = {name: (places.of(a), places.of(b)) for name, (a, b) in ends.items()}
    units: list[Forming | Following] = []
    loads: list[Load] = []
    apart = np.zeros(len(node), dtype=bool)  # devices that are units or loads, not part of the network
    for c, name in enumerate(names):
        for does in (forms, follows):
            rows = np.flatnonzero(does & (cell == c) & (rated > 0.0))
            if not len(rows):
                continue
            at = int(node[rows[np.argmax(rated[rows])]])
            apart[rows] = True
            p, q = float(now.p_kw[rows].sum()), float(now.q_kvar[rows].sum())
            if does is forms:
                units.append(_forming(name, places.of(at), battery, _own(forms, rows), now, p, q, at, droop_share))
            else:
                size = max(float(rated[rows].sum()), abs(complex(p, q)))
                sun = min(p, 0.0)
                units.append(Following(
                    id=f"{name}/following", terminal=places.of(at), rating_kva=size, p_kw=sun, q_kvar=q, p_kw_min=sun,
                    code=ISLAND_READY,
                ))  # fmt: skip
        rows = np.flatnonzero((cell == c) & ~forms & ~follows & (now.p_kw > 0.0))
        if switched and len(rows):
            apart[rows] = True
            at = int(node[rows[np.argmax(now.p_kw[rows])]])
            p, q = float(now.p_kw[rows].sum()), float(now.q_kvar[rows].sum())
            loads += [
                Load(id=f"{name}/{part}", terminal=places.of(at), p_kw=share * p, q_kvar=share * q, on=False)
                for part, share in _stages(critical)
            ]
    live = np.flatnonzero(now.v_pu > 0.0)
    drawn = np.stack([np.bincount(node, np.where(apart, 0.0, x), len(grid.nodes)) for x in (now.p_kw, now.q_kvar)])
    # turning all voltages behind a transformer by its vector group changes no power; units start at one angle
    flat = replace(cut.transformers, shift_degree=0.0 * cut.transformers.shift_degree)
    network = reduced(
        replace(cut, transformers=flat), live, np.array(places.nodes), drawn[0, live], drawn[1, live], now.v_pu[live]
    ).network
    ties = [_tie(grid, name, *at) for name, at in tie_ends.items()]
    if main != "none":
        sk_mva = grid.source.sk_mva if np.isfinite(grid.source.sk_mva) else STRONG_MVA
        if isinstance(main, Beyond):
            ties.append(Tie(id=SWITCH, a=0, b=network.terminals, x_pu=SWITCH_X_PU, closed=False))
            units.append(main_grid(
                MAIN, network.terminals, 1e3 * sk_mva, v_pu=main.v_pu, f_hz=main.f_hz, angle_deg=main.angle_deg,
            ))  # fmt: skip
            network = Network(np.pad(network.y_pu, (0, 1)))
        else:
            units.append(main_grid(MAIN, 0, 1e3 * sk_mva, v_pu=grid.source.v_pu))
    island = Island(network, tuple(units), tuple(loads), f_hz=grid.f_hz, ties=tuple(ties))
    forming = [(row, u) for row, u in enumerate(units) if isinstance(u, Forming) and u.store is not None]
    cells = tuple(u.id.removesuffix("/forming") for _, u in forming)
    return Area(
        island, cells, np.array([row for row, _ in forming]), np.array([u.rating_kva for _, u in forming]),
        np.array([u.store.e_kwh_max for _, u in forming if u.store]), _links(scenario, cells),
    )  # fmt: skip


STAGES = 3
"""In how many steps what is not critical comes back."""


def _stages(critical: float) -> list[tuple[str, float]]:
    rest = [(f"rest {k + 1}", (1.0 - critical) / STAGES) for k in range(STAGES)]
    return [(name, share) for name, share in [("critical", critical), *rest] if share > 0.0]


def _own(which: np.ndarray, rows: Ints) -> Ints:
    """Rows among the devices of one kind."""
    return np.asarray(np.searchsorted(np.flatnonzero(which), rows))


def _forming(
    name: str, terminal: int, battery: BatteryFleet, own: Ints, now: State, p: float, q: float, at: int, share: float
) -> Forming:
    size, most = battery.p_kw_discharge[own], battery.e_kwh[own]
    e = np.clip(now.e_kwh[own], 0.0, most)  # a state of charge may come from a record in single precision
    give = float(size[e > 0.0].sum())
    take = float(battery.p_kw_charge[own][e < most].sum())
    efficiency = float(np.sqrt(battery.efficiency_charge[own] * battery.efficiency_discharge[own]).mean())
    return droop(
        f"{name}/forming", terminal, float(size.sum()), droop=share, p_kw=float(np.clip(p, -give, take)), q_kvar=q,
        v_pu=float(now.v_pu[at]) or 1.0, p_kw_min=-give, p_kw_max=take,
        store=Store(e_kwh=float(e.sum()), e_kwh_max=float(most.sum()), efficiency=efficiency, spare=SPARE),
    )  # fmt: skip


def _rating(fleet: DeviceFleet) -> Floats:
    found = getattr(fleet, "s_kva", None)
    return cast("Floats", fleet.p_kw_max if found is None else found)  # type: ignore[attr-defined]


@final
class _Places:
    """Terminals: one for every electrical point that is asked for."""

    def __init__(self, nodes: list[int], point: Ints) -> None:
        self.nodes, self._point = nodes, point

    def of(self, node: int) -> int:
        """The terminal at a node, new where there is none."""
        for place, known in enumerate(self.nodes):
            if self._point[known] == self._point[node]:
                return place
        self.nodes.append(node)
        return len(self.nodes) - 1


def _cut(scenario: Scenario) -> tuple[Grid, dict[str, tuple[int, int]]]:
    """The grid without the lines that are ties, and the nodes these join."""
    grid = scenario.grid
    ends: dict[str, tuple[int, int]] = {}
    shut = np.ones(len(grid.lines), dtype=np.bool_)
    for tie in scenario.archipelago.tie:
        if tie.id not in grid.lines.id:
            raise GridError(
                f"{tie.id}: a tie between {tie.upper} and {tie.lower} that is no line; only lines are switched"
            )
        row = grid.lines.id.index(tie.id)
        shut[row] = False
        ends[tie.id] = tie.upper_node, tie.lower_node
    lines = replace(grid.lines, from_closed=grid.lines.from_closed & shut, to_closed=grid.lines.to_closed & shut)
    return replace(grid, lines=lines), ends


def _tie(grid: Grid, name: str, a: int, b: int) -> Tie:
    row = grid.lines.id.index(name)
    z_base = float(grid.nodes.vn_kv[grid.lines.from_node[row]]) ** 2 / (BASE_KVA / 1e3)
    b_pu = 2e-9 * np.pi * grid.f_hz * float(grid.lines.c_nf[row]) * z_base
    return Tie(
        id=name, a=a, b=b, r_pu=float(grid.lines.r_ohm[row]) / z_base, x_pu=float(grid.lines.x_ohm[row]) / z_base,
        b_pu=b_pu, closed=False,
    )  # fmt: skip


def _links(scenario: Scenario, cells: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Cells talk over their ties, open or closed; those that hang on one busbar of a cell above, with each other."""
    pairs: set[tuple[int, int]] = set()
    at_busbar: dict[int, list[str]] = {}
    for tie in scenario.archipelago.tie:
        at_busbar.setdefault(tie.upper_node, []).append(tie.lower)
        at_busbar[tie.upper_node].append(tie.upper)
        pairs |= _known(cells, [tie.upper, tie.lower])
    for names in at_busbar.values():
        pairs |= _known(cells, names)
    return tuple(sorted(pairs))


def _known(cells: tuple[str, ...], names: list[str]) -> set[tuple[int, int]]:
    rows = sorted({cells.index(name) for name in names if name in cells})
    return {(a, b) for i, a in enumerate(rows) for b in rows[i + 1 :]}
