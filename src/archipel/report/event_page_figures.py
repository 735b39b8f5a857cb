"""The figures of an event: five days side by side, what came of asking, and the same as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from textwrap import wrap
from typing import Any, final

import numpy as np

from archipel.model import StrategyResult
from archipel.report.figures import Line, grouped
from archipel.report.kpis import kpis
from archipel.strategies.demand_event import DemandEvent, Way
from archipel.vpp.event import AFTER_H, QUARTER_H, WORTH_EUR_PER_KWH

DAYS = ("rules", "central, none", "central, event", "price, none", "price, event")
"""The five days: nothing asked and nobody plans; each way without and with the event."""
OF_THE_DAY = (
    "cost_eur", "import_kwh", "export_kwh", "peak_import_kw", "losses_kwh", "ev_unserved_kwh", "ev_open_kwh",
    "comfort_missed_k_h", "unserved_kwh", "voltage_violation_node_h", "worst_v_pu", "branch_overload_h",
    "worst_loading", "connection_violation_h", "peak_after_kw", "messages",
)  # fmt: skip
SMALL_KW = 100.0
"""Reductions below it are printed with a digit more."""
SHORT = 0.90
"""Below this share of what was asked a way has not delivered."""


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
    first = result.time[0].astype("datetime64[s]").item().replace(tzinfo=done.event.start.tzinfo)
    after = replace(done.event, start=done.event.end, hours=AFTER_H).quarters(first, len(result.time))
    found["peak_after_kw"] = float(result.upstream_p_kw[after].max())
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


def _line(key: str, label: str, unit: str, meaning: str, scale: float = 1.0, digits: int = 0) -> Line:
    return Line(key, label, unit, "", meaning, scale, digits)


@final
@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison: a value for some of the days."""

    line: Line
    value: Mapping[str, str]
    """As printed, by day; a day that has no such figure is missing."""


AFTER = f"{AFTER_H:g} h after"
GROUPS: tuple[tuple[str, tuple[Line, ...]], ...] = (
    (
        "Delivered",
        (
            _line("delivered_kwh", "Not drawn by asked devices", "kWh", "Against the same way's day without event."),
            _line(
                "delivered_share", "Of what was asked", "%",
                "Quarter hour by quarter hour: too much in one does not make up for another.", 100.0, 1,
            ),
            _line("least_kw", "Weakest quarter hour", "kW", "Smallest reduction in the event."),
            _line("most_kw", "Strongest quarter hour", "kW", "Largest reduction in the event."),
            _line(
                "at_connection_kwh", "Metered at the connection", "kWh",
                "With losses, and with what devices did that were not asked.",
            ),
            _line(
                "meter_before_kwh", "By meter before", "kWh",
                "What a meter alone would tell: against the mean of the hour before the announcement. It takes the sun "
                "that sets for something the devices did.",
            ),
        ),
    ),
    (
        "Before and after",
        (
            _line("before_kwh", "Put aside before", "kWh", "Drawn more between announcement and start."),
            _line("rebound_kwh", f"Rebound, {AFTER}", "kWh", "Drawn more by asked devices than without event."),
            _line("peak_after_kw", f"Highest import, {AFTER}", "kW", "At the connection."),
        ),
    ),
    (
        "Comfort",
        (
            _line(
                "ev_unserved_kwh", "Missing at departure", "kWh", "All vehicles, not only asked ones.", digits=1
            ),
            _line("comfort_missed_k_h", "Houses outside their band", "K h", "Sum over heat pumps.", digits=1),
        ),
    ),
    (
        "Cost",
        (
            _line(
                "cost_eur", "Cost of these hours", "EUR",
                "Energy, fees, peak charge, wear; what is drained from stores or still owed to vehicles is counted.",
                digits=1,
            ),
            _line(
                "event_cost_eur", "The event adds", "EUR",
                "To the same way's day without event; without payments.", digits=2,
            ),
            _line("event_cost_eur_per_kwh", "Per kWh delivered", "ct", "The line above, shared out.", 100.0, 1),
            _line(
                "paid_eur", "Paid to cells", "EUR",
                "Price that held times what was not drawn: from one party to another, no cost of the area.", digits=2,
            ),
        ),
    ),
    (
        "Network",
        (
            _line("worst_v_pu", "Voltages", "pu", "Lowest and highest of any node.", digits=3),
            _line("voltage_violation_node_h", "Beyond voltage limits", "node h", "Sum over nodes.", digits=2),
            _line("worst_loading", "Highest loading", "%", "Of any branch.", 100.0, 1),
            _line("branch_overload_h", "Beyond loading limits", "branch h", "Sum over branches.", digits=2),
            _line("connection_violation_h", "Beyond firm limits", "h", "At the connection.", digits=2),
        ),
    ),
    (
        "Messages",
        (
            _line(
                "event_messages", "For the event", "",
                "Setpoints to asked devices; or prices told to cells and their answers.",
            ),
            _line(
                "messages", "Between cells in all", "",
                "Agreements of these hours. The centre needs none: it reads and orders every device instead.",
            ),
        ),
    ),
)  # fmt: skip


def tables(found: Mapping[str, Any]) -> list[tuple[str, list[Row]]]:
    """The lines of the comparison by group."""
    columns = {name: dict(day) for name, day in found["days"].items()}
    more = {"kW", "kWh"} if found["reduction_kw"] < SMALL_KW else set()
    for name, way in found["ways"].items():
        columns[f"{name}, event"] |= way
    return [
        (
            title,
            [
                Row(
                    line,
                    {
                        name: said(value[line.key], line.digits or int(line.unit in more), line.scale)
                        for name, value in columns.items()
                        if line.key in value
                    },
                )
                for line in lines
            ],
        )
        for title, lines in GROUPS
    ]


def text(found: Mapping[str, Any]) -> str:
    """The comparison as text of at most 100 columns."""
    heads = (("rules", *["central"] * 2, *["price"] * 2), ("no event", *["no event", "event"] * 2))
    lines = [*wrap(summary(found), 100), ""]
    lines += [" " * 40 + "".join(f"{name:>12}" for name in names) for names in heads]
    for title, rows in tables(found):
        lines.append(title)
        for row in rows:
            values = "".join(f"{row.value.get(name, ''):>12}" for name in DAYS)
            lines.append(f"  {row.line.label:<29}{row.line.unit:>9}{values}".rstrip())
    return "\n".join(lines)


def summary(found: Mapping[str, Any]) -> str:
    """In a few sentences, each true for the figures at hand."""
    return " ".join((f"{headline(found)}.", *story(found), shortfall(found))).strip()


def headline(found: Mapping[str, Any]) -> str:
    """What was asked and who delivered."""
    central, price = (found["ways"][name]["delivered_share"] for name in ("central", "price"))
    wanted = f"{said(found['reduction_kw'], 0)} kW less for {found['hours']:g} h"
    return f"{wanted}: orders brought {100 * central:.0f} %, a price {100 * price:.0f} %"


def story(found: Mapping[str, Any]) -> tuple[str, ...]:
    """What came after, what it cost, who missed anything."""
    ways, days = found["ways"], found["days"]
    asked = sum(found["asked_devices"].values())
    most = "" if found["most_kw"] is None else f" Together they could have held {said(found['most_kw'])} kW."
    who = f"{asked} devices were asked at {found['announced'][11:16]} UTC for {found['at'][11:16]} UTC.{most}"
    back = "; ".join(
        f"{name} {said(way['rebound_kwh'], 0)} kWh, highest import {said(way['rebound_peak_kw'], 0)} kW "
        f"instead of {said(way['none_peak_kw'], 0)} kW"
        for name, way in ways.items()
    )
    missed = [
        f"{grouped(days[f'{n}, event'][key] - days[f'{n}, none'][key], 1)} {unit} ({n})"
        for n in ways
        for key, unit in (("ev_unserved_kwh", "kWh in vehicles"), ("comfort_missed_k_h", "K h in houses"))
        if days[f"{n}, event"][key] - days[f"{n}, none"][key] > 0.05
    ]
    comfort = f"Comfort lost: {', '.join(missed)}." if missed else "Nobody missed anything for it."
    cost = " and ".join(f"{said(way['event_cost_eur'], 2)} EUR ({name})" for name, way in ways.items())
    return (who, f"In the {AFTER_H:g} h after it came back: {back}.", f"It cost the area {cost}.", comfort)


def shortfall(found: Mapping[str, Any]) -> str:
    """A sentence where much less came than was asked; empty otherwise."""
    least = {n: way["delivered_share"] for n, way in found["ways"].items() if way["delivered_share"] < SHORT}
    if not least:
        return ""
    who = ", ".join(f"{name} {100 * share:.0f} %" for name, share in least.items())
    dear = max(found["price_eur_per_kwh"], default=0.0) >= WORTH_EUR_PER_KWH
    why = f" The price reached {WORTH_EUR_PER_KWH:g} EUR/kWh, the most that is told." if dear else ""
    return f"Short of what was asked: {who}.{why}"


def said(value: Any, digits: int = 0, scale: float = 1.0) -> str:
    """A figure as it is printed: a dash for none, both ends of a range, never a negative nothing."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return "–".join(f"{one:.{digits}f}" for one in value)
    words = grouped(value * scale, digits)
    return words.lstrip("-") if not words.strip("-0. ") else words.replace("-", "−")
