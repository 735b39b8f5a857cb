"""One moment of an area in a form that fits a terminal: a line for the area, one per cell, and the open cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, final

import numpy as np
from msgspec import structs

from archipel.web.client import Client
from archipel.web.nouns import Area, Card, Span
from archipel.web.source import Frame, Source

LEVELS = ("cooperating", "following", "fallback", "alone", "rules", "silent")
MODES = (
    "connected", "islanding", "island", "resynchronising", "reconnected", "degraded", "black start", "dark",
)  # fmt: skip
"""What the numbers in the columns `level` and `mode` mean; `silent` is a cell that does not answer."""
GLANCED = ("area", "cells")
"""Tables of a frame that a glance shows."""
STALE_PERIODS, STALE_AT_LEAST_S = 3.0, 1.0
"""A value older than this many periods of its source, and than so many seconds, is old."""


class Looked(Protocol):
    """What a glance needs: a `Source` here, or a server elsewhere."""

    def area(self) -> Area:
        """Everything that does not change."""
        ...

    def span(self) -> Span:
        """The time that can be shown."""
        ...

    def frame(self, strategy: str, time: datetime | None) -> Frame | None:
        """All values at a time; None for now. None where nothing was measured yet."""
        ...

    def cards(self, strategy: str, time: datetime | None) -> list[Card]:
        """Cards open at a time or begun in the day before."""
        ...


@final
class OfSource:
    """Look at a source in this process."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def area(self) -> Area:
        """Everything that does not change."""
        return self.source.area()

    def span(self) -> Span:
        """The time that can be shown."""
        return self.source.span()

    def frame(self, strategy: str, time: datetime | None) -> Frame | None:
        """All values at a time; None for now, which of a recording is its end."""
        if time is not None:
            return self.source.frame(strategy, time)
        span = self.source.span()
        return self.source.latest() if span.live else self.source.frame(strategy, span.end)

    def cards(self, strategy: str, time: datetime | None) -> list[Card]:
        """Cards open at a time or begun in the day before."""
        return self.source.cards(strategy, time)


@final
class OfClient:
    """Look at a server elsewhere."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._tables = tuple(dict.fromkeys(s.table for s in client.area.sections if s.table in GLANCED))
        sections = [section for section in client.area.sections if section.table in self._tables]
        self._area = structs.replace(client.area, sections=sections)

    def area(self) -> Area:
        """Everything that does not change; of a frame only what a glance needs."""
        return self._area

    def span(self) -> Span:
        """The time that can be shown."""
        return self.client.span()

    def frame(self, strategy: str, time: datetime | None) -> Frame | None:
        """All values at a time; None for now, which of a recording is its end."""
        span = self.client.span()
        moment = time if time is not None or span.live else span.end
        values = self.client.frame(moment, strategy, self._tables)
        parts = [values[section.table][section.column] for section in self._area.sections]
        return Frame(values.seq, values.time, values.measured, np.concatenate(parts).astype(np.float32))

    def cards(self, strategy: str, time: datetime | None) -> list[Card]:
        """Cards open at a time or begun in the day before."""
        return self.client.cards(time, strategy)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CellLine:
    """What one cell is doing; a number that is not known is None."""

    id: str
    depth: int
    """Steps below the root."""
    p_kw: float | None
    """Into the cell from the one above."""
    own_kw: float | None
    """The same without what its child cells draw."""
    renewable_kw: float | None
    drawn_kw: float | None
    """Load, vehicles and heat."""
    battery_kw: float | None
    """Charging less discharging."""
    stores: bool
    """Whether it has batteries at all."""
    soc: float | None
    price_eur_per_kwh: float | None
    v_pu_min: float | None
    v_pu_max: float | None
    loading_max: float | None
    level: str
    mode: str
    armed: bool | None
    age_s: float | None
    """Wall seconds since its values were measured; None in a recording."""
    stale: bool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """One moment of an area."""

    title: str
    strategy: str
    time: datetime | None
    """Grid time; None: nothing was measured yet."""
    live: bool
    age_s: float | None
    """Wall seconds since it was measured; None in a recording."""
    stale: bool
    upstream_p_kw: float | None
    import_kw_max: float | None
    export_kw_max: float | None
    price_eur_per_kwh: float | None
    losses_kw: float | None
    f_hz: float | None
    unserved_kw: float | None
    cells: tuple[CellLine, ...]
    cards: tuple[Card, ...]
    """Open ones, the gravest first."""


GRAVITY = ("alarm", "action", "compliant", "information")


def look(seen: Looked, strategy: str = "", time: datetime | None = None, now: datetime | None = None) -> Glance:
    """Everything at a moment; `time` None means now, of a recording its end. Raises `NotShown` outside the span."""
    area, span = seen.area(), seen.span()
    frame = seen.frame(strategy, time)
    values = tables_of(area, frame)
    live = span.live and time is None
    wall = now if now is not None else datetime.now(UTC)
    age_s = max(0.0, (wall - frame.measured).total_seconds()) if live and frame is not None else None
    limit_s = max(STALE_PERIODS * span.step_s / max(span.factor, 1e-9), STALE_AT_LEAST_S)
    whole = {name: number(column, 0) for name, column in values.get("area", {}).items()}
    moment = frame.time if frame is not None else None
    return Glance(
        title=area.title or area.name,
        strategy=strategy or (area.strategies[0] if area.strategies else ""),
        time=moment,
        live=live,
        age_s=age_s,
        stale=age_s is not None and age_s > limit_s,
        upstream_p_kw=whole.get("upstream_p_kw"),
        import_kw_max=_either(whole.get("import_kw_max"), area.import_kw_max),
        export_kw_max=_either(whole.get("export_kw_max"), area.export_kw_max),
        price_eur_per_kwh=whole.get("price_eur_per_kwh"),
        losses_kw=whole.get("losses_kw"),
        f_hz=whole.get("f_hz"),
        unserved_kw=whole.get("unserved_kw"),
        cells=_cell_lines(area, values.get("cells", {}), age_s, limit_s),
        cards=_open(seen.cards(strategy, moment if not live else None), moment),
    )


def _either(now: float | None, always: float | None) -> float | None:
    """What holds now, else what holds always."""
    return always if now is None else now


def tables_of(area: Area, frame: Frame | None) -> dict[str, dict[str, np.ndarray]]:
    """A frame's numbers by table and column; without a frame all are NaN."""
    out: dict[str, dict[str, np.ndarray]] = {}
    first = 0
    for section in area.sections:
        last = first + section.count
        part = frame.values[first:last] if frame is not None else np.full(section.count, np.nan, np.float32)
        out.setdefault(section.table, {})[section.column] = part
        first = last
    return out


def number(column: np.ndarray | None, row: int) -> float | None:
    """One number of a column; None where there is no such column or it is NaN."""
    if column is None or np.isnan(column[row]):
        return None
    return float(column[row])


def _cell_lines(
    area: Area, cells: Mapping[str, np.ndarray], age_s: float | None, limit_s: float
) -> tuple[CellLine, ...]:
    parent = {cell.id: cell.parent for cell in area.cells}
    lines = []
    for row, cell in enumerate(area.cells):
        has = {name: number(column, row) for name, column in cells.items()}
        own = has.get("age_s")
        age = None if age_s is None else age_s + (own or 0.0)
        level = _word(LEVELS, has.get("level"))
        silent = level == LEVELS[-1]
        lines.append(
            CellLine(
                id=cell.id,
                depth=_depth(cell.id, parent),
                p_kw=has.get("p_kw"),
                own_kw=has.get("own_kw"),
                renewable_kw=has.get("renewable_kw"),
                drawn_kw=_sum([has.get(name) for name in ("load_kw", "vehicles_kw", "heat_kw")]),
                battery_kw=_difference(has.get("charging_kw"), has.get("discharging_kw")),
                stores=bool(cell.devices.get("battery")),
                soc=has.get("soc"),
                price_eur_per_kwh=has.get("price_eur_per_kwh"),
                v_pu_min=has.get("v_pu_min"),
                v_pu_max=has.get("v_pu_max"),
                loading_max=has.get("loading_max"),
                level=level,
                mode=_word(MODES, has.get("mode")),
                armed=None if has.get("armed") is None else bool(has["armed"]),
                age_s=age,
                stale=silent or (age is not None and age > limit_s),
            )
        )
    return tuple(lines)


def _depth(cell: str, parent: Mapping[str, str]) -> int:
    depth = 0
    while parent.get(cell):
        cell, depth = parent[cell], depth + 1
    return depth


def _word(words: Sequence[str], code: float | None) -> str:
    return words[int(code)] if code is not None and 0 <= code < len(words) else ""


def _sum(parts: Sequence[float | None]) -> float | None:
    """A sum is not known where a part of it is not."""
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _difference(more: float | None, less: float | None) -> float | None:
    return more - less if more is not None and less is not None else None


def _open(cards: Sequence[Card], time: datetime | None) -> tuple[Card, ...]:
    still = [card for card in cards if card.ended is None or (time is not None and card.ended > time)]
    return tuple(sorted(still, key=lambda card: (GRAVITY.index(card.severity), -card.begun.timestamp())))
