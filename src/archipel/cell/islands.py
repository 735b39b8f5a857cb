"""Which islands form when the main grid is lost: the largest cells, each with all below it, that can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from archipel.cell.subtree import below
from archipel.model import Archipelago


@final
@dataclass(frozen=True, slots=True)
class Forms:
    """What becomes of every cell."""

    island: tuple[int, ...]
    """Rows of the cells that form an island with all below them."""
    dark: dict[int, tuple[str, ...]]
    """Rows of the cells that stay without supply, and why each cannot form an island with all below it."""


def islands(archipelago: Archipelago, cannot: Callable[[int], tuple[str, ...]]) -> Forms:
    """Name the islands, from the root down.

    A cell that can form one takes all below it along, also those that could do it alone: together they have more to
    give and more to give it to. A cell that cannot stays dark, and each below it is asked. Where neither a cell nor any
    below it can, all of them stay dark.

    Args:
        archipelago: The tree of cells.
        cannot: Why a cell with all below it cannot form an island; empty where it can. Asked once per cell.
    """
    forms: list[int] = []
    dark: dict[int, tuple[str, ...]] = {}
    taken: set[int] = set()
    for cell in range(len(archipelago.cell)):  # parents stand before their children
        if cell in taken:
            continue
        reasons = cannot(cell)
        if reasons:
            dark[cell] = reasons
        else:
            forms.append(cell)
            taken.update(below(archipelago, cell).tolist())
    return Forms(tuple(forms), dark)
