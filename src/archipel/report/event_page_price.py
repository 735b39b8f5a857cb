"""How the price of an event was found: every price told, and what all cells answered together."""

from __future__ import annotations

import math
from html import escape
from typing import Any

import numpy as np

from archipel.report.event_page_figures import said
from archipel.report.svg import legend, tag, text, ticks
from archipel.strategies.demand_event import DemandEvent

WIDE, HIGH = 620, 220


def prices(done: DemandEvent) -> str:
    """A picture of all rounds beside a table of the prices that held."""
    rows = [
        (
            f"{search.at:%H:%M}",
            f"{max(search.at, done.event.start):%H:%M}–{search.until:%H:%M}",
            str(len(search.rounds)),
            f"{100 * search.rounds[-1].price_eur_per_kwh:.2f}",
            said(search.rounds[-1].reduction_kw),
        )
        for search in done.searches
    ]
    head = ("Looked for at", "for", "prices told", "held, ct/kWh", "answered, kW")
    cells = "".join(f"<tr>{''.join(f'<td>{escape(v)}</td>' for v in row)}</tr>" for row in rows)
    table = f"<table><tr>{''.join(f'<th>{escape(v)}</th>' for v in head)}</tr>{cells}</table>"
    return f'<div class="two"><figure>{_rounds(done)}</figure><div>{table}</div></div>'


def _rounds(done: DemandEvent) -> str:
    """Answers against prices; the price on a logarithmic scale, for prices that matter are small beside the most."""
    told = [(one, k) for k, search in enumerate(done.searches) for one in search.rounds]
    price = np.array([max(one.price_eur_per_kwh, 1e-3) for one, _ in told])
    answer = np.array([one.reduction_kw for one, _ in told])
    low, high = min(0.0, float(answer.min())), 1.08 * max(float(answer.max()), done.event.reduction_kw)
    begin, end = math.floor(math.log10(price.min()) * 4) / 4, math.ceil(math.log10(price.max()) * 4) / 4
    end = max(end, begin + 0.5)
    left, right, top, floor = 44, WIDE - 10, 16, HIGH - 24

    def x(value: Any) -> Any:
        return left + (right - left) * (np.log10(value) - begin) / (end - begin)

    def y(value: Any) -> Any:
        return top + (floor - top) * (high - value) / (high - low)

    drawn = [text(left - 4, 9, "kW", text_anchor="end", class_="unit")]
    for mark in ticks(low, high):
        at = float(y(mark))
        drawn.append(tag("line", class_="grid", x1=left, x2=right, y1=at, y2=at))
        drawn.append(text(left - 4, at + 3, said(mark, 0), text_anchor="end"))
    for power in range(math.floor(begin), math.ceil(end) + 1):
        for step in (1, 2, 5):
            if begin <= math.log10(step * 10.0**power) <= end:
                at = float(x(step * 10.0**power))
                drawn.append(tag("line", class_="axis", x1=at, x2=at, y1=floor, y2=floor + 3))
                drawn.append(text(at, floor + 13, f"{step * 10.0**power * 100:g} ct", text_anchor="middle"))
    at = float(y(done.event.reduction_kw))
    drawn.append(tag("line", x1=left, x2=right, y1=at, y2=at, stroke="var(--limit)", stroke_dasharray="5 3"))
    drawn.append(text(right - 2, at - 4, "asked for", class_="halo", text_anchor="end"))
    shades = ("distributed", "battery", "over", "alone", "high")
    for k, search in enumerate(done.searches):
        for one in search.rounds:
            last = one is search.rounds[-1]
            drawn.append(
                tag(
                    "circle", cx=float(x(max(one.price_eur_per_kwh, 1e-3))), cy=float(y(one.reduction_kw)),
                    r=5 if last else 3, fill=f"var(--{shades[k % len(shades)]})", fill_opacity=1.0 if last else 0.55,
                )
            )  # fmt: skip
    keys = [(shades[k % len(shades)], f"told at {search.at:%H:%M}", "dot") for k, search in enumerate(done.searches)]
    svg = tag(
        "svg", tag("title", "Prices told and answers"), *drawn, viewBox=f"0 0 {WIDE} {HIGH}", class_="plot", role="img"
    )
    return svg + legend(keys)
