"""Changing single values in the text of a TOML file, so that everything a person wrote around them stays."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from typing import Any

from archipel.formats.measured.source import refuse


def set_values(text: str, changes: dict[tuple[str, str], Any], file: str) -> str:
    """The text with `changes` {(table, key): value}; None removes a key. Comments and order stay.

    The result is read again and must be what was there with exactly these changes; else DataRefused.
    """
    expected = copy.deepcopy(tomllib.loads(text))
    for (table, key), value in changes.items():
        text = _set(text, table, key, value)
        at = expected
        for part in table.split("."):
            at = at.setdefault(part, {})
        if value is None:
            at.pop(key, None)
        else:
            at[key] = tomllib.loads(f"x = {literal(value)}")["x"]
    try:
        same = tomllib.loads(text) == expected
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        wanted = "; ".join(f"[{table}] {key} = {literal(value)}" for (table, key), value in changes.items())
        raise refuse(file, "", "a way of writing that cannot be changed line by line", "tables written as [table]",
                     f"Write them so; to be set: {wanted}.")  # fmt: skip
    return text


def literal(value: Any) -> str:
    """A value as TOML; text that is marked as a time stays bare."""
    if isinstance(value, list):
        return "[" + ", ".join(literal(one) for one in value) + "]"
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _set(text: str, table: str, key: str, value: Any) -> str:
    lines = text.splitlines(keepends=True)
    begin, end = _table(lines, table)
    if begin is None:
        if value is None:
            return text
        apart = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
        return f"{text}{apart}[{table}]\n{key} = {literal(value)}\n"
    for i in range(begin, end):
        found = re.match(rf"(\s*{re.escape(key)}\s*=\s*)", lines[i])
        if found:
            last, rest = _value_end(lines, i, len(found[1]), end)
            new = [] if value is None else [f"{found[1]}{literal(value)}{rest}"]
            return "".join([*lines[:i], *new, *lines[last + 1 :]])
    if value is None:
        return text
    while end > begin and not lines[end - 1].strip():
        end -= 1
    while end > begin and lines[end - 1].lstrip().startswith("#") and end - 1 > begin:
        end -= 1  # a comment above the next table belongs to that
    if end and not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    return "".join([*lines[:end], f"{key} = {literal(value)}\n", *lines[end:]])


def _table(lines: list[str], table: str) -> tuple[int | None, int]:
    """First line after the header of a table, and the line of the next header."""
    begin = None
    for i, line in enumerate(lines):
        header = re.match(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$", line)
        if not header:
            continue
        if begin is not None:
            return begin, i
        if header[1] == table:
            begin = i + 1
    return begin, len(lines)


def _value_end(lines: list[str], i: int, column: int, end: int) -> tuple[int, str]:
    """(last line of a value, what stands behind it there)."""
    taken = ""
    for last in range(i, end):
        line = lines[last] if last > i else lines[i][column:]
        cuts = [k for k, c in enumerate(line) if c == "#"] + [len(line.rstrip("\n"))]
        for cut in cuts:
            try:
                tomllib.loads(f"x = {taken}{line[:cut]}\n")
            except tomllib.TOMLDecodeError:
                continue
            spaces = line[:cut][len(line[:cut].rstrip()) :]
            return last, spaces + line[cut:]
        taken += line
    return i, "\n"
