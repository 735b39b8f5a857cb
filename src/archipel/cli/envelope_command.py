"""`archipel envelope`."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `--help` need not wait for numpy
    from archipel.model import Floats
    from archipel.vpp.envelope import Envelopes
    from archipel.vpp.envelopes import EnvelopeMaker

RULES = ("equal", "proportional", "economic")
COLUMNS = (
    "time", "node", "cell", "import_kw", "export_kw", "default_import_kw", "default_export_kw", "load_kw",
    "import_limited_by", "export_limited_by",
)  # fmt: skip


def add_parsers(subparsers: Any) -> None:
    """Add the command to the parser of `archipel`."""
    one = subparsers.add_parser(
        "envelope",
        help="say what every connection point may draw and give on a day",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Say what every connection point may draw and give in each interval of a day, so that anything\n"
        "inside these limits is safe for the network, whatever the others do inside theirs. The forecast of fixed\n"
        "load is the scenario's series, off by at most the margin.",
        epilog="examples:\n"
        "  archipel envelope district\n"
        "  archipel envelope district --date 2016-06-09 --rule economic --hold 4 -o limits.csv\n"
        "  archipel envelope district --point bus/1712 --picture point.svg",
    )
    one.add_argument("scenario", metavar="SCENARIO", help="a TOML file, its folder, or the name of a shipped scenario")
    one.add_argument("--date", metavar="DAY", help="the day, from 00:00 UTC (default: the scenario's)")
    one.add_argument("--rule", choices=RULES, default="equal", help="how room is shared (default: equal)")
    one.add_argument(
        "--hold", type=_quarters, default=1, metavar="N", help="quarter hours each limit stays the same (default: 1)"
    )  # fmt: skip
    one.add_argument(
        "--load-margin", type=_share, default=0.1, metavar="S",
        help="share by which fixed load may be off its forecast (default: 0.1)",
    )  # fmt: skip
    one.add_argument(
        "--reactive", choices=("volt-var", "any", "unity"), default="volt-var",
        help="what inverters do: their curve or less, anything they can, nothing (default: volt-var)",
    )  # fmt: skip
    one.add_argument("--point", metavar="NODE", help="show this connection point through the day")
    one.add_argument(
        "--try", type=_count, default=0, metavar="N", dest="attempts",
        help="try N behaviours by chance and all adversarial ones in the tightest interval, by AC power flow",
    )  # fmt: skip
    one.add_argument("-o", "--output", metavar="FILE", help="write all limits as CSV")
    one.add_argument("--picture", metavar="FILE", help="write the limits of the point, or of all together, as SVG")
    one.add_argument("--json", action="store_true", help="print JSON instead of text")
    one.set_defaults(func=envelope_command)


def envelope_command(args: argparse.Namespace) -> int:
    """Make the envelopes of a day and show them; exit code 1 where fixed load alone breaks a limit, or a try did."""
    from archipel.cli.days import first_day
    from archipel.forecasting.perfect import perfect
    from archipel.formats.scenario import load_scenario
    from archipel.model.errors import ArchipelError
    from archipel.vpp.envelope_points import connection_points
    from archipel.vpp.envelopes import EnvelopeMaker

    scenario = load_scenario(args.scenario)
    weather = perfect(scenario.profiles, scenario.profiles.row(first_day(args.date, scenario)), 96)
    names = connection_points(scenario).node_id
    if not names:
        raise ArchipelError(f"{scenario.name}: found no device but plain load; expected some that may choose its power")
    if args.point is not None and args.point not in names:
        some = ", ".join(names[:5])
        raise ArchipelError(f"--point: found {args.point}; expected a node with a flexible device, such as {some}")
    maker = EnvelopeMaker(scenario, args.rule, load_margin=args.load_margin, reactive=args.reactive)
    envelopes = maker.make(weather, hold=args.hold)
    found = _figures(scenario.name, envelopes)
    broken = 0
    if args.attempts:
        found["tried"], broken = _tried(maker, envelopes, weather, args)
    if args.output:
        _write_csv(Path(args.output), envelopes)
    row = None if args.point is None else names.index(args.point)
    if args.picture:
        Path(args.picture).write_text(_picture(envelopes, row), encoding="utf-8")
    sys.stdout.write(json.dumps(found, indent=2) + "\n" if args.json else _text(found, envelopes, row))
    return 1 if envelopes.broken or broken else 0


def _figures(name: str, envelopes: Envelopes) -> dict[str, Any]:
    points = envelopes.points
    cells = {}
    for i, cell in enumerate(points.cell_id):
        here = points.cell == i
        if here.any():
            cells[cell] = {
                "points": int(here.sum()),
                **{
                    f"{side}_kw": _range(limit[here].sum(axis=0), default[here])
                    for side, limit, default in (
                        ("import", envelopes.import_kw, envelopes.default_import_kw),
                        ("export", envelopes.export_kw, envelopes.default_export_kw),
                    )
                },
            }
    imports, exports = envelopes.allowed_kwh()
    return {
        "scenario": name,
        "start": envelopes.start.isoformat(),
        "expires": envelopes.end.isoformat(),
        "rule": envelopes.rule,
        "interval_h": envelopes.dt_h,
        "points": len(points),
        "import_kwh": round(imports, 1),
        "export_kwh": round(exports, 1),
        "default_import_kwh": round(float(envelopes.default_import_kw.sum()) * envelopes.dt_h * envelopes.intervals, 1),
        "default_export_kwh": round(float(envelopes.default_export_kw.sum()) * envelopes.dt_h * envelopes.intervals, 1),
        "cells": cells,
        "import_limited_by": _shares(envelopes, 0),
        "export_limited_by": _shares(envelopes, 1),
        "broken": [str(one) for one in envelopes.broken],
    }


def _range(limit: Floats, default: Floats) -> dict[str, float]:
    return {
        "default": round(float(default.sum()), 1),
        "least": round(float(limit.min()), 1),
        "most": round(float(limit.max()), 1),
    }


def _shares(envelopes: Envelopes, side: int) -> dict[str, float]:
    """Share of points and intervals in which each limit is what keeps a limit from being higher."""
    n, t = envelopes.import_kw.shape
    count = Counter(envelopes.why(i, k)[side] for i in range(n) for k in range(t))
    return {name: round(times / (n * t), 4) for name, times in count.most_common(8)}


def _tried(maker: EnvelopeMaker, envelopes: Envelopes, weather: Any, args: argparse.Namespace) -> tuple[Any, int]:
    import numpy as np

    from archipel.vpp.envelope_trial import by_chance, by_intent, trial

    t = int(np.argmin(envelopes.export_kw.sum(axis=0)))
    rng = np.random.default_rng(1)
    loads = maker.loads(weather).over(args.hold)
    tries = (by_chance(envelopes, t, args.attempts, rng), by_intent(envelopes, t, maker.wires))
    done = [trial(maker.wires, p, loads, t, rng) for p in tries]
    broken = sum(one.violations for one in done)
    return {"interval": t, "behaviours": sum(p.shape[1] for p in tries), "violations": broken}, broken


def _write_csv(path: Path, envelopes: Envelopes) -> None:
    points, step = envelopes.points, timedelta(hours=envelopes.dt_h)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for t in range(envelopes.intervals):
            at = (envelopes.start + t * step).isoformat()
            for n, node in enumerate(points.node_id):
                numbers = (
                    envelopes.import_kw[n, t], envelopes.export_kw[n, t], envelopes.default_import_kw[n],
                    envelopes.default_export_kw[n], envelopes.load_kw[n, t],
                )  # fmt: skip
                table.writerow(
                    [at, node, points.cell_id[points.cell[n]], *(f"{x:.3f}" for x in numbers), *envelopes.why(n, t)]
                )


def _text(found: dict[str, Any], envelopes: Envelopes, row: int | None) -> str:
    held = f"{round(found['interval_h'] * 60)} min"
    head = f"{found['scenario']}, from {found['start']}, {found['points']} connection points, rule {found['rule']}"
    sides = [f"   {f'may {word} [kW]: default':>22}{'least':>9}{'most':>9}" for word in ("give", "draw")]
    out = [
        f"{head}, limits hold {held}",
        f"the lease ends {found['expires']}; then the defaults hold",
        "",
        f"{'cell':<14}{'points':>7}{''.join(sides)}",
    ]
    for name, one in found["cells"].items():
        gives, draws = one["export_kw"], one["import_kw"]
        out.append(
            f"{name:<14}{one['points']:>7}   {gives['default']:>22,.1f}{gives['least']:>9,.1f}{gives['most']:>9,.1f}"
            f"   {draws['default']:>22,.1f}{draws['least']:>9,.1f}{draws['most']:>9,.1f}"
        )
    out.append("")
    for word, side in (("given", "export"), ("drawn", "import")):
        out.append(
            f"energy that may be {word}: {found[f'{side}_kwh']:,.0f} kWh, by the defaults "
            f"{found[f'default_{side}_kwh']:,.0f} kWh"
        )
        out.append(f"  kept by: {', '.join(f'{k} {100 * v:.0f} %' for k, v in found[f'{side}_limited_by'].items())}")
    if row is not None:
        out += ["", *_one_point(envelopes, row)]
    out += ["", *found["broken"][:10]] if found["broken"] else []
    if "tried" in found:
        out += ["", "tried in interval {interval}: {behaviours} behaviours, {violations} broke a limit".format(
            **found["tried"])]  # fmt: skip
    return "\n".join(out) + "\n"


def _one_point(envelopes: Envelopes, row: int) -> list[str]:
    points, step = envelopes.points, timedelta(hours=envelopes.dt_h)
    most = f"give {points.export_kw_max[row]:.1f} kW, draw {points.import_kw_max[row]:.1f} kW"
    out = [
        f"{points.node_id[row]} in {points.cell_id[points.cell[row]]}: by its ratings could {most}",
        f"  {'UTC':<6}{'give':>8}  {'kept by':<26}{'draw':>8}  kept by",
    ]
    for t in range(envelopes.intervals):
        draw, give = envelopes.why(row, t)
        out.append(
            f"  {envelopes.start + t * step:%H:%M} {envelopes.export_kw[row, t]:>8.2f}  {give:<26}"
            f"{envelopes.import_kw[row, t]:>8.2f}  {draw}"
        )
    return out


def _picture(envelopes: Envelopes, row: int | None) -> str:
    """The band between what may be given (below) and drawn (above) through the day, the defaults dashed."""
    import numpy as np

    from archipel.report.svg import tag, text, ticks

    which = slice(None) if row is None else slice(row, row + 1)
    draws, gives = (x[which].sum(axis=0) for x in (envelopes.import_kw, envelopes.export_kw))
    lines = [float(x[which].sum()) for x in (envelopes.default_import_kw, envelopes.default_export_kw)]
    wide, high, left, low = 720.0, 340.0, 70.0, 36.0
    top, bottom = max(float(draws.max()), lines[0], 1e-3) * 1.1, -max(float(gives.max()), lines[1], 1e-3) * 1.1

    def y(kw: float) -> float:
        return round((top - kw) / (top - bottom) * (high - low - 24.0) + 24.0, 1)

    edges = np.linspace(left, wide - 12.0, envelopes.intervals + 1).round(1)
    steps = np.repeat(edges, 2)[1:-1]
    band = [f"{x},{y(float(kw))}" for x, kw in zip(steps, np.repeat(draws, 2), strict=True)]
    band += [f"{x},{y(-float(kw))}" for x, kw in zip(steps[::-1], np.repeat(gives, 2)[::-1], strict=True)]
    drawn = [tag("rect", x=0, y=0, width=wide, height=high, fill="#ffffff")]
    drawn.append(tag("polygon", points=" ".join(band), fill="#cfe3f5", stroke="#0b6fb8"))
    for kw in ticks(bottom, top):
        drawn.append(tag("line", x1=left, x2=wide - 12, y1=y(kw), y2=y(kw), stroke="#d7dbe0"))
        drawn.append(text(left - 8, y(kw) + 4, f"{kw:g} kW", text_anchor="end", fill="#4a5563", font_size=12))
    drawn += [
        tag("line", x1=left, x2=wide - 12, y1=y(kw), y2=y(kw), stroke="#e69f00", stroke_dasharray="5 4")
        for kw in (lines[0], -lines[1])
    ]
    for k in range(0, envelopes.intervals + 1, max(envelopes.intervals // 8, 1)):
        when = envelopes.start + k * timedelta(hours=envelopes.dt_h)
        drawn.append(text(float(edges[k]), high - 14, f"{when:%H:%M}", text_anchor="middle", font_size=12))
    name = "all connection points" if row is None else envelopes.points.node_id[row]
    title = f"{name}: may draw (above zero), may give (below); defaults dashed"
    drawn.append(text(left, 14, title, fill="#1c2733", font_size=12))
    return tag(
        "svg", *drawn, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {wide:g} {high:g}", font_family="sans-serif"
    )


def _quarters(words: str) -> int:
    if not words.isdigit() or not 1 <= int(words) <= 96 or 96 % int(words):
        raise argparse.ArgumentTypeError(f"found {words}; expected a number of quarter hours that divides a day")
    return int(words)


def _count(words: str) -> int:
    if not words.isdigit():
        raise argparse.ArgumentTypeError(f"found {words}; expected a whole number, 0 or more")
    return int(words)


def _share(words: str) -> float:
    try:
        value = float(words)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < 1.0:
        raise argparse.ArgumentTypeError(f"found {words}; expected a share, from 0 to below 1")
    return value
