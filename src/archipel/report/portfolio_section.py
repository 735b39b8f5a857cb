"""What portfolios did in a run: position, what was called, what was metered, who moved."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from archipel.model import Delivery, Scenario
from archipel.report.charts import in_unit, thinned, thinned_time
from archipel.report.deliveries import read_deliveries
from archipel.report.figures import grouped
from archipel.report.run import Run
from archipel.report.svg import Plot, legend

COLOURS = ("battery", "alone", "upstream", "vehicles", "heat", "sun")
QUARTER_H = 0.25
MINUS = "\N{MINUS SIGN}"
Times = NDArray[np.datetime64]


def portfolio_section(run: Run, scenario: Scenario) -> str:
    """A part of the report for every portfolio of the run; empty where there is none."""
    return "".join(_one(delivery, run, scenario) for delivery in read_deliveries(run.path))


def _one(delivery: Delivery, run: Run, scenario: Scenario) -> str:
    portfolio = next(p for p in scenario.ownership.portfolio if p.id == delivery.portfolio)
    quarters = len(delivery.price_eur_per_kwh)
    begin = np.datetime64(delivery.start.replace(tzinfo=None), "m")
    time, dt_h = thinned_time(begin + np.arange(quarters) * np.timedelta64(15, "m"), QUARTER_H)
    return (
        f"<h3>{escape(portfolio.name)}</h3><p>{escape(_words(delivery))}</p>"
        f'<div class="two">{_figure("Position and meter", _position(delivery, time, dt_h))}'
        f"{_figure('Who was moved', _moved(delivery, time, dt_h))}</div>"
        f"{_table(delivery, scenario)}"
        f'<p class="note">What it earned, and who of it: <code>archipel settle {escape(run.info["id"])}</code>, then '
        f"<code>archipel statement {escape(run.info['id'])} --owner {escape(portfolio.operator)}</code>.</p>"
    )


def _figure(title: str, drawn: str) -> str:
    return f"<figure><figcaption><h3>{title}</h3></figcaption>{drawn}</figure>"


def _signed(value: float) -> str:
    return grouped(value, 0).replace("-", MINUS)


def _words(d: Delivery) -> str:
    called = d.afrr_energy_kw.sum(axis=0)
    off = d.metered_kw.sum(axis=0) - d.bought_kw - called
    moved = float(np.abs(d.bought_kw + called).sum())
    share = float(np.abs(off).sum()) / moved if moved else 0.0
    fcr, up = float(d.fcr_kw.sum(axis=0).max()), float(d.afrr_up_kw.sum(axis=0).max())
    way = "bought" if d.bought_kw.sum() > 0 else "sold"
    return (
        f"On the day-ahead market it {way} {_energy(abs(float(d.bought_kw.sum())) * QUARTER_H)}. It kept "
        f"{grouped(fcr, 0)} kW for containment and {grouped(up, 0)} kW each way for restoration, of which "
        f"{_energy(float(np.abs(called).sum()) * QUARTER_H)} were called. Meters were {100.0 * share:.2g} % off what "
        "was sold and called, in the sum over quarter hours."
    )


def _energy(kwh: float) -> str:
    return f"{grouped(kwh, 0)} kWh" if kwh < 1e4 else f"{grouped(kwh / 1e3, 1)} MWh"


def _position(d: Delivery, time: Times, dt_h: float) -> str:
    """What was sold, with what was called of the reserve, beside the meters."""
    lines = (
        ("sold the day before", "faint", d.bought_kw, None),
        ("sold and called", "limit", d.bought_kw + d.afrr_energy_kw.sum(axis=0), "4 3"),
        ("metered", "pooled", d.metered_kw.sum(axis=0), None),
    )
    ends = [float(edge) for _, _, kw, _ in lines for edge in (kw.min(initial=0.0), kw.max(initial=0.0))]
    factor, unit = in_unit(max(abs(edge) for edge in ends))
    margin = 0.05 * (max(ends) - min(ends)) or 1.0
    low, high = (min(ends) - margin) * factor, (max(ends) + margin) * factor
    plot = Plot(time, dt_h, low, high, unit, "Position and metered power", width=480, height=230)
    for name, colour, kw, dash in lines:
        plot.line(thinned(kw) * factor, colour, dash=dash)
        plot.tell(name, colour, thinned(kw) * factor)
    keys = [(colour, name, "dash" if dash else "line") for name, colour, _, dash in lines]
    return plot.svg + legend(keys)


def _moved(d: Delivery, time: Times, dt_h: float) -> str:
    """What every member was moved from its plan of the day before, stacked: drawing more above, less below."""
    change = np.stack([thinned(kw) for kw in d.asked_kw - d.baseline_kw])
    size = max(float(np.maximum(change, 0.0).sum(0).max()), float(np.maximum(-change, 0.0).sum(0).max()), 1.0)
    factor, unit = in_unit(size)
    edge = 1.05 * size * factor
    plot = Plot(time, dt_h, -edge, edge, unit, "What members were asked to move", width=480, height=230)
    for part in (np.maximum(change, 0.0), np.minimum(change, 0.0)):
        level = np.zeros(len(time))
        for kw, colour in zip(part, COLOURS * len(part), strict=False):
            plot.area(level, level + kw * factor, colour)
            level = level + kw * factor
    for name, kw, colour in zip(d.contract, change, COLOURS * len(change), strict=False):
        plot.tell(name, colour, kw * factor)
    return plot.svg + legend([(c, name, "box") for name, c in zip(d.contract, COLOURS * len(change), strict=False)])


def _table(d: Delivery, scenario: Scenario) -> str:
    owner = {contract.id: contract.owner for contract in scenario.ownership.contracts}
    name = {one.id: one.name for one in scenario.ownership.owner}
    heads = ("drawn, kWh", "asked more, kWh", "asked less, kWh", "off what was asked, kWh", "FCR, kW", "aFRR, kW")
    rows = []
    for i, contract in enumerate(d.contract):
        change, off = d.asked_kw[i] - d.baseline_kw[i], np.nan_to_num(d.metered_kw[i] - d.asked_kw[i])
        energies = (d.metered_kw[i], np.maximum(change, 0.0), np.maximum(-change, 0.0), np.abs(off))
        values = [float(kw.sum()) * QUARTER_H for kw in energies]
        values += [float(d.fcr_kw[i].max(initial=0.0)), float(d.afrr_up_kw[i].max(initial=0.0))]
        cells = "".join(f"<td>{escape(_signed(value))}</td>" for value in values)
        who = f"{name.get(owner.get(contract, ''), '')}"
        rows.append(f'<tr><td class="left">{escape(contract)}</td><td class="left">{escape(who)}</td>{cells}</tr>')
    head = "".join(f"<th>{words}</th>" for words in heads)
    return (
        f'<div class="scroll"><table><tr><th class="left">Contract</th><th class="left">Owner</th>{head}</tr>'
        f"{''.join(rows)}</table></div>"
    )
