"""What a cell's plan says of the cell, as sums that may be told: for the record of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.cell.site import Duty, Site
from archipel.controller.absent import interval_before
from archipel.controller.agreeing import Agreed
from archipel.controller.controller import CellController
from archipel.devices.shared import MIN_ROOM_KW
from archipel.model import BELIEVED, Floats, Horizon
from archipel.model.kinds import END_USE, NET_USE, NO_OFFER, RENEWABLE
from archipel.optimisation.block import Block
from archipel.optimisation.columns import Columns

USE = {kind: f"{use}_kw" for kind, use in END_USE.items()}
LEFT_OUT = "did not answer while the plan was made; taken for what was last agreed with it"
FAILED = "the plan came to nothing; what was agreed before holds"
NO_ANSWER = "did not answer, and the plan came to nothing; what was agreed before holds"


@final
@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a cell took one neighbour for."""

    neighbour: str
    state: str
    why: str
    p_kw: Floats
    """Into the lower of both, (T,)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class CellBelief:
    """One cell's part of `archipel.model.Believed`."""

    value: NDArray[np.float32] | None
    """(len(BELIEVED), T); None where the plan came to nothing."""
    seen: tuple[Seen, ...]


def belief(controller: CellController, horizon: Horizon) -> CellBelief | None:
    """What the cell believes after the plan for `horizon`; None when it never agreed on anything."""
    agreed = controller.agreed
    if agreed is None:
        return None
    site, failed = controller.site, bool(controller.silent)
    seen = []
    for neighbour in (site.parent, *site.children) if site.parent else site.children:
        if failed:
            silent = neighbour == controller.silent
            at = interval_before(agreed.duty.horizon, horizon)
            held = _held(agreed, site, neighbour)
            p_kw = np.full(len(horizon), np.nan) if held is None else held[at]
            seen.append(Seen(neighbour, "silent" if silent else "stale", NO_ANSWER if silent else FAILED, p_kw))
        elif (held := _held(agreed, site, neighbour)) is not None:
            seen.append(Seen(neighbour, "agreed", "", held))
        else:
            seen.append(Seen(neighbour, "silent", LEFT_OUT, controller.taken_for(neighbour, horizon)))
    if failed:
        return CellBelief(None, tuple(seen))
    whole = len(agreed.children) == len(site.children)
    own = agreed.boundary[0] - agreed.child_boundary[:, 0].sum(axis=0) if whole else None
    value = sums(site, agreed.duty, agreed.block, agreed.u, own)
    for name, known in (
        ("p_kw", agreed.boundary[0]),
        ("price_eur_per_kwh", agreed.price[0]),
        ("v_pu", agreed.v_pu),
    ):
        value[BELIEVED.index(name)] = known
    return CellBelief(value, tuple(seen))


def _held(agreed: Agreed, site: Site, neighbour: str) -> Floats | None:
    """What is agreed with a neighbour (T,); None where it took no part."""
    if neighbour == site.parent:
        return np.asarray(agreed.boundary[0])
    if neighbour not in agreed.children:
        return None
    return np.asarray(agreed.child_boundary[agreed.children.index(neighbour), 0])


def sums(site: Site, what: Duty, block: Block, u: Floats, own_kw: Floats | None) -> NDArray[np.float32]:
    """Columns of `BELIEVED` that follow from controls `u` (N, T): (len(BELIEVED), T), the others NaN.

    `own_kw` (T,) is the net import of the cell without its child cells.
    """
    t_count = len(what.horizon)
    out = {name: np.zeros(t_count) for name in BELIEVED[:7]}
    stored = np.zeros(t_count)
    soft = np.zeros(t_count)
    for fleet, plan, chosen in zip(site.fleets, what.plans, block.by_columns(u), strict=False):
        columns = plan.columns
        if fleet.kind == "battery":
            net = np.einsum("kj,kjt->kt", columns.p, chosen)
            out["charging_kw"] += np.maximum(net, 0.0).sum(axis=0)
            out["discharging_kw"] += np.maximum(-net, 0.0).sum(axis=0)
            stored += _mean_store(columns, chosen, what.horizon)
            continue
        if fleet.kind in NET_USE:
            net = np.einsum("kj,kjt->kt", columns.p, chosen)
            out[USE[fleet.kind]] += np.maximum(net, 0.0).sum(axis=0)
            out["discharging_kw"] += np.maximum(-net, 0.0).sum(axis=0)
            continue
        drawn = plan.base_p_kw.sum(axis=0) + np.einsum("kj,kjt->t", columns.p, chosen)
        if fleet.kind in RENEWABLE:
            most = np.minimum(columns.p[..., None] * columns.lo, columns.p[..., None] * columns.hi)
            most = np.where(most < -1.001 * MIN_ROOM_KW, most, 0.0)  # room that a control only has to have some
            out["renewable_kw"] -= drawn
            # what comes from a stock is no offer: as in the table `cells`, what it gives
            out["available_kw"] -= (
                drawn if fleet.kind in NO_OFFER else plan.base_p_kw.sum(axis=0) + most.sum(axis=(0, 1))
            )
        elif fleet.kind in USE:
            out[USE[fleet.kind]] += drawn
        elif fleet.kind == "soft_open_point":
            soft += drawn
    value = np.full((len(BELIEVED), t_count), np.nan, np.float32)
    for name, series in out.items():
        value[BELIEVED.index(name)] = series
    value[BELIEVED.index("stored_kwh")] = stored
    if own_kw is not None:
        value[BELIEVED.index("own_kw")] = own_kw - soft
    return value


def _mean_store(columns: Columns, u: Floats, horizon: Horizon) -> Floats:
    """Mean over every interval of what stores hold at the end of its quarter hours (T,), along a straight line."""
    if columns.store is None:
        return np.zeros(len(horizon))
    after = columns.store_of(u).sum(axis=0)
    before = np.concatenate([[columns.store.start.sum()], after[:-1]])
    return np.asarray(before + (after - before) * (horizon.steps + 1) / (2 * horizon.steps))
