"""The data language of MATPOWER case files, read and never run.

A case file is a MATLAB function that fills a struct with matrices; many end in a few lines of unit conversion. What is
understood is closed: assignments to variables, to fields of a struct and to columns of a matrix; numbers, text,
matrices, cells; + - * / ^ and their element-wise forms; the functions in `FUNCTIONS` and the column names that
`idx_bus`, `idx_brch`, `idx_gen`, `idx_cost` and `define_constants` give. Anything else is refused with its line.

Source of the columns: MATPOWER User's Manual, appendix B (case format, version 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from archipel.formats.findings import did_you_mean
from archipel.formats.networks.matpower_lexer import CUT_OFF, Word, refused, words_of
from archipel.model import Floats

Value = Any
"""A matrix (2-D array of float64), a text, a list of texts and matrices (a cell), or a struct (dict)."""

MOST_ELEMENTS = 20_000_000
DEEPEST = 40
FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
}
CONSTANTS = {"pi": math.pi, "Inf": math.inf, "inf": math.inf, "NaN": math.nan, "nan": math.nan, "NAN": math.nan}
_BUS = (
    "PQ PV REF NONE BUS_I BUS_TYPE PD QD GS BS BUS_AREA VM VA BASE_KV ZONE VMAX VMIN LAM_P LAM_Q MU_VMAX MU_VMIN",
    (1, 2, 3, 4, *range(1, 18)),
)
_BRANCH = (
    (
        "F_BUS T_BUS BR_R BR_X BR_B RATE_A RATE_B RATE_C TAP SHIFT BR_STATUS PF QF PT QT MU_SF MU_ST ANGMIN ANGMAX "
        "MU_ANGMIN MU_ANGMAX"
    ),
    (*range(1, 12), *range(14, 20), 12, 13, 20, 21),
)
_GEN = (
    (
        "GEN_BUS PG QG QMAX QMIN VG MBASE GEN_STATUS PMAX PMIN MU_PMAX MU_PMIN MU_QMAX MU_QMIN PC1 PC2 QC1MIN QC1MAX "
        "QC2MIN QC2MAX RAMP_AGC RAMP_10 RAMP_30 RAMP_Q APF"
    ),
    (*range(1, 11), *range(22, 26), *range(11, 22)),
)
_COST = ("PW_LINEAR POLYNOMIAL MODEL STARTUP SHUTDOWN NCOST COST", (1, 2, 1, 2, 3, 4, 5))
INDICES: dict[str, tuple[str, tuple[int, ...]]] = {
    "idx_bus": _BUS,
    "idx_brch": _BRANCH,
    "idx_gen": _GEN,
    "idx_cost": _COST,
}
ALL = slice(None)


def read_case(text: str, source: str) -> dict[str, Value]:
    """The fields of the struct a case file fills (`bus`, `branch`, `gen`, `baseMVA`, ...).

    Raises ImportRefused, naming the line, for whatever is not data or not in the closed set above.
    """
    reader = _Reader(words_of(text, source), source)
    with np.errstate(all="ignore"):
        reader.run()
    structs = [value for value in reader.variables.values() if isinstance(value, dict) and "bus" in value]
    return structs[0] if structs else dict(reader.variables)


@final
@dataclass(slots=True)
class _Reader:
    words: list[Word]
    source: str
    at: int = 0
    depth: int = 0
    variables: dict[str, Value] = field(default_factory=dict)

    # -- words

    @property
    def word(self) -> Word:
        return self.words[min(self.at, len(self.words) - 1)]

    def take(self, text: str) -> Word:
        if self.word.text != text or self.word.kind in {"text", "numbers"}:
            raise self.refuse(_shown(self.word), repr(text), "Complete the statement.")
        self.at += 1
        return self.words[self.at - 1]

    def has(self, *texts: str) -> bool:
        return self.word.kind in {"sign", "name", "end"} and self.word.text in texts

    def refuse(self, found: str, expected: str, mend: str, line: int | None = None) -> Exception:
        cut = f" {CUT_OFF}" if self.at >= len(self.words) - 1 else ""
        return refused(self.source, line or self.word.line, found, expected, mend + cut)

    # -- statements

    def run(self) -> None:
        while self.at < len(self.words):
            if self.has("\n", ";", ",", "end", "return", "endfunction"):
                self.at += 1
                continue
            if self.has("function"):
                self.header()
            elif self.has("define_constants"):
                for names, numbers in INDICES.values():
                    self.name_columns(names.split(), numbers)
                self.at += 1
            elif self.has("["):
                self.named_columns()
            else:
                self.assignment()
            if self.at < len(self.words) and not self.has("\n", ";", ","):
                raise self.refuse(_shown(self.word), "the end of the statement", "Remove it, or begin a new line.")

    def header(self) -> None:
        """`function mpc = case33bw`, also with several results."""
        if any(word.text == "function" and word.kind == "name" for word in self.words[: self.at]):
            raise self.refuse("a second function", "one case a file", "Keep the case in a file of its own.")
        while not self.has("\n"):
            self.at += 1

    def named_columns(self) -> None:
        """`[PQ, PV, ...] = idx_bus`."""
        line = self.take("[").line
        names: list[str] = []
        while not self.has("]"):
            if self.word.kind == "name":
                names.append(self.word.text)
            elif not self.has(",", "~"):
                raise self.refuse(
                    _shown(self.word), "names of columns", "Only idx_bus and its like give several values."
                )
            self.at += 1
        self.take("]")
        self.take("=")
        if self.word.text not in INDICES:
            raise self.refuse(_shown(self.word), "one of " + ", ".join(INDICES), did_you_mean(self.word.text, INDICES))
        numbers = INDICES[self.word.text][1]
        if len(names) > len(numbers):
            raise self.refuse(f"{len(names)} names", f"at most {len(numbers)}", "Remove the names too many.", line)
        self.name_columns(names, numbers)
        self.at += 1

    def name_columns(self, names: list[str], numbers: tuple[int, ...]) -> None:
        for name, number in zip(names, numbers, strict=False):
            self.variables[name] = np.full((1, 1), float(number))

    def assignment(self) -> None:
        """`x = ...`, `mpc.x = ...`, `mpc.x(rows, columns) = ...`."""
        first = self.word
        if first.kind != "name":
            raise self.refuse(_shown(first), "an assignment such as mpc.bus = [...];", "Remove the statement.")
        self.at += 1
        path = [first.text]
        while self.has("."):
            self.at += 1
            if self.word.kind != "name":
                raise self.refuse(_shown(self.word), "the name of a field", "Complete the statement.")
            path.append(self.word.text)
            self.at += 1
        place = self.indices(self.value_at(path) if self.holds(path) else None, first) if self.has("(") else None
        if not self.has("="):
            raise self.refuse(
                f"the statement {first.text!r}",
                "an assignment such as mpc.bus = [...];",
                "A case file is read as data and never run: remove calls and control flow, or save the evaluated "
                "case with savecase.",
                first.line,
            )
        self.at += 1
        value = self.expression()
        if place is None:
            self.store(path, value, first.line)
        else:
            self.overwrite(path, place, value, first.line)

    def holds(self, path: list[str]) -> bool:
        found: Value = self.variables
        for name in path:
            if not isinstance(found, dict) or name not in found:
                return False
            found = found[name]
        return True

    def value_at(self, path: list[str]) -> Value:
        found: Value = self.variables
        for name in path:
            found = found[name]
        return found

    def store(self, path: list[str], value: Value, line: int) -> None:
        within = self.variables
        for name in path[:-1]:
            within = within.setdefault(name, {})
            if not isinstance(within, dict):
                raise self.refuse(f"a field of {name}, which is no struct", "a struct", "Give it another name.", line)
        within[path[-1]] = value

    def overwrite(self, path: list[str], place: tuple[Any, ...], value: Value, line: int) -> None:
        target = self.value_at(path)
        if not isinstance(value, np.ndarray):
            raise self.refuse("text in a matrix", "numbers", "Correct the statement.", line)
        changed = target.copy()
        try:
            if len(place) == 1:
                changed.ravel()[place[0]] = value.ravel() if value.size > 1 else value.item()
            else:
                cells = np.ix_(*(np.arange(n)[at] for n, at in zip(target.shape, place, strict=True)))
                changed[cells] = value if value.size > 1 else value.item()
        except (ValueError, IndexError) as error:
            raise self.refuse("a part of a matrix and a value of another shape", "the same rows and columns",
                              "Correct the statement.", line) from error  # fmt: skip
        self.store(path, changed, line)

    # -- expressions, weakest sign first

    def expression(self, in_matrix: bool = False) -> Value:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.refuse("brackets in brackets without end", f"at most {DEEPEST} deep", "Simplify the statement.")
        value = self.sum_(in_matrix)
        if self.has(":") and not in_matrix:
            self.at += 1
            value = self.range_(value, self.sum_(in_matrix))
        if self.has("==", "~=", "<", ">", "<=", ">=", "&", "|", "&&", "||", "@", "!"):
            raise self.refuse(_shown(self.word), "+ - * / ^", "Write the evaluated numbers instead.")
        self.depth -= 1
        return value

    def range_(self, first: Value, last: Value) -> Value:
        a, b = self.scalar(first), self.scalar(last)
        if not (abs(a) < 1e7 and abs(b) < 1e7):
            raise self.refuse(f"a range from {a:g} to {b:g}", "at most ten million numbers", "Shorten it.")
        return np.arange(a, b + 1e-9)[None, :]

    def scalar(self, value: Value) -> float:
        if not isinstance(value, np.ndarray) or value.size != 1:
            raise self.refuse("several values or text", "one number", "Correct the statement.")
        return float(value.item())

    def sum_(self, in_matrix: bool) -> Value:
        value = self.product(in_matrix)
        while self.has("+", "-"):
            sign = self.word
            if in_matrix and sign.spaced and sign.tight:
                break  # in a matrix `1 -2` are two numbers
            self.at += 1
            value = self.apply(sign, value, self.product(in_matrix))
        return value

    def product(self, in_matrix: bool) -> Value:
        value = self.unary(in_matrix)
        while self.has("*", "/", ".*", "./"):
            sign = self.word
            self.at += 1
            value = self.apply(sign, value, self.unary(in_matrix))
        return value

    def unary(self, in_matrix: bool) -> Value:
        if self.has("-", "+"):
            sign = self.word
            self.at += 1
            value = self.unary(in_matrix)
            return self.apply(sign, np.zeros((1, 1)), value)
        return self.power(in_matrix)

    def power(self, in_matrix: bool) -> Value:
        value = self.atom()
        while self.has("^", ".^"):
            sign = self.word
            self.at += 1
            exponent = self.unary(in_matrix) if self.has("-", "+") else self.atom()
            value = self.apply(sign, value, exponent)
        return value

    def apply(self, sign: Word, a: Value, b: Value) -> Value:
        if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
            raise self.refuse(f"text on a side of {sign.text}", "numbers", "Correct the statement.", sign.line)
        matrices = a.size > 1 and b.size > 1
        if sign.text in {"*", "/", "^"} and (matrices or (sign.text == "/" and b.size > 1)):
            raise self.refuse(f"{sign.text} between matrices", f".{sign.text}, element by element",
                              "Matrix algebra is not data: write the result instead.", sign.line)  # fmt: skip
        if matrices and any(m != n and 1 not in {m, n} for m, n in zip(a.shape, b.shape, strict=True)):
            raise self.refuse(f"{sign.text} between matrices of {a.shape} and {b.shape}", "the same shape",
                              "Correct the statement.", sign.line)  # fmt: skip
        sizes = np.broadcast_shapes(a.shape, b.shape)
        if math.prod(sizes) > MOST_ELEMENTS:
            raise self.refuse("a matrix too large", f"at most {MOST_ELEMENTS:,} elements", "Shorten it.", sign.line)
        kind = sign.text.lstrip(".")
        made = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power}[kind](a, b)
        return np.asarray(made, dtype=np.float64)

    def atom(self) -> Value:
        word = self.word
        if word.kind == "number":
            self.at += 1
            return np.full((1, 1), float(word.text.lower().replace("d", "e")))
        if word.kind == "text":
            self.at += 1
            return word.text
        if self.has("("):
            self.at += 1
            value = self.expression()
            self.take(")")
            return self.quoted(value)
        if self.has("["):
            return self.quoted(self.matrix())
        if self.has("{"):
            return self.cell()
        if word.kind == "name":
            return self.quoted(self.named())
        raise self.refuse(_shown(word), "a number, a name or a matrix", "Complete the statement.")

    def quoted(self, value: Value) -> Value:
        """Transposition."""
        while self.has("'") and not self.word.spaced and isinstance(value, np.ndarray):
            self.at += 1
            value = value.T
        return value

    def named(self) -> Value:
        first = self.word
        self.at += 1
        if first.text in FUNCTIONS and self.has("("):
            self.at += 1
            value = self.expression()
            self.take(")")
            if not isinstance(value, np.ndarray):
                raise self.refuse(f"text in {first.text}", "numbers", "Correct the statement.", first.line)
            return np.asarray(FUNCTIONS[first.text](value), dtype=np.float64)
        if first.text in CONSTANTS and first.text not in self.variables:
            return np.full((1, 1), CONSTANTS[first.text])
        if first.text not in self.variables:
            what = f"a call of {first.text}(...)" if self.has("(") else f"the name {first.text!r}"
            raise self.refuse(
                what,
                "a variable given above, or one of the functions " + ", ".join(FUNCTIONS),
                "A case file is read as data and never run: write the evaluated numbers, or use savecase.",
                first.line,
            )
        value = self.variables[first.text]
        while self.has("."):
            self.at += 1
            name = self.word.text
            if not isinstance(value, dict) or name not in value:
                known = value if isinstance(value, dict) else ()
                raise self.refuse(f"the field {name!r}", "a field given above", did_you_mean(name, known))
            value, self.at = value[name], self.at + 1
        if self.has("("):
            place = self.indices(value, first)
            value = value.ravel()[place[0]][None, :] if len(place) == 1 else value[place[0]][:, place[1]]
        return value

    def indices(self, value: Value, name: Word) -> tuple[Any, ...]:
        """`(rows, columns)` or `(elements)` of a matrix, counted from nought."""
        line = self.take("(").line
        if not isinstance(value, np.ndarray):
            raise self.refuse(
                f"{name.text}(...), which is no matrix given above",
                "a matrix",
                "A case file is read as data and never run: remove the call.",
                line,
            )
        place: list[Any] = []
        while not self.has(")"):
            axis = len(place)
            size = value.shape[axis] if axis < 2 else 0
            if self.has(":") and self.words[self.at + 1].text in {",", ")"}:
                self.at += 1
                place.append(ALL)
            elif self.has("end"):
                self.at += 1
                place.append(np.array([size - 1]))
            else:
                place.append(self.whole(self.expression(), line))
            if self.has(","):
                self.at += 1
        self.take(")")
        if len(place) not in {1, 2}:
            raise self.refuse(f"{len(place)} indices", "a row and a column", "Correct the statement.", line)
        sizes = value.shape if len(place) == 2 else (value.size,)
        for at, size in zip(place, sizes, strict=True):
            if at is not ALL and (at.min(initial=0) < 0 or at.max(initial=-1) >= size):
                raise self.refuse(f"index {int(at.max()) + 1} of {name.text}", f"1 to {size}", "Correct it.", line)
        return tuple(place)

    def whole(self, value: Value, line: int) -> Any:
        if not isinstance(value, np.ndarray) or not np.all(np.isfinite(value) & (value == np.floor(value))):
            raise self.refuse("an index that is no whole number", "rows or columns from 1", "Correct it.", line)
        if np.abs(value).max(initial=0.0) > 2**31:
            raise self.refuse("an index beyond any matrix", "rows or columns from 1", "Correct it.", line)
        return value.ravel().astype(np.int64) - 1

    def matrix(self) -> Value:
        line = self.take("[").line
        if self.word.kind == "numbers":
            rows = _plain_rows(self.word.text, self.source, self.word.line)
            self.at += 1
            self.take("]")
            return rows
        rows_: list[list[Value]] = [[]]
        while not self.has("]"):
            if self.word.kind == "end" and self.word.text == "\n" and self.at >= len(self.words) - 1:
                raise self.refuse("the end of the file", "']'", "Close the matrix.", line)
            if self.has(";"):
                rows_.append([])
                self.at += 1
            elif self.has(","):
                self.at += 1
            else:
                rows_[-1].append(self.expression(in_matrix=True))
        self.take("]")
        return self.joined([row for row in rows_ if row], line)

    def joined(self, rows: list[list[Value]], line: int) -> Value:
        if not rows:
            return np.zeros((0, 0))
        if not all(isinstance(value, np.ndarray) for row in rows for value in row):
            if len(rows) == 1 and all(isinstance(value, str) for value in rows[0]):
                return "".join(rows[0])
            raise self.refuse("text in a matrix", "numbers", "Write text in a cell, { }.", line)
        if sum(value.size for row in rows for value in row) > MOST_ELEMENTS:
            raise self.refuse("a matrix too large", f"at most {MOST_ELEMENTS:,} elements", "Shorten it.", line)
        try:
            return np.vstack([np.hstack(row) for row in rows])
        except ValueError as error:
            raise self.refuse("rows of different lengths", "every row with as many numbers as the first",
                              "Complete the row.", line) from error  # fmt: skip

    def cell(self) -> list[Value]:
        line = self.take("{").line
        found: list[Value] = []
        while not self.has("}"):
            if self.at >= len(self.words) - 1:
                raise self.refuse("the end of the file", "'}'", "Close the cell.", line)
            if self.has(";", ",", "\n"):
                self.at += 1
            else:
                found.append(self.expression(in_matrix=True))
        self.take("}")
        return found


def _plain_rows(text: str, source: str, line: int) -> Floats:
    """A matrix of plain numbers. Raises ImportRefused with the line of a row that is too short or too long."""
    rows: list[list[float]] = []
    going_on: list[float] = []
    for offset, raw in enumerate(text.split("\n")):
        content = raw.split("%")[0]
        goes_on = "..." in content
        for k, part in enumerate(parts := content.split("...")[0].split(";")):
            try:
                going_on += [float(number) for number in part.replace(",", " ").split()]
            except ValueError as error:
                raise refused(source, line + offset, repr(part.strip()), "numbers", "Correct the row.") from error
            if going_on and not (goes_on and k == len(parts) - 1):
                if rows and len(going_on) != len(rows[0]):
                    raise refused(source, line + offset, f"a row of {len(going_on)} numbers",
                                  f"{len(rows[0])}, as in the first row", "Complete the row.")  # fmt: skip
                rows.append(going_on)
                going_on = []
    if going_on:
        rows.append(going_on)
    return np.array(rows, dtype=np.float64)


def _shown(word: Word) -> str:
    if word.kind == "end":
        return "the end of the line"
    return repr(word.text if len(word.text) < 40 else f"{word.text[:40]}...")


Case = Mapping[str, Value]
