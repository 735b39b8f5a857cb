"""What a hosting study found, in rows and words: medians, ranges, the table on the terminal, CSV and Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import pyarrow as pa

from archipel.report.figures import grouped
from archipel.strategies.hosting import Broken, Question
from archipel.strategies.hosting.question import DEVICE_NAME

LIMIT_COLUMNS = ("what", "where", "cell", "time", "value", "limit", "unit")
Answer = Mapping[str, Any]
"""One seed and strategy, see `Study.answers`."""


def broken_of(plain: Mapping[str, Any]) -> Broken:
    """The limit again."""
    return Broken(**plain)


def by_strategy(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    """Answers of every strategy, by seed."""
    out: dict[str, list[Answer]] = {}
    for answer in answers:
        out.setdefault(answer["strategy"], []).append(answer)
    return {name: sorted(some, key=lambda one: one["seed"]) for name, some in out.items()}


def summary(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Median and range over seeds for every strategy, and the limit that binds first in the seed of the median."""
    rows = []
    for name, some in by_strategy(answers).items():
        middle = middle_of(some)
        rows.append(
            {
                "strategy": name,
                "p_kw_median": median(one["p_kw"] for one in some),
                "p_kw_min": min(one["p_kw"] for one in some),
                "p_kw_max": max(one["p_kw"] for one in some),
                "devices_median": median(one["devices"] for one in some),
                "at_least": any(one["at_least"] for one in some),
                "first_limit": middle["first_limit"],
                "seeds": len(some),
            }
        )
    return rows


def middle_of(some: Sequence[Answer]) -> Answer:
    """The seed in the middle: of an even number the lower."""
    ordered = sorted(some, key=lambda one: (one["p_kw"], one["seed"]))
    return ordered[(len(ordered) - 1) // 2]


def by_cell(answers: Sequence[Answer]) -> dict[str, dict[str, float]]:
    """Median over seeds of the new power in every cell [kW], by cell and strategy; cells that got some."""
    names = sorted({cell for answer in answers for cell in answer["by_cell_kw"]})
    return {
        cell: {
            name: median(one["by_cell_kw"].get(cell, 0.0) for one in some)
            for name, some in by_strategy(answers).items()
        }
        for cell in names
    }


def text(question: Question, answers: Sequence[Answer], notes: Sequence[str], cells: int = 24) -> str:
    """Both tables and the proof, at most 100 columns where ids allow."""
    rows = summary(answers)
    device = DEVICE_NAME[question.device]
    days = f"{question.days} day{'s' if question.days > 1 else ''} from {question.start:%Y-%m-%d %H:%M} UTC"
    out = [
        f"New {device}, {days}, seeds {', '.join(str(s) for s in question.seeds)}",
        *(f"! {note}" for note in notes),
        "",
        f"{'strategy':<15}{'kW':>11}{'lowest':>11}{'highest':>11}{'devices':>10}   first limit (seed of the median)",
    ]
    for row in rows:
        mark = "+" if row["at_least"] else " "
        limit = "none: all customers have one" if row["first_limit"] is None else str(broken_of(row["first_limit"]))
        out.append(
            f"{row['strategy']:<15}{_kw(row['p_kw_median']):>10}{mark}{_kw(row['p_kw_min']):>11}"
            f"{_kw(row['p_kw_max']):>11}{_kw(row['devices_median']):>10}   {limit}"
        )
    if any(row["at_least"] for row in rows):
        out.append("+ at least: in some seed the order ended before a limit was broken (--per-customer)")
    names = [row["strategy"] for row in rows]
    parts = by_cell(answers)
    if len(parts) > 1:
        width = max(16, *(len(cell) for cell in parts)) + 1
        out += ["", f"{'of it in cell [kW]':<{width + 3}}" + "".join(f"{name:>14}" for name in names)]
        largest = sorted(parts, key=lambda cell: -max(parts[cell].values()))
        for cell in largest[:cells]:
            out.append(f"{cell:<{width + 3}}" + "".join(f"{_kw(parts[cell].get(name, 0.0)):>14}" for name in names))
        if len(parts) > cells:
            out.append(f"and {len(parts) - cells} more cells, in cells.csv")
    out += ["", "Just below and just above, by AC power flow"]
    for name, some in by_strategy(answers).items():
        out += [f"  {name:<15}seed {one['seed']}: {proof(one)}" for one in some]
    return "\n".join(out)


def proof(answer: Answer) -> str:
    """What was true at the answer and at the next devices."""
    if answer["first_limit"] is None:
        return f"{_kw(answer['p_kw'])} kW and no limit broken; the order ends here"
    limit = broken_of(answer["first_limit"])
    if answer["above_devices"] == 0:
        return f"broken without any new device: {limit}"
    at = f"{_kw(answer['p_kw'])} kW none broken"
    if answer["below_value"] is not None:
        at += f" ({_number(answer['below_value'], limit.unit)} {limit.unit} there)"
    return f"{at}; {_kw(answer['above_kw'])} kW: {limit}"


def frame(answers: Sequence[Answer]) -> pa.Table:
    """One row per strategy and seed."""
    rows = []
    for answer in answers:
        limit = answer["first_limit"] or {}
        rows.append(
            {
                **{key: value for key, value in answer.items() if key not in {"by_cell_kw", "first_limit"}},
                **{
                    f"limit_{key}": limit.get(key)
                    for key in ("what", "where", "cell", "time", "value", "limit", "unit")
                },
            }
        )
    return pa.Table.from_pylist(rows)


def cell_frame(answers: Sequence[Answer]) -> pa.Table:
    """One row per strategy, seed and cell."""
    return pa.Table.from_pylist(
        [
            {"strategy": answer["strategy"], "seed": answer["seed"], "cell": cell, "p_kw": kw}
            for answer in answers
            for cell, kw in answer["by_cell_kw"].items()
        ],
        schema=pa.schema(
            [("strategy", pa.string()), ("seed", pa.int64()), ("cell", pa.string()), ("p_kw", pa.float64())]
        ),
    )


def _kw(value: float) -> str:
    return grouped(value, 0)


def _number(value: float, unit: str) -> str:
    return f"{value:.{ {'pu': 4, '%': 1, 'kW': 0}.get(unit, 2) }f}"
