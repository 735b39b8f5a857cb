"""Any `Method` on a tree of blocks, by messages as bytes."""

from __future__ import annotations

import numpy as np

from archipel.coordination.outcome import Before, Method, Start, Upstream
from archipel.coordination.tree import Program
from archipel.testing.trees import Tree


def programs(tree: Tree, method: Method, before: Before | None = None) -> list[Program]:
    """Nothing is known of boundaries; only the root knows how the last plan went."""
    t = len(tree.v_pu)
    nothing = np.full((3, t), np.nan)
    nothing[:2] = 0.0
    prices = np.full((2, t), np.nan)
    out = []
    for i, block in enumerate(tree.blocks):
        upstream = None if i else Upstream(tree.price, tree.v_pu)
        start = Start(nothing, prices, before=None if i else before)
        out.append(method.program(block, 0.5 * (block.lo + block.hi), upstream, start, np.ones(t)))
    return out
