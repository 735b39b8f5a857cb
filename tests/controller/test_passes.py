"""When a plan is linearised again, and how firmly it is then held."""

from __future__ import annotations

import numpy as np
import pytest
from neighbours import NOON, Village

from archipel.cell.curvature import SHARE
from archipel.controller.agreeing import ACCEPT, TRUE_COST, TRUE_V2_PU2, Passes, firmness


@pytest.mark.parametrize("figure", range(len(ACCEPT)))
def test_a_plan_beyond_any_limit_is_not_accepted(figure: int) -> None:
    fine = np.concatenate([0.5 * ACCEPT, np.zeros(2)])
    assert Passes().accept(fine)
    fine[figure] = 1.01 * ACCEPT[figure]
    assert not Passes().accept(fine)


@pytest.mark.parametrize("untrue", [[2.0 * TRUE_V2_PU2, 0.0], [0.0, 2.0 * TRUE_COST]])
def test_a_precise_plan_must_be_true_as_well(untrue: list[float]) -> None:
    found = np.concatenate([np.full(len(ACCEPT), -1.0), untrue])
    assert Passes().accept(found)
    assert not Passes(precise=True).accept(found)
    assert Passes(precise=True).accept(np.concatenate([found[: len(ACCEPT)], [0.0, 0.0]]))


def test_the_third_pass_is_held_by_the_whole_bound_and_every_later_one_by_twice_the_last() -> None:
    assert firmness(1) == firmness(2) == 1.0
    assert SHARE * firmness(3) == 1.0
    assert [firmness(n + 1) / firmness(n) for n in range(3, 8)] == [2.0] * 5


def test_cells_tell_how_true_their_plan_was() -> None:
    village = Village()
    village.talk(village.begin(NOON))
    errors = {cell.agreed.v2_error for cell in village.cells.values() if cell.agreed is not None}
    assert len(errors) == 1
    assert 0.0 <= errors.pop() < 0.01
