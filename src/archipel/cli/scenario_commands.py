"""The commands that deal with scenario files: import, check, scenarios."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

RAW = argparse.RawDescriptionHelpFormatter
INVALID = 2
"""Exit code for an input that cannot be used."""


def add_parsers(subparsers: Any) -> None:
    """Add the commands to the parser of `archipel`; each sets `func(args) -> int`."""
    one = subparsers.add_parser(
        "import",
        help="make a scenario of a network file",
        formatter_class=RAW,
        description="Make a scenario of a pandapower network (.json, .json.gz), with an account of every loss and a\n"
        "proposal of its cells. SimBench profile tables (profiles_load.parquet, profiles_renewables.parquet)\n"
        "beside the source become its series. The file is read as data: nothing named in it is executed.",
        epilog="examples:\n"
        "  archipel import net.json -o my-grid\n"
        "  archipel import 1-MV-rural--1-sw.json.gz -o rural --zone Europe/Berlin\n"
        "  archipel check my-grid/net.toml",
    )
    one.add_argument("source", type=Path, metavar="SOURCE", help="the network file")
    one.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the new scenario")
    one.add_argument("--name", default="", help="name of the scenario (default: that of the source)")
    one.add_argument("--zone", help="time zone of naive time stamps in the profile tables, such as Europe/Berlin")
    one.add_argument("--no-compare", action="store_true", help="do not compare voltages with pandapower")
    one.add_argument("--force", action="store_true", help="overwrite a scenario that is there already")
    one.set_defaults(func=import_command)

    two = subparsers.add_parser(
        "check",
        help="say everything that is wrong with a scenario",
        formatter_class=RAW,
        description="Say everything that is wrong with a scenario: file, table, id, what was found, what was\n"
        "expected, and how to mend it. Exit code 0 when it can be used, 2 when not.",
        epilog="examples:\n  archipel check my-grid/net.toml\n  archipel check district",
    )
    two.add_argument("scenario", metavar="SCENARIO", help="a TOML file, its folder, or the name of a shipped scenario")
    two.set_defaults(func=check_command)

    three = subparsers.add_parser(
        "scenarios",
        help="list the scenarios that come with archipel",
        formatter_class=RAW,
        description="List the scenarios that come with archipel; they run offline.",
        epilog="examples:\n  archipel scenarios\n  archipel run district",
    )
    three.set_defaults(func=scenarios_command)


def import_command(args: argparse.Namespace) -> int:
    """`archipel import`: write the scenario, print the loss report and the tree of cells."""
    from archipel.formats.cells import describe_cells
    from archipel.formats.importing import import_scenario

    written = import_scenario(args.source, args.output, args.name, args.zone, not args.no_compare, args.force)
    _say(f"{written.report}\n\nProposed cells\n{describe_cells(written.archipelago)}\n\nWritten: {written.scenario}\n")
    return _check(written.scenario)


def check_command(args: argparse.Namespace) -> int:
    """`archipel check`: every problem on standard output; exit code 2 when there is one."""
    return _check(args.scenario)


def scenarios_command(args: argparse.Namespace) -> int:
    """`archipel scenarios`: name and title of every shipped scenario."""
    from archipel.formats.scenario import shipped_scenarios, title_of

    del args
    shipped = shipped_scenarios()
    width = max(len(name) for name in shipped)
    _say("".join(f"{name:<{width}}  {title_of(path)}\n" for name, path in shipped.items()))
    return 0


def _check(scenario: str | Path) -> int:
    from archipel.formats.scenario import check_scenario

    problems = check_scenario(scenario)
    if not problems:
        _say(f"{scenario}: no problem found\n")
        return 0
    _say("".join(f"{problem}\n" for problem in problems))
    _say(f"{len(problems)} problem{'s' if len(problems) != 1 else ''} found\n")
    return INVALID


def _say(text: str) -> None:
    sys.stdout.write(text)
