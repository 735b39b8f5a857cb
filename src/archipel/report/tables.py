"""The Parquet tables of a run: their columns, and one strategy's rows of each.

Rows are element-major: all steps of the first element, then all of the second. A column of one strategy is
therefore the array of shape (elements, steps) of `StrategyResult`, unrolled; `Run.array` rolls it up again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from archipel.model import PRICE_PARTS, Floats, Scenario, StrategyResult
from archipel.report.belief_tables import PLANS, VIEWS, belief_tables
from archipel.report.column_types import TIME, WORD
from archipel.report.tally import day_ahead, tally

MOST_ROWS = 1_500_000
"""Rows in one piece of a table (one row group of its file) at most."""
LABELS = {
    "devices": ("device", "cell", "node", "kind"),
    "nodes": ("node", "phase"),
    "phases": ("node", "phase"),
    "controls": ("control",),
    "branches": ("branch",),
    "boundaries": ("tie", "cell", "node"),
    "switches": ("switch",),
    "cells": ("cell",),
    "agreed": ("tie",),
    "area": (),
}
PHASES = ("a", "b", "c")
VALUES = {
    "devices": ("p_kw", "q_kvar", "soc", "p_kw_set"),
    "nodes": ("v_pu", "price_eur_per_kwh", "price_eur_per_kvarh", "unbalance"),
    "phases": ("v_pu",),
    "controls": ("position",),
    "branches": ("loading",),
    "boundaries": (
        *("p_kw", "q_kvar", "v_pu", "price_eur_per_kwh", "price_eur_per_kvarh"),
        *(f"{part}_eur_per_kwh" for part in PRICE_PARTS),
    ),
    "switches": ("closed",),
    "cells": (
        "load_kw",
        "vehicles_kw",
        "heat_kw",
        "charging_kw",
        "discharging_kw",
        "renewable_kw",
        "available_kw",
        "own_kw",
    ),
    "agreed": ("p_kw",),
    "area": (
        "upstream_p_kw",
        "upstream_q_kvar",
        "losses_kw",
        "price_eur_per_kwh",
        "unserved_kwh",
        "ev_unserved_kwh",
        "comfort_missed_k_h",
        "f_hz",
        "critical_unserved_kwh",
        "reserve_kwh",
    ),
}
AGREEMENTS = pa.schema(
    [
        ("strategy", WORD),
        ("time", TIME),
        ("rounds", pa.int64()),
        ("messages", pa.int64()),
        ("bytes", pa.int64()),
        ("passes", pa.int64()),
        ("gap", pa.float64()),
        ("residual_kw", pa.float64()),
        ("cost_eur", pa.float64()),
        ("excess_v_pu", pa.float64()),
        ("excess_loading", pa.float64()),
        ("excess_connection", pa.float64()),
        ("accepted", pa.bool_()),
        ("silent", pa.list_(pa.string())),
        ("given", pa.list_(pa.string())),
        ("more", pa.string()),
    ]
)
"""`excess_...` is what the AC check of the plan found beyond limits, `accepted` whether it passed; `silent` lists cells
that did not answer, `given` what had to give; `more` is a JSON object with what else a method tells."""

LISTED = {"agreements": AGREEMENTS, "plans": PLANS, "views": VIEWS}
"""Tables with a row per plan or more, not per step."""


def _or_nan(values: Floats | None, steps: int) -> Floats:
    return np.full(steps, np.nan) if values is None else values


def schema(name: str) -> pa.Schema:
    """The columns of a table."""
    if name in LISTED:
        return LISTED[name]
    kind = dict.fromkeys(("devices", "nodes", "phases", "branches"), pa.float32()) | {"switches": pa.bool_()}
    words = [("strategy", WORD), ("time", TIME), *((label, WORD) for label in LABELS[name])]
    return pa.schema([*words, *((value, kind.get(name, pa.float64())) for value in VALUES[name])])


def rows(scenario: Scenario, result: StrategyResult) -> Iterator[tuple[str, pa.Table]]:
    """One strategy's rows of every table as (table name, piece), a piece holding whole elements.

    A long run of a city has tens of millions of rows, so pieces are made one at a time.
    """
    grid, archipelago = scenario.grid, scenario.archipelago
    cell_id = [cell.id for cell in archipelago.cell]
    node_id = grid.nodes.id
    steps = len(result.time)
    end_cell = [archipelago.index(c) for tie in archipelago.tie for c in (tie.upper, tie.lower)]
    end_node = [n for tie in archipelago.tie for n in (tie.upper_node, tie.lower_node)]
    sums = tally(scenario, result)
    by_cell = (sums.load, sums.vehicles, sums.heat, sums.charging, sums.discharging, sums.renewable, sums.available)
    area = (
        result.upstream_p_kw,
        result.upstream_q_kvar,
        result.losses_kw,
        day_ahead(scenario, result.time),
        result.unserved_kwh,
        result.ev_unserved_kwh,
        result.comfort_missed_k_h,
        _or_nan(result.f_hz, steps),
        _or_nan(result.critical_unserved_kwh, steps),
        _or_nan(result.reserve_kwh, steps),
    )

    def table(
        name: str, labels: Sequence[pa.Array], values: Sequence[NDArray[Any]], time: Any = result.time
    ) -> Iterator[tuple[str, pa.Table]]:
        return ((name, piece) for piece in _pieces(name, result.strategy, time, labels, values))

    yield from table(
        "devices",
        (
            _own_words(scenario.device_id),
            _words(cell_id, scenario.device_cell),
            _words(node_id, scenario.device_node),
            _own_words(scenario.device_kind),
        ),
        (result.p_kw, result.q_kvar, result.soc, _or_unknown(result.p_kw_set, result.p_kw.shape, np.float32)),
    )
    ties = len(archipelago.tie)
    tie_q = _or_unknown(result.tie_price_q, (ties, steps))
    tie_parts = _or_unknown(result.tie_price_parts, (ties, len(PRICE_PARTS), steps))
    node_price = _or_unknown(result.node_price, (len(node_id), 2, steps), np.float32)
    yield from table(
        "nodes",
        (_own_words(node_id), _own_words(["sym"] * len(node_id))),
        (
            result.v_pu,
            node_price[:, 0],
            node_price[:, 1],
            _or_unknown(result.unbalance, result.v_pu.shape, np.float32),
        ),
    )
    if result.phase_v_pu is not None and steps:
        of_node, phase = np.nonzero(np.isfinite(result.phase_v_pu).any(axis=2))
        yield from table(
            "phases", (_words(node_id, of_node), _words(PHASES, phase)), (result.phase_v_pu[of_node, phase],)
        )
    if result.position is not None and steps:
        yield from table("controls", (_own_words(result.control),), (result.position,))
    yield from table("branches", (_own_words(grid.branch_id),), (result.loading,))
    yield from table(
        "boundaries",
        (
            _own_words([tie.id for tie in archipelago.tie for _ in range(2)]),
            _words(cell_id, np.array(end_cell)),
            _words(node_id, np.array(end_node)),
        ),
        (
            *(result.tie_p_kw, result.tie_q_kvar, result.tie_v_pu),
            *(np.repeat(price, 2, axis=0) for price in (result.tie_price, tie_q)),
            *(np.repeat(tie_parts[:, part], 2, axis=0) for part in range(len(PRICE_PARTS))),
        ),
    )
    # No strategy of ours switches yet: every switch stays as the scenario has it.
    yield from table(
        "switches", (_own_words(grid.switches.id),), (np.repeat(grid.switches.closed[:, None], steps, axis=1),)
    )
    yield from table("cells", (_own_words(cell_id),), (*by_cell, sums.own), sums.time)
    yield from table("agreed", (_own_words([tie.id for tie in archipelago.tie]),), (result.tie_agreed_kw,))
    yield from table("area", (), area)
    yield "agreements", _agreements(result)
    yield from belief_tables(result)


def _or_unknown(values: NDArray[Any] | None, shape: tuple[int, ...], kind: type = np.float64) -> NDArray[Any]:
    """The values; where a strategy has none, nothing known."""
    return np.full(shape, np.nan, kind) if values is None else values


def _pieces(
    name: str, strategy: str, time: NDArray[Any], labels: Sequence[pa.Array], values: Sequence[NDArray[Any]]
) -> Iterator[pa.Table]:
    """Unroll arrays whose last axis is time, some elements at a time; the labels have one entry per element."""
    steps = len(time)
    if not steps:
        return
    by_element = [np.ascontiguousarray(value).reshape(-1, steps) for value in values]
    elements = len(by_element[0])
    at_once = max(1, MOST_ROWS // steps)
    stamps = time.astype("datetime64[us]")
    for first in range(0, elements, at_once):
        some = slice(first, min(first + at_once, elements))
        count = (some.stop - first) * steps
        columns = [
            pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, dtype=np.int32)), pa.array([strategy])),
            pa.array(np.tile(stamps, some.stop - first)).cast(TIME),
        ]
        for label in labels:
            index = np.repeat(label.indices.to_numpy()[some], steps)
            columns.append(pa.DictionaryArray.from_arrays(pa.array(index), label.dictionary))
        columns += [pa.array(value[some].ravel(), from_pandas=True) for value in by_element]
        yield pa.Table.from_arrays(columns, schema=schema(name))


def _words(words: Sequence[str], index: NDArray[np.int64]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), pa.array(list(words), pa.string()))


def _own_words(words: Sequence[str]) -> pa.Array:
    return pa.array(list(words), pa.string()).dictionary_encode()


def _agreements(result: StrategyResult) -> pa.Table:
    named = set(AGREEMENTS.names)
    listed = [
        {
            **{key: entry.get(key) for key in AGREEMENTS.names},
            "strategy": result.strategy,
            "time": utc(entry["time"]),
            "silent": [str(text) for text in entry.get("silent") or []],
            "given": [str(text) for text in entry.get("given") or []],
            "more": json.dumps(plain({k: v for k, v in entry.items() if k not in named})),
        }
        for entry in result.agreements
    ]
    return pa.Table.from_pylist(listed, schema=AGREEMENTS)


def utc(time: datetime | np.datetime64 | str) -> datetime:
    """A time, aware of its zone; one without a zone is UTC. Text is read as ISO 8601."""
    if not isinstance(time, datetime):
        time = datetime.fromisoformat(str(time))
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def plain(value: Any) -> Any:
    """A value of a result (agreement, planning problem) as JSON knows it; what is no number becomes null."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        return [plain(inner) for inner in value]
    if isinstance(value, (datetime, np.datetime64)):
        return utc(value).isoformat()
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
