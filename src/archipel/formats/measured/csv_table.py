"""CSV of any dialect: separator, decimal mark and header found in its head, the rest read in blocks."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from archipel.formats.measured.source import HEAD_ROWS, MOST_COLUMNS, MOST_VALUES, BadCell, Opener, refuse
from archipel.model import Floats

SEPARATORS = {";": "semicolon", ",": "comma", "\t": "tab", "|": "bar"}
EMPTY = ["", "-", "--", "NaN", "nan", "NA", "N/A", "n/a", "#N/A", "#NV", "null", "NULL", "None", "Bad", "No Data"]
"""Cells that stand for no value."""
BLOCK = 8 << 20
NUMBER = re.compile(r"[-+]?\d*[.,]?\d+(?:[eE][-+]?\d+)?$")
MOST_BAD = 1000


@final
class CsvTable:
    """A CSV file. Raises DataRefused where its head has no table."""

    def __init__(
        self, file: str, opener: Opener, head: bytes, encoding: str, separator: str, decimal: str, packed: str
    ) -> None:
        self._file, self._open, self._encoding = file, opener, encoding
        try:  # the head may end inside a character
            text = codecs.getincrementaldecoder(encoding)().decode(head).lstrip("\ufeff")
        except (UnicodeDecodeError, LookupError):
            raise refuse(file, "", f"bytes that are not {encoding}", "text", "Name it with --encoding.") from None
        lines = text.splitlines()[: HEAD_ROWS + 50]
        if len(text) < len(head) // 4 or "\x00" in text:
            raise refuse(file, "", f"text that is not {encoding}", "text", "Name it with --encoding.")
        self._separator = separator or self._guess_separator(lines)
        try:
            rows = list(csv.reader(lines, delimiter=self._separator))
        except csv.Error as error:
            raise refuse(file, "", f"no table ({error})", "rows of cells", "Export it again as CSV.") from None
        if len(lines) > HEAD_ROWS:  # the last may be cut off
            rows = rows[:-1]
        width = Counter(len(row) for row in rows if any(cell.strip() for cell in row)).most_common(1)[0][0]
        self._width = width
        if width > MOST_COLUMNS:
            raise refuse(file, "", f"{width:,} columns", f"at most {MOST_COLUMNS:,}", "Split the file.")
        top = next(i for i, row in enumerate(rows) if len(row) == width)
        self._decimal = decimal or self._guess_decimal(rows[top + 1 : top + HEAD_ROWS])
        headed = not self._is_data(rows[top])
        self._skip = top + (1 if headed else 0)
        self.names: Sequence[str] = [name.strip() for name in rows[top]] if headed else [""] * width
        self.head: Sequence[Sequence[Any]] = [row for row in rows[self._skip :] if len(row) == width][:HEAD_ROWS]
        self.first_line = self._skip + 1
        if not self.head:
            found = "a header without rows" if headed else "no rows"
            raise refuse(file, "", found, "at least a day of values", "Export it again with its values.")
        mark = "point" if self._decimal == "." else "comma"
        name = {"utf-8-sig": "UTF-8 with BOM", "cp1252": "Latin-1 (Windows-1252)"}.get(encoding, encoding.upper())
        apart = SEPARATORS.get(self._separator, repr(self._separator))
        self.about = f"CSV, {packed}{name}, separated by {apart}, decimal {mark}" + ("" if headed else ", no header")

    def _guess_separator(self, lines: list[str]) -> str:
        best, score = ",", 0.0
        for one in SEPARATORS:
            counts = Counter(line.count(one) for line in lines if line.strip() and not line.startswith("#"))
            if not counts:
                continue
            count, often = counts.most_common(1)[0]
            # commas are also decimal marks: a rarer but even separator wins over them
            if count and often / sum(counts.values()) * (1.0 if one != "," else 0.99) > score + 1e-9:
                best, score = one, often / sum(counts.values()) * (1.0 if one != "," else 0.99)
        return best

    def _guess_decimal(self, rows: list[list[str]]) -> str:
        comma = sum(bool(re.fullmatch(r"[-+]?\d+,\d+", cell.strip())) for row in rows for cell in row)
        point = sum(bool(re.fullmatch(r"[-+]?\d+\.\d+", cell.strip())) for row in rows for cell in row)
        return "," if comma > point else "."

    def _is_data(self, row: list[str]) -> bool:
        """Whether a row has numbers and no words: then the file has no header."""
        filled = [cell.strip() for cell in row if cell.strip()]
        numeric = [cell for cell in filled if NUMBER.fullmatch(cell)]
        stamps = [cell for cell in filled if re.match(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}", cell)]
        return bool(numeric) and len(numeric) + len(stamps) == len(filled)

    def read(self, text: Sequence[int], number: Sequence[int]) -> tuple[list[Any], Floats, list[BadCell]]:
        """See `Table`."""
        try:
            return self._read(text, number, as_text=False)
        except pa.ArrowInvalid as error:
            if "onversion error" not in str(error):
                raise refuse(self._file, "", f"unreadable rows ({str(error).splitlines()[0]})", "a CSV table",
                             "Export it again; maybe --separator or --encoding helps.") from None  # fmt: skip
        # Something is no number: read again and say what and where.
        return self._read(text, number, as_text=True)

    def _read(
        self, text: Sequence[int], number: Sequence[int], as_text: bool
    ) -> tuple[list[Any], Floats, list[BadCell]]:
        words = pa.dictionary(pa.int32(), pa.string())
        kinds = {f"c{i}": words for i in text} | {f"c{i}": pa.string() if as_text else pa.float64() for i in number}
        ragged: list[tuple[int, int]] = []

        def odd(row: Any) -> str:
            if row.text is not None and row.text.strip(f" {self._separator}"):
                ragged.append((row.number if row.number is not None else -1, row.actual_columns))
            return "skip"

        try:
            stream = io.BufferedReader(self._open(), BLOCK)
            reader = pv.open_csv(
                pa.PythonFile(stream, "r"),
                pv.ReadOptions(
                    block_size=BLOCK, skip_rows=self._skip, encoding=self._encoding,
                    column_names=[f"c{i}" for i in range(self._width)],
                ),
                pv.ParseOptions(delimiter=self._separator, invalid_row_handler=odd),
                pv.ConvertOptions(
                    column_types=kinds, include_columns=list(kinds), null_values=EMPTY, strings_can_be_null=False,
                    decimal_point=self._decimal,
                ),
            )  # fmt: skip
            return self._blocks(reader, text, number, as_text, ragged)
        except (pa.ArrowKeyError, UnicodeError) as error:
            raise refuse(self._file, "", f"unreadable text ({error})", "text", "Name it with --encoding.") from None

    def _blocks(
        self, reader: Any, text: Sequence[int], number: Sequence[int], as_text: bool, ragged: list[tuple[int, int]]
    ) -> tuple[list[Any], Floats, list[BadCell]]:
        parts: list[list[Any]] = [[] for _ in text]
        blocks: list[Floats] = []
        bad: list[BadCell] = []
        rows = 0
        for batch in reader:
            for k, i in enumerate(text):
                parts[k].append(batch.column(f"c{i}"))
            block = np.empty((batch.num_rows, len(number)))
            for k, i in enumerate(number):
                column = batch.column(f"c{i}")
                if as_text:
                    column = _numbers(column, i, rows, self._decimal, bad)
                block[:, k] = column.to_numpy(zero_copy_only=False)
            blocks.append(block)
            rows += batch.num_rows
            if rows * self._width > MOST_VALUES and rows * (len(text) + len(number)) > MOST_VALUES:
                raise refuse(self._file, "", f"more than {MOST_VALUES:,} values", "a smaller file", "Split it.")
        if ragged:
            where = f"{len(ragged):,} rows with {ragged[0][1]} values and the like"
            raise refuse(self._file, "", where, f"{self._width} values in every row",
                         "Export it again, or correct those rows.")  # fmt: skip
        if rows == 0:
            raise refuse(self._file, "", "a header without rows", "rows of values", "Export it again.")
        joined = [pa.chunked_array(part) for part in parts]
        value = np.empty((rows, len(number)))
        blocks.reverse()
        low = 0
        while blocks:  # each is given back as soon as it is copied
            block = blocks.pop()
            value[low : low + len(block)] = block
            low += len(block)
        return joined, value, bad


def _numbers(cells: Any, column: int, row: int, decimal: str, bad: list[BadCell]) -> Any:
    """Text as numbers; what is none becomes missing and is noted."""
    cells = pc.utf8_trim_whitespace(cells)
    cells = pc.if_else(pc.is_in(cells, pa.array(EMPTY)), None, cells)
    plain = pc.replace_substring(cells, ",", ".") if decimal == "," else cells
    fits = pc.match_substring_regex(plain, r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")
    if decimal == ",":
        fits = pc.and_(fits, pc.invert(pc.match_substring(cells, ".")))
    wrong = np.flatnonzero(np.asarray(pc.fill_null(pc.invert(fits), False)))
    bad += [BadCell(column, row + int(i), cells[int(i)].as_py()) for i in wrong[: max(0, MOST_BAD - len(bad))]]
    return pc.cast(pc.if_else(fits, plain, None), pa.float64())
