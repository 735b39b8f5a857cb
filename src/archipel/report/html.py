"""The report: one HTML file that needs nothing else, readable on paper, in light and in dark."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from archipel.model import Scenario
from archipel.report import charts
from archipel.report.figures import GROUPS, MEANING, best_of, fitted, grouped, shown
from archipel.report.glance import glance
from archipel.report.kept import kept
from archipel.report.network_map import network_map
from archipel.report.not_kept import not_kept
from archipel.report.off_grid import off_grid
from archipel.report.payments import payments_table
from archipel.report.portfolio_section import portfolio_section
from archipel.report.price_parts import price_parts
from archipel.report.run import Run
from archipel.report.soft_points import soft_points
from archipel.report.tie_flows import tie_flows
from archipel.report.words import STRATEGY, first_date, story

MANY = {
    "load": "loads",
    "pv": "PV plants",
    "generator": "other renewable generators",
    "battery": "batteries",
    "ev_charger": "vehicle chargers",
    "heat_pump": "heat pumps",
    "sheddable": "loads that can be shed",
    "dispatchable": "generators with a stock of fuel",
    "wind": "wind turbines",
    "v2g": "chargers that give back",
    "hydro": "hydro plants with a reservoir",
    "building": "heat pumps with their buildings",
    "appliance": "shiftable appliances",
    "soft_open_point": "ends of soft open points",
    "tap_changer": "tap changers",
    "switched_capacitor": "switched capacitors",
}
"""Devices of a kind, as people say."""
MOST_GIVEN = 60
AGREES = "distributed"
"""The strategy whose plans are agreements; others keep their plans in the same table."""
"""Entries of what had to give that are listed; more are counted."""


def write_report(run: Run, path: Path) -> Path:
    """Write the report of a run to `path` and return it."""
    path.write_text(report(run), encoding="utf-8")
    return path


def report(run: Run) -> str:
    """The whole page. Everything that came from files is escaped."""
    scenario = run.scenario
    parts = [
        _header(run, scenario),
        _section(
            f"{_ways_heading(run)} to run the same {'day' if run.kpis['days'] == 1 else 'days'}",
            _ABOUT_WAYS,
            _ways(run.kpis),
        ),
        _section("Where the power came from, and where it went", _ABOUT_BALANCE, charts.balance(run)),
        *_outside(run, scenario),
        *_optional("What a price is made of", _ABOUT_PARTS, price_parts(run, scenario)),
        *_optional("What cells would pay at local prices", _ABOUT_PAYMENTS, payments_table(run, scenario)),
        *_optional("Kept for a loss of the main grid", _ABOUT_KEPT, kept(run, scenario)),
        *_optional("Several owners, one plant", _ABOUT_POOL, portfolio_section(run, scenario)),
        *_optional("Soft open points", _ABOUT_POINTS, soft_points(run, scenario)),
        _section("Voltage", _ABOUT_VOLTAGE, charts.voltages(run, scenario)),
        _section("Loading of lines and transformers", _ABOUT_LOADING, charts.loadings(run, scenario)),
        _section("Between the cells", _ABOUT_TIES, tie_flows(run, scenario)),
        _section("The network, where it was not well", _ABOUT_MAP, network_map(run, scenario)),
        _section("How the cells agreed", _ABOUT_AGREED, _agreed(run)),
        *_optional("What plans could not keep", _ABOUT_NOT_KEPT, not_kept(run)),
        _section("Definitions, units, sources", "", _definitions(run, scenario)),
    ]
    return page(f"{scenario.name}, {run.kpis['start'][:10]}: Archipel report", parts)


def _outside(run: Run, scenario: Scenario) -> list[str]:
    """What the area had to do with the main grid, or how it lived without one."""
    if scenario.island.off_grid:
        return _optional("Without a main grid", _ABOUT_OFF_GRID, off_grid(run, scenario))
    both = _two(charts.upstream(run, scenario), charts.prices(run))
    return [_section("Upstream and prices", _ABOUT_UPSTREAM, both)]


def page(title: str, parts: Sequence[str]) -> str:
    """A page that needs nothing else, with the report's looks; `parts` are HTML, the title is plain text."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{_asset('page.css')}</style></head><body>{''.join(parts)}"
        f'<div id="tip"></div><script>{_asset("page.js")}</script></body></html>\n'
    )


_ABOUT_WAYS = (
    "The same grid, weather, people and devices; only who decides differs. The best value of a line is marked where "
    "one is better than another; on cost only those that kept the limits of the grid compete, if any did."
)
_ABOUT_NOT_KEPT = (
    "Limits beyond in the plans themselves, as they saw the day ahead. What was missed otherwise, by a forecast or by "
    "devices on their own, stands with voltage and loading."
)
_ABOUT_BALANCE = (
    "Above the line what was drawn, below it what was given; both sides are equal at every moment. "
    "15‑minute means of the whole area."
)
_ABOUT_UPSTREAM = (
    "Left: power drawn from the upstream grid (negative: given). Right: the day-ahead price and the prices at the "
    "boundaries of cells; where they part, a limit of the grid is worth money."
)
_ABOUT_OFF_GRID = (
    "Batteries hold frequency and voltage. When they run low load is shed, never the critical part of it while "
    "anything is stored; cells with more than they need carry the others."
)
_ABOUT_PARTS = (
    "The price at the boundary where the network moved it most. Energy is the day-ahead price; losses, congestion "
    "(limits of lines, transformers and the connection) and voltage limits are what one more kilowatt there costs the "
    "grid; below zero, what it spares it. Fees are those of the network and the charge on the day's peak."
)
_ABOUT_PAYMENTS = (
    "EUR, of the distributed run. Every cell pays for what comes in over its own boundary at the price agreed there "
    "and is paid for what it passes on to cells below at theirs, beside the day-ahead price for its own net import. "
    "Below zero, it earns. Both add up to what the area pays upstream: what cells pay for losses, scarce lines, "
    "voltage and fees is received by the cells above, whose network it is."
)
_ABOUT_POOL = (
    "Of the pooled run. Devices of several owners act as one plant on top of what their cells agreed, within what the "
    "network bears. Above zero is drawn, below is given."
)
_ABOUT_POINTS = (
    "Of the distributed run. Each moves what the cells at both ends agreed on; above zero from its first end to its "
    "second. Its owner pays for what goes in at the price of that node and is paid for what comes out at the price of "
    "the other. What one is worth to the area shows in a run without it."
)
_ABOUT_KEPT = (
    "Energy in all batteries, and what is kept of it so that critical load would be held if the main grid were lost at "
    "that moment, told by the days before."
)
_ABOUT_VOLTAGE = "Every node of the AC power flow. The strictest limit of each level is drawn, unless it is far away."
_ABOUT_LOADING = (
    "Current over the source's limit, the larger of both ends. Lines: the five most loaded branches of each strategy; "
    "shade: the highest of all branches at that moment."
)
_ABOUT_TIES = (
    "One row per tie between cells, the day from left to right, by feeder; at the left the cell below the tie, or the "
    "feeder. Colour is power over the tie's rating; paper is none."
)
_ABOUT_MAP = (
    "Grey is within limits all the time. Colour marks what was beyond a limit at any time; point at it for the worst."
)
_ABOUT_AGREED = (
    "Before each plan the cells exchange messages about their boundaries until nobody gains by another round."
)


_PHYSICS = {
    "positive-sequence": "AC power flow of balanced phases, constant-power loads (power-grid-model).",
    "three-phase": "The source's own three-phase circuit in the OpenDSS engine: its load models, its tap changers and "
    "switched capacitors act. Limits are judged on the worst phase; charts show the mean over the phases of a node. "
    "Strategies plan with the balanced network, and check their plans on it.",
}


def _header(run: Run, scenario: Scenario) -> str:
    info = run.info
    start = datetime.fromisoformat(info["start"])
    days = f"{info['days']} day{'s' if info['days'] != 1 else ''} from {start.astimezone(UTC):%H:%M} UTC"
    date = first_date(start)
    over = f"Archipel · {info['scenario']['name']} · {date:%A} {date.day} {date:%B %Y} · {days} · "
    over += f"{info['forecast']} forecast · seed {info['seed']}"
    if "distributed" in info["strategies"]:
        over += f" · {info.get('method', 'exact')} agreement"
    over += f" · {info['physics']} physics" * (info.get("physics", "positive-sequence") != "positive-sequence")
    archipelago, grid = scenario.archipelago, scenario.grid
    levels = [cell.level for cell in archipelago.cell]
    counts = [(len(fleet.id), fleet.kind) for fleet in scenario.fleets if len(fleet.id)]
    devices = ", ".join(f"{grouped(count, 0)} {MANY.get(kind, kind)}" for count, kind in counts)
    lede = (
        f"{escape(scenario.title.rstrip('.'))}. {grouped(len(grid.nodes), 0)} nodes, "
        f"{grouped(len(grid.branch_id), 0)} branches, {len(levels)} cells ({levels.count('feeder')} feeders, "
        f"{levels.count('lv')} low-voltage). Devices: {escape(devices)}."
    )
    warn = ""
    if not info["complete"]:
        done = ", ".join(f"{s} {run.steps(s) * run.dt_h(s):.1f} h" for s in run.strategies)
        warn = f'<p class="warn"><b>This run was interrupted.</b> The figures cover what was done: {escape(done)}.</p>'
    first, *more = story(run.kpis)
    return (
        f'<header><div><p class="over">{escape(over)}</p><h1>{escape(first)}</h1>'
        f'<p class="more">{escape(" ".join(more))}</p><p class="lede">{lede}</p>{warn}</div>{glance(run)}</header>'
    )


def _section(title: str, about: str, body: str) -> str:
    said = f'<p class="about">{escape(about)}</p>' if about else ""
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>"


def _optional(title: str, about: str, body: str) -> list[str]:
    """A section that is left out where there is nothing to show."""
    return [_section(title, about, body)] if body else []


def _two(left: str, right: str) -> str:
    return f'<div class="two"><div>{left}</div><div>{right}</div></div>'


def _ways_heading(run: Run) -> str:
    count, words = len(run.strategies), ("No", "One", "Two", "Three", "Four", "Five")
    return f"{words[count] if count < len(words) else count} way{'s' if count != 1 else ''}"


def _ways(kpis: dict[str, Any]) -> str:
    runs = kpis["strategies"]
    heads = "".join(
        f'<th><span class="s" style="--c:var(--{charts.colour_of(name)})">{escape(name)}</span></th>' for name in runs
    )
    rows = [f'<tr><th></th><th></th>{heads}<th class="left"></th></tr>']
    for title, lines in fitted(runs):
        rows.append(f'<tr><th class="group" colspan="{len(runs) + 3}">{escape(title)}</th></tr>')
        for line in lines:
            best = best_of(line, runs)
            values = "".join(_value(shown(line, f.get(line.key)), name in best) for name, f in runs.items())
            rows.append(
                f'<tr><td>{escape(line.label)}</td><td class="unit">{escape(line.unit)}</td>{values}'
                f'<td class="why">{escape(line.meaning)}</td></tr>'
            )
    kinds = "".join(f"<dt>{escape(n)}</dt><dd>{escape(STRATEGY[n])}</dd>" for n in runs if n in STRATEGY)
    return f'<dl>{kinds}</dl><div class="scroll"><table class="ways">{"".join(rows)}</table></div>'


def _value(words: str, best: bool) -> str:
    kind = ' class="best"' if best else ' class="none"' if words == "–" else ""
    return f"<td{kind}><span>{escape(words)}</span></td>"


def _agreed(run: Run) -> str:
    entries = [entry for entry in run.frame("agreements").to_pylist() if entry["strategy"] == AGREES]
    if not entries:
        return "<p>No strategy of this run agreed by messages.</p>"
    figures = run.kpis["strategies"][AGREES]
    passes = [entry["passes"] for entry in entries if entry["passes"] is not None]
    checked = [entry["accepted"] for entry in entries if entry["accepted"] is not None]
    silent = sorted({cell for entry in entries for cell in entry["silent"] or []})
    tiles = [
        (f"{len(entries)}", "agreements"),
        (f"{sum(checked)}" if checked else "–", "of them kept all limits in their own AC check"),
        (f"{len(silent)}", "cells that fell silent"),
        (_or_dash(figures["rounds_p50"], "{:.0f}"), "rounds, median"),
        (_or_dash(figures["rounds_p95"], "{:.0f}"), "rounds, 95th percentile"),
        (_or_dash(max(passes, default=None), "{:.0f}"), "passes with a new AC operating point, most"),
        (_or_dash(figures["gap_to_central"], "{:.4%}"), "gap to central, worst problem"),
        (_or_dash(figures["benefit_captured"], "{:.1%}"), "benefit captured, worst problem"),
        (_or_dash(figures["kb_per_boundary_day"], "{:,.0f} kB"), "messages per tie and day"),
        (_or_dash(figures["agreed_vs_metered_kw_p95"], "{:.3g} kW"), "agreed vs metered, 95th percentile"),
        (_or_dash(figures["agreed_ends_differ_kw"], "{:.3g} kW"), "difference of both ends' values, most"),
    ]
    shown_tiles = "".join(f"<div><b>{escape(a)}</b><span>{escape(b)}</span></div>" for a, b in tiles)
    every_h = (entries[1]["time"] - entries[0]["time"]).total_seconds() / 3600 if len(entries) > 1 else 1.0
    return f'<div class="tiles">{shown_tiles}</div>{_two(charts.rounds(entries, every_h), _given(entries))}'


def _given(entries: Sequence[dict[str, Any]]) -> str:
    """What had to give so that a plan was possible at all."""
    listed = [(entry["time"], words) for entry in entries for words in entry["given"] or []]
    if not listed:
        return "<p><b>Nothing had to give:</b> every plan kept all limits.</p>"
    rows = "".join(
        f'<tr><td class="left">{time:%m-%d %H:%M}</td><td class="left">{escape(words)}</td></tr>'
        for time, words in listed[:MOST_GIVEN]
    )
    more = (
        f'<p class="note">and {len(listed) - MOST_GIVEN} more, in agreements.parquet</p>'
        if len(listed) > MOST_GIVEN
        else ""
    )
    return f'<table><tr><th class="left">Plan of</th><th class="left">What had to give</th></tr>{rows}</table>{more}'


def _definitions(run: Run, scenario: Scenario) -> str:
    told = {line.key for _, lines in GROUPS for line in lines}
    further = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in MEANING.items() if k not in told)
    tariff, limit = scenario.tariff, scenario.connection
    fees = (
        f"Network fees {tariff.hv_fee_eur_per_kwh * 1e3:g} EUR/MWh on the area's net import, "
        f"{tariff.mv_fee_eur_per_kwh * 1e3:g} on each cell's own net import, {tariff.lv_fee_eur_per_kwh * 1e3:g} on "
        f"end use at low voltage; peak charge {tariff.peak_eur_per_kw_day * 1e3:g} EUR per MW and day; lost load "
        f"{tariff.voll_eur_per_kwh:g} EUR/kWh; import emits {tariff.co2_kg_per_kwh:g} kg CO2 per kWh."
    )
    firm = f"Import {_limit(limit.import_kw_max)}, export {_limit(limit.export_kw_max)}."
    pairs = (
        (
            "Signs",
            "Positive power is drawn by a device or flows into a cell; at the upstream connection positive is import.",
        ),
        ("Time", "UTC. An interval is named by its start."),
        ("Voltage", "pu of the node's nominal voltage. Loading is current over the source's own limit."),
        ("Physics", _PHYSICS[run.info.get("physics", "positive-sequence")]),
        ("Own net import", "What flows into a cell from above minus what it passes to the cells below it."),
        ("Tariff", fees),
        ("Firm limits", firm),
        ("Tables", "kpis.json and the Parquet tables beside this file hold every number; ids are those of the source."),
    )
    fixed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>" for name, words in pairs)
    sources = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in _attribution(scenario))
    made = escape(f"Run {run.info['id']}, made {run.info['made'][:16].replace('T', ' ')} UTC by Archipel.")
    return f'<dl>{fixed}{further}</dl><h3>Sources of the data</h3>{sources}<p class="note">{made}</p>'


def _limit(kw: float) -> str:
    factor, unit = charts.in_unit(kw)
    return f"{kw * factor:g} {unit}" if kw != float("inf") else "unlimited"


def _or_dash(value: float | None, form: str) -> str:
    return form.format(value).replace(",", " ") if value is not None else "–"


def _attribution(scenario: Scenario) -> list[str]:
    """The first paragraphs of the attribution that travels with the scenario's data."""
    places = [scenario.folder, scenario.folder.parent] if scenario.folder is not None else []
    for place in places:
        for name in ("ATTRIBUTION.md", "README.md"):
            if (place / name).is_file():
                blocks = (place / name).read_text(encoding="utf-8").split("\n\n")
                return [" ".join(b.split()) for b in blocks if b.strip() and b.strip()[0] not in "#|`-*"][:2]
    return ["The scenario comes without a statement of its sources."]


def _asset(name: str) -> str:
    return resources.files("archipel.report").joinpath(name).read_text(encoding="utf-8")
