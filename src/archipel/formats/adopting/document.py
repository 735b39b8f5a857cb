"""The TOML document and the tables of an adopted scenario: what was there stays, what is new is added."""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from archipel.formats.adopting.setting import Row
from archipel.formats.scenario_write import table_text


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV table, every value as text. The table has been checked before."""
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


def rows_text(rows: Sequence[Row]) -> bytes:
    """Rows as CSV; a row that lacks a column has an empty cell in it."""
    columns = dict.fromkeys(name for row in rows for name in row)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return stream.getvalue().encode()


def _cell(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def document_text(document: Mapping[str, Any], notes: Sequence[str]) -> str:
    """A TOML document with its notes as comments on top; tables in the order of the document."""
    comments = "".join(f"# {line}\n" for note in notes for line in note.splitlines())
    return comments + "\n".join(table_text(name, values) for name, values in _tables(document, ""))


def _tables(document: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, value in document.items():
        if isinstance(value, Mapping):
            own = {key: inner for key, inner in value.items() if not isinstance(inner, Mapping)}
            if own or not value:
                yield f"{prefix}{name}", own
            yield from _tables({k: v for k, v in value.items() if isinstance(v, Mapping)}, f"{prefix}{name}.")


@contextmanager
def staged(folder: Path, keep: Sequence[str]) -> Iterator[Path]:
    """A folder beside `folder` with links to the files that stay, for what is not known to be whole yet."""
    stage = Path(tempfile.mkdtemp(prefix=".adopt-", dir=folder.parent))
    try:
        for name in keep:
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(folder / name, stage / name)
            except OSError:  # another file system, or one without links
                shutil.copyfile(folder / name, stage / name)
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def move_in(stage: Path, folder: Path, files: Sequence[str]) -> None:
    """Put finished files in place, the last of them last: a scenario is there when its TOML file is."""
    done: list[Path] = []
    try:
        for name in files:
            if not (folder / name).exists():
                done.append(folder / name)
            (stage / name).replace(folder / name)
    except OSError:
        for path in done:
            with suppress(OSError):
                path.unlink()
        raise
