"""`archipel island`."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `--help` need not wait for numpy
    from archipel.model import IslandRules, Scenario
    from archipel.strategies.leaving import Left, LeftIsland


def add_parsers(subparsers: Any) -> None:
    """Add the command to the parser of `archipel`."""
    one = subparsers.add_parser(
        "island",
        help="lose the main grid at a moment and live on",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Lose the main grid at a moment. The area becomes one island if it can, else the largest parts of\n"
        "it that can, and the rest is dark for reasons that are said. Of each island: frequency in the first seconds,\n"
        "every quarter hour by AC power flow with critical load first, and its way back to the main grid. The day\n"
        "before runs by local rules.",
        epilog="examples:\n"
        "  archipel island island --at 2016-01-15T17:00Z --hours 24\n"
        "  archipel island island --at 2016-12-01T06:00Z --hours 72 --soc 0.4 --page island.html\n"
        "  archipel island district --at 2016-12-01T06:00Z\n"
        "  archipel island island --at 2016-01-20T18:00Z --black-start --page start.html",
    )
    one.add_argument("scenario", metavar="SCENARIO", help="a TOML file, its folder, or the name of a shipped scenario")
    one.add_argument("--at", metavar="TIME", help="when it is lost, a whole quarter hour (default: noon of the start)")
    one.add_argument("--hours", type=_positive, default=24.0, metavar="H", help="how long (default: 24)")
    one.add_argument("--soc", type=_share, metavar="S", help="state of charge of all batteries then, 0 to 1")
    one.add_argument(
        "--critical", type=_share, metavar="S", help="critical part of every load (default: the scenario's, 0.4)"
    )
    one.add_argument(
        "--reserve-kwh", type=_not_negative, metavar="KWH",
        help="below so much stored only critical load is served (default: the scenario's, else a quarter of storage)",
    )  # fmt: skip
    one.add_argument(
        "--promised", type=_positive, default=6.0, metavar="H",
        help="hold critical load for so long, as far as stores last, and shed the rest in time for it (default: 6)",
    )  # fmt: skip
    one.add_argument(
        "--black-start", action="store_true",
        help="instead: all is dark at TIME; start from storage and renewables, growing cell by cell",
    )  # fmt: skip
    one.add_argument("--page", metavar="FILE", help="write an HTML page with pictures")
    one.add_argument("--json", action="store_true", help="print JSON instead of text")
    one.add_argument("--quiet", action="store_true", help="no progress bar")
    one.set_defaults(func=island_command)


def island_command(args: argparse.Namespace) -> int:
    """Lose the main grid and tell what happened; exit code 1 where critical load was cut or dark."""
    from archipel.cli.run_command import Bar
    from archipel.formats.scenario import load_scenario
    from archipel.report.island_page import by_reason, clock, island_page, summary
    from archipel.strategies.leaving import leave, timeline

    scenario = load_scenario(args.scenario)
    if args.black_start:
        return _black_start(args, scenario)
    bar = None if args.quiet else Bar(sys.stderr.isatty())
    left = leave(
        scenario, _at(args.at, scenario), args.hours, rules=_rules(args, scenario), promised_h=args.promised,
        soc=args.soc, progress=None if bar is None else lambda done, total: bar("island", done, total),
    )  # fmt: skip
    if args.json:
        sys.stdout.write(json.dumps(_figures(left), indent=2) + "\n")
    else:
        lines = [summary(left), ""]
        several = len(left.islands) > 1 or bool(left.dark)
        rows = [(clock(after), where if several else "", what) for after, where, what in timeline(left)]
        for why, those in by_reason(left.dark).items():
            lines += [f"  {', '.join(dark.cell for dark in those)}:", f"    {why}"]
        lines += [""] if left.dark else []
        wide = [max((len(row[k]) for row in rows), default=0) for k in (0, 1)]
        lines += [f"  {after:>{wide[0]}}  {where:<{wide[1]}}  {what}" for after, where, what in rows]
        sys.stdout.write("\n".join(lines) + "\n")
    if args.page:
        Path(args.page).write_text(island_page(left), encoding="utf-8")
        sys.stderr.write(f"page: {args.page}\n")
    return 0 if left.held_h >= left.hours else 1


def _black_start(args: argparse.Namespace, scenario: Scenario) -> int:
    """Start from nothing and tell; exit code 1 where not all critical load came back."""
    from archipel.report.black_start_page import black_start_page, figures, summary
    from archipel.strategies.black_start import black_start

    at = _at(args.at, scenario)
    done = black_start(scenario, at, rules=_rules(args, scenario), soc=args.soc)
    if args.json:
        sys.stdout.write(
            json.dumps({"scenario": scenario.name, "at": at.isoformat(), **figures(done)}, indent=2) + "\n"
        )
    else:
        rows = [f"  {step.at_s:6.1f} s  {step.what}" for step in done.steps]
        sys.stdout.write("\n".join([summary(scenario.name, at, done), "", *rows]) + "\n")
    if args.page:
        Path(args.page).write_text(black_start_page(scenario.name, at, done), encoding="utf-8")
        sys.stderr.write(f"page: {args.page}\n")
    return 0 if done.critical_back_s < float("inf") else 1


def _rules(args: argparse.Namespace, scenario: Scenario) -> IslandRules:
    from dataclasses import replace

    from archipel.cell.reserve import island_reserve_kwh
    from archipel.devices import BatteryFleet

    rules = scenario.island
    size = sum(float(fleet.e_kwh.sum()) for fleet in scenario.fleets if isinstance(fleet, BatteryFleet))
    reserve = args.reserve_kwh if args.reserve_kwh is not None else rules.reserve_kwh or 0.25 * size
    critical = rules.critical_share if args.critical is None else args.critical
    if args.reserve_kwh is None:  # never less than what the area promises
        reserve = max(reserve, island_reserve_kwh(scenario, scenario.profiles.row(_at(args.at, scenario))))
    return replace(rules, reserve_kwh=reserve, critical_share=critical, fuel_below_kwh=rules.fuel_below_kwh or size)


def _figures(left: Left) -> dict[str, Any]:
    from archipel.strategies.leaving import timeline

    return {
        "scenario": left.name,
        "at": left.at.isoformat(),
        "hours": left.hours,
        "import_kw": left.import_kw,
        "stored_kwh": left.stored_kwh,
        "critical_held_h": left.held_h,
        "unserved_kwh": left.unserved_kwh,
        "critical_unserved_kwh": left.critical_unserved_kwh,
        "islands": [_island(one, left.at) for one in left.islands],
        "dark": [
            {
                "cell": dark.cell,
                "why": list(dark.why),
                "unserved_kwh": dark.unserved_kwh,
                "critical_unserved_kwh": dark.critical_unserved_kwh,
            }
            for dark in left.dark
        ],
        "timeline": [
            {"after_s": after.total_seconds(), "where": where, "what": what} for after, where, what in timeline(left)
        ],
    }


def _island(one: LeftIsland, at: datetime) -> dict[str, Any]:
    from archipel.cell.reserve import PROBABILITIES, survival
    from archipel.strategies.first_seconds import back_after_s

    closing, row = one.closing, one.scenario.profiles.row(at)
    return {
        "name": one.name,
        "cells": list(one.cells),
        "opens": list(one.earth.switch),
        "neutral_earth": list(one.earth.at),
        "import_kw": one.import_kw,
        "stored_kwh": one.stored_kwh,
        "promised_h": one.promised_h,
        "survival_h": {f"{p:g}": survival(one.scenario, row, one.stored_kwh, p) for p in PROBABILITIES},
        "critical_held_h": one.held_h,
        "unserved_kwh": float(one.result.unserved_kwh.sum()),
        "nadir_hz": float(one.traces.nadir_hz[0]),
        "peak_hz": float(one.traces.peak_hz[0]),
        "back_after_s": back_after_s(one.traces, one.scenario.grid.f_hz),
        "trips": [{"id": t.id, "time_s": t.time_s, "why": t.reason} for t in one.traces.trips],
        "closing": None
        if closing is None
        else {
            "angle_deg": closing.angle_deg,
            "f_hz": closing.f_hz,
            "v_pu": closing.v_pu,
            "after_s": closing.after_s,
            "power_step_share": closing.power_step_share,
        },
    }


def _at(written: str | None, scenario: Scenario) -> datetime:
    from archipel.model import ArchipelError

    if written is None:
        return scenario.start.replace(hour=12, minute=0, second=0, microsecond=0)
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        raise ArchipelError(f"--at: found {written!r}; expected a time such as 2016-01-15T17:00Z") from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if at.minute % 15 or at.second or at.microsecond:
        raise ArchipelError(f"--at: found {written!r}; expected a whole quarter hour")
    scenario.check_time(at)
    return at


def _share(written: str) -> float:
    value = float(written)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"found {written}; expected 0 to 1")
    return value


def _positive(written: str) -> float:
    value = float(written)
    if not 0.25 <= value <= 8784.0:
        raise argparse.ArgumentTypeError(f"found {written}; expected 0.25 to 8784 hours")
    return value


def _not_negative(written: str) -> float:
    value = float(written)
    if not value >= 0.0:
        raise argparse.ArgumentTypeError(f"found {written}; expected a number that is not negative")
    return value
