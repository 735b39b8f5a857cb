"""The switch to the main grid in the field: measured ten times a second, told what the controller wants, never while
somebody's tag stands against it.

    watch --Facts--> controller.step --AtSwitch--> obey --> switch, grid formers

An order to the switch lives for seconds, and a switch that measures both sides checks synchronism itself before it
closes. Nothing here decides: what is too old is handed over as not known.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, final

from archipel.cell.mode import Facts
from archipel.cell.synchronism import FULL_TURN_DEG, wrapped
from archipel.controller.facts import AtSwitch
from archipel.controller.main_grid import CLOSE_LEASE_S
from archipel.devices import BatteryFleet
from archipel.drivers import DeviceState, Quality, Reading, Sides
from archipel.field.access import Access
from archipel.field.build import Built
from archipel.field.cell_file import CellFile
from archipel.field.devices import Unit, Units
from archipel.field.switch_table import SwitchTable

EVERY_S = 0.1
"""Wall seconds between two readings of the switch."""
OLDEST_S = 1.0
"""Wall seconds after which a reading of the switch says nothing of now."""
ANGLE_OLDEST_S = 0.25
"""Seconds of the cell's clock after which an angle says nothing of now: by then a slip that is wrong by what a
measurement may be wrong by has moved it by as much as an angle may be wrong. Rehearsals much faster than the wall
therefore never synchronise."""


@final
class SwitchPost:
    """Switch and grid formers of one cell."""

    def __init__(
        self,
        file: CellFile,
        table: SwitchTable,
        built: Built,
        units: Callable[[], Units],
        access: Access,
        factor: float,
    ) -> None:
        self.table, self.access, self._units = table, access, units
        self._cannot_form, self._lease_s = built.cannot_form, file.controller.lease_s
        self._oldest_s = OLDEST_S * factor
        batteries = (fleet for fleet in built.estimator.site.fleets if isinstance(fleet, BatteryFleet))
        self._e_kwh = {name: float(e) for fleet in batteries for name, e in zip(fleet.id, fleet.e_kwh, strict=True)}
        self._ordered: Unit | None = None
        """The switch while it may hold an order of ours."""
        self._said = ""
        self.refusal = ""
        """Why the last order was not given to the switch; empty when it was, or when there was none."""

    @property
    def unit(self) -> Unit:
        """The switch."""
        return self._units().devices[self.table.device]

    async def watch(self, end: asyncio.Event, wake: asyncio.Event) -> None:
        """Read the switch again and again until `end`; every reading wakes the controller."""
        while not end.is_set():
            begun = time.monotonic()
            units, unit = self._units(), self.unit
            await units.read([unit], begun)
            if unit.reading is not None and unit.reading.sides is None:
                self._tell(f"{unit.id} does not measure both sides of it: the cell can neither leave nor come back")
            wake.set()
            await asyncio.sleep(max(0.02, EVERY_S - (time.monotonic() - begun)))

    # ---------------------------------------------------------------- what is known

    def facts(self, now_s: float) -> Facts:
        """What is known at the switch; `now_s` is of the cell's monotonic clock."""
        permission = self.access.permission
        tag = permission.tagged(self.table.device)
        nothing = Facts(
            now_s, None, None, None, None, None,
            cannot_form=(*self._cannot_form, *self._no_former()), tags=(tag,) if tag else (),
            wants_island=permission.state.island,
        )  # fmt: skip
        reading = self.unit.reading
        if reading is None or reading.quality is Quality.STALE or reading.age_s(now_s) > self._oldest_s:
            return nothing
        return _measured(nothing, reading, main_first=self.table.main == "first")

    def _no_former(self) -> tuple[str, ...]:
        """Why no unit could form an island now; empty when one could."""
        why = "no grid-forming unit of the cell answers"
        for name, unit in self._units().formers.items():
            if unit.connected and not unit.trouble:
                why = self.access.refusal(name)
                if not why:
                    return ()
        return (why,)

    def stored_soc(self) -> float | None:
        """Stored energy of the grid formers over their capacity; those that do not tell count as empty. None when none
        does."""
        devices, formers = self._units().devices, self._units().formers
        known = {
            name: unit.reading.soc
            for name, unit in devices.items()
            if name in formers and not unit.trouble and unit.reading is not None and unit.reading.soc is not None
        }
        if not known:
            return None
        whole = sum(self._e_kwh[name] for name in formers)
        return sum(soc * self._e_kwh[name] for name, soc in known.items()) / whole

    # ---------------------------------------------------------------- what is done

    async def obey(self, at: AtSwitch | None, now_s: float) -> None:
        """Give the orders; what may not be operated is left as it is, and the reason is said."""
        if at is None:
            return
        units, unit = self._units(), self.unit
        wish = at.closed if now_s < at.until_s else None
        self.refusal = "" if wish is None else self.access.switch_refusal(unit.id)
        if self.refusal:
            self._tell(f"{unit.id} is not {'closed' if wish else 'opened'}: {self.refusal}")
        if wish is not None and not self.refusal:
            self._ordered = unit
            await units.operate(unit, {"closed": wish}, CLOSE_LEASE_S, time.monotonic())
        elif self._ordered is not None:
            # also where a tag was set meanwhile: the end of an order leaves the switch as it is, a wait for the window
            # would not
            withdrawn, self._ordered = self._ordered, None
            if withdrawn is unit:
                await units.operate(unit, None, CLOSE_LEASE_S, time.monotonic())
        form: Mapping[str, float] = {"f_hz": 0.0} if at.form is None else {"f_hz": at.form.f_hz, "v_pu": at.form.v_pu}
        for name, former in units.formers.items():
            if not self.access.refusal(name):
                await units.operate(former, form, self._lease_s, time.monotonic())

    def status(self, at: AtSwitch | None, shed: int) -> dict[str, Any]:
        """What may be seen from outside."""
        reading = self.unit.reading
        return {
            "mode": "unknown" if at is None else str(at.mode),
            "switch": "unknown" if reading is None or reading.state is None else reading.state.value,
            "cannot_form": [*self._cannot_form, *self._no_former()],
            "why_not": [] if at is None else list(at.why_not),
            "refused": self.refusal or self.unit.trouble,
            "shed": shed,
            "wants_island": self.access.permission.state.island,
        }

    def _tell(self, text: str) -> None:
        if text != self._said:
            self._said = text
            print(f"main grid: {text}", file=sys.stderr, flush=True)


def _measured(nothing: Facts, reading: Reading, *, main_first: bool) -> Facts:
    """The facts with a fresh reading in them."""
    closed = {DeviceState.CLOSED: True, DeviceState.OPEN: False}.get(reading.state) if reading.state else None
    sides = reading.sides or Sides(None, None, None, None, None)
    first, second = (sides.first_v_pu, sides.first_f_hz), (sides.second_v_pu, sides.second_f_hz)
    main, own = (first, second) if main_first else (second, first)
    age_s, angle_deg = reading.age_s(nothing.now_s), sides.angle_deg
    if angle_deg is not None and own[1] is not None and main[1] is not None and age_s <= ANGLE_OLDEST_S:
        angle_deg = wrapped((angle_deg if main_first else -angle_deg) + FULL_TURN_DEG * (own[1] - main[1]) * age_s)
    else:
        angle_deg = None
    return Facts(
        nothing.now_s, closed, *main, *own, angle_deg,
        cannot_form=nothing.cannot_form, tags=nothing.tags, wants_island=nothing.wants_island,
    )  # fmt: skip
