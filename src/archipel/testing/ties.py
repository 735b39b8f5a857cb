"""Ties across a tree of cells: what a closable open point between two cells adds to a planning problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from archipel.model import Floats, Ints
from archipel.optimisation.block import Block
from archipel.optimisation.columns import Columns
from archipel.testing.trees import Tree

LOST = 0.02
"""Share of a tie's power that its converters lose at rated power."""


@final
@dataclass(frozen=True, slots=True)
class Tie:
    """A converter between two cells, with a power both ways."""

    leaves: int
    """Cell that draws the tie's power."""
    arrives: int
    """Cell that gets it."""
    rated_kw: float

    @property
    def ends(self) -> tuple[int, int]:
        """Both cells."""
        return self.leaves, self.arrives


def with_ties(tree: Tree, ties: Sequence[Tie]) -> Tree:
    """The tree with ties between its cells, their powers decided by the lowest cell above both ends.

    A tie's losses grow with the square of its power and are paid for at the mean size of the price at the root. It ends
    where the first device of a cell is that draws nothing but active power. Raises ValueError where there is none.
    """
    above = [_above(tree, tie) for tie in ties]
    if not ties:
        return tree
    decided = [[k for k, path in enumerate(above) if path[0] == i] for i in range(len(tree.blocks))]
    passing = [[k for k, path in enumerate(above) if i in path[1:]] for i in range(len(tree.blocks))]
    price = np.full(len(tree.v_pu), np.abs(tree.price[0]).mean())
    blocks = []
    for i, block in enumerate(tree.blocks):
        places = {k: place for place, k in enumerate(passing[i] + decided[i])}
        hands_down = tuple(tuple(places[k] for k in passing[child]) for child in tree.children(i))
        on_tie = [_effect(block, ties[k], i) for k in passing[i]]
        blocks.append(_deciding(block, i, [ties[k] for k in decided[i]], price, on_tie, hands_down))
    return replace(tree, blocks=tuple(blocks))


def random_ties(tree: Tree, seed: int, count: int, rated_kw: float = 15.0) -> Tree:
    """The tree with up to `count` ties between any two cells that have devices to end at."""
    rng = np.random.default_rng(seed)
    able = [i for i, block in enumerate(tree.blocks) if len(_ends_at(block))]
    ties = []
    for _ in range(count if len(able) > 1 else 0):
        leaves, arrives = rng.choice(able, 2, replace=False).tolist()
        ties.append(Tie(leaves, arrives, float(rng.uniform(0.3, 1.0)) * rated_kw))
    return with_ties(tree, ties)


def _above(tree: Tree, tie: Tie) -> list[int]:
    """The lowest cell above both ends, then all cells on the way to them."""

    def up(cell: int) -> list[int]:
        path = [cell]
        while tree.parents[path[-1]] >= 0:
            path.append(tree.parents[path[-1]])
        return path

    one, other = up(tie.leaves), up(tie.arrives)
    lowest = max(set(one) & set(other))  # parents stand before their children
    return [lowest, *(i for i in one + other if i > lowest and (i in one) != (i in other))]


def _ends_at(block: Block) -> Ints:
    """Controls that draw active power alone."""

    def draws(group: int, column: int, control: int) -> bool:
        columns = block.columns[group]
        return bool(columns.p[column, control] == 1.0 and columns.q[column, control] == 0.0)

    return np.array([n for n, where in enumerate(block.where) if draws(*where)], dtype=np.int64)


def _effect(block: Block, tie: Tie, cell: int) -> Floats:
    """What a kW on the tie does to the outputs of a cell, (A,); nothing unless it ends there."""
    if cell not in tie.ends:
        return np.zeros(len(block.outputs.t))
    at = _ends_at(block)
    if not len(at):
        raise ValueError(f"a tie should end in cell {cell}, which has no device that draws active power alone")
    return np.asarray(block.outputs.on_control[:, at[0]] * (1.0 if cell == tie.leaves else -1.0))


def _deciding(
    block: Block,
    cell: int,
    ties: list[Tie],
    price: Floats,
    on_tie: list[Floats],
    hands_down: tuple[tuple[int, ...], ...],
) -> Block:
    """The block with the powers of `ties` among its controls, and the effects of those decided above."""
    count, t_count, first = len(ties), block.intervals, len(block.lo)
    rated = np.array([tie.rated_kw for tie in ties])[:, None]
    zero, hi = np.zeros((count, t_count)), np.repeat(rated, t_count, axis=1)
    quad = 2.0 * LOST * price / hi
    drawn = np.array([[float(cell == tie.leaves) - float(cell == tie.arrives)] for tie in ties]).reshape(-1, 1)
    names = tuple(f"tie/{tie.leaves}-{tie.arrives}" for tie in ties)
    columns = Columns(
        names, np.zeros(count, np.int64), drawn, 0.0 * drawn, -hi[:, None], hi[:, None], zero[:, None], quad[:, None]
    )
    out = block.outputs
    effects = [out.on_control, *(_effect(block, tie, cell)[:, None] for tie in ties)]
    outputs = replace(
        out,
        on_control=np.concatenate(effects, axis=1),
        on_tie=np.stack(on_tie, axis=1) if on_tie else np.zeros((len(out.t), 0)),
    )
    return replace(
        block,
        columns=(*block.columns, columns) if count else block.columns,
        where=(*block.where, *((len(block.columns), k, 0) for k in range(count))),
        lo=np.concatenate([block.lo, -hi]),
        hi=np.concatenate([block.hi, hi]),
        cost=np.concatenate([block.cost, zero]),
        quad=np.concatenate([block.quad, quad]),
        stiff=np.concatenate([block.stiff, zero]),
        anchor=np.concatenate([block.anchor, zero]),
        outputs=outputs,
        decides=tuple(range(first, first + count)),
        hands_down=hands_down,
    )
