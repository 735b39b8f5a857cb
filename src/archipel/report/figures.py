"""The lines of the results table: what every figure means in one sentence, its unit, and how it is printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, final

from archipel.report.still_to_come import PER_KWH, levelled, still_to_come


@final
@dataclass(frozen=True, slots=True)
class Line:
    """One line of the results table."""

    key: str
    """Key in kpis.json."""
    label: str
    unit: str
    best: Literal["low", "high", ""]
    """Whether a low or a high value is good; empty where neither is."""
    meaning: str
    scale: float = 1.0
    """What the value is multiplied with for printing."""
    digits: int = 1


GROUPS: tuple[tuple[str, tuple[Line, ...]], ...] = (
    (
        "Money",
        (
            Line(
                "cost_eur",
                "Cost of the run",
                "EUR",
                "low",
                "Energy bought minus sold at the upstream connection at the day-ahead price, plus network fees, the "
                "peak charge on the area's highest 15-minute import of each UTC day, battery wear, energy not served "
                "at its value of lost load, and the value of energy drained from batteries, less what reserve earns. "
                "No taxes, no payments between cells. Negative: the area earns.",
            ),
            Line(
                "reserve_income_eur",
                "of it paid for reserve",
                "EUR",
                "",
                "What the bulk grid pays portfolios for reserve kept and called; the cost above is less by it.",
            ),
        ),
    ),
    (
        "At the upstream connection",
        (
            Line("import_kwh", "Import", "MWh", "", "Energy drawn from the upstream grid.", 1e-3, 2),
            Line("export_kwh", "Export", "MWh", "", "Energy given to the upstream grid.", 1e-3, 2),
            Line("peak_import_kw", "Highest import", "MW", "low", "Highest 15-minute mean.", 1e-3, 2),
            Line("peak_export_kw", "Highest export", "MW", "", "Highest 15-minute mean.", 1e-3, 2),
            Line(
                "connection_violation_h",
                "Beyond firm limits",
                "h",
                "low",
                "Time beyond the connection's firm import or export limit by more than 0.5 %.",
                1.0,
                2,
            ),
            Line("co2_kg", "CO2 of import", "t", "low", "Import times the scenario's emission factor.", 1e-3, 2),
        ),
    ),
    (
        "Renewable energy",
        (
            Line("renewable_kwh", "Delivered", "MWh", "high", "Energy delivered by PV and generators.", 1e-3, 2),
            Line("curtailed_kwh", "Curtailed", "MWh", "low", "Energy that was available and not taken.", 1e-3, 2),
            Line(
                "used_in_cell_kwh",
                "Used in its cell",
                "MWh",
                "",
                "Renewable energy used in the cell that made it: it serves the cell's own use (end use, charging, "
                "losses) first, in every 15-minute interval.",
                1e-3,
                2,
            ),
            Line(
                "used_in_feeder_kwh",
                "Used in its feeder",
                "MWh",
                "",
                "What cells had left, used by other cells of the same feeder; shared in proportion to what each gives "
                "and needs.",
                1e-3,
                2,
            ),
            Line(
                "used_in_area_kwh",
                "Used in the area",
                "MWh",
                "",
                "What feeders had left, used elsewhere in the area, shared in the same way.",
                1e-3,
                2,
            ),
            Line(
                "renewable_share",
                "Share of use",
                "%",
                "high",
                "Renewable energy used in the area over all energy used in the area (end use, losses, storage).",
                100.0,
                1,
            ),
        ),
    ),
    (
        "Service to people",
        (
            Line("unserved_kwh", "Not served", "kWh", "low", "Load that was shed."),
            Line(
                "unserved_share",
                "Not served, share",
                "%",
                "low",
                "Of all end use wanted, off grid; with what vehicles lacked, or got later than 24 h after they came.",
                100.0,
                2,
            ),
            Line(
                "critical_unserved_kwh",
                "Critical load not served",
                "kWh",
                "low",
                "The part of it that was critical; off grid.",
            ),
            Line("ev_unserved_kwh", "Missing at departure", "kWh", "low", "What vehicles lacked when they left."),
            Line(
                "ev_open_kwh",
                "Still wanted at the end",
                "kWh",
                "",
                "What vehicles that stay beyond the end of the run had not got yet; it is in the cost at the "
                "mean price of the run and all fees.",
            ),
            Line(
                "comfort_missed_k_h",
                "Comfort missed",
                "K h",
                "low",
                "How far and how long homes were outside their temperature band, summed over heat pumps.",
            ),
        ),
    ),
    (
        "Reserve for a loss of the main grid",
        (
            Line("reserve_held_share", "Reserve held", "%", "high", "Steps after which batteries hold it.", 100.0, 2),
            Line("reserve_mean_kwh", "Reserve, mean", "MWh", "", "What is asked for, at most the capacity.", 1e-3, 2),
            Line(
                "reserve_eur_per_day",
                "Cost of the reserve",
                "EUR/day",
                "",
                "What plans would cost less without.",
                1.0,
                2,
            ),
            Line(
                "reserve_eur_per_kwh", "Price of the reserve", "EUR/MWh d", "", "What the last MWh costs a day.", 1e3, 2
            ),
        ),
    ),
    (
        "Grid, from AC power flow",
        (
            Line("losses_kwh", "Losses", "MWh", "low", "Losses in all lines and transformers.", 1e-3, 2),
            Line(
                "voltage_violation_node_h",
                "Voltage beyond limits",
                "node h",
                "low",
                "Time beyond the source's own limits by more than 0.0005 pu, summed over nodes.",
                1.0,
                2,
            ),
            Line("worst_v_pu", "Voltage, lowest to highest", "pu", "", "Over all nodes, phases and steps.", 1.0, 3),
            Line(
                "voltage_drawn_kwh",
                "Drawn because of voltage",
                "kWh",
                "",
                "What loads that depend on voltage drew beyond what they were asked for at their rated voltage; "
                "three-phase physics.",
            ),
            Line(
                "worst_unbalance",
                "Voltage unbalance, highest",
                "%",
                "low",
                "Negative over positive sequence, 15-minute means of nodes with three phases; three-phase physics.",
                100.0,
                2,
            ),
            Line(
                "unbalance_violation_node_h",
                "Unbalance above 2 %",
                "node h",
                "low",
                "Time with more than EN 50160 allows in 95 % of a week, summed over nodes; three-phase physics.",
                1.0,
                2,
            ),
            Line(
                "voltage_band_share",
                "Within 10 % of nominal",
                "%",
                "high",
                "Share of node-intervals whose 15-minute mean is within 10 % of nominal (EN 50160).",
                100.0,
                2,
            ),
            Line(
                "branch_overload_h",
                "Overload",
                "branch h",
                "low",
                "Time with current above 100.5 % of the source's limit, summed over lines and transformers.",
                1.0,
                2,
            ),
            Line(
                "frequency_band_share",
                "Frequency within 0.2 Hz",
                "%",
                "high",
                "Share of quarter hours that begin with a step inside the band, before secondary control; off grid.",
                100.0,
                2,
            ),
            Line("worst_f_hz", "Frequency, lowest to highest", "Hz", "", "After these steps; off grid.", 1.0, 2),
            Line("worst_loading", "Highest loading", "%", "low", "Largest current over its limit.", 100.0, 1),
        ),
    ),
    (
        "Coordination",
        (
            Line(
                "gap_to_central",
                "Gap to central",
                "%",
                "low",
                "How much more the agreed plan costs than the central one on the same planning problem, over gross "
                "energy cost; the worst problem.",
                100.0,
                4,
            ),
            Line(
                "benefit_captured",
                "Benefit captured",
                "%",
                "high",
                "Share of what the central plan saves over cells alone that agreement saves too; the worst problem.",
                100.0,
                1,
            ),
            Line(
                "benefit_worth",
                "Worth of that benefit",
                "%",
                "",
                "What the central plan saves over cells alone in that problem, over gross energy cost; where it is "
                "near nothing, the share above means little.",
                100.0,
                2,
            ),
            Line(
                "certified_gap",
                "Certified gap",
                "%",
                "low",
                "What the cells know themselves: their plan costs at most so much more than the best one of the same "
                "linear problem, over gross energy cost; the worst plan.",
                100.0,
                4,
            ),
            Line(
                "agreement_primal_kw",
                "Copies apart",
                "kW",
                "low",
                "Most that the two ends of a tie still differed by before the AC settling made one number of both.",
                1.0,
                3,
            ),
            Line(
                "agreement_dual_eur_per_kwh",
                "Prices still moving",
                "EUR/kWh",
                "low",
                "Most that a boundary price still moved at the end of an agreement; what the exact way leaves is "
                "counted in its gap.",
                1.0,
                5,
            ),
            Line(
                "plan_excess_v_pu",
                "Planned beyond limits",
                "pu",
                "low",
                "Most that the AC check of a plan found voltages beyond their limits.",
                1.0,
                5,
            ),
            Line("rounds_p50", "Rounds, median", "", "low", "Exchanges of messages until agreement.", 1.0, 0),
            Line("rounds_p95", "Rounds, 95th percentile", "", "low", "19 of 20 agreements need no more.", 1.0, 0),
            Line(
                "kb_per_boundary_day",
                "Messages per tie and day",
                "kB",
                "low",
                "All bytes exchanged over the number of closed ties and days.",
                1.0,
                0,
            ),
            Line(
                "agreed_vs_metered_kw_p95",
                "Agreed vs metered, p95",
                "kW",
                "low",
                "Distance between agreed and metered 15-minute power at the metered end; 95th percentile.",
                1.0,
                3,
            ),
            Line("agreed_vs_metered_kw_max", "Agreed vs metered, max", "kW", "low", "The same; the largest.", 1.0, 3),
            Line("wall_s", "Time to run", "s", "low", "Wall clock of the strategy, AC power flow included."),
        ),
    ),
)
LINES: dict[str, Line] = {line.key: line for _, lines in GROUPS for line in lines}
MEANING: dict[str, str] = {line.key: line.meaning for line in LINES.values()} | {
    "cpu_s": "Processor time of the strategy.",
    "ev_open_eur": "Of the cost: what vehicles still wanted at the end, at the mean price of the run and all fees.",
    "complete": "False when the strategy was interrupted; figures then cover what was done.",
    "hours": "How much of the run the figures cover [h].",
    "cost_parts": "What the cost is made of [EUR].",
    "end_use_kwh": "Energy drawn by loads, vehicles and heat pumps: a strategy that leaves vehicles to be charged "
    "after the run shows less.",
    "unsupplied_node_h": "Time that nodes had no connection to the source, summed over nodes.",
    "discharged_kwh": "Energy given by batteries.",
    "stored_change_kwh": "Energy in all batteries after the run minus before.",
    "agreement_primal_v_pu": "Most that the two ends of a tie differed by in voltage before the AC settling [pu].",
    "plan_excess_loading": "Most that the AC check of a plan found loadings beyond their limits [share].",
    "agreed_ends_differ_kw": "Largest difference between the values that both ends of a tie hold as agreed.",
}


LIMITS = (
    ("voltage_violation_node_h", "voltage limits", "node-hours", 1),
    ("branch_overload_h", "current limits", "branch-hours", 1),
    ("connection_violation_h", "the limit of the upstream connection", "hours", 2),
)
"""Figures that say how long limits were broken: key, in words, unit, digits."""
SMALLER = {"MWh": "kWh", "MW": "kW", "t": "kg"}


def fitted(strategies: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, list[Line]]]:
    """The groups and lines that have a value, in units that suit: a village is not told in megawatts.

    One unit for all energies, one for all powers, one for all masses, so that lines can be compared.
    """
    small = {
        unit
        for unit in SMALLER
        if max(
            (
                abs(f[key])
                for key, line in LINES.items()
                if line.unit == unit
                for f in strategies.values()
                if f.get(key)
            ),
            default=0.0,
        )
        < 10_000
    }
    groups = []
    for title, lines in GROUPS:
        listed = [
            replace(line, unit=SMALLER[line.unit], scale=1.0, digits=1) if line.unit in small else line
            for line in lines
            if any(figures.get(line.key) is not None for figures in strategies.values())
        ]
        if listed:
            groups.append((title, listed))
    return groups


def grouped(value: float, digits: int) -> str:
    """A number with thousands set apart by a space that does not break."""
    return f"{value:,.{digits}f}".replace(",", "\N{NO-BREAK SPACE}")


def shown(line: Line, value: Any) -> str:
    """A figure as printed, without its unit; a dash where there is none."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return " to ".join(f"{v:.{line.digits}f}" for v in value)
    text = grouped(value * line.scale, line.digits)
    return text[1:] if text.startswith("-") and not text.strip("-0. ") else text.replace("-", "−")


def best_of(line: Line, strategies: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Names of the strategies with the best printed value; none when all are alike or fewer than two have one.

    Cost is won only by a strategy that keeps every limit of the grid, if any does: the others did not pay for it.
    Import, CO2 and losses are won only by who would win them too had all charged what is still wanted at the end.
    """
    if not all(f.get("complete", True) for f in strategies.values()):
        return set()  # a part of a day is no better than a whole one
    printed = {n: f[line.key] for n, f in strategies.items() if f.get(line.key) is not None}
    if not line.best or len(printed) < 2 or len({shown(line, v) for v in printed.values()}) == 1:
        return set()
    if line.key == "cost_eur" and any(_keeps_limits(f) for f in strategies.values()):
        printed = {n: v for n, v in printed.items() if _keeps_limits(strategies[n])}
    choose: Callable[..., float] = min if line.best == "low" else max
    top = shown(line, choose(printed.values()))
    won = {name for name, value in printed.items() if shown(line, value) == top}
    if line.key in PER_KWH and still_to_come(strategies):
        level = {name: levelled(line.key, strategies[name]) for name in printed}
        least = shown(line, choose(level.values()))
        won = {name for name in won if shown(line, level[name]) == least}
    return won


def _keeps_limits(figures: Mapping[str, Any]) -> bool:
    return not any(figures[key] > 0 for key, *_ in LIMITS)
