"""`archipel adopt`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

SHARES = {
    "pv": "panels on the roof",
    "battery": "a battery; those with panels first",
    "ev": "an electric vehicle at a charger",
    "heat-pump": "a heat pump (homes and farms)",
}
"""The kinds of `archipel.formats.adopting.KINDS`, told without loading them."""


def add_parsers(subparsers: Any) -> None:
    """Add the command to the parser of `archipel`."""
    one = subparsers.add_parser(
        "adopt",
        help="give devices to the customers of an imported network",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="See the customers in the loads of a scenario, give shares of them panels, batteries, vehicles\n"
        "and heat pumps of realistic sizes, give profiles to loads without a series, and write a scenario that\n"
        "runs beside the old one. The same seed gives the same bytes; whoever has a device at a share has\n"
        "it at every larger share too. What was there stays as it is.",
        epilog="examples:\n"
        "  archipel adopt my-grid --pv 0.6 --battery 0.3 --ev 0.4 --heat-pump 0.2 --seed 7\n"
        "  archipel adopt my-grid --pv 0.3 --name sunny --start 2016-06-09\n"
        "  archipel adopt my-grid --ev 0.5 --ev-sessions acn.csv.gz --ev-zone America/Los_Angeles --ev-stamps utc\n"
        "  archipel run my-grid/net-adopted.toml",
    )
    one.add_argument("scenario", metavar="DIR", help="the folder of an imported scenario, or its TOML file")
    for name, words in SHARES.items():
        one.add_argument(
            f"--{name}", type=float, default=0.0, metavar="SHARE", help=f"share of the customers with {words}"
        )
    one.add_argument("--seed", type=int, default=1, metavar="S", help="of everything drawn (default: 1)")
    one.add_argument("--name", default="", help="of the new scenario (default: that of the old one and -adopted)")
    one.add_argument("--profiles", choices=("auto", "standard", "given"), default="auto",
                     help="standard profiles: loads without a series, all, or none (default: auto)")  # fmt: skip
    one.add_argument("--year", type=int, metavar="Y", help="of the new series (default: the scenario's, or 2016)")
    one.add_argument("--start", default="", metavar="DATE", help="first day of a run (default: the hardest one)")
    one.add_argument(
        "--price", default="formula", metavar="FILE", help="formula, de-2016, or a file (default: formula)"
    )
    one.add_argument("--ev-sessions", type=Path, metavar="FILE", help="charging sessions as CSV, such as ACN-Data's")
    one.add_argument("--ev-zone", default="", metavar="ZONE", help="time zone of the place where they were metered")
    one.add_argument("--ev-stamps", choices=("utc", "local"), default="", help="what stamps without an offset are")
    one.add_argument("--force", action="store_true", help="overwrite a scenario of that name")
    one.set_defaults(func=adopt_command)


def adopt_command(args: argparse.Namespace) -> int:
    """Adopt, print the account and where the scenario is."""
    from archipel.formats.adopting import AdoptOptions, adopt

    shares = {name: getattr(args, name.replace("-", "_")) for name in SHARES}
    done = adopt(args.scenario, AdoptOptions(
        shares, args.seed, args.name, args.profiles, args.year, args.start, args.price, args.ev_sessions, args.ev_zone,
        args.ev_stamps, args.force,
    ))  # fmt: skip
    sys.stdout.write(f"{done.account}\n\nWritten: {done.scenario}\n")
    return 0
