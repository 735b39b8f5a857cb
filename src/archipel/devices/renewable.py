"""What photovoltaics and other renewable generators have in common: power from a profile that may be cut."""

from __future__ import annotations

import numpy as np

from archipel.devices.shared import profile_means, row_names, with_room
from archipel.model import Floats, Horizon, Ints
from archipel.model.weather import Weather
from archipel.optimisation.columns import Columns, tiny_quad

CURTAILING_EUR_PER_KWH = 2e-4
"""What cutting renewable power costs in a plan: above the curvature of `tiny_quad`, below any price, so that at a
price of zero the power is taken."""

INSIDE_KW, INSIDE_SHARE = 1e-3, 5e-5
"""A plan that cuts less than this cuts nothing: an interior point stops a little inside its bounds, measured 0.3 W at
usual prices. Taking that for a cut lost 2.5 MWh on a January day of `district` whose sun was not forecast."""


def available_means(weather: Weather, horizon: Horizon, profile: Ints, p_kw: Floats, s_kva: Floats) -> Floats:
    """Power on offer in every interval, shape (n, T), non-negative, at most the inverter's rating."""
    offered = p_kw[:, None] * profile_means(weather, horizon, profile)
    return np.asarray(np.clip(offered, 0.0, s_kva[:, None]))


def curtailment_columns(
    ids: tuple[str, ...], node: Ints, rows: Ints, available_kw: Floats, horizon: Horizon
) -> tuple[Columns, Ints]:
    """One control per device: the power drawn, between minus what is available and zero.

    Devices without power in the whole horizon get no column; `available_kw` has shape (rows, T). Returns the
    columns and for every row its column (-1 for none).
    """
    alive = np.flatnonzero(available_kw.max(axis=1, initial=0.0) > 0)
    column_of = np.full(len(rows), -1, dtype=np.int64)
    column_of[alive] = np.arange(len(alive))
    hi = np.zeros((len(alive), 1, len(horizon)))
    lo, hi = with_room(-available_kw[alive][:, None], hi)
    columns = Columns(
        device=row_names(ids, rows[alive]),
        node=node[rows[alive]],
        p=np.ones((len(alive), 1)),
        q=np.zeros((len(alive), 1)),
        lo=lo,
        hi=hi,
        cost=np.broadcast_to(CURTAILING_EUR_PER_KWH * horizon.dt_h, lo.shape),
        quad=tiny_quad(hi, lo, horizon.dt_h),
    )
    return columns, column_of


def released(u_kw: Floats, lo_kw: Floats, rating_kw: Floats) -> Floats:
    """Setpoints of a curtailment control: a limit where the plan cuts power, the rating where it cuts nothing.

    An order of exactly the forecast power would throw away whatever the sun gives above the forecast.
    """
    return np.where(u_kw - lo_kw <= INSIDE_SHARE * np.abs(lo_kw) + INSIDE_KW, -rating_kw, u_kw)
