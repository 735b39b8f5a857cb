"""Double-entry books: exact, idempotent, chained."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.market.amounts import apportion, eur_units, parts_of
from archipel.market.books import Books, restored
from archipel.market.errors import BooksDamaged, BooksRefused
from archipel.market.postings import Postings, block, postings
from archipel.model import Payment

TIME = datetime(2016, 1, 11, tzinfo=UTC)
ACCOUNTS = ("anna", "bert", "=cmd|'/C calc'!A0", "pool", "market")
amounts = st.decimals(-(10**6), 10**6, places=8, allow_nan=False)


@st.composite
def payments(draw: st.DrawFn) -> list[Payment]:
    pairs = draw(st.lists(st.tuples(st.permutations(ACCOUNTS), amounts), max_size=20))
    return [Payment(f"p{k}", TIME, who[0], who[1], eur, "energy") for k, (who, eur) in enumerate(pairs)]


def some(count: int = 5) -> list[Payment]:
    return [Payment(f"p{k}", TIME, f"owner {k}", "pool", Decimal(k + 1) / 100, "energy") for k in range(count)]


@given(payments())
def test_balances_add_up_to_zero_exactly(listed: list[Payment]) -> None:
    books = Books()
    assert books.post(listed) == len(listed)
    assert sum(books.balances().values(), Decimal(0)) == 0
    for account in ACCOUNTS:
        received = sum((p.amount_eur for p in listed if p.payee == account), Decimal(0))
        paid = sum((p.amount_eur for p in listed if p.payer == account), Decimal(0))
        assert books.balance(account) == received - paid
    assert [entry.payment for entry in books.entries()] == listed
    assert books.verify() == len(listed)


@given(payments(), st.randoms(use_true_random=False))
def test_payments_seen_again_in_any_order_change_nothing(listed: list[Payment], random: object) -> None:
    books = Books()
    books.post(listed)
    head, balances = books.head, books.balances()
    again = listed * 2
    random.shuffle(again)  # type: ignore[attr-defined]
    assert books.post(again) == 0
    assert (books.head, books.balances(), len(books)) == (head, balances, len(listed))


@pytest.mark.parametrize(
    "other",
    [
        {"amount_eur": Decimal("0.02")},
        {"payer": "somebody else"},
        {"time": TIME.replace(hour=1)},
        {"what": "imbalance"},
        {"quantity": Decimal(1)},
        {"unit": "kW h"},
    ],
)
def test_another_payment_under_a_booked_id_is_refused_and_nothing_is_booked(other: dict[str, object]) -> None:
    books = Books()
    books.post(some(1))
    fresh = Payment("fresh", TIME, "a", "b", Decimal(1), "energy")
    with pytest.raises(BooksRefused, match="p0 is booked with another content"):
        books.post([fresh, replace(some(1)[0], **other)])
    assert len(books) == 1
    assert "fresh" not in books


def test_two_payments_of_one_id_in_one_message_are_refused_unless_they_are_the_same() -> None:
    one = some(1)[0]
    assert Books().post([one, one]) == 1
    with pytest.raises(BooksRefused, match="comes twice"):
        Books().post([one, replace(one, amount_eur=Decimal(3))])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"payee": "owner 0"}, "pays itself"),
        ({"payer": ""}, "expected an id, a payer and a payee"),
        ({"amount_eur": Decimal("0.000000001")}, "at most 8 decimals"),
        ({"amount_eur": Decimal("NaN")}, "expected a number"),
        ({"amount_eur": Decimal(10) ** 12}, "expected less than"),
        ({"time": datetime(2016, 1, 1)}, "without a zone"),  # noqa: DTZ001
    ],
)
def test_what_is_no_payment_is_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(BooksRefused, match=words):
        Books().post([replace(some(1)[0], **wrong)])


def test_a_correction_reverses_the_old_entry_and_names_it() -> None:
    books = Books()
    books.post(some())
    right = replace(some()[1], id="p1, metered again", amount_eur=Decimal("0.05"))
    assert books.correct("p1", right) == 2
    assert books.balance("owner 1") == Decimal("-0.05")
    assert [e.corrects for e in books.entries()][-2:] == ["p1", "p1"]
    assert books.payment("p1").amount_eur == Decimal("0.02"), "the old entry stays as it was"
    assert books.corrected("p1")
    assert books.correct("p1", right) == 0, "the same correction again changes nothing"
    assert books.verify() == 7
    assert books.correct("p1, metered again", None) == 1, "a replacement can be corrected in turn"
    assert books.balance("owner 1") == 0
    with pytest.raises(BooksRefused, match="corrected already"):
        books.correct("p1", None)
    with pytest.raises(BooksRefused, match="corrected already"):
        books.correct("p1", replace(right, id="another"))
    with pytest.raises(BooksRefused, match="found no payment p9"):
        books.correct("p9", None)
    with pytest.raises(BooksRefused, match="booked already"):
        books.correct("p2", some()[3])


def test_revised_books_stand_for_what_is_due_now_and_keep_all_that_was() -> None:
    books, listed = Books(), some(4)
    books.post(listed)
    books.correct("p0", replace(listed[0], id="p0, by hand", amount_eur=Decimal("0.9")))
    now = [replace(listed[0], amount_eur=Decimal("0.7")), listed[1], replace(listed[2], amount_eur=Decimal("0.3"))]
    now.append(replace(listed[0], id="p9", payer="owner 9"))
    new = books.revise(postings(now))
    assert new == 2 + 2 + 1 + 1  # two replaced, one taken back, one booked
    left = [str(-books.balance(f"owner {k}").normalize()) for k in (0, 1, 2, 3, 9)]
    assert left == ["0.7", "0.02", "0.3", "0", "0.01"]
    assert books.revise(postings(now)) == 0
    assert books.standing() == ["p0", "p1", "p2", "p9"]
    assert books.revise(postings(listed)) == 2 + 2 + 1 + 1, "what was taken back can be due again"
    assert books.standing() == ["p0", "p1", "p2", "p3"]
    assert books.balance("owner 3") == Decimal("-0.04")
    assert books.revise(postings(listed)) == 0
    assert [e.payment for e in books.entries()][:4] == listed
    assert sum(books.balances().values()) == 0
    assert restored(*kept(books)).columns() == books.columns()


def kept(books: Books) -> tuple[Postings, list[str], list[bytes]]:
    c = {name: list(value) for name, value in books.columns().items()}
    names = ("id", "time_us", "payer", "payee", "amount", "what", "quantity", "unit")
    return Postings(*(c[name] for name in names)), c["corrects"], c["hash"]  # type: ignore[return-value, arg-type]


@pytest.fixture
def written() -> Books:
    books = Books()
    books.post(some(6))
    books.correct("p2", replace(some(6)[2], id="p2 again", amount_eur=Decimal("0.5")))
    return books


def test_books_come_back_from_what_was_kept_of_them(written: Books) -> None:
    back = restored(*kept(written), count=len(written), head=written.head)
    assert back.columns() == written.columns()
    assert back.balances() == written.balances()
    assert back.post(some(6)) == 0


@pytest.mark.parametrize("column", ["id", "time_us", "payer", "payee", "amount", "what", "quantity", "unit"])
@pytest.mark.parametrize("row", [0, 3, 7])
def test_a_changed_value_of_any_entry_is_found(written: Books, column: str, row: int) -> None:
    many, corrects, hashes = kept(written)
    values = list(getattr(many, column))
    values[row] = values[row] + 1 if isinstance(values[row], int) else values[row] + "x"
    with pytest.raises(BooksDamaged):
        restored(replace(many, **{column: values}), corrects, hashes, count=8, head=written.head)


@pytest.mark.parametrize(
    "order", [[1, 0, 2, 3, 4, 5, 6, 7], [0, 1, 2, 4, 5, 6, 7], [0, 0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2]]
)
def test_moved_removed_and_repeated_entries_are_found(written: Books, order: list[int]) -> None:
    many, corrects, hashes = kept(written)
    moved = Postings(*([list(getattr(many, n))[k] for k in order] for n in many.__dataclass_fields__))
    with pytest.raises(BooksDamaged):
        restored(moved, [corrects[k] for k in order], [hashes[k] for k in order], count=8, head=written.head)


def test_an_entry_that_no_longer_names_what_it_corrects_is_found(written: Books) -> None:
    many, corrects, hashes = kept(written)
    with pytest.raises(BooksDamaged):
        restored(many, ["" for _ in corrects], hashes)


def test_verify_finds_entries_changed_in_memory_and_names_the_first(written: Books) -> None:
    written._numbers[8 * 4 + 3] += 1
    with pytest.raises(BooksDamaged, match="entry 5 is not as it was written"):
        written.verify()


def test_an_end_cut_off_shows_to_who_kept_the_newest_hash(written: Books) -> None:
    many, corrects, hashes = kept(written)
    short = Postings(*(list(getattr(many, n))[:5] for n in many.__dataclass_fields__))
    cut = restored(short, corrects[:5], hashes[:5])
    assert cut.verify() == 5
    with pytest.raises(BooksDamaged, match="8 entries were there"):
        cut.verify(count=8, head=written.head)
    with pytest.raises(BooksDamaged, match="whose hash was kept"):
        cut.verify(head=written.head)
    assert written.verify(count=5, head=cut.head) == 8


def test_a_block_of_columns_books_the_same_as_single_payments() -> None:
    amount = np.array([[100, 0, -7], [5, 6, 7]])
    many = block(
        "x",
        "fee",
        payer=["a", "b"],
        payee="network",
        time_us=[0, 900_000_000, 1_800_000_000],
        amount=amount,
        quantity=0 * amount,
    )
    assert len(many) == 5, "nothing for nothing is no payment"
    columns, single = Books(), Books()
    columns.post(many)
    single.post(many.payments())
    assert columns.head == single.head
    assert list(postings(many.payments()).rows()) == list(many.rows())


@given(
    st.lists(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2), min_size=1, max_size=8),
    st.lists(st.integers(-(10**15), 10**15), min_size=2, max_size=2),
)
def test_parts_add_up_to_the_whole_and_none_is_far_from_its_share(part: list[list[float]], total: list[int]) -> None:
    wanted, whole = np.array(part), np.array(total)
    found = parts_of(whole, wanted)
    assert (found.sum(axis=0) == whole).all()
    off = (whole - wanted.sum(axis=0)) / len(part)
    assert np.abs(found - wanted - off).max() <= 2.0 + 1e-9 * np.abs(whole).max()


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=9), st.integers(-(10**12), 10**12))
def test_apportioned_units_are_off_by_less_than_one_and_add_up(weight: list[float], total: int) -> None:
    weights = np.array(weight)[:, None]
    found = apportion(np.array([total]), weights)
    assert found.sum() == total
    share = weights / weights.sum() if weights.sum() > 0 else np.full_like(weights, 1 / len(weights))
    assert np.abs(found - total * share).max() <= 1.0 + 1e-3


def test_an_amount_that_is_no_number_or_too_large_is_refused() -> None:
    for value in (np.nan, np.inf, 1e9):
        with pytest.raises(BooksRefused, match="expected a number below"):
            eur_units(np.array([1.0, value]))
