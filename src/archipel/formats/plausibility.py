"""What is surely a mistake in a network that can be read: refused, unless a person says that it is meant so.

Four mix-ups that no type check sees: kW where MW was meant, leading where lagging was meant, power given where power
drawn was meant, and a name that a spreadsheet would run as a formula.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from archipel.formats.imported import Imported
from archipel.formats.loss_report import named
from archipel.formats.referee import nominal_flow
from archipel.formats.tables import runs_as_formula
from archipel.grid.branch_model import branch_model
from archipel.grid.topology import branch_ends, fused, live
from archipel.model import Diverged, Grid, GridError

TIMES_RATING = 100.0
"""A total load this many times the rating of everything that leaves the source is no load of that network."""
SHARE = 0.05
"""Reactive power below this share of the active is no sign of anything."""
FEWEST = 3
"""Loads that all lead are suspicious from this number on."""


def doubts(imported: Imported, source: str) -> tuple[str, ...]:
    """Everything that is surely a mistake, each with place, finding, expectation and mend."""
    return tuple(f"{source}: {doubt}" for doubt in (*_formulas(imported), *_units(imported), *_signs(imported)))


def _formulas(imported: Imported) -> Iterator[str]:
    grid = imported.grid
    tables = (grid.nodes, grid.lines, grid.transformers, grid.switches, grid.shunts)
    found = [
        f"{one} {text[:40]!r}"
        for table in tables
        for one, name in zip(table.id, table.name, strict=True)
        for text in (one, name)
        if runs_as_formula(text)
    ]
    devices = imported.devices
    for rows in (devices.load, devices.pv, devices.generator, devices.battery):
        found += [repr(one[:40]) for one in rows.id if runs_as_formula(one)]
    if found:
        yield (
            f"found {len(found):,} names that a spreadsheet would run as a formula{named(found)}; expected plain "
            "names. Rename them in the source."
        )


def _units(imported: Imported) -> Iterator[str]:
    load, grid = imported.devices.load, imported.grid
    total_kva = float(np.hypot(load.p_kw.sum(), load.q_kvar.sum()))
    largest = int(np.argmax(np.hypot(load.p_kw, load.q_kvar))) if len(load.id) else -1
    rating_kva = _rating_kva(grid)
    if np.isfinite(rating_kva) and total_kva > TIMES_RATING * rating_kva > 0.0:
        yield (
            f"found a total load of {total_kva:,.0f} kVA behind branches rated {rating_kva:,.0f} kVA at the source "
            f"({total_kva / rating_kva:,.0f} times as much; the largest load is {load.id[largest]}); expected "
            "loads that fit the ratings. Look for kW written where MW was meant, or ratings in kA written as A."
        )
        return
    if np.isfinite(rating_kva) or not len(load.id):
        return
    try:
        nominal_flow(imported)
    except Diverged:
        try:
            nominal_flow(imported, 1e-3)
        except GridError:
            return
        yield (
            f"found loads that no voltage can serve ({total_kva:,.0f} kVA in all; the largest is {load.id[largest]}), "
            "though a thousandth of them can be served; expected loads that fit the impedances. "
            "Look for kW written where MW was meant, or ohm written where per unit was meant."
        )
    except GridError:
        return  # what the scenario's own check will say better


def _rating_kva(grid: Grid) -> float:
    """Rating of all closed branches at the source and at nodes joined with it; infinite where one has no limit."""
    point, ends = fused(grid), branch_ends(grid)
    source = point[grid.source.node]
    limit_a = branch_model(grid).limit_a
    shut = ends.from_closed & ends.to_closed
    at_from, at_to = shut & (point[ends.from_node] == source), shut & (point[ends.to_node] == source)
    kva = np.sqrt(3.0) * limit_a * grid.nodes.vn_kv[np.stack([ends.from_node, ends.to_node])]
    total = float(kva[0][at_from].sum() + kva[1][at_to].sum())
    return total if total > 0.0 else float("inf")


def _signs(imported: Imported) -> Iterator[str]:
    load = imported.devices.load
    fed = live(imported.grid)[load.node] if len(load.id) else np.zeros(0, dtype=np.bool_)
    drawing = fed & (load.p_kw != 0.0)
    if int(drawing.sum()) < FEWEST:
        return
    p_kw, q_kvar = load.p_kw[drawing], load.q_kvar[drawing]
    some = np.abs(q_kvar) > SHARE * np.abs(p_kw)
    if some.sum() >= FEWEST and (q_kvar[some] < 0.0).all() and (p_kw > 0.0).all():
        yield (
            f"found all {int(some.sum()):,} loads with reactive power leading ({q_kvar.sum():,.0f} kvar given back); "
            "expected most loads of a network to lag. Look for the sign of Q, or a lead/lag power factor taken the "
            "other way."
        )
    if (p_kw < 0.0).all():
        yield (
            f"found all {len(p_kw):,} loads giving power ({-p_kw.sum():,.0f} kW); expected loads to draw power with a "
            "positive sign. Look for the sign of P."
        )
