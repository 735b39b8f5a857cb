"""One HTML page about a loss of the main grid: what happened when, the first seconds, the hours, who carried whom."""

from __future__ import annotations

from datetime import timedelta
from html import escape
from typing import Any

import numpy as np

from archipel.model import Floats, Scenario, StrategyResult
from archipel.report.figures import grouped
from archipel.report.html import page
from archipel.report.svg import Plot, legend, tag, text, ticks
from archipel.strategies.first_seconds import LOST_S
from archipel.strategies.leaving import Left, timeline

WIDE, HIGH, LEFT_EDGE, FLOOR, TOP = 620, 210, 44, 24, 16


def island_page(left: Left) -> str:
    """The whole page; text that came from files is escaped."""
    lines = [f"<h1>{escape(left.island.name)}: the main grid is lost</h1>", f"<p>{escape(summary(left))}</p>"]
    lines.append(_section("What happened when", _events(left)))
    if left.traces is not None:
        f_hz, time_s = left.traces.f_centre_hz[0], left.traces.time_s
        keys = [("distributed", "frequency (centre of inertia)", "line"), ("limit", "main grid lost", "dash")]
        lines.append(_section("The first seconds", _seconds(time_s, f_hz) + legend(keys)))
    if left.result is not None:
        lines.append(_section("The hours without main grid", _hours(left.island, left.result)))
        lines.append(_section("Who carried whom", _carried(left.island, left.result)))
    return page(f"{left.island.name}: island", lines)


def summary(left: Left) -> str:
    """In a few sentences."""
    way = "drew" if left.import_kw >= 0 else "gave"
    start = (
        f"At {left.at:%Y-%m-%d %H:%M} UTC, when it {way} {abs(left.import_kw):,.0f} kW and had "
        f"{left.stored_kwh:,.0f} kWh stored, {left.island.name} lost the main grid for {left.hours:g} h."
    )
    if left.traces is None or left.result is None:
        return f"{start} No island can be formed: {left.cannot[0]}{_more(left.cannot)}. Everybody is without supply."
    unserved = float(left.result.unserved_kwh.sum())
    wanted = unserved + _drawn(left.island, left.result)
    low, high = float(left.traces.nadir_hz[0]), float(left.traces.peak_hz[0])
    held = "all the time" if left.held_h >= left.hours else f"for {left.held_h:g} h"
    return (
        f"{start} Frequency stayed within {low:.2f} and {high:.2f} Hz, {len(left.traces.trips)} units or loads "
        f"tripped. Critical load was served {held}; {_missed(unserved / max(wanted, 1e-9))}"
    )


def _missed(share: float) -> str:
    return "so was all other load." if share < 5e-4 else f"of all load {100 * share:.1f} % was not."


def _more(reasons: tuple[str, ...]) -> str:
    return f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""


def _drawn(island: Scenario, result: StrategyResult) -> float:
    rows = np.isin(island.device_kind, ("load", "sheddable", "ev_charger", "heat_pump"))
    return float(np.maximum(result.p_kw[rows], 0.0).sum(dtype=np.float64)) * result.dt_h


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def clock(after: timedelta) -> str:
    """Time since the loss, as people read it."""
    seconds = after.total_seconds()
    if seconds < 60:
        return f"{seconds:.2f} s"
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60:02d} min" + (f" {rest % 60:02d} s" if rest % 60 else "")


def _events(left: Left) -> str:
    rows = "".join(
        f'<tr><td class="left">{clock(after)}</td><td class="left">{escape(words)}</td></tr>'
        for after, words in timeline(left)
    )
    return (
        f'<div class="scroll"><table><tr><th class="left">After</th><th class="left">What</th></tr>{rows}</table></div>'
    )


def _seconds(time_s: Floats, f_hz: Floats) -> str:
    """Frequency against seconds since the loss."""
    low = min(49.8, np.floor(float(np.nanmin(f_hz)) * 10) / 10)
    high = max(50.2, np.ceil(float(np.nanmax(f_hz)) * 10) / 10)
    t = time_s - LOST_S
    span, tall = WIDE - LEFT_EDGE - 8, HIGH - TOP - FLOOR

    def x(at: Any) -> Any:
        return LEFT_EDGE + span * (at - t[0]) / (t[-1] - t[0])

    def y(at: Any) -> Any:
        return TOP + tall * (high - at) / (high - low)

    drawn = [text(LEFT_EDGE - 4, 9, "Hz", text_anchor="end", class_="unit")]
    for mark in ticks(low, high):
        drawn.append(tag("line", class_="grid", x1=LEFT_EDGE, x2=WIDE - 8, y1=float(y(mark)), y2=float(y(mark))))
        drawn.append(text(LEFT_EDGE - 4, float(y(mark)) + 3, f"{mark:g}", text_anchor="end"))
    marks = ticks(0.0, float(t[-1]), 5)
    drawn.extend(text(float(x(mark)), HIGH - 8, f"{mark:g} s", text_anchor="middle") for mark in marks)
    lost = float(x(0.0))
    drawn.append(tag("line", x1=lost, x2=lost, y1=TOP, y2=HIGH - FLOOR, stroke="var(--limit)", stroke_dasharray="4 2"))
    known = np.isfinite(f_hz)
    points = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x(t[known]), y(f_hz[known]), strict=True))
    drawn.append(tag("path", d=f"M{points}", fill="none", stroke="var(--distributed)", stroke_width=1.6))
    return tag(
        "svg", tag("title", "Frequency after the loss of the main grid"), *drawn,
        viewBox=f"0 0 {WIDE} {HIGH}", class_="plot", role="img",
    )  # fmt: skip


def _hours(scenario: Scenario, result: StrategyResult) -> str:
    """What was given and drawn, and what was stored."""
    kind = np.array(scenario.device_kind)

    def mw(kinds: tuple[str, ...], sign: float) -> Floats:
        taken = np.maximum(sign * result.p_kw[np.isin(kind, kinds)].astype(np.float64), 0.0)
        return np.asarray(taken.sum(axis=0) / 1e3)

    renewable = mw(("pv", "generator"), -1.0)
    burnt, given = mw(("dispatchable",), -1.0), mw(("battery",), -1.0)
    critical = mw(("load",), 1.0)
    rest = mw(("sheddable", "ev_charger", "heat_pump"), 1.0)
    wanted = critical + rest + result.unserved_kwh / result.dt_h / 1e3
    top = float(max((renewable + burnt + given).max(), wanted.max(), 1e-3)) * 1.05
    plot = Plot(result.time, result.dt_h, 0.0, top, "MW", "Power given and drawn", width=WIDE, height=HIGH)
    zero = np.zeros_like(renewable)
    for low, high, colour in (
        (zero, renewable, "sun"),
        (renewable, renewable + burnt, "heat"),
        (renewable + burnt, renewable + burnt + given, "battery"),
    ):
        plot.area(low, high, colour, opacity=0.8)
    plot.line(wanted, "ink", width=1.2, dash="3 2")
    plot.line(critical, "ink", width=1.6)
    battery = next(f for f in scenario.fleets if f.kind == "battery")
    held = (result.soc[kind == "battery"] * battery.e_kwh[:, None]).sum(axis=0) / 1e3  # type: ignore[attr-defined]
    size = float(battery.e_kwh.sum()) / 1e3  # type: ignore[attr-defined]
    stored = Plot(result.time, result.dt_h, 0.0, size, "MWh", "Energy stored", width=WIDE, height=150)
    stored.area(zero, held, "battery", opacity=0.5, edge="battery")
    keys = [
        ("sun", "sun, wind, water", "box"), ("heat", "biomass", "box"), ("battery", "batteries", "box"),
        ("ink", "critical load", "line"), ("ink", "all load wanted", "dash"),
    ]  # fmt: skip
    return plot.svg + legend(keys) + stored.svg


def _energy(value: float) -> str:
    words = grouped(value, 2)
    return words.lstrip("-") if not words.strip("-0. ") else words.replace("-", "−")


def _carried(scenario: Scenario, result: StrategyResult) -> str:
    """By cell: what it made, used and lacked [MWh], most given to others first."""
    kind, cell = np.array(scenario.device_kind), scenario.device_cell
    e_mwh = result.p_kw.sum(axis=1, dtype=np.float64) * result.dt_h / 1e3
    rows = []
    for c, one in enumerate(scenario.archipelago.cell):
        mine = cell == c

        def of(*kinds: str, mine: Any = mine) -> float:
            return float(e_mwh[mine & np.isin(kind, kinds)].sum())

        made, used = -of("pv", "generator", "dispatchable"), of("load", "sheddable", "ev_charger", "heat_pump")
        rows.append((one.id, made, used, -of("battery"), made - used - of("battery")))
    rows.sort(key=lambda row: -row[-1])
    head = "".join(f"<th>{words}</th>" for words in ("made", "used", "from its batteries", "to other cells"))
    body = "".join(
        f'<tr><td class="left">{escape(name)}</td>' + "".join(f"<td>{_energy(v)}</td>" for v in values) + "</tr>"
        for name, *values in rows
    )
    return (
        '<p class="note">MWh; what all cells together give away is lost on the way.</p>'
        f'<div class="scroll"><table><tr><th class="left">Cell</th>{head}</tr>{body}</table></div>'
    )
