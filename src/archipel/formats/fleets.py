"""Fleets out of device rows: profile names become columns of the scenario's series."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields as dataclass_fields
from typing import Any

import numpy as np

from archipel.devices import (
    BatteryFleet,
    BuildingFleet,
    DispatchableFleet,
    EvChargerFleet,
    GeneratorFleet,
    HeatPumpFleet,
    HydroFleet,
    LoadFleet,
    PvFleet,
    SheddableFleet,
    SoftOpenPointFleet,
    SwitchedCapacitorFleet,
    TapChangerFleet,
    V2gFleet,
    WindFleet,
)
from archipel.devices.soft_open_point import ENDS
from archipel.formats.appliances import appliance_fleet
from archipel.formats.device_rows import DeviceRows, SoftOpenPointRows
from archipel.model import Fleet, Ints, Profiles

CONSTANT = -1


def make_fleets(rows: DeviceRows, profiles: Profiles) -> tuple[Fleet, ...]:
    """One fleet per kind that has devices: load, pv, generator, battery, ev_charger, heat_pump, sheddable,
    soft_open_point, dispatchable, wind, v2g, hydro, building, appliance, tap_changer, switched_capacitor."""
    column = {name: k for k, name in enumerate(profiles.name)}
    load, pv, made = rows.load, rows.pv, rows.generator
    battery, charger, pump, shed = rows.battery, rows.ev_charger, rows.heat_pump, rows.sheddable
    made_to = rows.dispatchable
    fleets: tuple[Fleet, ...] = (
        LoadFleet(load.id, load.node, load.p_kw, load.q_kvar, *_load_columns(load.profile, column)),
        PvFleet(pv.id, pv.node, pv.p_kw_peak, pv.s_kva, _columns(pv.profile, column), pv.volt_var),
        GeneratorFleet(made.id, made.node, made.p_kw, made.s_kva, _columns(made.profile, column), made.source),
        BatteryFleet(
            battery.id,
            battery.node,
            battery.e_kwh,
            battery.p_kw_charge,
            battery.p_kw_discharge,
            battery.efficiency_charge,
            battery.efficiency_discharge,
            battery.soc_start,
            battery.wear_eur_per_kwh,
        ),
        EvChargerFleet(
            charger.id,
            charger.node,
            charger.p_kw,
            charger.session_device,
            charger.session_start,
            charger.session_end,
            charger.session_kwh,
        ),
        HeatPumpFleet(
            pump.id,
            pump.node,
            pump.p_kw,
            _columns(pump.profile, column),
            pump.heat_kw,
            pump.cop,
            pump.buffer_kwh_per_k,
            pump.band_k,
        ),
        SheddableFleet(
            shed.id, shed.node, shed.p_kw, shed.q_kvar, *_load_columns(shed.profile, column), shed.voll_eur_per_kwh
        ),
        _ends(rows.soft_open_point),
        DispatchableFleet(
            made_to.id, made_to.node, made_to.p_kw_max, made_to.e_kwh, made_to.cost_eur_per_kwh, made_to.source
        ),
        _made(WindFleet, rows.wind, column),
        _made(V2gFleet, rows.v2g, column),
        _made(HydroFleet, rows.hydro, column),
        _made(BuildingFleet, rows.building, column),
        _made(TapChangerFleet, rows.tap_changer, column),
        _made(SwitchedCapacitorFleet, rows.switched_capacitor, column),
        appliance_fleet(rows.appliance, profiles.start),
    )
    return tuple(fleet for fleet in fleets if fleet.id)


def _made(fleet: Any, rows: Any, column: dict[str, int]) -> Any:
    """A fleet whose records are named as its rows; names of series become columns."""
    values = {f.name: getattr(rows, f.name) for f in dataclass_fields(rows)}
    series = {name: _columns(value, column) for name, value in values.items() if name.endswith("profile")}
    return fleet(**{**values, **series})


def _ends(rows: SoftOpenPointRows) -> SoftOpenPointFleet:
    """Two ends for every soft open point, one after the other."""
    return SoftOpenPointFleet(
        tuple(f"{name}/{end}" for name in rows.id for end in ENDS),
        np.stack([rows.from_node, rows.to_node], axis=1).ravel(),
        tuple(name for name in rows.id for _ in ENDS),
        np.repeat(rows.p_kw_max, 2),
        np.repeat(rows.loss_share, 2),
        np.tile([1.0, -1.0], len(rows.id)),
    )


def load_series(profile: str, names: Collection[str]) -> tuple[str, str] | None:
    """The series of active and reactive power of a load's profile; None when there are none.

    `<profile>_pload` and `<profile>_qload` where they exist, else one series of the profile's own name for both.
    """
    split = (f"{profile}_pload", f"{profile}_qload")
    if all(name in names for name in split):
        return split
    return (profile, profile) if profile in names else None


def _columns(profile: tuple[str, ...], column: dict[str, int]) -> Ints:
    return np.array([column[name] if name else CONSTANT for name in profile], dtype=np.int64)


def _load_columns(profile: tuple[str, ...], column: dict[str, int]) -> tuple[Ints, Ints]:
    pair: dict[str, tuple[int, int]] = {"": (CONSTANT, CONSTANT)}
    for name in set(profile) - {""}:
        series = load_series(name, column)
        if series is None:
            raise ValueError(f"no series for the load profile {name!r}")
        pair[name] = (column[series[0]], column[series[1]])
    both = np.array([pair[name] for name in profile], dtype=np.int64).reshape(-1, 2)
    return both[:, 0].copy(), both[:, 1].copy()
