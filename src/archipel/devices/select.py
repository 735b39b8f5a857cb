"""A cell's own devices out of a fleet, so that a controller holds nothing of anybody else."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, final

import numpy as np

from archipel.devices.base import DeviceFleet, State
from archipel.devices.ev_charger import EvChargerFleet
from archipel.devices.v2g import V2gFleet
from archipel.model import Floats, Ints


@final
@dataclass(frozen=True, slots=True, eq=False)
class OwnDevices:
    """Some devices of a fleet as a fleet of their own."""

    fleet: DeviceFleet
    rows: Ints
    """Their rows in the whole fleet."""
    session_shift: Floats | None = None
    """Chargers count sessions through their fleet; this is the difference of the two counts, shape (n,)."""

    def state_of(self, whole: State) -> State:
        """Their part of the whole fleet's state."""
        own = {name: value[self.rows] for name, value in whole.items()}
        if self.session_shift is not None:
            own["session"] = own["session"] - self.session_shift
        return own

    def into(self, whole: State, own: State) -> State:
        """The whole fleet's state with these devices as they are in `own`: what `state_of` took apart."""
        out = {}
        for name, value in whole.items():
            out[name] = value.copy()
            out[name][self.rows] = own[name]
        if self.session_shift is not None:
            out["session"][self.rows] += self.session_shift
        return out


def select(fleet: Any, rows: Ints) -> OwnDevices:
    """The devices `rows` of a fleet, in rising order."""
    rows = np.sort(rows)
    if isinstance(fleet, EvChargerFleet | V2gFleet):
        return _chargers(fleet, rows)
    return OwnDevices(replace(fleet, **_own(fleet, rows, {f.name for f in fields(fleet)})), rows)


def _own(fleet: Any, rows: Ints, names: set[str]) -> dict[str, Any]:
    """The fields of those names that have one row per device, cut down to `rows`."""
    n = len(fleet.id)
    changes: dict[str, Any] = {}
    for name in names:
        value = getattr(fleet, name)
        if isinstance(value, tuple) and len(value) == n:
            changes[name] = tuple(value[i] for i in rows.tolist())
        elif isinstance(value, np.ndarray) and value.shape[:1] == (n,):
            changes[name] = value[rows]
    return changes


def _chargers(fleet: EvChargerFleet | V2gFleet, rows: Ints) -> OwnDevices:
    place = np.full(len(fleet.id), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    kept = place[fleet.session_device] >= 0
    names = {f.name for f in fields(fleet)}
    of_sessions = {name for name in names if name.startswith("session_")}
    changes: dict[str, Any] = {name: getattr(fleet, name)[kept] for name in of_sessions}
    changes["session_device"] = place[changes["session_device"]]
    own = replace(fleet, **_own(fleet, rows, names - of_sessions), **changes)
    shift = fleet.sessions.first[rows] - own.sessions.first[:-1]
    return OwnDevices(own, rows, shift.astype(np.float64))
