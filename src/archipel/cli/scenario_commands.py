"""The commands that deal with scenario files: check, scenarios."""

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
