"""A measure beside the base case: figures, limits broken before and after, what it is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from archipel.model import Scenario, StrategyResult
from archipel.report.figures import grouped
from archipel.report.kpis import LOADING_TOLERANCE, V_TOLERANCE_PU, kpis
from archipel.strategies.hosting.question import DEVICE_NAME

LINES = (
    ("cost_eur", "cost of the run [EUR]", 1.0, 1),
    ("peak_import_kw", "highest import [kW]", 1.0, 0),
    ("peak_export_kw", "highest export [kW]", 1.0, 0),
    ("losses_kwh", "losses [kWh]", 1.0, 1),
    ("curtailed_kwh", "curtailed [kWh]", 1.0, 1),
    ("ev_unserved_kwh", "missing at departures [kWh]", 1.0, 1),
    ("comfort_missed_k_h", "outside comfort [K h]", 1.0, 1),
    ("v_pu_min", "lowest voltage [pu]", 1.0, 4),
    ("v_pu_max", "highest voltage [pu]", 1.0, 4),
    ("worst_loading", "highest loading [%]", 100.0, 1),
    ("limits_broken", "limits broken", 1.0, 0),
    ("hours_broken", "hours beyond them", 1.0, 2),
)
MOST_LISTED = 8


def figures(scenario: Scenario, result: StrategyResult) -> dict[str, Any]:
    """The figures of one run that a measure may change, and every limit that is broken with its worst value."""
    all_of = kpis(scenario, result)
    worst = all_of["worst_v_pu"] or [None, None]
    broken = broken_limits(scenario, result)
    kept = {key: all_of[key] for key, *_ in LINES if key in all_of}
    hours = all_of["voltage_violation_node_h"] + all_of["branch_overload_h"] + all_of["connection_violation_h"]
    return {
        **kept,
        "v_pu_min": worst[0],
        "v_pu_max": worst[1],
        "losses_kwh": float(result.losses_kw.sum() * result.dt_h),
        "hours_broken": hours,
        "limits_broken": len(broken),
        "broken": broken,
    }


def broken_limits(scenario: Scenario, result: StrategyResult) -> list[dict[str, Any]]:
    """Every node and branch beyond a limit, as counted in the run's figures: worst value, hours; longest first."""
    nodes, grid = scenario.grid.nodes, scenario.grid
    found = []
    live = result.v_pu > 0.0
    for what, beyond, worst, limit in (
        ("voltage high", live & (result.v_pu > (nodes.v_pu_max + V_TOLERANCE_PU)[:, None]), np.max, nodes.v_pu_max),
        ("voltage low", live & (result.v_pu < (nodes.v_pu_min - V_TOLERANCE_PU)[:, None]), np.min, nodes.v_pu_min),
    ):
        for n in np.flatnonzero(beyond.any(axis=1)).tolist():
            value = float(worst(result.v_pu[n][beyond[n]]))
            hours = float(beyond[n].sum()) * result.dt_h
            found.append(
                {
                    "what": what,
                    "where": nodes.id[n],
                    "value": value,
                    "limit": float(limit[n]),
                    "unit": "pu",
                    "hours": hours,
                }
            )
    over = result.loading > 1.0 + LOADING_TOLERANCE
    for b in np.flatnonzero(over.any(axis=1)).tolist():
        kind = "line" if b < len(grid.lines) else "transformer"
        value, hours = 100.0 * float(result.loading[b].max()), float(over[b].sum()) * result.dt_h
        found.append(
            {"what": kind, "where": grid.branch_id[b], "value": value, "limit": 100.0, "unit": "%", "hours": hours}
        )
    return sorted(found, key=lambda one: -one["hours"])


def text(found: Mapping[str, Any]) -> str:
    """The table of `archipel what-if`."""
    begin, many = found["start"][:16].replace("T", " "), "s" * (found["days"] > 1)
    out = [
        f"{found['scenario']}, {found['days']} day{many} from {begin} UTC",
        f"what if: {'; '.join(found['measures'])}",
    ]
    for name, sides in found["strategies"].items():
        before, after = sides["base"], sides["built"]
        out += ["", f"{name:<30}{'as it is':>14}{'built':>14}{'change':>14}"]
        for key, label, scale, digits in LINES:
            a, b = before.get(key), after.get(key)
            if a is None or b is None:
                continue
            a, b = scale * a, scale * b
            out.append(f"  {label:<28}{_n(a, digits):>14}{_n(b, digits):>14}{_signed(b - a, digits):>14}")
        was, now = ({(o["what"], o["where"]): o for o in side["broken"]} for side in (before, after))
        for title, rows in (
            ("no longer broken", [o for k, o in was.items() if k not in now]),
            ("still broken", [o for k, o in now.items() if k in was]),
            ("broken only with it", [o for k, o in now.items() if k not in was]),
        ):
            if rows:
                shown = ", ".join(_limit(o) for o in rows[:MOST_LISTED])
                more = f" and {len(rows) - MOST_LISTED} more" if len(rows) > MOST_LISTED else ""
                out.append(f"  {title}: {shown}{more}")
        if not was and not now:
            out.append("  no limit broken, with it or without")
        if "worth" in sides:
            out.append(f"  {sides['worth']}")
    if hosting := found.get("hosting"):
        title = f"new {DEVICE_NAME[found['device']]} [kW]"
        out += ["", f"{title:<30}{'as it is':>14}{'built':>14}{'change':>14}"]
        for name, (a, b) in hosting.items():
            out.append(f"  {name:<28}{_n(a, 0):>14}{_n(b, 0):>14}{_signed(b - a, 0):>14}")
    return "\n".join(out)


def worth(before: Mapping[str, Any], after: Mapping[str, Any], days: int, eur_per_year: float) -> str:
    """What the days save against what the measure costs in as many days."""
    saved = (before["cost_eur"] - after["cost_eur"]) / days
    cost = eur_per_year / 365.0
    verb = "saves" if saved >= 0 else "costs"
    return (
        f"the measure costs {grouped(eur_per_year, 0)} EUR a year, {cost:,.2f} a day; on such days operation {verb} "
        f"{abs(saved):,.2f} EUR a day" + (" more" if saved < 0 else "")
    )


def hosting_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Median by strategy."""
    return {row["strategy"]: row["p_kw_median"] for row in rows}


def _limit(one: Mapping[str, Any]) -> str:
    digits = 4 if one["unit"] == "pu" else 1
    return f"{one['where']} ({one['what']} {one['value']:.{digits}f} {one['unit']}, {one['hours']:g} h)"


def _n(value: float, digits: int) -> str:
    return grouped(value, digits)


def _signed(value: float, digits: int) -> str:
    return "0" if round(value, digits) == 0 else f"{'+' if value > 0 else ''}{grouped(value, digits)}"
