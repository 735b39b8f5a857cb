"""`docs/benchmarks.md` and its picture, from what was measured."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from archipel.report.svg import tag, text

OURS = "exact"
ALL_OURS = ("exact", "exact, 2 processes", "robust")
Rows = dict[str, dict[str, Any]]
INTRO = """# Benchmarks of agreement

Written by `make bench-coordination`; do not edit. Every row is a process of its own with one thread. Ours and the
central solvers get the same instance: a day of N low-voltage cells behind feeders on which limits of every kind bind
(`archipel.testing.stress`; the counts are below). Central solvers get the joined sparse problem at tolerance 1e-8.

**The machine was shared** with other work (load when each row ended: {load}; 2 processors): wall seconds are upper
bounds, CPU seconds are lengthened too. Trust ratios of CPU seconds, trips and gaps.

- *Trips*: sweeps up and down the tree until the root had certified the gap. *Gap*: certified, as a share of the gross
  energy cost. *True gap*: cost less that of PIQP, as the same share (negative: PIQP stopped a little above).
- *Residuals* of ours: largest difference between a voltage held and the true one [pu]; largest gradient of the
  Lagrangian by a control [EUR per kW and interval]. Those of central solvers: largest violation of a row, and the dual
  residual they report.
- *Robust* stops by itself at a gap of 1e-3 and small residuals, or after 300 exchanges with all neighbours (its
  iterations); its residuals are the difference of both ends' powers [kW] and what prices still moved [EUR/kWh] before
  it was settled. `auto` is exact and one trip more where nothing is lost.
- *Critical*: the root's clock if every cell had its own processor, without latency (CPU seconds). *Memory* is the peak
  of the whole process.
"""


def write(rows: Rows, docs: Path) -> None:
    """Write the page and the picture."""
    load = [row["load"] for row in rows.values() if "load" in row]
    words = f"{min(load):.1f} to {max(load):.1f}" if load else "not measured"
    parts = [INTRO.format(load=words), "## Time, trips and gaps", table(rows)]
    if any(row["status"] == "solved" for row in rows.values() if "cpu_s" in row):
        (docs / "img" / "bench-coordination.svg").write_text(picture(rows))
        parts += ["![CPU seconds by number of cells, ours and central solvers](img/bench-coordination.svg)"]
    parts += ["## What binds", what_binds(rows), "## Messages lost, late, and cells that fall silent", losses(rows)]
    (docs / "benchmarks.md").write_text("\n\n".join(part.strip() for part in parts if part) + "\n")


def _cases(rows: Rows) -> list[tuple[str, int, int]]:
    split = [name.rsplit("/", 2) for name in rows]
    cases = ((who, int(n), int(t)) for who, n, t in split if who != "loss")
    return sorted(cases, key=lambda case: (case[2], case[1], case[0] not in ALL_OURS, case[0]))


def _optimum(rows: Rows, cells: int, intervals: int) -> dict[str, Any] | None:
    """PIQP's answer on this instance."""
    for name, row in rows.items():
        who, n, t = name.rsplit("/", 2)
        if who.startswith("PIQP") and row["status"] == "solved" and (int(n), int(t)) == (cells, intervals):
            return row
    return None


HEAD = ("cells", "T", "who", "trips to 1e-4", "1e-6", "iterations", "gap", "true gap", "primal residual")
HEAD += ("dual residual", "CPU s", "wall s", "critical s", "kB per boundary: mean, most", "peak GB")


def table(rows: Rows) -> str:
    """One line per row that was measured."""
    lines = [
        f"| {' | '.join(HEAD)} |",
        "|" + "---|" * len(HEAD),
    ]
    for who, n, t in _cases(rows):
        row = rows[f"{who}/{n}/{t}"]
        ours = who in ALL_OURS
        name = f"**ours, {who}**" if ours else who
        if row["status"] not in {"solved", "stopped"}:
            after = f", {row['cpu_s']:.0f} CPU s" if "cpu_s" in row else ""
            lines.append(f"| {n} | {t} | {name} | {row['status']}{after} |" + " |" * 11)
            continue
        best = _optimum(rows, n, t)
        true = "" if best is None else f"{(row['value'] - best['value']) / best['gross']:.1e}"
        cells = [f"{n}", f"{t}", name]
        if who == OURS:
            cells += [_or(row["trips_1e-4"]), _or(row["trips_1e-6"]), f"{row['iterations']}", f"{row['gap']:.1e}"]
        else:
            many = "not reached" if who == "robust" else ""
            cells += [many, many, f"{row['iterations']}", f"{row['gap']:.1e}" if ours else ""]
        residuals = [f"{row[name]:.0e}" if name in row else "" for name in ("primal", "dual")]
        cells += [true, *residuals, f"{row['cpu_s']:.1f}", f"{row['wall_s']:.0f}"]
        if who == OURS:
            cells += [f"{row['critical_s']:.2f}", f"{row['bytes_mean'] / 1e3:.0f}, {row['bytes_most'] / 1e3:.0f}"]
        else:
            cells += ["", ""]
        lines.append("| " + " | ".join([*cells, f"{row['peak_gb']:.2f}"]) + " |")
    return "\n".join(lines)


def _or(value: int | None) -> str:
    return "not reached" if value is None else f"{value}"


def what_binds(rows: Rows) -> str:
    """Limits that bind at the optimum, and whether any had to give."""
    kinds = ("LV voltage", "MV voltage", "transformer", "branch", "substation")
    lines = [f"| cells | T | variables | rows | {' | '.join(kinds)} | price of limits not kept, EUR |"]
    lines.append("|" + "---|" * (len(kinds) + 5))
    for n, t in sorted({(n, t) for _, n, t in _cases(rows)}):
        best = _optimum(rows, n, t)
        if best is not None:
            counts = " | ".join(f"{best['binding'].get(kind, 0)}" for kind in kinds)
            lines.append(
                f"| {n} | {t} | {best['variables']} | {best['rows']} | {counts} | {best['violated_eur']:.1e} |"
            )
    return "\n".join(lines)


LOSS = """An agreement to 1e-6 had again with messages of the same sizes; the worst of five seeds. Messages are lost
each way on their own. A trip counts as often as its most repeated message was said. A message needs one hop; who waits
for {timeout} hops asks for what it misses, and a neighbour that gives no sign of life {patience} times is left out: all
others begin anew without it. *Ends safely*: every cell ends, with the agreement or with the word that a neighbour is
silent (it then holds what it held before); results are the same bit for bit as without loss. Bytes count headers."""


def losses(rows: Rows) -> str:
    """Trips and bytes against those without loss."""
    from benchmarks.weather import PATIENCE, TIMEOUT

    lines = [
        "| cells | case | trips | against none | MB in all | against none | hops | cells with a result | ends safely |"
    ]
    lines.append("|" + "---|" * 9)
    for name, found in rows.items():
        who, n, _ = name.rsplit("/", 2)
        if who != "loss" or "rows" not in found:
            continue
        none = found["rows"][0]
        for row in found["rows"]:
            times, bytes_ = row["trips"] / none["trips"], row["bytes"] / none["bytes"]
            cells = [n, row["case"], f"{row['trips']}", f"{times:.2f}", f"{row['bytes'] / 1e6:.2f}", f"{bytes_:.2f}"]
            cells += [f"{row['hops']}", f"{row['finished']} of {row['cells']}", "yes" if row["ended"] else "NO"]
            lines.append("| " + " | ".join(cells) + " |")
    return LOSS.format(timeout=TIMEOUT, patience=PATIENCE) + "\n\n" + "\n".join(lines) if len(lines) > 2 else ""


# ---------------------------------------------------------------- picture

WIDTH, HEIGHT, LEFT, TOP = 640, 340, 60, 30
COLOURS = {"ours": "#0a7", "ours, critical path": "#0a7", "PIQP": "#c50", "Clarabel": "#57c", "HiGHS HiPO": "#a3a"}


def picture(rows: Rows) -> str:
    """CPU seconds and our critical path by the number of cells, both on scales of ten; solid lines for the shortest
    horizon, dashed for the others."""
    series: dict[tuple[str, int], list[tuple[int, float]]] = {}
    for who, n, t in _cases(rows):
        row = rows[f"{who}/{n}/{t}"]
        if row["status"] != "solved":
            continue
        name = "ours" if who == OURS else who.partition(" ")[0] if who.startswith("PIQP") else who
        series.setdefault((name, t), []).append((n, row["cpu_s"]))
        if who == OURS:
            series.setdefault(("ours, critical path", t), []).append((n, row["critical_s"]))
    series = {key: _least(points) for key, points in series.items() if key[0] in COLOURS}
    n_all = [n for points in series.values() for n, _ in points]
    s_all = [s for points in series.values() for _, s in points]
    n_low, n_high = min(n_all), max(*n_all, 10 * min(n_all))
    s_low, s_high = 10.0 ** math.floor(math.log10(min(s_all))), 10.0 ** math.ceil(math.log10(max(s_all)))

    def at(n: float, s: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - 210) * math.log(n / n_low) / math.log(n_high / n_low)
        y = TOP + (HEIGHT - 2 * TOP) * (1 - math.log(s / s_low) / math.log(s_high / s_low))
        return round(x, 1), round(y, 1)

    parts = [text(LEFT - 50, 16, "seconds")]
    for power in range(round(math.log10(s_low)), round(math.log10(s_high)) + 1):
        (x0, y), (x1, _) = at(n_low, 10.0**power), at(n_high, 10.0**power)
        parts += [tag("line", x1=x0, x2=x1, y1=y, y2=y, stroke="#ccc"), text(8, y + 4, f"{10.0**power:g}")]
    parts += [text(at(n, s_low)[0], HEIGHT - 8, f"{n}") for n in sorted(set(n_all))]
    parts += [text(at(n_high, s_low)[0] + 40, HEIGHT - 8, "cells")]
    horizons = sorted({t for _, t in series})
    for number, ((name, t), points) in enumerate(sorted(series.items())):
        dash = (None, "6 3", "2 3")[horizons.index(t)]
        width = 1.2 if "critical" in name else 2.4
        path = " ".join(f"{x},{y}" for x, y in (at(n, s) for n, s in points))
        style = {"fill": "none", "stroke": COLOURS[name], "stroke_width": width, "stroke_dasharray": dash}
        parts.append(tag("polyline", points=path, **style))
        parts += [tag("circle", cx=x, cy=y, r=3, fill=COLOURS[name]) for x, y in (at(n, s) for n, s in points)]
        y = TOP + 10 + 18 * number
        parts.append(tag("line", x1=WIDTH - 195, x2=WIDTH - 170, y1=y - 4, y2=y - 4, **style))
        parts.append(text(WIDTH - 163, y, f"{name}, T = {t}"))
    label = "CPU seconds by number of cells, ours and central solvers"
    return tag(
        "svg", tag("title", label), tag("rect", width=WIDTH, height=HEIGHT, fill="#fff"), *parts,
        xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {HEIGHT}", font_family="sans-serif", font_size=11,
    )  # fmt: skip


def _least(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Of several backends of one solver the fastest at each size."""
    return sorted({n: min(s for m, s in points if m == n) for n, _ in points}.items())
