"""Finding the models of a device: a chain of (ID, length) headers behind the mark 'SunS'. No input or output here.

Where it may begin and how it ends: SunSpec Device Information Model Specification, version 1.1, chapter 6.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final, final

from archipel.drivers.errors import DecodeError

BASES: Final = (40000, 0, 50000)
"""Zero-based addresses where the mark may stand."""

MARK: Final = (0x5375, 0x6E53)
"""The letters SunS."""

END: Final = 0xFFFF
"""ID of the end model."""

MODELS_MOST: Final = 200
"""More models than any device has: a longer chain is not one."""


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the chain."""

    model: int
    address: int
    """Zero-based address of its `ID`."""
    length: int
    """Registers behind `ID` and `L`."""


@final
@dataclass(frozen=True, slots=True)
class Chain:
    """All models of a device."""

    base: int
    entries: tuple[Entry, ...]

    def first(self, *models: int) -> Entry | None:
        """The first entry of the first of these models that is there."""
        return next((entry for model in models for entry in self.entries if entry.model == model), None)


Walk = Generator[tuple[int, int], Sequence[int] | None, Chain]
"""Yields (address, count) to read; is sent the registers, or None when the device refused to give them."""


def walk(bases: Sequence[int] = BASES) -> Walk:
    """Walk the chain. At most one read per base and `MODELS_MOST` + 1 for the chain.

    Raises:
        DecodeError: no mark, or a chain that does not end or leaves the address space; says where.
    """
    for base in bases:
        mark = yield base, 2
        if mark is not None and tuple(mark) == MARK:
            return Chain(base, (yield from _entries(base + 2)))
    raise DecodeError(
        f"no SunSpec device: found no mark 'SunS' at {', '.join(map(str, bases))}. "
        "Is the unit id right, and is SunSpec switched on in the device?"
    )


def _entries(address: int) -> Generator[tuple[int, int], Sequence[int] | None, tuple[Entry, ...]]:
    entries: list[Entry] = []
    while True:
        after = f"after model {entries[-1].model} at {entries[-1].address}" if entries else "after the mark 'SunS'"
        header = (yield address, 2) if address <= 0xFFFE else None
        if header is None:
            raise DecodeError(
                f"damaged SunSpec chain: {after} found no registers at {address}; "
                "expected a model or the end model 65535. Is a length in the chain wrong?"
            )
        model, length = header
        if model == END:
            return tuple(entries)
        if model == 0 or length == 0:
            raise DecodeError(
                f"damaged SunSpec chain: {after} found model {model} of length {length} at {address}; "
                "expected a model with a length or the end model 65535."
            )
        if len(entries) == MODELS_MOST:
            raise DecodeError(f"damaged SunSpec chain: more than {MODELS_MOST} models, the last at {address}.")
        entries.append(Entry(model, address, length))
        address += 2 + length
