"""Agreements and beliefs of a run, as the API says them."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta
from typing import Any, Literal, cast, final

import numpy as np

from archipel.controller.controller import LEASE_H
from archipel.model import Floats
from archipel.report.tables import utc
from archipel.web.area_of import COLUMNS
from archipel.web.nouns import Agreements, Belief, Curve, NeighbourView, PlanRecord, PriceParts, TieAgreement
from archipel.web.sources.run_plans import PlanOfCell, RunPlans
from archipel.web.sources.run_values import RunValues

LEVELS = ("cooperating", "following", "fallback", "alone", "rules", "does not answer")
NOTHING_AGREED = {
    "uncoordinated": "nobody agrees on anything: every device follows its own rule",
    "alone": "cells keep to a fixed limit at their boundary and agree on nothing",
}
UNITS = {**COLUMNS["cells"], "v_pu": "pu"}
NOT_KEPT = "This run was made by a version that did not keep what cells believed. Run the case again."
AHEAD_H = 24


@final
class RunAgreements:
    """Who agreed what, and what each cell believed, at any time of a run."""

    def __init__(self, values: RunValues) -> None:
        self._values, self._run = values, values.run
        self.plans = RunPlans(values.run)
        self._made: dict[str, list[datetime]] = {}
        self._entries: dict[str, list[dict[str, Any]]] = {}

    # ---------------------------------------------------------------- agreements

    def entry(self, strategy: str, time: datetime) -> tuple[int, dict[str, Any]] | None:
        """(number from 1, row of the table `agreements`) of the newest plan made at or before a time."""
        if strategy not in self._entries:
            self._entries[strategy] = self._run.frame("agreements", strategy=strategy).to_pylist()
            self._made[strategy] = [utc(row["time"]) for row in self._entries[strategy]]
        number = bisect_right(self._made[strategy], time)
        return (number, self._entries[strategy][number - 1]) if number else None

    def at(self, strategy: str, time: datetime) -> Agreements:
        """Who agreed what, in the step that holds a time."""
        values = self._values
        step = values.step_at(strategy, time)
        found = self.entry(strategy, time)
        return Agreements(
            time=values.at(strategy, step),
            plan=None if found is None else plan_record(found[1]),
            ties=[self.tie(strategy, row, step, found) for row in range(len(values.scenario.archipelago.tie))],
        )

    def tie(self, strategy: str, row: int, step: int, found: tuple[int, dict[str, Any]] | None) -> TieAgreement:
        """What holds on one tie in a step; `found` is the plan in force."""
        tie, values = self._values.scenario.archipelago.tie[row], self._values
        agreed = number(values.value(strategy, "ties", "agreed_kw", row, step))
        made = None if found is None or agreed is None else utc(found[1]["time"])
        return TieAgreement(
            tie=tie.id,
            upper=tie.upper,
            lower=tie.lower,
            agreed_kw=agreed,
            default_kw=tie.default_p_kw,
            p_kw=number(values.value(strategy, "ties", "p_kw", row, step)),
            price_eur_per_kwh=number(values.value(strategy, "ties", "price_eur_per_kwh", row, step)),
            parts=PriceParts(**{part: number(v) for part, v in values.price_parts(strategy, row, step).items()}),
            since=made,
            until=None if made is None else made + timedelta(hours=LEASE_H),
            plan="" if found is None or agreed is None else str(found[0]),
            why="" if agreed is not None else self._why_nothing(strategy, tie.closed, found),
        )

    def _why_nothing(self, strategy: str, closed: bool, found: tuple[int, dict[str, Any]] | None) -> str:
        if not closed:
            return "the switch is open: nothing flows"
        if strategy in NOTHING_AGREED:
            return NOTHING_AGREED[strategy]
        if found is None:
            return "no plan was made yet"
        silent = found[1]["silent"] or []
        return f"{', '.join(silent)} did not answer" if silent else "the last plan came to nothing"

    # ---------------------------------------------------------------- beliefs

    def belief(self, strategy: str, cell: str, time: datetime) -> Belief:
        """What a cell believed at a time, beside what was true. Raises `NotShown`."""
        row = self._values.row("cells", cell)
        self._values.step_at(strategy, time)
        # a run made before beliefs were kept has none: what is true can still be told
        plan = self.plans.plan(strategy, cell, time) if self.plans.kept else None
        if plan is None:
            return self._only_true(strategy, cell, row, time)
        curves = [
            Curve(
                name=name,
                unit=UNITS[name],
                believed=numbers(believed),
                true=numbers(self._true(strategy, name, row, plan.start, plan.hours)),
            )
            for name, believed in self._with_soc(plan, row).items()
            if np.isfinite(believed).any()
        ]
        views = self.plans.views(strategy, cell, time)
        level = LEVELS[self._values.level(strategy)]
        if any(view.state != "agreed" for view in views):
            level = "following" if all(view.state != "agreed" for view in views) else "fallback"
        return Belief(
            cell=cell,
            time=time,
            made=plan.made,
            start=plan.start,
            hours=plan.hours.tolist(),
            curves=curves,
            neighbours=[
                NeighbourView(
                    neighbour=view.neighbour,
                    tie=view.tie,
                    state=cast('Literal["agreed", "stale", "silent", "unknown"]', view.state),
                    why=view.why,
                    p_kw=numbers(view.p_kw),
                    price_eur_per_kwh=numbers(view.price_eur_per_kwh),
                )
                for view in views
            ],
            level=level,
        )

    def expected_price(self, strategy: str, node: int, time: datetime) -> float | None:
        """Mean price over its horizon that the cell of a node expected in the plan in force [EUR/kWh]."""
        archipelago = self._values.scenario.archipelago
        cell = archipelago.cell[int(archipelago.node_cell[node])].id
        plan = self.plans.plan(strategy, cell, time) if self.plans.kept else None
        if plan is None or not np.isfinite(plan.columns["price_eur_per_kwh"]).all():
            return None
        return float(np.average(plan.columns["price_eur_per_kwh"], weights=plan.hours))

    def _only_true(self, strategy: str, cell: str, row: int, time: datetime) -> Belief:
        """Without a plan: what came, hour by hour, beside nothing believed."""
        begin = time.replace(minute=0, second=0, microsecond=0)
        start = [begin + timedelta(hours=h) for h in range(AHEAD_H)]
        hours = np.ones(AHEAD_H)
        names = [*list(COLUMNS["cells"])[:8], "p_kw", "stored_kwh", "price_eur_per_kwh", "v_pu"]
        curves = [
            Curve(name=name, unit=UNITS[name], believed=[None] * AHEAD_H, true=numbers(true))
            for name in dict.fromkeys(names)
            if np.isfinite(true := self._true(strategy, name, row, start, hours)).any()
        ]
        return Belief(
            cell=cell,
            time=time,
            made=None,
            start=start,
            hours=hours.tolist(),
            curves=curves,
            neighbours=[],
            level=LEVELS[self._values.level(strategy)],
            note="" if self.plans.kept else NOT_KEPT,
        )

    def _with_soc(self, plan: PlanOfCell, row: int) -> dict[str, Floats]:
        room = self._values.room_kwh(row)
        stored = plan.columns["stored_kwh"]
        return {**plan.columns, "soc": stored / room if room > 0 else np.full(len(stored), np.nan)}

    def _true(self, strategy: str, name: str, cell: int, start: list[datetime], hours: Floats) -> Floats:
        """Means of every interval, as far as the run goes; NaN beyond."""
        values = self._values
        series = (
            values.boundary_v_pu(strategy, cell) if name == "v_pu" else values.series(strategy, "cells", name, cell)
        )
        first, dt = values.at(strategy, 0), timedelta(hours=self._run.dt_h(strategy))
        out = np.full(len(start), np.nan)
        for i, (begin, length) in enumerate(zip(start, hours, strict=True)):
            a = round((begin - first) / dt)
            some = series[max(a, 0) : max(a + max(1, round(timedelta(hours=length) / dt)), 0)]
            if len(some) and np.isfinite(some).any():
                out[i] = np.nanmean(some)
        return out


def plan_record(entry: dict[str, Any]) -> PlanRecord:
    """A row of the table `agreements`."""

    def known(name: str) -> float | None:
        return number(entry[name])

    return PlanRecord(
        time=utc(entry["time"]),
        rounds=entry["rounds"],
        messages=entry["messages"],
        bytes=entry["bytes"],
        gap=known("gap"),
        accepted=entry["accepted"],
        cost_eur=known("cost_eur"),
        silent=list(entry["silent"] or []),
        given=list(entry["given"] or []),
    )


def number(value: float | None) -> float | None:
    """As JSON knows it."""
    return float(value) if value is not None and np.isfinite(value) else None


def numbers(values: Floats) -> list[float | None]:
    """As JSON knows them; what is not known becomes null."""
    return [number(v) for v in values.tolist()]
