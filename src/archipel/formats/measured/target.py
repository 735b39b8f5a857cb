"""The scenario that measurements are added to: its text, its device tables, its series."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from archipel.formats.findings import Findings
from archipel.formats.measured.source import refuse
from archipel.formats.scenario import check_scenario, find_scenario, shipped_scenarios
from archipel.formats.scenario_keys import read_keys
from archipel.model import DataRefused, ScenarioInvalid

ROOM = "measured"
"""Folder in the scenario's folder for all that is written."""


@final
@dataclass(slots=True)
class DeviceTable:
    """A device table as text, so that what nobody changes stays as it was written."""

    key: str
    """Its key in [devices]."""
    file: str
    header: list[str]
    rows: list[list[str]]

    def column(self, name: str) -> list[str]:
        """Cells of a column; empty where there is no such column."""
        if name not in self.header:
            return [""] * len(self.rows)
        at = self.header.index(name)
        return [row[at] for row in self.rows]

    def set(self, row: int, name: str, text: str) -> None:
        """Change one cell; the column is added where it is missing."""
        if name not in self.header:
            self.header.append(name)
            for cells in self.rows:
                cells.append("")
        self.rows[row][self.header.index(name)] = text

    def write(self, path: Path) -> None:
        """As CSV."""
        with path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows([self.header, *self.rows])


@final
class Target:
    """A scenario folder of a person. Raises ScenarioInvalid or DataRefused where it cannot be added to."""

    def __init__(self, name_or_path: Path) -> None:
        path = find_scenario(name_or_path)
        if not name_or_path.exists() or path in shipped_scenarios().values():
            raise refuse(str(name_or_path), "", "a scenario that comes with archipel", "a scenario of your own",
                         "Copy its folder, or import a network: archipel import.")  # fmt: skip
        self.path, self.folder = path, path.parent
        try:
            self.text = path.read_text(encoding="utf-8")
            self.document: dict[str, Any] = tomllib.loads(self.text)
        except (ValueError, RecursionError):
            raise ScenarioInvalid(check_scenario(path)) from None
        self.keys = read_keys(self.document, path.name, Findings())
        self.tables: dict[str, DeviceTable] = {}
        for key, file in self.keys["devices"].items():
            if file and key != "ev_sessions":
                self.tables[key] = self.table(key, file)
        files = self.keys["series"]["profiles"] or []
        if not all(self._inside(file) for file in files):
            raise ScenarioInvalid(check_scenario(path))
        self.files: list[str] = list(files)

    def _inside(self, file: str) -> bool:
        path = (self.folder / file).resolve()
        return path.is_relative_to(self.folder.resolve()) and path.is_file()

    def table(self, key: str, file: str) -> DeviceTable:
        """A CSV table of the scenario as text. Raises ScenarioInvalid or DataRefused."""
        mend = "Check the scenario first: archipel check."
        if not self._inside(file):
            raise ScenarioInvalid(check_scenario(self.path))
        try:
            with (self.folder / file).open(newline="", encoding="utf-8-sig") as stream:
                rows = list(csv.reader(stream))
        except (UnicodeDecodeError, csv.Error) as error:
            raise refuse(file, key, f"unreadable text ({error})", "a CSV table in UTF-8", mend) from None
        if not rows or any(len(row) != len(rows[0]) for row in rows[1:] if row):
            raise refuse(file, key, "rows of different length", "a CSV table", mend)
        return DeviceTable(key, file, rows[0], [row for row in rows[1:] if row])

    def nodes(self) -> tuple[list[str], list[str]]:
        """(ids, names) of the nodes."""
        file = self.keys["network"]["nodes"]
        if not file:
            return [], []
        table = self.table("nodes", file)
        return table.column("id"), table.column("name")

    def free_name(self, stem: str, suffix: str) -> str:
        """A file name below `ROOM` that nothing has yet."""
        k = 1
        while True:
            name = f"{ROOM}/{stem}{'' if k == 1 else f'-{k}'}{suffix}"
            if not (self.folder / name).exists():
                return name
            k += 1

    def commit(self, files: Mapping[str, Callable[[Path], None]], text: str) -> list[str]:
        """Write `files` under new names, check the scenario with its new text, and put that in place last.

        Nothing refers to the new files until the one rename at the end, so it is all or nothing. Returns the files
        that are used no more and were removed. Raises DataRefused where the scenario would not be usable.
        """
        fresh = self.folder / f"{self.path.name}.adding"
        written: list[Path] = []
        room = self.folder / ROOM
        had_room = room.exists()
        try:
            for name, write in files.items():
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                written.append(path)
                write(path)
            fresh.write_text(text, encoding="utf-8")
            self._check(fresh)
            fresh.replace(self.path)
        except BaseException:
            for path in (*written, fresh):
                path.unlink(missing_ok=True)
            if not had_room and room.exists() and not any(room.iterdir()):
                room.rmdir()
            raise
        return self._tidy(text)

    def _check(self, fresh: Path) -> None:
        problems = check_scenario(fresh)
        if not problems:
            return
        before = set(check_scenario(self.path))
        new = tuple(p for p in problems if p not in before and p.file != fresh.name)
        own = tuple(p for p in problems if p.file == fresh.name)
        told_before = {(p.table, p.id, p.found) for p in before}
        own = tuple(p for p in own if (p.table, p.id, p.found) not in told_before)
        if new or own:
            raise DataRefused((*new, *own))

    def _tidy(self, text: str) -> list[str]:
        """Remove files of ours that the scenario named before and no scenario names now."""
        texts = [text, *(path.read_text(encoding="utf-8", errors="replace") for path in self.folder.rglob("*.toml"))]
        gone = []
        for path in sorted((self.folder / ROOM).glob("*")):
            name = f"{ROOM}/{path.name}"
            named = any(name in one for one in texts)
            if name in self.text and not named and path.is_file():
                path.unlink()
                gone.append(name)
        return gone
