"""One file per kind of device: nameplate, state, physics, local rule and columns in the schedule problem."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from archipel.devices.appliance import ApplianceFleet
from archipel.devices.base import Delivered, DeviceFleet, Plan, Sensed, State, Weather
from archipel.devices.battery import BatteryFleet, wear_eur
from archipel.devices.building import BuildingFleet
from archipel.devices.dispatchable import DispatchableFleet
from archipel.devices.ev_charger import EvChargerFleet
from archipel.devices.generator import GeneratorFleet
from archipel.devices.heat_pump import HeatPumpFleet
from archipel.devices.hydro import HydroFleet
from archipel.devices.load import LoadFleet
from archipel.devices.pv import PvFleet
from archipel.devices.sheddable import SheddableFleet
from archipel.devices.soft_open_point import SoftOpenPointFleet
from archipel.devices.switched_capacitor import SwitchedCapacitorFleet
from archipel.devices.switching import SwitchingFleet
from archipel.devices.tap_changer import TapChangerFleet
from archipel.devices.v2g import V2gFleet
from archipel.devices.wind import WindFleet
from archipel.model import Bools

KINDS: dict[str, type] = {
    "load": LoadFleet,
    "sheddable": SheddableFleet,
    "pv": PvFleet,
    "generator": GeneratorFleet,
    "battery": BatteryFleet,
    "ev_charger": EvChargerFleet,
    "heat_pump": HeatPumpFleet,
    "soft_open_point": SoftOpenPointFleet,
    "dispatchable": DispatchableFleet,
    "wind": WindFleet,
    "v2g": V2gFleet,
    "hydro": HydroFleet,
    "building": BuildingFleet,
    "tap_changer": TapChangerFleet,
    "switched_capacitor": SwitchedCapacitorFleet,
    "appliance": ApplianceFleet,
}
"""The registry: one line per kind."""


def weather_driven(fleets: Iterable[object], columns: int) -> Bools:
    """Which of the profile columns follow the weather and not the calendar, shape (columns,).

    Those that drive sources, heat demand or buildings; the naive forecast takes the last days for them,
    whatever weekday they were.
    """
    flag = np.zeros(columns, dtype=bool)
    for fleet in fleets:
        for name in ("profile", "heat_profile", "outdoor_profile", "solar_profile"):
            used = getattr(fleet, name, None)
            if used is not None:
                flag[used[used >= 0]] = True
    return flag


__all__ = [
    "KINDS",
    "ApplianceFleet",
    "BatteryFleet",
    "BuildingFleet",
    "Delivered",
    "DeviceFleet",
    "DispatchableFleet",
    "EvChargerFleet",
    "GeneratorFleet",
    "HeatPumpFleet",
    "HydroFleet",
    "LoadFleet",
    "Plan",
    "PvFleet",
    "Sensed",
    "SheddableFleet",
    "SoftOpenPointFleet",
    "State",
    "SwitchedCapacitorFleet",
    "SwitchingFleet",
    "TapChangerFleet",
    "V2gFleet",
    "Weather",
    "WindFleet",
    "wear_eur",
    "weather_driven",
]
