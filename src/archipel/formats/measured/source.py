"""A data file as columns: what kind it is, unpacked within bounds, a look at its head, and reading it whole."""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, final

from archipel.model import DataRefused, Floats, Problem

MOST_BYTES = 4 << 30
"""Bytes of a file after decompression; a year of seconds is one of them."""
MOST_VALUES = 200_000_000
"""Rows times columns."""
MOST_COLUMNS = 20_000
HEAD_BYTES = 1 << 18
HEAD_ROWS = 400


@final
@dataclass(frozen=True, slots=True)
class BadCell:
    """A cell that should hold a number and does not."""

    column: int
    row: int
    """Row of data, from 0."""
    text: str


class Table(Protocol):
    """An open data file. Columns are named by their position: names may be missing or doubled."""

    @property
    def about(self) -> str:
        """Kind, encoding, separator: what was recognised, in words."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """Header of every column; empty where there is none."""
        ...

    @property
    def head(self) -> Sequence[Sequence[Any]]:
        """The first rows, cells as text or native values."""
        ...

    @property
    def first_line(self) -> int:
        """Line of the first row of data in the file, from 1."""
        ...

    def read(self, text: Sequence[int], number: Sequence[int]) -> tuple[list[Any], Floats, list[BadCell]]:
        """Columns `text` as arrow arrays, columns `number` as a matrix, and cells that are no numbers."""
        ...


def refuse(file: str, place: str, found: str, expected: str, mend: str) -> DataRefused:
    """One problem as an error."""
    return DataRefused((Problem(file, place, "", found, expected, mend),))


def open_table(path: Path, separator: str = "", decimal: str = "", encoding: str = "", sheet: str = "") -> Table:
    """The file as a table. Raises DataRefused where it is none, ExtraMissing for Excel without its extra."""
    from archipel.formats.measured.csv_table import CsvTable
    from archipel.formats.measured.other_tables import excel_table, parquet_table

    if not path.is_file():
        raise refuse(str(path), "", "no such file", "a CSV, Excel or Parquet file", "Correct the path.")
    with path.open("rb") as stream:
        magic = stream.read(8)
    if not magic:
        raise refuse(path.name, "", "an empty file", "a table with a header and rows", "Export it again.")
    if magic.startswith(b"PAR1"):
        return parquet_table(path)
    if magic.startswith(b"PK\x03\x04"):
        return excel_table(path, sheet)
    if magic.startswith(b"\xd0\xcf\x11\xe0"):
        raise refuse(path.name, "", "an old Excel file (.xls)", ".xlsx, CSV or Parquet", "Save it as .xlsx or CSV.")
    packed = magic.startswith(b"\x1f\x8b")

    def unpacked() -> io.RawIOBase:
        return Bounded(gzip.open(path, "rb") if packed else path.open("rb"), path.name)

    with unpacked() as stream_:
        head = stream_.read(HEAD_BYTES) or b""
    if not head.strip():
        raise refuse(path.name, "", "an empty file", "a table with a header and rows", "Export it again.")
    if packed and head.startswith((b"PAR1", b"PK\x03\x04", b"\x1f\x8b")):
        raise refuse(path.name, "", "a packed file inside gzip", "CSV inside gzip", "Unpack it once.")
    known = encoding or encoding_of(head, path.name)
    return CsvTable(path.name, unpacked, head, known, separator, decimal, "gzip, " if packed else "")


def encoding_of(head: bytes, file: str) -> str:
    """UTF-8, UTF-16 or Windows-1252, by byte order mark and by what decodes."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return name
    even, odd = head[:4096:2].count(0), head[1:4096:2].count(0)
    if max(even, odd) > len(head[:4096]) // 8 and min(even, odd) < 8:
        return "utf-16-le" if odd > even else "utf-16-be"
    if sum(head[:4096].count(code) for code in range(9)):
        raise refuse(file, "", "bytes that are no text", "CSV, Excel (.xlsx) or Parquet, maybe packed by gzip",
                     "Export it as CSV.")  # fmt: skip
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


class Bounded(io.RawIOBase):
    """A stream that ends in an error beyond `MOST_BYTES`, and says what is wrong with a broken archive."""

    def __init__(self, stream: Any, file: str, most: int | None = None) -> None:
        self._stream, self._file, self._left = stream, file, MOST_BYTES if most is None else most

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As of any stream. Raises DataRefused."""
        try:
            data = self._stream.read(len(buffer))
        except (EOFError, gzip.BadGzipFile, OSError) as error:
            raise refuse(self._file, "", f"a broken gzip file ({error})", "a whole file",
                         "Copy or export it again; it is cut off or damaged.") from None  # fmt: skip
        except Exception as error:  # zlib.error has no other parent
            raise refuse(self._file, "", f"a damaged gzip file ({error})", "a whole file",
                         "Copy or export it again.") from None  # fmt: skip
        self._left -= len(data)
        if self._left < 0:
            raise refuse(self._file, "", f"more than {MOST_BYTES >> 30} GiB after decompression",
                         f"at most {MOST_BYTES >> 30} GiB", "Split it by months or meters.")  # fmt: skip
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._stream.close()
        super().close()


Opener = Callable[[], io.RawIOBase]
