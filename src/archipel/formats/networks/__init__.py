"""Doors for networks: one file or folder per format, and one line each in `READERS`."""

from __future__ import annotations

from archipel.formats.networks.base import Imported, NetworkReader, ReadOptions
from archipel.formats.networks.opendss.reader import OpenDssReader
from archipel.formats.networks.pandapower import PandapowerReader
from archipel.model import ImportRefused

__all__ = ["READERS", "Imported", "NetworkReader", "ReadOptions", "known_formats", "reader_of"]

READERS: tuple[NetworkReader, ...] = (OpenDssReader(), PandapowerReader())
"""Asked in this order; the first that recognises a source reads it."""


def reader_of(source: str, name: str = "") -> NetworkReader:
    """The reader of a source: the one called `name`, else the first that knows it. Raises ImportRefused for none."""
    if name:
        for reader in READERS:
            if reader.name == name:
                return reader
        raise ImportRefused(f"--format {name}: found no format of that name; expected one of:\n{known_formats()}")
    for reader in READERS:
        if reader.reads(source):
            return reader
    raise ImportRefused(
        f"{source}: found no format that is known; expected one of those below. Name one with --format "
        f"where the file is called otherwise.\n{known_formats()}"
    )


def known_formats() -> str:
    """All formats with what their sources are called and the extra they need, one a line."""
    width = max(len(reader.name) for reader in READERS)
    return "\n".join(
        f"  {reader.name:<{width}}  {reader.files}"
        + (f"  (needs: pip install 'archipel[{reader.extra}]')" if reader.extra else "")
        for reader in READERS
    )
