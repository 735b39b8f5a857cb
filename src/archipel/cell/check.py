"""What the true AC state of a cell says about its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.cell.linear import Memory
from archipel.cell.site import Site
from archipel.grid.cell_network import CellFlow
from archipel.model import Floats
from archipel.optimisation.block import Block


@final
@dataclass(frozen=True, slots=True)
class Excess:
    """How far a state is beyond the source's own limits; negative: room left."""

    v_pu: float
    loading: float
    connection: float
    """Share of the firm limit at the upstream connection."""

    def array(self) -> Floats:
        """As numbers in this order."""
        return np.array([self.v_pu, self.loading, self.connection])


def excess(site: Site, flow: CellFlow, memory: Memory) -> Excess:
    """Compare a state with the limits; what is beyond them, margins included, is remembered as worth watching."""
    v = np.abs(flow.v)
    live = v[:, 0] > 0.0
    high = np.where(live, v.max(axis=1) - site.v_pu_max, -np.inf)
    low = np.where(live, site.v_pu_min - v.min(axis=1), -np.inf)
    load = flow.loading.max(axis=1) - 1.0 if len(flow.loading) else np.zeros(0)
    v_live = np.where(live[:, None], v, np.nan)
    _remember(memory.high, v_live - site.v_pu_max[:, None], -site.margin_v_pu)
    _remember(memory.low, site.v_pu_min[:, None] - v_live, -site.margin_v_pu)
    _remember(memory.branch, flow.loading - 1.0, -site.margin_loading)
    connection = -1.0
    if site.connection is not None:
        connection = max(
            float(flow.p_b_kw.max()) / site.connection.import_kw_max - 1.0,
            float(-flow.p_b_kw.min()) / site.connection.export_kw_max - 1.0,
        )
    worst_v = max(float(high.max(initial=-1.0)), float(low.max(initial=-1.0)))
    return Excess(worst_v, float(load.max(initial=-1.0)), connection)


def _remember(known: set[int], beyond: Floats, from_: float) -> None:
    """Add what is furthest beyond in some interval: a few of the many that rise and fall together."""
    if beyond.size:
        worst = np.where(np.isnan(beyond), -np.inf, beyond)
        row = np.argmax(worst, axis=0)
        known.update(row[worst[row, np.arange(worst.shape[1])] > from_].tolist())


def what_gave(block: Block, y_hinge: Floats, e: Floats) -> list[str]:
    """Limits a schedule does not keep, in words: which, by how much, at what price."""
    said = []
    beyond = y_hinge - block.hinges.bound
    for r in np.flatnonzero(beyond > 1e-3):
        name, thing = block.hinges.label[r]
        if name.startswith("fee") or name == "peak":
            continue
        said.append(f"{name} {thing}: {beyond[r] * block.hinges.scale[r]:.4g} beyond".replace("  ", " "))
    missing = np.maximum(block.store_lo - e, 0.0).max(axis=1, initial=0.0)
    names = {int(k): n for n, k in reversed(list(enumerate(block.store_of.tolist())))}
    for k in np.flatnonzero(missing > 1e-2):
        group, column, _ = block.where[names[int(k)]]
        device = block.columns[group].device[column]
        said.append(f"energy of {device}: {missing[k]:.3g} missing at {block.store_price[k, 0]:.3g} EUR per unit")
    return said
