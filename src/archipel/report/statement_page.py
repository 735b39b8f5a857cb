"""A statement as a bill: one HTML file that needs nothing else, readable on paper, in light and in dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import escape
from importlib import resources
from pathlib import Path

import numpy as np

from archipel.formats.prices import MARKET_ZONE
from archipel.market.amounts import parts_of
from archipel.market.settle_check import MARKET
from archipel.model import Floats
from archipel.report.figures import grouped
from archipel.report.html import page
from archipel.report.paths import file_name
from archipel.report.statement import OF_MEMBERS, Line, Membership, Statement
from archipel.report.svg import Plot, legend

MEANING = {
    "energy": "Energy at the day-ahead price",
    "imbalance": "Energy beyond the position",
    "losses": "Losses of the network, your marginal share",
    "network_fee_hv": "Network fee, import of the area",
    "network_fee_mv": "Network fee, import of your cell",
    "network_fee_lv": "Network fee, use at low voltage",
    "network_fee_peak": "Peak of the area, your part",
    "share": "Your share of what the portfolio earned",
    "kept_ready": "Power kept ready",
    "penalty_shared": "Penalties of others, passed on",
    "penalty": "Asked and not delivered",
    "operator": "What portfolios leave their operator",
    "fcr": "Frequency containment, power kept",
    "afrr_capacity": "Frequency restoration, power kept",
    "afrr_energy": "Frequency restoration, energy called",
    "event": "Reduction on demand",
}
GROUPS = (
    ("Energy", ("energy", "imbalance", "losses")),
    ("Network", ("network_fee_hv", "network_fee_mv", "network_fee_lv", "network_fee_peak")),
    ("Flexibility", (*OF_MEMBERS, "operator", "fcr", "afrr_capacity", "afrr_energy", "event")),
)
RULE = {
    "pro_rata": "in proportion to what each delivered",
    "marginal": "by what the others would have earned less",
    "shapley": "by the mean of what each adds over every order of joining (Shapley)",
}
OF_OTHERS = {
    "share": "Share of a member",
    "penalty": "Asked of a member and not delivered",
    "penalty_shared": "Penalties of others, passed on to a member",
    "losses": "Losses of the network, marginal share",
}
"""The same, for the account on the other side."""
UNPRICED = ("share", "operator", "penalty_shared", "afrr_energy", "imbalance")
"""A mean price says nothing where energy goes both ways."""
CENT = Decimal("0.01")
MOST_DAYS = 62


def write_page(statement: Statement, folder: Path) -> Path:
    """Write the bill and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{file_name(statement.account)}.html"
    file.write_text(bill_page(statement), encoding="utf-8")
    return file


def bill_page(statement: Statement) -> str:
    """The whole page. Every name is escaped."""
    parts = [
        f"<style>{resources.files('archipel.report').joinpath('statement.css').read_text(encoding='utf-8')}</style>",
        '<main class="bill">',
        _header(statement),
        _amounts(statement),
        *(_membership(m) for m in statement.memberships),
        _days(statement),
        _proof(statement),
        "</main>",
    ]
    return page(f"Statement of {statement.name}, {_span(statement)}", parts)


def _header(s: Statement) -> str:
    total = s.total_eur.quantize(CENT)
    words = "to pay" if total > 0 else "to receive" if total < 0 else "nothing to pay"
    facts = (
        ("Account", s.account),
        ("Period", f"{_span(s)} (UTC)"),
        ("Settled", s.case),
        ("Statement", f"{s.head.hex()[:12]} / {s.entries_in_books}"),
    )
    shown = "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in facts)
    return (
        f'<div class="top"><div><p class="over">Archipel · Statement</p><h1>{escape(s.name)}</h1><dl>{shown}</dl></div>'
        f'<div class="due"><span>{words}</span><b>{_eur(abs(total))}</b><span>EUR</span></div></div>'
        f'<p class="more">{escape(_story(s))}</p>'
    )


def _story(s: Statement) -> str:
    energy = [line for line in s.lines if line.what in {"energy", "imbalance", "afrr_energy"} and line.pays]
    kwh = sum((line.quantity for line in energy), Decimal(0))
    said = [f"Energy billed: {_kwh(abs(kwh))} kWh net {'drawn' if kwh >= 0 else 'given'}."] if energy else []
    if s.memberships:
        gain = s.gain_eur
        words = "saved or earned you" if gain >= 0 else "cost you"
        said.append(f"Letting {_portfolios(s)} use your devices {words} {_eur(abs(gain))} EUR.")
        if gain < 0:
            said.append("You would have been better off alone in this time.")
    return " ".join(said)


def _portfolios(s: Statement) -> str:
    return " and ".join(dict.fromkeys(m.portfolio.name or m.portfolio.id for m in s.memberships))


def _amounts(s: Statement) -> str:
    cents = _in_cents([line.amount_eur for line in s.lines])
    heads = '<th class="left">For</th><th class="left">With</th><th>Quantity</th><th class="left"></th>'
    rows = [f"<tr>{heads}<th>Mean price, EUR</th><th>Amount, EUR</th></tr>"]
    known = {what for _, whats in GROUPS for what in whats}
    groups = (*GROUPS, ("Other", tuple({line.what for line in s.lines} - known)))
    for title, whats in groups:
        mine = [(line, cent) for line, cent in zip(s.lines, cents, strict=True) if line.what in whats]
        if not mine:
            continue
        part = sum((cent for _, cent in mine), Decimal(0))
        rows.append(f'<tr class="head"><th class="group" colspan="5">{title}</th><th>{_eur(part)}</th></tr>')
        rows += [_line(line, cent, s.names) for line, cent in mine]
    total = s.total_eur.quantize(CENT)
    word = "To pay" if total >= 0 else "To receive"
    rows.append(f'<tr class="sum"><td class="left" colspan="5">{word}</td><td>{_eur(abs(total))}</td></tr>')
    note = "Negative amounts are in your favour. Negative quantities are energy given."
    if any(line.corrected for line in s.lines):
        note += " † holds corrections; the entries they put right stay in the books."
    return f'<section><h2>What it is made of</h2><table>{"".join(rows)}</table><p class="note">{note}</p></section>'


def _line(line: Line, cent: Decimal, names: Mapping[str, str]) -> str:
    price = "" if line.price_eur is None or line.what in UNPRICED else _price(line.price_eur)
    quantity = _kwh(line.quantity) if line.quantity else ""
    mark = " †" if line.corrected else ""
    meaning = MEANING.get(line.what, line.what)
    if line.pays != (line.what in {"penalty", "losses"}):
        meaning = OF_OTHERS.get(line.what, meaning)
    if line.what == "losses" and line.other == MARKET:
        meaning = "Losses of the network, bought"
    if line.what == "energy" and line.other != MARKET:
        meaning = "Energy of pooled devices, at their baseline"
    other = escape(names.get(line.other, line.other))
    return (
        f'<tr><td class="left">{escape(meaning)}{mark}</td><td class="left soft">{other}</td>'
        f'<td>{quantity}</td><td class="left soft">{escape(line.unit) if quantity else ""}</td>'
        f'<td class="soft">{price}</td><td>{_eur(cent)}</td></tr>'
    )


def _membership(m: Membership) -> str:
    v, row, contract = m.verified, m.row, m.contract
    tiles = [
        (_kwh(v.wanted_kwh[row].sum()), "kWh of change asked"),
        (_kwh(v.counted_kwh[row].sum()), "kWh of it delivered"),
        (_kwh(v.missing_kwh[row].sum()), "kWh missing"),
        (f"{100 * v.availability[row]:.1f} %", f"of the time available; {100 * contract.availability:g} % agreed"),
        (f"{100 * v.accuracy[row]:.1f} %", "accuracy"),
    ]
    kept = max(float(m.delivery.fcr_kw[row].max()), float(m.delivery.afrr_up_kw[row].max()))
    if kept > 0:
        tiles.append((_kwh(kept), "kW kept ready at most"))
    shown = "".join(f"<div><b>{escape(a)}</b><span>{escape(b)}</span></div>" for a, b in tiles)
    return (
        f"<section><h2>{escape(m.portfolio.name or m.portfolio.id)}</h2>"
        f'<p class="about">Contract “{escape(contract.id)}”. {escape(_terms(m))}</p>'
        f'<div class="tiles">{shown}</div>{_picture(m)}</section>'
    )


def _terms(m: Membership) -> str:
    c = m.contract
    rule = RULE[m.portfolio.split]
    said = [f"What is earned beyond the baselines is split {rule}; you are paid {100 * c.share:g} % of your part."]
    if m.result:
        error = m.result["error_eur"]
        close = f" (± {error:.2f} EUR with {100 * m.result['confidence']:g} % confidence)" if error >= 0.005 else ""
        said.append(f"Your part: {_eur(Decimal(str(m.result['part_eur'])))} EUR{close}.")
    if c.penalty_eur_per_kwh:
        said.append(f"What is asked and not delivered costs {c.penalty_eur_per_kwh:g} EUR/kWh.")
    if c.fee_eur_per_kw_year:
        said.append(f"Power kept ready earns {c.fee_eur_per_kw_year:g} EUR per kW and year.")
    if c.notice_s:
        said.append(f"Notice: {c.notice_s:g} s." if c.notice_s < 120.0 else f"Notice: {c.notice_s / 60:g} min.")
    return " ".join(said)


def _picture(m: Membership) -> str:
    """Power of the member's devices beside their baseline, and below it the change that was asked and came."""
    d, row, v = m.delivery, m.row, m.verified
    base, met = d.baseline_kw[row], d.metered_kw[row]
    asked = np.where(v.due[row], v.planned_kw[row] - base, np.nan)
    came = np.where(v.due[row], met - base, np.nan)
    power = _plot(m, np.concatenate([base, met]), "Power of your devices", 210)
    power.line(base, "faint", width=1.3, dash="4 3")
    power.line(met, "distributed", width=1.6)
    power.tell("baseline", "faint", base)
    power.tell("metered", "distributed", met)
    change = _plot(m, np.concatenate([asked, came]), "Change from the baseline", 170)
    change.area(np.zeros(len(came)), came, "upstream", opacity=0.55)
    change.line(asked, "over", width=1.6)
    change.tell("asked", "over", asked)
    change.tell("delivered", "upstream", came)
    keys = (
        (("faint", "baseline: what you would have drawn", "dash"), ("distributed", "metered", "line")),
        (("over", "asked", "line"), ("upstream", "delivered", "box")),
    )
    titles = ("Power of your devices", "Change from the baseline, where an answer was due")
    return "".join(
        f"<figure><figcaption><h3>{title}</h3></figcaption>{plot.svg}</figure>{legend(key)}"
        for title, plot, key in zip(titles, (power, change), keys, strict=True)
    )


def _plot(m: Membership, every: Floats, label: str, height: int) -> Plot:
    low, high = float(np.nanmin(every, initial=0.0)), float(np.nanmax(every, initial=0.0))
    room = 0.06 * max(high - low, 0.1)
    begin = np.datetime64(m.delivery.start.astimezone(UTC).replace(tzinfo=None), "m")
    time = begin + 15 * np.arange(len(m.delivery.price_eur_per_kwh))
    return Plot(time, 0.25, low - room * (low < 0), high + room, "kW", label, width=900, height=height)


def _days(s: Statement) -> str:
    """Amounts by day and product; a long time is shown as its last days."""
    by_day: dict[str, dict[str, Decimal]] = {}
    for entry in s.entries:
        p = entry.payment
        of_day = by_day.setdefault(f"{p.time.astimezone(MARKET_ZONE):%Y-%m-%d}", {})
        of_day[p.what] = of_day.get(p.what, Decimal(0)) + (p.amount_eur if p.payer == s.account else -p.amount_eur)
    if len(by_day) < 2:
        return ""
    whats = list(dict.fromkeys(line.what for line in s.lines))
    heads = "".join(f"<th>{escape(what.replace('_', ' '))}</th>" for what in whats)
    rows = [f'<tr><th class="left">Day</th>{heads}<th>Sum, EUR</th></tr>']
    for day in sorted(by_day)[-MOST_DAYS:]:
        cents = _in_cents([by_day[day].get(what, Decimal(0)) for what in whats])
        cells = "".join(f"<td>{_eur(cent) if cent else ''}</td>" for cent in cents)
        rows.append(f'<tr><td class="left day">{day}</td>{cells}<td><b>{_eur(sum(cents, Decimal(0)))}</b></td></tr>')
    cut = len(by_day) > MOST_DAYS
    more = f'<p class="note">The last {MOST_DAYS} of {len(by_day)} days; the CSV file has all.</p>' * cut
    return f'<section><h2>Day by day</h2><div class="scroll"><table>{"".join(rows)}</table></div>{more}</section>'


def _proof(s: Statement) -> str:
    return (
        "<section><h2>How to check it</h2><p>Every payment is an entry of double-entry books whose accounts add up to "
        "zero. Each entry carries the hash of the one before it, so none can be changed without being found; "
        "what was wrong is put right by new entries. Keep these two values: they prove the books as they are now.</p>"
        f'<p class="hash">{s.entries_in_books} entries, {s.head.hex()}</p><p class="note">Baseline: what your devices '
        "would have drawn if nothing had been asked. Losses: what your power adds to the losses of the network, from "
        "the derivatives of its AC state. Every payment and every quarter hour is in the CSV files beside this "
        "page.</p></section>"
    )


def _in_cents(amounts: Sequence[Decimal]) -> list[Decimal]:
    """Amounts in whole cents that add up to their sum in whole cents."""
    if not amounts:
        return []
    total = int(sum(amounts, Decimal(0)).quantize(CENT) * 100)
    cents = parts_of(np.array([total]), np.array([[float(a) * 100] for a in amounts]))
    return [Decimal(int(cent)) / 100 for cent in cents[:, 0]]


def _span(s: Statement) -> str:
    last = s.end - timedelta(minutes=1)
    first = _date(s.start)
    return first if s.start.date() == last.date() else f"{first} to {_date(last)}"


def _date(time: datetime) -> str:
    return f"{time.day} {time:%B %Y}"


def _eur(value: Decimal) -> str:
    words = grouped(float(value), 2)
    return words.lstrip("-") if not words.strip("-0.") else words.replace("-", "−")


def _kwh(value: object) -> str:
    number = float(str(value))
    return grouped(number, 1 if abs(number) < 1000 else 0).replace("-", "−")


def _price(value: Decimal) -> str:
    return grouped(float(value), 4).replace("-", "−")
