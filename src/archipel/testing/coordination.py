"""The suite every way of agreeing passes: its promises, checked on random trees of cells.

from archipel.testing import check_coordination
check_coordination(my_programs)

`my_programs(tree, iterations)` gives one program per cell (see `archipel.coordination.tree`), the root first. Each ends
with an outcome that has the cell's controls `u` and its `boundary` power, by its own judgement or after `iterations`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, final

import numpy as np

from archipel.coordination.message import Message
from archipel.coordination.tree import Conversation, Program
from archipel.model import Floats
from archipel.optimisation.block import Bill, bill
from archipel.optimisation.central import join, solve_piqp
from archipel.testing.device import PromiseBroken
from archipel.testing.trees import Tree, random_tree

ENOUGH = 100
"""Iterations that any method of interest can do with."""
TICKS = 500
"""Ticks without end after which a conversation counts as hanging."""
TALK = 5000
"""Messages per cell after which it counts as endless."""
BOUND_KW = 1e-9
"""How far rounding may carry a control beyond its bound."""
SAME_KW = 1e-6
"""How far the powers told at a boundary may be from those that the controls make."""


class Decided(Protocol):
    """What a program must end with."""

    @property
    def u(self) -> Floats:
        """Own controls (N, T)."""
        ...

    @property
    def boundary(self) -> Floats:
        """(P, Q) at the own boundary, (2, T)."""
        ...


class MakePrograms(Protocol):
    """A way of agreeing."""

    def __call__(self, tree: Tree, iterations: int) -> Sequence[Program]:
        """One program per cell of the tree; the root's alone may use `tree.price` and `tree.v_pu`."""
        ...


@final
class Post:
    """Carries messages as bytes between the cells of a tree; a seed makes it unreliable."""

    def __init__(
        self,
        tree: Tree,
        programs: Sequence[Program],
        *,
        seed: int | None = None,
        lose: float = 0.0,
        double: float = 0.0,
    ) -> None:
        """With `seed`, messages arrive in any order, and are lost and doubled with these probabilities."""
        names = cell_names(tree)
        self.cells = {
            names[i]: Conversation(
                plan=1,
                cell=names[i],
                parent=names[tree.parents[i]] if i else "",
                children=tuple(names[j] for j in tree.children(i)),
                program=program,
            )
            for i, program in enumerate(programs)
        }
        self._rng = None if seed is None else np.random.default_rng(seed)
        self._lose, self._double = lose, double
        self.carried = 0

    def run(self) -> list[Any]:
        """Carry on until nobody waits, ticking when nothing moves; outcomes in the order of the cells.

        Raises PromiseBroken when the conversation never ends.
        """
        queue = self._sent([m for cell in self.cells.values() for m in cell.open()])
        ticks = 0
        while any(cell.outcome is None for cell in self.cells.values()):
            if not queue:
                ticks += 1
                if ticks > TICKS:
                    raise PromiseBroken(f"broken promise: a conversation ends; after {TICKS} ticks one had not")
                queue = self._sent([m for cell in self.cells.values() for m in cell.tick()])
                continue
            at = 0 if self._rng is None else int(self._rng.integers(len(queue)))
            message = Message.from_bytes(queue.pop(at))
            self.carried += 1
            if self.carried > TALK * len(self.cells):
                raise PromiseBroken(f"broken promise: a conversation ends; after {self.carried} messages one had not")
            queue += self._sent(self.cells[message.receiver].receive([message]))
        return [cell.outcome for cell in self.cells.values()]

    def _sent(self, messages: list[Message]) -> list[bytes]:
        out = []
        for message in messages:
            if self._rng is not None and self._rng.random() < self._lose:
                continue
            copies = 2 if self._rng is not None and self._rng.random() < self._double else 1
            out += [message.to_bytes()] * copies
        return out


def cell_names(tree: Tree) -> list[str]:
    """Names of the cells in conversations."""
    return [f"cell {i}" for i in range(len(tree.blocks))]


def check_coordination(make: MakePrograms, *, seeds: Sequence[int] = (0, 1, 2), gap: float = 2e-4) -> None:
    """Raise PromiseBroken if a way of agreeing breaks a promise that every way makes.

    Args:
        make: the way of agreeing.
        seeds: of the random trees, at least one; a failure names its own.
        gap: what the cost may be above the central optimum, as a share of gross energy cost.
    """
    for seed in seeds:
        _Check(make, random_tree(seed), seed).all(gap)


@final
class _Check:
    def __init__(self, make: MakePrograms, tree: Tree, seed: int) -> None:
        self.make, self.tree, self.seed = make, tree, seed

    def need(self, kept: object, promise: str) -> None:
        """Raise unless all of `kept` holds."""
        if not np.all(np.asarray(kept)):
            raise PromiseBroken(f"tree of seed {self.seed}: broken promise: {promise}")

    def all(self, gap: float) -> None:
        """Every promise on this tree."""
        plain = self.outcomes(ENOUGH)
        self.check_optimum(plain, gap)
        self.check_boundaries(plain)
        for iterations in (1, 2, 4, 8):
            self.check_controls(self.outcomes(iterations), f"after {iterations} iterations")
        self.check_unreliable(plain)

    def outcomes(self, iterations: int, **how: Any) -> list[Decided]:
        """What the cells decide."""
        programs = self.make(self.tree, iterations)
        self.need(len(programs) == len(self.tree.blocks), "there is one program per cell")
        found: list[Decided] = Post(self.tree, programs, **how).run()
        for outcome in found:
            self.need(hasattr(outcome, "u") and hasattr(outcome, "boundary"), "every cell ends with u and boundary")
        return found

    def check_optimum(self, found: list[Decided], gap: float) -> None:
        """The cells together pay what one all-knowing optimiser would."""
        tree = self.tree
        best = solve_piqp(join(tree.blocks, list(tree.parents), tree.price, tree.v_pu), 1e-9)
        ours = paid(tree, [outcome.u for outcome in found])
        self.need(ours.total - best.value <= gap * ours.gross, "the cost is that of the central optimum")
        self.check_controls(found, "at the end")

    def check_boundaries(self, found: list[Decided]) -> None:
        """What a cell says of its boundary is what its controls and its children's boundaries make."""
        t = len(self.tree.v_pu)
        for i, (block, outcome) in enumerate(zip(self.tree.blocks, found, strict=True)):
            below = [found[j].boundary for j in self.tree.children(i)]
            child_pq = np.stack(below) if below else np.zeros((0, 2, t))
            levels = block.levels.lo  # boundary power does not depend on what is paid for
            y = block.outputs.value(outcome.u, levels, child_pq, np.zeros(t))[: 2 * t].reshape(2, t)
            self.need(np.abs(y - outcome.boundary) <= SAME_KW, "boundary powers are those of the controls")

    def check_controls(self, found: list[Decided], when: str) -> None:
        """Whenever it stops, every cell can do what it decided."""
        for block, outcome in zip(self.tree.blocks, found, strict=True):
            self.need(outcome.u.shape == block.lo.shape, f"{when} there is a control for every column and interval")
            inside = (outcome.u >= block.lo - BOUND_KW) & (outcome.u <= block.hi + BOUND_KW)
            self.need(inside, f"{when} the controls keep their bounds")

    def check_unreliable(self, plain: list[Decided]) -> None:
        """Messages that are late, reordered, doubled or lost (and said again) change nothing, bit for bit."""
        for what, how in (
            ("reordered", {"seed": self.seed}),
            ("doubled", {"seed": self.seed, "double": 0.3}),
            ("lost", {"seed": self.seed, "lose": 0.1, "double": 0.1}),
        ):
            for a, b in zip(plain, self.outcomes(ENOUGH, **how), strict=True):
                same = np.array_equal(a.u, b.u) and np.array_equal(a.boundary, b.boundary)
                self.need(same, f"{what} messages change nothing, bit for bit")


def paid(tree: Tree, u: list[Floats]) -> Bill:
    """What the controls `u` of all cells cost in the whole problem."""
    return bill(list(tree.blocks), list(tree.parents), u, tree.price, tree.v_pu)
