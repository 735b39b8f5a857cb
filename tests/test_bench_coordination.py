"""The benchmark of agreement: its arithmetic, and that it goes on where it was stopped. Nothing is timed here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import coordination, page, processes
from benchmarks.clocked import Talk, agree
from benchmarks.weather import Weather, endure

from archipel.coordination.exact import Options
from archipel.testing.coordination import Post
from archipel.testing.stress import gentle, stress_tree
from archipel.testing.trees import Tree


@pytest.fixture(scope="module")
def day() -> tuple[Tree, Talk]:
    tree = stress_tree(2, 24)
    return tree, agree(tree, Options(gap=1e-3, mu=1e3, iterations=5))


def test_trips_and_bytes_are_those_of_real_messages(day: tuple[Tree, Talk]) -> None:
    from archipel.coordination.exact import solve
    from archipel.coordination.outcome import Upstream
    from archipel.optimisation.interior import CellSolver

    tree, talk = day
    upstream, options = Upstream(tree.price, tree.v_pu), Options(gap=1e-3, mu=1e3, iterations=5)
    programs = [solve(CellSolver(b, gentle(b)), None if i else upstream, options) for i, b in enumerate(tree.blocks)]
    post = Post(tree, programs)
    outcomes = post.run()
    cells = list(post.cells.values())
    assert cells[0].tells == len(talk.critical_s)
    assert sum(cell.sent_bytes for cell in cells) == sum(talk.boundary_bytes(tree))
    np.testing.assert_array_equal(outcomes[-1].u, talk.solved[-1].u)
    assert len(talk.solved[0].gaps) == talk.solved[0].iterations
    assert talk.trips(1) == 2
    assert talk.trips(talk.solved[0].iterations) < len(talk.critical_s) + 1


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_cells_in_several_processes_agree_bit_for_bit_as_in_one(day: tuple[Tree, Talk], workers: int) -> None:
    tree, talk = day
    share = processes.shares(tree, workers)
    assert sorted(set(share)) == list(range(workers))
    assert share[0] == 0
    together = processes.agree(tree, Options(gap=1e-3, mu=1e3, iterations=5), workers)
    for found, alone in zip(together, talk.solved, strict=True):
        np.testing.assert_array_equal(found.u, alone.u)
        np.testing.assert_array_equal(found.price, alone.price)
        assert found.gaps == alone.gaps


def test_time_on_the_critical_path_only_goes_forward(day: tuple[Tree, Talk]) -> None:
    assert (np.diff(day[1].critical_s) >= 0).all()


def test_without_loss_nothing_is_said_twice(day: tuple[Tree, Talk]) -> None:
    tree, talk = day
    found = endure(tree.parents, talk.sizes, Weather(), 0)
    assert found.ended
    assert found.finished == len(tree.parents)
    assert found.trips == len(talk.critical_s)
    assert found.attempts == 0
    # every message has a header, and no body is said twice
    said = 2 * (len(tree.parents) - 1) * len(talk.critical_s)
    assert 0 < found.bytes_ - sum(talk.boundary_bytes(tree)) < 400 * said


def test_loss_costs_repeats_and_silence_one_new_beginning(day: tuple[Tree, Talk]) -> None:
    tree, talk = day
    lossy = endure(tree.parents, talk.sizes, Weather(lose=0.2), 1)
    assert lossy.finished == len(tree.parents)
    assert lossy.trips > len(talk.critical_s)
    silent = endure(tree.parents, talk.sizes, Weather(silent=frozenset({len(tree.parents) - 1}), silent_after=3), 1)
    assert silent.ended
    assert silent.finished == len(tree.parents) - 1
    assert silent.attempts == 1


def test_a_campaign_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def measured(who: str, cells: int, intervals: int, limit_s: int) -> dict[str, Any]:
        asked.append(f"{who}/{cells}/{intervals}")
        if len(asked) == 3:
            raise KeyboardInterrupt
        return {"status": "solved", "cpu_s": float(len(asked)), "limit": limit_s}

    monkeypatch.setattr(coordination, "in_a_process", measured)
    wanted, kept = coordination.jobs((2,), (24,)), tmp_path / "rows.json"
    with pytest.raises(KeyboardInterrupt):
        coordination.run(wanted, kept, 7)
    before = json.loads(kept.read_text())
    assert list(before) == asked[:2]
    rows = coordination.run(wanted, kept, 7)
    assert asked[2] == asked[3]
    assert len(asked) == len(rows) + 1
    assert rows == json.loads(kept.read_text())


def test_the_fastest_backend_is_the_one_with_least_time_where_all_were_tried() -> None:
    rows = {
        "PIQP a/10/24": {"status": "solved", "cpu_s": 3.0},
        "PIQP b/10/24": {"status": "solved", "cpu_s": 2.0},
        "PIQP c/10/24": {"status": "not finished in 9 CPU s"},
        "PIQP a/10/36": {"status": "solved", "cpu_s": 1.0},
    }
    assert coordination.fastest_piqp(rows) == "PIQP b"
    assert coordination.fastest_piqp({}) == coordination.FIRST_PIQP


def test_a_row_that_did_not_finish_is_on_the_page_in_words(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    page.write({"Clarabel/10/24": {"status": "not finished in 9 CPU s"}}, tmp_path)
    assert "| 10 | 24 | Clarabel | not finished in 9 CPU s |" in (tmp_path / "benchmarks.md").read_text()


def test_the_true_gap_is_the_cost_above_that_of_the_central_solver() -> None:
    common = {
        "cpu_s": 1.0,
        "wall_s": 1.0,
        "primal": 0.0,
        "dual": 0.0,
        "iterations": 9,
        "peak_gb": 0.1,
        "status": "solved",
    }
    ours = {"trips_1e-4": 50, "trips_1e-6": None, "gap": 1e-5, "critical_s": 0.5, "bytes_mean": 1e3, "bytes_most": 2e3}
    rows = {
        "exact/10/24": {**common, **ours, "value": 101.0},
        "PIQP a/10/24": {**common, "value": 100.0, "gross": 200.0},
    }
    (line,) = [line for line in page.table(rows).splitlines() if "ours" in line]
    assert "| 50 | not reached | 9 | 1.0e-05 | 5.0e-03 |" in line
