"""`archipel reconfigure`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # `--help` need not wait for numpy
    from archipel.coordination.reconfigure import Decision
    from archipel.grid.day_flow import DayFlow
    from archipel.grid.switching import Switchable
    from archipel.model import Bools


def add_parsers(subparsers: Any) -> None:
    """Add the command to the parser of `archipel`."""
    one = subparsers.add_parser(
        "reconfigure",
        help="let the cells decide which tie switches should be open on a day",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Let the cells decide which lines should be open so that a day loses least within limits, and say\n"
        "which switches to operate, in their order. After every transfer the network is radial and every node\n"
        "is fed. Nothing is operated. Devices follow their local rules on that day.",
        epilog="examples:\n"
        "  archipel reconfigure island\n"
        "  archipel reconfigure city --date 2016-12-12 --forbid switch/288 line/139",
    )
    one.add_argument("scenario", metavar="SCENARIO", help="a TOML file, its folder, or the name of a shipped scenario")
    one.add_argument("--date", metavar="DAY", help="the day to decide for, from 00:00 UTC (default: the scenario's)")
    one.add_argument(
        "--forbid", nargs="+", action="extend", default=[], metavar="ID",
        help="tagged switches or lines: the line is never operated",
    )  # fmt: skip
    one.add_argument(
        "--break-first", action="store_true",
        help="open before closing: never a loop for a moment, but what hangs behind is dark for that moment",
    )  # fmt: skip
    one.add_argument(
        "--least-kwh", type=_not_negative, default=1.0, metavar="KWH",
        help="what a transfer must save on the day to be worth its operations (default: 1)",
    )  # fmt: skip
    one.add_argument(
        "--referee", type=int, default=100, metavar="N",
        help="try all positions centrally, too, where there are at most N (default: 100)",
    )  # fmt: skip
    one.add_argument("--json", action="store_true", help="print JSON instead of text")
    one.set_defaults(func=reconfigure_command)


def reconfigure_command(args: argparse.Namespace) -> int:
    """Decide, and print the transfers beside today's positions and what a centre would do."""
    from archipel.cli.days import first_day
    from archipel.coordination.reconfigure import reconfigure
    from archipel.formats.scenario import load_scenario
    from archipel.grid.switching import Switchable
    from archipel.strategies.reconfiguration import best_of_all, count_positions, day_of, opened_in_turn, study_of

    scenario = load_scenario(args.scenario)
    network = Switchable.of(scenario.grid, args.forbid)
    start = first_day(args.date, scenario)
    p_kw, q_kvar = day_of(scenario, start)
    study = study_of(network, p_kw, q_kvar, 0.25)
    first: Literal["make", "break"] = "break" if args.break_first else "make"
    decision = reconfigure(
        network, scenario.archipelago, study, 0.25, first=first, least_kwh=args.least_kwh
    )  # fmt: skip
    columns = {"today": decision.steps[0], "decided": decision.steps[-1]}
    sides = {name: (step.position, step.day) for name, step in columns.items()}
    sides["centre, in turn"] = opened_in_turn(network, study)
    count = count_positions(network)
    if count <= args.referee:
        best = best_of_all(network, study)
        sides["centre, best of all"] = best.position, best.day
    found = {
        "scenario": scenario.name,
        "date": f"{start:%Y-%m-%d}",
        "switchable_lines": int(network.operable.sum()),
        "positions": count,
        "first": first,
        "figures": {name: _figures(network, *side) for name, side in sides.items()},
        "transfers": _transfers(network, decision),
        "said": {
            "loops": decision.tally.loops,
            "messages": decision.tally.messages,
            "bytes": decision.tally.bytes,
            "power_flow_days": decision.studies,
            "objections": decision.objections,
        },
    }
    sys.stdout.write(json.dumps(found, indent=2) + "\n" if args.json else _text(found, args.referee))
    return 0


def _figures(network: Switchable, position: Bools, day: DayFlow) -> dict[str, Any]:
    fed = network.live[network.point]
    return {
        "losses_kwh": day.lost_kwh,
        "v_pu_min": float(day.v_pu_min[fed].min()),
        "v_pu_max": float(day.v_pu_max[fed].max()),
        "loading_max": float(day.loading.max()),
        "open": [network.grid.branch_id[i] for i in network.ties(position)],
    }


def _transfers(network: Switchable, decision: Decision) -> list[dict[str, Any]]:
    """Every transfer with its operations in their order, and what is true after it."""
    found = []
    for before, step in zip(decision.steps, decision.steps[1:], strict=False):
        transfer = step.transfer
        assert transfer is not None
        between = before.position.copy()
        between[transfer.open] = False
        found.append(
            {
                "close": network.grid.branch_id[transfer.close],
                "close_switches": network.operations(transfer.close, close=True),
                "open": network.grid.branch_id[transfer.open],
                "open_switches": network.operations(transfer.open, close=False),
                "losses_kwh": step.day.lost_kwh,
                "nodes_behind": int(network.cut_off(between).sum()),
            }
        )
    return found


def _text(found: dict[str, Any], referee: int) -> str:
    figures, transfers, said = found["figures"], found["transfers"], found["said"]
    width = max(len(name) for name in figures) + 2
    out = [
        f"{found['scenario']}, {found['date']}, 96 quarter hours, devices on their local rules",
        f"{found['switchable_lines']} lines may be switched, {len(figures['today']['open'])} of them are open",
        "",
        " " * 24 + "".join(f"{name:>{width}}" for name in figures),
    ]
    for label, key, scale, digits in (
        ("losses [kWh]", "losses_kwh", 1.0, 1),
        ("lowest voltage [pu]", "v_pu_min", 1.0, 4),
        ("highest voltage [pu]", "v_pu_max", 1.0, 4),
        ("highest loading [%]", "loading_max", 100.0, 1),
    ):
        out.append(f"{label:<24}" + "".join(f"{scale * one[key]:>{width},.{digits}f}" for one in figures.values()))
    if "centre, best of all" not in figures:
        out += ["", f"{found['positions']:,.0f} positions are sound, too many to try all (--referee {referee})."]
    out += [""] + [f"open, {name}: {', '.join(one['open']) or 'none'}" for name, one in figures.items()] + [""]
    make = found["first"] == "make"
    for number, one in enumerate(transfers, start=1):
        orders = [
            f"close {one['close']} ({', '.join(one['close_switches'])})",
            f"open {one['open']} ({', '.join(one['open_switches'])})",
        ]
        behind = "" if make else f"; {one['nodes_behind']} nodes are dark between the two"
        out.append(
            f"{number}. {', then '.join(orders if make else orders[::-1])}{behind}: {one['losses_kwh']:,.1f} kWh"
        )
    if not transfers:
        out.append("Nothing to operate: no transfer saves enough within the limits.")
    elif make:
        out += [
            "",
            "Between the two operations of a transfer a loop is closed; open at once. It was checked by power flow.",
        ]
    out.append(
        f"Said: {said['loops']} talks around loops, {said['messages']:,} messages, {said['bytes'] / 1e6:.2f} MB; "
        f"{said['power_flow_days']} days of power flow, {said['objections']} exchanges objected to."
    )
    return "\n".join(out) + "\n"


def _not_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text}; expected a number, 0 or more")
    return value
