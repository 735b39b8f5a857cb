"""Charging that strategies left for after the end of a run, so that a day is not called better for what it put off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MATTERS = 0.01
"""Share of the energy delivered by which strategies must differ in what is still wanted for it to be said."""
PER_KWH = {"import_kwh": None, "co2_kg": "import_kwh", "losses_kwh": "end_use_kwh"}
"""Figures that putting off charging makes smaller, and the energy they grow with; None: kWh by kWh. The cost is not
among them: it has what is still wanted in it, at the mean price of the run and all fees."""


def still_to_come(strategies: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Energy still wanted at the end of the run [kWh] by strategy, in order; empty where strategies hardly differ."""
    wanted = {name: float(figures.get("ev_open_kwh") or 0.0) for name, figures in strategies.items()}
    delivered = max((float(figures.get("end_use_kwh") or 0.0) for figures in strategies.values()), default=0.0)
    if not wanted or max(wanted.values()) - min(wanted.values()) <= MATTERS * delivered or not delivered:
        return {}
    return wanted


def levelled(key: str, figures: Mapping[str, Any]) -> float:
    """A figure as if what is still wanted had been charged too, at the run's own mean per kWh."""
    value, wanted = float(figures[key]), float(figures.get("ev_open_kwh") or 0.0)
    if key not in PER_KWH or not wanted:
        return value
    by = PER_KWH[key]
    if by is None:
        return value + wanted
    energy = float(figures.get(by) or 0.0)
    return value * (1.0 + wanted / energy) if energy > 0 else value
