"""Who gets a new device next: an order over all customers, drawn by seed, the same for every strategy.

The first k of the order are the devices of penetration k, so more devices never means others. Sizes:

- PV: lognormal with median 7 kWp, a factor 1.6 for one standard deviation, 2 to 25 kWp; a modern inverter that can give
  its power at cos phi 0.9.
- EV chargers: 3.7, 11 or 22 kW with shares 25, 65 and 10 %; an evening lognormal around 8 kWh, arriving around 18:00,
  leaving around 07:00.
- Heat pumps: 5 to 12 kW of heat at -10 degrees, COP 3, electrical rating a third above; buffer and house 3 to 9 kWh/K.

A load at low voltage is one customer. A load at a higher voltage stands for a network below it: one customer for every
1.5 kW; the order takes them ten (or as many as is asked) at a time, and the vehicles of one place are alike, as behind
one hub. All numbers are ours, chosen as typical
of Central European homes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.devices import LoadFleet
from archipel.model import ArchipelError, Floats, Ints, Scenario
from archipel.strategies.hosting.question import Device

LOW_VOLTAGE_KV = 1.0
KW_PER_CUSTOMER = 1.5


@final
@dataclass(frozen=True, slots=True, eq=False)
class Newcomers:
    """New devices in the order in which they come; places of one or several customers, shape (n,) each."""

    device: Device
    node: Ints
    customers: Ints
    """Devices at a place; their sum is how many customers got one."""
    p_kw: Floats
    """Of all devices of the place: peak of the panels, rating of the chargers or heat pumps."""
    drawn: Floats
    """Numbers in [0, 1) for what else differs between devices, shape (n, together, 4); the first `customers` rows."""

    def __len__(self) -> int:
        return len(self.node)

    def first(self, k: int) -> Newcomers:
        """The first k of the order."""
        return Newcomers(self.device, self.node[:k], self.customers[:k], self.p_kw[:k], self.drawn[:k])


def draw(
    scenario: Scenario, device: Device, seed: int, per_customer: int = 1, cell: str = "", together: int = 10
) -> Newcomers:
    """The order of a seed; behind a load above 1 kV `together` customers come at once.

    Raises:
        ArchipelError: where there is no customer (no load), or no cell of that name.
    """
    node, count = _customers(scenario, cell)
    places = np.repeat(np.arange(len(node)), -(-count // together))
    within = np.concatenate([np.arange(0, n, together) for n in count.tolist()])
    size = np.minimum(together, count[places] - within)
    rng = np.random.default_rng([seed, {"pv": 1, "ev": 2, "heat-pump": 3}[device]])
    rounds = [rng.permutation(len(places)) for _ in range(per_customer)]
    order = np.concatenate(rounds)
    who, drawn = places[order], rng.random((len(order), together, 4))
    own = np.arange(together)[None, :] < size[order][:, None]
    if device == "ev":
        drawn = np.repeat(drawn[:, :1], together, axis=1)
    p_kw = np.where(own, rating_kw(device, drawn), 0.0).sum(axis=1)
    return Newcomers(device, node[who], size[order], p_kw, drawn)


def rating_kw(device: Device, drawn: Floats) -> Floats:
    """Size of one device from its drawn numbers [kW], shape as theirs without the last axis."""
    u = drawn[..., 0]
    if device == "pv":
        return np.round(lognormal(7.0, 1.6, u, drawn[..., 1], 2.0, 25.0), 1)
    if device == "ev":
        return np.select([u < 0.25, u < 0.90], [3.7, 11.0], 22.0)
    return np.round(heat_kw(drawn) / COP * 4.0 / 3.0, 2)


COP = 3.0


def heat_kw(drawn: Floats) -> Floats:
    """Heat demand of a home at its design temperature [kW]."""
    return 5.0 + 7.0 * drawn[..., 0]


def lognormal(median: float, factor: float, u: Floats, w: Floats, low: float, high: float) -> Floats:
    """Lognormal numbers from two uniform ones (Box and Muller 1958, doi:10.1214/aoms/1177706645), clipped."""
    normal = np.sqrt(-2.0 * np.log1p(-u)) * np.cos(2.0 * np.pi * w)
    return np.clip(median * factor**normal, low, high)


def _customers(scenario: Scenario, cell: str) -> tuple[Ints, Ints]:
    """Node and number of customers of every load."""
    loads = [fleet for fleet in scenario.fleets if isinstance(fleet, LoadFleet)]
    cells = scenario.archipelago
    if cell and cell not in {one.id for one in cells.cell}:
        raise ArchipelError(
            f"cell {cell}: found none of that name in {scenario.name}; expected one of "
            f"{', '.join(one.id for one in cells.cell[:20])}"
        )
    node = np.concatenate([np.zeros(0, dtype=np.int64), *(fleet.node for fleet in loads)])
    p_kw = np.concatenate([np.zeros(0), *(fleet.p_kw for fleet in loads)])
    kept = p_kw > 0.0
    if cell:
        kept &= cells.node_cell[node] == cells.index(cell)
    if not kept.any():
        raise ArchipelError(
            f"{scenario.name}{f', cell {cell}' if cell else ''}: found no load that draws power; expected customers "
            "to place new devices at"
        )
    node, p_kw = node[kept], p_kw[kept]
    low = scenario.grid.nodes.vn_kv[node] < LOW_VOLTAGE_KV
    count = np.where(low, 1, np.maximum(1, np.rint(p_kw / KW_PER_CUSTOMER))).astype(np.int64)
    return node.astype(np.int64), count
