"""The figures a run is judged by, with the same rules for every strategy.

What each figure means is said once, in `archipel.report.figures.MEANING`, and printed under every table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from archipel.devices.battery import BatteryFleet, wear_eur
from archipel.devices.ev_charger import EvChargerFleet
from archipel.devices.v2g import V2gFleet
from archipel.market.tariff import SETTLEMENT_H, bill, metered_into_lower, owed_eur, reserve_income_eur, settled
from archipel.model import Fleet, Floats, Scenario, StrategyResult
from archipel.report.sharing import feeder_of, share
from archipel.report.tally import Tally, tally

V_TOLERANCE_PU = 0.0005
LOADING_TOLERANCE = 0.005
CONNECTION_TOLERANCE = 0.005
WORTH_NOTHING = 1e-5
"""Share of gross energy cost below which a difference between plans is the solvers' tolerance."""
LATE_H = 24.0
"""Load that is moved by more than this is not served, whatever it gets then."""
QUARTER = np.timedelta64(15, "m")
FREQUENCY_BAND_HZ = 0.2
RESERVE_TOLERANCE = 1e-3
"""Share of what batteries hold by which a reserve may be missed: plans keep it as precisely as they are solved."""
EN50160_BAND = (0.90, 1.10)
MOST_UNBALANCE = 0.02
"""EN 50160:2010, 4.2.5 (95 % of 10-minute means of a week); the compatibility level of IEC 61000-2-2, too."""


def kpis(scenario: Scenario, result: StrategyResult) -> dict[str, Any]:
    """The figures of one strategy, ready for JSON (None where a figure does not exist).

    Keys and definitions are those of `archipel.report.figures.MEANING`; energies in kWh, powers in kW, voltages in pu,
    money in EUR.
    """
    sums = tally(scenario, result)
    values = _money_and_energy(scenario, result, sums) | _physics(scenario, result) | _planning(result)
    values |= _coordination(scenario, result) | _off_grid(scenario, result, sums)
    values |= _reserve(scenario, result)
    values |= {"cpu_s": result.cpu_s, "wall_s": result.wall_s, "complete": result.complete}
    values["hours"] = len(result.time) * result.dt_h
    return {key: _plain(value) for key, value in values.items()}


def all_kpis(
    scenario: Scenario, results: Sequence[StrategyResult], start: datetime, days: int, forecast: str, seed: int
) -> dict[str, Any]:
    """What `kpis.json` holds: the case, and the figures of every strategy by its name."""
    return kpis_file(
        scenario, {r.strategy: kpis(scenario, r) for r in results}, start=start, days=days, forecast=forecast, seed=seed
    )


def kpis_file(
    scenario: Scenario,
    strategies: Mapping[str, Mapping[str, Any]],
    *,
    start: datetime,
    days: int,
    forecast: str,
    seed: int,
    method: str = "exact",
    physics: str = "positive-sequence",
) -> dict[str, Any]:
    """The layout of `kpis.json` around figures that are already there."""
    return {
        "scenario": scenario.name,
        "seed": seed,
        "start": start.isoformat(),
        "days": days,
        "forecast": forecast,
        "method": method,
        "physics": physics,
        "strategies": {name: dict(values) for name, values in strategies.items()},
    }


def _money_and_energy(scenario: Scenario, result: StrategyResult, sums: Tally) -> dict[str, Any]:
    import_kw, export_kw = np.maximum(sums.upstream, 0.0), np.maximum(-sums.upstream, 0.0)
    limit = scenario.connection
    beyond = (import_kw > limit.import_kw_max * (1 + CONNECTION_TOLERANCE)) | (
        export_kw > limit.export_kw_max * (1 + CONNECTION_TOLERANCE)
    )
    if scenario.island.off_grid:
        beyond &= False  # there is no connection; what is left over of the balance is told as import
    drained_kwh = result.stored_kwh[0] - result.stored_kwh[1]
    unserved_kwh = float(result.unserved_kwh.sum())
    owed_kwh = _ev_open_kwh(scenario, result)
    cost = bill(
        scenario.tariff,
        price_eur_per_kwh=sums.price_eur_per_kwh,
        upstream_kw=sums.upstream,
        own_import_kw=sums.own,
        day=sums.day,
        lv_end_use_kwh=sums.lv_end_use_kwh,
        wear_eur=_wear_eur(scenario, result),
        unserved_kwh=unserved_kwh,
        drained_kwh=drained_kwh,
        discharge_efficiency=_discharge_efficiency(scenario),
        owed_kwh=owed_kwh,
        reserve_eur=sum(reserve_income_eur(delivery) for delivery in result.deliveries),
    )
    used = share(sums.renewable, sums.discharging, sums.own, feeder_of(scenario.archipelago))
    used_kw = used.cell_kw + used.feeder_kw + used.area_kw
    storage_kwh = _kwh(sums.charging) - _kwh(sums.discharging) + max(drained_kwh, 0.0)
    area_use_kwh = _kwh(sums.end_use) + _kwh(sums.losses) + storage_kwh
    return {
        "cost_eur": cost.total_eur,
        "reserve_income_eur": -cost.reserve_eur if result.deliveries else None,
        "cost_parts": {name: getattr(cost, name) for name in cost.__slots__},
        "import_kwh": _kwh(import_kw),
        "export_kwh": _kwh(export_kw),
        "peak_import_kw": _max(import_kw),
        "peak_export_kw": _max(export_kw),
        "connection_violation_h": float(beyond.sum()) * SETTLEMENT_H,
        "losses_kwh": _kwh(sums.losses),
        "renewable_kwh": _kwh(sums.renewable),
        "curtailed_kwh": float(np.maximum(sums.available - sums.renewable, 0.0).sum()) * SETTLEMENT_H,
        "used_in_cell_kwh": _kwh(used.cell_kw),
        "used_in_feeder_kwh": _kwh(used.feeder_kw),
        "used_in_area_kwh": _kwh(used.area_kw),
        "renewable_share": min(_kwh(used_kw) / area_use_kwh, 1.0) if area_use_kwh > 0 else None,
        "co2_kg": _kwh(import_kw) * scenario.tariff.co2_kg_per_kwh,
        "unserved_kwh": unserved_kwh,
        "ev_unserved_kwh": float(result.ev_unserved_kwh.sum()),
        "ev_open_kwh": owed_kwh,
        "ev_open_eur": owed_eur(scenario.tariff, sums.price_eur_per_kwh, owed_kwh),
        "comfort_missed_k_h": float(result.comfort_missed_k_h.sum()),
        "end_use_kwh": _kwh(sums.end_use),
        "discharged_kwh": _kwh(sums.discharging),
        "stored_change_kwh": result.stored_kwh[1] - result.stored_kwh[0],
    }


def _physics(scenario: Scenario, result: StrategyResult) -> dict[str, Any]:
    nodes = scenario.grid.nodes
    v = result.v_pu if result.phase_v_pu is None else result.phase_v_pu
    if v.ndim == 2:
        v = v[:, None]
    dead = (result.v_pu == 0.0)[:, None]  # not reached by the source: a matter of supply, not of voltage
    v = np.where(dead, np.float32(np.nan), v) if dead.any() else v
    low = (v < (nodes.v_pu_min - V_TOLERANCE_PU)[:, None, None].astype(np.float32)).any(axis=1)
    high = (v > (nodes.v_pu_max + V_TOLERANCE_PU)[:, None, None].astype(np.float32)).any(axis=1)
    mean_v = settled_single(v, result.dt_h)
    live = np.isfinite(mean_v).any(axis=1)
    inside = ~((mean_v < EN50160_BAND[0]) | (mean_v > EN50160_BAND[1])).any(axis=1) & live
    return {
        "voltage_violation_node_h": float(np.count_nonzero(low) + np.count_nonzero(high)) * result.dt_h,
        "worst_v_pu": [float(np.nanmin(v)), float(np.nanmax(v))] if np.isfinite(v).any() else None,
        "voltage_band_share": float(inside.sum() / live.sum()) if live.any() else None,
        **_three_phase(result),
        "unsupplied_node_h": float(np.count_nonzero(dead)) * result.dt_h,
        "branch_overload_h": float(np.count_nonzero(result.loading > 1 + LOADING_TOLERANCE)) * result.dt_h,
        "worst_loading": float(np.nanmax(result.loading)) if np.isfinite(result.loading).any() else None,
    }


def _three_phase(result: StrategyResult) -> dict[str, Any]:
    """Of three-phase physics only."""
    if result.unbalance is None:
        return dict.fromkeys(("worst_unbalance", "unbalance_violation_node_h", "voltage_drawn_kwh"))
    found = settled_single(result.unbalance, result.dt_h)
    known = found[np.isfinite(found)]
    beyond = result.upstream_p_kw - result.losses_kw - result.p_kw.sum(axis=0, dtype=np.float64)
    return {
        "worst_unbalance": float(known.max()) if len(known) else None,
        "unbalance_violation_node_h": float(np.count_nonzero(known > MOST_UNBALANCE)) * SETTLEMENT_H,
        "voltage_drawn_kwh": float(beyond.sum()) * result.dt_h,
    }


def _off_grid(scenario: Scenario, result: StrategyResult, sums: Tally) -> dict[str, Any]:
    """Of areas without a main grid only."""
    f_hz, lost = result.f_hz, result.critical_unserved_kwh
    if f_hz is None or lost is None or not len(f_hz):
        return dict.fromkeys(("unserved_share", "critical_unserved_kwh", "frequency_band_share", "worst_f_hz"))
    missing = float(result.unserved_kwh.sum()) + float(result.ev_unserved_kwh.sum())
    wanted, unserved = missing + _kwh(sums.end_use), missing + _late_kwh(scenario, result)
    near = np.abs(f_hz - scenario.grid.f_hz) <= FREQUENCY_BAND_HZ
    return {
        "unserved_share": unserved / wanted if wanted > 0 else None,
        "critical_unserved_kwh": float(lost.sum()),
        "frequency_band_share": float(near.mean()),
        "worst_f_hz": [float(f_hz.min()), float(f_hz.max())],
    }


def _reserve(scenario: Scenario, result: StrategyResult) -> dict[str, Any]:
    """Of areas that keep a reserve for the loss of the main grid only."""
    wanted = result.reserve_kwh
    if wanted is None or not len(wanted):
        return dict.fromkeys(("reserve_held_share", "reserve_mean_kwh", "reserve_eur_per_day", "reserve_eur_per_kwh"))
    size = sum(float(fleet.e_kwh.sum()) for fleet, _ in _batteries(scenario))
    stored = stored_series_kwh(scenario, result.soc)
    costs, prices = ([e[key] for e in result.gaps if key in e] for key in ("reserve_eur", "reserve_eur_per_kwh"))
    return {
        "reserve_held_share": float((stored >= wanted - RESERVE_TOLERANCE * size).mean()),
        "reserve_mean_kwh": float(np.minimum(wanted, size).mean()),
        "reserve_eur_per_day": float(np.mean(costs)) if costs else None,
        "reserve_eur_per_kwh": float(np.mean(prices)) if prices else None,
    }


def stored_series_kwh(scenario: Scenario, soc: np.ndarray[Any, Any]) -> Floats:
    """Energy in all batteries at the end of every step, (S,), from states of charge of all devices (devices, S)."""
    out = np.zeros(soc.shape[1])
    for fleet, rows in _batteries(scenario):
        out += fleet.e_kwh @ soc[rows].astype(np.float64)
    return out


def settled_single(values: np.ndarray[Any, np.dtype[np.float32]], dt_h: float) -> np.ndarray[Any, Any]:
    """15-minute means; the array itself when its steps are already 15 minutes (voltages are big)."""
    return values if abs(dt_h - SETTLEMENT_H) < 1e-9 else settled(values.astype(np.float64), dt_h)


def _planning(result: StrategyResult) -> dict[str, Any]:
    """The gap to the central optimum and the benefit captured, on the same planning problems; the worst of them.

    Where cells alone are as good as the centre to within `WORTH_NOTHING` there is no benefit to capture.
    """
    gaps, captured = [], []
    for entry in result.gaps:
        cost, gross = entry.get("costs", entry), entry.get("gross_eur")
        distributed, central, alone = cost.get("distributed"), cost.get("central"), cost.get("alone")
        if distributed is None or central is None or not gross:
            continue
        gaps.append((distributed - central) / gross)
        if alone is not None and alone - central > WORTH_NOTHING * gross:
            captured.append(((alone - distributed) / (alone - central), (alone - central) / gross))
    share, worth = min(captured, default=(None, None))
    return {"gap_to_central": max(gaps, default=None), "benefit_captured": share, "benefit_worth": worth}


def _coordination(scenario: Scenario, result: StrategyResult) -> dict[str, Any]:
    rounds = [entry["rounds"] for entry in result.agreements if entry.get("rounds") is not None]
    sent = [entry["bytes"] for entry in result.agreements if entry.get("bytes") is not None]
    days = len(result.time) * result.dt_h / 24.0
    closed = sum(tie.closed for tie in scenario.archipelago.tie)
    residuals = [entry["residual_kw"] for entry in result.agreements if entry.get("residual_kw") is not None]
    metered_kw = metered_into_lower(scenario.archipelago, result.tie_p_kw)
    off = np.abs(settled(result.tie_agreed_kw - metered_kw, result.dt_h))
    off = off[np.isfinite(off)]
    if scenario.island.off_grid:
        off = off[:0]  # batteries balance the area as it is, so no boundary follows its plan
    return {
        "rounds_p50": float(np.percentile(rounds, 50)) if rounds else None,
        "rounds_p95": float(np.percentile(rounds, 95)) if rounds else None,
        "kb_per_boundary_day": sum(sent) / 1000.0 / closed / days if sent and closed and days else None,
        "agreed_vs_metered_kw_max": _max(off) if len(off) else None,
        "agreed_vs_metered_kw_p95": float(np.percentile(off, 95)) if len(off) else None,
        "agreed_ends_differ_kw": max(residuals) if residuals else None,
        "certified_gap": _worst(result, "gap"),
        "agreement_primal_kw": _worst(result, "primal_kw"),
        "agreement_primal_v_pu": _worst(result, "primal_v_pu"),
        "agreement_dual_eur_per_kwh": _worst(result, "dual_eur_per_kwh"),
        "plan_excess_v_pu": _worst(result, "excess_v_pu", 0.0),
        "plan_excess_loading": _worst(result, "excess_loading", 0.0),
    }


def _worst(result: StrategyResult, name: str, least: float = -math.inf) -> float | None:
    """Largest of what agreements tell under a name, at least `least`; None where none tells it."""
    told = [entry[name] for entry in result.agreements if entry.get(name) is not None]
    known = [value for value in told if math.isfinite(value)]
    return max(*known, least) if known else None


def _fleets(scenario: Scenario) -> list[tuple[Fleet, slice]]:
    """Every fleet with the device rows it has in a result."""
    ends = np.cumsum([len(fleet.id) for fleet in scenario.fleets]).tolist()
    return [(fleet, slice(end - len(fleet.id), end)) for fleet, end in zip(scenario.fleets, ends, strict=True)]


def _batteries(scenario: Scenario) -> list[tuple[BatteryFleet, slice]]:
    return [(fleet, rows) for fleet, rows in _fleets(scenario) if isinstance(fleet, BatteryFleet) and len(fleet.id)]


def _ev_open_kwh(scenario: Scenario, result: StrategyResult) -> float:
    """Energy that vehicles plugged in beyond the end of the run still wanted when it ended."""
    if not len(result.time):
        return 0.0
    start = np.datetime64(scenario.profiles.start.replace(tzinfo=None), "us")
    last = int((result.time[-1] - start) / np.timedelta64(15, "m"))
    total = 0.0
    for fleet, rows in _fleets(scenario):
        if isinstance(fleet, EvChargerFleet) and len(fleet.id):
            sessions = fleet.sessions
            session = sessions.at(last)
            staying = (sessions.start[session] <= last) & (sessions.end[session] > last + 1)
            share = np.nan_to_num(result.soc[rows, -1].astype(np.float64), nan=1.0)
            total += float((sessions.kwh[session] * (1.0 - share))[staying].sum())
        elif isinstance(fleet, V2gFleet):
            total += float(fleet.open_kwh(last, result.soc[rows, -1].astype(np.float64)).sum())
    return total


def _late_kwh(scenario: Scenario, result: StrategyResult) -> float:
    """Energy that vehicles got more than `LATE_H` after they came; no other load of ours can be moved."""
    first = int((result.time[0] - np.datetime64(scenario.profiles.start.replace(tzinfo=None), "s")) / QUARTER)
    per, total = round(SETTLEMENT_H / result.dt_h), 0.0
    for fleet, rows in _fleets(scenario):
        if not isinstance(fleet, EvChargerFleet) or not len(fleet.id):
            continue
        soc = np.nan_to_num(result.soc[rows].astype(np.float64))
        for device, start, end, kwh in zip(
            fleet.session_device, fleet.session_start, fleet.session_end, fleet.session_kwh, strict=True
        ):
            due, until = (int(row - first) * per for row in (start + round(LATE_H / SETTLEMENT_H), end))
            after = soc[device, due:until] if 0 < due < until else np.zeros(0)
            if len(after):
                total += float(kwh) * max(float(after.max()) - float(soc[device, due - 1]), 0.0)
    return total


def _wear_eur(scenario: Scenario, result: StrategyResult) -> float:
    """Wear of batteries, by the convention of `archipel.devices.battery.wear_eur`, and of vehicles that give back."""
    vehicles = sum(
        float(fleet.wear_eur(result.p_kw[rows].astype(np.float64), result.dt_h).sum())
        for fleet, rows in _fleets(scenario)
        if isinstance(fleet, V2gFleet)
    )
    return vehicles + sum(
        float(wear_eur(result.p_kw[rows].astype(np.float64), fleet.wear_eur_per_kwh, result.dt_h).sum())
        for fleet, rows in _batteries(scenario)
    )


def _discharge_efficiency(scenario: Scenario) -> float:
    """Mean over all batteries, weighted by capacity; 1 when there is none."""
    fleets = [fleet for fleet, _ in _batteries(scenario)]
    capacity = sum(float(fleet.e_kwh.sum()) for fleet in fleets)
    reached = sum(float((fleet.e_kwh * fleet.efficiency_discharge).sum()) for fleet in fleets)
    return reached / capacity if capacity > 0 else 1.0


def _kwh(power_kw: np.ndarray[Any, Any]) -> float:
    return float(power_kw.sum()) * SETTLEMENT_H


def _max(values: np.ndarray[Any, Any]) -> float:
    return float(values.max()) if values.size else 0.0


def _plain(value: Any) -> Any:
    """A JSON value: no infinities, no numpy."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return float(value) if isinstance(value, np.floating) else value
