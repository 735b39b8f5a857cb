"""What every door for networks promises: a file in, a network and its devices out, with an account of every loss."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, final

from archipel.formats.imported import Imported

__all__ = ["Imported", "NetworkReader", "ReadOptions", "path_of"]


@final
@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a person may say about how a source is to be read."""

    zone: str | None = None
    """Time zone of naive time stamps in its series."""
    reduce: bool = False
    """Whether three-phase data are only reduced to positive sequence, and not kept beside it."""
    root: Path | None = None
    """Folder that a source of several files may read; None for its own and what the format allows by itself."""


class NetworkReader(Protocol):
    """One kind of source. A reader treats files as data: nothing named in them is imported or run."""

    @property
    def name(self) -> str:
        """What people call the format."""
        ...

    @property
    def engine(self) -> str:
        """The source's own engine, against which voltages are compared."""
        ...

    @property
    def files(self) -> str:
        """What its sources are called, for people: `*.json, *.json.gz`."""
        ...

    @property
    def extra(self) -> str:
        """The extra that reading it needs; empty where the core is enough."""
        ...

    def reads(self, source: str) -> bool:
        """Whether this source (a path, or a name such as a SimBench code) looks like one of its own; never raises."""
        ...

    def read(self, source: str, options: ReadOptions) -> Imported:
        """The network. Raises ImportRefused (what, where, expected, mend) or ExtraMissing."""
        ...

    def compare(self, source: str, imported: Imported) -> float | None:
        """Largest difference of a node voltage [pu] against the engine; None where the engine is not installed.

        An ArchipelError (ExtraMissing, Diverged, ...) becomes the report's reason why nothing was compared.
        """
        ...


def path_of(source: str) -> Path:
    """A source as a path."""
    return Path(source).expanduser()
