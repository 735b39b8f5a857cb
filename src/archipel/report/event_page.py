"""One HTML page about an event: the same reduction by orders and by price, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archipel.model import Floats, StrategyResult
from archipel.report.event_page_figures import DAYS, figures, headline, results, said, shortfall, story, tables
from archipel.report.event_page_price import HIGH, WIDE, prices
from archipel.report.html import page
from archipel.report.svg import Plot, legend, tag
from archipel.strategies.demand_event import DemandEvent, Way

COLOUR = {"central": "central", "price": "distributed"}
TITLE = {"central": "Central dispatch", "price": "Price to the cells"}
KINDS = (
    ("battery", "batteries", "battery"), ("ev_charger", "vehicles", "vehicles"),
    ("v2g", "vehicles that give back", "vehicles"), ("heat_pump", "heat pumps", "heat"),
    ("building", "buildings", "heat"),
    ("sheddable", "loads that can be shed", "load"),
)  # fmt: skip
HEADS = ("Local rules", "Centre", "Centre, event", "Cells", "Cells, event")


def event_page(done: DemandEvent, found: Mapping[str, Any] | None = None) -> str:
    """The whole page; text that came from files is escaped."""
    found = figures(done) if found is None else found
    parts = [
        _header(done, found),
        _section("What was drawn less", _ABOUT_LESS, _side_by_side(done, _less)),
        _section("Asked devices, with and without the event", _ABOUT_ASKED, _side_by_side(done, _asked)),
        _section("At the connection", _ABOUT_AREA, _side_by_side(done, _area)),
        _section("How the price was found", _ABOUT_PRICE, prices(done)),
        _section("Side by side", _ABOUT_TABLE, _table(found)),
        _section("What is compared with what", "", _method(done)),
    ]
    return page(f"{done.scenario.name}: event", parts)


_ABOUT_LESS = (
    "Reduction of the asked devices against the same way's day without event, by kind of device. Below zero they draw "
    "more: what was put off, and what is filled up again."
)
_ABOUT_ASKED = "Sum over asked devices; below zero batteries give more than the others draw."
_ABOUT_AREA = (
    "What the area draws from the upstream grid, with sun and loads that nobody asked. Grey: local rules alone, nobody "
    "plans."
)
_ABOUT_PRICE = (
    "Every dot is a price that was told to all cells and the sum of what they answered, each by its own plan. Devices "
    "of like cost answer together: the curve is stairs, and between two stairs no price hits."
)
_ABOUT_TABLE = (
    "Five days on the same AC power flow from the same states. Cost, network, comfort and messages are of all hours "
    "that were run, from before the announcement to six hours after the event."
)


def _header(done: DemandEvent, found: Mapping[str, Any]) -> str:
    event = done.event
    over = (
        f"{done.scenario.name} · {event.start:%A} {event.start.day} {event.start:%B %Y} · {event.start:%H:%M} to "
        f"{event.end:%H:%M} UTC · {done.forecast} forecast"
    )
    many = {kind: words for kind, words, _ in KINDS}
    who = ", ".join(f"{count} {many.get(kind, kind)}" for kind, count in found["asked_devices"].items())
    lede = f"Asked: {who}. {done.scenario.title.rstrip('.')}."
    short = shortfall(found)
    warn = f'<p class="warn">{escape(short)}</p>' if short else ""
    tiles = "".join(f"<div><b>{escape(a)}</b><span>{escape(b)}</span></div>" for a, b in _tiles(found))
    return (
        f'<div class="top"><p class="over">{escape(over)}</p><h1>{escape(headline(found))}</h1>'
        f'<p class="more">{escape(" ".join(story(found)))}</p><p class="lede">{escape(lede)}</p>{warn}'
        f'<div class="tiles">{tiles}</div></div>'
    )


def _tiles(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    out = []
    for name, way in found["ways"].items():
        out.append((f"{said(way['delivered_kwh'])} kWh", f"delivered, {name}"))
        out.append((f"{said(way['rebound_kwh'])} kWh", f"rebound, {name}"))
        out.append((f"{said(way['event_cost_eur'], 1)} EUR", f"cost, {name}"))
    return out


def _section(title: str, about: str, body: str) -> str:
    said = f'<p class="about">{escape(about)}</p>' if about else ""
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>"


def _side_by_side(done: DemandEvent, draw: Any) -> str:
    pictures, keys = [], ""
    for way in done.ways:
        svg, remark, keys = draw(done, way)
        head = f'<h3 class="s" style="--c:var(--{COLOUR[way.name]})">{TITLE[way.name]}</h3>'
        pictures.append(f"<figure><figcaption>{head}<small>{escape(remark)}</small></figcaption>{svg}</figure>")
    return f'<div class="two">{"".join(pictures)}</div>{keys}'


def _plot(done: DemandEvent, way: Way, series: Sequence[Any], what: str) -> Plot:
    """An empty plot that holds the series, the event shaded."""
    low, high = min(float(np.min(one)) for one in series), max(float(np.max(one)) for one in series)
    room = 0.07 * max(high - low, 1.0)
    plot = Plot(
        way.none.time, way.none.dt_h, low - room, high + room, "kW", f"{what}, {way.name}", width=WIDE, height=HIGH
    )
    inside = np.flatnonzero(_inside(done, way.none))
    half = 0.5 * float(plot.x[1] - plot.x[0])
    left, right = float(plot.x[inside[0]]) - half, float(plot.x[inside[-1]]) + half
    size = {"x": left, "y": plot.top, "width": right - left, "height": plot.height - plot.top - plot.bottom}
    plot.draw(tag("rect", fill="var(--mark)", **size))
    return plot


def _inside(done: DemandEvent, result: StrategyResult) -> NDArray[np.bool_]:
    first = result.time[0].astype("datetime64[s]").item().replace(tzinfo=done.event.start.tzinfo)
    return done.event.quarters(first, len(result.time))


def _all(done: DemandEvent, of: Any) -> list[Floats]:
    """A series of both ways, so that both pictures have one scale."""
    return [of(way) for way in done.ways]


def _drawn(done: DemandEvent, result: StrategyResult, rows: NDArray[np.bool_] | None = None) -> Floats:
    chosen = done.devices if rows is None else done.devices & rows
    return np.asarray(result.p_kw[chosen].sum(axis=0, dtype=np.float64))


def _less(done: DemandEvent, way: Way) -> tuple[str, str, str]:
    kind = np.array(done.scenario.device_kind)
    shown = [entry for entry in KINDS if (done.devices & (kind == entry[0])).any()]

    def by_kind(one: Way) -> list[Floats]:
        return [_drawn(done, one.none, kind == k) - _drawn(done, one.asked, kind == k) for k, *_ in shown]

    stacks = _all(done, by_kind)
    span = [np.sum([np.maximum(s, 0.0) for s in stack], axis=0) for stack in stacks]
    span += [np.sum([np.minimum(s, 0.0) for s in stack], axis=0) for stack in stacks]
    plot = _plot(done, way, [*span, np.array([done.event.reduction_kw])], "Reduction of asked devices")
    up, down = np.zeros((2, len(way.none.time)))
    for (_, words, colour), less in zip(shown, by_kind(way), strict=True):
        _bars(plot, up, up + np.maximum(less, 0.0), colour)
        _bars(plot, down, down + np.minimum(less, 0.0), colour)
        up, down = up + np.maximum(less, 0.0), down + np.minimum(less, 0.0)
        plot.tell(words, colour, less, 0)
    wanted = np.where(_inside(done, way.none), done.event.reduction_kw, np.nan)
    plot.line(wanted, "limit", width=1.6, dash="5 3")
    plot.tell("asked", "limit", wanted, 0)
    came = way.came
    remark = (
        f"{said(came.delivered_kwh)} of {said(came.asked_kwh)} kWh, {said(came.least_kw)} to "
        f"{said(came.most_kw)} kW; rebound {said(came.rebound_kwh)} kWh"
    )
    keys = [*((colour, words, "box") for _, words, colour in shown), ("limit", "asked for", "dash")]
    return plot.svg, remark, legend([*keys, ("mark", "the event", "box")])


def _bars(plot: Plot, low: Floats, high: Floats, colour: str) -> None:
    """A bar for every quarter hour: power is a mean of it, not a point on a line."""
    wide = 0.86 * float(plot.x[1] - plot.x[0])
    for x, a, b in zip(plot.x, plot.y(low), plot.y(high), strict=True):
        if abs(b - a) > 0.05:
            size = {"x": float(x) - wide / 2, "y": float(min(a, b)), "width": wide, "height": float(abs(b - a))}
            plot.draw(tag("rect", fill=f"var(--{colour})", **size))


def _asked(done: DemandEvent, way: Way) -> tuple[str, str, str]:
    every = [*_all(done, lambda w: _drawn(done, w.none)), *_all(done, lambda w: _drawn(done, w.asked))]
    plot = _plot(done, way, every, "Power of asked devices")
    none, asked = _drawn(done, way.none), _drawn(done, way.asked)
    plot.line(none, "ink", width=1.2, dash="3 2")
    plot.line(asked, COLOUR[way.name], width=1.8)
    plot.tell("without event", "ink", none, 0)
    plot.tell("with event", COLOUR[way.name], asked, 0)
    remark = f"drawn more before the start: {said(way.came.before_kwh, 0)} kWh"
    return plot.svg, remark, _lines()


def _area(done: DemandEvent, way: Way) -> tuple[str, str, str]:
    every = [w.upstream_p_kw for w in results(done)]
    plot = _plot(done, way, every, "Power at the connection")
    plot.line(done.rules.upstream_p_kw, "uncoordinated", width=1.1)
    plot.line(way.none.upstream_p_kw, "ink", width=1.2, dash="3 2")
    plot.line(way.asked.upstream_p_kw, COLOUR[way.name], width=1.8)
    for words, colour, one in (
        ("local rules", "uncoordinated", done.rules), ("without event", "ink", way.none),
        ("with event", COLOUR[way.name], way.asked),
    ):  # fmt: skip
        plot.tell(words, colour, one.upstream_p_kw, 0)
    came = way.came
    remark = (
        f"highest import in the hours after: {said(came.rebound_peak_kw)} kW, without event "
        f"{said(came.none_peak_kw)} kW"
    )
    return plot.svg, remark, _lines(("uncoordinated", "local rules, nothing asked", "line"))


def _lines(*more: tuple[str, str, str]) -> str:
    keys = [("central", "centre, with event", "line"), ("distributed", "cells, with event", "line")]
    return legend([*keys, ("ink", "the same way without event", "dash"), *more, ("mark", "the event", "box")])


def _table(found: Mapping[str, Any]) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in HEADS)
    rows = [f'<tr><th></th><th></th>{heads}<th class="left"></th></tr>']
    for title, lines in tables(found):
        rows.append(f'<tr><th class="group" colspan="{len(DAYS) + 3}">{escape(title)}</th></tr>')
        for row in lines:
            values = "".join(f"<td>{escape(row.value.get(name, ''))}</td>" for name in DAYS)
            rows.append(
                f'<tr><td>{escape(row.line.label)}</td><td class="unit">{escape(row.line.unit)}</td>{values}'
                f'<td class="why">{escape(row.line.meaning)}</td></tr>'
            )
    return f'<div class="scroll"><table class="ways">{"".join(rows)}</table></div>'


def _method(done: DemandEvent) -> str:
    event = done.event
    pairs = (
        (
            "Asked for",
            (
                "In every quarter hour of the event the asked devices together draw "
                f"{said(event.reduction_kw)} kW less than in the same way's day without event. Both ways are "
                f"told so at {event.announced:%H:%M} UTC and have the same {done.forecast} forecast."
            ),
        ),
        (
            "Central dispatch",
            (
                "One optimiser sees all cells, devices and the network. The reduction is a limit of its problem; every "
                "device gets setpoints."
            ),
        ),
        (
            "Price to the cells",
            (
                "Every cell hears a price for not drawing and plans for itself; cells agree on the network as ever. No "
                "device is ordered from outside, and none is named in an answer."
            ),
        ),
        (
            "Everybody else",
            (
                "Batteries, vehicles and heat pumps that are not asked do what they would do without event; "
                "before and after they are free."
            ),
        ),
        (
            "Without event",
            (
                "Known in a simulation only. On a meter a baseline stands in for it, with an error of its own: see "
                "“by meter before”."
            ),
        ),
        (
            "Rebound",
            "What is not drawn in the event is drawn before or after it, with the losses of the stores it waits in.",
        ),
    )
    return f"<dl>{''.join(f'<dt>{escape(a)}</dt><dd>{escape(b)}</dd>' for a, b in pairs)}</dl>"
