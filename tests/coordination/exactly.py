"""The exact agreement on a tree of blocks, by messages as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archipel.coordination.exact import Options, solve
from archipel.coordination.outcome import Solved, Upstream
from archipel.coordination.tree import Program
from archipel.optimisation.interior import CellSolver
from archipel.testing.coordination import Post
from archipel.testing.trees import Tree


def programs(tree: Tree, iterations: int, gap: float = 1e-6) -> Sequence[Program]:
    upstream = Upstream(tree.price, tree.v_pu)
    options = Options(gap=gap, iterations=iterations)
    return [solve(CellSolver(b), upstream if i == 0 else None, options) for i, b in enumerate(tree.blocks)]


def agreed(tree: Tree, iterations: int = 100, gap: float = 1e-6, **post: Any) -> list[Solved]:
    return Post(tree, programs(tree, iterations, gap), **post).run()
