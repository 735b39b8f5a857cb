from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.optimisation.symmetric import Symmetric


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(0, 4), st.floats(0.0, 6.0))
def test_rows_on_very_different_scales_are_solved_to_the_last_digits(
    seed: int, size: int, below: int, decades: float
) -> None:
    rng = np.random.default_rng(seed)
    below = min(below, size)
    a = rng.normal(size=(size, size))
    matrix = np.zeros((size + below, size + below))
    matrix[:size, :size] = a @ a.T + np.eye(size)
    matrix[:size, size:] = np.eye(size)[:, :below]
    matrix[size:, :size] = matrix[:size, size:].T
    scale = 10.0 ** rng.uniform(-decades, decades, size + below)
    matrix *= scale[:, None] * scale
    x = rng.normal(size=size + below) / scale
    right = matrix @ x
    found = Symmetric(matrix, definite=not below).solve(right)
    np.testing.assert_allclose(found * scale, x * scale, atol=1e-6)


@pytest.mark.parametrize("definite", [True, False])
def test_several_right_hand_sides_are_solved_as_one_by_one(definite: bool) -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(5, 5))
    solver, right = Symmetric(a @ a.T + np.eye(5), definite=definite), rng.normal(size=(5, 3))
    together = solver.solve(right)
    for column in range(3):
        np.testing.assert_allclose(together[:, column], solver.solve(right[:, column]), atol=1e-10)
    assert solver.solve(np.zeros((5, 0))).shape == (5, 0)


def test_what_was_called_definite_and_is_not_is_solved_all_the_same() -> None:
    matrix = np.array([[0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_allclose(Symmetric(matrix, definite=True).solve(np.array([2.0, 3.0])), [3.0, 2.0])
