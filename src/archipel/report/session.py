"""Run strategies on a scenario and keep the results: what `archipel run` and `archipel.run` do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from archipel.coordination.methods import METHODS, MethodName
from archipel.model import ArchipelError, Scenario, StrategyResult
from archipel.report.folder import RunWriter
from archipel.report.run import Run, load_run
from archipel.strategies.alone import Alone
from archipel.strategies.central import Central
from archipel.strategies.distributed import Distributed
from archipel.strategies.pooled import Pooled
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import Truth
from archipel.twin import run as run_twin
from archipel.twin.three_phase import NAME as THREE_PHASE
from archipel.twin.three_phase import ThreePhaseFlow

MOST_DAYS = 366
"""All of a run is held in memory."""
STRATEGIES = ("uncoordinated", "alone", "distributed", "central", "pooled")
"""`pooled` needs a scenario with owners and a portfolio."""
PhysicsName = Literal["positive-sequence", "three-phase"]
PHYSICS: tuple[PhysicsName, ...] = ("positive-sequence", "three-phase")
"""Positive sequence is the default: what strategies plan with, and the same whatever extras are installed."""
Progress = Callable[[str, int, int], None]
"""Called with (strategy, steps done, steps in all)."""


def run(
    scenario: Scenario,
    strategies: Sequence[str] | None = None,
    *,
    start: datetime | str | None = None,
    days: int | None = None,
    seed: int | None = None,
    forecast: Literal["perfect", "naive"] = "perfect",
    runs: Path | str = "runs",
    dt_minutes: int = 15,
    workers: int | None = None,
    method: MethodName = "auto",
    truth: Truth | None = None,
    progress: Progress | None = None,
    source: str | None = None,
    physics: PhysicsName = "positive-sequence",
) -> Run:
    """Run strategies on the same case and write `runs/<id>/`.

    Args:
        scenario: the case, from `archipel.scenario`.
        strategies: which, of `STRATEGIES`; all that the scenario allows by default.
        start: first day (a date is 00:00 UTC); the scenario's by default.
        days: how many; the scenario's by default.
        seed: of what `truth` draws and of the run's name; the scenario's by default.
        forecast: "perfect", or "naive" (quantiles of recent days of the same kind, nothing of the future).
        runs: folder of the results.
        dt_minutes: step of physics, 15 or a divisor of it.
        workers: processes that share the cells of `distributed`; by default as many as there are cores, at most 4.
        method: how cells agree under `distributed`, of `METHODS`.
        truth: how what happens differs from what controllers believe.
        progress: called after every step.
        source: how to find the scenario again, see `RunWriter`.
        physics: "positive-sequence", or "three-phase": the circuit the scenario keeps, in the OpenDSS engine.

    Returns:
        The finished run; after Ctrl-C what was done until then.

    Raises:
        ArchipelError: for an unknown strategy, method or physics, a start that is no time, or a scenario that keeps
            no three-phase circuit.
        ExtraMissing: the engine of three-phase physics is not installed.
    """
    if strategies is None:
        strategies = STRATEGIES if scenario.ownership.portfolio else STRATEGIES[:-1]
    strategies = (strategies,) if isinstance(strategies, str) else tuple(strategies)
    if not strategies:
        raise ArchipelError(f"strategies: found none; expected some of {', '.join(STRATEGIES)}")
    if "pooled" in strategies and not scenario.ownership.portfolio:
        raise ArchipelError(
            f"strategy pooled: found no portfolio in scenario {scenario.name}; expected [owners] with at least one. "
            "Name a file of owners and contracts in it, or run another strategy."
        )
    if unknown := [name for name in strategies if name not in STRATEGIES]:
        raise ArchipelError(f"strategy {', '.join(unknown)} is unknown; expected {', '.join(STRATEGIES)}")
    if method not in METHODS:
        raise ArchipelError(f"method {method} is unknown; expected {', '.join(METHODS)}")
    if physics not in PHYSICS:
        raise ArchipelError(f"physics {physics} is unknown; expected {' or '.join(PHYSICS)}")
    begin = scenario.start if start is None else moment(start)
    scenario.check_time(begin)
    length = scenario.days if days is None else days
    if not 1 <= length <= MOST_DAYS:
        raise ArchipelError(f"days: found {length}; expected 1 to {MOST_DAYS}. Run a longer time in parts.")
    number = scenario.seed if seed is None else seed
    gaps = "alone" in strategies and "central" in strategies
    writer = RunWriter(
        Path(runs),
        scenario,
        start=begin,
        days=length,
        forecast=forecast,
        seed=number,
        method=method,
        physics=physics,
        source=source,
    )
    with writer, ThreePhaseFlow(scenario) if physics == THREE_PHASE else nullcontext() as network:
        for name in strategies:
            if network is not None and writer.strategies:
                network.restart()
            result = _one(
                scenario,
                name,
                {"forecast": forecast, "workers": workers, "gaps": gaps, "method": METHODS[method]},
                {
                    "start": begin,
                    "days": length,
                    "seed": number,
                    "dt_minutes": dt_minutes,
                    "truth": truth,
                    "physics": network,
                },
                progress,
            )
            writer.add(result)
            if not result.complete:
                break
    return load_run(writer.path, scenario)


def _one(
    scenario: Scenario, name: str, how: dict[str, Any], what: dict[str, Any], progress: Progress | None
) -> StrategyResult:
    def show(done: int, total: int) -> None:
        if progress is not None:
            progress(name, done, total)

    if name == "distributed":
        strategy = Distributed(scenario, **how)
        try:
            result = run_twin(scenario, strategy, progress=show, **what)
        finally:
            strategy.close()
        # solving the same problem centrally and alone, to measure the gap, is no part of agreeing
        result.wall_s -= strategy.measuring_s
        result.cpu_s += strategy.workers_cpu_s - strategy.measuring_s
        return result
    if name == "pooled":
        pool = Pooled(
            scenario, forecast=how["forecast"], seed=what["seed"], workers=how["workers"], method=how["method"]
        )
        try:
            result = run_twin(scenario, pool, progress=show, **what)
        finally:
            pool.close()
        result.cpu_s += pool.workers_cpu_s
        result.deliveries = pool.deliveries(result)
        return result
    if name == "uncoordinated":
        return run_twin(scenario, Uncoordinated(scenario), progress=show, **what)
    planner = Alone if name == "alone" else Central
    return run_twin(scenario, planner(scenario, forecast=how["forecast"]), progress=show, **what)


def moment(text: datetime | str) -> datetime:
    """A time from text: a date is 00:00 UTC of that day; a time without zone is refused."""
    if isinstance(text, datetime):
        return text
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArchipelError(f"start {text!r} is no time; expected a date such as 2016-05-26") from error
    if len(text) <= len("2016-05-26"):
        return time.replace(tzinfo=UTC)
    if time.tzinfo is None:
        raise ArchipelError(f"start {text!r} has no time zone; expected one, such as {text}Z")
    return time
