"""The account of an adoption: who is there, what was placed, and what the network says to it when nobody controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, final

import numpy as np

from archipel.formats.adopting.kinds import KINDS
from archipel.formats.adopting.loads import SINGLES, LoadPlan
from archipel.formats.adopting.local_clock import ZONE
from archipel.formats.adopting.options import AdoptOptions
from archipel.formats.adopting.setting import Placed, Setting
from archipel.grid.power_flow import PowerFlow
from archipel.model import Diverged, Floats, Grid, GridError, Scenario

FIRST_WORDS = "Adopted from"
LEADING = 0.1
"""Reactive power that loads give as a share of their power, from which on it is said."""
WORDS = {"home": "homes", "business": "businesses", "farm": "farms"}


@final
@dataclass(frozen=True, slots=True)
class Moment:
    """The network in one quarter hour, nothing controlled."""

    what: str
    time: datetime
    p_kw: float
    loading: float
    """The highest share of a limit, over lines and transformers; NaN where the power flow finds no answer."""
    at: str
    over: int
    """Lines and transformers above their limit."""
    v_low: float
    v_low_at: str
    v_high: float
    v_high_at: str
    outside: int
    """Nodes outside their limits of voltage."""

    def __str__(self) -> str:
        head = f"{self.what:<26}{self.p_kw:>10,.0f} kW  {self.time:%Y-%m-%d %H:%MZ}\n      "
        if np.isnan(self.loading):
            return head + "the power flow finds no answer: far beyond what the network can carry"
        return (
            f"{head}highest loading {100 * self.loading:.0f} % ({self.at}), {self.over} above 100 %\n      "
            f"voltage {self.v_low:.3f} ({self.v_low_at}) to {self.v_high:.3f} pu ({self.v_high_at}), "
            f"{self.outside} nodes outside their limits"
        )

    @property
    def bad(self) -> bool:
        """Whether a limit is broken."""
        return bool(np.isnan(self.loading)) or self.over > 0 or self.outside > 0


@final
@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """What was seen, placed and is to be expected."""

    lines: tuple[str, ...]
    before: Moment
    after: tuple[Moment, ...]
    hardest_day: datetime
    count: Mapping[str, int]
    """Devices placed by kind."""
    unseen: tuple[str, ...] = ()
    """What this look at the network could not see."""

    @property
    def overloaded_before(self) -> bool:
        """Whether the network breaks a limit without any of the new devices."""
        return self.before.bad

    @property
    def notes(self) -> tuple[str, ...]:
        """The account as lines of text."""
        moments = [f"  {moment}" for moment in (self.before, *self.after)]
        warning = []
        if self.overloaded_before:
            warning = [
                "WARNING: the network breaks limits before any device is added (first line above). No strategy can",
                "  mend what loads alone break: look at ratings, and at kW written where MW was meant.",
            ]
        return (
            *self.lines,
            "when nobody controls anything",
            *moments,
            *warning,
            _binds(self.before, self.after),
            *self.unseen,
        )

    def __str__(self) -> str:
        return "\n".join(self.notes)


def _binds(before: Moment, after: tuple[Moment, ...]) -> str:
    worst = [moment for moment in after if moment.bad]
    if before.bad:
        return "likely to bind: what is broken already"
    if not worst:
        return "likely to bind: nothing; strategies will differ in cost only"
    said = []
    for moment in worst:
        if np.isnan(moment.loading):
            said.append(f"everything at {moment.what}")
        elif moment.over:
            said.append(f"{moment.at} at {moment.what}")
        else:
            where = moment.v_low_at if "load" in moment.what else moment.v_high_at
            said.append(f"the voltage at {where} at {moment.what}")
    return "likely to bind: " + "; ".join(said)


def account_of(
    old: Scenario, options: AdoptOptions, setting: Setting, kinds: list[tuple[str, int]], plan: LoadPlan, p_kw: Floats,
    value: Mapping[str, Floats], placed: Mapping[str, Placed], had: Mapping[str, int], given: Mapping[str, Any],
) -> Account:  # fmt: skip
    """The account of what was placed, from three power flows of the network as it was imported."""
    total = _load_total(plan, p_kw, value, len(setting.clock)) + _given(given, old, np.arange(len(setting.clock))).sum(
        axis=0
    )
    with_all = total + sum((one.total_kw for one in placed.values()), np.zeros(len(total)))
    flow = PowerFlow(old.grid)
    base = int(np.argmax(total))
    before = _moment("peak load without devices", flow, base, old, setting, plan, value, {}, given, float(total[base]))
    after = [_moment("peak load with devices", flow, int(np.argmax(with_all)), old, setting, plan, value, placed, given,
                     float(with_all.max()))]  # fmt: skip
    if with_all.min() < 0.0 or "pv" in placed:
        low = int(np.argmin(with_all))
        what = "largest feed-in" if with_all[low] < 0.0 else "least load with devices"
        after.append(_moment(what, flow, low, old, setting, plan, value, placed, given, float(with_all[low])))
    feeds_in = [moment for moment in after if moment.p_kw < 0.0]
    # Where loads alone break limits, the day to look at is one on which devices matter.
    hardest = feeds_in[0] if before.bad and feeds_in else max(after, key=lambda m: np.nan_to_num(m.loading, nan=9.0))
    day = hardest.time.replace(hour=0, minute=0)
    latest = setting.clock.start + timedelta(minutes=15) * (len(total) - 96)
    day = min(max(day, setting.clock.start), latest)
    lines = _lines(old, options, setting, kinds, plan, p_kw, total, placed, had)
    return Account(
        tuple(lines),
        before,
        tuple(after),
        day,
        {name: len(one.rows) for name, one in placed.items()},
        _unseen(old, placed),
    )


def _unseen(old: Scenario, placed: Mapping[str, Placed]) -> tuple[str, ...]:
    """What a balanced look at a kept three-phase circuit leaves out."""
    if old.three_phase is None:
        return ()
    chargers = (
        "  chargers are three-phase at their full power for that look; under three-phase physics one joins the phase",
        "  of the customers at its node where these share one, and draws all of its power there",
    )
    return (
        "looked at as a balanced network: single phases and unbalance were not seen, though the scenario keeps its",
        "  three-phase circuit; run it with --physics three-phase to see them",
        *(chargers if "ev" in placed else ()),
    )


def _load_total(plan: LoadPlan, p_kw: Floats, value: Mapping[str, Floats], rows: int) -> Floats:
    weight: dict[str, float] = {}
    for name, kw in zip(plan.profile, p_kw, strict=True):
        weight[name] = weight.get(name, 0.0) + float(kw)
    return sum((kw * value[name] for name, kw in weight.items()), np.zeros(rows))


def _given(given: Mapping[str, Any], old: Scenario, at: Any) -> Floats:
    """Power of the scenario's own plants by their series, shape (plants, rows asked for)."""
    parts = [np.zeros((0, len(at)))]
    for kind, fleet in given.items():
        peak = fleet.p_kw_peak if kind == "pv" else fleet.p_kw
        one = np.where(fleet.profile[:, None] < 0, 1.0, old.profiles.value[at][:, np.maximum(fleet.profile, 0)].T)
        parts.append(-np.minimum(peak[:, None] * one, fleet.s_kva[:, None]))
    return np.concatenate(parts)


def _moment(
    what: str, flow: PowerFlow, row: int, old: Scenario, setting: Setting, plan: LoadPlan, value: Mapping[str, Floats],
    placed: Mapping[str, Placed], given: Mapping[str, Any], total: float,
) -> Moment:  # fmt: skip
    grid = old.grid
    at, number = np.array([row]), {name: i for i, name in enumerate(grid.nodes.id)}
    p, q = np.zeros(len(grid.nodes)), np.zeros(len(grid.nodes))
    loads = next(fleet for fleet in old.fleets if fleet.kind == "load")
    one = np.array([value[name][row] for name in plan.profile])
    np.add.at(p, loads.node, loads.p_kw * one)  # type: ignore[attr-defined]
    np.add.at(q, loads.node, loads.q_kvar * one)  # type: ignore[attr-defined]
    if given:
        np.add.at(p, np.concatenate([fleet.node for fleet in given.values()]), _given(given, old, at)[:, 0])
    for each in placed.values():
        np.add.at(p, [number[device["node"]] for device in each.rows], each.uncontrolled(at)[:, 0])
    time = setting.clock.start + timedelta(minutes=15) * row
    try:
        solved = flow.solve(p, q)
    except (Diverged, GridError):
        return Moment(what, time, total, float("nan"), "", 0, 0.0, "", 0.0, "", 0)
    return _looked(what, time, total, grid, solved.loading, solved.v_pu)


def _looked(what: str, time: datetime, total: float, grid: Grid, loading: Floats, v_pu: Floats) -> Moment:
    worst = int(np.argmax(loading)) if len(loading) else 0
    live = np.flatnonzero(v_pu > 0.0)
    low, high = int(live[np.argmin(v_pu[live])]), int(live[np.argmax(v_pu[live])])
    outside = (v_pu < grid.nodes.v_pu_min) | (v_pu > grid.nodes.v_pu_max)
    return Moment(
        what, time, total, float(loading[worst]), grid.branch_id[worst], int((loading > 1.0).sum()),
        float(v_pu[low]), grid.nodes.id[low], float(v_pu[high]), grid.nodes.id[high], int(outside[live].sum()),
    )  # fmt: skip


def _lines(
    old: Scenario, options: AdoptOptions, setting: Setting, kinds: list[tuple[str, int]], plan: LoadPlan, p_kw: Floats,
    total: Floats, placed: Mapping[str, Placed], had: Mapping[str, int],
) -> list[str]:  # fmt: skip
    customers = setting.customers
    count = customers.count()
    none = sum(what == "" for what, _ in kinds)
    behind = sum(number for _, number in kinds if number > 1)
    groups = sum(number > 1 for _, number in kinds)
    said = [f"{count[kind]:,} {word}" for kind, word in WORDS.items() if count[kind]]
    lines = [
        f"{FIRST_WORDS} {old.name}, seed {options.seed}",
        f"  {len(kinds):,} loads of {p_kw.sum():,.0f} kW: {count.total():,} customers ({', '.join(said) or 'none'})",
    ]
    loads: list[Any] = [fleet for fleet in old.fleets if fleet.kind == "load"]
    reactive = sum(float(fleet.q_kvar.sum()) for fleet in loads)
    if reactive < -LEADING * p_kw.sum():
        lines.append(
            f"  CHECK: the loads give {-reactive:,.0f} kvar; loads take reactive power (lagging, positive) nearly "
            "everywhere: are the signs of lead and lag exchanged?"
        )
    if groups:
        lines.append(
            f"  {behind:,} of the homes stand behind {groups:,} loads at medium voltage, seen by what they use"
        )
    if len(customers) < count.total():
        lines.append(
            f"  they have {len(customers):,} rows: a row stands for up to {customers.homes.max():.0f} homes with the "
            "same devices"
        )
    if none:
        lines.append(f"  {none:,} loads are no customers (devices by the name of their series, or without power)")
    if plan.renewed:
        factors = ", ".join(f"{plan.peak[kind]:.2f} for {kind}s" for kind in SINGLES if kind in plan.peak)
        lines += [
            f"  {plan.renewed:,} loads got a standard profile of BDEW; their kW are what each adds to a common peak,",
            f"    so a year's use is kW x 8,760 h x the load factor of the profiles ({factors})",
        ]
    if plan.varied:
        lines.append(
            f"  {plan.varied:,} loads had one of {sum(name not in SINGLES for name in plan.peak)} series of a class; "
            "each got its own, with that series as their mean"
        )
    lines.append(
        f"  without devices: {total.sum() / 4e3:,.0f} MWh in the series, peak {total.max():,.0f} kW; "
        f"series from {setting.clock.start.astimezone(ZONE):%Y-%m-%d}, clock of Central Europe"
    )
    for name, one in placed.items():
        may = int(customers.of(*KINDS[name].customers).sum())  # rows
        before = f", {had[name]} more had one" if had[name] else ""
        lines.append(f"  {name:<10}{len(one.rows):>7,} of {may:,}{before}: {one.size}")
        lines += [f"  {'':<10}        {note}" for note in one.notes]
    lines.append("  connection limits are as before; tariffs are the format's own where the scenario names none")
    return lines
