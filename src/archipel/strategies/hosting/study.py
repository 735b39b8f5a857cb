"""All searches of a question, some evaluations at a time, none twice.

Seeds are searched beside each other; within a seed one strategy after the other, each beginning where the weaker ended.
What was evaluated is kept as plain data, so that a study that was stopped goes on where it was.
"""

from __future__ import annotations

import multiprocessing
import queue
import signal
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from archipel.model import Floats, Scenario
from archipel.strategies.hosting.customers import Newcomers, draw
from archipel.strategies.hosting.judge import Given, Verdict, judge
from archipel.strategies.hosting.question import STRATEGIES, Question
from archipel.strategies.hosting.search import Found, Search, search

Kept = MutableMapping[str, dict[str, Any]]
"""Evaluations by `key`."""
Told = Callable[[int, str, int, bool, int], None]
"""Called after every evaluation: (seed, strategy, devices, fine?, searches finished)."""


def key(seed: int, strategy: str, k: int) -> str:
    """Name of an evaluation; without new devices all seeds are one."""
    return f"{strategy}/{'any' if k == 0 else seed}/{k}"


@final
@dataclass(slots=True)
class _Chain:
    """The searches of one seed."""

    seed: int
    order: Newcomers
    left: list[str]
    strategy: str = ""
    going: Search | None = None
    asked: int = 0
    best: int = 0
    found: dict[str, Found] = field(default_factory=dict)


@final
class Study:
    """The searches of one question on one prepared scenario.

    Args:
        scenario: Prepared (`joined.prepared`).
        question: What is asked.
        kept: Evaluations done before; new ones are added.
    """

    def __init__(self, scenario: Scenario, question: Question, kept: Kept | None = None) -> None:
        self.scenario, self.question = scenario, question
        self.kept: Kept = {} if kept is None else kept
        self.orders = {
            seed: draw(scenario, question.device, seed, question.per_customer, question.cell, question.together)
            for seed in question.seeds
        }
        self.evaluated = 0
        """Evaluations made, not taken from before."""

    @property
    def step(self) -> int:
        """Places between the last that was fine and the first that was not, at most."""
        return max(1, len(next(iter(self.orders.values()))) // self.question.steps)

    def run(self, jobs: int = 1, told: Told | None = None, save: Callable[[], None] | None = None) -> None:
        """Search until all is found, with `jobs` processes. `save` is called after every evaluation."""
        chains = [_Chain(seed, order, self._names()) for seed, order in self.orders.items()]
        with _Hands(self.scenario, self.question, jobs) as hands:
            waiting = [chain for chain in chains if self._advance(chain, None)]
            running: dict[str, list[_Chain]] = {}
            while waiting or running:
                while waiting and (len(running) < jobs or key_of(waiting[0]) in running):
                    chain = waiting.pop(0)
                    name = key_of(chain)
                    if name not in running:
                        base = self._base(chain.strategy) if chain.asked else None
                        hands.start(name, chain.strategy, chain.order.first(chain.asked), base)
                    running.setdefault(name, []).append(chain)
                name, verdict = hands.finish()
                self.evaluated += 1
                done = running.pop(name)
                self._keep(name, done[0], verdict)
                for chain in done:
                    if told is not None:
                        finished = sum(len(one.found) for one in chains)
                        told(chain.seed, chain.strategy, chain.asked, verdict.fine, finished)
                    if self._advance(chain, verdict.fine):
                        waiting.append(chain)
                if save is not None:
                    save()
        self.found = {(chain.seed, name): found for chain in chains for name, found in chain.found.items()}

    def answers(self) -> Iterator[dict[str, Any]]:
        """One row per seed and strategy, as JSON has it; after `run`."""
        for (seed, strategy), found in self.found.items():
            order = self.orders[seed]
            fine = max(found.fine, 0)
            below = self.kept[key(seed, strategy, fine)]
            above = None if found.broken is None else self.kept[key(seed, strategy, found.broken)]
            took = order.first(fine)
            yield {
                "strategy": strategy,
                "seed": seed,
                "p_kw": float(took.p_kw.sum()),
                "devices": int(took.customers.sum()),
                "places": fine,
                "at_least": found.broken is None,
                "by_cell_kw": self._by_cell(took),
                "above_kw": None if above is None else float(order.first(found.broken or 0).p_kw.sum()),
                "above_devices": None if above is None else int(order.first(found.broken or 0).customers.sum()),
                "first_limit": None if above is None else above["broken"][0],
                "below_value": None if above is None or found.fine < 0 else self._beside(below, above["broken"][0]),
                "curtailed_kwh": below["curtailed_kwh"],
                "wanted_kwh": below["wanted_kwh"],
                "off_pu": max(below["off_pu"], 0.0 if above is None else above["off_pu"]),
            }

    def _names(self) -> list[str]:
        return [name for name in STRATEGIES if name in self.question.strategies]

    def _advance(self, chain: _Chain, fine: bool | None) -> bool:
        """Go on with a chain as far as evaluations are known; true when it needs one."""
        while True:
            try:
                if chain.going is None:
                    if not chain.left:
                        return False
                    chain.strategy = chain.left.pop(0)
                    chain.going = search(len(chain.order), self.step, chain.best)
                    chain.asked = next(chain.going)
                else:
                    assert fine is not None
                    chain.asked = chain.going.send(fine)
            except StopIteration as end:
                found: Found = end.value
                chain.found[chain.strategy], chain.going = found, None
                chain.best = max(chain.best, found.fine)
                continue
            known = self.kept.get(key_of(chain))
            if known is None:
                return True
            fine = not known["broken"]

    def _base(self, strategy: str) -> Given:
        known = self.kept[key(0, strategy, 0)]
        return Given(known["curtailed_kwh"], known["missing_kwh"], known["comfort_k_h"])

    def _keep(self, name: str, chain: _Chain, verdict: Verdict) -> None:
        """Write a verdict down; extremes of elements only of the highest that was fine of its search."""
        one = verdict.plain()
        if verdict.fine:
            for k in range(chain.asked):
                self.kept.get(key(chain.seed, chain.strategy, k), {}).pop("extremes", None) if k else None
            one["extremes"] = {
                "v_pu_max": _short(verdict.v_pu_max),
                "v_pu_min": _short(verdict.v_pu_min),
                "loading": _short(verdict.loading),
                "import_kw": verdict.upstream_kw[0],
                "export_kw": verdict.upstream_kw[1],
            }
        self.kept[name] = one

    def _beside(self, below: Mapping[str, Any], broken: Mapping[str, Any]) -> float | None:
        """What the quantity that is broken above was below: its extreme over the days."""
        what, grid = broken["what"], self.scenario.grid
        extremes = below.get("extremes")
        if what in below["service"]:
            return float(below["service"][what])
        if extremes is None or what == "answer":
            return None
        if what in {"import", "export"}:
            return float(extremes[f"{what}_kw"])
        if what in {"line", "transformer"}:
            row = grid.branch_id.index(broken["where"])
            return float(extremes["loading"][row]) * float(broken["limit"])
        row = grid.nodes.id.index(broken["where"])
        return float(extremes["v_pu_max" if what == "voltage high" else "v_pu_min"][row])

    def _by_cell(self, took: Newcomers) -> dict[str, float]:
        cells = self.scenario.archipelago
        kw = np.bincount(cells.node_cell[took.node], took.p_kw, len(cells.cell))
        return {cell.id: float(p) for cell, p in zip(cells.cell, kw, strict=True) if p > 0.0}


def key_of(chain: _Chain) -> str:
    """Name of the evaluation a chain waits for."""
    return key(chain.seed, chain.strategy, chain.asked)


def _short(values: Floats) -> list[float | None]:
    return [None if np.isnan(v) else round(float(v), 6) for v in values]


@final
class _Hands:
    """Evaluates here (one job) or in processes; they end with the block, also when it is left early."""

    def __init__(self, scenario: Scenario, question: Question, jobs: int) -> None:
        self._case = (scenario, question)
        self._jobs = jobs
        self._done: queue.Queue[tuple[str, Verdict | BaseException]] = queue.Queue()
        self._pool: Any = None
        self._here: list[tuple[str, str, Newcomers, Given | None]] = []

    def __enter__(self) -> _Hands:
        if self._jobs > 1:
            self._pool = multiprocessing.get_context("spawn").Pool(self._jobs, _begin, self._case)
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()

    def start(self, name: str, strategy: str, new: Newcomers, base: Given | None) -> None:
        if self._pool is None:
            self._here.append((name, strategy, new, base))
            return

        def done(verdict: Verdict) -> None:
            self._done.put((name, verdict))

        def failed(error: BaseException) -> None:
            self._done.put((name, error))

        self._pool.apply_async(_evaluate, (strategy, new, base), callback=done, error_callback=failed)

    def finish(self) -> tuple[str, Verdict]:
        """Wait for one evaluation."""
        if self._pool is None:
            name, strategy, new, base = self._here.pop(0)
            return name, judge(*self._case, strategy, new, base)
        while True:
            try:
                name, verdict = self._done.get(timeout=0.5)  # so that Ctrl-C is heard
            except queue.Empty:
                continue
            if isinstance(verdict, BaseException):
                raise verdict
            return name, verdict


_CASE: list[Any] = []


def _begin(scenario: Scenario, question: Question) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us hears it and ends us
    _CASE[:] = [scenario, question]


def _evaluate(strategy: str, new: Newcomers, base: Given | None) -> Verdict:
    verdict = judge(_CASE[0], _CASE[1], strategy, new, base)
    none = np.zeros((0, 0))
    return verdict.without(none)
