"""A scenario with an alternative carried out, to be looked at again."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from archipel.cell.remedy.case import Case, Hosted, Wishes
from archipel.cell.remedy.changes import EFFICIENCY
from archipel.cell.remedy.least import Alternative, Change
from archipel.cell.remedy.steps import shifted_ends
from archipel.devices import BatteryFleet, EvChargerFleet, HeatPumpFleet
from archipel.model import ArchipelError, Connection, FirmLimits, Floats, Scenario

MORE = 1.002
"""What is carried out is this much more than the least: the least itself is right at the edge."""
POWER = ("load", "feed-in", "generator", "reactive")


def applied(case: Case, way: Alternative) -> tuple[Scenario, Wishes]:
    """The scenario and what is asked of it, with the alternative carried out, 0.2 % more than the least of it.

    Raises:
        ArchipelError: for a change of comfort or reserve, which no scenario can say.
    """
    scenario, wishes = case.scenario, case.wishes
    if any(one.kind in POWER for one in way.changes):
        wishes = _with_powers(case, wishes, way)
    for one in way.changes:
        if one.kind in POWER:
            continue
        if one.kind in ("warmth", "reserve"):
            raise ArchipelError(
                f"--apply: found a change of {one.kind}; expected one of the network, of devices, limits or power. "
                "Choose another number, or change the device's table."
            )
        scenario, wishes = _one(case, scenario, wishes, way, one)
    return scenario, wishes


def _with_powers(case: Case, wishes: Wishes, way: Alternative) -> Wishes:
    """What is taken off or added at nodes, hour by hour."""
    fixed = [piece for piece in way.trial.pieces if piece.kind in POWER]
    mine = {int(c) for piece in fixed for c in piece.cols}
    more_p, more_q = np.zeros((2, *case.base_kw.shape))
    for cols, p, q in way.trial.inject:
        power = any(int(c) in mine for c in cols)
        if power or any(one.kind in ("generator", "reactive") for one in way.changes):
            more_p += p * way.x[cols] * MORE
            more_q += q * way.x[cols] * MORE
    rows = np.flatnonzero((np.abs(more_p) + np.abs(more_q)).max(axis=1) > 1e-6)
    hosted = tuple(Hosted(f"change at {case.scenario.grid.nodes.id[n]}", int(n), more_p[n], more_q[n]) for n in rows)
    return replace(wishes, hosted=(*wishes.hosted, *hosted))


def _one(case: Case, scenario: Scenario, wishes: Wishes, way: Alternative, one: Change) -> tuple[Scenario, Wishes]:
    grid = scenario.grid
    if one.kind.startswith("limit"):
        return _raised(scenario, wishes, one)
    if one.kind == "storage":
        return _stored(case, scenario, way, one), wishes
    if one.kind == "tap":
        tap = grid.transformers.tap_pos.copy()
        tap[grid.transformers.id.index(one.thing)] += one.amount if one.unit == "up" else -one.amount
        return replace(scenario, grid=replace(grid, transformers=replace(grid.transformers, tap_pos=tap))), wishes
    if one.kind == "shorter" and wishes.outage is not None:
        return scenario, replace(wishes, outage=(wishes.outage[0], wishes.outage[1] - way.discrete[0][2]))
    if one.kind == "promise":
        told = tuple(
            replace(p, p_kw=p.p_kw + p.side * one.amount * MORE) if p.name == one.thing else p for p in wishes.promises
        )
        return scenario, replace(wishes, promises=told)
    if one.kind == "smaller":
        hosted = tuple(
            h if h.name != one.thing else _scaled(h, max(1.0 - one.amount * MORE / float(np.abs(h.p_kw).max()), 0.0))
            for h in wishes.hosted
        )
        return scenario, replace(wishes, hosted=hosted)
    if one.kind == "later":
        return shifted_ends(scenario, case.sessions, {one.thing}, way.discrete[0][2]), wishes
    return _device(case, scenario, one), wishes


def _scaled(one: Hosted, share: float) -> Hosted:
    return replace(one, p_kw=share * one.p_kw, q_kvar=share * one.q_kvar)


def _raised(scenario: Scenario, wishes: Wishes, one: Change) -> tuple[Scenario, Wishes]:
    grid, what, by = scenario.grid, one.kind[len("limit: ") :], one.amount * MORE
    nodes, lines, trafos = grid.nodes, grid.lines, grid.transformers
    if what == "voltage high":
        return replace(scenario, grid=replace(grid, nodes=replace(nodes, v_pu_max=nodes.v_pu_max + by))), wishes
    if what == "voltage low":
        return replace(scenario, grid=replace(grid, nodes=replace(nodes, v_pu_min=nodes.v_pu_min - by))), wishes
    if what == "loading" and one.thing in lines.id:
        i = lines.i_a_max.copy()
        i[lines.id.index(one.thing)] += by
        return replace(scenario, grid=replace(grid, lines=replace(lines, i_a_max=i))), wishes
    if what == "loading":
        k, most = trafos.id.index(one.thing), trafos.loading_max.copy()
        most[k] += by / float(trafos.sn_kva[k])
        return replace(scenario, grid=replace(grid, transformers=replace(trafos, loading_max=most))), wishes
    imports = what.endswith("import") or what.startswith("import")

    def wider(old: FirmLimits) -> FirmLimits:
        return FirmLimits(old.import_kw + by * imports, old.export_kw + by * (not imports))

    if what.startswith("cell"):
        return scenario, replace(wishes, cells={**wishes.cells, one.thing: wider(wishes.cells[one.thing])})
    if wishes.firm is not None:
        return scenario, replace(wishes, firm=wider(wishes.firm))
    old = scenario.connection
    return replace(
        scenario, connection=Connection(old.import_kw_max + by * imports, old.export_kw_max + by * (not imports))
    ), wishes


def _stored(case: Case, scenario: Scenario, way: Alternative, one: Change) -> Scenario:
    """One more battery. What it begins with it also ends with."""
    piece = next(p for p in way.trial.pieces if p.kind == "storage" and p.thing == one.thing)
    zone = next(z for z in way.trial.places if z.name == piece.thing)
    outage = case.wishes.outage is not None
    first = piece.beside[0] + 1 + 2 * len(case.horizon) if piece.beside is not None else 0
    begun = 1.0 if outage else float(np.clip(way.x[first] / max(one.amount, 1e-9), 0.0, 1.0))
    whole = np.zeros(1)
    new = BatteryFleet(
        (f"battery/added/{scenario.grid.nodes.id[zone.best]}",), np.array([zone.best]), whole + one.amount * MORE,
        whole + one.beside * MORE, whole + one.beside * MORE, whole + EFFICIENCY, whole + EFFICIENCY, whole + begun,
        whole + 0.01,
    )  # fmt: skip
    fleets: list[Any] = list(scenario.fleets)
    at = next((k for k, f in enumerate(fleets) if isinstance(f, BatteryFleet)), -1)
    if at < 0:
        return replace(scenario, fleets=(*fleets, new))
    old = fleets[at]
    joined: dict[str, Any] = {}
    for part in fields(BatteryFleet):
        a, b = getattr(old, part.name), getattr(new, part.name)
        if isinstance(a, tuple):
            joined[part.name] = a + b
        elif isinstance(a, np.ndarray):
            joined[part.name] = np.concatenate([a, b])
        else:
            joined[part.name] = a
    fleets[at] = BatteryFleet(**joined)
    return replace(scenario, fleets=tuple(fleets))


def _device(case: Case, scenario: Scenario, one: Change) -> Scenario:
    """A vehicle that wants less, or a stronger device."""
    fleets: list[Any] = list(scenario.fleets)
    session = next((s for s in case.sessions if s.id == one.thing), None)
    for k, fleet in enumerate(fleets):
        if one.kind == "energy" and session is not None and isinstance(fleet, EvChargerFleet):
            mine = (fleet.session_device == _index(fleet.id, session.charger)) & (fleet.session_start == session.start)
            less: Floats = np.where(mine, fleet.session_kwh - one.amount * MORE, fleet.session_kwh)
            fleets[k] = replace(fleet, session_kwh=np.maximum(less, 0.0))
        elif one.kind == "rating" and isinstance(fleet, EvChargerFleet | HeatPumpFleet) and one.thing in fleet.id:
            p = fleet.p_kw.astype(np.float64).copy()
            p[fleet.id.index(one.thing)] += one.amount * MORE
            fleets[k] = replace(fleet, p_kw=p)
    return replace(scenario, fleets=tuple(fleets))


def _index(ids: tuple[str, ...], one: str) -> int:
    return ids.index(one) if one in ids else -1
