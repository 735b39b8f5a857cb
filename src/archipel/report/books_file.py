"""The file of books, `RUN/books-<strategy>.parquet`: one row per entry, checked when it is read."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from archipel.market.books import Books, restored
from archipel.market.errors import BooksDamaged
from archipel.market.postings import Postings

_WORD = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("time_us", pa.int64()),
        ("payer", _WORD),
        ("payee", _WORD),
        ("amount", pa.int64()),
        ("what", _WORD),
        ("quantity", pa.int64()),
        ("unit", _WORD),
        ("corrects", pa.string()),
        ("hash", pa.binary(32)),
    ]
)
"""Amounts are whole units of 1e-8 EUR, quantities of 1e-6 of their unit, times microseconds since 1970."""


def books_file(run: Path, strategy: str) -> Path:
    """Where the books of a strategy of a run are."""
    return run / f"books-{strategy}.parquet"


def write_books(file: Path, books: Books) -> None:
    """Write all entries; what was there is replaced when the new file is whole."""
    columns = books.columns()
    table = pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)
    about = {"entries": len(books), "head": books.head.hex()}
    part = file.with_name(f".part-{file.name}")
    pq.write_table(table.replace_schema_metadata({"archipel": json.dumps(about)}), part, compression="zstd")
    part.replace(file)


def read_books(file: Path) -> Books:
    """All entries, every hash checked.

    Raises:
        BooksDamaged: they are not as they were written.
        FileNotFoundError: there is no such file.
    """
    if not file.is_file():
        raise FileNotFoundError(2, "found no books", str(file))
    try:
        table = pq.read_table(file, columns=SCHEMA.names)
        about = json.loads(table.schema.metadata[b"archipel"])
        c = {name: table.column(name).to_pylist() for name in SCHEMA.names}
        count, head = int(about["entries"]), bytes.fromhex(about["head"])
    except (KeyError, TypeError, ValueError, OSError, pa.ArrowException) as error:
        raise BooksDamaged(1, f"cannot be read from {file} ({error})") from error
    many = Postings(*(c[name] for name in ("id", "time_us", "payer", "payee", "amount", "what", "quantity", "unit")))
    return restored(many, c["corrects"], c["hash"], count=count, head=head)
