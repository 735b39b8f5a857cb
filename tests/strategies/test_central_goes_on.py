from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest
from small_scenario import scenario

from archipel.model import Scenario, SolverFailed
from archipel.strategies import central
from archipel.twin import run

NOON = datetime(2016, 6, 8, 12, tzinfo=UTC)


@pytest.fixture
def case() -> Scenario:
    return scenario(pv_kw=90.0)


def fails(*asked: object) -> NoReturn:
    raise SolverFailed("the solver stopped")


def test_where_its_solver_fails_the_centre_plans_by_the_method_of_the_cells_and_says_so(
    case: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = run(case, central.Central(case), start=NOON, steps=8)
    monkeypatch.setattr(central, "solve_piqp", fails)
    other = run(case, central.Central(case), start=NOON, steps=8)
    for a, b in zip(best.agreements, other.agreements, strict=True):
        assert a["given"] == []
        (said,) = set(b["given"])
        assert "the solver stopped" in said
        assert b["accepted"]
        assert b["cost_eur"] == pytest.approx(a["cost_eur"], abs=1e-3)
    closed = [i for i, tie in enumerate(case.archipelago.tie) if tie.closed]
    np.testing.assert_allclose(other.tie_agreed_kw[closed], best.tie_agreed_kw[closed], atol=0.2)
    np.testing.assert_allclose(other.tie_price[closed], best.tie_price[closed], atol=1e-3)


def test_with_a_very_large_cell_the_centre_plans_by_the_method_of_the_cells_at_once(
    case: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = run(case, central.Central(case), start=NOON, steps=4)
    monkeypatch.setattr(central, "DESK_NODES", 1)
    with monkeypatch.context() as patch:
        patch.setattr(central, "solve_piqp", fails)
        other = run(case, central.Central(case), start=NOON, steps=4)
    (said,) = other.agreements[0]["given"]
    assert "nodes; planned by the cells' own method" in said
    assert other.agreements[0]["cost_eur"] == pytest.approx(best.agreements[0]["cost_eur"], abs=1e-3)
    monkeypatch.setattr(central, "at_one_desk", lambda *_: [SimpleNamespace(converged=False)])
    again = run(case, central.Central(case), start=NOON, steps=4)
    assert again.agreements[0]["given"] == [], "what the cells' method does not solve is left to the solver"
    assert again.agreements[0]["cost_eur"] == best.agreements[0]["cost_eur"]


def test_when_nothing_solves_a_plan_the_centre_follows_the_schedule_it_has_and_says_so(
    case: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    solve, calls = central.solve_piqp, 0

    def fails_later(*asked: Any) -> Any:
        nonlocal calls
        calls += 1
        return solve(*asked) if calls == 1 else fails()

    monkeypatch.setattr(central, "solve_piqp", fails_later)
    monkeypatch.setattr(central, "at_one_desk", fails)
    result = run(case, central.Central(case), start=NOON, steps=8)
    assert np.isfinite(result.agreements[0]["cost_eur"])
    assert np.isnan([result.agreements[-1][name] for name in ("gap", "cost_eur", "excess_v_pu")]).all()
    assert [a["accepted"] for a in result.agreements][-1] is False
    assert result.agreements[-1]["given"] == ["the solver stopped"]
    assert result.complete


def test_when_nothing_solves_the_first_plan_the_run_ends_with_the_reason(
    case: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(central, "solve_piqp", fails)
    monkeypatch.setattr(central, "at_one_desk", fails)
    with pytest.raises(SolverFailed, match="stopped"):
        run(case, central.Central(case), start=NOON, steps=4)
