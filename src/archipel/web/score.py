"""The score of a run: the figures that matter, strategies side by side, from what kpis.json says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from archipel.web.nouns import Figure, Score

FIGURES: tuple[tuple[str, str, str, Literal["low", "high", ""]], ...] = (
    ("cost_eur", "Cost, with what was not served", "EUR", "low"),
    ("unserved_kwh", "Energy not served", "kWh", "low"),
    ("critical_unserved_kwh", "Critical energy not served", "kWh", "low"),
    ("voltage_violation_node_h", "Voltage beyond limits", "node h", "low"),
    ("branch_overload_h", "Overloaded lines and transformers", "branch h", "low"),
    ("connection_violation_h", "Connection beyond its limit", "h", "low"),
    ("curtailed_kwh", "Renewable energy curtailed", "kWh", "low"),
    ("renewable_share", "Use covered by the area's own renewables", "share", "high"),
    ("co2_kg", "CO2 of what was imported", "kg", "low"),
    ("losses_kwh", "Lost in lines and transformers", "kWh", "low"),
    ("peak_import_kw", "Highest import", "kW", "low"),
    ("peak_export_kw", "Highest export", "kW", "low"),
)
"""Name in kpis.json, what people call it, unit, and whether little or much of it is good."""


def score_of(kpis: Mapping[str, Any], title: str) -> Score:
    """The figures of kpis.json that matter; one that no strategy has is left out."""
    runs: Mapping[str, Mapping[str, Any]] = kpis["strategies"]
    figures = []
    for name, words, unit, best in FIGURES:
        values = {strategy: _number(each.get(name)) for strategy, each in runs.items()}
        if any(value is not None for value in values.values()):
            figures.append(Figure(name=name, title=words, unit=unit, best=best, values=values))
    complete = all(bool(each.get("complete", True)) for each in runs.values())
    return Score(title=title, strategies=list(runs), figures=figures, complete=complete)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
