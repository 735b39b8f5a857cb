"""Cost (or load not served), curtailment and broken limits of all strategies as three small groups of bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from archipel.report.charts import colour_of
from archipel.report.figures import grouped
from archipel.report.run import Run
from archipel.report.svg import tag, text

WIDTH, NAME, VALUE, ROW = 330.0, 92.0, 66.0, 19.0


def glance(run: Run) -> str:
    """Three groups of bars, one bar per strategy; without a main grid who was served stands in place of cost."""
    figures = run.kpis["strategies"]
    off_grid = all(f.get("unserved_share") is not None for f in figures.values())
    first: tuple[str, Callable[[Mapping[str, Any]], float], int] = ("Cost, EUR", lambda f: float(f["cost_eur"]), 0)
    if off_grid:
        first = ("Not served, %", lambda f: 100.0 * float(f["unserved_share"]), 2)
    bars = (
        first,
        ("Curtailed, MWh", lambda f: float(f["curtailed_kwh"]) / 1e3, 2),
        ("Hours beyond limits, all elements", _broken, 1),
    )
    groups = (
        f"<figure><h3>{escape(title)}</h3>{_bars({n: of(f) for n, f in figures.items()}, digits, title)}</figure>"
        for title, of, digits in bars
    )
    return f'<div class="glance">{"".join(groups)}</div>'


def _broken(figures: Mapping[str, Any]) -> float:
    return float(figures["voltage_violation_node_h"] + figures["branch_overload_h"] + figures["connection_violation_h"])


def _bars(values: Mapping[str, float], digits: int, title: str) -> str:
    values = {name: round(value, digits) for name, value in values.items()}  # a bar for nothing would say the contrary
    low, high = min([0.0, *values.values()]), max([0.0, *values.values()])
    room = WIDTH - NAME - VALUE
    scale = room / (high - low) if high > low else 0.0
    zero = NAME - low * scale
    drawn = [tag("title", escape(title))]
    for row, (name, value) in enumerate(values.items()):
        top = row * ROW + 3
        left, wide = zero + min(value, 0.0) * scale, abs(value) * scale
        colour = f"var(--{colour_of(name)})"
        drawn.append(text(NAME - 8, top + 10, name, text_anchor="end"))
        drawn.append(tag("rect", x=left, y=top, width=wide, height=ROW - 7, rx=1.5, fill=colour))
        words = grouped(value, digits).replace("-", "−")
        drawn.append(text(WIDTH, top + 10, words, text_anchor="end", class_="v"))
    bottom = len(values) * ROW
    drawn.append(tag("line", class_="axis", x1=zero, x2=zero, y1=0, y2=bottom))
    return tag("svg", *drawn, viewBox=f"0 0 {WIDTH:g} {bottom:g}", class_="plot", role="img")
