"""The scripted source, alive: five frames a second, cells that freeze on demand, names that try to do harm."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from scripted_source import START, ScriptedSource

from archipel.web import nouns
from archipel.web.source import Frame

FRAMES_PER_S = 5
MORE = {
    "area": (("losses_kw", "kW"), ("price_eur_per_kwh", "EUR/kWh"), ("unserved_kw", "kW")),
    "cells": tuple(
        (name, unit)
        for names, unit in (
            (("vehicles_kw", "heat_kw", "charging_kw", "discharging_kw", "own_kw"), "kW"),
            (("renewable_kw", "available_kw"), "kW"),
            (("stored_kwh",), "kWh"),
            (("soc", "loading_max", "level", "mode"), "1"),
            (("v_pu_min", "v_pu_max"), "pu"),
        )
        for name in names
    ),
    "ties": (("agreed_kw", "kW"), ("price_eur_per_kwh", "EUR/kWh"), ("loading", "1")),
    "devices": (("soc", "1"),),
}  # fmt: skip
"""Columns that the scripted source leaves out."""
CALM = {
    "f_hz": 50.0, "unserved_kw": 0.0, "losses_kw": 1.0, "armed": 1.0, "closed": 1.0, "v_pu": 1.0, "loading": 0.4,
    "soc": 0.5, "stored_kwh": 20.0, "v_pu_min": 0.99, "v_pu_max": 1.01, "loading_max": 0.4, "level": 0.0, "mode": 0.0,
    "vehicles_kw": 0.0, "heat_kw": 0.0, "charging_kw": 0.0, "discharging_kw": 0.0, "price_eur_per_kwh": 0.25,
    "renewable_kw": 5.0, "available_kw": 5.0, "load_kw": 20.0, "own_kw": 15.0, "agreed_kw": 15.0, "p_kw_set": 2.0,
    "age_s": 0.0,
}  # fmt: skip
"""What is shown where nothing moves."""
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"
FORMULA = '=HYPERLINK("http://evil.example","x")'


class SteeredSource(ScriptedSource):
    """Time passes by itself, a second in a second; commands move on a phase with every `step`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._began = time.monotonic()
        self._frozen: dict[int, float] = {}
        count = {section.table: section.count for section in self._area.sections}
        sections = list(self._area.sections)
        sections += [
            nouns.Section(table=table, column=column, unit=unit, count=count[table])
            for table, columns in MORE.items()
            for column, unit in columns
        ]
        self._area = msgspec.structs.replace(self._area, sections=sections)

    def freeze(self, cell: str) -> None:
        """Let the values of a cell stay as they are and grow old."""
        self._frozen[[each.id for each in self._area.cells].index(cell)] = self._elapsed()

    def thaw(self) -> None:
        """All cells measure again."""
        self._frozen.clear()

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    @property
    def now(self) -> datetime:
        """Grid time."""
        return START + timedelta(seconds=int(self._elapsed()))

    def _frame(self, moment: datetime, seq: int) -> Frame:
        live = moment == self.now
        elapsed = self._elapsed() if live else (moment - START).total_seconds()
        parts = [self._column(section, elapsed) for section in self._area.sections]
        seq = int(elapsed * FRAMES_PER_S) + 1
        return Frame(seq, moment, datetime.now(UTC), np.concatenate(parts).astype(np.float32))

    def _column(self, section: nouns.Section, elapsed: float) -> Any:
        if section.table == "cells" and section.column == "age_s":
            return np.array([elapsed - self._frozen.get(row, elapsed) for row in range(section.count)])
        if section.column in CALM:
            return np.full(section.count, CALM[section.column])
        moments = [self._frozen.get(row, elapsed) for row in range(section.count)]
        return np.array([15.0 + 5.0 * math.sin(row + moment / 5) for row, moment in enumerate(moments)])


class HostileSource(SteeredSource):
    """Every name and text that may come out of somebody's file tries to be code."""

    def __post_init__(self) -> None:
        super().__post_init__()
        old = self._area
        name = {cell.id: f"{EVIL}{row}" for row, cell in enumerate(old.cells)}
        replace = msgspec.structs.replace
        self._area = replace(
            old,
            title=f"{FORMULA} {EVIL}",
            cells=[replace(cell, id=name[cell.id], parent=name.get(cell.parent, "")) for cell in old.cells],
            ties=[replace(tie, id=f"{EVIL}{tie.id}", upper=name[tie.upper], lower=name[tie.lower]) for tie in old.ties],
            nodes=replace(old.nodes, id=[f"{EVIL}{each}" for each in old.nodes.id]),
            devices=replace(old.devices, id=[f"{FORMULA}{EVIL}{each}" for each in old.devices.id]),
        )
        self._cards = [replace(card, title=EVIL, text=f"{FORMULA} {EVIL}", children=[EVIL]) for card in self._cards]
        self._names = name

    def belief(self, strategy: str, cell: str, time: datetime | None) -> nouns.Belief:
        back = {new: old for old, new in self._names.items()}
        told = super().belief(strategy, back.get(cell, cell), time)
        return msgspec.structs.replace(told, cell=cell)

    def agreements(self, strategy: str, time: datetime | None) -> nouns.Agreements:
        told = super().agreements(strategy, time)
        ties = [
            msgspec.structs.replace(each, tie=tie.id, upper=tie.upper, lower=tie.lower, plan=EVIL, why=EVIL)
            for each, tie in zip(told.ties, self._area.ties, strict=False)
        ]
        return msgspec.structs.replace(told, ties=ties)

    def runs(self) -> list[nouns.RunInfo]:
        return [msgspec.structs.replace(run, scenario=EVIL, forecast=EVIL) for run in super().runs()]
