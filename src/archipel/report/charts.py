"""The pictures of the report, one function per section, each giving HTML; strategies stand side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archipel.model import Floats, Scenario
from archipel.report.run import Run
from archipel.report.svg import Plot, legend, text

MOST_STEPS = 672
"""Steps drawn at most; longer runs are drawn as means (bands: as extremes) of several steps."""
STACK = (
    # name, colour, column of `cells` (empty: of the area), +1 drawn above zero, -1 given below
    ("load", "load", "load_kw", 1),
    ("heat", "heat", "heat_kw", 1),
    ("vehicles", "vehicles", "vehicles_kw", 1),
    ("charging batteries", "battery", "charging_kw", 1),
    ("losses", "losses", "", 1),
    ("export", "upstream", "", 1),
    ("renewables", "sun", "renewable_kw", -1),
    ("batteries giving", "battery", "discharging_kw", -1),
    ("import", "upstream", "", -1),
)


def colour_of(strategy: str) -> str:
    """CSS variable of a strategy's colour."""
    return strategy if strategy in {"uncoordinated", "alone", "distributed", "central", "pooled"} else "other"


def side_by_side(run: Run, draw: Callable[[str], tuple[str, str]]) -> str:
    """One figure per strategy; `draw` gives the picture and a remark in plain text."""
    figures = []
    for strategy in run.strategies:
        picture, remark = draw(strategy)
        head = f'<h3 class="s" style="--c:var(--{colour_of(strategy)})">{escape(strategy)}</h3>'
        figures.append(f"<figure><figcaption>{head}<small>{escape(remark)}</small></figcaption>{picture}</figure>")
    return f'<div class="four n{min(len(figures), 4)}">{"".join(figures)}</div>'


def thinned(values: NDArray[Any], how: Any = np.mean) -> NDArray[Any]:
    """Steps of the last axis joined so that at most `MOST_STEPS` remain; a last odd piece is left out."""
    k = -(-values.shape[-1] // MOST_STEPS)
    if k <= 1:
        return values
    whole = values.shape[-1] // k * k
    return np.asarray(how(values[..., :whole].reshape(*values.shape[:-1], -1, k), axis=-1))


def thinned_time(time: NDArray[np.datetime64], dt_h: float) -> tuple[NDArray[np.datetime64], float]:
    """The time axis that belongs to `thinned` values."""
    k = max(1, -(-len(time) // MOST_STEPS))
    return time[: len(time) // k * k : k], dt_h * k


def in_unit(largest_kw: float) -> tuple[float, str]:
    """(factor, unit) that suits powers of this size [kW]."""
    return (1e-3, "MW") if largest_kw >= 5000 else (1.0, "kW")


def balance(run: Run) -> str:
    """What the area's devices drew (above zero) and where it came from (below), stacked."""
    stacks = {s: _stack(run, s) for s in run.strategies}
    top = max((float(stack[row > 0].sum(0).max(initial=0)) for stack, row in _signed(stacks)), default=1.0)
    low = max((float(stack[row < 0].sum(0).max(initial=0)) for stack, row in _signed(stacks)), default=1.0)
    factor, unit = in_unit(max(top, low))

    def draw(strategy: str) -> tuple[str, str]:
        time, dt_h = thinned_time(run.time(strategy)[:: _per_quarter(run, strategy)], 0.25)
        label = f"Power drawn and given, {strategy}"
        plot = Plot(time, dt_h, -low * factor * 1.05, top * factor * 1.05, unit, label, height=230)
        level = {1: np.zeros(len(time)), -1: np.zeros(len(time))}
        for (name, colour, _, sign), power in zip(STACK, stacks[strategy], strict=True):
            if not power.any():
                continue
            after = level[sign] + sign * power * factor
            plot.area(level[sign], after, colour)
            level[sign] = after
            plot.tell(name, colour, power * factor)
        available = thinned(run.array("cells", "available_kw", strategy).sum(0)) * factor
        taken = thinned(run.array("cells", "renewable_kw", strategy).sum(0)) * factor
        spilled = np.maximum(available - taken, 0.0)
        if spilled.max(initial=0.0) > 1e-3:
            plot.line(np.where(spilled > 1e-3, -available, np.nan), "ink", width=1.1, dash="2 2")
            plot.tell("curtailed", "ink", spilled)
        mwh = [run.kpis["strategies"][strategy][key] / 1e3 for key in ("renewable_kwh", "curtailed_kwh")]
        return plot.svg, f"renewables {mwh[0]:,.1f} MWh, curtailed {mwh[1]:,.1f} MWh"

    return side_by_side(run, draw) + legend(
        [
            ("load", "load", "box"),
            ("heat", "heat", "box"),
            ("vehicles", "vehicles", "box"),
            ("losses", "losses", "box"),
            ("battery", "batteries: charging above, giving below", "box"),
            ("upstream", "upstream grid: export above, import below", "box"),
            ("sun", "renewables", "box"),
            ("ink", "renewables available where curtailed", "dash"),
        ]
    )


def _signed(stacks: dict[str, Floats]) -> list[tuple[Floats, NDArray[np.int64]]]:
    sign = np.array([s for *_, s in STACK])
    return [(stack, sign) for stack in stacks.values()]


def _stack(run: Run, strategy: str) -> Floats:
    upstream, losses = (_quarters(run, strategy, column) for column in ("upstream_p_kw", "losses_kw"))
    area = {"losses": losses, "export": np.maximum(-upstream, 0.0), "import": np.maximum(upstream, 0.0)}
    listed = [
        run.array("cells", column, strategy).sum(axis=0) if column else area[name] for name, _, column, _ in STACK
    ]
    return thinned(np.array(listed))


def _per_quarter(run: Run, strategy: str) -> int:
    return round(0.25 / run.dt_h(strategy))


def _quarters(run: Run, strategy: str, column: str) -> Floats:
    """15-minute means of a column of the area, shape (Q,)."""
    values, per = run.array("area", column, strategy)[0], _per_quarter(run, strategy)
    first = np.arange(0, len(values), per)
    counts = np.diff(np.append(first, len(values)))
    return np.asarray(np.add.reduceat(values, first) / counts) if len(values) else values


def upstream(run: Run, scenario: Scenario) -> str:
    """Exchange with the upstream grid of all strategies against the firm limits of the connection."""
    series = {s: thinned(_quarters(run, s, "upstream_p_kw")) for s in run.strategies}
    every = np.concatenate([*series.values(), [0.0]])
    limit = scenario.connection
    high = max([float(every.max())] + ([limit.import_kw_max] if limit.import_kw_max < 1.6 * every.max() else []))
    low = min([float(every.min())] + ([-limit.export_kw_max] if limit.export_kw_max < -1.6 * every.min() else []))
    factor, unit = in_unit(max(high, -low))
    room = 0.06 * (high - low)
    first = max(run.strategies, key=run.steps)
    time, dt_h = thinned_time(run.time(first)[:: _per_quarter(run, first)], 0.25)
    plot = Plot(
        time,
        dt_h,
        (low - room) * factor,
        (high + room) * factor,
        unit,
        "Power drawn from the upstream grid, all strategies",
        width=620,
        height=250,
    )
    plot.level(limit.import_kw_max * factor, "firm import limit")
    plot.level(-limit.export_kw_max * factor, "firm export limit")
    for strategy in sorted(run.strategies, key=["distributed", "central"].__contains__):
        values = np.full(len(time), np.nan)
        values[: len(series[strategy])] = series[strategy] * factor
        # Central lies on distributed when all is well: a thin dashed line on a thick one shows both.
        thin = strategy == "central"
        plot.line(values, colour_of(strategy), width=1.3 if thin else 2.4, dash="4 3" if thin else None)
        plot.tell(strategy, colour_of(strategy), values)
    keys = [(colour_of(s), s, "dash" if s == "central" else "line") for s in run.strategies]
    return f"<figure>{plot.svg}</figure>{legend(keys)}"


def prices(run: Run) -> str:
    """The day-ahead price and what the boundaries agreed on."""
    first = max(run.strategies, key=run.steps)
    time, dt_h = thinned_time(run.time(first), run.dt_h(first))
    day_ahead = thinned(run.array("area", "price_eur_per_kwh", first)[0]) * 1000.0
    spreads = {}
    for strategy in ("distributed", "central"):
        if strategy in run.strategies and run.steps(strategy) == run.steps(first):
            at_ties = run.array("boundaries", "price_eur_per_kwh", strategy)[::2]
            at_ties = thinned(at_ties[np.isfinite(at_ties).all(axis=1)]) * 1000.0
            if len(at_ties):
                spreads[strategy] = np.percentile(at_ties, [0, 50, 100], axis=0)
    every = np.concatenate([day_ahead, *(s.ravel() for s in spreads.values())])
    high, low = float(every.max(initial=1.0)), min(float(every.min(initial=0.0)), 0.0)
    room = 0.06 * (high - low)
    plot = Plot(
        time,
        dt_h,
        low - room * (low < 0),
        high + room,
        "EUR/MWh",
        "Day-ahead and boundary prices",
        width=620,
        height=250,
    )
    if "distributed" in spreads:
        plot.area(spreads["distributed"][0], spreads["distributed"][2], "distributed", opacity=0.22)
        plot.line(spreads["distributed"][1], "distributed", width=2.0)
    if "central" in spreads:
        plot.line(spreads["central"][1], "central", dash="4 3")
    plot.line(day_ahead, "alone", width=1.6)
    plot.tell("day-ahead", "alone", day_ahead, 1)
    for strategy, (least, middle, most) in spreads.items():
        plot.tell(f"{strategy}, lowest tie", colour_of(strategy), least, 1)
        plot.tell(f"{strategy}, median tie", colour_of(strategy), middle, 1)
        plot.tell(f"{strategy}, highest tie", colour_of(strategy), most, 1)
    keys = [("alone", "day-ahead", "line")]
    if "distributed" in spreads:
        keys += [("distributed", "agreed at ties, median", "line"), ("band", "lowest to highest tie", "box")]
    if "central" in spreads:
        keys.append(("central", "central, median", "dash"))
    return f"<figure>{plot.svg}</figure>{legend(keys)}"


LEVELS = (("Low voltage", 0.0, 1.0), ("Medium voltage", 1.0, 60.0), ("High voltage", 60.0, 1e9))


def voltages(run: Run, scenario: Scenario) -> str:
    """Lowest to highest voltage over the nodes of a level, the middle 90 % darker, against the source's limits."""
    nodes = scenario.grid.nodes
    out = []
    for name, above, to in LEVELS:
        rows = np.flatnonzero((nodes.vn_kv > above) & (nodes.vn_kv <= to))
        if len(rows) < 3:  # the upstream connection itself tells nothing
            continue
        least, most = float(nodes.v_pu_min[rows].max()), float(nodes.v_pu_max[rows].min())
        bands = {s: _bands(run.array("nodes", "v_pu", s)[rows]) for s in run.strategies}
        low, high = _voltage_range(list(bands.values()), least, most)
        room = 0.07 * (high - low)

        def draw(
            strategy: str,
            bands: dict[str, Floats] = bands,
            span: tuple[float, float] = (low - room, high + room),
            limits: tuple[float, float] = (least, most),
            name: str = name,
        ) -> tuple[str, str]:
            time, dt_h = thinned_time(run.time(strategy), run.dt_h(strategy))
            plot = Plot(time, dt_h, *span, "pu", f"{name}, {strategy}")
            band = bands[strategy]
            for k, opacity in ((0, 0.22), (1, 0.5)):
                plot.area(band[k], band[4 - k], "band", opacity=opacity)
            plot.line(band[2], "ink", width=1.0)
            plot.level(limits[1], "limit")
            plot.level(limits[0], "")
            for words, k in (("highest", 4), ("95 % below", 3), ("median", 2), ("5 % below", 1), ("lowest", 0)):
                plot.tell(words, "band", band[k], 4)
            return plot.svg, f"{np.nanmin(band[0]):.3f} to {np.nanmax(band[4]):.3f} pu" if band.size else ""

        out.append(f'<p class="row">{name}, {len(rows)} nodes</p>{side_by_side(run, draw)}')
    keys = [("band", "middle 90 % of nodes (pale: all)", "box"), ("ink", "median node", "line")]
    return "".join(out) + legend([*keys, ("limit", "the source's limit", "dash")])


def _voltage_range(bands: list[Floats], least: float, most: float) -> tuple[float, float]:
    """Range of the voltages, and of a limit that is not so far away that it would flatten them."""
    every = np.concatenate([band.ravel() for band in bands])
    every = every[np.isfinite(every)]
    if not len(every):
        return least, most
    low, high = float(every.min()), float(every.max())
    near = max(0.03, high - low)
    return (min(low, least) if low - least < near else low - 0.1 * near), (
        max(high, most) if most - high < near else high + 0.1 * near
    )


def _bands(v_pu: NDArray[Any]) -> Floats:
    """Lowest, 5 %, median, 95 %, highest over the live nodes, shape (5, steps)."""
    live = v_pu[np.isfinite(v_pu).all(axis=1)]
    if not live.size:
        return np.full((5, v_pu.shape[1]), np.nan)
    bands = np.percentile(live, [0, 5, 50, 95, 100], axis=0)
    return np.stack([thinned(band, how) for band, how in zip(bands, (np.min, *[np.mean] * 3, np.max), strict=True)])


def loadings(run: Run, scenario: Scenario) -> str:
    """The five branches with the highest loading of each strategy, and the highest of all at every moment."""
    names = scenario.grid.lines.name + scenario.grid.transformers.name
    ids = scenario.grid.branch_id
    all_loads = {s: run.array("branches", "loading", s) * 100.0 for s in run.strategies}
    peaks = np.array([np.nanmax(load, axis=1, initial=0.0) for load in all_loads.values()])
    high = max(float(peaks.max(initial=0.0)), 100.0) * 1.06

    def draw(strategy: str) -> tuple[str, str]:
        load = all_loads[strategy]
        time, dt_h = thinned_time(run.time(strategy), run.dt_h(strategy))
        plot = Plot(time, dt_h, 0.0, high, "%", f"Highest loadings, {strategy}")
        worst = np.argsort(-np.nanmax(load, axis=1, initial=0.0), kind="stable")[:5]
        top = thinned(np.nanmax(load, axis=0, initial=0.0), np.max)
        plot.area(np.zeros(len(top)), top, colour_of(strategy), opacity=0.16)
        for row in worst[::-1]:
            plot.line(thinned(load[row], np.max), colour_of(strategy), width=1.1)
        plot.tell("highest of all", colour_of(strategy), top, 1)
        for row in worst:
            plot.tell(ids[row], colour_of(strategy), thinned(load[row], np.max), 1)
        plot.level(100.0, "limit")
        most = f"up to {np.nanmax(load[worst[0]]):.1f} % at {ids[worst[0]]}" if len(worst) else ""
        return plot.svg, most

    listed = np.argsort(-peaks.max(axis=0), kind="stable")[:8].tolist() if peaks.size else []
    head = "".join(f"<th>{escape(s)}</th>" for s in run.strategies)
    rows = "".join(
        f'<tr><td class="left">{escape(ids[row])}</td><td class="left">{escape(names[row])}</td>'
        + "".join(f"<td{' class=beyond' if peak > 100.5 else ''}>{peak:.1f} %</td>" for peak in peaks[:, row])
        + "</tr>"
        for row in listed
    )
    table = f'<tr><th class="left">Branch</th><th class="left">Name in the source</th>{head}</tr>{rows}'
    return f'{side_by_side(run, draw)}<div class="scroll"><table>{table}</table></div>'


def rounds(entries: Sequence[dict[str, Any]], dt_h: float) -> str:
    """Rounds of every agreement as bars over time; another colour where something had to give."""
    counted = [e for e in entries if e["rounds"] is not None]
    time = np.array([e["time"].replace(tzinfo=None) for e in counted], dtype="datetime64[us]")
    values = np.array([e["rounds"] for e in counted], dtype=float)
    plot = Plot(
        time,
        dt_h,
        0.0,
        float(values.max(initial=1.0)) * 1.08,
        "rounds",
        "Rounds until agreement",
        width=620,
        height=180,
    )
    wide = 0.78 * (plot.width - plot.left - plot.right) / max(len(time), 1)
    for x, value, entry in zip(plot.x, values, counted, strict=True):
        colour = "over" if entry["given"] or entry["accepted"] is False else "distributed"
        y, floor = float(plot.y(value)), float(plot.y(0.0))
        plot.draw(
            f'<rect x="{x - wide / 2:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{max(floor - y, 0):.1f}" '
            f'fill="var(--{colour})"/>'
        )
    if not len(time):
        plot.draw(text(310, 90, "no agreements"))
    plot.tell("rounds", "distributed", values, 0)
    keys = [("distributed", "kept all limits", "box"), ("over", "something had to give", "box")]
    return f"<figure>{plot.svg}</figure>{legend(keys)}"
