"""On 200 impossible problems: does the proposed change make them possible, and is there a smaller one?

    python -m benchmarks.remedies [--count 200] [--json FILE]

Every alternative that is proposed is checked by others than who proposed it: HiGHS on the linear programme (is it
feasible with 1 % more, is it infeasible with 1 % less, where is the edge by bisection), and power-grid-model for the AC
state (every voltage, current and boundary power of every hour against the limits as they are, or as raised).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.impossible import Problem, problem
from scipy import sparse
from scipy.optimize import linprog

from archipel.cell.remedy.doctor import Alternative, Diagnosis, diagnose

HALVINGS = 9
PART = 0.02


def possible(way: Alternative, budget: float) -> bool:
    """Whether HiGHS finds the programme feasible when the change may cost `budget` at most."""
    programme = way.trial.programme
    a, b = programme.matrix("eq")
    g, h = programme.matrix("le")
    row = np.zeros((1, programme.size))
    row[0, way.columns] = programme.cost[way.columns]
    rows = sparse.vstack([g, sparse.csr_matrix(row)]).tocsr()
    answer = linprog(
        np.zeros(programme.size), A_ub=rows, b_ub=np.append(h, budget), A_eq=a, b_eq=b,
        bounds=np.column_stack([programme.lo, programme.hi]), method="highs",
    )  # fmt: skip
    return bool(answer.status == 0)


def edge(way: Alternative) -> float:
    """The least share of the change's price with which HiGHS still finds it feasible, by bisection in 1 +- `PART`.

    1 - PART where even that suffices, infinite where 1 + PART does not."""
    low, high = 1.0 - PART, 1.0 + PART
    if possible(way, way.measure * low):
        return low
    if not possible(way, way.measure * high):
        return float("inf")
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if possible(way, way.measure * middle) else (middle, high)
    return high


def checked(one: Problem, done: Diagnosis, every: bool = True) -> dict[str, Any]:
    """What the referees say of a problem's answer."""
    found: dict[str, Any] = {
        "seed": one.seed, "kind": one.kind, "net": one.net, "found_impossible": not done.possible, "ways": [],
        "conflicts": len(done.conflicts),
    }  # fmt: skip
    for conflict in done.conflicts:
        for number, way in enumerate(conflict.alternatives):
            if number and not every:
                break
            told: dict[str, Any] = {"kind": way.kind, "kept_by_ac": way.kept, "eur_a": way.total_eur_a, "rank": number}
            if not way.discrete:
                told["edge"] = edge(way)
                told["minimal"] = bool(abs(told["edge"] - 1.0) <= 0.01)
            found["ways"].append(told)
    first = [w for w in found["ways"] if w["rank"] == 0]
    found["mended"] = bool(first) and len(first) == len(done.conflicts) and all(w["kept_by_ac"] for w in first)
    found["minimal"] = bool(first) and all(w.get("minimal", True) for w in first)
    return found


def measure(seeds: range, every: bool = True, quiet: bool = False) -> dict[str, Any]:
    """Figures over many problems."""
    each = []
    begun = time.perf_counter()
    for seed in seeds:
        one = problem(seed)
        start = time.perf_counter()
        done = diagnose(one.scenario, one.horizon, one.wishes)
        spent = time.perf_counter() - start
        told = checked(one, done, every) | {"s": round(spent, 2)}
        each.append(told)
        if not quiet:
            bad = "" if told["mended"] and told["minimal"] else f"  {told['ways']}"
            sys.stdout.write(
                f"{seed} {one.kind} on {one.net}: {told['mended']}, {told['minimal']}, {spent:.1f} s{bad}\n"
            )
            sys.stdout.flush()
    ways = [w for one in each for w in one["ways"]]
    edges = [w["edge"] for w in ways if "edge" in w and np.isfinite(w["edge"])]
    return {
        "problems": len(each),
        "found_impossible": sum(one["found_impossible"] for one in each),
        "mended": sum(one["mended"] for one in each),
        "minimal": sum(one["minimal"] for one in each),
        "ways": len(ways),
        "ways_kept_by_ac": sum(w["kept_by_ac"] for w in ways),
        "ways_minimal": sum(w.get("minimal", True) for w in ways),
        "ways_by_kind": dict(Counter(w["kind"] for w in ways)),
        "edge_least": min(edges, default=1.0),
        "edge_most": max(edges, default=1.0),
        "seconds_median": float(np.median([one["s"] for one in each])),
        "seconds_most": max(one["s"] for one in each),
        "seconds_all": round(time.perf_counter() - begun, 1),
        "by_kind": {k: sum(one["mended"] and one["minimal"] for one in each if one["kind"] == k)
                    for k in dict.fromkeys(one["kind"] for one in each)},
        "each": each,
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.remedies", description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(arguments)
    figures = measure(range(args.first, args.first + args.count))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps({k: v for k, v in figures.items() if k != "each"}, indent=2) + "\n")
    return 0 if figures["mended"] == figures["minimal"] == figures["problems"] else 1


if __name__ == "__main__":
    sys.exit(main())
