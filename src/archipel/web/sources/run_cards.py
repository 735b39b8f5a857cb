"""Cards of a finished run: the same rules, fed with what was abnormal at every step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.devices import PvFleet
from archipel.model import Floats
from archipel.web.card_signals import UNSERVED_KW, CardFacts, Signals
from archipel.web.cards import CardRules
from archipel.web.nouns import Card
from archipel.web.sources.run_agreements import RunAgreements, plan_record
from archipel.web.sources.run_values import RunValues

SHOWN = timedelta(hours=24)
BEFORE = timedelta(hours=24)
"""How long before what is shown a look back begins, so that what began earlier is known."""
GIVES = 0.02
"""Share of its rating others with the same sun must give for an inverter that gives nothing to have tripped."""


@final
class RunCards:
    """Cards at any time of a run. What was found for a day is kept."""

    def __init__(self, values: RunValues, agreements: RunAgreements) -> None:
        self._values, self._agreements = values, agreements
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], Signals] = {}
        self._rules: dict[str, CardRules] = {}
        self._suns = _suns(values)

    def at(self, strategy: str, time: datetime) -> list[Card]:
        """Open at a time or begun in the 24 h before, newest first; what came later is not known yet."""
        values = self._values
        last = values.step_at(strategy, time)
        begin = max(values.at(strategy, 0), values.at(strategy, last) - SHOWN - BEFORE)
        begin = begin.replace(hour=0, minute=0, second=0, microsecond=0)
        first = max(0, round((begin - values.at(strategy, 0)) / timedelta(hours=values.run.dt_h(strategy))))
        with self._lock:
            if strategy not in self._rules:
                level = values.level(strategy)
                self._rules[strategy] = CardRules(values.scenario, strategy, normal_level=level, settle_s=0.0)
            rules = self._rules[strategy].afresh()
            for step, signals in self._signals(strategy, rules, first, last + 1):
                rules.step(values.at(strategy, step), signals)
        return [card for card in rules.cards() if card.ended is None or time - card.begun <= SHOWN]

    def _signals(self, strategy: str, rules: CardRules, first: int, stop: int) -> Iterator[tuple[int, Signals]]:
        missing = [s for s in range(first, stop) if (strategy, s) not in self._known]
        if missing:
            self._find(strategy, rules, missing)
        for s in range(first, stop):
            yield s, self._known[strategy, s]

    def _find(self, strategy: str, rules: CardRules, steps: list[int]) -> None:
        """What is abnormal in some steps: columns are looked through once, not frame by frame."""
        values, find = self._values, rules.signals
        v_pu, loading = (values.columns.get(strategy, *name) for name in (("nodes", "v_pu"), ("branches", "loading")))
        upstream, unserved, critical = (
            values.whole(strategy, "area", name)[:, 0]
            for name in ("upstream_p_kw", "unserved_kwh", "critical_unserved_kwh")
        )
        available, renewable = (values.whole(strategy, "cells", name) for name in ("available_kw", "renewable_kw"))
        dt_h = values.run.dt_h(strategy)
        for s in steps:
            quarter = values.quarter(strategy, s)
            lost_kw = float(unserved[s]) / dt_h
            found = self._agreements.entry(strategy, values.at(strategy, s))
            facts = CardFacts(
                plan=None if found is None else plan_record(found[1]),
                critical_unserved_kw=float(np.nan_to_num(critical[s])) / dt_h,
            )
            self._known[strategy, s] = Signals(
                voltage=find.voltage(np.asarray(v_pu[s], dtype=np.float64)),
                loading=find.loading(np.asarray(loading[s], dtype=np.float64)),
                connection=find.connection(float(upstream[s])),
                unserved_kw=lost_kw if lost_kw > UNSERVED_KW else 0.0,
                tripped=find.trips(self._tripped(strategy, s)),
                curtailed=find.curtailed(
                    np.asarray(available[quarter], dtype=np.float64), np.asarray(renewable[quarter], dtype=np.float64)
                ),
                facts=facts,
            )

    def _tripped(self, strategy: str, s: int) -> NDArray[np.bool_] | None:
        """Older inverters that give nothing while others with the same sun do, and none told them to."""
        if self._suns is None:
            return None
        rows, peak_kw, sun, older = self._suns
        p_kw = self._values.columns.get(strategy, "devices", "p_kw")[s, rows]
        share = np.divide(-p_kw, peak_kw, out=np.zeros(len(rows)), where=peak_kw > 0)
        shines = np.zeros(int(sun.max(initial=0)) + 1)
        np.maximum.at(shines, sun, share)
        told = np.zeros(len(rows), dtype=bool)
        if self._values.columns.has("devices", "p_kw_set"):
            leased = self._values.columns.get(strategy, "devices", "p_kw_set")[s, rows]
            told = leased > -GIVES * peak_kw
        off = older & (share <= 0.0) & (shines[sun] > GIVES) & ~told
        out = np.zeros(len(self._values.scenario.device_id), dtype=bool)
        out[rows[off]] = True
        return out


def _suns(values: RunValues) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64], NDArray[np.bool_]] | None:
    """(device rows, peak power, profile, whether it trips at 1.10 pu) of all photovoltaics."""
    at = 0
    for fleet in values.scenario.fleets:
        if isinstance(fleet, PvFleet) and values.scenario.overvoltage_trip:
            sun = np.unique(fleet.profile, return_inverse=True)[1]
            return np.arange(at, at + len(fleet.id)), fleet.p_kw_peak, sun.astype(np.int64), ~fleet.volt_var
        at += len(fleet.id)
    return None
