"""Which parts of an area form an island when the main grid is lost."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archipel.cell.islands import islands
from archipel.cell.subtree import below
from archipel.model import Archipelago, Cell


def tree(parents: list[int]) -> Archipelago:
    cells = tuple(Cell(f"c{k}", f"c{p}" if p >= 0 else "", "feeder") for k, p in enumerate(parents))
    return Archipelago(cells, (), np.zeros(0, dtype=np.int64))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Archipelago, list[bool]]:
    size = draw(st.integers(1, 12))
    parents = [-1, *(draw(st.integers(0, k - 1)) for k in range(1, size))]
    return tree(parents), draw(st.lists(st.booleans(), min_size=size, max_size=size))


def path(area: Archipelago, cell: int) -> list[int]:
    out, parents = [], area.parents()
    while (cell := parents[cell]) >= 0:
        out.append(cell)
    return out


@given(cases())
def test_every_cell_is_in_one_island_or_dark_with_a_reason_and_no_island_could_be_larger(
    case: tuple[Archipelago, list[bool]],
) -> None:
    area, can = case
    found = islands(area, lambda cell: () if can[cell] else (f"{cell} cannot",))
    members = [int(c) for cell in found.island for c in below(area, cell)]
    assert sorted([*members, *found.dark]) == list(range(len(area.cell)))
    assert all(can[cell] for cell in found.island)
    assert not any(can[above] for cell in found.island for above in path(area, cell))
    assert all(why == (f"{cell} cannot",) and not can[cell] for cell, why in found.dark.items())


def test_a_cell_that_cannot_alone_lives_in_a_larger_one_that_can() -> None:
    area = tree([-1, 0, 1, 1, 0])
    found = islands(area, lambda cell: () if cell in {1, 2} else ("no source",))
    assert found.island == (1,)
    assert set(found.dark) == {0, 4}
