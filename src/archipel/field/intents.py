"""What operators wish for a while: a device held at a power, the exchange with the cell above limited.

    hold   the device's order is this power, as far as plate and store allow; only where the device may be ordered
    limit  plans keep to it, no agreement that passes it is made, and one that passes it is left

Both end by themselves at their time, with `free`, and with disarming. A hold is suspended while the cell lives apart
from the main grid: there its devices keep frequency and voltage.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, final

from archipel.controller.facts import Cap, Orders
from archipel.controller.planner import DeviceFacts, ExactPlanner
from archipel.controller.stepping import Controller
from archipel.devices import BatteryFleet
from archipel.devices.base import DeviceFleet
from archipel.drivers.base import Reading
from archipel.field.access import Access
from archipel.field.cell_file import CellFile
from archipel.field.permission import FieldState, Hold, Limit
from archipel.field.state import UPSTREAM, OperatorRefused

EMPTY_SOC, FULL_SOC = 0.005, 0.995
"""A store beyond these neither gives nor takes."""


@final
class Intents:
    """Judges wishes and carries them out, for one running cell.

    Args:
        file: The cell's.
        fleets: Its devices.
        access: What may be ordered, and what operators decided.
        utc: Time by the cell's clock.
        readings: What was measured last, by device.
        controller: The one that runs now.
        facts: What its planner would know now.
    """

    def __init__(
        self,
        file: CellFile,
        fleets: tuple[DeviceFleet, ...],
        access: Access,
        utc: Callable[[], datetime],
        readings: Callable[[], Mapping[str, Reading]],
        controller: Callable[[], Controller],
        facts: Callable[[], DeviceFacts],
    ) -> None:
        self._file, self._access = file, access
        self._utc, self._readings, self._controller, self._facts = utc, readings, controller, facts
        self._plate = {
            name: box for fleet in fleets for name, box in zip(fleet.id, plates(fleet), strict=True) if box is not None
        }
        self._stores = {name for fleet in fleets if isinstance(fleet, BatteryFleet) for name in fleet.id}
        self._formers = {row.id for row in file.former}

    def utc(self) -> datetime:
        """Time by the cell's clock."""
        return self._utc()

    # ---------------------------------------------------------------- what is in force

    def cap(self) -> Cap | None:
        """What the exchange with the cell above may be now; None when nobody limits it."""
        limit = self._access.permission.state.limit
        if limit is None or not self._access.armed or self._utc() >= limit.until:
            return None
        return _cap(limit)

    def holds(self) -> dict[str, Hold]:
        """Holds whose time has not passed."""
        now = self._utc()
        return {name: hold for name, hold in self._access.permission.state.holds.items() if now < hold.until}

    def applied(self, orders: Orders) -> Orders:
        """The orders with what is held in their place; what is shed, in an island, stays shed."""
        main_grid = self._controller().main_grid
        if main_grid is not None and main_grid.apart:
            return orders
        held = {
            name: (p_kw, orders.get(name, (math.nan, math.nan))[1])
            for name, hold in self.holds().items()
            if not self._access.refusal(name) and not math.isnan(p_kw := self._held_kw(hold))
        }
        return {**orders, **held} if held else orders

    def status(self) -> dict[str, Any]:
        """What may be seen from outside."""
        state = self._access.permission.state
        cap, limit = self.cap(), state.limit
        return {
            "tags": {name: {"who": tag.who, "why": tag.why} for name, tag in state.tags.items()},
            "holds": {
                name: {
                    "p_kw": hold.p_kw,
                    "until": hold.until.isoformat(),
                    "who": hold.who,
                    "id": hold.id,
                    "refused": self._access.refusal(name),
                }
                for name, hold in self.holds().items()
            },
            "limit": None
            if cap is None or limit is None
            else {
                "import_kw_max": limit.import_kw_max,
                "export_kw_max": limit.export_kw_max,
                "until": limit.until.isoformat(),
                "who": limit.who,
                "id": limit.id,
            },
        }

    def _held_kw(self, hold: Hold) -> float:
        """The power to order: within the plate, and at rest where the store is at its end. NaN: nothing."""
        low, high = self._plate.get(hold.device, (math.nan, math.nan))
        p_kw = min(max(hold.p_kw, low), high)
        soc = self._soc(hold.device)
        if soc is not None and ((p_kw < 0.0 and soc <= EMPTY_SOC) or (p_kw > 0.0 and soc >= FULL_SOC)):
            return 0.0
        return p_kw

    def _soc(self, device: str) -> float | None:
        reading = self._readings().get(device) if device in self._stores else None
        return None if reading is None else reading.soc

    # ---------------------------------------------------------------- what may be wished

    def hold(self, before: FieldState, hold: Hold) -> str:
        """Whether a device can be held so; words for the operator. Raises `OperatorRefused`."""
        del before
        device = hold.device
        if device not in {row.id for row in self._file.device}:
            known = ", ".join(row.id for row in self._file.device[:6])
            raise OperatorRefused(
                f"hold: {device!r} is no device of {self._file.cell.id}; expected one of {known}"
                f"{', ...' if len(self._file.device) > 6 else ''}."
            )
        if device in self._formers or device in self._access.switches or device not in self._plate:
            raise OperatorRefused(f"hold: {device} has no power of its own to hold: it is a switch or keeps the grid.")
        if why := self._access.refusal(device):
            raise OperatorRefused(f"hold: {why}")
        low, high = self._plate[device]
        if not low - 1e-6 <= hold.p_kw <= high + 1e-6:
            raise OperatorRefused(
                f"hold: {device}: found {hold.p_kw:g} kW; its plate allows {low:g} to {high:g} kW (positive is drawn)."
            )
        soc = self._soc(device)
        if soc is not None and hold.p_kw != 0.0 and self._held_kw(hold) == 0.0:
            raise OperatorRefused(f"hold: {device}: its store is at {soc:.1%}, it cannot be held at {hold.p_kw:g} kW.")
        return f"{device} is held at {hold.p_kw:g} kW until {hold.until:%Y-%m-%d %H:%M} UTC"

    def limit(self, before: FieldState, limit: Limit, element: str) -> str:
        """Whether the exchange can be kept so; words for the operator. Raises `OperatorRefused`."""
        del before
        cell = self._file.cell.id
        controller = self._controller()
        root = not any(side.upward for side in controller.ties)
        if element not in {"", cell, *([UPSTREAM] if root else [])}:
            raise OperatorRefused(f"limit: found {element!r}; expected {cell}{f' or {UPSTREAM}' if root else ''}.")
        if not self._access.armed:
            raise OperatorRefused("limit: the cell is in shadow: it orders no device and can keep no limit.")
        later = ""
        if all(side.upward for side in controller.ties):
            self._can_keep(controller, limit)
        else:  # what child cells draw is theirs, and only a plan of all can change it
            later = "; what its child cells have agreed stays until the next plan"
        return f"{cell} is limited to {_words(limit)} until {limit.until:%Y-%m-%d %H:%M} UTC{later}"

    def _can_keep(self, controller: Controller, limit: Limit) -> None:
        planner, now, cap = controller.planner, self._utc(), _cap(limit)
        if not isinstance(planner, ExactPlanner):
            return
        held = {s.neighbour: h.p_kw for s in controller.ties for h in [controller.holdings(now)[s.id]] if h.record}
        horizon, p_kw = planner.exchange_alone(now, replace(self._facts(), cap=cap), held)
        for t, value in enumerate(p_kw.tolist()):
            at = horizon.at(t)
            if at >= limit.until or at - now > timedelta(hours=4):
                return
            if why := cap.breach(value):
                raise OperatorRefused(
                    f"limit: it cannot be kept: with all that its devices can do, at {at:%H:%M} UTC {why}."
                )


def plates(fleet: DeviceFleet) -> list[tuple[float, float] | None]:
    """(lowest, highest) power of every device of a fleet by its plate, load convention; None: nobody can order it."""
    known: Any = fleet
    match fleet.kind:
        case "battery":
            low, high = -known.p_kw_discharge, known.p_kw_charge
        case "pv":
            low, high = -known.s_kva, 0.0 * known.s_kva
        case "generator":
            low, high = -known.p_kw, 0.0 * known.p_kw
        case "wind":
            low, high = known.p_kw_range
        case "ev_charger" | "heat_pump" | "building" | "sheddable":
            low, high = 0.0 * known.p_kw, known.p_kw
        case _:
            return [None] * len(fleet.id)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _cap(limit: Limit) -> Cap:
    sides = {"import_kw_max": limit.import_kw_max, "export_kw_max": limit.export_kw_max}
    return Cap(**{name: value for name, value in sides.items() if value is not None})


def _words(limit: Limit) -> str:
    sides = (("import", limit.import_kw_max), ("export", limit.export_kw_max))
    return " and ".join(f"{value:g} kW of {word}" for word, value in sides if value is not None)
