"""What every soft open point moved, lost and earned under agreement."""

from __future__ import annotations

from html import escape

import numpy as np

from archipel.devices import SoftOpenPointFleet
from archipel.model import Floats, Scenario
from archipel.report.figures import grouped
from archipel.report.payments import price_at
from archipel.report.run import Run
from archipel.report.svg import Plot

STRATEGY = "distributed"
DRAWN = 4
"""Points drawn, those that moved most; all are listed."""
FULL = 0.99
"""Share of the rating from which a point counts as full."""


def soft_points(run: Run, scenario: Scenario) -> str:
    """A table of all and pictures of the busiest; empty where there is nothing to tell."""
    fleet = next((f for f in scenario.fleets if isinstance(f, SoftOpenPointFleet)), None)
    if fleet is None or STRATEGY not in run.strategies or not run.steps(STRATEGY):
        return ""
    rows = np.flatnonzero(np.array(scenario.device_kind) == fleet.kind)
    p_kw, dt_h = run.array("devices", "p_kw", STRATEGY)[rows], run.dt_h(STRATEGY)
    price = price_at(run, STRATEGY, scenario, rows, run.array("area", "price_eur_per_kwh", STRATEGY)[0])
    moved = fleet.moved(p_kw.astype(np.float64), np.arange(len(rows)))[::2]
    lost = p_kw[::2] + p_kw[1::2]
    earned = -(p_kw * price)[::2] - (p_kw * price)[1::2]
    cell = [scenario.archipelago.cell[c].id for c in scenario.device_cell[rows]]
    most = fleet.p_kw_max[::2]
    order = np.argsort(-np.abs(moved).sum(axis=1), kind="stable").tolist()
    listed = []
    for k in order:
        there, back = np.maximum(moved[k], 0.0).sum() * dt_h, np.maximum(-moved[k], 0.0).sum() * dt_h
        full = float((np.abs(moved[k]) >= FULL * most[k]).sum()) * dt_h
        figures = (
            grouped(there, 1), grouped(back, 1), grouped(lost[k].sum() * dt_h, 1), grouped(most[k], 0),
            grouped(full, 2), grouped(earned[k].sum() * dt_h, 2),
        )  # fmt: skip
        words = [fleet.point[2 * k], f"{cell[2 * k]} to {cell[2 * k + 1]}"]
        tags = [f'<td class="left">{escape(word)}</td>' for word in words]
        listed.append(f"<tr>{''.join(tags)}{''.join(f'<td>{figure}</td>' for figure in figures)}</tr>")
    heads = ("moved, kWh", "moved back, kWh", "lost, kWh", "rating, kW", "full, h", "earned, EUR")
    head = '<th class="left">Point</th><th class="left">Between</th>' + "".join(f"<th>{word}</th>" for word in heads)
    table = f'<div class="scroll"><table><tr>{head}</tr>{"".join(listed)}</table></div>'
    return table + "".join(_drawn(run, fleet.point[2 * k], moved[k], float(most[k])) for k in order[:DRAWN])


def _drawn(run: Run, name: str, moved_kw: Floats, most_kw: float) -> str:
    """Power moved through the run."""
    top, label = 1.15 * most_kw, f"Power moved by {name}"
    plot = Plot(run.time(STRATEGY), run.dt_h(STRATEGY), -top, top, "kW", label, width=620, height=150)
    plot.level(most_kw, "rating")
    plot.level(-most_kw, "")
    plot.area(np.zeros_like(moved_kw), moved_kw, STRATEGY, opacity=0.25)
    plot.line(moved_kw, STRATEGY)
    plot.tell(name, STRATEGY, moved_kw, 1)
    return f"<h3>{escape(name)}</h3>{plot.svg}"
