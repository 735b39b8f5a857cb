"""Several upstream connections of one voltage: one connection, and closed couplers to the others' nodes.

Ideal sources of the same voltage and angle hold their nodes at one potential, which is what a closed coupler between
the nodes does: nothing is approximated, only the split of the power between the connections is no longer told.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archipel.formats.source_columns import Notes
from archipel.model import Ints, Nodes, Switches

Joins = list[tuple[str, int, int]]
"""Id of a coupler, and the two node rows it joins."""


def join_sources(kept: str, node: int, others: Sequence[tuple[str, int]], notes: Notes) -> Joins:
    """Couplers from the kept connection's node to every other connection, given by id and node row."""
    if others:
        notes.merge(len(others), f"further upstream connections of the voltage of {kept}: their nodes are joined with "
                    "its node by closed couplers", [name for name, _ in others])  # fmt: skip
    return [(f"join/{name}", node, other) for name, other in others if other != node]


def with_joins(switches: Switches, joins: Joins, nodes: Nodes) -> Switches:
    """The switches and the couplers."""
    if not joins:
        return switches
    at: Ints = np.array([node for _, node, _ in joins], dtype=np.int64)
    return Switches(
        (*switches.id, *(name for name, _, _ in joins)),
        (*switches.name, *("joins two upstream connections of one voltage" for _ in joins)),
        np.concatenate([switches.node, at]),
        (*switches.element, *(nodes.id[other] for _, _, other in joins)),
        np.concatenate([switches.closed, np.ones(len(joins), dtype=np.bool_)]),
    )
