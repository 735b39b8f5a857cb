"""Statements: what a bill says adds up to the books, and nothing in a name does harm."""

from __future__ import annotations

import csv
import html
import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import a_run
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.market.books import Books
from archipel.model import ArchipelError
from archipel.report.run import Run
from archipel.report.settle_run import book, settle_run
from archipel.report.statement import Statement, read_summary, statement, summary, write_summary
from archipel.report.statement_csv import FORMULA, PAYMENTS, QUARTERS, defused, write_csv
from archipel.report.statement_page import bill_page, write_page

UNCOORDINATED = "uncoordinated"
MEMBERS = [owner.id for owner in a_run.OWNERS[:3]]
EVERYBODY = [*(owner.id for owner in a_run.OWNERS), "pool", "market", "network"]


@pytest.fixture(scope="module")
def books(day: Run) -> Books:
    settlement = settle_run(day, UNCOORDINATED)
    write_summary(day.path, settlement)
    return book(settlement)[0]


def of(day: Run, books: Books, account: str) -> Statement:
    return statement(day, UNCOORDINATED, books, account)


@pytest.mark.parametrize("account", EVERYBODY)
def test_a_statement_says_what_the_books_say(day: Run, books: Books, account: str) -> None:
    one = of(day, books, account)
    assert one.total_eur == -books.balance(account)
    assert (one.entries_in_books, one.head) == (len(books), books.head)
    assert books.verify(count=one.entries_in_books, head=one.head)


def test_all_statements_together_add_up_to_nothing(day: Run, books: Books) -> None:
    assert sum((of(day, books, account).total_eur for account in EVERYBODY), Decimal(0)) == 0


@pytest.mark.parametrize("account", MEMBERS)
def test_the_csv_has_every_payment_and_every_quarter_hour(day: Run, books: Books, account: str, tmp_path: Path) -> None:
    one = of(day, books, account)
    payments, quarters = write_csv(one, tmp_path)
    with payments.open(newline="", encoding="utf-8") as file:
        head, *rows, last = list(csv.reader(file))
    assert tuple(head) == PAYMENTS
    assert len(rows) == len(one.entries)
    assert sum(Decimal(row[7]) for row in rows) == Decimal(last[7]) == one.total_eur
    assert books.head.hex() in last[-1]
    with quarters.open(newline="", encoding="utf-8") as file:
        told = list(csv.DictReader(file))
    assert tuple(told[0]) == QUARTERS
    (member,) = one.memberships
    assert len(told) == 96
    for name, series in (("baseline_kw", member.delivery.baseline_kw), ("delivered_kw", member.delivery.metered_kw)):
        assert [float(row[name]) for row in told] == pytest.approx(series[member.row].tolist(), rel=1e-8)
    missing = sum(float(row["missing_kwh"]) for row in told)
    assert missing == pytest.approx(member.verified.missing_kwh[member.row].sum())


@pytest.mark.parametrize("account", EVERYBODY)
def test_no_cell_of_a_csv_is_a_formula(day: Run, books: Books, account: str, tmp_path: Path) -> None:
    for path in write_csv(of(day, books, account), tmp_path):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                for cell in row:
                    assert not cell or cell[0] not in FORMULA or re.fullmatch(r"-\d+(\.\d+)?(e[-+]\d+)?", cell), cell


@given(st.text())
def test_text_is_defused_whatever_it_begins_with_and_can_be_read_as_before(text: str) -> None:
    found = defused(text)
    assert found in {text, "'" + text}
    bare = found.lstrip(" \u00a0\ufeff\x00")
    assert not bare or bare[0] not in FORMULA


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\ufeff=1", "＝1"])
def test_every_way_to_begin_a_formula_is_defused(text: str) -> None:
    assert defused(text) == "'" + text


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def read(page: str) -> Page:
    found = Page()
    found.feed(page)
    return found


def test_names_are_escaped_in_the_page(day: Run, books: Books) -> None:
    page = bill_page(of(day, books, "<b>carl</b>"))
    assert html.escape("<script>alert('Carl')</script> & Sons") in page
    found = read(page)
    assert found.tags.count("script") == 1, "the report's own"
    assert "<b>carl" not in page
    assert "<b>carl</b>" in found.words


@pytest.mark.parametrize("account", EVERYBODY)
def test_the_cents_of_a_bill_add_up_to_its_total(day: Run, books: Books, account: str) -> None:
    one = of(day, books, account)
    words = read(bill_page(one)).words
    table = re.findall(r"<tr><td class=\"left\">.*?</tr>", bill_page(one).split("Day by day")[0])
    cents = [Decimal(_number(re.findall(r"<td>([^<]*)</td></tr>", row)[0])) for row in table]
    assert sum(cents, Decimal(0)) == one.total_eur.quantize(Decimal("0.01"))
    assert f"{abs(one.total_eur.quantize(Decimal('0.01'))):,.2f}".replace(",", "\u00a0") in words


def _number(text: str) -> str:
    return text.replace("\u00a0", "").replace("−", "-")


def test_a_bill_says_what_was_asked_delivered_and_earned(day: Run, books: Books) -> None:
    one = of(day, books, "anna")
    page = " ".join(read(bill_page(one)).words)
    for words in ("Flexible homes", "contract of anna", "kWh of change asked", "availab", "Asked and not delivered"):
        assert words in page
    kept = read_summary(day.path, UNCOORDINATED)["contracts"]["contract of anna"]
    assert f"Your part: {kept['part_eur']:.2f} EUR" in page
    assert f"saved or earned you {kept['gain_eur']:.2f} EUR" in page
    assert float(one.gain_eur) == pytest.approx(kept["gain_eur"])


def test_who_had_been_better_off_alone_is_told_so(day: Run, books: Books) -> None:
    one = of(day, books, "=HYPERLINK(1)")
    assert one.gain_eur < 0
    assert "You would have been better off alone" in bill_page(one)
    assert "You would have been better off alone" not in bill_page(of(day, books, "anna"))
    assert summary(settle_run(day, UNCOORDINATED))["worse_off"] == ["contract of =HYPERLINK(1)"]


def test_each_side_of_a_payment_reads_it_in_its_own_words(day: Run, books: Books) -> None:
    member, pool, network = (read(bill_page(of(day, books, who))).words for who in ("anna", "pool", "network"))
    assert "Your share of what the portfolio earned" in member
    assert "Share of a member" in pool
    assert "Your share of what the portfolio earned" not in pool
    assert "Losses of the network, your marginal share" in member
    assert "Losses of the network, bought" in network
    assert "Losses of the network, your marginal share" not in network


def test_corrections_are_marked_on_the_next_statement(day: Run) -> None:
    books, _ = book(settle_run(day, UNCOORDINATED))
    before = of(day, books, "anna")
    wrong = next(e.payment for e in before.entries if e.payment.what == "energy")
    books.correct(wrong.id, replace(wrong, id=f"{wrong.id}!2", amount_eur=wrong.amount_eur - 1))
    after = of(day, books, "anna")
    assert after.total_eur == before.total_eur - 1
    assert "†" in bill_page(after)
    assert "†" not in bill_page(before)


def test_an_account_that_nobody_knows_is_refused_and_one_without_payments_is_not(day: Run, books: Books) -> None:
    with pytest.raises(ArchipelError, match="found no account nobody"):
        of(day, books, "nobody")
    empty = of(day, Books(), "anna")
    assert empty.total_eur == 0
    assert "nothing to pay" in bill_page(empty)


def test_pages_of_different_accounts_never_share_a_file(day: Run, books: Books, tmp_path: Path) -> None:
    files = {write_page(of(day, books, account), tmp_path) for account in EVERYBODY}
    assert len(files) == len(EVERYBODY)
    assert all(file.parent == tmp_path for file in files)
