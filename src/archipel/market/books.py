"""Double-entry books: who paid whom, exact, chained by hash, never changed afterwards.

Every payment is one entry that takes from one account what it gives to another, so all balances add up to zero at any
moment. An id is booked once: the same payment again changes nothing, another payment under its id is refused. What was
wrong is put right by new entries that name the old one.

    hash of entry n = SHA-256(hash of entry n-1 || canonical JSON of entry n),    hash of entry 0 = 32 zero bytes

so that no entry can be changed, dropped, inserted or moved without changing every hash after it. Entries cut off at the
end show to whoever has the newest hash: every statement carries it.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import final

from archipel.market.amounts import as_eur, as_quantity
from archipel.market.errors import BooksDamaged, BooksRefused
from archipel.market.postings import Postings, postings, utc
from archipel.model import Payment

START = bytes(32)
REVERSED = "!reversed"
"""Ends the id of an entry that takes another back."""
_DIGEST = 32
_MOST_LISTED = 5
Row = tuple[str, int, str, str, int, str, int, str]
"""Id, time, payer, payee, amount, what, quantity, unit."""
_canonical = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: a payment, its place, and what it puts right."""

    seq: int
    """1, 2, 3 ... without a gap."""
    payment: Payment
    corrects: str
    """Id of the payment that this one reverses or replaces; empty for an ordinary one."""
    hash: bytes
    """32 bytes, see above."""


@final
class Books:
    """A ledger in memory. Reading and writing its file is `archipel.report.books_file`."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._code: dict[str, int] = {}
        self._id: list[str] = []
        self._row: dict[str, int] = {}
        self._numbers = array("q")
        """Per entry: time, payer, payee, amount, what, quantity, unit, corrects (row + 1, 0 for none)."""
        self._hash = bytearray()
        self._replaced: dict[int, int] = {}
        """Rows of payments by what replaced them."""
        self._balance: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._id)

    @property
    def head(self) -> bytes:
        """Hash of the newest entry; who keeps it can prove the books later."""
        return bytes(self._hash[-_DIGEST:]) if self._id else START

    def post(self, payments: Iterable[Payment] | Postings) -> int:
        """Book payments; returns how many were new.

        Raises:
            BooksRefused: an id is booked already with another content, or a payment is none. Nothing is booked then.
        """
        many = payments if isinstance(payments, Postings) else postings(payments)
        new = self._news(many)
        for row in new:
            self._append(row, 0)
        return len(new)

    def correct(self, of: str, right: Payment | None) -> int:
        """Reverse the payment `of` by a new entry and book `right` in its place (none: it was never due).

        The reversal has the id `of` with `!reversed` behind it. The same correction again changes nothing.

        Returns:
            How many entries were new.

        Raises:
            BooksRefused: there is no such payment, it was corrected in another way, or `right` is booked already.
        """
        if of not in self._row:
            raise BooksRefused(f"correction: found no payment {of}; expected the id of one that is booked")
        old, row = self.payment(of), self._row[of]
        back = replace(old, id=of + REVERSED, amount_eur=-old.amount_eur, quantity=-old.quantity)
        wanted = postings([back] if right is None else [back, right])
        if back.id in self._row:
            same = self._numbers[7::8].count(row + 1) == len(wanted)
            for key in wanted.id:
                if not same or key not in self._row or self._corrects(self._row[key]) != row + 1:
                    raise BooksRefused(f"payment {of} was corrected already. Correct the one that replaced it.")
            self._news(wanted)
            return 0
        if right is not None and right.id in self._row:
            raise BooksRefused(f"correction of {of}: payment {right.id} is booked already; give it an id of its own")
        new = self._news(wanted)
        for item in new:
            self._append(item, row + 1)
        return len(new)

    def revise(self, many: Postings) -> int:
        """Bring the books to `many` by corrections alone, returning how many entries were new.

        What is booked with another content is reversed and booked again, under its id with `!2`, `!3`, ... behind it;
        what is booked and no longer among `many` is reversed.
        """
        before, wanted = len(self), {row[0]: row for row in many.rows()}
        fresh = self._news(_of_rows([row for key, row in wanted.items() if key not in self._row]))
        for key in self.standing():
            newest = self._newest(self._row[key])
            if key not in wanted:
                self.correct(self._id[newest], None)
            elif self._content(newest)[1:] != wanted[key][1:]:
                self.correct(self._id[newest], next(_of_rows([(self._free(key), *wanted[key][1:])]).payments()))
        for key in [key for key in wanted if key in self._row]:
            newest = self._newest(self._row[key])
            if self.corrected(self._id[newest]):  # it was reversed, and is due after all
                self._append((self._free(key), *wanted[key][1:]), newest + 1)
        for row in fresh:
            self._append(row, 0)
        return len(self) - before

    def standing(self) -> list[str]:
        """Ids under which payments were booked first, of those that still stand, whatever replaced them since."""
        rows = (row for row in range(len(self)) if not self._corrects(row))
        return [self._id[row] for row in rows if not self.corrected(self._id[self._newest(row)])]

    def _newest(self, row: int) -> int:
        """Row of what replaced a payment last; its own when nothing did."""
        while row in self._replaced:
            row = self._replaced[row]
        return row

    def _free(self, key: str) -> str:
        number = 2
        while f"{key}!{number}" in self._row:
            number += 1
        return f"{key}!{number}"

    def payment(self, key: str) -> Payment:
        """A payment by its id. Raises KeyError."""
        return self._entry(self._row[key]).payment

    def __contains__(self, key: str) -> bool:
        return key in self._row

    def corrected(self, key: str) -> bool:
        """Whether the payment was reversed."""
        return key + REVERSED in self._row

    def entries(self, account: str | None = None) -> Iterator[Entry]:
        """All entries, oldest first, or those that touch one account."""
        code = None if account is None else self._code.get(account, -1)
        for row in range(len(self._id)):
            if code is None or code in {self._numbers[8 * row + 1], self._numbers[8 * row + 2]}:
                yield self._entry(row)

    def balance(self, account: str) -> Decimal:
        """What the account received less what it paid [EUR]."""
        return as_eur(self._balance.get(self._code.get(account, -1), 0))

    def balances(self) -> dict[str, Decimal]:
        """By account, those of the first entries first. They add up to zero."""
        return {self._text[code]: as_eur(units) for code, units in self._balance.items()}

    def verify(self, *, count: int | None = None, head: bytes | None = None) -> int:
        """Check every entry, link and balance; returns the number of entries.

        Args:
            count, head: A number of entries and the hash of the last of them, as kept elsewhere.

        Raises:
            BooksDamaged: it names the first entry that is not as it was written.
        """
        previous, sums, seen = START, dict[int, int](), set[str]()
        if len(self._hash) != _DIGEST * len(self._id) or len(self._numbers) != 8 * len(self._id):
            raise BooksDamaged(min(len(self._hash) // _DIGEST, len(self._id)) + 1, "is not whole")
        for row in range(len(self._id)):
            previous = self._digest(row, previous)
            if previous != self._hash[_DIGEST * row : _DIGEST * (row + 1)]:
                raise BooksDamaged(row + 1, "is not as it was written, or not in its place")
            if self._id[row] in seen:
                raise BooksDamaged(row + 1, f"repeats the id {self._id[row]}")
            seen.add(self._id[row])
            _, payer, payee, amount, *_ = self._numbers[8 * row : 8 * row + 8]
            sums[payer] = sums.get(payer, 0) - amount
            sums[payee] = sums.get(payee, 0) + amount
        if sums != self._balance or sum(sums.values()) != 0:
            raise BooksDamaged(len(self._id) + 1, "does not follow: balances are not the sums of the entries")
        if count is not None and count > len(self._id):
            raise BooksDamaged(len(self._id) + 1, f"is missing; {count} entries were there")
        if head is not None:
            at = len(self._id) if count is None else count
            if (self._hash[_DIGEST * (at - 1) : _DIGEST * at] if at else START) != head:
                raise BooksDamaged(at, "is not the one whose hash was kept")
        return len(self._id)

    def columns(self) -> dict[str, Sequence[object]]:
        """What a file has to keep, entry by entry: id, time_us, payer, payee, amount, what, quantity, unit, corrects,
        hash. `restored` makes the same books of it."""
        numbers = [self._numbers[k::8] for k in range(8)]
        named = {
            name: [self._text[code] for code in numbers[k]]
            for name, k in (("payer", 1), ("payee", 2), ("what", 4), ("unit", 6))
        }
        return {
            "id": self._id,
            "time_us": numbers[0],
            "payer": named["payer"],
            "payee": named["payee"],
            "amount": numbers[3],
            "what": named["what"],
            "quantity": numbers[5],
            "unit": named["unit"],
            "corrects": [self._id[row - 1] if row else "" for row in numbers[7]],
            "hash": [bytes(self._hash[_DIGEST * k : _DIGEST * (k + 1)]) for k in range(len(self._id))],
        }

    def _news(self, many: Postings) -> list[Row]:
        """Payments that are not booked yet; refuses all when one contradicts another."""
        fresh: dict[str, Row] = {}
        wrong: list[str] = []
        for row in many.rows():
            key = row[0]
            if key in self._row:
                if self._content(self._row[key]) != row:
                    wrong.append(f"payment {key} is booked with another content. Book a correction of it.")
            elif key in fresh:
                if fresh[key] != row:
                    wrong.append(f"payment {key} comes twice with different contents; expected one id per payment")
            elif row[2] == row[3]:
                wrong.append(f"payment {key}: {row[2]} pays itself; expected two accounts")
            elif not (key and row[2] and row[3]):
                wrong.append(f"payment {key or '(without id)'}: expected an id, a payer and a payee")
            else:
                fresh[key] = row
        if wrong:
            more = [f"and {len(wrong) - _MOST_LISTED} more"] * (len(wrong) > _MOST_LISTED)
            raise BooksRefused(
                "books: nothing was booked.\n" + "\n".join(f"  {w}" for w in wrong[:_MOST_LISTED] + more)
            )
        return list(fresh.values())

    def _append(self, row: Row, corrects: int) -> None:
        key, time_us, payer, payee, amount, what, quantity, unit = row
        code = self._coded
        a, b = code(payer), code(payee)
        self._row[key] = len(self._id)
        self._id.append(key)
        self._numbers.extend((time_us, a, b, amount, code(what), quantity, code(unit), corrects))
        self._balance[a] = self._balance.get(a, 0) - amount
        self._balance[b] = self._balance.get(b, 0) + amount
        if corrects and not key.endswith(REVERSED):
            self._replaced[corrects - 1] = len(self._id) - 1
        previous = bytes(self._hash[-_DIGEST:]) if self._hash else START
        self._hash += self._digest(len(self._id) - 1, previous)

    def _digest(self, row: int, previous: bytes) -> bytes:
        corrects = self._corrects(row)
        named = self._id[corrects - 1] if corrects else ""
        return hashlib.sha256(previous + _canonical([row + 1, *self._content(row), named]).encode()).digest()

    def _content(self, row: int) -> Row:
        time_us, payer, payee, amount, what, quantity, unit, _ = self._numbers[8 * row : 8 * row + 8]
        text = self._text
        return (self._id[row], time_us, text[payer], text[payee], amount, text[what], quantity, text[unit])

    def _corrects(self, row: int) -> int:
        return self._numbers[8 * row + 7]

    def _entry(self, row: int) -> Entry:
        key, time_us, payer, payee, amount, what, quantity, unit = self._content(row)
        eur, size = as_eur(amount), as_quantity(quantity)
        payment = Payment(key, utc(time_us), payer, payee, eur, what, quantity=size, unit=unit)
        corrects = self._corrects(row)
        own = bytes(self._hash[_DIGEST * row : _DIGEST * (row + 1)])
        return Entry(row + 1, payment, self._id[corrects - 1] if corrects else "", own)

    def _coded(self, text: str) -> int:
        code = self._code.get(text)
        if code is None:
            code = self._code[text] = len(self._text)
            self._text.append(text)
        return code


def _of_rows(rows: Sequence[Row]) -> Postings:
    return Postings(*(list(column) for column in zip(*rows, strict=True))) if rows else postings([])


def restored(
    many: Postings, corrects: Sequence[str], hashes: Sequence[bytes], *, count: int | None = None, head: bytes = START
) -> Books:
    """Books from what their file kept, checked.

    Raises:
        BooksDamaged: they are not as they were written.
    """
    books = Books()
    for number, (row, named, own) in enumerate(zip(many.rows(), corrects, hashes, strict=True), start=1):
        if row[0] in books or (named and named not in books):
            raise BooksDamaged(number, "repeats an id or corrects what is not there")
        books._append(row, books._row[named] + 1 if named else 0)
        if books.head != own:
            raise BooksDamaged(number, "is not as it was written, or not in its place")
    if count is not None and (len(books) != count or books.head != head):
        raise BooksDamaged(len(books) + 1, f"is missing; {count} entries were there")
    return books
