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
from archipel.coordination.tree import Conversation, Program, Silent
from archipel.model import Floats
from archipel.optimisation.block import Bill, bill
from archipel.optimisation.central import join, solve_piqp
from archipel.optimisation.proximal import Ranges, reach
from archipel.testing.device import PromiseBroken
from archipel.testing.trees import Tree, edge_trees, random_block, random_tree

ENOUGH = 300
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
        late: float = 0.0,
        silent: tuple[int, int] | None = None,
    ) -> None:
        """With `seed`, messages arrive in any order, and are lost, doubled or late with these probabilities: late ones
        come after time has passed. `silent` is a cell and after how many of its own messages it is heard no more, nor
        hears."""
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
        self._lose, self._double, self._late = lose, double, late
        self._mute, self._words = ("", 0) if silent is None else (names[silent[0]], silent[1])
        self.carried = 0
        self.shapes: set[tuple[str, bool, str, tuple[int, ...]]] = set()
        """Of every array that was sent: by whom, whether upwards, its name and shape."""

    def run(self) -> list[Any]:
        """Carry on until nobody waits, ticking when nothing moves; outcomes in the order of the cells.

        Raises PromiseBroken when the conversation never ends.
        """
        queue = self._sent([m for cell in self.cells.values() for m in cell.open()])
        ticks = 0
        waiting: list[bytes] = []
        while any(cell.outcome is None for cell in self.cells.values()):
            if not queue:
                ticks += 1
                if ticks > TICKS:
                    raise PromiseBroken(f"broken promise: a conversation ends; after {TICKS} ticks one had not")
                queue = waiting + self._sent([m for cell in self.cells.values() for m in cell.tick()])
                waiting = []
                continue
            at = 0 if self._rng is None else int(self._rng.integers(len(queue)))
            parcel = queue.pop(at)
            if self._rng is not None and self._rng.random() < self._late:
                waiting.append(parcel)
                continue
            message = Message.from_bytes(parcel)
            self.carried += 1
            if self.carried > TALK * len(self.cells):
                raise PromiseBroken(f"broken promise: a conversation ends; after {self.carried} messages one had not")
            queue += self._sent(self.cells[message.receiver].receive([message]))
        return [cell.outcome for cell in self.cells.values()]

    def _sent(self, messages: list[Message]) -> list[bytes]:
        out = []
        for message in messages:
            self.shapes |= {(message.sender, message.up, name, np.shape(v)) for name, v in message.body.items()}
            if self._mute in {message.sender, message.receiver}:
                self._words -= message.sender == self._mute
                if self._words < 0:
                    continue
            if self._rng is not None and self._rng.random() < self._lose:
                continue
            copies = 2 if self._rng is not None and self._rng.random() < self._double else 1
            out += [message.to_bytes()] * copies
        return out


def cell_names(tree: Tree) -> list[str]:
    """Names of the cells in conversations."""
    return [f"cell {i}" for i in range(len(tree.blocks))]


def check_coordination(
    make: MakePrograms, *, seeds: Sequence[int] = (0, 1, 2), gap: float = 2e-4, repeatable: bool = True
) -> None:
    """Raise PromiseBroken if a way of agreeing breaks a promise that every way makes.

    Args:
        make: the way of agreeing.
        seeds: of the random trees, at least one; a failure names its own.
        gap: what the cost may be above the central optimum, as a share of gross energy cost.
        repeatable: whether messages late, reordered, doubled or lost change nothing, bit for bit. Of a way that goes on with what it has heard so far every other promise is held against it under such messages too.
    """
    for seed in seeds:
        _Check(make, random_tree(seed), f"seed {seed}", seed).all(gap, repeatable=repeatable)
    for name, tree in edge_trees(seeds[0]).items():
        _Check(make, tree, f"seed {seeds[0]}, {name}", seeds[0]).result(gap)
    check_privacy(make, seeds[0])


def check_privacy(make: MakePrograms, seed: int) -> None:
    """Raise PromiseBroken if what a cell says shows by its size what is behind its boundary."""
    rng = np.random.default_rng(seed)
    root, t = random_block(rng, 8, children=1, root=True, voltage=True), 8
    price, shapes, controls = np.stack([np.full(t, 0.02), np.zeros(t)]), [], set()
    for _ in range(4):
        child = random_block(rng, t, children=0, root=False, voltage=True)
        controls.add(len(child.lo))
        tree = Tree((root, child), (-1, 0), price, np.ones(t))
        post = Post(tree, make(tree, 3))
        post.run()
        shapes.append({said for said in post.shapes if said[0] == "cell 1"})
    if len(controls) > 1 and any(said != shapes[0] for said in shapes):
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
        self.check_unreliable(plain, gap, repeatable=repeatable)
        self.check_silence()

    def result(self, gap: float, **how: Any) -> list[Decided]:
        """What the cells decide, every promise about it checked."""
        found = self.outcomes(ENOUGH, **how)
        self.check_optimum(found, gap)
        self.check_boundaries(found)
        self.check_envelopes(found)
        return found

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

    def check_silence(self) -> None:
        """When a cell falls silent every other one ends, with controls it can do or with what it held before."""
        cells = len(self.tree.blocks)
        for cell, words in {(0, 9), (cells - 1, 0), (cells - 1, 9), (cells // 2, 30)}:
            ended = Post(self.tree, self.make(self.tree, 20), silent=(cell, words)).run()
            pairs = zip(self.tree.blocks, ended, strict=True)
            decided = [(block, outcome) for block, outcome in pairs if not isinstance(outcome, Silent)]
            for block, outcome in decided:
                inside = (outcome.u >= block.lo - BOUND_KW) & (outcome.u <= block.hi + BOUND_KW)
                self.need(inside, "when a cell falls silent the controls of the others keep their bounds")

    def check_unreliable(self, plain: list[Decided], gap: float, *, repeatable: bool) -> None:
        """Messages that are late, reordered, doubled or lost (and said again) change nothing, bit for bit; or no promise."""
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
