"""Flows over all ties through the day, as one heat map per strategy."""

from __future__ import annotations

import numpy as np

from archipel.market.tariff import metered_into_lower
from archipel.model import Floats, Ints, Scenario
from archipel.report.charts import in_unit, side_by_side, thinned, thinned_time
from archipel.report.heat import heat_png
from archipel.report.run import Run
from archipel.report.sharing import feeder_of
from archipel.report.svg import Plot, tag, text


def tie_flows(run: Run, scenario: Scenario) -> str:
    """One row per closed tie, ordered by feeder; colour is power over the tie's rating."""
    archipelago = scenario.archipelago
    closed = np.array([tie.closed for tie in archipelago.tie], dtype=bool)
    if not closed.any():
        return "<p>This scenario is one cell: it has no ties.</p>"
    order, group = _order(scenario, np.flatnonzero(closed))
    rating = tie_rating_kw(scenario)
    flows = {s: _into_lower(run, scenario, s) for s in run.strategies}
    peak = np.max([np.abs(flow).max(axis=1, initial=0.0) for flow in flows.values()], axis=0)
    rating = np.where(np.isfinite(rating) & (rating > 0), rating, np.maximum(peak, 1e-9))
    shares = {s: thinned(flow[order] / rating[order, None]) for s, flow in flows.items()}
    largest = max(float(np.percentile(np.abs(share), 99.8)) for share in shares.values() if share.size)

    def draw(strategy: str) -> tuple[str, str]:
        time, dt_h = thinned_time(run.time(strategy), run.dt_h(strategy))
        plot = Plot(time, dt_h, 0.0, 0.0, "", f"Flows over {len(order)} ties, {strategy}", height=300)
        plot.left = 46
        width, height = plot.width - plot.left - plot.right, plot.height - plot.top - plot.bottom
        plot.draw(
            tag(
                "image",
                href=heat_png(shares[strategy], largest),
                x=plot.left,
                y=plot.top,
                width=width,
                height=height,
                preserveAspectRatio="none",
            )
        )
        for row, tie in enumerate(order if height / len(order) >= 10 else []):
            middle = plot.top + height * (row + 0.5) / len(order) + 3
            plot.draw(text(plot.left - 4, middle, archipelago.tie[tie].lower[:10], text_anchor="end"))
        for name, first, last in group:
            top = plot.top + height * first / len(order)
            if first:
                plot.draw(tag("line", class_="grid", x1=plot.left, x2=plot.width - plot.right, y1=top, y2=top))
            if height / len(order) < 10 and height * (last - first) / len(order) >= 9:
                middle = plot.top + height * (first + last) / 2 / len(order) + 3
                plot.draw(text(plot.left - 4, middle, name, text_anchor="end"))
        biggest = int(np.argmax(np.abs(flows[strategy]).max(axis=1, initial=0.0)))
        factor, unit = in_unit(float(peak[biggest]))
        top_kw = float(np.abs(flows[strategy][biggest]).max(initial=0.0))
        return plot.svg, f"largest {top_kw * factor:,.1f} {unit} at {archipelago.tie[biggest].id}"

    key = (
        f'<p class="legend"><span class="key">−{largest * 100:.0f} % of rating, towards the source'
        f'<i class="ramp"></i>+{largest * 100:.0f} %, into the lower cell</span></p>'
    )
    return side_by_side(run, draw) + key


def tie_rating_kw(scenario: Scenario) -> Floats:
    """Apparent power at the limit of the branch that carries each tie [kVA], shape (ties,); NaN where unknown."""
    lines, transformers = scenario.grid.lines, scenario.grid.transformers
    vn = scenario.grid.nodes.vn_kv
    known = dict(zip(lines.id, np.sqrt(3.0) * vn[lines.from_node] * lines.i_a_max, strict=True))
    known |= dict(zip(transformers.id, transformers.sn_kva * transformers.loading_max, strict=True))
    return np.array([known.get(tie.id, np.nan) for tie in scenario.archipelago.tie], dtype=np.float64)


def _into_lower(run: Run, scenario: Scenario, strategy: str) -> Floats:
    both = run.array("boundaries", "p_kw", strategy)
    return np.nan_to_num(metered_into_lower(scenario.archipelago, both.reshape(-1, 2, both.shape[1])))


def _order(scenario: Scenario, rows: Ints) -> tuple[Ints, list[tuple[str, int, int]]]:
    """Ties sorted by the feeder of their lower cell, and (short name, first, last) of every feeder's rows."""
    archipelago = scenario.archipelago
    feeder = feeder_of(archipelago)
    at = np.array([feeder[archipelago.index(archipelago.tie[row].lower)] for row in rows])
    order = np.argsort(at, kind="stable")
    starts = np.flatnonzero(np.diff(at[order], prepend=-1))
    ends = np.append(starts[1:], len(order))
    names = [archipelago.cell[at[order[k]]].id for k in starts]
    common = _common_start(names)
    listed = [(name[common:][:9], int(a), int(b)) for name, a, b in zip(names, starts, ends, strict=True)]
    return rows[order], listed


def _common_start(names: list[str]) -> int:
    """How many characters all names share at their start, when there are several that differ."""
    if len(names) < 2:
        return 0
    shared = 0
    while all(len(n) > shared and n[shared] == names[0][shared] and not n[shared].isdigit() for n in names):
        shared += 1
    return shared
