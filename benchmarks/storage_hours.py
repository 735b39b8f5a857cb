"""How much storage an area without a main grid needs: unserved energy against hours of storage, in energy sums.

    python -m benchmarks.storage_hours                          the table as JSON lines
    python -m benchmarks.storage_hours --picture storage.svg    and as a picture

`island-year` without its network (losses as a share of load, measured by AC power flow), two ways: the cells' rules,
which know nothing of what comes, and a bound that knows the whole year (a linear program solved by HiGHS).
`python -m benchmarks.island_life storage` runs some of the points by AC power flow.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from archipel.devices import BatteryFleet, DispatchableFleet, LoadFleet, SheddableFleet
from archipel.formats.scenario import load_scenario
from archipel.model import Floats, Scenario
from archipel.model.weather import Weather
from archipel.report.svg import tag, text
from archipel.strategies.off_grid import PACE

HOURS = (2.0, 4.0, 6.0, 9.0, 12.0, 18.0, 24.0, 36.0, 48.0, 60.0, 72.0, 80.0, 88.0, 96.0, 104.0, 112.0, 120.0, 136.0)
WANTED = (0.01, 0.001)
LOSSES = 0.012
"""Of load, in the year by AC power flow."""
YEAR, DT_H = 35_136, 0.25


def sums(case: Scenario) -> tuple[Floats, Floats]:
    """Load with losses, and renewables on offer [kW], every quarter hour of the year."""
    weather = Weather(0, case.profiles.window(0, YEAR).astype(np.float64), perfect=True)
    load, offered = np.zeros(YEAR), np.zeros(YEAR)
    for fleet in case.fleets:
        if isinstance(fleet, LoadFleet | SheddableFleet):
            load += weather.value[:, fleet.p_profile] @ fleet.p_kw
        elif fleet.kind in ("pv", "generator"):
            offered += np.array([fleet.available(_row(weather, k)).sum() for k in range(YEAR)])  # type: ignore[attr-defined]
    return (1.0 + LOSSES) * load, offered


def _row(weather: Weather, k: int) -> Weather:
    return Weather(k, weather.value[k : k + 1], perfect=True)


def bound(load: Floats, offered: Floats, size_kwh: float, case: Scenario) -> float:
    """Least share that is not served by who knows the whole year, hour by hour."""
    battery, stock = _battery(case), _stock(case)
    load, offered = (x.reshape(-1, 4).mean(axis=1) for x in (load, offered))
    n, eta = len(load), float(battery.efficiency_charge[0])
    one, none = sp.eye(n), sp.csr_matrix((n, n))
    # charge, discharge, burn, shed, spill, stored
    balance = sp.hstack([-one, one, one, one, -one, none])
    store = sp.hstack([-eta * one, one / eta, none, none, none, one - sp.eye(n, k=-1)])
    right = np.concatenate([load - offered, np.zeros(n)])
    right[n] = 0.5 * size_kwh
    power = float(battery.p_kw_charge.sum())
    most = [np.full(2 * n, power), np.full(n, stock.p_kw_max.sum()), (1.0 - case.island.critical_share) * load]
    upper = np.concatenate([*most, np.full(n, np.inf), np.full(n, size_kwh)])
    cost = np.concatenate([np.full(2 * n, 1e-4), np.zeros(n), np.ones(n), np.zeros(2 * n)])
    burns = sp.hstack([sp.csr_matrix((1, 2 * n)), sp.csr_matrix(np.ones((1, n))), sp.csr_matrix((1, 3 * n))])
    found = linprog(
        cost, A_ub=burns, b_ub=[stock.e_kwh.sum()], A_eq=sp.vstack([balance, store]).tocsr(), b_eq=right,
        bounds=np.column_stack([np.zeros(6 * n), upper]), method="highs-ipm",
    )  # fmt: skip
    return float(found.x[3 * n : 4 * n].sum() / load.sum()) if found.success else float("nan")


def rules(load: Floats, offered: Floats, size_kwh: float, case: Scenario) -> tuple[float, float]:
    """Share not served by the rules of `strategies.off_grid`, and critical energy not served [kWh]."""
    island, battery, stock = case.island, _battery(case), _stock(case)
    eta, burn, power = (
        float(battery.efficiency_charge[0]),
        float(stock.p_kw_max.sum()),
        float(battery.p_kw_charge.sum()),
    )
    reserve, e, left = min(island.reserve_kwh, 0.5 * size_kwh), 0.5 * size_kwh, float(stock.e_kwh.sum())
    below, year = (
        island.fuel_below_kwh * size_kwh / float(battery.e_kwh.sum()),
        timedelta(days=366) / timedelta(hours=1),
    )
    missed = critical = drawn = burnt = 0.0
    for k in range(YEAR):
        pace = min(max(left / float(stock.e_kwh.sum()) / max(1.0 - k * DT_H / year, 0.02), PACE[0]), PACE[1])
        on = (e < below * pace and drawn - burnt < burn) or e < reserve
        burnt = min(burn, left / DT_H) if on else 0.0
        shed = (1.0 - island.critical_share) * load[k] if e < reserve else 0.0
        net = load[k] - shed - offered[k] - burnt
        if net > 0.0:
            given = min(net, power, e * eta / DT_H)
            short, drawn = net - given, -given
            e -= given / eta * DT_H
            more = min(short, max(min(burn, left / DT_H) - burnt, 0.0))
            burnt, short = burnt + more, short - more
            rest = min(short, (1.0 - island.critical_share) * load[k] - shed)
            shed, critical = shed + short, critical + (short - rest) * DT_H
        else:
            drawn = min(-net, power, (size_kwh - e) / eta / DT_H)
            burnt -= min(burnt, -net - drawn)
            e += drawn * eta * DT_H
        left -= burnt * DT_H
        missed += shed * DT_H
    return missed / (load.sum() * DT_H), critical


def _battery(case: Scenario) -> BatteryFleet:
    return next(f for f in case.fleets if isinstance(f, BatteryFleet))


def _stock(case: Scenario) -> DispatchableFleet:
    return next(f for f in case.fleets if isinstance(f, DispatchableFleet))


def needed_h(rows: list[dict[str, Any]], name: str, share: float) -> float | None:
    """Hours at which a curve falls below a share, between the points beside it on logarithmic axes; None if never."""
    for before, after in pairwise(rows):
        if before[name] > share >= after[name]:
            x, y = (np.log([before[key], max(after[key], 1e-6)]) for key in ("storage_h", name))
            return float(np.exp(x[0] + (x[1] - x[0]) * (np.log(share) - y[0]) / (y[1] - y[0])))
    return None


def picture(rows: list[dict[str, Any]], measured: list[tuple[float, float]]) -> str:
    """Unserved share against hours of storage, both logarithmic, as SVG."""
    wide, high, left, low = 640.0, 360.0, 64.0, 44.0
    x_ends, y_ends = np.log([2.0, 144.0]), np.log([1e-4, 0.2])

    def at(hours: float, share: float) -> tuple[float, float]:
        x = left + (np.log(hours) - x_ends[0]) / (x_ends[1] - x_ends[0]) * (wide - left - 16.0)
        y = (np.log(max(share, 1e-4)) - y_ends[0]) / (y_ends[1] - y_ends[0]) * (high - low - 14.0)
        return round(float(x), 1), round(float(high - low - y), 1)

    drawn = [tag("rect", x=0, y=0, width=wide, height=high, fill="#ffffff")]
    for share in (0.1, 0.01, 0.001):
        y = at(2.0, share)[1]
        drawn.append(tag("line", x1=left, x2=wide - 16, y1=y, y2=y, stroke="#d7dbe0"))
        drawn.append(text(left - 8, y + 4, f"{100 * share:g} %", text_anchor="end", fill="#4a5563", font_size=12))
    for hours in (2.0, 6.0, 12.0, 24.0, 48.0, 96.0):
        x = at(hours, 0.01)[0]
        drawn.append(text(x, high - low + 20, f"{hours:g}", text_anchor="middle", fill="#4a5563", font_size=12))
    drawn.append(
        text(
            (wide + left) / 2,
            high - 6,
            "hours of storage at mean load",
            text_anchor="middle",
            fill="#4a5563",
            font_size=12,
        )
    )
    for k, (name, colour, words) in enumerate(
        (("rules", "#8b97a6", "the cells' rules, no forecast"), ("bound", "#0b6fb8", "bound: the whole year known"))
    ):
        points = " ".join(
            f"{x},{y}" for x, y in (at(row["storage_h"], row[name]) for row in rows if row[name] == row[name])
        )
        drawn.append(tag("polyline", points=points, fill="none", stroke=colour, stroke_width=2.4))
        drawn.append(
            tag(
                "line",
                x1=left + 16,
                x2=left + 40,
                y1=high - low - 40 + 18 * k,
                y2=high - low - 40 + 18 * k,
                stroke=colour,
                stroke_width=2.4,
            )
        )
        drawn.append(text(left + 48, high - low - 36 + 18 * k, words, fill="#1c2733", font_size=12))
    for hours, share in measured:
        x, y = at(hours, share)
        drawn.append(tag("circle", cx=x, cy=y, r=4, fill="#e69f00"))
    if measured:
        drawn.append(tag("circle", cx=left + 28, cy=high - low - 62, r=4, fill="#e69f00"))
        drawn.append(text(left + 48, high - low - 58, "the rules by AC power flow", fill="#1c2733", font_size=12))
    return tag(
        "svg", *drawn, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {wide:g} {high:g}", font_family="sans-serif"
    )


def main() -> int:
    """Table, and picture if one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="SVG file to write")
    parser.add_argument("--measured", nargs="*", default=[], metavar="HOURS:SHARE", help="points by AC power flow")
    asked = parser.parse_args()
    case = load_scenario("island-year")
    load, offered = sums(case)
    mean_kw, rows = float(load.mean()) / (1.0 + LOSSES), []
    for hours in HOURS:
        size = hours * mean_kw
        share, critical = rules(load, offered, size, case)
        rows.append(
            {"storage_h": hours, "rules": share, "critical_kwh": critical, "bound": bound(load, offered, size, case)}
        )
        sys.stdout.write(json.dumps(rows[-1]) + "\n")
        sys.stdout.flush()
    for name in ("rules", "bound"):
        needed = {f"{share:g}": needed_h(rows, name, share) for share in WANTED}
        sys.stdout.write(json.dumps({"hours_needed": name, **needed}) + "\n")
    if asked.picture:
        points = [tuple(float(x) for x in one.split(":")) for one in asked.measured]
        asked.picture.write_text(picture(rows, points), encoding="utf-8")  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    sys.exit(main())
