"""The table [island] of a scenario's TOML file: what an area lives by without its main grid."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from archipel.formats.findings import Findings, did_you_mean
from archipel.model import IslandRules, Stage

WHERE = "[island]"
WHOLE = 1e-6
"""What the shares of a load may miss to be one."""


def read_rules(table: Mapping[str, Any], toml: str, findings: Findings) -> IslandRules | None:
    """The rules, stages by rising priority; None and findings for everything that cannot be."""
    before = len(findings)
    stages = [_stage(one, n + 1, toml, findings) for n, one in enumerate(table["stages"] or [])]
    good = tuple(sorted((one for one in stages if one is not None), key=lambda one: one.priority))
    if len(findings) == before and good:
        _together(good, table, toml, findings)
    if table["off_grid"] and (table["reserve_for_h"] or 0.0) > 0.0:
        findings.add(
            toml, WHERE, "reserve_for_h", f"{table['reserve_for_h']:g} h and off_grid = true",
            "one of them, because there is no main grid to lose",
            "Remove reserve_for_h; what is kept for critical load off grid is reserve_kwh.",
        )  # fmt: skip
    if len(findings) > before or any(value is None for value in table.values()):
        return None
    return IslandRules(**{**table, "stages": good})


def _stage(given: Mapping[str, Any], number: int, toml: str, findings: Findings) -> Stage | None:
    """One stage; None and findings where something is missing or wrong."""
    name = f"stages, number {number}"
    bounds: dict[str, tuple[str, float, float]] = {
        "priority": ("a whole number from 1 (served longest) to 99", 1, 99),
        "share": ("a share of every load, above 0 and below 1", 1e-9, 1.0 - 1e-9),
        "below_kwh": ("an energy, at least 0 kWh", 0.0, 1e12),
    }
    before = len(findings)
    for key in given:
        if key not in bounds:
            findings.add(toml, WHERE, name, f"the unknown key {key!r}", "only priority, share, below_kwh",
                         did_you_mean(key, bounds))  # fmt: skip
    for key, (expected, low, high) in bounds.items():
        value = given.get(key)
        number_kinds = (int,) if key == "priority" else (int, float)
        if isinstance(value, bool) or not isinstance(value, number_kinds) or not low <= value <= high:
            found = "nothing" if value is None else f"{value!r}"
            findings.add(toml, WHERE, f"{name}: {key}", found, expected, f"Give {key} of this stage.")
    if len(findings) > before:
        return None
    return Stage(given["priority"], float(given["share"]), float(given["below_kwh"]))


def _together(stages: tuple[Stage, ...], table: Mapping[str, Any], toml: str, findings: Findings) -> None:
    """What only all stages together can tell; they come by rising priority."""
    for a, b in pairwise(stages):
        if a.priority == b.priority:
            findings.add(toml, WHERE, "stages", f"two stages of priority {a.priority}", "every priority once",
                         "Give one of them another number, or make them one stage.")  # fmt: skip
        elif a.below_kwh > b.below_kwh:
            findings.add(
                toml, WHERE, "stages",
                f"priority {a.priority} shed below {a.below_kwh:g} kWh, before priority {b.priority} below "
                f"{b.below_kwh:g} kWh",
                "thresholds that do not fall with the number of the priority: 1 is served longest",
                "Swap the two thresholds, or the two priorities.",
            )  # fmt: skip
    critical = table["critical_share"]
    if critical is not None:
        total = critical + sum(stage.share for stage in stages)
        if abs(total - 1.0) > WHOLE:
            findings.add(
                toml, WHERE, "stages", f"shares that add up to {total:g} with critical_share {critical:g}", "1",
                f"Make the shares of the stages add up to {1.0 - critical:g}, or change critical_share.",
            )  # fmt: skip
    kept = table["reserve_kwh"]
    if kept is not None and stages[0].below_kwh < kept:
        findings.add(
            toml, WHERE, "stages", f"priority {stages[0].priority} served down to {stages[0].below_kwh:g} kWh",
            f"at least reserve_kwh ({kept:g} kWh), below which only critical load is served",
            "Raise below_kwh of that stage, or lower reserve_kwh.",
        )  # fmt: skip


def check_island(rules: IslandRules, size_kwh: float, toml: str, findings: Findings) -> None:
    """Findings for rules that the batteries of the area (all together `size_kwh`) cannot keep."""
    add_batteries = "Add batteries to [devices], or a recipe [population.batteries]."
    if size_kwh <= 0.0:
        if rules.off_grid:
            findings.add(toml, WHERE, "off_grid", "no batteries, so that nothing forms the grid",
                         "batteries when off_grid = true", add_batteries)  # fmt: skip
        if rules.reserve_for_h > 0.0:
            findings.add(toml, WHERE, "reserve_for_h", f"{rules.reserve_for_h:g} h, and no batteries to keep it in",
                         "batteries, or 0", add_batteries)  # fmt: skip
        return
    held = f"at most the {size_kwh:g} kWh that all batteries hold"
    if rules.reserve_kwh > size_kwh:
        findings.add(toml, WHERE, "reserve_kwh", f"{rules.reserve_kwh:g} kWh", held,
                     "Lower reserve_kwh, or add batteries.")  # fmt: skip
    for stage in rules.stages:
        if stage.below_kwh + rules.restore_margin_kwh > size_kwh:
            findings.add(
                toml, WHERE, "stages",
                f"priority {stage.priority} served from {stage.below_kwh + rules.restore_margin_kwh:g} kWh on "
                "(below_kwh and restore_margin_kwh), so never again once it is shed",
                held, "Lower its below_kwh or restore_margin_kwh, or add batteries.",
            )  # fmt: skip
