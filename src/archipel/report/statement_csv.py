"""A statement as CSV: one file of payments with their sum, one of quarter hours per contract.

Text that a spreadsheet would take for a formula is made text by an apostrophe (OWASP, "CSV Injection"): who is called
`=HYPERLINK(...)` is shown, not run. Numbers are ours and stay numbers.
"""

from __future__ import annotations

import csv
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from archipel.market.verification import QUARTER_H
from archipel.report.paths import file_name
from archipel.report.statement import Membership, Statement

FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
"""First characters that make spreadsheets calculate."""
PAYMENTS = (
    "entry", "time_utc", "what", "with", "quantity", "unit", "price_eur_per_unit", "amount_eur", "corrects", "payment",
)  # fmt: skip
QUARTERS = (
    "time_utc", "portfolio", "contract", "baseline_kw", "asked_kw", "delivered_kw", "changed_kwh", "asked_change_kwh",
    "missing_kwh", "fcr_kw", "afrr_up_kw", "afrr_down_kw", "day_ahead_eur_per_kwh", "event_eur_per_kwh",
)  # fmt: skip


def defused(text: str) -> str:
    """Text that no spreadsheet takes for a formula; the same text where none would."""
    bare = text.lstrip(" \u00a0\ufeff\x00")
    return "'" + text if bare and bare[0] in FORMULA else text


def write_csv(statement: Statement, folder: Path) -> list[Path]:
    """Write the files of a statement and return them; the second only for who has a contract."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [_write(folder / f"{file_name(statement.account)}.csv", PAYMENTS, _payments(statement))]
    if statement.memberships:
        rows = [row for membership in statement.memberships for row in _quarters(membership)]
        files.append(_write(folder / f"{file_name(statement.account)}-quarter-hours.csv", QUARTERS, rows))
    return files


def _payments(statement: Statement) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for entry in statement.entries:
        p = entry.payment
        pays = p.payer == statement.account
        amount = p.amount_eur if pays else -p.amount_eur
        price = round(p.amount_eur / p.quantity, 8) if p.quantity else ""
        other = p.payee if pays else p.payer
        size = (_plain(p.quantity), defused(p.unit), price, _plain(amount))
        named = (defused(entry.corrects), defused(p.id))
        rows.append([entry.seq, _stamp(p.time), defused(p.what), defused(other), *size, *named])
    sums = ["sum", f"{_stamp(statement.start)} to {_stamp(statement.end)}", "", "", "", "", ""]
    proof = f"books: {statement.entries_in_books} {statement.head.hex()}"
    return [*rows, [*sums, _plain(statement.total_eur), "", proof]]


def _quarters(m: Membership) -> list[list[Any]]:
    d, v, row = m.delivery, m.verified, m.row
    changed = (d.metered_kw[row] - d.baseline_kw[row]) * QUARTER_H
    asked = np.where(v.due[row], v.planned_kw[row], np.nan)
    series = (
        d.baseline_kw[row], asked, d.metered_kw[row], changed, (v.planned_kw[row] - d.baseline_kw[row]) * QUARTER_H,
        v.missing_kwh[row], d.fcr_kw[row], d.afrr_up_kw[row], d.afrr_down_kw[row], d.price_eur_per_kwh,
        d.event_price_eur_per_kwh,
    )  # fmt: skip
    names = [defused(m.portfolio.id), defused(m.contract.id)]
    return [
        [_stamp(d.start + timedelta(minutes=15 * k)), *names, *(_number(float(s[k])) for s in series)]
        for k in range(len(d.price_eur_per_kwh))
    ]


def _write(file: Path, head: tuple[str, ...], rows: list[list[Any]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(head)
        writer.writerows(rows)
    return file


def _stamp(time: Any) -> str:
    return f"{time:%Y-%m-%dT%H:%MZ}"


def _plain(value: Decimal) -> str:
    return f"{value:f}"


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value + 0.0:.9g}"  # no negative zero
