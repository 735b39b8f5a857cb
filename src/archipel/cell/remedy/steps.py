"""Changes in steps: vehicles that leave later, taps, a shorter outage, switches. The fewest steps that do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from archipel.cell.remedy.case import Session, case_of
from archipel.cell.remedy.least import LATER_STEPS, TAPS, Alternative, Change, Conflict, Point, Work, least
from archipel.cell.remedy.network import Watch
from archipel.devices import EvChargerFleet
from archipel.model import Diverged, Grid, Scenario


def later(work: Work, conflict: Conflict, point: Point, others: dict[Any, float]) -> Alternative | None:
    """Vehicles of the conflict leave later, all by as many quarter hours: the fewest that do."""
    mine = {a.thing for a in conflict.tied if a.what == "energy"}
    mine |= {s.id for s in work.case.sessions if any(s.node in z.nodes for z in conflict.zones) and mine}
    if not mine:
        return None
    low, high, best = 0, LATER_STEPS, None
    while low + 1 < high or best is None:
        steps = high if best is None else (low + high) // 2
        scenario = shifted_ends(work.case.scenario, work.case.sessions, mine, steps)
        case = case_of(scenario, work.case.horizon, work.case.wishes)
        other = Work(case, work.network, work.limits, work.watch, work.prices)
        found = least(other, conflict, point, others, ())
        if found is None or not found.kept:
            if best is None:
                return None
            low = steps
        else:
            best, high = replace(found, kind="later"), steps
        if high - low <= 1 and best is not None:
            break
    names = sorted(mine)
    changes = tuple(Change("later", n, 15.0 * high, "min") for n in names)
    day = work.prices.late_vehicle_eur_per_h * 0.25 * high * len(names)
    return replace(
        best, changes=changes, eur_per_day=day, measure=day, discrete=tuple(("later", n, high) for n in names)
    )


def shifted_ends(scenario: Scenario, sessions: tuple[Session, ...], names: set[str], steps: int) -> Scenario:
    """The scenario with some departures so many quarter hours later, at most until the charger's next vehicle."""
    fleets: list[Any] = list(scenario.fleets)
    for k, fleet in enumerate(fleets):
        if not isinstance(fleet, EvChargerFleet):
            continue
        end = fleet.session_end.copy()
        for one in sessions:
            if one.id not in names or one.charger not in fleet.id:
                continue
            device = fleet.id.index(one.charger)
            s = int(np.flatnonzero((fleet.session_device == device) & (fleet.session_start == one.start))[0])
            after = fleet.session_start[s + 1] if s + 1 < len(end) and fleet.session_device[s + 1] == device else 10**9
            end[s] = min(int(end[s]) + steps, int(after))
        fleets[k] = replace(fleet, session_end=end)
    return replace(scenario, fleets=tuple(fleets))


def tapped(work: Work, conflict: Conflict, point: Point, others: dict[Any, float]) -> Alternative | None:
    """A transformer's tap is moved: the fewest steps of one transformer that do."""
    if not any(a.what.startswith("voltage") for a in conflict.tied):
        return None
    grid, case = work.case.scenario.grid, work.case
    trafos = grid.transformers
    for steps in range(1, TAPS + 1):
        for k in np.flatnonzero((trafos.tap_step_percent > 0.0) & trafos.hv_closed & trafos.lv_closed):
            for way in (1, -1):
                tap = trafos.tap_pos.copy()
                tap[k] += way * steps
                changed = replace(grid, transformers=replace(trafos, tap_pos=tap))
                network = work.network.with_grid(changed)
                other = Work(case, network, work.limits, Watch(set(), set(), set()), work.prices)
                try:
                    at = other.point(point.u)
                except Diverged:
                    continue
                found = least(other, conflict, at, others, ())
                if found is not None and found.kept:
                    name = trafos.id[k]
                    change = Change("tap", name, float(steps), "up" if way > 0 else "down")
                    cost = work.prices.visit_eur / 15.0
                    return replace(
                        found, kind="tap", changes=(change,), eur_per_day=0.0, eur_per_a=cost,
                        measure=cost / work.prices.days_a_year, discrete=(("tap", name, way * steps),),
                    )  # fmt: skip
    return None


def shorter(work: Work, conflict: Conflict, point: Point, others: dict[Any, float]) -> Alternative | None:
    """An outage is over earlier: the fewest intervals that do."""
    outage = work.case.wishes.outage
    if outage is None:
        return None
    first, end = outage
    low, high, best = first, end, None
    while high - low > 1:  # at `end` it cannot be held
        middle = (low + high) // 2
        wishes = replace(work.case.wishes, outage=(first, middle))
        case = case_of(work.case.scenario, work.case.horizon, wishes)
        other = Work(case, work.network, work.network.limits(case), work.watch, work.prices)
        found = least(other, conflict, point, others, ())
        if found is not None and found.kept:
            low, best = middle, found
        else:
            high = middle
    if best is None:
        return None
    hours = float(work.case.horizon.dt_h[low:end].sum())
    held = float(work.case.horizon.dt_h[first:low].sum())
    change = Change("shorter", "", hours, "h", held)
    critical = float((work.case.load_kw[:, low:end].sum(axis=0) * work.case.horizon.dt_h[low:end]).sum())
    day = work.prices.lost_load_eur_per_kwh * critical
    return replace(
        best, kind="shorter", changes=(change,), eur_per_day=day, eur_per_a=0.0, measure=day,
        discrete=(("shorter", "", end - low),),
    )  # fmt: skip


def switched(grid: Grid) -> list[tuple[str, Grid]]:
    """Every switch or line with an open end, with the grid in which just that is closed."""
    out = []
    ids = set(grid.nodes.id)
    switches, lines = grid.switches, grid.lines
    for k in np.flatnonzero(~switches.closed):
        if switches.element[k] in ids:
            closed = switches.closed.copy()
            closed[k] = True
            out.append((switches.id[k], replace(grid, switches=replace(switches, closed=closed))))
    for k in np.flatnonzero(~(lines.from_closed & lines.to_closed)):
        ends = [lines.from_closed.copy(), lines.to_closed.copy()]
        for end in ends:
            end[k] = True
        out.append((lines.id[k], replace(grid, lines=replace(lines, from_closed=ends[0], to_closed=ends[1]))))
    return out
