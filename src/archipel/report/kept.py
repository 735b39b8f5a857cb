"""What was stored beside what is kept for a loss of the main grid, and what keeping it costs."""

from __future__ import annotations

import numpy as np

from archipel.devices import BatteryFleet
from archipel.model import Scenario
from archipel.report.charts import colour_of, thinned, thinned_time
from archipel.report.figures import grouped
from archipel.report.kpis import stored_series_kwh
from archipel.report.run import Run
from archipel.report.svg import Plot, legend


def kept(run: Run, scenario: Scenario) -> str:
    """A sentence and a picture; empty where no reserve is asked for."""
    figures = run.kpis["strategies"]
    names = [s for s in run.strategies if figures[s].get("reserve_mean_kwh") is not None and run.steps(s)]
    if not names:
        return ""
    size = sum(float(f.e_kwh.sum()) for f in scenario.fleets if isinstance(f, BatteryFleet))
    first = max(names, key=run.steps)
    time, dt_h = thinned_time(run.time(first), run.dt_h(first))
    plot = Plot(time, dt_h, 0.0, size / 1e3, "MWh", "Energy stored and reserve kept", width=620, height=210)
    wanted = np.minimum(run.array("area", "reserve_kwh", first)[0], size)
    plot.area(np.zeros(len(time)), thinned(wanted) / 1e3, "limit", opacity=0.15, edge="limit")
    for name in names:
        stored = np.full(len(time), np.nan)
        shown = thinned(stored_series_kwh(scenario, run.array("devices", "soc", name))) / 1e3
        stored[: len(shown)] = shown
        plot.line(stored, colour_of(name), dash="4 3" if name == "central" else None)
        plot.tell(name, colour_of(name), stored)
    keys = [(colour_of(s), s, "dash" if s == "central" else "line") for s in names]
    return (
        f"<p>{_words(run, scenario, names)}</p><figure>{plot.svg}</figure>{legend([('limit', 'kept', 'box'), *keys])}"
    )


def _words(run: Run, scenario: Scenario, names: list[str]) -> str:
    rules, figures = scenario.island, run.kpis["strategies"]
    held = min(figures[name]["reserve_held_share"] for name in names)
    told = (
        f"Critical load is to be held for {rules.reserve_for_h:g} h at {100 * rules.reserve_probability:g} % should "
        f"the main grid be lost. What that takes was stored in {100 * held:.1f} % of the time or more."
    )
    for name in names:
        cost, price = (figures[name].get(key) for key in ("reserve_eur_per_day", "reserve_eur_per_kwh"))
        if cost is not None:
            told += f" It costs {grouped(cost, 2)} EUR a day"
            told += "." if price is None else f", the last MWh of it {grouped(1e3 * price, 2)} EUR a day."
    return told
