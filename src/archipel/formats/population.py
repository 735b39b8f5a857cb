"""The recipe of a scenario: what is added to and changed in the devices of its files, by seed.

Every step draws from a generator of its own, so that changing one part of a recipe leaves the others as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any
from zlib import crc32

import numpy as np

from archipel.formats.charging import chargers_of_profiles, home_chargers, join_chargers
from archipel.formats.device_rows import BatteryRows, DeviceRows, HeatPumpRows, pick
from archipel.model import Archipelago, Bools, Ints, Profiles

Recipe = Mapping[str, Mapping[str, Any]]
"""The tables below [population] by name, as read by `scenario_keys`."""


def populate(
    devices: DeviceRows, recipe: Recipe, archipelago: Archipelago, profiles: Profiles, seed: int
) -> DeviceRows:
    """The devices after the recipe, the same for the same seed.

    Steps, in this order: profiles are permuted within classes in every LV cell; PV is scaled and volt-var drawn by
    node; batteries are added; charging profiles become chargers; homes get chargers and heat pumps.
    """
    permute = recipe.get("population", {}).get("permute") or []
    if permute:
        devices = _permuted(devices, permute, archipelago, _rng(seed, "permute"))
    if "population.pv" in recipe:
        devices = _more_pv(devices, recipe["population.pv"], _rng(seed, "pv"))
    if "population.batteries" in recipe:
        devices = _batteries(devices, recipe["population.batteries"], archipelago, _rng(seed, "batteries"))
    homes = devices.load  # customers are counted before charging profiles leave the loads
    if "population.ev" in recipe:
        devices = _chargers(devices, recipe["population.ev"], profiles, _rng(seed, "ev"))
    if "population.ev_homes" in recipe:
        table = recipe["population.ev_homes"]
        at = _customers(homes.profile, table, _rng(seed, "ev_homes"))
        found = home_chargers(
            tuple(f"ev/{homes.id[i]}" for i in at),
            homes.node[at],
            table["p_kw"],
            table["kwh_per_day"],
            table["arrival_h"],
            table["arrival_sd_h"],
            table["arrival_spread_h"],
            table["departure_h"],
            profiles.start,
            len(profiles.value),
            _rng(seed, "arrivals"),
        )
        devices = replace(devices, ev_charger=join_chargers(devices.ev_charger, found))
    if "population.heat_pumps" in recipe:
        devices = _heat_pumps(devices, recipe["population.heat_pumps"], _rng(seed, "heat_pumps"))
    return devices


def _rng(seed: int, part: str) -> np.random.Generator:
    return np.random.default_rng([seed, crc32(part.encode())])


def matches(profile: tuple[str, ...], patterns: list[str]) -> Bools:
    """Which profile names fit one of the patterns."""
    fits = {name: any(fnmatchcase(name, pattern) for pattern in patterns) for name in set(profile)}
    return np.array([fits[name] for name in profile], dtype=np.bool_)


def _permuted(
    devices: DeviceRows, classes: list[str], archipelago: Archipelago, rng: np.random.Generator
) -> DeviceRows:
    """Profiles of one class exchanged among themselves, differently in every LV cell."""
    low_voltage = np.array([cell.level == "lv" for cell in archipelago.cell], dtype=np.bool_)
    load, pv = list(devices.load.profile), list(devices.pv.profile)
    for pattern in classes:
        for names, node in ((load, devices.load.node), (pv, devices.pv.node)):
            members = sorted({name for name in names if fnmatchcase(name, pattern)})
            if len(members) < 2:
                continue
            number = {name: k for k, name in enumerate(members)}
            order = np.array([rng.permutation(len(members)) for _ in archipelago.cell])
            cell = archipelago.node_cell[node]
            for i, name in enumerate(names):
                if name in number and low_voltage[cell[i]]:
                    names[i] = members[order[cell[i], number[name]]]
    return replace(devices, load=replace(devices.load, profile=tuple(load)), pv=replace(devices.pv, profile=tuple(pv)))


def _more_pv(devices: DeviceRows, table: Mapping[str, Any], rng: np.random.Generator) -> DeviceRows:
    pv, factor = devices.pv, table["factor"]
    nodes = np.unique(pv.node)
    modern = rng.choice(nodes, round(table["volt_var_share"] * len(nodes)), replace=False)
    return replace(
        devices,
        pv=replace(
            pv,
            p_kw_peak=pv.p_kw_peak * factor,
            s_kva=pv.s_kva * factor,
            volt_var=pv.volt_var | np.isin(pv.node, modern),
        ),
    )


def _batteries(
    devices: DeviceRows, table: Mapping[str, Any], archipelago: Archipelago, rng: np.random.Generator
) -> DeviceRows:
    """Batteries in proportion to PV in a share of the LV cells with PV, and the batteries of the file scaled."""
    battery = devices.battery
    if table["total_kwh"] is not None and len(battery.id):
        scale = table["total_kwh"] / float(battery.e_kwh.sum())
        battery = replace(
            battery,
            e_kwh=battery.e_kwh * scale,
            p_kw_charge=battery.p_kw_charge * scale,
            p_kw_discharge=battery.p_kw_discharge * scale,
            soc_start=np.full(len(battery.id), table["soc_start"]),
            efficiency_charge=np.full(len(battery.id), table["efficiency"]),
            efficiency_discharge=np.full(len(battery.id), table["efficiency"]),
        )
    if table["kwh_per_kwp"] is None:
        return replace(devices, battery=battery)
    pv, cell = devices.pv, archipelago.node_cell[devices.pv.node]
    candidates = np.unique(cell)
    candidates = candidates[[archipelago.cell[c].level == "lv" for c in candidates]]
    chosen = rng.choice(candidates, round(table["cell_share"] * len(candidates)), replace=False)
    at = np.flatnonzero(np.isin(cell, chosen) & (pv.p_kw_peak > 0.0))
    e_kwh = table["kwh_per_kwp"] * pv.p_kw_peak[at]
    p_kw, whole = e_kwh * table["c_rate"], np.ones(len(at))
    efficiency = whole * table["efficiency"]
    added = BatteryRows(
        tuple(f"battery/{pv.id[i]}" for i in at),
        pv.node[at],
        e_kwh,
        p_kw,
        p_kw,
        efficiency,
        efficiency,
        whole * table["soc_start"],
        whole * table["wear_eur_per_kwh"],
    )
    return replace(devices, battery=added)


def _chargers(
    devices: DeviceRows, table: Mapping[str, Any], profiles: Profiles, rng: np.random.Generator
) -> DeviceRows:
    """Loads with a charging profile become chargers."""
    load = devices.load
    charging = matches(load.profile, table["from_profiles"])
    taken = pick(load, charging)
    column = {name: k for k, name in enumerate(profiles.name)}
    found = chargers_of_profiles(
        taken.id,
        taken.node,
        taken.p_kw,
        np.array([column[f"{name}_pload"] for name in taken.profile], dtype=np.int64),
        matches(taken.profile, table["work_profiles"]),
        profiles.value,
        table["copies"],
        table["threshold"],
        rng,
    )
    return replace(devices, load=pick(load, ~charging), ev_charger=join_chargers(devices.ev_charger, found))


def _customers(profile: tuple[str, ...], table: Mapping[str, Any], rng: np.random.Generator) -> Ints:
    """Rows of the share of matching loads that were drawn, ascending."""
    at = np.flatnonzero(matches(profile, table["of_profiles"]))
    drawn = rng.choice(at, round(table["share"] * len(at)), replace=False)
    return np.sort(drawn).astype(np.int64)


def _heat_pumps(devices: DeviceRows, table: Mapping[str, Any], rng: np.random.Generator) -> DeviceRows:
    load = devices.load
    at = _customers(load.profile, table, rng)
    whole = np.ones(len(at))
    # Houses differ, or all thermostats would switch together.
    demand, buffer = rng.uniform(0.75, 1.25, len(at)), rng.uniform(0.5, 1.5, len(at))
    found = HeatPumpRows(
        tuple(f"heat_pump/{load.id[i]}" for i in at),
        load.node[at],
        whole * table["p_kw"],
        demand * table["heat_kw"],
        (table["profile"],) * len(at),
        whole * table["cop"],
        buffer * table["buffer_kwh_per_k"],
        whole * table["band_k"],
    )
    return replace(devices, heat_pump=found)
