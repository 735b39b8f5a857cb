"""What cells believed, as the tables `plans` and `views` of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeVar

import numpy as np
import pyarrow as pa

from archipel.model import BELIEVED, Believed, Floats, Ints, StrategyResult, View
from archipel.report.column_types import TIME, WORD

PLANS = pa.schema(
    [
        *(("strategy", WORD), ("made", TIME), ("cell", WORD), ("time", TIME), ("hours", pa.float32())),
        *((column, pa.float32()) for column in BELIEVED),
    ]
)
VIEWS = pa.schema(
    [
        *(("strategy", WORD), ("made", TIME), ("cell", WORD), ("tie", WORD), ("neighbour", WORD)),
        *(("time", TIME), ("hours", pa.float32())),
        *(("p_kw", pa.float32()), ("price_eur_per_kwh", pa.float32()), ("state", WORD), ("why", WORD)),
    ]
)
"""Rows of one plan follow each other, in it those of one cell (and neighbour), in it the intervals."""
T = TypeVar("T")
ROWS = 50_000
"""In one piece of a table (one row group of its file), about."""


def belief_tables(result: StrategyResult) -> Iterator[tuple[str, pa.Table]]:
    """Both tables of one strategy; none where no cell planned."""
    told = [believed for believed in result.believed if believed.cell]
    for some in _pieces(told, [len(one.cell) * len(one.hours) for one in told]):
        yield "plans", _plans(result.strategy, some)
    looking = [(believed, believed.view) for believed in result.believed if believed.view]
    for views in _pieces(looking, [len(view) * len(one.hours) for one, view in looking]):
        yield "views", _views(result.strategy, views)


def _pieces(plans: Sequence[T], rows: Sequence[int]) -> Iterator[list[T]]:
    """Plans one after the other in pieces of about `ROWS` rows, which is what a reader of one plan has to read."""
    piece: list[T] = []
    size = 0
    for one, count in zip(plans, rows, strict=True):
        piece.append(one)
        size += count
        if size >= ROWS:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _plans(strategy: str, told: Sequence[Believed]) -> pa.Table:
    count = [len(one.cell) * len(one.hours) for one in told]
    return pa.Table.from_arrays(
        [
            _word([strategy], np.zeros(sum(count), dtype=np.int64)),
            _made(told, count),
            _words([cell for one in told for cell in one.cell], [len(one.hours) for one in told for _ in one.cell]),
            _times(told, [len(one.cell) for one in told]),
            _hours(told, [len(one.cell) for one in told]),
            *(
                pa.array(np.concatenate([one.value[:, i].ravel() for one in told]), from_pandas=True)
                for i in range(len(BELIEVED))
            ),
        ],
        schema=PLANS,
    )


def _views(strategy: str, looking: Sequence[tuple[Believed, tuple[View, ...]]]) -> pa.Table:
    told = [believed for believed, _ in looking]
    views = [view for _, some in looking for view in some]
    length = [len(believed.hours) for believed, some in looking for _ in some]
    seen = [len(some) for _, some in looking]

    def words(name: str) -> pa.Array:
        return _words([getattr(view, name) for view in views], length)

    def numbers(name: str) -> pa.Array:
        return pa.array(np.concatenate([getattr(view, name) for view in views]).astype(np.float32), from_pandas=True)

    return pa.Table.from_arrays(
        [
            _word([strategy], np.zeros(sum(length), dtype=np.int64)),
            _made(told, [len(believed.hours) * len(some) for believed, some in looking]),
            *(words(name) for name in ("cell", "tie", "neighbour")),
            _times(told, seen),
            _hours(told, seen),
            *(numbers(name) for name in ("p_kw", "price_eur_per_kwh")),
            *(words(name) for name in ("state", "why")),
        ],
        schema=VIEWS,
    )


def _made(told: Sequence[Believed], count: Sequence[int]) -> pa.Array:
    at = np.array([_stamp(one.made) for one in told], dtype="datetime64[us]")
    return pa.array(np.repeat(at, count)).cast(TIME)


def _times(told: Sequence[Believed], repeat: Sequence[int]) -> pa.Array:
    """Start of every interval, as often for a plan as it has cells or views."""
    at = [np.tile(_stamp(one.made) + _past(one.hours), times) for one, times in zip(told, repeat, strict=True)]
    return pa.array(np.concatenate(at)).cast(TIME)


def _hours(told: Sequence[Believed], repeat: Sequence[int]) -> pa.Array:
    every = [np.tile(one.hours, times) for one, times in zip(told, repeat, strict=True)]
    return pa.array(np.concatenate(every).astype(np.float32))


def _past(hours: Floats) -> np.ndarray:
    seconds = np.rint(3600.0 * np.concatenate([[0.0], np.cumsum(hours)[:-1]])).astype(np.int64)
    return seconds * np.timedelta64(1_000_000, "us")


def _stamp(time: datetime) -> np.datetime64:
    return np.datetime64(time.replace(tzinfo=None), "us")


def _words(words: Sequence[str], length: Sequence[int]) -> pa.Array:
    """Each word as often as its length says."""
    known = {word: i for i, word in enumerate(dict.fromkeys(words))}
    return _word(list(known), np.repeat([known[word] for word in words], length))


def _word(words: Sequence[str], index: Ints) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), pa.array(list(words), pa.string()))
