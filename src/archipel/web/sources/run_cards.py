"""Cards of a finished run: the same rules, fed with what was abnormal at every step."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
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
BLOCK_DAYS = 7
"""Of a long run so many days are looked through at once, and the day before them; what began earlier is shown as begun
with that day."""
GIVES = 0.02
"""Share of its rating others with the same sun must give for an inverter that gives nothing to have tripped."""


@final
@dataclass(slots=True, eq=False)
class _Told:
    """Cards of some days of a strategy, as they were told step by step."""

    rules: CardRules
    next: int
    """Step to look at next."""
    versions: dict[str, list[tuple[int, Card]]] = field(default_factory=dict)
    """By card: from which step on it looked like this."""


@final
class RunCards:
    """Cards at any time of a run. Steps are looked at once, in their order; what was told at each is kept."""

    def __init__(self, values: RunValues, agreements: RunAgreements) -> None:
        self._values, self._agreements = values, agreements
        self._lock = threading.Lock()
        self._rules: dict[str, CardRules] = {}
        self._told: dict[tuple[str, int], _Told] = {}
        self._devices = len(values.scenario.device_id)
        self._suns = _suns(values)

    def at(self, strategy: str, time: datetime) -> list[Card]:
        """Open at a time or begun in the 24 h before, newest first; what came later is not known yet."""
        step = self._values.step_at(strategy, time)
        with self._lock:
            told = self._told_until(strategy, step)
            cards = [_then(versions, step) for versions in told.versions.values()]
        shown = [card for card in cards if card is not None and (card.ended is None or time - card.begun <= SHOWN)]
        return sorted(shown, key=lambda card: card.begun, reverse=True)

    def _told_until(self, strategy: str, step: int) -> _Told:
        values = self._values
        per_day = round(24.0 / values.run.dt_h(strategy))
        block = step // (BLOCK_DAYS * per_day)
        if strategy not in self._rules:
            level = values.level(strategy)
            self._rules[strategy] = CardRules(values.scenario, strategy, normal_level=level, settle_s=0.0)
        if (strategy, block) not in self._told:
            first = max(0, (block * BLOCK_DAYS - 1) * per_day)
            self._told[strategy, block] = _Told(self._rules[strategy].afresh(), first)
        told = self._told[strategy, block]
        for s, signals in self._signals(strategy, told.rules, told.next, step + 1):
            for card in told.rules.step(values.at(strategy, s), signals):
                told.versions.setdefault(card.id, []).append((s, card))
            told.next = s + 1
        return told

    def _signals(self, strategy: str, rules: CardRules, first: int, stop: int) -> Iterator[tuple[int, Signals]]:
        """What is abnormal in every step of a range."""
        if first >= stop:
            return
        values, find = self._values, rules.signals
        v_pu, loading = (values.columns.get(strategy, *name) for name in (("nodes", "v_pu"), ("branches", "loading")))
        upstream, unserved, critical = (
            values.whole(strategy, "area", name)[:, 0]
            for name in ("upstream_p_kw", "unserved_kwh", "critical_unserved_kwh")
        )
        available, renewable = (values.whole(strategy, "cells", name) for name in ("available_kw", "renewable_kw"))
        dt_h = values.run.dt_h(strategy)
        for s in range(first, stop):
            quarter = values.quarter(strategy, s)
            lost_kw = float(unserved[s]) / dt_h
            found = self._agreements.entry(strategy, values.at(strategy, s))
            facts = CardFacts(
                plan=None if found is None else plan_record(found[1]),
                critical_unserved_kw=float(np.nan_to_num(critical[s])) / dt_h,
            )
            yield (
                s,
                Signals(
                    voltage=find.voltage(np.asarray(v_pu[s], dtype=np.float64)),
                    loading=find.loading(np.asarray(loading[s], dtype=np.float64)),
                    connection=find.connection(float(upstream[s])),
                    unserved_kw=lost_kw if lost_kw > UNSERVED_KW else 0.0,
                    tripped=find.trips(self._tripped(strategy, s)),
                    curtailed=find.curtailed(
                        np.asarray(available[quarter], dtype=np.float64),
                        np.asarray(renewable[quarter], dtype=np.float64),
                    ),
                    facts=facts,
                ),
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
        out = np.zeros(self._devices, dtype=bool)
        out[rows[off]] = True
        return out


def _then(versions: list[tuple[int, Card]], step: int) -> Card | None:
    """How a card looked at a step; None before it began."""
    at = bisect_right(versions, step, key=lambda version: version[0])
    return versions[at - 1][1] if at else None


def _suns(values: RunValues) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64], NDArray[np.bool_]] | None:
    """(device rows, peak power, profile, whether it trips at 1.10 pu) of all photovoltaics."""
    at = 0
    for fleet in values.scenario.fleets:
        if isinstance(fleet, PvFleet) and values.scenario.overvoltage_trip:
            sun = np.unique(fleet.profile, return_inverse=True)[1]
            return np.arange(at, at + len(fleet.id)), fleet.p_kw_peak, sun.astype(np.int64), ~fleet.volt_var
        at += len(fleet.id)
    return None
