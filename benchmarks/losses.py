"""The exact agreement when messages are lost or late and cells fall silent."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.clocked import Talk, agree
from benchmarks.weather import Endured, Weather, endure

from archipel.coordination.exact import Options
from archipel.testing.trees import Tree

GAP, MU = 1e-6, 1e3
SEEDS = range(5)
SHARES = (0.0, 0.01, 0.05, 0.10, 0.20)


def losses(tree: Tree, gap: float = GAP) -> list[dict[str, Any]]:
    """Rows of the loss table: the worst of all seeds."""
    talk = agree(tree, Options(gap=gap, mu=MU))
    cells = len(tree.parents)
    leaf = cells - 1
    feeder = tree.parents[leaf]
    behind = {feeder}
    for i, parent in enumerate(tree.parents):
        if parent in behind:
            behind.add(i)
    sent = 2 * (len([k for k, _ in talk.sizes[leaf] if k == "ask"]) // 2)
    cases = {
        **{f"{share:.0%} lost": Weather(lose=share) for share in SHARES},
        "up to 8 hops late": Weather(delay=8),
        "up to 24 hops late": Weather(delay=24),
        "10% lost, up to 8 hops late": Weather(lose=0.1, delay=8),
        "one cell silent": Weather(silent=frozenset({leaf}), silent_after=sent // 2),
        "one subtree silent": Weather(silent=frozenset(behind), silent_after=sent // 2),
    }
    return [{"case": name, **_worst(tree, talk, weather)} for name, weather in cases.items()]


def _worst(tree: Tree, talk: Talk, weather: Weather) -> dict[str, Any]:
    print(f"  {weather}", file=sys.stderr, flush=True)
    found: list[Endured] = [endure(tree.parents, talk.sizes, weather, seed) for seed in SEEDS]
    return {
        "ended": all(each.ended for each in found),
        "finished": min(each.finished for each in found),
        "cells": len(tree.parents),
        "trips": max(each.trips for each in found),
        "bytes": max(each.bytes_ for each in found),
        "hops": max(each.hops for each in found),
        "attempts": max(each.attempts for each in found),
    }
