"""What the price at a boundary is made of, through the day: parts stacked on each other."""

from __future__ import annotations

from html import escape

import numpy as np

from archipel.model import PRICE_PARTS, Floats, Scenario
from archipel.report.charts import thinned, thinned_time
from archipel.report.run import Run
from archipel.report.svg import Plot, legend

COLOUR = {"energy": "upstream", "fees": "load", "losses": "losses", "congestion": "over", "voltage": "high"}
"""In the order of the stack."""
OF_NETWORK = ("losses", "congestion", "voltage")
SEEN_EUR_PER_MWH = 1e-3
"""A part that is never larger is not drawn."""


def price_parts(run: Run, scenario: Scenario) -> str:
    """The parts at the boundary where the network moved the price most, for the first strategy that tells them."""
    if f"{PRICE_PARTS[0]}_eur_per_kwh" not in run.columns("boundaries"):
        return ""  # written before prices were told in parts
    for strategy in ("distributed", "central"):
        if strategy in run.strategies and run.steps(strategy):
            parts = _parts(run, strategy)
            # a plan agreed by the robust way tells no parts: its hours are left white
            told = np.flatnonzero(np.isfinite(parts.sum(axis=0)).any(axis=1))
            if len(told):
                return _drawn(run, scenario, strategy, parts, told)
    return ""


def _parts(run: Run, strategy: str) -> Floats:
    """Parts of the price at the upper end of every tie [EUR/MWh], shape (parts, ties, steps)."""
    ends = [run.array("boundaries", f"{part}_eur_per_kwh", strategy)[::2] for part in PRICE_PARTS]
    return np.stack([thinned(part) for part in ends]) * 1000.0


def _drawn(run: Run, scenario: Scenario, strategy: str, parts: Floats, told: np.ndarray) -> str:
    """All parts at the left; at the right those of the network alone, which are small beside energy and fees."""
    of_network = [PRICE_PARTS.index(name) for name in OF_NETWORK]
    moved = np.nanmean(np.abs(parts[of_network][:, told].sum(axis=0)), axis=1)
    tie = int(told[np.argmax(moved)])
    stack = {name: parts[PRICE_PARTS.index(name), tie] for name in COLOUR}
    cell = scenario.archipelago.tie[tie].lower
    mean = {name: f"{name} {np.nanmean(value):.2f}" for name, value in stack.items()}
    pictures = (
        (tuple(COLOUR), f"{cell}, {strategy}; mean of the time shown: {mean['energy']}, {mean['fees']} EUR/MWh"),
        (OF_NETWORK, f"the network's part of it alone: {', '.join(mean[name] for name in OF_NETWORK)} EUR/MWh"),
    )
    figures = [
        f"<figure><figcaption><small>{escape(remark)}</small></figcaption>"
        f"{_stacked(run, strategy, {name: stack[name] for name in names}, f'Parts of the price of {cell}')}</figure>"
        for names, remark in pictures
    ]
    keys = [(colour, name, "box") for name, colour in COLOUR.items()] + [("ink", "their sum", "line")]
    return f'<div class="two">{"".join(figures)}</div>{legend(keys)}'


def _stacked(run: Run, strategy: str, stack: dict[str, Floats], label: str) -> str:
    """Parts above zero stacked upwards, parts below zero downwards, and their sum."""
    values = np.stack(list(stack.values()))
    top = float(np.nanmax(np.maximum(values, 0.0).sum(axis=0), initial=0.0))
    low = float(np.nanmin(np.minimum(values, 0.0).sum(axis=0), initial=0.0))
    room = 0.06 * max(top - low, 0.1)
    time, dt_h = thinned_time(run.time(strategy), run.dt_h(strategy))
    plot = Plot(time, dt_h, low - room * (low < 0), top + room, "EUR/MWh", label, width=620, height=250)
    level = {True: np.zeros(len(time)), False: np.zeros(len(time))}
    for name, value in stack.items():
        for up in (True, False):
            part = np.maximum(value, 0.0) if up else np.minimum(value, 0.0)
            if np.nanmax(np.abs(part), initial=0.0) > SEEN_EUR_PER_MWH:
                plot.area(level[up], level[up] + part, COLOUR[name])
            level[up] = level[up] + part
        plot.tell(name, COLOUR[name], value, 2)
    total = values.sum(axis=0)
    plot.line(total, "ink", width=1.6)
    plot.tell("sum", "ink", total, 2)
    return str(plot.svg)
