"""What a day costs under a tariff: network fees, peak charge, wear, and the value of what stays in the batteries.

Pure functions of metered powers; no strategy is known here, so every strategy pays by the same rules. Powers
are means of intervals of `dt_h` hours in load convention (positive is drawn, at a boundary positive flows in).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.model import Archipelago, Delivery, Floats, Tariff

SETTLEMENT_H = 0.25
"""Length of a settlement interval [h]: fees and peaks are taken on 15-minute means."""


@final
@dataclass(frozen=True, slots=True)
class Bill:
    """The cost of a run of one strategy, part by part [EUR]; negative parts are earnings."""

    energy_eur: float
    """Energy bought minus sold at the upstream connection, at the day-ahead price."""
    hv_fee_eur: float
    mv_fee_eur: float
    lv_fee_eur: float
    peak_eur: float
    wear_eur: float
    unserved_eur: float
    stored_eur: float
    """Value of the energy that was in the batteries before and no longer is (negative when there is more)."""
    reserve_eur: float = 0.0
    """What the bulk grid pays for reserve kept and called (negative: it does)."""

    @property
    def total_eur(self) -> float:
        """What `cost_eur` of the results table says."""
        return float(sum(asdict(self).values()))


def settled(power_kw: Floats, dt_h: float) -> Floats:
    """15-minute means of a series of shape (..., S); a last incomplete interval is the mean of what there is.

    Raises:
        ValueError: `dt_h` does not divide a quarter of an hour and is not a quarter of an hour.
    """
    per = round(SETTLEMENT_H / dt_h)
    if per < 1 or abs(per * dt_h - SETTLEMENT_H) > 1e-9:
        raise ValueError(f"steps of {dt_h * 60:g} min do not fill 15 minutes; use 15, 5, 3 or 1 min")
    steps = power_kw.shape[-1]
    if per == 1 or steps == 0:
        return np.asarray(power_kw, dtype=np.float64)
    first = np.arange(0, steps, per)
    count = np.diff(np.append(first, steps))
    return np.asarray(np.add.reduceat(power_kw, first, axis=-1) / count, dtype=np.float64)


def own_net_import(archipelago: Archipelago, into_lower_kw: Floats, upstream_kw: Floats) -> Floats:
    """What the devices and the network of every cell draw from outside the cell, without its child cells [kW].

    A cell's own net import is what flows in over its ties towards the source minus what it passes on to the
    cells below. The root's inflow is the upstream connection. Because every tie is counted once in and once
    out, the sum over all cells is the upstream exchange, exactly.

    Args:
        archipelago: Cells and ties.
        into_lower_kw: Power into the lower cell at the metered end of every tie, shape (ties, S).
        upstream_kw: Power drawn from the upstream grid, shape (S,).

    Returns:
        Shape (cells, S).
    """
    row = {cell.id: i for i, cell in enumerate(archipelago.cell)}
    own = np.zeros((len(archipelago.cell), len(upstream_kw)))
    own[0] = upstream_kw
    if archipelago.tie:
        flow = np.nan_to_num(into_lower_kw)
        np.add.at(own, [row[tie.lower] for tie in archipelago.tie], flow)
        np.subtract.at(own, [row[tie.upper] for tie in archipelago.tie], flow)
    return own


def metered_into_lower(archipelago: Archipelago, tie_p_kw: Floats) -> Floats:
    """Power into the lower cell at the end the scenario names `metered_at` [kW], shape (ties, S).

    `tie_p_kw` has shape (ties, 2, S): end 0 positive into the upper cell, end 1 positive into the lower.
    """
    upper = np.array([tie.metered_at == "upper" for tie in archipelago.tie], dtype=bool)
    return np.asarray(np.where(upper[:, None], -tie_p_kw[:, 0], tie_p_kw[:, 1]), dtype=np.float64)


def peak_charge(import_kw: Floats, day: NDArray[np.int64], tariff: Tariff) -> float:
    """Charge on the highest 15-minute import of every UTC day [EUR].

    `import_kw` holds non-negative 15-minute means, `day` the number of the UTC day of each, both of shape (Q,).
    """
    return float(sum(import_kw[day == d].max() for d in np.unique(day))) * tariff.peak_eur_per_kw_day


def bill(
    tariff: Tariff,
    *,
    price_eur_per_kwh: Floats,
    upstream_kw: Floats,
    own_import_kw: Floats,
    day: NDArray[np.int64],
    lv_end_use_kwh: float,
    wear_eur: float,
    unserved_kwh: float,
    drained_kwh: float,
    discharge_efficiency: float,
    owed_kwh: float = 0.0,
    reserve_eur: float = 0.0,
) -> Bill:
    """The bill of one strategy.

    Args:
        tariff: Fees and charges.
        price_eur_per_kwh: Day-ahead price of every 15-minute interval, shape (Q,).
        upstream_kw: Power drawn upstream, shape (Q,).
        own_import_kw: Own net import of every cell (`own_net_import`), shape (cells, Q).
        day: Number of the UTC day of every interval, shape (Q,).
        lv_end_use_kwh: Energy drawn at low voltage by loads, vehicles (less what they give back) and heat pumps; not by
            batteries.
        wear_eur: Wear of the batteries.
        unserved_kwh: Load shed.
        drained_kwh: Energy in all batteries before minus after.
        discharge_efficiency: Share of stored energy that reaches the terminals, 0..1.
        owed_kwh: Energy that vehicles still plugged in want after the end: it will be bought at the mean price and
            all fees, so that nobody gains by charging after the last step.
        reserve_eur: What portfolios were paid for reserve, see `reserve_income_eur`.
    """
    taken_kw = np.maximum(upstream_kw, 0.0)
    mean_price = float(price_eur_per_kwh.mean()) if len(price_eur_per_kwh) else 0.0
    return Bill(
        energy_eur=float(price_eur_per_kwh @ upstream_kw) * SETTLEMENT_H,
        hv_fee_eur=float(taken_kw.sum()) * SETTLEMENT_H * tariff.hv_fee_eur_per_kwh,
        mv_fee_eur=float(np.maximum(own_import_kw, 0.0).sum()) * SETTLEMENT_H * tariff.mv_fee_eur_per_kwh,
        lv_fee_eur=lv_end_use_kwh * tariff.lv_fee_eur_per_kwh,
        peak_eur=peak_charge(taken_kw, day, tariff),
        wear_eur=wear_eur,
        unserved_eur=unserved_kwh * tariff.voll_eur_per_kwh,
        stored_eur=drained_kwh * discharge_efficiency * mean_price + owed_eur(tariff, price_eur_per_kwh, owed_kwh),
        reserve_eur=-reserve_eur,
    )


def owed_eur(tariff: Tariff, price_eur_per_kwh: Floats, owed_kwh: float) -> float:
    """Worth of what vehicles still want after a run [EUR]: the mean price of the run and all fees."""
    mean_price = float(price_eur_per_kwh.mean()) if len(price_eur_per_kwh) else 0.0
    fees = tariff.hv_fee_eur_per_kwh + tariff.mv_fee_eur_per_kwh + tariff.lv_fee_eur_per_kwh
    return owed_kwh * (mean_price + fees)


def reserve_income_eur(delivery: Delivery) -> float:
    """What a portfolio is paid for reserve [EUR]: for power kept, and for called energy what differs from the day-ahead
    price, at which the area's exchange is paid already.
    """
    d = delivery
    kept = (
        d.fcr_price_eur_per_kw_h * d.fcr_kw.sum(axis=0)
        + d.afrr_up_price_eur_per_kw_h * d.afrr_up_kw.sum(axis=0)
        + d.afrr_down_price_eur_per_kw_h * d.afrr_down_kw.sum(axis=0)
    )
    called = (d.price_eur_per_kwh - d.afrr_energy_price_eur_per_kwh) * d.afrr_energy_kw.sum(axis=0)
    return float((kept + called).sum()) * SETTLEMENT_H
