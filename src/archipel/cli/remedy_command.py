"""`archipel remedy`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `--help` need not wait for numpy
    from archipel.cell.remedy.case import Wishes
    from archipel.cell.remedy.doctor import Diagnosis
    from archipel.model import Floats, Horizon, Scenario


WAYS = (
    "load", "feed-in", "storage", "generator", "reactive", "limit", "energy", "rating", "warmth", "reserve", "smaller",
    "later", "tap", "shorter",
)  # fmt: skip


FIRST = ("limit", "storage", "smaller")
"""Kinds that are looked for when none is named and there are many devices."""
MANY = 15_000
"""Devices times intervals from which on every kind takes minutes."""


def add_parsers(subparsers: Any) -> None:
    """Add the command to the parser of `archipel`."""
    one = subparsers.add_parser(
        "remedy",
        help="say which limits of a day no plan can keep, and the least change that mends it, with its price",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Look for what of a day cannot be kept by any plan, everything known in advance: limits of\n"
        "voltage, current and firm power, energy of vehicles by their departure, warmth, reserves, agreements. Say\n"
        "what binds together and, for every kind of change, the least of it that makes the day possible, checked\n"
        "by AC power flow, with its price. Nothing is changed; -o writes a changed scenario beside.",
        epilog="examples:\n"
        "  archipel remedy island\n"
        "  archipel remedy district --start 2016-12-08 --import-kw 100\n"
        "  archipel remedy island --outage 18 4 --picture hours.svg\n"
        "  archipel remedy my-grid/net.toml --host bus/5 300 --price storage_eur_per_kwh_a=30 --apply 1\n"
        "  archipel remedy district --cell LV3.304 --import-kw 1 --apply 1 -o changed\n\n"
        "exit codes: 0 all can be kept (or, with --apply, then can), 1 something cannot, 2 an input cannot be used",
    )
    one.add_argument("scenario", metavar="SCENARIO", help="a TOML file, its folder, or the name of a shipped scenario")
    one.add_argument("--start", metavar="DATE", help="first day, 00:00 UTC (default: the scenario's)")
    one.add_argument("--days", type=int, default=1, metavar="N", help="how many days (default: 1)")
    one.add_argument(
        "--step-minutes", type=int, choices=(15, 30, 60, 120, 180), default=60, help="intervals (default: 60)"
    )
    one.add_argument(
        "--cell", metavar="ID",
        help="one cell with all below it, its boundary at the voltage it has when nobody plans; power limits below "
        "are then those of its connection",
    )  # fmt: skip
    one.add_argument("--import-kw", type=_power, metavar="KW", help="most that the upstream connection may bring")
    one.add_argument("--export-kw", type=_power, metavar="KW", help="most that it may take")
    one.add_argument(
        "--agreed", nargs=3, action="append", default=[], metavar=("CELL", "IMPORT_KW", "EXPORT_KW"),
        help="what a cell agreed to keep at its boundary all day; inf for no limit",
    )  # fmt: skip
    one.add_argument(
        "--outage", nargs=2, type=float, metavar=("HOUR", "HOURS"),
        help="no main grid from this hour on for so many: critical load is to be served",
    )  # fmt: skip
    one.add_argument(
        "--host", nargs=2, action="append", default=[], metavar=("NODE", "KW"),
        help="something new that draws (or, below zero, gives) so much all day and cannot choose",
    )  # fmt: skip
    one.add_argument("--no-curtailment", action="store_true", help="renewables must not be curtailed")
    one.add_argument(
        "--price", action="append", default=[], metavar="NAME=VALUE", help="a price of your own, see the documentation"
    )
    one.add_argument(
        "--kind", action="append", choices=(*WAYS, "all"), metavar="KIND",
        help=f"look for this kind of change alone, repeat for several (quicker): {', '.join(WAYS)}; all for every one",
    )  # fmt: skip
    one.add_argument("--apply", type=int, metavar="N", help="carry out alternative N and look again")
    one.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="with --apply: write the changed scenario into a new folder, to be used as any",
    )
    one.add_argument("--picture", metavar="FILE", help="write the hours beyond as SVG: limit against best possible")
    one.add_argument("--json", action="store_true", help="print JSON instead of text")
    one.set_defaults(func=remedy_command)


def remedy_command(args: argparse.Namespace) -> int:
    """Look and tell; exit code 1 where something cannot be kept."""
    from archipel.cell.remedy.doctor import diagnose
    from archipel.cell.remedy.network import Network
    from archipel.cell.remedy.prices import Prices
    from archipel.cell.remedy.words import diagnosis_json, diagnosis_text
    from archipel.formats.scenario import load_scenario
    from archipel.model import ArchipelError
    from archipel.report.remedy_picture import picture

    if args.output is not None and args.apply is None:
        raise ArchipelError("-o: found no --apply; expected the number of the alternative to write")
    scenario = load_scenario(args.scenario)
    horizon = _horizon(args, scenario)
    scenario, v_pu = _area(args, scenario, horizon)
    wishes = _wishes(args, scenario, horizon)
    prices = Prices.of(scenario.tariff).with_own(args.price)
    tell = None if not sys.stderr.isatty() else _tell
    network = Network(scenario.grid, scenario.archipelago, v_pu)
    few = not args.kind and len(scenario.device_node) * len(horizon) > MANY
    kinds = None if not (args.kind or few) or "all" in (args.kind or ()) else (args.kind or FIRST)
    done = diagnose(scenario, horizon, wishes, prices, kinds=kinds, tell=tell, network=network)
    found = diagnosis_json(done)
    told = diagnosis_text(done)
    possible = done.possible
    if few and not possible:
        told += (
            f"\nOf so many devices only {', '.join(FIRST)} were looked for: --kind all looks for every kind, longer.\n"
        )
    if args.picture:
        Path(args.picture).write_text(picture(done), encoding="utf-8")
    if args.apply is not None:
        words, possible = _applied(args, done, prices, v_pu)
        told += f"\n{words}\n"
        found["applied"] = {"number": args.apply, "possible": possible}
    sys.stdout.write(json.dumps(found, indent=2) + "\n" if args.json else told)
    return 0 if possible else 1


def _applied(args: argparse.Namespace, done: Diagnosis, prices: Any, v_pu: Any) -> tuple[str, bool]:
    from archipel.cell.remedy.apply import applied
    from archipel.cell.remedy.doctor import diagnose
    from archipel.cell.remedy.network import Network
    from archipel.cell.remedy.words import one_line, way_words
    from archipel.model import ArchipelError

    ways = [way for conflict in done.conflicts for way in conflict.alternatives]
    if not 1 <= args.apply <= len(ways):
        many = f"1 to {len(ways)}" if ways else "no --apply: there is no alternative"
        raise ArchipelError(f"--apply: found {args.apply}; expected {many}")
    way = ways[args.apply - 1]
    scenario, wishes = applied(done.case, way)
    network = Network(scenario.grid, scenario.archipelago, v_pu)
    again = diagnose(scenario, done.case.horizon, wishes, prices, kinds=(), network=network)
    words = way_words(done.case, way)
    told = f"With {args.apply} ({words}): "
    told += (
        "everything that is asked can be kept."
        if again.possible
        else f"still not everything: {one_line(again)}. What other things need stands above."
    )
    if args.output is not None:
        told += "\n" + _written(args, done, scenario, wishes, words.split(": EUR")[0])
    return told, again.possible


def _written(args: argparse.Namespace, done: Diagnosis, scenario: Scenario, wishes: Wishes, words: str) -> str:
    """The scenario with the change as files, and the line to ask again."""
    from dataclasses import replace

    import numpy as np

    from archipel.formats.changed_scenario import Fixed, write_changed
    from archipel.formats.scenario import find_scenario
    from archipel.model import ArchipelError, Connection

    case = done.case
    if wishes.outage is not None and wishes.hosted:
        raise ArchipelError(
            "-o: found a power at a node during an outage; expected storage, a limit or a shorter outage. A load of a "
            "scenario is served by its critical share then, so this change cannot be written: choose another number."
        )
    if wishes.firm is not None and not args.cell:
        limits = Connection(float(wishes.firm.import_kw.max()), float(wishes.firm.export_kw.max()))
        scenario = replace(scenario, connection=limits)
    first, rows = case.first_row, len(case.scenario.profiles.value)
    fixed = []
    for one in wishes.hosted:
        p, q = np.zeros((2, rows))
        at = slice(first, first + int(case.horizon.steps.sum()))
        p[at], q[at] = np.repeat(one.p_kw, case.horizon.steps), np.repeat(one.q_kvar, case.horizon.steps)
        fixed.append(Fixed(scenario.grid.nodes.id[one.node], p, q))
    path = write_changed(
        find_scenario(args.scenario), Path(args.output), case.scenario, scenario, tuple(fixed), words
    )  # fmt: skip
    line = f"Written: {path}\nAsk again: archipel remedy {path}{_again(args, wishes)}"
    if fixed:
        line += f"\nPowers at nodes are series of {case.at(0):%Y-%m-%d} alone: on other days they are zero."
    return line


def _again(args: argparse.Namespace, wishes: Wishes) -> str:
    """Options that no scenario holds, as they are with the change."""
    said = [f"--start {args.start}"] if args.start else []
    said += [f"--days {args.days}"] if args.days != 1 else []
    said += [f"--step-minutes {args.step_minutes}"] if args.step_minutes != 60 else []
    if args.cell:
        said.append(f"--cell {args.cell}")
        for name, value in (("import", args.import_kw), ("export", args.export_kw)):
            if value is not None and wishes.firm is not None:
                kw = wishes.firm.import_kw if name == "import" else wishes.firm.export_kw
                said.append(f"--{name}-kw {float(kw.max()):.6g}")
    for cell, kept in wishes.cells.items():
        said.append(f"--agreed {cell} {float(kept.import_kw.max()):.6g} {float(kept.export_kw.max()):.6g}")
    if wishes.outage is not None:
        # hours of the day, as they were asked, and as many as are left
        hours = (wishes.outage[1] - wishes.outage[0]) * args.step_minutes / 60.0
        begun = wishes.outage[0] * args.step_minutes / 60.0
        said.append(f"--outage {begun:g} {hours:g}")
    said += ["--no-curtailment"] if args.no_curtailment else []
    return "".join(f" {one}" for one in said)


def _area(args: argparse.Namespace, scenario: Scenario, horizon: Horizon) -> tuple[Scenario, Floats | None]:
    """What is looked at, and the voltage at its source."""
    from archipel.cell.remedy.area import check_size, part_of
    from archipel.model import ArchipelError

    v_pu = None
    if args.cell is not None:
        known = [cell.id for cell in scenario.archipelago.cell]
        if args.cell not in known:
            some = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
            raise ArchipelError(f"--cell: found {args.cell}; expected a cell of the scenario: {some}")
        scenario, v_pu = part_of(scenario, args.cell, horizon)
    check_size(scenario, horizon)
    return scenario, v_pu


def _horizon(args: argparse.Namespace, scenario: Scenario) -> Horizon:
    import numpy as np

    from archipel.cli.days import first_day
    from archipel.model import ArchipelError, Horizon

    if not 1 <= args.days <= 7:
        raise ArchipelError(f"--days: found {args.days}; expected 1 to 7")
    start = first_day(args.start, scenario, "--start", args.days)
    steps = args.step_minutes // 15
    return Horizon(start, np.full(args.days * 96 // steps, steps, dtype=np.int64))


def _wishes(args: argparse.Namespace, scenario: Scenario, horizon: Horizon) -> Wishes:
    import numpy as np

    from archipel.cell.remedy.case import Hosted, Wishes
    from archipel.model import ArchipelError, FirmLimits

    t_count, usual = len(horizon), scenario.connection
    firm = None
    if args.import_kw is not None or args.export_kw is not None:
        imports = usual.import_kw_max if args.import_kw is None else args.import_kw
        exports = usual.export_kw_max if args.export_kw is None else args.export_kw
        firm = FirmLimits(np.full(t_count, imports), np.full(t_count, exports))
    cells = {}
    known = [cell.id for cell in scenario.archipelago.cell]
    for cell, imports_kw, exports_kw in args.agreed:
        if cell not in known:
            raise ArchipelError(f"--agreed: found cell {cell}; expected one of {', '.join(known[:8])}")
        most = [_number("--agreed", text, 0.0) for text in (imports_kw, exports_kw)]
        cells[cell] = FirmLimits(np.full(t_count, most[0]), np.full(t_count, most[1]))
    hosted = []
    for node, kw in args.host:
        if node not in scenario.grid.nodes.id:
            some = ", ".join(scenario.grid.nodes.id[:4])
            raise ArchipelError(f"--host: found node {node}; expected a node of the network, such as {some}")
        power = np.full(t_count, _number("--host", kw, -np.inf))
        name = f"what is new at {node}"
        hosted.append(Hosted(name, scenario.grid.nodes.id.index(node), power, 0.0 * power))
    outage = None
    if args.outage is not None:
        ends = np.cumsum(horizon.dt_h)
        first = int(np.searchsorted(ends, args.outage[0], side="right"))
        end = int(np.searchsorted(ends, args.outage[0] + args.outage[1] - 1e-9)) + 1
        if not (args.outage[0] >= 0.0 and args.outage[1] > 0.0 and end <= t_count):
            raise ArchipelError(
                f"--outage: found {args.outage[0]:g} {args.outage[1]:g}; expected an hour and how many, inside "
                f"the {ends[-1]:g} h that are looked at"
            )
        outage = (first, end)
    return Wishes(
        firm=firm,
        cells=cells,
        hosted=tuple(hosted),
        curtail=not args.no_curtailment,
        outage=outage,
        part=args.cell or "",
    )


def _number(option: str, text: str, least: float) -> float:
    from archipel.model import ArchipelError

    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not value >= least:
        raise ArchipelError(f"{option}: found {text}; expected a number of kW" + (", 0 or more" if least == 0 else ""))
    return value


def _power(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0.0:
        raise argparse.ArgumentTypeError(f"found {text}; expected a power in kW, 0 or more")
    return value


def _tell(kind: str) -> None:
    sys.stderr.write(f"\rlooking for the least change: {kind:<12}")
    sys.stderr.flush()
