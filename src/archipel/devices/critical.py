"""Load in two parts: the critical one, which is served to the last, and the rest, which may be shed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from archipel.devices.load import LoadFleet
from archipel.devices.sheddable import SheddableFleet
from archipel.model import Fleet


def with_critical(fleets: Sequence[Fleet], critical_share: float, voll_eur_per_kwh: float) -> tuple[Fleet, ...]:
    """The fleets with every load cut down to its critical part; the rest (`<load>/rest`) joins the sheddable loads."""
    out: list[Any] = list(fleets)
    for i, fleet in enumerate(fleets):
        if not isinstance(fleet, LoadFleet) or critical_share >= 1.0:
            continue
        rest = 1.0 - critical_share
        out[i] = replace(fleet, p_kw=critical_share * fleet.p_kw, q_kvar=critical_share * fleet.q_kvar)
        shed = SheddableFleet(
            tuple(f"{name}/rest" for name in fleet.id),
            fleet.node,
            rest * fleet.p_kw,
            rest * fleet.q_kvar,
            fleet.p_profile,
            fleet.q_profile,
            np.full(len(fleet.id), voll_eur_per_kwh),
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
