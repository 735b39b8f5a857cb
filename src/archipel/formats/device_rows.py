"""Devices as plain rows, by kind: what a file states, before a recipe or a fleet is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar, final

import numpy as np

from archipel.model import Bools, Floats, Ints


def _none() -> Floats:
    return np.zeros(0)


def _none_whole() -> Ints:
    return np.zeros(0, dtype=np.int64)


def _none_flag() -> Bools:
    return np.zeros(0, dtype=np.bool_)


@final
@dataclass(frozen=True, slots=True, eq=False)
class LoadRows:
    """Inflexible loads. `profile` names series `<profile>_pload` and `<profile>_qload`; empty for a constant."""

    id: tuple[str, ...] = ()
    node: Ints = field(default_factory=_none_whole)
    p_kw: Floats = field(default_factory=_none)
    q_kvar: Floats = field(default_factory=_none)
    profile: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, eq=False)
class PvRows:
    """Photovoltaic plants. `volt_var` says which inverters follow a volt-var curve."""

    id: tuple[str, ...] = ()
    node: Ints = field(default_factory=_none_whole)
    p_kw_peak: Floats = field(default_factory=_none)
    s_kva: Floats = field(default_factory=_none)
    profile: tuple[str, ...] = ()
    volt_var: Bools = field(default_factory=_none_flag)


@final
@dataclass(frozen=True, slots=True, eq=False)
class GeneratorRows:
    """Renewable generators by profile. `source` is hydro, wind or biomass."""

    id: tuple[str, ...] = ()
    node: Ints = field(default_factory=_none_whole)
    p_kw: Floats = field(default_factory=_none)
    s_kva: Floats = field(default_factory=_none)
    profile: tuple[str, ...] = ()
    source: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, eq=False)
class BatteryRows:
    """Batteries."""

    id: tuple[str, ...] = ()
    node: Ints = field(default_factory=_none_whole)
    e_kwh: Floats = field(default_factory=_none)
    p_kw_charge: Floats = field(default_factory=_none)
    p_kw_discharge: Floats = field(default_factory=_none)
    efficiency_charge: Floats = field(default_factory=_none)
    efficiency_discharge: Floats = field(default_factory=_none)
    soc_start: Floats = field(default_factory=_none)
    wear_eur_per_kwh: Floats = field(default_factory=_none)


@final
@dataclass(frozen=True, slots=True, eq=False)
class ChargerRows:
    """Chargers and their sessions: `session_device` is a charger's row, start and end are rows of the series."""

    id: tuple[str, ...] = ()
    node: Ints = field(default_factory=_none_whole)
    p_kw: Floats = field(default_factory=_none)
    session_device: Ints = field(default_factory=_none_whole)
    session_start: Ints = field(default_factory=_none_whole)
    session_end: Ints = field(default_factory=_none_whole)
    session_kwh: Floats = field(default_factory=_none)


@final
@dataclass(frozen=True, slots=True, eq=False)
class HeatPumpRows:
    """Heat pumps. `profile` names the series of heat demand relative to `heat_kw`; empty for a constant."""

    id: tuple[str, ...] = ()
    node: Ints = field(default_factory=_none_whole)
    p_kw: Floats = field(default_factory=_none)
    heat_kw: Floats = field(default_factory=_none)
    profile: tuple[str, ...] = ()
    cop: Floats = field(default_factory=_none)
    buffer_kwh_per_k: Floats = field(default_factory=_none)
    band_k: Floats = field(default_factory=_none)


@final
@dataclass(frozen=True, slots=True, eq=False)
class SheddableRows:
    """Loads that may be shed at a stated value."""

    id: tuple[str, ...] = ()
    node: Ints = field(default_factory=_none_whole)
    p_kw: Floats = field(default_factory=_none)
    q_kvar: Floats = field(default_factory=_none)
    profile: tuple[str, ...] = ()
    voll_eur_per_kwh: Floats = field(default_factory=_none)


@final
@dataclass(frozen=True, slots=True, eq=False)
class SoftOpenPointRows:
    """Soft open points: pairs of converters that move power between two nodes."""

    id: tuple[str, ...] = ()
    from_node: Ints = field(default_factory=_none_whole)
    to_node: Ints = field(default_factory=_none_whole)
    p_kw_max: Floats = field(default_factory=_none)
    loss_share: Floats = field(default_factory=_none)


@final
@dataclass(frozen=True, slots=True, eq=False)
class DispatchableRows:
    """Renewable generators that run when asked to, from a stock. `source` is biomass or biogas."""

    id: tuple[str, ...] = ()
    node: Ints = field(default_factory=_none_whole)
    p_kw_max: Floats = field(default_factory=_none)
    e_kwh: Floats = field(default_factory=_none)
    cost_eur_per_kwh: Floats = field(default_factory=_none)
    source: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, eq=False)
class WindRows:
    """Wind turbines. `profile` names the series of wind speed [m/s] at the height `measured_m`."""

    id: tuple[str, ...] = ()
    node: Ints = field(default_factory=_none_whole)
    p_kw: Floats = field(default_factory=_none)
    s_kva: Floats = field(default_factory=_none)
    profile: tuple[str, ...] = ()
    measured_m: Floats = field(default_factory=_none)
    hub_m: Floats = field(default_factory=_none)
    shear: Floats = field(default_factory=_none)
    speed_m_per_s_in: Floats = field(default_factory=_none)
    speed_m_per_s_rated: Floats = field(default_factory=_none)
    speed_m_per_s_out: Floats = field(default_factory=_none)
    density_kg_per_m3: Floats = field(default_factory=_none)
    volt_var: Bools = field(default_factory=_none_flag)


@final
@dataclass(frozen=True, slots=True, eq=False)
class V2gRows:
    """Chargers that give back, and their sessions as those of plain chargers; `session_soc` is that on arrival."""

    id: tuple[str, ...] = ()
    node: Ints = field(default_factory=_none_whole)
    p_kw_charge: Floats = field(default_factory=_none)
    p_kw_discharge: Floats = field(default_factory=_none)
    e_kwh: Floats = field(default_factory=_none)
    efficiency_charge: Floats = field(default_factory=_none)
    efficiency_discharge: Floats = field(default_factory=_none)
    soc_min: Floats = field(default_factory=_none)
    wear_eur_per_kwh: Floats = field(default_factory=_none)
    session_device: Ints = field(default_factory=_none_whole)
    session_start: Ints = field(default_factory=_none_whole)
    session_end: Ints = field(default_factory=_none_whole)
    session_kwh: Floats = field(default_factory=_none)
    session_soc: Floats = field(default_factory=_none)


@final
@dataclass(frozen=True, slots=True, eq=False)
class HydroRows:
    """Hydro plants with a reservoir. `profile` names the series of inflow relative to `inflow_m3_per_s`."""

    id: tuple[str, ...] = ()
    node: Ints = field(default_factory=_none_whole)
    p_kw_max: Floats = field(default_factory=_none)
    head_m: Floats = field(default_factory=_none)
    efficiency: Floats = field(default_factory=_none)
    volume_m3: Floats = field(default_factory=_none)
    soc_start: Floats = field(default_factory=_none)
    profile: tuple[str, ...] = ()
    inflow_m3_per_s: Floats = field(default_factory=_none)
    residual_m3_per_s: Floats = field(default_factory=_none)


@final
@dataclass(frozen=True, slots=True, eq=False)
class BuildingRows:
    """Heat pumps and the buildings they heat. `outdoor_profile` names the series of the outdoor temperature [C]."""

    id: tuple[str, ...] = ()
    node: Ints = field(default_factory=_none_whole)
    p_kw: Floats = field(default_factory=_none)
    ua_kw_per_k: Floats = field(default_factory=_none)
    c_kwh_per_k: Floats = field(default_factory=_none)
    t_c: Floats = field(default_factory=_none)
    band_k: Floats = field(default_factory=_none)
    source: tuple[str, ...] = ()
    heating: tuple[str, ...] = ()
    outdoor_profile: tuple[str, ...] = ()
    solar_profile: tuple[str, ...] = ()
    solar_kw: Floats = field(default_factory=_none)
    internal_kw: Floats = field(default_factory=_none)


@final
@dataclass(frozen=True, slots=True, eq=False)
class TapChangerRows:
    """On-load tap changers. What the network says of their transformers is filled in when a scenario is read."""

    id: tuple[str, ...] = ()
    node: Ints = field(default_factory=_none_whole)
    transformer: tuple[str, ...] = ()
    branch: Ints = field(default_factory=_none_whole)
    tap_start: Floats = field(default_factory=_none)
    tap_min: Floats = field(default_factory=_none)
    tap_max: Floats = field(default_factory=_none)
    tap_neutral: Floats = field(default_factory=_none)
    step_pu: Floats = field(default_factory=_none)
    raises: Floats = field(default_factory=_none)
    v_pu_set: Floats = field(default_factory=_none)
    band_pu: Floats = field(default_factory=_none)
    delay_s: Floats = field(default_factory=_none)


@final
@dataclass(frozen=True, slots=True, eq=False)
class SwitchedCapacitorRows:
    """Capacitor banks that step in and out by voltage."""

    id: tuple[str, ...] = ()
    node: Ints = field(default_factory=_none_whole)
    kvar_per_step: Floats = field(default_factory=_none)
    steps: Floats = field(default_factory=_none)
    steps_start: Floats = field(default_factory=_none)
    v_pu_on: Floats = field(default_factory=_none)
    v_pu_off: Floats = field(default_factory=_none)
    delay_s: Floats = field(default_factory=_none)


@final
@dataclass(frozen=True, slots=True, eq=False)
class ApplianceRows:
    """Shiftable appliances, as text: `run_kw` has a number per quarter hour, `earliest` and `latest` are HH:MM UTC."""

    id: tuple[str, ...] = ()
    node: Ints = field(default_factory=_none_whole)
    run_kw: tuple[str, ...] = ()
    earliest: tuple[str, ...] = ()
    latest: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, eq=False)
class DeviceRows:
    """All devices of a scenario by kind, in the order in which fleets are made of them."""

    load: LoadRows = field(default_factory=LoadRows)
    pv: PvRows = field(default_factory=PvRows)
    generator: GeneratorRows = field(default_factory=GeneratorRows)
    battery: BatteryRows = field(default_factory=BatteryRows)
    ev_charger: ChargerRows = field(default_factory=ChargerRows)
    heat_pump: HeatPumpRows = field(default_factory=HeatPumpRows)
    sheddable: SheddableRows = field(default_factory=SheddableRows)
    soft_open_point: SoftOpenPointRows = field(default_factory=SoftOpenPointRows)
    dispatchable: DispatchableRows = field(default_factory=DispatchableRows)
    wind: WindRows = field(default_factory=WindRows)
    v2g: V2gRows = field(default_factory=V2gRows)
    hydro: HydroRows = field(default_factory=HydroRows)
    building: BuildingRows = field(default_factory=BuildingRows)
    tap_changer: TapChangerRows = field(default_factory=TapChangerRows)
    switched_capacitor: SwitchedCapacitorRows = field(default_factory=SwitchedCapacitorRows)
    appliance: ApplianceRows = field(default_factory=ApplianceRows)


Rows = TypeVar("Rows", LoadRows, PvRows, GeneratorRows, BatteryRows, HeatPumpRows, SheddableRows)


def pick(rows: Rows, keep: Bools) -> Rows:
    """The rows where `keep` is true."""
    chosen = np.flatnonzero(keep)
    values: dict[str, Any] = {}
    for name in type(rows).__dataclass_fields__:
        column = getattr(rows, name)
        values[name] = tuple(column[i] for i in chosen) if isinstance(column, tuple) else column[chosen]
    return type(rows)(**values)


def join(first: Rows, second: Rows) -> Rows:
    """The rows of both, one after the other."""
    values: dict[str, Any] = {}
    for name in type(first).__dataclass_fields__:
        a, b = getattr(first, name), getattr(second, name)
        values[name] = a + b if isinstance(a, tuple) else np.concatenate([a, b])
    return type(first)(**values)
