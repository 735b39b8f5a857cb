"""`archipel import`: from somebody's network file to a scenario, with an account of every loss."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

EPILOG = """\
formats (the first that knows the source reads it; `archipel import --list` says the same):
{formats}

examples:
  archipel import net.json -o my-grid
  archipel import case33bw.m -o baran
  archipel import 1-MV-rural--1-sw.json.gz -o rural --zone Europe/Berlin
  archipel import 1-LV-rural1--1-sw -o village --zone Europe/Berlin
  archipel check my-grid/net.toml"""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Fills in the list of formats when help is asked for: other commands need not load the doors."""

    def add_text(self, text: str | None) -> None:
        if text is not None and text is not argparse.SUPPRESS and "{formats}" in text:
            from archipel.formats.networks import known_formats

            text = text.replace("{formats}", known_formats())
        super().add_text(text)


class _List(argparse.Action):
    """`--list`: print the formats and leave, as `--version` does."""

    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:  # noqa: A002 - argparse's name
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from archipel.formats.networks import known_formats

        sys.stdout.write(f"{known_formats()}\n")
        parser.exit()


def add_parsers(subparsers: Any) -> None:
    """Add the command to the parser of `archipel`; it sets `func(args) -> int`."""
    one = subparsers.add_parser(
        "import",
        help="make a scenario of a network file",
        formatter_class=_Help,
        description="Make a scenario of a network, with an account of every loss (also written beside it as\n"
        "import-report.txt and .json) and a proposal of its cells. SimBench profile tables\n"
        "(profiles_load.parquet, profiles_renewables.parquet) beside the source become its series.\n"
        "A source is read as data: nothing named in it is executed. Nothing is written when it is refused.",
        epilog=EPILOG,
    )
    one.add_argument("source", metavar="SOURCE", help="the network: a file, a folder, or a SimBench code")
    one.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the new scenario")
    one.add_argument("--format", default="", metavar="NAME", help="read it as this format, whatever it is called")
    one.add_argument("--list", action=_List, help="list the formats, and leave")
    one.add_argument("--name", default="", help="name of the scenario (default: that of the source)")
    one.add_argument("--zone", help="time zone of naive time stamps in the profile tables, such as Europe/Berlin")
    one.add_argument("--no-compare", action="store_true", help="do not compare voltages with the source's own engine")
    one.add_argument("--reduce", action="store_true", help="keep only the positive sequence of three-phase sources")
    one.add_argument("--root", type=Path, metavar="DIR", help="folder an OpenDSS master may read (default: its own)")
    one.add_argument("--force", action="store_true", help="overwrite a scenario that is there already")
    one.add_argument("--quiet", action="store_true", help="say nothing of the steps")
    one.set_defaults(func=import_command)


def import_command(args: argparse.Namespace) -> int:
    """`archipel import`: write the scenario, print the loss report and the tree of cells."""
    from archipel.formats.cells import describe_cells
    from archipel.formats.importing import import_scenario, silent

    say = silent if args.quiet or not sys.stderr.isatty() else _steps()
    written = import_scenario(
        args.source,
        args.output,
        args.name,
        args.zone,
        not args.no_compare,
        args.force,
        door=args.format,
        reduce=args.reduce,
        root=args.root,
        say=say,
    )
    sys.stdout.write(
        f"{written.report}\n\nProposed cells\n{describe_cells(written.archipelago)}\n\n"
        f"Written: {written.scenario}\n{written.scenario}: no problem found\n"
    )
    return 0


def _steps() -> Callable[[str], None]:
    """Says every step on standard error with the seconds since the start."""
    begun = time.monotonic()

    def say(step: str) -> None:
        sys.stderr.write(f"{time.monotonic() - begun:6.1f} s  {step}\n")

    return say
