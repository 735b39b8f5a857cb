"""Doors for networks: one file or folder per format, and one line each in `READERS`."""

from __future__ import annotations

from archipel.formats.networks.base import Imported, NetworkReader, ReadOptions
from archipel.formats.networks.pandapower import PandapowerReader
from archipel.model import ImportRefused

__all__ = ["READERS", "Imported", "NetworkReader", "ReadOptions", "reader_of"]

READERS: tuple[NetworkReader, ...] = (PandapowerReader(),)
"""Asked in this order; the first that recognises a source reads it."""


def reader_of(source: str) -> NetworkReader:
    """The reader of a source. Raises ImportRefused where no reader knows it."""
    for reader in READERS:
        if reader.reads(source):
            return reader
    known = ", ".join(reader.name for reader in READERS)
    raise ImportRefused(f"{source}: found no format that is known; expected one of: {known}.")
