"""Several devices behind one connection point: splitting its envelope, so that devices need not talk to each other.

Every device gets limits of its own, and the sums over the devices of a point are at most the point's limits. Nothing is
netted: what one draws is no room for another to give, for it may stop.

    proportional   by rating; what a device can not use goes to the others
    priority       who comes first takes what it wants, the rest goes to the next
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast, final

import numpy as np

from archipel.model import Floats, Ints, Scenario
from archipel.vpp.envelope import Envelopes
from archipel.vpp.envelope_points import ratings

Splitting = Literal["proportional", "priority"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Devices:
    """Flexible devices behind connection points, n of them."""

    id: tuple[str, ...]
    point: Ints
    """Row of each device's point."""
    import_kw_max: Floats
    export_kw_max: Floats
    """Ratings, or what a device wants at the most, shape (n,) or (n, T)."""
    priority: Ints
    """For `priority`: the lowest number comes first; equal numbers share by rating."""
    row: Ints
    """Number of each device in `Scenario.device_id`."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class DeviceLimits:
    """Limits of every device in every interval [kW], non-negative, shape (n, T)."""

    import_kw: Floats
    export_kw: Floats


def devices_behind(scenario: Scenario, envelopes: Envelopes, first: tuple[str, ...] = ()) -> Devices:
    """The flexible devices of a scenario behind the points of its envelopes; `first` names kinds by priority.

    Kinds that are not named come last, all alike.
    """
    place = {int(node): i for i, node in enumerate(envelopes.points.node)}
    ids: list[str] = []
    point: list[int] = []
    most: list[Floats] = []
    priority: list[int] = []
    row: list[int] = []
    offset = 0
    for fleet in scenario.fleets:
        n = len(cast("Any", fleet).id)
        if fleet.kind != "load":
            ids += fleet.id
            point += [place[int(node)] for node in fleet.node]
            most.append(np.stack(ratings(fleet)))
            priority += [first.index(fleet.kind) if fleet.kind in first else len(first)] * n
            row += range(offset, offset + n)
        offset += n
    both = np.concatenate(most, axis=1) if most else np.zeros((2, 0))
    whole = np.int64
    return Devices(
        tuple(ids), np.array(point, dtype=whole), both[0], both[1], np.array(priority, dtype=whole),
        np.array(row, dtype=whole),
    )  # fmt: skip


def split(envelopes: Envelopes, devices: Devices, how: Splitting = "proportional") -> DeviceLimits:
    """Limits of the devices, whose sums at every point are at most the point's.

    Raises ValueError for a device at a point that is not there, a negative rating, or an unknown way of splitting.
    """
    n = len(envelopes.points)
    if len(devices.point) and (devices.point.min() < 0 or devices.point.max() >= n):
        bad = int(np.flatnonzero((devices.point < 0) | (devices.point >= n))[0])
        raise ValueError(
            f"device {devices.id[bad]}: found point {devices.point[bad]}; expected a row of the {n} points"
        )
    if how not in ("proportional", "priority"):
        raise ValueError(f"found the way of splitting {how!r}; expected proportional or priority")
    out = []
    for limit, most in ((envelopes.import_kw, devices.import_kw_max), (envelopes.export_kw, devices.export_kw_max)):
        if (most < 0.0).any():
            bad = int(np.argwhere(most < 0.0)[0][0])
            raise ValueError(f"device {devices.id[bad]}: found a rating below zero; expected a size, at least 0 kW")
        out.append(_split(limit, np.broadcast_to(most.T, (limit.shape[1], len(devices.id))).T, devices, how))
    return DeviceLimits(*out)


def on_devices(
    scenario: Scenario, envelopes: Envelopes, how: Splitting = "proportional", first: tuple[str, ...] = ()
) -> DeviceLimits:
    """Limits of all devices in the order of `Scenario.device_id`, shape (devices, T); infinite for plain load."""
    devices = devices_behind(scenario, envelopes, first)
    limits = split(envelopes, devices, how)
    out = np.full((2, len(scenario.device_id), envelopes.intervals), np.inf)
    out[:, devices.row] = np.stack([limits.import_kw, limits.export_kw])
    return DeviceLimits(*out)


def _split(limit: Floats, most: Floats, devices: Devices, how: Splitting) -> Floats:
    left = limit.copy()
    given = np.zeros(most.shape)
    ranks = np.unique(devices.priority) if how == "priority" else np.zeros(1, dtype=np.int64)
    for rank in ranks:
        now = devices.priority == rank if how == "priority" else np.ones(len(devices.id), dtype=bool)
        wanted = np.zeros_like(left)
        np.add.at(wanted, devices.point[now], most[now])
        part = np.minimum(np.divide(left, wanted, out=np.zeros_like(left), where=wanted > 0.0), 1.0)
        given[now] = most[now] * part[devices.point[now]]
        left = np.maximum(left - wanted * part, 0.0)
    return given
