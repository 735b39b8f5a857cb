"""An area without a main grid: what was stored, what was not served, frequency, and which cells carried which."""

from __future__ import annotations

from html import escape

import numpy as np

from archipel.devices import BatteryFleet
from archipel.model import Floats, Scenario
from archipel.report.charts import colour_of, side_by_side, thinned, thinned_time
from archipel.report.figures import grouped
from archipel.report.kpis import FREQUENCY_BAND_HZ, stored_series_kwh
from archipel.report.run import Run
from archipel.report.svg import Plot, legend


def off_grid(run: Run, scenario: Scenario) -> str:
    """Pictures of the run and a table of cells; empty where there is a main grid."""
    if not scenario.island.off_grid or not any(run.steps(s) for s in run.strategies):
        return ""
    pictures = f"{_stored(run, scenario)}{_frequency(run, scenario)}"
    return pictures + _carried(run, scenario)


def _names(run: Run) -> list[str]:
    """Strategies with steps, those drawn last that the reader looks for first."""
    return sorted((s for s in run.strategies if run.steps(s)), key=["distributed", "central"].__contains__)


def _stored(run: Run, scenario: Scenario) -> str:
    """Energy in all batteries, and the power that was not served below it."""
    names, size = _names(run), sum(float(f.e_kwh.sum()) for f in scenario.fleets if isinstance(f, BatteryFleet))
    first = max(names, key=run.steps)
    time, dt_h = thinned_time(run.time(first), run.dt_h(first))
    stored = {s: stored_series_kwh(scenario, run.array("devices", "soc", s)) / 1e3 for s in names}
    shed = {s: run.array("area", "unserved_kwh", s)[0] / run.dt_h(s) / 1e3 for s in names}
    most = max((float(one.max(initial=0.0)) for one in shed.values()), default=0.0)
    pictures = []
    for values, top, label in (
        (stored, max(size, 1.0) / 1e3, "Energy in all batteries"),
        (shed, 1.1 * max(most, 0.1), "Load not served"),
    ):
        unit = "MWh" if values is stored else "MW"
        plot = Plot(time, dt_h, 0.0, top, unit, label, width=620, height=230)
        if values is stored:
            plot.level(scenario.island.reserve_kwh / 1e3, "reserve")
        for name in names:
            line = np.full(len(time), np.nan)
            line[: len(thinned(values[name]))] = thinned(values[name])
            plot.line(line, colour_of(name), width=1.6, dash="4 3" if name == "central" else None)
            plot.tell(name, colour_of(name), line)
        pictures.append(f"<figure><figcaption><h3>{label}</h3></figcaption>{plot.svg}</figure>")
    keys = [(colour_of(s), s, "dash" if s == "central" else "line") for s in names]
    return f'<div class="two"><div>{pictures[0]}</div><div>{pictures[1]}</div></div>{legend(keys)}'


def _frequency(run: Run, scenario: Scenario) -> str:
    """Lowest and highest frequency of the moments drawn."""
    f_hz = {s: run.array("area", "f_hz", s)[0].astype(np.float64) for s in _names(run)}
    every = np.concatenate(list(f_hz.values()))
    nominal = scenario.grid.f_hz
    apart = max(1.1 * float(np.nanmax(np.abs(every - nominal), initial=0.0)), 1.3 * FREQUENCY_BAND_HZ)

    def draw(strategy: str) -> tuple[str, str]:
        time, dt_h = thinned_time(run.time(strategy), run.dt_h(strategy))
        plot = Plot(time, dt_h, nominal - apart, nominal + apart, "Hz", f"Frequency, {strategy}")
        values = f_hz.get(strategy, np.zeros(0))
        low, high = thinned(values, np.min), thinned(values, np.max)
        plot.area(low, high, colour_of(strategy), opacity=0.5)
        plot.line(thinned(values), colour_of(strategy), width=1.0)
        plot.level(nominal + FREQUENCY_BAND_HZ, f"{FREQUENCY_BAND_HZ:g} Hz")
        plot.level(nominal - FREQUENCY_BAND_HZ, "")
        plot.tell("lowest", colour_of(strategy), low, 3)
        plot.tell("highest", colour_of(strategy), high, 3)
        return plot.svg, f"{np.nanmin(values):.2f} to {np.nanmax(values):.2f} Hz" if len(values) else ""

    return f'<p class="row">Frequency after every step, before it is brought back</p>{side_by_side(run, draw)}'


def _carried(run: Run, scenario: Scenario) -> str:
    """What every cell used and gave, of the strategy that is most about it."""
    names = _names(run)
    strategy = "distributed" if "distributed" in names else names[-1]

    def mwh(column: str, sign: float = 1.0) -> Floats:
        return np.asarray(np.maximum(sign * run.array("cells", column, strategy), 0.0).sum(axis=1)) * 0.25 / 1e3

    used = mwh("load_kw") + mwh("vehicles_kw") + mwh("heat_kw")
    made, taken, given = mwh("renewable_kw"), mwh("own_kw"), mwh("own_kw", -1.0)
    cells = [cell.id for cell in scenario.archipelago.cell]
    rows = "".join(
        f'<tr><td class="left">{escape(cells[k])}</td>'
        + "".join(f"<td>{grouped(float(v[k]), 2)}</td>" for v in (used, made, taken, given, given - taken))
        + "</tr>"
        for k in np.argsort(taken - given, kind="stable").tolist()
    )
    heads = "".join(f"<th>{word}, MWh</th>" for word in ("used", "generated", "from others", "to others", "net given"))
    return (
        f'<p class="row">Who carried whom, {escape(strategy)}</p><div class="scroll"><table>'
        f'<tr><th class="left">Cell</th>{heads}</tr>{rows}</table></div>'
    )
