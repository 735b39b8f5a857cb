"""The robust agreement on a tree of blocks, by messages as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archipel.coordination.outcome import Solved, Upstream
from archipel.coordination.robust import Options, solve
from archipel.coordination.tree import Program
from archipel.testing.coordination import Post
from archipel.testing.trees import Tree


def programs(tree: Tree, iterations: int, gap: float = 3e-3, **how: Any) -> Sequence[Program]:
    options = Options(gap=gap, rounds=iterations, every=min(10, iterations))
    upstream = Upstream(tree.price, tree.v_pu)
    return [solve(b, upstream if i == 0 else None, options, **how) for i, b in enumerate(tree.blocks)]


def agreed(tree: Tree, iterations: int = 300, gap: float = 3e-3, **post: Any) -> list[Solved]:
    return Post(tree, programs(tree, iterations, gap), **post).run()
