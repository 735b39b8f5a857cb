"""The exact agreement with a clock in every cell: what it costs in time, trips and bytes (see `benchmarks.weather`
for what loss adds).

Cells run one after another on this machine; each has a clock of its own that stands still while it waits. A message
carries the time at which it was made, and who takes it sets its clock to that if it is later. The root's clock at the
end is the *critical path*: how long it would take with a processor for every cell, without latency. Clocks count CPU
time, so a busy machine does not lengthen them more than it slows its processors.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from archipel.coordination.exact import Options, solve
from archipel.coordination.message import Body
from archipel.coordination.outcome import Solved, Upstream
from archipel.coordination.tree import Ask, Program, Tell
from archipel.optimisation.interior import CellSolver
from archipel.testing.stress import gentle
from archipel.testing.trees import Tree


@dataclass(slots=True, eq=False)
class Talk:
    """What was measured while cells agreed."""

    solved: list[Solved]
    critical_s: list[float] = field(default_factory=list)
    """The root's clock after every round trip."""
    sizes: list[list[tuple[str, list[int]]]] = field(default_factory=list)
    """For every cell what it asked and told, in order: numbers in a message to the parent, or to every child."""
    v_pu_apart: float = 0.0
    """Largest difference between the voltage held and the true one at the last point."""
    dual_residual: float = 0.0
    """Largest gradient of the Lagrangian by a free control [EUR per kW and interval]."""

    def boundary_bytes(self, tree: Tree) -> list[int]:
        """Both ways, at every boundary but the root's."""
        told = [[0] * len(tree.parents) for _ in ("up", "down")]
        for cell, sequence in enumerate(self.sizes):
            kids = tree.children(cell)
            for kind, counts in sequence:
                if kind == "ask":
                    told[0][cell] += 8 * counts[0]
                else:
                    for child, count in zip(kids, counts, strict=True):
                        told[1][child] += 8 * count
        return [up + down for up, down in zip(*told, strict=True)][1:]

    def trips(self, iteration: int) -> int:
        """Round trips until the root knows the gap after this iteration (from 1): the largest message carries it."""
        asked = [counts[0] for kind, counts in self.sizes[1] if kind == "ask"]
        return int(np.flatnonzero(np.array(asked) == max(asked))[iteration - 1]) + 1


def agree(tree: Tree, options: Options) -> Talk:
    """Let the cells of the tree agree from a gentle start."""
    solvers = [CellSolver(block, gentle(block)) for block in tree.blocks]
    upstream = Upstream(tree.price, tree.v_pu)
    talk = Talk([])
    programs = [solve(solver, None if i else upstream, options) for i, solver in enumerate(solvers)]
    talk.solved = _run(tree, programs, talk)
    for solver in solvers:
        held = solver.child_held()
        for v, at, mine in zip(solver.child_inputs(), solver.child_active, held, strict=True):
            talk.v_pu_apart = max(talk.v_pu_apart, float(np.abs(v[at] - mine).max(initial=0.0)))
        talk.dual_residual = max(talk.dual_residual, float(np.abs(solver.dual_residual()).max(initial=0.0)))
    return talk


def _run(tree: Tree, programs: list[Program], talk: Talk) -> list[Solved]:
    cells = range(len(programs))
    kids = [tree.children(i) for i in cells]
    clock = [0.0 for _ in cells]
    asked: dict[int, tuple[Body, float]] = {}
    gathering = [False for _ in cells]
    outcome: list[Any] = [None for _ in cells]
    talk.sizes = [[] for _ in cells]
    ready: deque[tuple[int, Any]] = deque((i, None) for i in reversed(cells))

    def heard(i: int) -> list[Body] | None:
        if not all(child in asked for child in kids[i]):
            return None
        bodies = [asked.pop(child) for child in kids[i]]
        clock[i] = max([clock[i], *(at for _, at in bodies)])
        return [body for body, _ in bodies]

    while ready:
        i, value = ready.popleft()
        while True:
            begun = time.thread_time()
            try:
                request = programs[i].send(value)
            except StopIteration as stop:
                outcome[i] = stop.value
                break
            finally:
                clock[i] += time.thread_time() - begun
            value = None
            if isinstance(request, Tell):
                talk.sizes[i].append(("tell", [_count(body) for body in request.bodies]))
                for child, body in zip(kids[i], request.bodies, strict=True):
                    clock[child] = max(clock[child], clock[i])
                    ready.append((child, body))
                if i == 0:
                    talk.critical_s.append(clock[0])
            elif isinstance(request, Ask):
                talk.sizes[i].append(("ask", [_count(request.body)]))
                asked[i] = request.body, clock[i]
                above = tree.parents[i]
                if gathering[above] and (bodies := heard(above)) is not None:
                    gathering[above] = False
                    ready.append((above, bodies))
                break
            elif (value := heard(i)) is None:
                gathering[i] = True
                break
    return outcome


def _count(body: Body) -> int:
    return sum(np.asarray(value).size for value in body.values())
