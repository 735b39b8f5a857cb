"""Agreement measured: ours beside central solvers on the same stress instance in one run: `make bench-coordination`.

    python -m benchmarks.coordination                  10 and 100 cells, 24 and 36 intervals, then docs/benchmarks.md
    python -m benchmarks.coordination --full           10 to 1000 cells, 24, 36 and 96 intervals (hours)
    python -m benchmarks.coordination --cells 10 --t 24
    python -m benchmarks.coordination --page           only the page of what was measured

Every row runs in a process of its own, with a limit of CPU time, and is kept in a JSON file as soon as it is measured:
what is there already is not run again, so a campaign can be stopped at any time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import archipel  # noqa: F401  sets one thread per process before numpy is loaded

QUICK, FULL = ((10, 100), (24, 36)), ((10, 100, 133, 500, 1000), (24, 36, 96))
LOSS_CELLS = (10, 100)
PUBLISHED = Path(__file__).with_name("rows.json")
"""Rows the published page was made of."""
FOLDER = Path("runs/coordination")
FIRST_PIQP = "PIQP sparse_ldlt"
OURS = "exact"
SPREAD, WORKERS = "exact, 2 processes", 2
ROBUST = "robust"
GAP, MU = 1e-8, 1e3
CPU_LIMIT_S = 900


def jobs(cells: tuple[int, ...], intervals: tuple[int, ...]) -> list[tuple[str, int, int]]:
    """(who, cells, intervals), the small ones first. Every backend of PIQP is tried on the smallest."""
    from benchmarks.solvers import PIQP_BACKENDS

    out = []
    for number, (t, n) in enumerate((t, n) for t in intervals for n in cells):
        out += [(OURS, n, t), (SPREAD, n, t)]
        if n in LOSS_CELLS and t == intervals[0]:
            out.append((ROBUST, n, t))
        if n in LOSS_CELLS and t == intervals[0]:
            out.append(("loss", n, t))
        backends = [f"PIQP {name}" for name in PIQP_BACKENDS] if number == 0 else ["PIQP"]
        out += [(who, n, t) for who in (*backends, "Clarabel", "HiGHS HiPO")]
    return out


def measure(who: str, cells: int, intervals: int) -> dict[str, Any]:
    """One row, measured in this process."""
    from archipel.testing.stress import stress_tree

    tree = stress_tree(cells, intervals)
    if who == "loss":
        from benchmarks.losses import losses

        return {"rows": losses(tree)}
    ours = {OURS: _exact, SPREAD: _spread, ROBUST: _robust}
    found = ours[who](tree) if who in ours else _central(who, tree)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    # processes share what they began with, so twice the larger is at most what all had
    found["peak_gb"] = max(of.ru_maxrss for of in used) * (WORKERS if who == SPREAD else 1) / 1e6
    found["load"] = os.getloadavg()[0]
    return found


def _exact(tree: Any) -> dict[str, Any]:
    import numpy as np
    from benchmarks.clocked import agree

    from archipel.coordination.exact import Options
    from archipel.testing.coordination import paid

    wall, cpu = time.perf_counter(), time.process_time()
    talk = agree(tree, Options(gap=GAP, mu=MU))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    root = talk.solved[0]
    total = paid(tree, [cell.u for cell in talk.solved]).total
    carried = talk.boundary_bytes(tree)
    out: dict[str, Any] = {
        "status": "solved" if root.converged else "stopped",
        "iterations": root.iterations,
        "trips": len(talk.critical_s),
        "gaps": list(root.gaps),
        "gap": root.gap,
        "value": total,
        "gross": root.gross,
        "cpu_s": cpu,
        "wall_s": wall,
        "critical_s": talk.critical_s[-1],
        "bytes_mean": float(np.mean(carried)),
        "bytes_most": max(carried),
        "primal": talk.v_pu_apart,
        "dual": talk.dual_residual,
    }
    for name, tolerance in (("1e-4", 1e-4), ("1e-6", 1e-6)):
        at = next((i + 1 for i, gap in enumerate(root.gaps) if gap < tolerance), None)
        out[f"trips_{name}"] = None if at is None else talk.trips(at)
        out[f"critical_{name}"] = None if at is None else talk.critical_s[talk.trips(at) - 1]
    return out


def _spread(tree: Any) -> dict[str, Any]:
    """The same agreement in several processes: what it takes on a clock on the wall."""
    from benchmarks.processes import agree

    from archipel.coordination.exact import Options
    from archipel.testing.coordination import paid

    wall, cpu = time.perf_counter(), _cpu_s()
    solved = agree(tree, Options(gap=GAP, mu=MU), WORKERS)
    cpu, wall = _cpu_s() - cpu, time.perf_counter() - wall
    root = solved[0]
    value = paid(tree, [cell.u for cell in solved]).total
    status = "solved" if root.converged else "stopped"
    found = {"status": status, "iterations": root.iterations, "gap": root.gap, "value": value, "gross": root.gross}
    return {**found, "cpu_s": cpu, "wall_s": wall}


def _robust(tree: Any) -> dict[str, Any]:
    """The robust way on the same day, every message carried; where it stops is its own choice."""
    import numpy as np

    from archipel.coordination.outcome import Start, Upstream
    from archipel.coordination.robust import DEFAULT
    from archipel.testing.coordination import paid
    from archipel.testing.post import Post

    t = len(tree.v_pu)
    start = Start(np.stack([np.zeros(t), np.zeros(t), np.full(t, np.nan)]), np.full((2, t), np.nan))
    above = Upstream(tree.price, tree.v_pu)
    programs = [
        DEFAULT.program(block, 0.5 * (block.lo + block.hi), None if i else above, start, np.ones(t))
        for i, block in enumerate(tree.blocks)
    ]
    post = Post(tree, programs)
    wall, cpu = time.perf_counter(), time.process_time()
    solved = post.run()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    root, value = solved[0], paid(tree, [cell.u for cell in solved]).total
    found = {"status": "solved" if root.converged else "stopped", "iterations": root.iterations, "gap": root.gap}
    found |= {"value": value, "gross": root.gross, "cpu_s": cpu, "wall_s": wall, "trips": root.round_trips}
    return {**found, "primal": root.primal_kw, "dual": root.dual_eur_per_kwh, "bytes": post.bytes}


def _cpu_s() -> float:
    """CPU time of this process and of those it has waited for."""
    return sum(os.times()[:4])


def _central(who: str, tree: Any) -> dict[str, Any]:
    from benchmarks.solvers import SOLVERS, infeasibility

    from archipel.optimisation.block import bill
    from archipel.optimisation.central import join
    from archipel.testing.stress import binding

    joined = join(tree.blocks, list(tree.parents), tree.price, tree.v_pu)
    wall, cpu = time.perf_counter(), time.process_time()
    answer = SOLVERS[who](joined)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    out = {"status": answer.status, "cpu_s": cpu, "wall_s": wall, "iterations": answer.iterations}
    if answer.status != "solved":
        return out
    paid = bill(list(tree.blocks), list(tree.parents), joined.controls(answer.x), tree.price, tree.v_pu)
    sizes = {"variables": len(joined.cost), "rows": joined.a.shape[0] + joined.g.shape[0]}
    primal = infeasibility(joined, answer.x)
    value = {"value": joined.value(answer.x), "gross": paid.gross, "violated_eur": paid.limits}
    found = dict(binding(joined, answer.x))
    return {**out, **value, **sizes, "primal": primal, "dual": answer.dual_residual, "binding": found}


def run(wanted: list[tuple[str, int, int]], kept: Path, limit_s: int) -> dict[str, Any]:
    """Measure what is not in the file `kept` yet; returns all of it."""
    rows: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    kept.parent.mkdir(parents=True, exist_ok=True)
    for number, (who, cells, intervals) in enumerate(wanted, 1):
        solver = fastest_piqp(rows) if who == "PIQP" else who
        name = f"{solver}/{cells}/{intervals}"
        if name in rows:
            continue
        print(f"{number} of {len(wanted)}: {solver}, {cells} cells, {intervals} intervals", file=sys.stderr, flush=True)
        rows[name] = in_a_process(solver, cells, intervals, limit_s)
        part = kept.with_suffix(".part")
        part.write_text(json.dumps(rows, indent=1))
        part.replace(kept)
    return rows


def in_a_process(who: str, cells: int, intervals: int, limit_s: int) -> dict[str, Any]:
    """Measure a row in a process of its own; its status says so if it did not get there."""
    words = [sys.executable, "-m", "benchmarks.coordination", "--one", who, str(cells), str(intervals), str(limit_s)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found
    why = f"not finished in {limit_s} CPU s" if done.returncode in {-24, -9} else f"ended with code {done.returncode}"
    return {"status": why}


def fastest_piqp(rows: dict[str, Any]) -> str:
    """The backend that took least CPU time where all were tried."""
    tried = {name: row for name, row in rows.items() if name.startswith("PIQP") and row["status"] == "solved"}
    cases = {name.partition("/")[2] for name in tried}
    most = max(cases, key=lambda case: sum(name.endswith(f"/{case}") for name in tried), default="")
    here = {name.partition("/")[0]: row["cpu_s"] for name, row in tried.items() if name.partition("/")[2] == most}
    return min(here, key=lambda name: here[name], default=FIRST_PIQP)


def main() -> int:
    """Run what is missing, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 and 100 cells, 24 and 36 intervals (the default)")
    parser.add_argument("--full", action="store_true", help="10 to 1000 cells, 24, 36 and 96 intervals")
    parser.add_argument("--cells", type=int, nargs="+", metavar="N")
    parser.add_argument("--t", type=int, nargs="+", metavar="T", choices=(24, 36, 96))
    parser.add_argument("--limit", type=int, default=CPU_LIMIT_S, metavar="S", help="CPU seconds of a row")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"of what was measured; default: {FOLDER}")
    parser.add_argument("--page", action="store_true", help="run nothing")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        who, cells, intervals, limit = asked.one
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 5))
        print(json.dumps(measure(who, int(cells), int(intervals))))
        return 0
    cells, intervals = FULL if asked.full else QUICK
    cells, intervals = tuple(asked.cells or cells), tuple(asked.t or intervals)
    if min(cells) < 2:
        parser.error(f"--cells {min(cells)}: expected 2 or more")
    kept = asked.folder / "rows.json"
    rows = run([] if asked.page else jobs(cells, intervals), kept, asked.limit)
    from benchmarks.page import write

    # rows of this machine come before those that were published; --page shows both without running anything
    published = json.loads(PUBLISHED.read_text())
    write({**published, **rows}, Path("docs"))
    print("docs/benchmarks.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
