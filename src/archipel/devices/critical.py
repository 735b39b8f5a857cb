"""Load in parts: the critical one, which is served to the last, and the rest, which may be shed stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from archipel.devices.load import LoadFleet
from archipel.devices.sheddable import SheddableFleet
from archipel.model import Fleet, IslandRules

DEARER = 0.01
"""By how much load is worth more per step of priority, so that plans shed in the same order as rules."""


def with_critical(fleets: Sequence[Fleet], rules: IslandRules, voll_eur_per_kwh: float) -> tuple[Fleet, ...]:
    """The fleets with every load cut down to its critical part; the rest joins the sheddable loads.

    It is called `<load>/rest`, and where there are stages `<load>/stage-<priority>` for each. Loads that could be shed
    anyway go with the stage that is shed first.
    """
    out: list[Any] = list(fleets)
    if rules.critical_share >= 1.0:
        return tuple(out)
    stages = rules.shedding
    last = stages[-1].priority
    for i, fleet in enumerate(fleets):
        if isinstance(fleet, SheddableFleet) and fleet.priority is None:
            out[i] = replace(fleet, priority=np.full(len(fleet.id), last))
    for i, fleet in enumerate(fleets):
        if not isinstance(fleet, LoadFleet):
            continue
        kept = rules.critical_share
        out[i] = replace(fleet, p_kw=kept * fleet.p_kw, q_kvar=kept * fleet.q_kvar)
        for stage in stages:
            name = f"stage-{stage.priority}" if rules.stages else "rest"
            worth = voll_eur_per_kwh * (1.0 + DEARER * (last - stage.priority))
            shed = SheddableFleet(
                tuple(f"{one}/{name}" for one in fleet.id),
                fleet.node,
                stage.share * fleet.p_kw,
                stage.share * fleet.q_kvar,
                fleet.p_profile,
                fleet.q_profile,
                np.full(len(fleet.id), worth),
                np.full(len(fleet.id), stage.priority),
            )
            known = [k for k, other in enumerate(out) if isinstance(other, SheddableFleet)]
            if known:
                out[known[0]] = _joined(out[known[0]], shed)
            else:
                out.append(shed)
    return tuple(out)


def _joined(first: SheddableFleet, second: SheddableFleet) -> SheddableFleet:
    def both(a: Any, b: Any) -> Any:
        return a + b if isinstance(a, tuple) else np.concatenate([a, b])

    return SheddableFleet(*(both(getattr(first, f.name), getattr(second, f.name)) for f in fields(SheddableFleet)))
