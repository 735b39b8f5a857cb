"""The exact agreement with cells spread over several processes: every process runs a share of the tree that hangs
together, and what is said between cells of different shares goes through a pipe. The same arithmetic in the same order
inside every cell, so results are bit for bit those of one process.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from typing import Any, final

from archipel.coordination.exact import Options, solve
from archipel.coordination.message import Body
from archipel.coordination.outcome import Solved, Upstream
from archipel.coordination.tree import Ask, Tell
from archipel.optimisation.interior import CellSolver
from archipel.testing.stress import gentle
from archipel.testing.trees import Tree

Word = tuple[int, Any]
"""The cell that hears it, and its parent's word, or (child, the child's word)."""


def shares(tree: Tree, workers: int) -> list[int]:
    """The process of every cell: equal parts of the tree walked branch by branch, weighed by cells and children."""
    order, stack = [], [0]
    while stack:
        cell = stack.pop()
        order.append(cell)
        stack += tree.children(cell)
    weights = [1 + len(tree.children(cell)) for cell in order]
    whole, before, out = sum(weights), 0, [0] * len(order)
    for cell, weight in zip(order, weights, strict=True):
        out[cell] = workers * before // whole
        before += weight
    return out


def agree(tree: Tree, options: Options, workers: int) -> list[Solved]:
    """Let the cells of the tree agree from a gentle start, in this process and `workers - 1` others."""
    whose, context = shares(tree, workers), multiprocessing.get_context("fork")
    pipes = [context.Pipe() for _ in range(1, workers)]
    others = [
        context.Process(target=_work, args=(tree, options, whose, number, pipe[1]), daemon=True)
        for number, pipe in enumerate(pipes, 1)
    ]
    for process, pipe in zip(others, pipes, strict=True):
        process.start()
        pipe[1].close()
    ours = [pipe[0] for pipe in pipes]
    posts = [_Post(pipe) for pipe in ours]
    share = _Share(tree, options, whose, 0, lambda to, word: posts[to - 1].put(to, word))
    share.run()
    solved: dict[int, Solved] = {}
    talking = list(ours)
    while len(solved) + len(share.solved) < len(whose):
        for pipe in wait(talking):
            to, word = pipe.recv()  # type: ignore[union-attr]
            if to is None:
                solved.update(word)
                talking.remove(pipe)  # its process is done, and the pipe closes
            elif to:
                posts[to - 1].put(to, word)
            else:
                share.hear(*word)
        share.run()
    for process in others:
        process.join()
    solved.update(share.solved)
    return [solved[cell] for cell in range(len(whose))]


def _work(tree: Tree, options: Options, whose: list[int], number: int, pipe: Connection) -> None:
    """One of the other processes: what is not for its own cells goes to the first, which passes it on."""
    post = _Post(pipe)
    share = _Share(tree, options, whose, number, post.put)
    share.run()
    while len(share.solved) < whose.count(number):
        share.hear(*pipe.recv()[1])
        share.run()
    post.put(None, share.solved)
    post.close()


@final
class _Post:
    """Sends what is put here without waiting for who reads: two that wait for each other would wait for ever."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._queue = pipe, SimpleQueue[Any]()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def put(self, *said: Any) -> None:
        """Send this when all before is sent."""
        self._queue.put(said)

    def close(self) -> None:
        """Wait until all is sent."""
        self._queue.put(None)
        self._thread.join()

    def _send(self) -> None:
        while (said := self._queue.get()) is not None:
            self._pipe.send(said)


@final
class _Share:
    """The cells of one process; `post` takes the number of a process and what one of its cells is to hear."""

    def __init__(
        self, tree: Tree, options: Options, whose: list[int], number: int, post: Callable[[int, Word], None]
    ) -> None:
        self._whose, self._number, self._post = whose, number, post
        self._parents, mine = tree.parents, [cell for cell, share in enumerate(whose) if share == number]
        self._kids = {cell: tree.children(cell) for cell in mine}
        upstream = Upstream(tree.price, tree.v_pu)
        self._programs = {
            cell: solve(CellSolver(tree.blocks[cell], gentle(tree.blocks[cell])), None if cell else upstream, options)
            for cell in mine
        }
        self._asked: dict[int, Body] = {}
        self._gathering: set[int] = set()
        self._ready: deque[Word] = deque((cell, None) for cell in reversed(mine))
        self.solved: dict[int, Solved] = {}

    def hear(self, cell: int, said: Any) -> None:
        """The parent's word, or (child, its word)."""
        if isinstance(said, tuple):
            self._asked[said[0]] = said[1]
            self._gathered(cell)
        else:
            self._ready.append((cell, said))

    def run(self) -> None:
        """Let cells go on as long as one can."""
        while self._ready:
            self._go_on(*self._ready.popleft())

    def _gathered(self, cell: int) -> None:
        kids = self._kids[cell]
        if cell in self._gathering and all(child in self._asked for child in kids):
            self._gathering.remove(cell)
            self._ready.append((cell, [self._asked.pop(child) for child in kids]))

    def _say(self, cell: int, said: Any) -> None:
        if self._whose[cell] == self._number:
            self.hear(cell, said)
        else:
            self._post(self._whose[cell], (cell, said))

    def _go_on(self, cell: int, value: Any) -> None:
        try:
            while True:
                request = self._programs[cell].send(value)
                value = None
                if isinstance(request, Tell):
                    for child, body in zip(self._kids[cell], request.bodies, strict=True):
                        self._say(child, body)
                elif isinstance(request, Ask):
                    self._say(self._parents[cell], (cell, request.body))
                    return
                else:
                    self._gathering.add(cell)
                    self._gathered(cell)
                    return
        except StopIteration as stop:
            self.solved[cell] = stop.value
