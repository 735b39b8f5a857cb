"""The door for MATPOWER case files, `.m`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from archipel.formats.bounded import read_text
from archipel.formats.networks.base import Imported, ReadOptions, path_of
from archipel.formats.networks.matpower_case import Case, checked
from archipel.formats.networks.matpower_grid import from_case
from archipel.formats.networks.matpower_language import read_case
from archipel.formats.networks.matpower_referee import reference_voltages
from archipel.formats.referee import largest_difference

LARGEST_MB = 64


@final
@dataclass(frozen=True, slots=True)
class MatpowerReader:
    """MATPOWER cases, the files that end in unit conversions among them: parsed, never run."""

    name: str = "matpower"
    engine: str = "MATPOWER's equations (matrix by pandapower)"
    files: str = "*.m"
    extra: str = ""

    def reads(self, source: str) -> bool:
        """Whatever is called `.m`."""
        return source.lower().endswith((".m", ".m.gz"))

    def read(self, source: str, options: ReadOptions) -> Imported:
        """The network of the case's matrices."""
        del options
        return from_case(self._case(source))

    def compare(self, source: str, imported: Imported) -> float:
        """Against MATPOWER's own equations of the same matrices."""
        return largest_difference(reference_voltages(self._case(source)), imported)

    def _case(self, source: str) -> Case:
        path = path_of(source)
        return checked(read_case(read_text(path, "a MATPOWER case file", LARGEST_MB), path.name), path.name)
