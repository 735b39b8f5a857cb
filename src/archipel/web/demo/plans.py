"""Who agreed what in the demonstration, from what the strategy decided."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from archipel.controller.controller import LEASE_H
from archipel.model import PRICE_PARTS, Scenario
from archipel.twin import Decision
from archipel.web.nouns import Agreements, PlanRecord, PriceParts, TieAgreement

if TYPE_CHECKING:
    from archipel.strategies.distributed import Distributed


def agreements_of(
    scenario: Scenario, cells: Distributed, decision: Decision, entry: Mapping[str, Any] | None, plan: int, at: datetime
) -> Agreements:
    """What holds from `at` on.

    Args:
        scenario: The case.
        cells: Who agreed.
        decision: What came of it for this quarter hour.
        entry: What is known of the plan it comes from.
        plan: Its number.
        at: Now.
    """
    planned = cells.planned
    since = None if planned is None else planned[0]
    until = None if since is None else since + timedelta(hours=LEASE_H)
    ties = []
    for row, tie in enumerate(scenario.archipelago.tie):
        agreed = _number(decision.agreed_kw[row])
        parts = [None] * len(PRICE_PARTS) if decision.priced is None else decision.priced.tie_parts[row].tolist()
        ties.append(
            TieAgreement(
                tie=tie.id,
                upper=tie.upper,
                lower=tie.lower,
                agreed_kw=agreed,
                default_kw=tie.default_p_kw,
                p_kw=None,
                price_eur_per_kwh=_number(decision.price[row]),
                parts=PriceParts(**dict(zip(PRICE_PARTS, map(_number, parts), strict=True))),
                since=None if agreed is None else since,
                until=None if agreed is None else until,
                plan=str(plan) if agreed is not None else "",
                why="" if agreed is not None else _why(tie.closed, tie.upper, tie.lower, cells),
            )
        )
    return Agreements(time=at, plan=None if entry is None else record_of(entry), ties=ties)


def record_of(entry: Mapping[str, Any]) -> PlanRecord:
    """How a plan came about."""
    return PlanRecord(
        time=entry["time"],
        rounds=entry["rounds"],
        messages=entry["messages"],
        bytes=entry["bytes"],
        gap=_number(entry["gap"]),
        accepted=entry["accepted"],
        cost_eur=_number(entry["cost_eur"]),
        silent=list(entry["silent"]),
        given=list(entry["given"]),
    )


def _why(closed: bool, upper: str, lower: str, cells: Distributed) -> str:
    if not closed:
        return "the tie is open"
    gone = [name for name in (lower, upper) if name in cells.dead]
    if gone:
        return f"{gone[0]} does not answer"
    return "nothing was agreed yet"


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
