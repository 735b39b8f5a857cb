"""One HTML page about a black start: what happened when, frequencies of all cells, load that is back."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Any

import numpy as np

from archipel.model import Floats
from archipel.report.html import page
from archipel.report.island_page import section, trace
from archipel.report.svg import legend
from archipel.strategies.black_start import BlackStart


def figures(done: BlackStart) -> dict[str, Any]:
    """What a machine wants to know."""
    back = done.critical_back_s
    return {
        "order": list(done.order),
        "critical_back_s": back if np.isfinite(back) else None,
        "lasted_s": float(done.traces.time_s[-1]),
        "nadir_hz": done.nadir_hz,
        "peak_hz": done.peak_hz,
        "trips": [{"id": t.id, "time_s": t.time_s, "why": t.reason} for t in done.traces.trips],
        "why_not": done.why_not,
        "timeline": [{"at_s": step.at_s, "what": step.what} for step in done.steps],
    }


def summary(name: str, at: datetime, done: BlackStart) -> str:
    """In a few sentences."""
    begun = f"{name} at {at:%Y-%m-%d %H:%M} UTC, all dark:"
    trips = len(done.traces.trips)
    heart = f"frequency between {done.nadir_hz:.2f} and {done.peak_hz:.2f} Hz, {trips} units or loads tripped."
    if not np.isfinite(done.critical_back_s):
        return f"{begun} not all critical load came back ({done.why_not or 'it took too long'}); {heart}"
    joined = max(step.at_s for step in done.steps if " over " in step.what)
    whole = f"{len(done.order)} cells were one island after {joined:.0f} s"
    more = f" It stopped early: {done.why_not}." if done.why_not else ""
    return f"{begun} all critical load was back after {done.critical_back_s:.0f} s; {whole}; {heart}{more}"


def black_start_page(name: str, at: datetime, done: BlackStart) -> str:
    """The whole page; text that came from files is escaped."""
    traces = done.traces
    f_hz = np.ma.filled(traces.f_part_hz[0][:, done.area.unit].T, np.nan)
    drawn: Floats = traces.load_p_kw[0].sum(axis=1) / 1e3
    critical = np.array(["/critical" in load.id for load in done.area.island.loads])
    held: Floats = traces.load_p_kw[0][:, critical].sum(axis=1) / 1e3
    rows = "".join(
        f'<tr><td>{step.at_s:.1f} s</td><td class="left">{escape(step.what)}</td></tr>' for step in done.steps
    )
    table = f'<div class="scroll"><table><tr><th>At</th><th class="left">What</th></tr>{rows}</table></div>'
    low = min(49.8, np.floor(done.nadir_hz * 10) / 10)
    high = max(50.2, np.ceil(done.peak_hz * 10) / 10)
    load = trace(
        traces.time_s, [(drawn, "ink", 1.2), (held, "distributed", 1.8)], 0.0, float(np.nanmax(drawn)) * 1.1, "MW",
        "Load that is served",
    )  # fmt: skip
    keys = [("distributed", "critical load", "line"), ("ink", "all load", "line")]
    lines = [
        f"<h1>{escape(name)}: black start</h1>",
        f"<p>{escape(summary(name, at, done))}</p>",
        section("What happened when", table),
        section(
            "Frequency of every cell",
            trace(traces.time_s, [(f, "distributed", 1.0) for f in f_hz], low, high, "Hz", "Frequency of every cell")
            + '<p class="note">One line per cell; cells that are one island have one.</p>',
        ),
        section("Load that is served", load + legend(keys)),
    ]
    return page(f"{name}: black start", lines)
