"""Excel sheets and Parquet files as tables."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from archipel.formats.measured.source import HEAD_ROWS, MOST_BYTES, MOST_COLUMNS, MOST_VALUES, BadCell, refuse
from archipel.model import ExtraMissing, Floats

HEADER_ROWS = 30
"""The header is looked for in so many rows."""


def excel_table(path: Path, sheet: str) -> SheetTable:
    """A sheet of an Excel file: values only, no formula is worked out and no link followed."""
    try:
        import openpyxl
    except ImportError:
        raise ExtraMissing("openpyxl", "excel", "reading Excel files") from None
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(one.file_size for one in archive.infolist())
            known = any(one.filename == "xl/workbook.xml" for one in archive.infolist())
    except zipfile.BadZipFile:
        size, known = 0, False
    if not known:
        raise refuse(path.name, "", "a zip file that holds no workbook, or a damaged one", "an Excel file (.xlsx)",
                     "Unpack it, or save it again.")  # fmt: skip
    if size > MOST_BYTES // 2:
        raise refuse(path.name, "", f"{size >> 20:,} MiB after decompression", f"at most {MOST_BYTES >> 21:,} MiB",
                     "Export it as CSV or Parquet.")  # fmt: skip
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except Exception as error:
        raise refuse(path.name, "", f"an unreadable workbook ({type(error).__name__})", "an Excel file (.xlsx)",
                     "Save it again, or export it as CSV.") from None  # fmt: skip
    try:
        names = book.sheetnames
        if (sheet and sheet not in names) or (not sheet and len(names) > 1):
            raise refuse(path.name, "", f"the sheets {', '.join(map(repr, names))}", "which one to read",
                         f"Name it with --sheet, such as --sheet {names[0]!r}.")  # fmt: skip
        return _sheet(path.name, sheet or names[0], book[sheet or names[0]])
    finally:
        book.close()


def _sheet(file: str, name: str, sheet: Any) -> SheetTable:
    try:
        rows: list[tuple[Any, ...]] = []
        width = 0
        for row in sheet.iter_rows(values_only=True):
            rows.append(row)
            width = max(width, len(row))
            if width > MOST_COLUMNS or len(rows) * width > MOST_VALUES // 10:
                raise refuse(
                    file, name, "a sheet too large", f"at most {MOST_VALUES // 10:,} cells", "Export it as CSV."
                )
    except (ValueError, KeyError, zipfile.BadZipFile, SyntaxError) as error:
        raise refuse(file, name, f"an unreadable sheet ({error})", "rows of values", "Save it again.") from None
    rows = [row + (None,) * (width - len(row)) for row in rows]
    while rows and not any(cell is not None for cell in rows[-1]):
        rows.pop()
    filled = [sum(cell is not None for cell in row) for row in rows]
    top = next((i for i, count in enumerate(filled[:HEADER_ROWS]) if count >= max(max(filled) // 2, 2)), None)
    if top is None or len(rows) <= top + 1:
        raise refuse(
            file, name, "no table", "a header line and rows below it", "Put the table into a sheet of its own."
        )
    names = ["" if cell is None else str(cell).strip() for cell in rows[top]]
    body = rows[top + 1 :]
    blank = [k for k, word in enumerate(names) if not word and any(row[k] is not None for row in body[:HEAD_ROWS])]
    if blank:
        columns = ", ".join(_letters(k) for k in blank[:5])
        raise refuse(
            file,
            name,
            f"columns without a name ({columns}), maybe merged cells in the header",
            "one name for every column, in one row",
            "Undo the merged cells and name every column.",
        )
    return SheetTable(file, f"Excel, sheet {name!r}", names, body, top + 2)


def _letters(k: int) -> str:
    word = ""
    while k >= 0:
        word, k = chr(65 + k % 26) + word, k // 26 - 1
    return word


@final
class SheetTable:
    """Rows in memory."""

    def __init__(self, file: str, about: str, names: list[str], rows: Sequence[Sequence[Any]], first_line: int) -> None:
        self._file, self.about, self._rows, self.first_line = file, about, rows, first_line
        self.names: Sequence[str] = names
        self.head: Sequence[Sequence[Any]] = [["" if c is None else _shown(c) for c in row] for row in rows[:HEAD_ROWS]]

    def read(self, text: Sequence[int], number: Sequence[int]) -> tuple[list[Any], Floats, list[BadCell]]:
        """See `Table`."""
        value = np.full((len(self._rows), len(number)), np.nan)
        bad: list[BadCell] = []
        for k, i in enumerate(number):
            for row, cells in enumerate(self._rows):
                cell = cells[i]
                if isinstance(cell, int | float) and not isinstance(cell, bool):
                    value[row, k] = cell
                elif cell is not None and str(cell).strip() not in {"", "-"}:
                    bad.append(BadCell(i, row, str(cell)))
        return [pa.chunked_array([self._column(i)]) for i in text], value, bad

    def _column(self, i: int) -> Any:
        return pa.array(["" if row[i] is None else _shown(row[i]) for row in self._rows]).dictionary_encode()


def _shown(cell: Any) -> str:
    """A cell as text; times of day and dates as ISO. Excel counts days as fractions, so seconds are rounded."""
    if isinstance(cell, datetime):
        whole = cell + timedelta(microseconds=500_000)
        return whole.replace(microsecond=0).isoformat(" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)


def parquet_table(path: Path) -> ParquetTable:
    """A Parquet file within bounds."""
    try:
        source = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise refuse(path.name, "", f"an unreadable file ({str(error).splitlines()[0]})", "a whole Parquet file",
                     "Write or copy it again; it is cut off or damaged.") from None  # fmt: skip
    rows, columns = source.metadata.num_rows, len(source.schema_arrow.names)
    if columns > MOST_COLUMNS or rows * columns > MOST_VALUES * 2:
        raise refuse(path.name, "", f"{rows:,} rows of {columns:,} columns", f"at most {MOST_VALUES * 2:,} values",
                     "Split the file.")  # fmt: skip
    if rows == 0:
        raise refuse(path.name, "", "a table without rows", "rows of values", "Write it again with its values.")
    return ParquetTable(path, source)


@final
class ParquetTable:
    """A Parquet file, read in batches."""

    first_line = 1

    def __init__(self, path: Path, source: Any) -> None:
        self._path, self._schema = path, source.schema_arrow
        self.names: Sequence[str] = list(self._schema.names)
        self.about = "Parquet"
        with source:
            try:
                batch = next(source.iter_batches(HEAD_ROWS))
            except (pa.ArrowInvalid, OSError, StopIteration) as error:
                raise self._broken(error) from None
        columns = [batch.column(k).to_pylist() for k in range(batch.num_columns)]
        self.head: Sequence[Sequence[Any]] = [
            ["" if c is None else str(c) for c in row] for row in zip(*columns, strict=True)
        ]

    def _broken(self, error: Exception) -> Exception:
        reason = str(error).splitlines()[0] if str(error) else "no rows"
        return refuse(self._path.name, "", f"an unreadable Parquet file ({reason})", "a whole Parquet file",
                      "Write or copy it again.")  # fmt: skip

    def read(self, text: Sequence[int], number: Sequence[int]) -> tuple[list[Any], Floats, list[BadCell]]:
        """See `Table`."""
        wordy = [self.names[i] for i in text if pa.types.is_string(self._schema.field(i).type)]
        bad: list[BadCell] = []
        try:
            with pq.ParquetFile(self._path, read_dictionary=wordy) as source:
                value = np.empty((source.metadata.num_rows, len(number)))
                parts: list[list[Any]] = [[] for _ in text]
                row = 0
                wanted = [self.names[i] for i in (*text, *number)]
                for batch in source.iter_batches(1 << 20, columns=wanted):
                    for k, i in enumerate(text):
                        parts[k].append(batch.column(self.names[i]))
                    for k, i in enumerate(number):
                        value[row : row + batch.num_rows, k] = self._number(batch.column(self.names[i]), i, row, bad)
                    row += batch.num_rows
        except (pa.ArrowInvalid, OSError) as error:
            raise self._broken(error) from None
        return [pa.chunked_array(part) for part in parts], value, bad

    def _number(self, column: Any, i: int, row: int, bad: list[BadCell]) -> Any:
        kind = column.type
        if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
            return column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        bad += [BadCell(i, row + k, str(cell)) for k, cell in enumerate(column[:3].to_pylist())]
        return np.full(len(column), np.nan)
