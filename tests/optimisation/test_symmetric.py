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
    found = Symmetric(matrix, first=size).solve(right)
    np.testing.assert_allclose(found * scale, x * scale, atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 6), st.integers(0, 5), st.floats(-9.0, 0.0), st.floats(-9.0, 0.0))
def test_what_is_between_right_hand_sides_follows_from_solving(
    seed: int, first: int, below: int, small: float, flat: float
) -> None:
    # halves of a saddle may both be nearly singular, as long as what ties them is not
    rng = np.random.default_rng(seed)
    below = min(below, first)
    matrix = np.zeros((first + below, first + below))
    for part, size in ((slice(0, first), first), (slice(first, None), below)):
        root = rng.normal(size=(size, max(size - 1, 1)))
        matrix[part, part] = root @ root.T
    matrix[:first, :first] = 10.0**small * matrix[:first, :first] + (below < first) * np.eye(first)
    matrix[first:, first:] *= -(10.0**flat)
    matrix[:first, first:] = np.eye(first)[:, :below] + 0.1 * rng.uniform(-1.0, 1.0, (first, below))
    matrix[first:, :first] = matrix[:first, first:].T
    solver, right = Symmetric(matrix, first=first), rng.normal(size=(first + below, 3))
    wanted = np.stack([right.T @ solver.solve(column) for column in right.T])
    np.testing.assert_allclose(solver.between(right), wanted, rtol=1e-9, atol=1e-9 * (1.0 + np.abs(wanted).max()))
    assert solver.between(np.zeros((first + below, 0))).shape == (0, 0)


@pytest.mark.parametrize("first", [1, 2])
def test_a_saddle_that_cannot_be_halved_is_solved_all_the_same(first: int) -> None:
    matrix = np.array([[-1.0, 2.0], [2.0, 1.0]])
    solver = Symmetric(matrix, first=first)
    np.testing.assert_allclose(solver.solve(matrix @ np.array([3.0, 4.0])), [3.0, 4.0])
    np.testing.assert_allclose(solver.between(np.eye(2)), np.linalg.inv(matrix))


def test_what_was_called_definite_and_is_not_is_solved_all_the_same() -> None:
    matrix = np.array([[0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_allclose(Symmetric(matrix, first=2).solve(np.array([2.0, 3.0])), [3.0, 2.0])
