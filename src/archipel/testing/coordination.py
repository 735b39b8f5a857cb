"""The suite every way of agreeing passes: its promises, checked on random trees of cells.

from archipel.testing import check_coordination
check_coordination(my_programs)

`my_programs(tree, iterations)` gives one program per cell (see `archipel.coordination.tree`), the root first. Each ends
with an outcome that has the cell's controls `u` and its `boundary` power, by its own judgement or after `iterations`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Protocol, final

import numpy as np

from archipel.coordination.tree import Program, Silent
from archipel.model import Floats
from archipel.optimisation.block import Bill, bill
from archipel.optimisation.central import join, solve_piqp
from archipel.optimisation.proximal import Ranges, reach
from archipel.testing.device import PromiseBroken
from archipel.testing.post import Post
from archipel.testing.trees import Tree, edge_trees, random_block, random_tree, without

ENOUGH = 300
"""Iterations that any method of interest can do with."""
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


def check_coordination(
    make: MakePrograms, *, seeds: Sequence[int] = (0, 1, 2), gap: float = 2e-4, repeatable: bool = True
) -> None:
    """Raise PromiseBroken if a way of agreeing breaks a promise that every way makes.

    Args:
        make: the way of agreeing.
        seeds: of the random trees, at least one; a failure names its own.
        gap: what the cost may be above the central optimum, as a share of gross energy cost.
        repeatable: whether messages late, reordered, doubled or lost change nothing, bit for bit. Of a way that goes
            on with what it has heard so far every other promise is held against it under such messages too.
    """
    for seed in seeds:
        _Check(make, random_tree(seed), f"seed {seed}", seed).all(gap, repeatable=repeatable)
    for name, tree in edge_trees(seeds[0]).items():
        _Check(make, tree, f"seed {seeds[0]}, {name}", seeds[0]).result(gap)
    check_privacy(make, seeds[0])


def check_privacy(make: MakePrograms, seed: int) -> None:
    """Raise PromiseBroken if what a cell says shows by its size what is behind its boundary.

    Told the same, by names and shapes, cells with anything behind their boundaries answer by the same names and shapes.
    """
    rng = np.random.default_rng(seed)
    root, t = random_block(rng, 8, children=1, root=True, voltage=True), 8
    price, replies, controls = np.stack([np.full(t, 0.02), np.zeros(t)]), [], set()
    for _ in range(4):
        child = random_block(rng, t, children=0, root=False, voltage=True)
        controls.add(len(child.lo))
        tree = Tree((root, child), (-1, 0), price, np.ones(t))
        post = Post(tree, make(tree, 3))
        post.run()
        replies.append({told: said for (sender, told), said in post.replies.items() if sender == "cell 1"})
        if any(np.prod(shape) > (3 * t) ** 2 for *_, shape in post.shapes):
            raise PromiseBroken("broken promise: no message is larger than what a boundary can have")
    common = [said[told] == one[told] for one, said in combinations(replies, 2) for told in one.keys() & said.keys()]
    if len(controls) > 1 and not all(common):
        raise PromiseBroken("broken promise: the size of what a cell says tells nothing of what is behind its boundary")


@final
class _Check:
    def __init__(self, make: MakePrograms, tree: Tree, name: str, seed: int) -> None:
        self.make, self.tree, self.name, self.seed = make, tree, name, seed

    def need(self, kept: object, promise: str) -> None:
        """Raise unless all of `kept` holds."""
        if not np.all(np.asarray(kept)):
            raise PromiseBroken(f"tree of {self.name}: broken promise: {promise}")

    def all(self, gap: float, *, repeatable: bool) -> None:
        """Every promise on this tree."""
        plain = self.result(gap)
        for iterations in (1, 2, 4, 8):
            found = self.outcomes(iterations)
            self.check_controls(found, f"after {iterations} iterations")
            self.check_boundaries(found)
            done = [getattr(outcome, "iterations", 0) for outcome in found]
            self.need(max(done) <= iterations, "rounds are bounded")
        self.check_unreliable(plain, gap, repeatable=repeatable)
        self.check_silence(gap)

    def result(self, gap: float, **how: Any) -> list[Decided]:
        """What the cells decide, every promise about it checked."""
        found = self.outcomes(ENOUGH, **how)
        self.keep(found, gap)
        return found

    def keep(self, found: list[Decided], gap: float) -> None:
        """Every promise about what was decided."""
        self.check_optimum(found, gap)
        self.check_boundaries(found)
        self.check_envelopes(found)

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
        certified = getattr(found[0], "gap", np.inf)
        self.need(
            (certified + 1e-6) * ours.gross >= ours.total - best.value, "a certified gap is never below the true one"
        )
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

    def check_envelopes(self, found: list[Decided]) -> None:
        """What is agreed at a boundary is something the cell and those below it can do."""
        tree, t = self.tree, len(self.tree.v_pu)
        ends: dict[int, tuple[Floats, Floats]] = {}
        for i in reversed(range(len(found))):
            below = [ends[j] for j in tree.children(i)]
            lo, hi = (np.array([b[k] for b in below]).reshape(-1, 2, t) for k in (0, 1))
            low, high = reach(tree.blocks[i], Ranges(lo, hi, tree.v_pu, tree.v_pu))
            ends[i] = low[: 2 * t].reshape(2, t), high[: 2 * t].reshape(2, t)
            inside = (found[i].boundary >= ends[i][0] - SAME_KW) & (found[i].boundary <= ends[i][1] + SAME_KW)
            self.need(inside, "what is agreed lies inside every envelope")

    def check_silence(self, gap: float) -> None:
        """When a cell falls silent, those cut off with it hold what they held; all others agree without it."""
        cells = len(self.tree.blocks)
        for cell, words in sorted({(0, 9), (1, 0), (cells - 1, 9)}):
            made = self.make(self.tree, ENOUGH)
            post = Post(self.tree, made, silent=(cell, words), make=lambda tree: self.make(tree, ENOUGH))
            ended = post.run()
            rest, kept = without(self.tree, [cell])
            self.need(
                all(isinstance(ended[i], Silent) for i in range(1, cells) if i not in kept),
                "a cell cut off from the root by silence ends, and holds what it held before",
            )
            # who had said all it has to say before it fell silent is not missed
            again = max((talk.attempt for talk in post.cells.values()), default=0)
            if not kept or (again == 0 and not any(isinstance(ended[i], Silent) for i in kept)):
                continue
            self.need(again == 1, "one silent cell costs one new beginning")
            found = [ended[i] for i in kept]
            self.need(not any(isinstance(one, Silent) for one in found), "all but those cut off by silence finish")
            _Check(self.make, rest, f"{self.name}, without cell {cell}", self.seed).keep(found, gap)

    def check_unreliable(self, plain: list[Decided], gap: float, *, repeatable: bool) -> None:
        """Messages late, reordered, doubled or lost (and said again) change nothing, bit for bit; or no promise."""
        for what, how in (
            ("reordered", {"seed": self.seed}),
            ("doubled", {"seed": self.seed, "double": 0.3}),
            ("late", {"seed": self.seed, "late": 0.2}),
            ("lost", {"seed": self.seed, "lose": 0.1, "double": 0.1}),
            ("often lost", {"seed": self.seed, "lose": 0.3, "late": 0.1}),
        ):
            if not repeatable:
                self.result(gap, **how)
                continue
            for a, b in zip(plain, self.outcomes(ENOUGH, **how), strict=True):
                same = np.array_equal(a.u, b.u) and np.array_equal(a.boundary, b.boundary)
                self.need(same, f"{what} messages change nothing, bit for bit")


def paid(tree: Tree, u: list[Floats]) -> Bill:
    """What the controls `u` of all cells cost in the whole problem."""
    return bill(list(tree.blocks), list(tree.parents), u, tree.price, tree.v_pu)
