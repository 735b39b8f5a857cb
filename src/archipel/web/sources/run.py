"""A finished run as a source: frames, series, agreements, beliefs, reasons and cards from its folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn, final

import numpy as np

from archipel.controller.controller import LEASE_H
from archipel.model import Floats, RunNotFound, Scenario
from archipel.report.run import Run, load_run
from archipel.report.tables import utc
from archipel.web.area_of import area_of
from archipel.web.explain import Moment, Reasons
from archipel.web.nouns import (
    Agreements,
    Area,
    Belief,
    Card,
    Command,
    CommandState,
    Happening,
    RunInfo,
    Score,
    Selection,
    Series,
    Span,
    Why,
)
from archipel.web.score import score_of
from archipel.web.source import CommandRefused, Frame, NotShown
from archipel.web.sources.run_agreements import RunAgreements, numbers
from archipel.web.sources.run_cards import RunCards
from archipel.web.sources.run_values import RunValues
from archipel.web.sources.runs_folder import runs_in

MOST_POINTS = 5_000
"""Of a series."""


def open_run(run: str | Path, runs: str | Path = "runs", scenario: Scenario | None = None) -> RunSource:
    """A run as a source.

    Args:
        run: Its folder, or its name below `runs`; empty for the newest there.
        runs: Folder that holds all runs.
        scenario: The scenario that was run, where the caller still has it.

    Raises:
        RunNotFound: there is no such run, or it cannot be read.
    """
    folder = Path(runs)
    if not str(run):
        listed = runs_in(folder)
        if not listed:
            raise RunNotFound(f"{folder}: found no run there; expected one. Make one with: archipel run district")
        run = listed[0].id
    path = Path(run)
    if not path.is_dir() and (folder / path).is_dir():
        path = folder / path
    return RunSource(load_run(path, scenario), folder if (folder / path.name).is_dir() else path.resolve().parent)


@final
class RunSource:
    """A `Source` that shows one finished run; nothing in it is live and nothing can be commanded."""

    def __init__(self, run: Run, runs: Path) -> None:
        self.run, self._runs = run, runs
        self.scenario = run.scenario
        self._values = RunValues(run, self.scenario)
        self._agreed = RunAgreements(self._values)
        self._reasons = Reasons(self.scenario)
        self._cards = RunCards(self._values, self._agreed)
        strategies = run.strategies
        if not strategies or not any(run.steps(name) for name in strategies):
            raise RunNotFound(f"run {run.path}: found no step of any strategy. Run the case again.")
        first = max(strategies, key=run.steps)
        dt_s = run.dt_h(first) * 3600.0
        self._span = Span(
            start=self._values.at(first, 0),
            end=self._values.at(first, run.steps(first) - 1),
            step_s=dt_s,
            live=False,
            factor=1.0,
        )
        self._area = area_of(self.scenario, "run", self._span, strategies)

    def area(self) -> Area:
        """Everything that does not change."""
        return self._area

    def span(self) -> Span:
        """From the first step to the last."""
        return self._span

    def latest(self) -> Frame | None:
        """None: nothing is live."""
        return None

    def frame(self, strategy: str, time: datetime) -> Frame:
        """The step that holds a time. Raises `NotShown` outside the run."""
        name = self._strategy(strategy)
        step = self._values.step_at(name, time)
        at = self._values.at(name, step)
        return Frame(step, at, at, self._values.frame(name, step))

    def series(
        self, strategy: str, table: str, element: str, columns: Sequence[str], start: datetime, end: datetime
    ) -> Series:
        """Columns of one element; at most 5,000 points, means where there would be more. Raises `NotShown`."""
        name = self._strategy(strategy)
        values = self._values
        row = values.row(table, element)
        dt = timedelta(hours=self.run.dt_h(name))
        first = max(0, int(np.ceil((start - values.at(name, 0)) / dt - 1e-9)))
        last = min(values.steps(name), int(np.floor((end - values.at(name, 0)) / dt + 1e-9)) + 1)
        count = max(0, last - first)
        stride = max(1, -(-count // MOST_POINTS))
        at = np.arange(first, first + count, stride)
        return Series(
            table=table,
            element=element,
            time=[values.at(name, int(s)) for s in at],
            columns={
                column: numbers(_means(values.series(name, table, column, row)[first : first + count], stride))
                for column in columns
            },
        )

    def agreements(self, strategy: str, time: datetime | None) -> Agreements:
        """Who agreed what."""
        name = self._strategy(strategy)
        return self._agreed.at(name, self._time(time))

    def belief(self, strategy: str, cell: str, time: datetime | None) -> Belief:
        """What a cell believed then, beside what was true. Raises `NotShown`."""
        return self._agreed.belief(self._strategy(strategy), cell, self._time(time))

    def why(self, strategy: str, subject: str, element: str, time: datetime | None) -> Why:
        """Why a setpoint or a price is what it is. Raises `NotShown`: nothing is refused in a finished run."""
        name, at = self._strategy(strategy), self._time(time)
        if subject == "setpoint":
            return self._reasons.setpoint(self._moment(name, element, at), element)
        if subject == "price":
            return self._reasons.price(self._moment(name, element, at), element)
        raise NotShown(f"why {subject} {element}: a finished run takes no commands, so it refused none")

    def _moment(self, strategy: str, element: str, time: datetime) -> Moment:
        values, step = self._values, self._values.step_at(strategy, time)
        found = self._agreed.entry(strategy, time)
        ties = self._agreed.at(strategy, time).ties
        made = None if found is None else utc(found[1]["time"])
        node = self._reasons.node_of(element)
        return Moment(
            time=values.at(strategy, step),
            values=values.frame(strategy, step),
            ties={tie.tie: tie for tie in ties},
            made=made,
            until=None if made is None else made + timedelta(hours=LEASE_H),
            node_price_eur_per_kwh=None if node is None else values.node_price(strategy, node, step),
            expected_eur_per_kwh=None if node is None else self._agreed.expected_price(strategy, node, time),
        )

    def cards(self, strategy: str, time: datetime | None) -> list[Card]:
        """Cards open at a time or begun in the 24 h before, newest first."""
        return self._cards.at(self._strategy(strategy), self._time(time))

    def score(self) -> Score | None:
        """The strategies side by side."""
        return score_of(self.run.kpis, title=self.scenario.title)

    def runs(self) -> list[RunInfo]:
        """All runs of the folder, newest first."""
        return runs_in(self._runs, shown=self.run.path)

    def happened(self, after: int) -> list[Happening]:
        """Nothing happens in what has happened."""
        del after
        return []

    def select(self, command: Command, who: str) -> Selection:
        """Refused."""
        _refuse(command)

    def carry_out(self, command: Command, who: str) -> CommandState:
        """Refused."""
        _refuse(command)

    def commands(self) -> list[CommandState]:
        """None."""
        return []

    def close(self) -> None:
        """Nothing was started."""

    def _time(self, time: datetime | None) -> datetime:
        """A time that was asked for; of a finished run now is its end."""
        return self._span.end if time is None else time

    def _strategy(self, name: str) -> str:
        if not name:
            return self.run.strategies[0]
        if name not in self.run.strategies:
            raise NotShown(f"strategy {name}: found none; expected one of {', '.join(self.run.strategies)}")
        return name


def _means(values: Floats, stride: int) -> Floats:
    if stride == 1 or not len(values):
        return values
    first = np.arange(0, len(values), stride)
    good = np.isfinite(values)
    count = np.add.reduceat(good.astype(np.int64), first)
    total = np.add.reduceat(np.where(good, values, 0.0), first)
    return np.asarray(np.divide(total, count, out=np.full(len(first), np.nan), where=count > 0))


def _refuse(command: Command) -> NoReturn:
    raise CommandRefused(
        f"{command.act} {command.element}: this is a finished run, nothing in it can be changed. "
        "Commands need a running system: archipel demo, or archipel serve --live."
    )
