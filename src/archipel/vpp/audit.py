"""Afterwards: who kept the envelopes, who broke them and for how long, and what it did to the network.

What counts is metered power of the flexible devices behind a point (load convention) against the limits that held, and
AC power flow of all that was metered. Whether it mattered is told apart from whose it was: a breach may have hurt
nobody, and a limit of the network may have been broken though all kept to their envelopes (load beyond its margin).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final

import numpy as np

from archipel.grid.power_flow import PowerFlow
from archipel.model import Bools, Diverged, Floats, Scenario
from archipel.vpp.envelope import Envelopes

SLACK_KW = 0.01
"""Meters are not better; nearer to the limit than this is kept."""


@final
@dataclass(frozen=True, slots=True)
class Breach:
    """One point outside its envelope, without a break."""

    point: str
    """Id of the node."""
    side: str
    """`import` or `export`."""
    start: datetime
    hours: float
    worst_kw: float
    """Most by which the limit was exceeded."""
    e_kwh: float
    """Energy beyond the limit."""
    hurt: tuple[str, ...]
    """Limits of the network that were broken meanwhile, and would not have been had all kept to their envelopes."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """What was found."""

    breaches: tuple[Breach, ...]
    """In the order of points, then of time."""
    kept: Floats
    """Share of intervals in which each point kept to its envelope, shape (N,); those without a meter do not count."""
    unmetered: Bools
    """Shape (N, T): no number was metered; nothing is assumed of it."""
    violations: tuple[str, ...]
    """Every limit of the network that was broken in an interval, with the interval, breach or not."""

    @property
    def clean(self) -> bool:
        """Whether all kept to their envelopes and the network to its limits."""
        return not self.breaches and not self.violations


def audit(
    envelopes: Envelopes,
    metered_kw: Floats,
    scenario: Scenario | None = None,
    node_p_kw: Floats | None = None,
    node_q_kvar: Floats | None = None,
) -> Audit:
    """Compare metered powers of the points with their envelopes.

    Args:
        envelopes: What was published; from when they have expired the defaults count.
        metered_kw: Mean power of the flexible devices of every point, load convention, shape (N, T); NaN: no reading.
        scenario: With it and what follows, what the breaches did to the network.
        node_p_kw, node_q_kvar: What all nodes drew, the points' devices included, shape (nodes, T).

    Raises:
        ValueError: where the shapes do not fit.
    """
    shape = envelopes.import_kw.shape
    if metered_kw.shape != shape:
        raise ValueError(f"found metered powers of shape {metered_kw.shape}; expected {shape}, points by intervals")
    imports, exports = held(envelopes)
    beyond = np.stack([metered_kw - imports, -metered_kw - exports])
    unmetered = np.isnan(metered_kw)
    out = np.where(unmetered, False, beyond > SLACK_KW)
    hurt: list[tuple[str, ...]] = [()] * shape[1]
    violations: tuple[str, ...] = ()
    if scenario is not None and node_p_kw is not None and node_q_kvar is not None:
        hurt, violations = _consequence(envelopes, scenario, np.where(out, beyond, 0.0), node_p_kw, node_q_kvar)
    counted = np.maximum((~unmetered).sum(axis=1), 1)
    return Audit(
        breaches=tuple(_breaches(envelopes, beyond, out, hurt)),
        kept=1.0 - out.any(axis=0).sum(axis=1) / counted,
        unmetered=unmetered,
        violations=violations,
    )


def held(envelopes: Envelopes) -> tuple[Floats, Floats]:
    """(import, export) limits that held in every interval, shape (N, T): the defaults once the lease had expired."""
    step = timedelta(hours=envelopes.dt_h)
    gone = np.array([envelopes.start + t * step >= envelopes.end for t in range(envelopes.intervals)], dtype=bool)
    return (
        np.where(gone, envelopes.default_import_kw[:, None], envelopes.import_kw),
        np.where(gone, envelopes.default_export_kw[:, None], envelopes.export_kw),
    )


def _breaches(envelopes: Envelopes, beyond: Floats, out: Bools, hurt: list[tuple[str, ...]]) -> list[Breach]:
    found = []
    for n, name in enumerate(envelopes.points.node_id):
        for side, word in enumerate(("import", "export")):
            edges = np.diff(np.concatenate([[0], out[side, n].astype(np.int64), [0]]))
            for a, b in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
                excess = beyond[side, n, a:b]
                found.append(
                    Breach(
                        point=name,
                        side=word,
                        start=envelopes.start + timedelta(hours=envelopes.dt_h * int(a)),
                        hours=float((b - a) * envelopes.dt_h),
                        worst_kw=float(excess.max()),
                        e_kwh=float(excess.sum() * envelopes.dt_h),
                        hurt=tuple(sorted({what for t in range(a, b) for what in hurt[t]})),
                    )
                )
    return found


def _consequence(
    envelopes: Envelopes, scenario: Scenario, excess: Floats, p_kw: Floats, q_kvar: Floats
) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Limits that breaches broke, by interval, and all limits that were broken."""
    true = broken_limits(scenario, p_kw, q_kvar)
    obedient = p_kw.copy()
    obedient[envelopes.points.node] += excess[1] - excess[0]
    broke = np.flatnonzero(excess.any(axis=(0, 1)))
    without = dict(zip(broke.tolist(), broken_limits(scenario, obedient[:, broke], q_kvar[:, broke]), strict=True))
    hurt = [tuple(x for x in names if t in without and x not in without[t]) for t, names in enumerate(true)]
    return hurt, tuple(f"interval {t}: {name}" for t, names in enumerate(true) for name in names)


def broken_limits(scenario: Scenario, p_kw: Floats, q_kvar: Floats) -> list[tuple[str, ...]]:
    """For every interval the limits of the network (margins not counted) that what all nodes draw breaks, by AC."""
    grid, firm = scenario.grid, scenario.connection
    model = PowerFlow(grid)
    found: list[tuple[str, ...]] = []
    for t in range(p_kw.shape[1]):
        try:
            flow = model.solve(p_kw[:, t], q_kvar[:, t])
        except Diverged:
            found.append(("no solution: voltage collapse",))
            continue
        live = flow.v_pu > 0.0
        names = [f"voltage high {grid.nodes.id[n]}" for n in np.flatnonzero(flow.v_pu > grid.nodes.v_pu_max)]
        names += [f"voltage low {grid.nodes.id[n]}" for n in np.flatnonzero(live & (flow.v_pu < grid.nodes.v_pu_min))]
        names += [f"loading {grid.branch_id[b]}" for b in np.flatnonzero(flow.loading > 1.0)]
        if flow.upstream_p_kw > firm.import_kw_max:
            names.append(f"import limit {grid.source.id}")
        if -flow.upstream_p_kw > firm.export_kw_max:
            names.append(f"export limit {grid.source.id}")
        found.append(tuple(names))
    return found
