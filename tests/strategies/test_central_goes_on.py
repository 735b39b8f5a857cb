from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from small_scenario import scenario

from archipel.model import SolverFailed
from archipel.strategies import central
from archipel.twin import run


def test_when_its_solver_fails_the_centre_follows_the_schedule_it_has_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case, calls = scenario(pv_kw=90.0), 0
    solve = central.solve_piqp

    def fails_later(joined: object, tolerance: float) -> object:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise SolverFailed("the solver stopped")
        return solve(joined, tolerance)  # type: ignore[arg-type]

    monkeypatch.setattr(central, "solve_piqp", fails_later)
    result = run(case, central.Central(case), start=datetime(2016, 6, 8, 12, tzinfo=UTC), steps=8)
    assert np.isfinite(result.agreements[0]["cost_eur"])
    assert np.isnan([result.agreements[-1][name] for name in ("gap", "cost_eur", "excess_v_pu")]).all()
    assert [a["accepted"] for a in result.agreements][-1] is False
    assert result.agreements[-1]["given"] == ["the solver stopped"]
    assert result.complete


def test_a_solver_that_fails_at_once_ends_the_run_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(joined: object, tolerance: float) -> object:
        del joined, tolerance
        raise SolverFailed("the solver stopped")

    monkeypatch.setattr(central, "solve_piqp", fails)
    case = scenario(pv_kw=90.0)
    with pytest.raises(SolverFailed, match="stopped"):
        run(case, central.Central(case), start=datetime(2016, 6, 8, 12, tzinfo=UTC), steps=4)
