"""What is shown of a scenario: its cells, ties, nodes, branches and devices, and what a frame of it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from archipel.model import Floats, Ints, Scenario
from archipel.report.tie_flows import tie_rating_kw
from archipel.web.nouns import (
    Act,
    Area,
    Branches,
    CellInfo,
    Devices,
    Kind,
    Nodes,
    Section,
    Span,
    TieInfo,
)
from archipel.web.places import places

COLUMNS: dict[str, dict[str, str]] = {
    "area": {
        "upstream_p_kw": "kW",
        "upstream_q_kvar": "kvar",
        "losses_kw": "kW",
        "price_eur_per_kwh": "EUR/kWh",
        "f_hz": "Hz",
        "unserved_kw": "kW",
        "import_kw_max": "kW",
        "export_kw_max": "kW",
    },
    "cells": {
        "load_kw": "kW",
        "vehicles_kw": "kW",
        "heat_kw": "kW",
        "charging_kw": "kW",
        "discharging_kw": "kW",
        "renewable_kw": "kW",
        "available_kw": "kW",
        "p_kw": "kW",
        "own_kw": "kW",
        "stored_kwh": "kWh",
        "soc": "",
        "v_pu_min": "pu",
        "v_pu_max": "pu",
        "loading_max": "",
        "price_eur_per_kwh": "EUR/kWh",
        "level": "",
        "mode": "",
        "armed": "",
        "age_s": "s",
    },
    "ties": {
        "p_kw": "kW",
        "q_kvar": "kvar",
        "agreed_kw": "kW",
        "price_eur_per_kwh": "EUR/kWh",
        "loading": "",
        "closed": "",
    },
    "nodes": {"v_pu": "pu"},
    "branches": {"loading": ""},
    "devices": {"p_kw": "kW", "q_kvar": "kvar", "soc": "", "p_kw_set": "kW"},
}
"""Columns of a frame and their units, table by table, in the order of `Area.sections`."""


def area_of(
    scenario: Scenario,
    kind: Kind,
    span: Span,
    strategies: Sequence[str],
    acts: Sequence[Act] = (),
    title: str | None = None,
) -> Area:
    """Everything that does not change.

    Args:
        scenario: The case.
        kind: Of what is shown.
        span: The time that can be shown.
        strategies: Names of what was run, or of the one that runs.
        acts: Commands that can be given at all.
        title: The scenario's when not given.
    """
    limit = scenario.connection
    return Area(
        name=scenario.name,
        title=scenario.title if title is None else title,
        kind=kind,
        strategies=list(strategies),
        f_hz=scenario.grid.f_hz,
        import_kw_max=_number(limit.import_kw_max),
        export_kw_max=_number(limit.export_kw_max),
        span=span,
        acts=list(acts),
        **_network(scenario),
        sections=sections_of(scenario),
    )


def sections_of(scenario: Scenario) -> list[Section]:
    """What a frame of a scenario holds."""
    rows = rows_of_tables(scenario)
    return [
        Section(table=table, column=column, unit=unit, count=rows[table])
        for table, columns in COLUMNS.items()
        for column, unit in columns.items()
    ]


def rows_of_tables(scenario: Scenario) -> dict[str, int]:
    """How many rows every table of a frame has."""
    return {
        "area": 1,
        "cells": len(scenario.archipelago.cell),
        "ties": len(scenario.archipelago.tie),
        "nodes": len(scenario.grid.nodes),
        "branches": len(scenario.grid.branch_id),
        "devices": len(scenario.device_id),
    }


def branch_cell(scenario: Scenario) -> Ints:
    """Row of the cell every branch belongs to, (branches,): of a tie's branch the lower one."""
    grid, archipelago = scenario.grid, scenario.archipelago
    cell = archipelago.node_cell
    upper = cell[np.concatenate([grid.lines.from_node, grid.transformers.hv_node])]
    lower = cell[np.concatenate([grid.lines.to_node, grid.transformers.lv_node])]
    parent = np.array(archipelago.parents())
    # from and to are as the source drew them: the lower cell is the one whose parent is the other
    return np.asarray(np.where(parent[upper] == lower, upper, lower), dtype=np.int64)


def _network(scenario: Scenario) -> dict[str, Any]:
    x, y = places(scenario)
    grid, node_cell = scenario.grid, scenario.archipelago.node_cell
    ends = (
        np.concatenate([grid.lines.from_node, grid.transformers.hv_node]),
        np.concatenate([grid.lines.to_node, grid.transformers.lv_node]),
    )
    low, high, e_kwh = nameplates(scenario)
    return {
        "cells": _cells(scenario, x, y),
        "ties": _ties(scenario),
        "nodes": Nodes(
            id=list(grid.nodes.id),
            x=np.round(x, 1).tolist(),
            y=np.round(y, 1).tolist(),
            cell=node_cell.tolist(),
            vn_kv=grid.nodes.vn_kv.tolist(),
            v_pu_min=grid.nodes.v_pu_min.tolist(),
            v_pu_max=grid.nodes.v_pu_max.tolist(),
        ),
        "branches": Branches(
            id=list(grid.branch_id),
            kind=["line"] * len(grid.lines) + ["transformer"] * len(grid.transformers),
            from_node=ends[0].tolist(),
            to_node=ends[1].tolist(),
            cell=branch_cell(scenario).tolist(),
            # The source's limit is already inside `loading`: 1 is at it.
            loading_max=[1.0] * len(grid.branch_id),
        ),
        "devices": Devices(
            id=list(scenario.device_id),
            kind=list(scenario.device_kind),
            cell=scenario.device_cell.tolist(),
            node=scenario.device_node.tolist(),
            p_kw_min=[_number(v) for v in low],
            p_kw_max=[_number(v) for v in high],
            e_kwh=[_number(v) for v in e_kwh],
        ),
    }


def _cells(scenario: Scenario, x: Floats, y: Floats) -> list[CellInfo]:
    archipelago = scenario.archipelago
    counts = [Counter[str]() for _ in archipelago.cell]
    for cell, kind in zip(scenario.device_cell.tolist(), scenario.device_kind, strict=True):
        counts[cell][kind] += 1
    rating = tie_rating_kw(scenario)
    return [
        CellInfo(
            id=cell.id,
            parent=cell.parent,
            level=cell.level,
            x=round(float(np.mean(x[archipelago.node_cell == i])), 1) if (archipelago.node_cell == i).any() else 0.0,
            y=round(float(np.mean(y[archipelago.node_cell == i])), 1) if (archipelago.node_cell == i).any() else 0.0,
            devices=dict(counts[i]),
            rated_kw=_number(scenario.connection.import_kw_max if i == 0 else rating[i - 1]),
        )
        for i, cell in enumerate(archipelago.cell)
    ]


def _ties(scenario: Scenario) -> list[TieInfo]:
    row = {name: i for i, name in enumerate(scenario.grid.branch_id)}
    return [
        TieInfo(
            id=tie.id,
            direction=tie.direction,
            upper=tie.upper,
            lower=tie.lower,
            upper_node=int(tie.upper_node),
            lower_node=int(tie.lower_node),
            closed=bool(tie.closed),
            metered_at=tie.metered_at,
            branch=row.get(tie.id),
        )
        for tie in scenario.archipelago.tie
    ]


def nameplates(scenario: Scenario) -> tuple[Floats, Floats, Floats]:
    """(lowest power, highest power [kW], energy a store holds [kWh]) of all devices, load convention; NaN: none."""
    low, high, energy = [np.zeros(0)], [np.zeros(0)], [np.zeros(0)]
    for fleet in scenario.fleets:
        zero, none = np.zeros(len(fleet.id)), np.full(len(fleet.id), np.nan)

        def rated(name: str, otherwise: Floats = none, of: Any = fleet) -> Floats:
            value = getattr(of, name, None)
            return otherwise if value is None else np.asarray(value, dtype=np.float64)

        match fleet.kind:
            case "battery":
                box = -rated("p_kw_discharge"), rated("p_kw_charge"), rated("e_kwh")
            case "pv":
                box = -np.fmin(rated("p_kw_peak"), rated("s_kva")), zero, none
            case "generator":
                box = -rated("p_kw"), zero, none
            case "dispatchable":
                box = -rated("p_kw_max"), zero, rated("e_kwh")
            case "soft_open_point":
                box = -rated("p_kw_max"), rated("p_kw_max"), none
            case _ if hasattr(fleet, "p_kw_range"):
                box = *fleet.p_kw_range, rated("e_kwh")
            case _:  # what only draws
                box = zero, rated("p_kw"), none
        for kept, value in zip((low, high, energy), box, strict=True):
            kept.append(value)
    return np.concatenate(low), np.concatenate(high), np.concatenate(energy)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
