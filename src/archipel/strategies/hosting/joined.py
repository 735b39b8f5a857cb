"""The scenario with new devices in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import cast

import numpy as np

from archipel.devices import EvChargerFleet, HeatPumpFleet, PvFleet
from archipel.model import Fleet, Floats, Ints, Ownership, Profiles, Scenario
from archipel.strategies.hosting.customers import COP, Newcomers, heat_kw, lognormal, rating_kw
from archipel.strategies.hosting.sky import DESIGN_HEAT, SKY, design_heat, sky
from archipel.strategies.measures import beside

LEAST_PRICE_EUR_PER_KWH = 0.01
"""Lower prices are raised to this: nobody curtails for money when the question is what a network can carry."""
COS_PHI = 0.9
"""At full power, of new inverters. Source: VDE-AR-N 4105:2018, 5.7.2.2, plants above 4.6 kVA."""


def prepared(scenario: Scenario, device: str) -> Scenario:
    """The scenario as every evaluation begins: prices without negative hours, a series for the new devices, no owners.

    Where the scenario has no series of its own for the kind, one is made: a clear sky, or a day of design cold.
    """
    profiles = scenario.profiles
    if device == "pv" and not series_of(scenario, "pv").size:
        profiles = _with(profiles, SKY, sky(profiles.start, len(profiles.value)))
    if device == "heat-pump" and not series_of(scenario, "heat_pump").size:
        profiles = _with(profiles, DESIGN_HEAT, design_heat(profiles.start, len(profiles.value)))
    price = np.maximum(scenario.price, LEAST_PRICE_EUR_PER_KWH)
    return replace(scenario, profiles=profiles, price=price, ownership=Ownership())


def with_newcomers(scenario: Scenario, new: Newcomers, start: datetime, days: int) -> Scenario:
    """A prepared scenario with these devices beside its own."""
    if len(new) == 0:
        return scenario
    ways: dict[str, Callable[[Scenario, Newcomers, datetime, int], Fleet]] = {
        "pv": _panels, "ev": _chargers, "heat-pump": _pumps,
    }  # fmt: skip
    made = ways[new.device](scenario, new, start, days)
    kinds = [fleet.kind for fleet in scenario.fleets]
    if made.kind not in kinds:
        return replace(scenario, fleets=(*scenario.fleets, made))
    fleets = tuple(_beside(fleet, made) if fleet.kind == made.kind else fleet for fleet in scenario.fleets)
    return replace(scenario, fleets=fleets)


def wanted_kwh(scenario: Scenario, new: Newcomers, start: datetime, days: int) -> float:
    """Energy the new devices would give or draw if nothing held them back [kWh over the days]."""
    if len(new) == 0:
        return 0.0
    rows = scenario.profiles.window(scenario.profiles.row(start), 96 * days).astype(np.float64)
    value = np.column_stack([rows, np.ones(len(rows))])
    if new.device == "pv":
        panels = _panels(scenario, new, start, days)
        return float((np.clip(value[:, panels.profile], 0.0, None) * panels.p_kw_peak).sum() * 0.25)
    if new.device == "ev":
        chargers = _chargers(scenario, new, start, days)
        return float(chargers.session_kwh.sum())
    pumps = _pumps(scenario, new, start, days)
    return float((value[:, pumps.heat_profile] * pumps.heat_kw / pumps.cop).sum() * 0.25)


def _panels(scenario: Scenario, new: Newcomers, start: datetime, days: int) -> PvFleet:
    """Panels of one node under one sky are one row."""
    del start, days
    column = _chosen(scenario, new, "pv")
    pairs, place = np.unique(np.stack([new.node, column]), axis=1, return_inverse=True)
    peak = np.bincount(place.ravel(), new.p_kw, pairs.shape[1]).astype(np.float64)
    names = tuple(f"new/pv/{scenario.grid.nodes.id[n]}/{k}" for k, n in enumerate(pairs[0].tolist()))
    modern = np.ones(len(peak), dtype=np.bool_)
    return PvFleet(names, pairs[0], peak, peak / COS_PHI, pairs[1], modern)


def _chargers(scenario: Scenario, new: Newcomers, start: datetime, days: int) -> EvChargerFleet:
    """A row for every vehicle at low voltage; at the place of a network below its vehicles are alike and one row.

    Vehicles come home in the evening of every day that is run and leave within the run.
    """
    many, drawn = new.customers, new.drawn[:, 0]
    one_kw = rating_kw("ev", drawn)
    first = scenario.profiles.row(start)
    noon = first + (48 - first - _midnight_offset(scenario)) % 96
    kwh = np.round(lognormal(8.0, 1.7, drawn[:, 1], drawn[:, 2], 1.0, 40.0), 1)
    # arrivals 16:00 to 20:30 and departures 06:00 to 08:00 UTC, each the sum of two numbers
    came = 16 + np.rint(9.0 * (drawn[:, 2] + drawn[:, 3])).astype(np.int64)
    left = 72 + np.rint(4.0 * (drawn[:, 3] + np.mod(drawn[:, 1] + 0.5, 1.0))).astype(np.int64)
    kwh = np.minimum(kwh, one_kw * 0.25 * (left - came))
    night = np.arange(days)[None, :] * 96 + noon
    begin, end = night + came[:, None], night + left[:, None]
    device = np.broadcast_to(np.arange(len(many))[:, None], begin.shape)
    inside = (begin >= first) & (end <= min(first + 96 * days, len(scenario.profiles.value)))
    return EvChargerFleet(
        tuple(f"new/ev/{k}" for k in range(len(many))),
        new.node,
        one_kw * many,
        device[inside].astype(np.int64),
        begin[inside].astype(np.int64),
        end[inside].astype(np.int64),
        np.broadcast_to((kwh * many)[:, None], begin.shape)[inside],
    )


def _pumps(scenario: Scenario, new: Newcomers, start: datetime, days: int) -> HeatPumpFleet:
    """The homes of one place are one row: the thermostats of ten neighbours behind one transformer."""
    del start, days
    column = _chosen(scenario, new, "heat_pump")
    own = np.arange(new.drawn.shape[1])[None, :] < new.customers[:, None]
    heat = np.where(own, heat_kw(new.drawn), 0.0).sum(axis=1)
    buffer = np.where(own, 3.0 + 6.0 * new.drawn[..., 1], 0.0).sum(axis=1)
    whole = np.ones(len(new))
    names = tuple(f"new/heat_pump/{k}" for k in range(len(new)))
    return HeatPumpFleet(names, new.node, new.p_kw, column, heat, COP * whole, buffer, 2.0 * whole)


def _midnight_offset(scenario: Scenario) -> int:
    """Quarter hours from the last midnight UTC to the first row of the series."""
    start = scenario.profiles.start
    return start.hour * 4 + start.minute // 15


def _chosen(scenario: Scenario, new: Newcomers, kind: str) -> Ints:
    """For every place a series that devices of the kind have in its cell, else one of any that fits."""
    column, cell = series_of(scenario, kind), scenario.archipelago.node_cell
    out = np.zeros(len(new), dtype=np.int64)
    for c in np.unique(cell[new.node]).tolist():
        near = series_of(scenario, kind, c)
        pool = near if near.size else column
        at = cell[new.node] == c
        out[at] = pool[(new.drawn[at, 0, 3] * len(pool)).astype(np.int64)]
    return out


def series_of(scenario: Scenario, kind: str, cell: int | None = None) -> Ints:
    """Profile columns that devices of the kind have (in a cell); over all cells, where none has one: by their names."""
    found = [np.zeros(0, dtype=np.int64)]
    for fleet in scenario.fleets:
        if fleet.kind == kind:
            column = np.asarray(getattr(fleet, "profile" if kind == "pv" else "heat_profile"))
            here = column >= 0
            if cell is not None:
                here &= scenario.archipelago.node_cell[fleet.node] == cell
            found.append(column[here])
    own = np.unique(np.concatenate(found))
    if own.size or cell is not None:
        return own
    fits = re.compile({"pv": r"pv\d*", "heat_pump": r"heat(_.*)?"}[kind] + f"|{SKY}|{DESIGN_HEAT}", re.IGNORECASE)
    names = enumerate(scenario.profiles.name)
    return np.array([k for k, name in names if fits.fullmatch(name)], dtype=np.int64)


def _with(profiles: Profiles, name: str, series: Floats) -> Profiles:
    if name in profiles.name:
        return profiles
    value = np.column_stack([profiles.value, series.astype(np.float32)])
    return Profiles(profiles.start, (*profiles.name, name), value)


def _beside(old: Fleet, new: Fleet) -> Fleet:
    """Both fleets as one, the old one's rows first."""
    if isinstance(new, EvChargerFleet):
        new = replace(new, session_device=new.session_device + len(old.id))
    return cast("Fleet", beside(old, new))
