"""The page of a hosting study: how much under which strategy, in which cell, and the proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from archipel.model import Scenario
from archipel.report.figures import grouped
from archipel.report.hosting_rows import broken_of, by_cell, by_strategy, middle_of, summary
from archipel.report.html import page
from archipel.report.svg import legend, tag, text, ticks
from archipel.report.words import STRATEGY
from archipel.strategies.hosting import Question
from archipel.strategies.hosting.question import DEVICE_NAME

Answers = Sequence[Mapping[str, Any]]
MOST_CELLS = 40
WIDE, LEFT, RIGHT = 900, 118, 96
NONE = '<td class="none">–</td>'


def hosting_page(scenario: Scenario, question: Question, answers: Answers, notes: Sequence[str]) -> str:
    """The whole page; text that came from files is escaped."""
    device = DEVICE_NAME[question.device]
    parts = [
        _header(scenario, question, answers, notes),
        _section("How much can connect", _ABOUT_BARS, _bars(answers, device)),
        _section("What binds first", _ABOUT_FIRST, _first(answers)),
    ]
    if len(by_cell(answers)) > 1:
        parts.append(_section("In which cells", _ABOUT_CELLS, _cells(answers)))
    parts += [
        _section("Just below and just above", _ABOUT_PROOF, _proofs(answers)),
        _section("What was asked", "", _asked(question)),
    ]
    return page(f"{scenario.name}: how much {device} can connect", parts)


_ABOUT_BARS = (
    "Power of new devices before the first limit is broken. The bar is the median over seeds, every dot a seed: one "
    "order in which customers get devices of drawn sizes, the same for every strategy."
)
_ABOUT_FIRST = "In the seed in the middle: the limit that the next devices would break, and when."
_ABOUT_CELLS = (
    "Where the devices of that total stand, median over seeds. This is not what each cell could take by itself."
)
_ABOUT_PROOF = (
    "Every answer is two days of closed loop: one with these devices, in which the AC power flow of all quarter hours "
    "keeps every limit and every service, and one with the next devices, in which the limit named is broken. Values of "
    "the day below are the worst of that day at the same place."
)

_ORDER = "Customers come in an order drawn by seed; each may get up to {} devices, one per round. Sizes are drawn, too."
_LIMITS = (
    "Voltage of every node, current of every line and transformer, firm limits at the upstream connection, as the "
    "scenario has them, in every quarter hour of the AC power flow."
)
_DAY = "Where none is named it is the day of the series that is hardest for the kind of device."
_PRICES = "Those of the scenario, at least 1 ct/kWh, so that nobody curtails for money. Forecasts are perfect."


def headline(question: Question, answers: Answers) -> str:
    """The answer in a sentence."""
    device = DEVICE_NAME[question.device]
    rows = {row["strategy"]: row for row in summary(answers)}
    ours = rows.get("distributed")
    first = ours or next(iter(rows.values()))
    least = "at least " if first["at_least"] else ""
    said = f"{least}{_power(first['p_kw_median'])} of new {device} can connect"
    by = {"distributed": "when cells agree", "uncoordinated": "when nobody decides", "alone": "when cells act alone",
          "central": "under one optimiser"}  # fmt: skip
    said = f"{said[0].upper()}{said[1:]} {by[first['strategy']]}"
    others = [
        f"{'at least ' if row['at_least'] else ''}{_power(row['p_kw_median'])} {by[name]}"
        for name, row in rows.items()
        if name != first["strategy"] and name != "central"
    ]
    return f"{said}, {' and '.join(others)}" if others else said


def _header(scenario: Scenario, question: Question, answers: Answers, notes: Sequence[str]) -> str:
    over = (
        f"{scenario.name} · hosting capacity · {question.days} day{'s' * (question.days > 1)} from "
        f"{question.start:%Y-%m-%d %H:%M} UTC · {len(question.seeds)} seed{'s' * (len(question.seeds) > 1)}"
    )
    lede = (
        f"{scenario.title.rstrip('.')}. {grouped(len(scenario.grid.nodes), 0)} nodes, "
        f"{len(scenario.archipelago.cell)} cells."
    )
    warn = f'<p class="warn">{"<br>".join(escape(note) for note in notes)}</p>' if notes else ""
    return (
        f'<div class="top"><p class="over">{escape(over)}</p><h1>{escape(headline(question, answers))}</h1>'
        f'<p class="lede">{escape(lede)}</p>{warn}</div>'
    )


def _bars(answers: Answers, device: str) -> str:
    """One horizontal bar per strategy, its range and its seeds."""
    groups = by_strategy(answers)
    rows = {row["strategy"]: row for row in summary(answers)}
    most = max((one["p_kw"] for one in answers), default=1.0) or 1.0
    factor, unit = (1e-3, "MW") if most >= 3000.0 else (1.0, "kW")
    top, pitch, bar = 8, 40, 22
    marks = ticks(0.0, most * factor, 6)
    far = max(most * factor, marks[-1] if marks else 0.0)
    high = top + pitch * len(groups) + 22

    def x(kw: float) -> float:
        return LEFT + (WIDE - LEFT - RIGHT) * kw * factor / far

    drawn = []
    floor = top + pitch * len(groups)
    for mark in marks:
        at = x(mark / factor)
        drawn.append(tag("line", class_="zero" if mark == 0 else "grid", x1=at, x2=at, y1=top, y2=floor))
        drawn.append(text(at, floor + 14, f"{mark:,g}".replace(",", " "), text_anchor="middle"))
    drawn.append(text(WIDE - RIGHT + 14, floor + 14, unit, class_="unit"))
    for k, (name, some) in enumerate(groups.items()):
        row, y = rows[name], top + pitch * k + (pitch - bar) / 2
        middle = y + bar / 2
        drawn.append(text(LEFT - 10, middle + 3.5, name, text_anchor="end", class_="name"))
        width = max(x(row["p_kw_median"]) - LEFT, 0.0)
        drawn.append(tag("rect", x=LEFT, y=y, width=width, height=bar, fill=f"var(--{name})", fill_opacity=0.85, rx=2))
        ends = {"y1": middle, "y2": middle, "x1": x(row["p_kw_min"]), "x2": x(row["p_kw_max"])}
        drawn.append(tag("line", stroke="var(--ink)", stroke_width=1.2, **ends))
        for one in some:
            told = f"seed {one['seed']}: {grouped(one['p_kw'], 0)} kW, {one['devices']} {device}"
            drawn.append(
                tag("circle", tag("title", escape(told)), cx=x(one["p_kw"]), cy=middle, r=3.4, fill="var(--paper)",
                    stroke="var(--ink)", stroke_width=1.2)
            )  # fmt: skip
        words = f"{'≥ ' if row['at_least'] else ''}{_power(row['p_kw_median'])}"
        drawn.append(text(x(row["p_kw_max"]) + 12, middle + 3.5, words, class_="halo v"))
    label = f"Power of new {device} by strategy"
    svg = tag("svg", tag("title", escape(label)), *drawn, viewBox=f"0 0 {WIDE} {high}", class_="plot", role="img")
    return f'<figure style="max-width:1000px;margin-top:14px">{svg}</figure>'


def _first(answers: Answers) -> str:
    rows = ['<tr><th class="left">Strategy</th><th class="left">First limit</th><th>Devices</th><th>Power</th></tr>']
    for name, some in by_strategy(answers).items():
        one = middle_of(some)
        limit = "none: every customer in the order has one" if one["first_limit"] is None else _said(one["first_limit"])
        least = "≥ " if one["at_least"] else ""
        rows.append(
            f'<tr><td class="left"><span class="s" style="--c:var(--{name})">{escape(name)}</span></td>'
            f'<td class="left">{escape(limit)}</td><td>{least}{grouped(one["devices"], 0)}</td>'
            f"<td>{least}{grouped(one['p_kw'], 0)} kW</td></tr>"
        )
    return f'<div class="scroll"><table>{"".join(rows)}</table></div>'


def _cells(answers: Answers) -> str:
    """Rows of thin bars, one per cell, the strategies beside each other."""
    parts = by_cell(answers)
    names = list(by_strategy(answers))
    ordered = sorted(parts, key=lambda cell: -max(parts[cell].values()))[:MOST_CELLS]
    most = max(max(parts[cell].values()) for cell in ordered) or 1.0
    thin, gap, top = 7, 10, 4
    pitch = thin * len(names) + gap
    high = top + pitch * len(ordered)
    drawn = []
    for r, cell in enumerate(ordered):
        y = top + pitch * r
        drawn.append(text(LEFT - 10, y + (pitch - gap) / 2 + 3.5, cell, text_anchor="end", class_="name"))
        for k, name in enumerate(names):
            kw = parts[cell].get(name, 0.0)
            width = (WIDE - LEFT - RIGHT) * kw / most
            told = tag("title", escape(f"{cell}, {name}: {grouped(kw, 0)} kW"))
            drawn.append(
                tag("rect", told, x=LEFT, y=y + thin * k, width=width, height=thin - 1, fill=f"var(--{name})", rx=1)
            )
        widest = max(parts[cell].values())
        at = LEFT + (WIDE - LEFT - RIGHT) * widest / most + 8
        drawn.append(text(at, y + (pitch - gap) / 2 + 3.5, f"{grouped(widest, 0)} kW"))
    drawn.insert(0, tag("line", class_="zero", x1=LEFT, x2=LEFT, y1=top, y2=high - gap))
    title = tag("title", "New power by cell and strategy")
    svg = tag("svg", title, *drawn, viewBox=f"0 0 {WIDE} {high}", class_="plot", role="img")
    more = ""
    if len(parts) > MOST_CELLS:
        more = f'<p class="note">and {len(parts) - MOST_CELLS} more cells, in cells.csv</p>'
    keys = legend([(name, name, "box") for name in names])
    return f'{keys}<figure style="max-width:1000px;margin-top:14px">{svg}</figure>{more}'


def _proofs(answers: Answers) -> str:
    heads = "".join(f"<th>{escape(h)}</th>" for h in ("Seed", "Devices", "Power", "Value", "Devices", "Power", "Value"))
    rows = [
        '<tr><th></th><th></th><th colspan="3">Just below</th><th colspan="3">Just above</th><th></th></tr>',
        f'<tr><th class="left">Strategy</th>{heads}<th class="left" style="padding-left:20px">Limit</th></tr>',
    ]
    for name, some in by_strategy(answers).items():
        rows += [_proof(name, one) for one in some]
    return f'<div class="scroll"><table class="ways">{"".join(rows)}</table></div>'


def _proof(name: str, one: Mapping[str, Any]) -> str:
    begin = (
        f'<tr><td class="left"><span class="s" style="--c:var(--{name})">{escape(name)}</span></td>'
        f"<td>{one['seed']}</td><td>{grouped(one['devices'], 0)}</td><td>{grouped(one['p_kw'], 0)} kW</td>"
    )
    if one["first_limit"] is None:
        return f'{begin}{4 * NONE}<td class="left" style="padding-left:20px">None: the order ends</td></tr>'
    limit = broken_of(one["first_limit"])
    digits = {"pu": 4, "%": 1, "kW": 0}.get(limit.unit, 2)
    below = "–" if one["below_value"] is None else f"{one['below_value']:.{digits}f} {limit.unit}"
    above = "–" if limit.what == "answer" else f"{limit.value:.{digits}f} {limit.unit}"
    return (
        f"{begin}<td>{escape(below)}</td><td>{grouped(one['above_devices'], 0)}</td>"
        f'<td>{grouped(one["above_kw"], 0)} kW</td><td class="beyond">{escape(above)}</td>'
        '<td class="left" style="padding-left:20px;white-space:normal;min-width:240px">'
        f"{escape(_place(one['first_limit']))}</td></tr>"
    )


def _asked(question: Question) -> str:
    service = question.service
    ways = [
        (name, f"{words[0].upper()}{words[1:]}.") for name, words in STRATEGY.items() if name in question.strategies
    ]
    said = (
        f"Beyond the day without new devices: at most {100 * service.curtailed_share:g} % of the energy of the new "
        f"devices curtailed, {100 * service.missing_share:g} % of it missing at departures, {service.comfort_k_h:g} "
        "kelvin-hours per heat pump and day outside the comfort band."
    )
    pairs = [
        ("Order", _ORDER.format(question.per_customer)),
        ("Limits", _LIMITS),
        ("Service", said),
        ("Day", f"From {question.start:%Y-%m-%d %H:%M} UTC. {_DAY}"),
        ("Prices", _PRICES),
        *ways,
    ]
    return f"<dl>{''.join(f'<dt>{escape(a)}</dt><dd>{escape(b)}</dd>' for a, b in pairs)}</dl>"


def _place(plain: Mapping[str, Any]) -> str:
    """The limit without its values: they stand beside it."""
    words, limit = _said(plain), broken_of(plain)
    return words if limit.what == "answer" else f"{words.removesuffix(f': {limit.amount}')}, limit {limit.bound}"


def _said(plain: Mapping[str, Any]) -> str:
    words = str(broken_of(plain))
    return words[0].upper() + words[1:]


def _power(kw: float) -> str:
    return f"{kw / 1e3:.1f} MW" if kw >= 3000.0 else f"{grouped(kw, 0)} kW"


def _section(title: str, about: str, body: str) -> str:
    said = f'<p class="about">{escape(about)}</p>' if about else ""
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>"
