"""A page with what was read from a file of measurements: pictures with gaps marked, decisions, findings."""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np

from archipel.formats.measured.adding import Added
from archipel.formats.measured.notes import said, shortened
from archipel.model import Floats
from archipel.report.charts import in_unit, thinned, thinned_time
from archipel.report.html import page
from archipel.report.svg import Plot, legend

LINE = "distributed"
"""Colour of a series on the page."""
UNIT = {"price": "EUR/MWh"}
WEATHER = {"temperature_c": "degC", "wind_speed_m_per_s": "m/s", "irradiance_w_per_m2": "W/m2"}


def write_data_page(added: Added, path: Path) -> None:
    """Write the page; everything that came from the file is escaped."""
    path.write_text(data_page(added), encoding="utf-8")


def data_page(added: Added) -> str:
    """The page as HTML that needs nothing else."""
    state = "ready to be written" if added.ready else "questions are open, nothing was written"
    if added.written:
        state = "written into the scenario"
    head = f"<header><div><p>Archipel · {escape(added.what)} · {state}</p><h1>{escape(added.file)}</h1></div></header>"
    rows = "".join(
        f'<tr><th>{escape(subject)}</th><td class="left">{escape(words)}</td></tr>' for subject, words in added.proposal
    )
    told = [note for note in added.notes if note.level == "told"]
    asked = [note for note in added.notes if note.level != "told"]
    parts = [head, _section("How it was read", f"<table>{rows}</table>")]
    for title, notes in (("To settle first", asked), ("Found", told)):
        if notes:
            items = "".join(f"<li>{escape(said(note))}</li>" for note in shortened(notes))
            parts.append(_section(title, f"<ul>{items}</ul>"))
    if added.span is not None and len(added.total):
        parts.append(_section("What it looks like", _pictures(added)))
    return page(f"{added.file} as {added.what}", parts)


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _pictures(added: Added) -> str:
    figures = []
    power = added.what in {"load", "pv"}
    if power:
        factor, unit = in_unit(float(np.nanmax(np.abs(added.total), initial=0.0)))
        title = f"All {len(added.names):,} meters together"
        figures.append(_figure(added, title, added.total * factor, unit, all_gaps=True))
    for k in range(added.few.shape[1]):
        unit = "kW" if power else UNIT.get(added.what, WEATHER.get(added.names[k], ""))
        figures.append(_figure(added, added.names[k], added.few[:, k], unit, meter=k))
    keys = legend([(LINE, "quarter hours, where many are drawn their mean", "line"), ("limit", "gaps", "box")])
    return f'<div class="two">{"".join(f"<div>{one}</div>" for one in figures)}</div>{keys}'


def _figure(added: Added, title: str, value: Floats, unit: str, *, meter: int = -1, all_gaps: bool = False) -> str:
    assert added.span is not None
    begin = np.datetime64(added.span.start.replace(tzinfo=None), "s")
    time, dt_h = thinned_time(begin + np.timedelta64(900, "s") * np.arange(len(value)), 0.25)
    drawn = thinned(value, np.nanmean) if np.isfinite(value).all() else _thinned_with_gaps(value)
    known = drawn[np.isfinite(drawn)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    low, high = min(low, 0.0), high if high > min(low, 0.0) else 1.0
    plot = Plot(time, dt_h, low, high + 0.05 * (high - low), unit, title, width=620, height=200)
    gaps = np.zeros(len(value))
    for gap in added.gaps:
        if all_gaps or gap.column == meter:
            gaps[gap.first : gap.first + gap.count] = 1.0
    if gaps.any():
        plot.area(np.full(len(time), low), np.where(thinned(gaps, np.max) > 0, plot.high, low), "limit", opacity=0.25)
    plot.line(drawn, LINE, width=1.0)
    plot.tell(title, LINE, drawn)
    return f"<figure><figcaption><h3>{escape(title)}</h3></figcaption>{plot.svg}</figure>"


def _thinned_with_gaps(value: Floats) -> Floats:
    """Means of what is known, nothing where nothing is."""
    known = np.isfinite(value)
    total, count = thinned(np.where(known, value, 0.0), np.sum), thinned(known.astype(np.float64), np.sum)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1.0), np.nan))
