"""The figures of an event: five days side by side, what came of asking, and the same as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np

from archipel.model import StrategyResult
from archipel.report.figures import grouped
from archipel.report.kpis import kpis
from archipel.strategies.demand_event import DemandEvent, Way
from archipel.vpp.event import AFTER_H, QUARTER_H, WORTH_EUR_PER_KWH

DAYS = ("rules", "central, none", "central, event", "price, none", "price, event")
"""The five days: nothing asked and nobody plans; each way without and with the event."""
OF_THE_DAY = (
    "cost_eur", "import_kwh", "export_kwh", "peak_import_kw", "losses_kwh", "ev_unserved_kwh", "ev_open_kwh",
    "comfort_missed_k_h", "unserved_kwh", "voltage_violation_node_h", "worst_v_pu", "branch_overload_h",
    "worst_loading", "connection_violation_h", "messages",
)  # fmt: skip
BANDS = ((0.98, "all of it"), (0.90, "nearly all of it"), (0.50, "part of it"), (-math.inf, "little of it"))


def figures(done: DemandEvent) -> dict[str, Any]:
    """Everything, ready for JSON: energies in kWh, powers in kW, money in EUR, voltages in pu."""
    event = done.event
    kinds = np.array(done.scenario.device_kind)[done.devices]
    days = {name: _day(done, result) for name, result in zip(DAYS, results(done), strict=True)}
    return {
        "scenario": done.scenario.name,
        "at": event.start.isoformat(),
        "announced": event.announced.isoformat(),
        "hours": event.hours,
        "reduction_kw": event.reduction_kw,
        "most_kw": _plain(done.most_kw),
        "forecast": done.forecast,
        "asked_devices": {str(kind): int((kinds == kind).sum()) for kind in np.unique(kinds)},
        "ways": {way.name: _way(done, way, days) for way in done.ways},
        "searches": [
            {
                "at": search.at.isoformat(),
                "until": search.until.isoformat(),
                "rounds": [asdict(told) for told in search.rounds],
            }
            for search in done.searches
        ],
        "price_eur_per_kwh": [float(price) for price in done.price_eur_per_kwh],
        "days": days,
    }


def results(done: DemandEvent) -> tuple[StrategyResult, ...]:
    """What happened on the five days, in the order of `DAYS`."""
    central, price = done.ways
    return done.rules, central.none, central.asked, price.none, price.asked


def _day(done: DemandEvent, result: StrategyResult) -> dict[str, Any]:
    found = kpis(done.scenario, result)
    found["messages"] = sum(int(entry["messages"]) for entry in result.agreements)
    return {key: found[key] for key in OF_THE_DAY}


def _way(done: DemandEvent, way: Way, days: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    came, cost = way.came, days[f"{way.name}, event"]["cost_eur"] - days[f"{way.name}, none"]["cost_eur"]
    own = {key: _plain(value) for key, value in asdict(came).items()}
    own["delivered_share"] = came.delivered_share
    own["event_cost_eur"] = cost
    own["event_cost_eur_per_kwh"] = cost / came.delivered_kwh if came.delivered_kwh > 0 else None
    own["paid_eur"] = paid_eur(done, way)
    own["event_messages"] = way.event_messages
    return own


def paid_eur(done: DemandEvent, way: Way) -> float | None:
    """What cells are paid for not drawing, at the price that held; None where nothing is paid per kWh."""
    if way.name != "price":
        return None
    first = way.none.time[0].astype("datetime64[s]").item().replace(tzinfo=done.event.start.tzinfo)
    inside = done.event.quarters(first, len(way.none.time))
    less = (way.none.p_kw - way.asked.p_kw)[done.devices].sum(axis=0, dtype=np.float64)[inside]
    return float(done.price_eur_per_kwh @ less) * QUARTER_H


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


@final
@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: a value for some of the days."""

    label: str
    unit: str
    meaning: str
    value: Mapping[str, str]
    """As printed, by day."""


def tables(found: Mapping[str, Any]) -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """The lines of the comparison by group; days that have no such figure are left out of a line."""
    ways, days = found["ways"], found["days"]

    def came(key: str, label: str, unit: str, meaning: str, digits: int = 0, scale: float = 1.0) -> Row:
        value = {f"{name}, event": _said(way[key], digits, scale) for name, way in ways.items()}
        return Row(label, unit, meaning, value)

    def day(key: str, label: str, unit: str, meaning: str, digits: int = 0, scale: float = 1.0) -> Row:
        return Row(label, unit, meaning, {name: _said(one[key], digits, scale) for name, one in days.items()})

    peaks = {"central, none": ways["central"]["none_peak_kw"], "price, none": ways["price"]["none_peak_kw"]}
    peaks |= {f"{name}, event": way["rebound_peak_kw"] for name, way in ways.items()}
    band = {name: "–" if one["worst_v_pu"] is None else "{:.3f}–{:.3f}".format(*one["worst_v_pu"]) for name, one in days.items()}
    after = f"{AFTER_H:g} h after"
    return (
        (
            "Delivered",
            (
                came("delivered_kwh", "Not drawn by asked devices", "kWh", "Against the same way's day without event."),
                came("delivered_share", "Of what was asked", "%", "Quarter hour by quarter hour: too much in one does not make up for another.", 1, 100.0),
                came("least_kw", "Weakest quarter hour", "kW", "Smallest reduction in the event."),
                came("most_kw", "Strongest quarter hour", "kW", "Largest reduction in the event."),
                came("at_connection_kwh", "Metered at the connection", "kWh", "With losses, and with what devices did that were not asked."),
                came("meter_before_kwh", "By meter before", "kWh", "What a meter alone would tell: against the mean of the hour before the announcement. Sun and evening make it wrong."),
            ),
        ),
        (
            "Before and after",
            (
                came("before_kwh", "Put aside before", "kWh", "Drawn more between announcement and start."),
                came("rebound_kwh", f"Rebound, {after}", "kWh", "Drawn more by asked devices than without event."),
                Row(f"Highest import, {after}", "kW", "At the connection.", {k: _said(v, 0) for k, v in peaks.items()}),
            ),
        ),
        (
            "Comfort",
            (
                day("ev_unserved_kwh", "Missing in vehicles at departure", "kWh", "All vehicles, not only asked ones.", 1),
                day("comfort_missed_k_h", "Houses outside their band", "K h", "Sum over heat pumps.", 1),
            ),
        ),
        (
            "Cost",
            (
                day("cost_eur", "Cost of these hours", "EUR", "Energy, fees, peak charge, wear; what is drained from stores and still owed to vehicles is counted.", 1),
                came("event_cost_eur", "The event adds", "EUR", "To the day without event of the same way; without payments.", 2),
                came("event_cost_eur_per_kwh", "Per kWh delivered", "ct", "", 1, 100.0),
                came("paid_eur", "Paid to cells", "EUR", "Price that held times what was not drawn; a payment between parties, no cost of the area.", 2),
            ),
        ),
        (
            "Network",
            (
                Row("Lowest and highest voltage", "pu", "Any node, any quarter hour.", band),
                day("voltage_violation_node_h", "Beyond voltage limits", "node h", "Sum over nodes.", 2),
                day("worst_loading", "Highest loading", "%", "Any branch.", 1, 100.0),
                day("branch_overload_h", "Beyond loading limits", "branch h", "Sum over branches.", 2),
                day("connection_violation_h", "Beyond firm limits", "h", "At the connection.", 2),
            ),
        ),
        (
            "Messages",
            (
                came("event_messages", "For the event", "", "Setpoints to asked devices; or prices told to cells and their answers."),
                day("messages", "Between cells in all", "", "Agreements of these hours; the centre reads and orders every device instead."),
            ),
        ),
    )  # fmt: skip


def text(found: Mapping[str, Any]) -> str:
    """The comparison as text of at most 100 columns."""
    lines = [summary(found), "", f"{'':<33}{'':>9}" + "".join(f"{name:>11}" for name in ("rules", *["central"] * 2, *["price"] * 2))]
    lines.append(f"{'':<33}{'':>9}" + "".join(f"{name:>11}" for name in ("no event", *["no event", "event"] * 2)))
    for title, rows in tables(found):
        lines.append(title)
        for row in rows:
            values = "".join(f"{row.value.get(name, ''):>11}" for name in DAYS)
            lines.append(f"  {row.label:<31}{row.unit:>9}{values}".rstrip())
    return "\n".join(lines)


def summary(found: Mapping[str, Any]) -> str:
    """In a few sentences, each true for the figures at hand."""
    return " ".join((headline(found), *story(found)))


def headline(found: Mapping[str, Any]) -> str:
    """What was asked and who delivered."""
    central, price = (found["ways"][name]["delivered_share"] for name in ("central", "price"))
    wanted = f"{grouped(found['reduction_kw'], 0)} kW less for {found['hours']:g} h"
    return f"{wanted}: orders brought {100 * central:.0f} %, a price {100 * price:.0f} %"+ "."


def story(found: Mapping[str, Any]) -> tuple[str, ...]:
    """What came after, what it cost, who missed anything."""
    ways, days = found["ways"], found["days"]
    asked = sum(found["asked_devices"].values())
    most = "" if found["most_kw"] is None else f" Together they could have held {grouped(found['most_kw'], 0)} kW."
    who = f"{asked} devices were asked at {found['announced'][11:16]} UTC for {found['at'][11:16]} UTC.{most}"
    back = "; ".join(
        f"{name} {grouped(way['rebound_kwh'], 0)} kWh, highest import {grouped(way['rebound_peak_kw'], 0)} kW instead of "
        f"{grouped(way['none_peak_kw'], 0)} kW"
        for name, way in ways.items()
    )
    missed = [
        f"{grouped(days[f'{n}, event'][key] - days[f'{n}, none'][key], 1)} {unit} ({n})"
        for n in ways
        for key, unit in (("ev_unserved_kwh", "kWh in vehicles"), ("comfort_missed_k_h", "K h in houses"))
        if days[f"{n}, event"][key] - days[f"{n}, none"][key] > 0.05
    ]
    comfort = f"Comfort lost: {', '.join(missed)}." if missed else "Nobody missed anything for it."
    cost = " and ".join(f"{_said(way['event_cost_eur'], 2)} EUR ({name})" for name, way in ways.items())
    return (who, f"In the {AFTER_H:g} h after it came back: {back}.", f"It cost the area {cost}.", comfort)


def shortfall(found: Mapping[str, Any]) -> str:
    """A sentence where less than nearly all came, whichever way; empty otherwise."""
    least = {name: way["delivered_share"] for name, way in found["ways"].items() if way["delivered_share"] < BANDS[1][0]}
    if not least:
        return ""
    said = ", ".join(f"{name} brought {100 * share:.0f} %" for name, share in least.items())
    at_most = max(found["price_eur_per_kwh"], default=0.0) >= WORTH_EUR_PER_KWH
    dear = f" The price reached {WORTH_EUR_PER_KWH:g} EUR/kWh, the most that is told." if at_most else ""
    return f"Short of what was asked: {said}.{dear}"


def _said(value: float | None, digits: int, scale: float = 1.0) -> str:
    if value is None:
        return "–"
    words = grouped(value * scale, digits)
    return words.lstrip("-") if not words.strip("-0. ") else words.replace("-", "−")
