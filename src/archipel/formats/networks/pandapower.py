"""The door for pandapower's JSON files, those of SimBench among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from archipel.formats.networks.base import Imported, ReadOptions, path_of
from archipel.formats.pandapower_import import from_tables
from archipel.formats.pandapower_json import read_tables
from archipel.formats.referee import voltage_difference


@final
@dataclass(frozen=True, slots=True)
class PandapowerReader:
    """pandapower networks: `.json`, `.json.gz`."""

    name: str = "pandapower"
    engine: str = "pandapower"
    files: str = "*.json, *.json.gz"
    extra: str = ""

    def reads(self, source: str) -> bool:
        """Whatever is called JSON and is not claimed by a reader before this one."""
        return source.endswith((".json", ".json.gz"))

    def read(self, source: str, options: ReadOptions) -> Imported:
        """The network of the tables."""
        del options
        return from_tables(read_tables(path_of(source)))

    def compare(self, source: str, imported: Imported) -> float:
        """Against pandapower's own power flow."""
        return voltage_difference(read_tables(path_of(source)), imported)
