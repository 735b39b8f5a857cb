"""The hours of a day that cannot be kept, as a picture: the limit against the best that any plan reaches."""

from __future__ import annotations

import numpy as np

from archipel.cell.remedy.doctor import Diagnosis
from archipel.cell.remedy.least import Conflict
from archipel.cell.remedy.words import element
from archipel.model import Floats
from archipel.report.svg import tag, text, ticks

WIDE, HIGH, LEFT, RIGHT, TOP, LOW = 720.0, 250.0, 70.0, 14.0, 44.0, 26.0


def picture(done: Diagnosis) -> str:
    """One panel per conflict that has a limit to draw, one above the other, as a whole SVG file."""
    panels = [p for p in (_panel(done, c) for c in done.conflicts) if p is not None]
    drawn = [tag("rect", x=0, y=0, width=WIDE, height=HIGH * max(len(panels), 1), fill="#ffffff")]
    if not panels:
        drawn.append(text(LEFT, HIGH / 2, "Nothing to draw: no limit of the network is beyond.", fill="#4a5563"))
    for k, panel in enumerate(panels):
        drawn.append(tag("g", panel, transform=f"translate(0 {k * HIGH})"))
    size = f"0 0 {WIDE:g} {HIGH * max(len(panels), 1):g}"
    return tag("svg", *drawn, xmlns="http://www.w3.org/2000/svg", viewBox=size, font_family="system-ui, sans-serif")


def _series(done: Diagnosis, conflict: Conflict) -> tuple[Floats, Floats, str, str, float] | None:
    """(best, limit, unit, title, side) of what is furthest beyond."""
    if done.best is None:
        return None
    case, flow = done.case, done.best.flow
    ask = max(conflict.broken, key=lambda one: one[1])[0]
    grid, t_count = case.scenario.grid, len(case.horizon)
    name, one = element(case, ask.thing), np.ones(t_count)
    if ask.what == "loading":
        live = done.branches.index(ask.thing)
        return 100 * flow.loading[live], 100 * one, "%", f"Loading of {name}", 1.0
    if ask.what.startswith("voltage"):
        n, high = grid.nodes.id.index(ask.thing), ask.what.endswith("high")
        limit = (grid.nodes.v_pu_max if high else grid.nodes.v_pu_min)[n]
        return np.abs(flow.v[n]), limit * one, "pu", f"Voltage at {name}", 1.0 if high else -1.0
    if ask.what in ("import limit", "export limit"):
        firm = case.wishes.firm or case.scenario.connection.over(t_count)
        side = 1.0 if ask.what.startswith("import") else -1.0
        limit = firm.import_kw if side > 0 else firm.export_kw
        word = "drawn" if side > 0 else "given"
        return side * flow.p_b_kw, limit, "kW", f"Power {word} at the upstream connection", 1.0
    return None


def _panel(done: Diagnosis, conflict: Conflict) -> str | None:
    found = _series(done, conflict)
    if found is None:
        return None
    best, limit, unit, title, side = found
    case, t_count = done.case, len(done.case.horizon)
    shown = np.concatenate([best, limit[np.isfinite(limit)]])
    low, high = float(shown.min()), float(shown.max())
    low, high = low - 0.08 * (high - low + 1e-9), high + 0.1 * (high - low + 1e-9)
    hours = np.concatenate([[0.0], np.cumsum(case.horizon.dt_h)])
    x = LEFT + (WIDE - LEFT - RIGHT) * hours / hours[-1]

    def y(value: float) -> float:
        return round(TOP + (HIGH - TOP - LOW) * (high - value) / (high - low), 1)

    drawn = [text(LEFT, 20, title, font_size=15, font_weight="bold", fill="#1c2733")]
    drawn.append(
        text(LEFT, 36, "best that any plan reaches, and its limit; shaded: hours beyond", font_size=11, fill="#4a5563")
    )
    for value in ticks(low, high):
        drawn.append(tag("line", x1=LEFT, x2=WIDE - RIGHT, y1=y(value), y2=y(value), stroke="#e3e6ea"))
        drawn.append(text(LEFT - 6, y(value) + 4, f"{value:g} {unit}", text_anchor="end", font_size=11, fill="#4a5563"))
    beyond = side * (best - limit) > 1e-6
    drawn += [
        tag(
            "rect", x=round(float(x[t]), 1), y=TOP, width=round(float(x[t + 1] - x[t]), 1), height=HIGH - TOP - LOW,
            fill="#d55e00", opacity=0.12,
        )
        for t in np.flatnonzero(beyond).tolist()
    ]  # fmt: skip
    for values, colour, dash, width in ((limit, "#d55e00", "6 4", 1.6), (best, "#0b6fb8", None, 2.0)):
        points = " ".join(
            f"{x[k]:.1f},{y(float(values[t]))}" for t in range(t_count) for k in (t, t + 1) if np.isfinite(values[t])
        )
        drawn.append(
            tag("polyline", points=points, fill="none", stroke=colour, stroke_width=width, stroke_dasharray=dash)
        )
    known = np.flatnonzero(np.isfinite(limit))
    if len(known):
        above = y(float(limit[known[0]])) - 5
        drawn.append(text(LEFT + 4, above, "limit", font_size=11, fill="#a84300"))
    step = max(1, t_count // 8)
    drawn += [
        text(float(x[t]), HIGH - 8, f"{case.at(t):%H:%M}", text_anchor="middle", font_size=11, fill="#4a5563")
        for t in range(0, t_count, step)
    ]
    return "".join(drawn)
