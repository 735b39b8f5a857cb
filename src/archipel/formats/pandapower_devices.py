"""Loads, generators and storages of a pandapower file as device rows."""

from __future__ import annotations

import numpy as np

from archipel.formats.device_rows import BatteryRows, DeviceRows, GeneratorRows, LoadRows, PvRows, join
from archipel.formats.pandapower_json import Table, Tables
from archipel.formats.source_columns import Notes, flags, names, numbers, rows_of
from archipel.model import Bools, Floats, Ints

WEAR_EUR_PER_KWH = 0.010
CONSTANT_POWER_ONLY = ("const_z_p_percent", "const_i_p_percent", "const_z_q_percent", "const_i_q_percent")


def read_devices(source: Tables, row: dict[int, int], live: Bools, notes: Notes) -> DeviceRows:
    """Device rows of every load, generator and storage that is in service at a live node."""
    pv, generator = _generators(source["sgen"], row, live, notes)
    return DeviceRows(
        load=join(_loads(source["load"], row, live, notes), _unbalanced(source["asymmetric_load"], row, live, notes)),
        pv=pv,
        generator=join(generator, _voltage_controlled(source["gen"], row, live, notes)),
        battery=_batteries(source["storage"], row, live, notes),
    )


def _kept(table: Table, row: dict[int, int], live: Bools, notes: Notes) -> tuple[Ints, Ints]:
    service, node = flags(table, "in_service", True), rows_of(table, "bus", row)
    notes.drop(table.name, int((~service).sum()), "out of service")
    placed = node >= 0
    notes.drop(table.name, int((service & ~placed).sum()), "at a node that is out of service or missing")
    fed = placed & live[np.where(placed, node, 0)]
    notes.drop(table.name, int((service & placed & ~fed).sum()), "at a dead node (no closed way to the source)")
    keep = np.flatnonzero(service & fed).astype(np.int64)
    return keep, node[keep]


def _ids(table: Table, keep: Ints) -> tuple[str, ...]:
    return tuple(f"{table.name}/{table.index[i]}" for i in keep)


def _profiles(table: Table, keep: Ints) -> tuple[str, ...]:
    profile = names(table, "profile")
    return tuple(profile[i] for i in keep)


def _kilo(table: Table, column: str, keep: Ints) -> Floats:
    return numbers(table, column, 0.0)[keep] * 1000.0 * numbers(table, "scaling", 1.0)[keep]


def _loads(table: Table, row: dict[int, int], live: Bools, notes: Notes) -> LoadRows:
    keep, node = _kept(table, row, live, notes)
    voltage_dependent = np.zeros(len(keep), dtype=np.bool_)
    for column in (*CONSTANT_POWER_ONLY, "const_z_percent", "const_i_percent"):
        voltage_dependent |= numbers(table, column, 0.0)[keep] != 0.0
    notes.approximate(int(voltage_dependent.sum()), "voltage-dependent loads: constant power at their nominal value")
    return LoadRows(
        _ids(table, keep), node, _kilo(table, "p_mw", keep), _kilo(table, "q_mvar", keep), _profiles(table, keep)
    )


def _unbalanced(table: Table, row: dict[int, int], live: Bools, notes: Notes) -> LoadRows:
    keep, node = _kept(table, row, live, notes)
    notes.approximate(len(keep), "asymmetric loads: the sum of their phases, balanced")
    p_kw, q_kvar = (
        np.sum([_kilo(table, f"{letter}_{phase}_{unit}", keep) for phase in "abc"], axis=0)
        for letter, unit in (("p", "mw"), ("q", "mvar"))
    )
    return LoadRows(_ids(table, keep), node, p_kw, q_kvar, _profiles(table, keep))


def _generators(table: Table, row: dict[int, int], live: Bools, notes: Notes) -> tuple[PvRows, GeneratorRows]:
    keep, node = _kept(table, row, live, notes)
    p_kw = _kilo(table, "p_mw", keep)
    notes.approximate(
        int((_kilo(table, "q_mvar", keep) != 0.0).sum()), "static generators with fixed reactive power: set to zero"
    )
    rated = numbers(table, "sn_mva", 0.0)[keep] * 1000.0
    s_kva = np.maximum(np.where(rated > 0.0, rated, p_kw), p_kw)
    notes.approximate(int((rated < p_kw).sum()), "generators rated below their nominal power: rating raised to it")
    label, profile, ids = names(table, "type"), _profiles(table, keep), _ids(table, keep)
    source = [_source_of(label[i], profile[k]) for k, i in enumerate(keep)]
    notes.approximate(source.count(""), "static generators of unknown kind: treated as photovoltaic plants")
    notes.approximate(
        sum(label[i] == "lv_RES" for i in keep), "aggregated low-voltage generators: one photovoltaic plant each"
    )
    sun = np.array([kind in {"", "pv"} for kind in source], dtype=np.bool_)
    at, other = np.flatnonzero(sun), np.flatnonzero(~sun)
    return (
        PvRows(
            tuple(ids[k] for k in at),
            node[at],
            p_kw[at],
            s_kva[at],
            tuple(profile[k] for k in at),
            np.zeros(len(at), dtype=np.bool_),
        ),
        GeneratorRows(
            tuple(ids[k] for k in other),
            node[other],
            p_kw[other],
            s_kva[other],
            tuple(profile[k] for k in other),
            tuple(source[k] for k in other),
        ),
    )


def _source_of(label: str, profile: str) -> str:
    """hydro, wind, biomass or pv by the source's type or profile; empty when neither says."""
    for text in (label.lower(), profile.lower()):
        for start, kind in (
            ("pv", "pv"),
            ("lv_", "pv"),
            ("mv_", "pv"),
            ("hydro", "hydro"),
            ("wind", "wind"),
            ("wp", "wind"),
            ("biomass", "biomass"),
            ("bm", "biomass"),
        ):
            if text.startswith(start):
                return kind
    return ""


def _voltage_controlled(table: Table, row: dict[int, int], live: Bools, notes: Notes) -> GeneratorRows:
    keep, node = _kept(table, row, live, notes)
    notes.approximate(len(keep), "voltage-controlled generators: fixed power at unity power factor")
    p_kw = _kilo(table, "p_mw", keep)
    rated = numbers(table, "sn_mva", 0.0)[keep] * 1000.0
    return GeneratorRows(
        _ids(table, keep), node, p_kw, np.maximum(rated, p_kw), _profiles(table, keep), ("biomass",) * len(keep)
    )


def _batteries(table: Table, row: dict[int, int], live: Bools, notes: Notes) -> BatteryRows:
    keep, node = _kept(table, row, live, notes)
    e_kwh = numbers(table, "max_e_mwh", 0.0)[keep] * 1000.0 * numbers(table, "scaling", 1.0)[keep]
    empty = ~(e_kwh > 0.0)
    notes.drop(table.name, int(empty.sum()), "without capacity (max_e_mwh)")
    keep, node, e_kwh = keep[~empty], node[~empty], e_kwh[~empty]
    rated = np.maximum(numbers(table, "sn_mva", 0.0)[keep] * 1000.0, np.abs(_kilo(table, "p_mw", keep)))
    charge = np.where(numbers(table, "max_p_mw", 0.0)[keep] > 0.0, _kilo(table, "max_p_mw", keep), rated)
    discharge = np.where(numbers(table, "min_p_mw", 0.0)[keep] < 0.0, -_kilo(table, "min_p_mw", keep), rated)
    # SimBench writes the share 0.95 into a column named percent.
    stated = numbers(table, "efficiency_percent", 0.95)[keep]
    efficiency = np.clip(np.where(stated > 1.0, stated / 100.0, stated), 0.01, 1.0)
    notes.approximate(len(keep), "storages: their profile is left out, they are controlled; stated efficiency each way")
    leaking = numbers(table, "self-discharge_percent_per_day", 0.0)[keep] > 0.0
    notes.approximate(int(leaking.sum()), "storages with self-discharge: it is left out")
    soc = np.clip(numbers(table, "soc_percent", 50.0)[keep] / 100.0, 0.0, 1.0)
    n = len(keep)
    return BatteryRows(
        _ids(table, keep), node, e_kwh, charge, discharge, efficiency, efficiency, soc, np.full(n, WEAR_EUR_PER_KWH)
    )
