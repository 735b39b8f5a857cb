"""One HTML page about a loss of the main grid: which islands formed, the first seconds, the hours, who carried whom."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from html import escape
from typing import Any

import numpy as np

from archipel.cell.reserve import survival_words
from archipel.grid.dynamics import Traces
from archipel.model import Floats, Scenario, StrategyResult
from archipel.model.kinds import END_USE, RENEWABLE, SPILT
from archipel.report.figures import grouped
from archipel.report.html import page
from archipel.report.svg import Plot, legend, tag, text, ticks
from archipel.strategies.first_seconds import LOST_S, back_after_s
from archipel.strategies.leaving import Dark, Left, LeftIsland, timeline

WIDE, HIGH, LEFT_EDGE, FLOOR, TOP = 620, 210, 44, 24, 16
DRAWN = 6
"""So many islands are drawn, the largest by load first; the table has all."""


def island_page(left: Left) -> str:
    """The whole page; text that came from files is escaped."""
    several = len(left.islands) > 1 or bool(left.dark)
    lines = [f"<h1>{escape(left.name)}: the main grid is lost</h1>", f"<p>{escape(summary(left))}</p>"]
    if several and left.islands:
        lines.append(section("Islands", _islands(left.islands)))
    if left.dark:
        lines.append(section("Without supply", _dark(left.dark)))
    lines.append(section("What happened when", _events(left, several)))
    drawn = sorted(left.islands, key=lambda one: -_drawn(one.scenario, one.result))[:DRAWN]
    for one in drawn:
        of = f": {one.name}" if several else ""
        lines.append(section(f"The first seconds{of}", _seconds(one.traces, one.scenario.grid.f_hz)))
        lines.append(section(f"The hours without main grid{of}", _hours(one.scenario, one.result)))
        if len(one.cells) > 1:
            lines.append(section(f"Who carried whom{of}", _carried(one.scenario, one.result)))
    return page(f"{left.name}: island", lines)


def summary(left: Left) -> str:
    """In a few sentences."""
    way = "drew" if left.import_kw >= 0 else "gave"
    start = (
        f"At {left.at:%Y-%m-%d %H:%M} UTC, when it {way} {abs(left.import_kw):,.0f} kW and had "
        f"{left.stored_kwh:,.0f} kWh stored, {left.name} lost the main grid for {left.hours:g} h."
    )
    if not left.islands:
        why = left.dark[0].why
        return f"{start} No island can be formed: {why[0]}{_more(why)}. Everybody is without supply."
    low = min(float(one.traces.nadir_hz[0]) for one in left.islands)
    high = max(float(one.traces.peak_hz[0]) for one in left.islands)
    trips = sum(len(one.traces.trips) for one in left.islands)
    held_h = min(one.held_h for one in left.islands)
    held = f"through all {left.hours:g} h" if held_h >= left.hours else f"for {held_h:g} h"
    promised_h = min(one.promised_h for one in left.islands)
    unserved = sum(float(one.result.unserved_kwh.sum()) for one in left.islands)
    wanted = unserved + sum(_drawn(one.scenario, one.result) for one in left.islands)
    formed, there, lasts = "", "", ""
    if len(left.islands) == 1:
        lasts = f" {survival_words(left.islands[0].scenario, left.at, left.islands[0].stored_kwh)}"
    if left.dark:
        names = ", ".join(one.name for one in left.islands)
        formed = f" As one island it cannot live; {names} can, {_count(len(left.dark), 'cell')} cannot and stayed dark."
        there = "There critical" if len(left.islands) == 1 else "In these islands critical"
    back = max(back_after_s(one.traces, one.scenario.grid.f_hz) for one in left.islands)
    returned = f" and was back within 20 mHz after {back:.1f} s" if np.isfinite(back) else ""
    return (
        f"{start}{formed} Frequency stayed within {low:.2f} and {high:.2f} Hz{returned}; {trips} units or loads "
        f"tripped. {there or 'Critical'} load was promised {promised_h:g} h and served {held}; "
        f"{_missed(unserved, wanted)}{_closed(left)}{lasts}"
    )


def _closed(left: Left) -> str:
    """How hard the return was."""
    steps = [one.closing.power_step_share for one in left.islands if one.closing is not None]
    known = [step for step in steps if step is not None]
    return f" Closing again moved {100 * max(known):.1f} % of the rating of all batteries." if known else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _missed(unserved_kwh: float, wanted_kwh: float) -> str:
    if unserved_kwh < 0.05:
        return "so was all other load."
    share = unserved_kwh / max(wanted_kwh, 1e-9)
    return (
        f"of all load {100 * share:.1f} % was not."
        if share >= 5e-4
        else f"of all load {unserved_kwh:.1f} kWh were not."
    )


def _more(reasons: tuple[str, ...]) -> str:
    return f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""


def _drawn(island: Scenario, result: StrategyResult) -> float:
    rows = np.isin(island.device_kind, tuple(END_USE))
    return float(np.maximum(result.p_kw[rows], 0.0).sum(dtype=np.float64)) * result.dt_h


def section(title: str, body: str) -> str:
    """A part of the page under its title."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def clock(after: timedelta) -> str:
    """Time since the loss, as people read it."""
    seconds = after.total_seconds()
    if seconds < 60:
        return f"{seconds:.2f} s"
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60:02d} min" + (f" {rest % 60:02d} s" if rest % 60 else "")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], words: int) -> str:
    """A table whose first `words` columns are words."""

    def cells(values: Iterable[str], kind: str) -> str:
        each = (f"<{kind}{_LEFT if k < words else ''}>{escape(v)}</{kind}>" for k, v in enumerate(values))
        return f"<tr>{''.join(each)}</tr>"

    body = "".join(cells(row, "td") for row in rows)
    return f'<div class="scroll"><table>{cells(head, "th")}{body}</table></div>'


_LEFT = ' class="left"'


def _islands(islands: tuple[LeftIsland, ...]) -> str:
    head = (
        "Island", "Switch that opened", "Neutral earthed at", "Cells", "Import kW", "Stored kWh", "Promised h",
        "Critical held h", "Lowest Hz", "Highest Hz", "Tripped", "Not served",
    )  # fmt: skip
    rows = []
    for one in islands:
        unserved = float(one.result.unserved_kwh.sum())
        share = unserved / max(unserved + _drawn(one.scenario, one.result), 1e-9)
        rows.append((
            one.name, _few(one.earth.switch), _few(one.earth.at), str(len(one.cells)), grouped(one.import_kw, 0),
            grouped(one.stored_kwh, 0), f"{one.promised_h:g}", f"{one.held_h:g}", f"{one.traces.nadir_hz[0]:.2f}",
            f"{one.traces.peak_hz[0]:.2f}", str(len(one.traces.trips)), f"{100 * share:.1f}\N{NO-BREAK SPACE}%",
        ))  # fmt: skip
    return _table(head, rows, 3)


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more"


def by_reason(dark: tuple[Dark, ...]) -> dict[str, list[Dark]]:
    """Dark cells by why they are dark."""
    out: dict[str, list[Dark]] = {}
    for one in dark:
        out.setdefault(f"{one.why[0]}{_more(one.why)}", []).append(one)
    return out


def _dark(dark: tuple[Dark, ...]) -> str:
    rows = [
        (
            ", ".join(one.cell for one in those),
            why,
            grouped(sum(one.unserved_kwh for one in those), 0),
            grouped(sum(one.critical_unserved_kwh for one in those), 0),
        )
        for why, those in by_reason(dark).items()
    ]
    note = "Why each cannot live as an island with all that is below it, and what its loads would have drawn."
    head = ("Cells", "Why", "Not served kWh", "Critical of it kWh")
    return f'<p class="note">{note}</p>{_table(head, rows, 2)}'


def _events(left: Left, several: bool) -> str:
    rows = [(clock(after).replace(" ", "\N{NO-BREAK SPACE}"), where, what) for after, where, what in timeline(left)]
    if several:
        return _table(("After", "Where", "What"), rows, 3)
    return _table(("After", "What"), ((after, what) for after, _, what in rows), 2)


def _seconds(traces: Traces, nominal_hz: float) -> str:
    """Frequency and the lowest and highest voltage against seconds since the loss."""
    time_s, f_hz = traces.time_s - LOST_S, traces.f_centre_hz[0]
    low = min(nominal_hz - 0.2, np.floor(float(np.nanmin(f_hz)) * 10) / 10)
    high = max(nominal_hz + 0.2, np.ceil(float(np.nanmax(f_hz)) * 10) / 10)
    words = "Frequency after the loss of the main grid"
    frequency = trace(time_s, [(f_hz, "distributed", 1.6)], low, high, "Hz", words, mark_s=0.0)
    least, most = np.nanmin(traces.v_pu[0], axis=1), np.nanmax(traces.v_pu[0], axis=1)
    ends = [(least, "battery", 1.4), (most, "battery", 1.4)]
    low, high = np.floor(float(least.min()) * 20) / 20, np.ceil(float(most.max()) * 20) / 20
    voltage = trace(time_s, ends, min(low, 0.95), max(high, 1.05), "pu", "Voltages of units", mark_s=0.0)
    keys = [
        ("distributed", "frequency (centre of inertia)", "line"),
        ("battery", "lowest and highest voltage of any unit", "line"),
    ]
    return (
        f"<figure>{frequency}</figure><figure>{voltage}</figure>{legend([*keys, ('limit', 'main grid lost', 'dash')])}"
    )


def trace(
    time_s: Floats, lines: list[tuple[Floats, str, float]], low: float, high: float, unit: str, title: str,
    mark_s: float | None = None,
) -> str:  # fmt: skip
    """Lines (values, colour, width) against seconds, a mark at one of them; values not known leave a gap."""
    span, tall = WIDE - LEFT_EDGE - 8, HIGH - TOP - FLOOR

    def x(at: Any) -> Any:
        return LEFT_EDGE + span * (at - time_s[0]) / (time_s[-1] - time_s[0])

    def y(at: Any) -> Any:
        return TOP + tall * (high - at) / (high - low)

    drawn = [text(LEFT_EDGE - 4, 9, unit, text_anchor="end", class_="unit")]
    for mark in ticks(low, high):
        drawn.append(tag("line", class_="grid", x1=LEFT_EDGE, x2=WIDE - 8, y1=float(y(mark)), y2=float(y(mark))))
        drawn.append(text(LEFT_EDGE - 4, float(y(mark)) + 3, f"{mark:g}", text_anchor="end"))
    marks = ticks(0.0, float(time_s[-1]), 5)
    for mark in marks:
        at = float(x(mark))
        drawn.append(text(at, HIGH - 8, f"{mark:g} s", text_anchor="end" if at > WIDE - 20 else "middle"))
    if mark_s is not None:
        at = float(x(mark_s))
        drawn.append(tag("line", x1=at, x2=at, y1=TOP, y2=HIGH - FLOOR, stroke="var(--limit)", stroke_dasharray="4 2"))
    for values, colour, width in lines:
        known = np.isfinite(values)
        path = "".join(
            f"{'L' if k and known[k - 1] else 'M'}{float(x(time_s[k])):.1f} {float(y(values[k])):.1f}"
            for k in np.flatnonzero(known)
        )
        drawn.append(tag("path", d=path, fill="none", stroke=f"var(--{colour})", stroke_width=width))
    return tag("svg", tag("title", title), *drawn, viewBox=f"0 0 {WIDE} {HIGH}", class_="plot", role="img")


def _hours(scenario: Scenario, result: StrategyResult) -> str:
    """What was given and drawn, and what was stored."""
    kind = np.array(scenario.device_kind)

    def mw(kinds: tuple[str, ...], sign: float) -> Floats:
        taken = np.maximum(sign * result.p_kw[np.isin(kind, kinds)].astype(np.float64), 0.0)
        return np.asarray(taken.sum(axis=0) / 1e3)

    renewable = mw(SPILT, -1.0)
    burnt, given = mw(("dispatchable",), -1.0), mw(("battery",), -1.0)
    critical = mw(("load",), 1.0)
    rest = mw(tuple(kind for kind in END_USE if kind != "load"), 1.0)
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

        made, used = -of(*RENEWABLE), of(*END_USE)
        rows.append((one.id, made, used, -of("battery"), made - used - of("battery")))
    rows.sort(key=lambda row: -row[-1])
    table = _table(
        ("Cell", "made", "used", "from its batteries", "to other cells"),
        ((name, *(_energy(v) for v in values)) for name, *values in rows),
        1,
    )
    return f'<p class="note">MWh; what all cells together give away is lost on the way.</p>{table}'
