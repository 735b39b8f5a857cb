"""What a strategy's devices drew and gave, summed by cell and by what it was for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from archipel.market.tariff import SETTLEMENT_H, metered_into_lower, own_net_import, settled
from archipel.model import Floats, Ints, Scenario, StrategyResult
from archipel.model.kinds import END_USE, GIVES_BACK, NET_USE, RENEWABLE

__all__ = ["END_USE", "RENEWABLE", "Tally", "charged_use", "day_ahead", "tally"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """15-minute means by cell [kW], shape (cells, Q) each; Q intervals from `time[0]`; only `own` may be negative."""

    time: NDArray[np.datetime64]
    load: Floats
    vehicles: Floats
    heat: Floats
    charging: Floats
    discharging: Floats
    renewable: Floats
    """Delivered by PV and renewable generators."""
    available: Floats
    """What they could have delivered."""
    own: Floats
    """Own net import: power from outside the cell for its devices and its network, without its child cells. What a soft
    open point brings is import, what it takes is none."""
    upstream: Floats
    """Power drawn from the upstream grid, shape (Q,)."""
    losses: Floats
    """Losses in all branches and soft open points, shape (Q,)."""
    price_eur_per_kwh: Floats
    """Day-ahead price, shape (Q,)."""
    lv_end_use_kwh: float
    """Energy for end use drawn at nodes below 1 kV; of vehicles that give back the difference."""

    @property
    def end_use(self) -> Floats:
        """Load, vehicles and heat of every cell."""
        return self.load + self.vehicles + self.heat

    @property
    def day(self) -> NDArray[np.int64]:
        """Number of the UTC day of every interval."""
        return self.time.astype("datetime64[D]").astype(np.int64)


def tally(scenario: Scenario, result: StrategyResult) -> Tally:
    """Sum up one strategy's devices by cell, on settlement intervals of 15 minutes."""
    kind = np.array(scenario.device_kind)
    cells = len(scenario.archipelago.cell)
    cell = scenario.device_cell
    dt_h = result.dt_h

    def by_cell(rows: NDArray[np.bool_], power: NDArray[np.float32], sign: float) -> Floats:
        return settled(_by_cell(cells, cell, rows, np.maximum(sign * power, 0.0)), dt_h)

    per = round(SETTLEMENT_H / dt_h)
    time = result.time[::per]
    use = {
        name: by_cell(np.isin(kind, [k for k, v in END_USE.items() if v == name]), result.p_kw, 1.0)
        for name in ("load", "vehicles", "heat")
    }
    renewable = np.isin(kind, RENEWABLE)
    upstream = settled(result.upstream_p_kw, dt_h)
    into_lower = settled(metered_into_lower(scenario.archipelago, result.tie_p_kw), dt_h)
    ends = settled(_by_cell(cells, cell, kind == "soft_open_point", result.p_kw), dt_h)
    at_lv = np.isin(kind, list(END_USE)) & (scenario.grid.nodes.vn_kv[scenario.device_node] < 1.0)
    return Tally(
        time=time,
        **use,
        charging=by_cell(kind == "battery", result.p_kw, 1.0),
        discharging=by_cell(np.isin(kind, GIVES_BACK), result.p_kw, -1.0),
        renewable=by_cell(renewable, result.p_kw, -1.0),
        available=by_cell(renewable, result.available_kw, 1.0),
        own=own_net_import(scenario.archipelago, into_lower, upstream) - ends,
        upstream=upstream,
        losses=settled(result.losses_kw, dt_h) + ends.sum(axis=0),
        price_eur_per_kwh=day_ahead(scenario, time),
        lv_end_use_kwh=float(charged_use(kind[at_lv], result.p_kw[at_lv]).sum(dtype=np.float64)) * dt_h,
    )


def charged_use(kind: NDArray[np.str_], p_kw: NDArray[Any]) -> NDArray[Any]:
    """Power that the fee on end use is due for, (devices, S): what is drawn; of `NET_USE` less what is given back."""
    return np.where(np.isin(kind, NET_USE)[:, None], p_kw, np.maximum(p_kw, 0.0))


def _by_cell(cells: int, cell: Ints, rows: NDArray[np.bool_], power: NDArray[np.float32]) -> Floats:
    """Sums over the chosen devices of every cell (cells, steps) of power (devices, steps)."""
    chosen = np.flatnonzero(rows)
    if not len(chosen):
        return np.zeros((cells, power.shape[1]))
    sums = sparse.csr_array((np.ones(len(chosen)), (cell[chosen], np.arange(len(chosen)))), (cells, len(chosen)))
    return np.asarray(sums @ power[chosen].astype(np.float64))


def day_ahead(scenario: Scenario, time: NDArray[np.datetime64]) -> Floats:
    """Day-ahead price of the quarter hours that hold `time` [EUR/kWh]; outside the series a week is repeated."""
    if not len(time):
        return np.zeros(0)
    start = np.datetime64(scenario.profiles.start.replace(tzinfo=None), "s")
    row = (time.astype("datetime64[s]") - start).astype(np.int64) // 900
    week, n = 7 * 96, len(scenario.price)
    row = np.where(row >= n, row - week * -((n - 1 - row) // week), row)
    row = np.where(row < 0, row + week * -(row // week), row)
    return np.asarray(scenario.price[np.clip(row, 0, n - 1)], dtype=np.float64)
