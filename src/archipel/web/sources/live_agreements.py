"""Who agreed what in a running system, and what each cell believed: from the journals, beside what was true."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from archipel.coordination.handshake import Holding
from archipel.model import PRICE_PARTS, Scenario, Tie
from archipel.web.area_of import COLUMNS
from archipel.web.nouns import (
    Agreements,
    Belief,
    Curve,
    NeighbourView,
    PlanRecord,
    PriceParts,
    TieAgreement,
)
from archipel.web.source import NotShown
from archipel.web.sources.live_journals import Journals, Note, value_at

STEP = timedelta(minutes=15)
UNITS = {**COLUMNS["cells"], "v_pu": "pu"}
NO_PARTS = PriceParts(**dict.fromkeys(PRICE_PARTS))
Means = Callable[[str, Sequence[str], Sequence[datetime], Sequence[datetime]], dict[str, list[float | None]]]
"""(cell, columns, starts, ends) -> means of what was measured; None where nothing was."""
Power = Callable[[str, datetime], float | None]
"""(tie, time) -> metered power."""


@final
class LiveAgreements:
    """Reads the journals of one rehearsal.

    Args:
        scenario: The case.
        journals: Of its cells.
        true: Means of what was measured.
        power: What ties carried.
    """

    def __init__(self, scenario: Scenario, journals: Journals, true: Means, power: Power) -> None:
        self._scenario, self._journals, self._true, self._power = scenario, journals, true, power
        self._ties = {tie.id: tie for tie in scenario.archipelago.tie}
        self._cells = [cell.id for cell in scenario.archipelago.cell]

    # ---------------------------------------------------------------- agreements

    def at(self, time: datetime) -> Agreements:
        """Who agreed what at a time."""
        return Agreements(time=time, plan=self.plan(time), ties=[self.tie(name, time) for name in self._ties])

    def tie(self, name: str, time: datetime) -> TieAgreement:
        """What held on one tie at a time."""
        tie = self._ties[name]
        held = {cell: self._journals.holding(cell, tie, time) for cell in (tie.upper, tie.lower)}
        record = _common(held)
        price, parts = self.price(tie, time)
        return TieAgreement(
            tie=name,
            upper=tie.upper,
            lower=tie.lower,
            agreed_kw=None if record is None else record.p_kw,
            default_kw=tie.default_p_kw,
            p_kw=self._power(name, time),
            price_eur_per_kwh=price if record is not None else None,
            parts=parts if record is not None else NO_PARTS,
            since=None if record is None or record.record is None else record.record.start,
            until=None if record is None or record.record is None else record.record.until,
            plan="" if record is None or record.record is None else str(record.record.plan),
            why="" if record is not None else _why_nothing(tie, held),
        )

    def price(self, tie: Tie, time: datetime) -> tuple[float | None, PriceParts]:
        """Price of the agreement in force on a tie and what it is the sum of, as its lower cell believed."""
        held = self._journals.holding(tie.lower, tie, time)
        if held.record is None:
            return None, NO_PARTS
        made = held.record.start.isoformat()
        note = next(
            (
                n
                for n in reversed(self._journals.notes(tie.lower, time))
                if n.kind == "belief" and n.body["how"] == "agreed" and n.body["start"] == made
            ),
            None,
        )
        if note is None:
            return None, NO_PARTS
        k = _interval(note.body, time)
        price = None if k is None else note.body["columns"].get("price_eur_per_kwh", [None] * (k + 1))[k]
        parts = note.body["parts"]
        return price, PriceParts(**{p: None if k is None or p not in parts else parts[p][k] for p in PRICE_PARTS})

    def prices(self, time: datetime) -> dict[str, float]:
        """Of all ties with one."""
        found = {name: self.price(tie, time)[0] for name, tie in self._ties.items()}
        return {name: price for name, price in found.items() if price is not None}

    def plan(self, time: datetime) -> PlanRecord | None:
        """How the newest agreed plan came about, as the root knows it."""
        note = self._journals.newest(self._cells[0], "belief", time, how="agreed")
        if note is None:
            return None
        body = note.body
        return PlanRecord(
            time=note.utc,
            rounds=body["rounds"],
            messages=None,
            bytes=None,
            gap=body["gap"],
            accepted=body["accepted"],
            cost_eur=body["cost_eur"],
            silent=self._silent(body["start"], time),
            given=list(body["gave"]),
        )

    def _silent(self, start: str, time: datetime) -> list[str]:
        """Cells that took no part in the plan that starts then."""
        out = []
        for cell in self._scenario.archipelago.cell[1:]:
            above = self._journals.newest(cell.parent, "belief", time, how="agreed", start=start)
            if above is not None and cell.id not in above.body["children"]:
                out.append(cell.id)
        return out

    # ---------------------------------------------------------------- beliefs

    def belief(self, cell: str, time: datetime) -> Belief:
        """What a cell believed at a time. Raises `NotShown` where there is no such cell."""
        if cell not in self._cells:
            raise NotShown(f"cell {cell}: found none; expected one of {', '.join(self._cells[:8])} ...")
        note = self._journals.newest(cell, "belief", time)
        level, why = self._journals.level(cell, time)
        if note is None:
            return Belief(
                cell=cell, time=time, made=None, start=[], hours=[], curves=[],
                neighbours=self._neighbours(cell, time, [], why, None), level=level,
            )  # fmt: skip
        starts, hours = _starts(note.body)
        ends = [at + timedelta(hours=h) for at, h in zip(starts, hours, strict=True)]
        columns: Mapping[str, list[float | None]] = note.body["columns"]
        true = self._true(cell, list(columns), starts, ends)
        curves = [
            Curve(name=name, unit=UNITS[name], believed=believed, true=true[name]) for name, believed in columns.items()
        ]
        return Belief(
            cell=cell,
            time=time,
            made=note.utc,
            start=starts,
            hours=hours,
            curves=curves,
            neighbours=self._neighbours(cell, time, starts, why, note),
            level=level,
        )

    def _neighbours(
        self, cell: str, time: datetime, starts: list[datetime], why: str, note: Note | None
    ) -> list[NeighbourView]:
        out = []
        for tie in self._ties.values():
            if cell not in {tie.upper, tie.lower} or not tie.closed:
                continue
            other = tie.lower if cell == tie.upper else tie.upper
            held = self._journals.holding(cell, tie, time)
            state = self._state(cell, tie, other, held, why, time)
            record = held.record
            p_kw = [None if record is None else value_at(record.p_kw, record.start, record.step_s, at) for at in starts]
            upward = cell == tie.lower and note is not None and record is not None
            price = note.body["columns"].get("price_eur_per_kwh") if upward and note is not None else None
            out.append(
                NeighbourView(
                    neighbour=other,
                    tie=tie.id,
                    state=state,
                    why="" if record is not None else held.why,
                    p_kw=p_kw,
                    price_eur_per_kwh=list(price) if price is not None else [None] * len(starts),
                )
            )
        return out

    def _state(
        self, cell: str, tie: Tie, other: str, held: Holding, why: str, time: datetime
    ) -> Literal["agreed", "stale", "silent", "unknown"]:
        if "no word from" in why and other in why.split("no word from", 1)[1]:
            return "silent"
        if held.record is not None:
            return "agreed"
        told = any(n.kind == "agreement" and n.body["tie"] == tie.id for n in self._journals.notes(cell, time))
        return "stale" if told else "unknown"


def _common(held: Mapping[str, Holding]) -> Holding | None:
    """What both ends hold to be agreed; None where they do not, or one holds nothing."""
    ends = list(held.values())
    if any(one.record is None for one in ends) or len({one.p_kw for one in ends}) != 1:
        return None
    return ends[0]


def _why_nothing(tie: Tie, held: Mapping[str, Holding]) -> str:
    if not tie.closed:
        return "the switch is open: nothing flows"
    said = [f"{cell}: {one.why}" for cell, one in held.items() if one.record is None]
    return "; ".join(said) or "the two ends hold different records"


def _starts(body: Mapping[str, Any]) -> tuple[list[datetime], list[float]]:
    """Starts and lengths [h] of a belief's intervals."""
    start, steps = datetime.fromisoformat(body["start"]), np.asarray(body["steps"], dtype=np.int64)
    first: NDArray[np.int64] = np.concatenate([[0], np.cumsum(steps)[:-1]])
    return [start + STEP * int(k) for k in first], (steps * 0.25).tolist()


def _interval(body: Mapping[str, Any], at: datetime) -> int | None:
    """The interval of a belief that holds a time; None outside."""
    since = (at - datetime.fromisoformat(body["start"])) / STEP
    ends = np.cumsum(body["steps"])
    return int(np.searchsorted(ends, since, side="right")) if 0 <= since < ends[-1] else None
