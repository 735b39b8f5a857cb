from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.optimisation.rows import Limits, Rows

seeds = st.integers(0, 10**6)


def hinges(seed: int) -> tuple[np.random.Generator, np.ndarray, np.ndarray, int]:
    """Hinges on few directions, as facets are: (generator, coefficients, intervals, number of intervals)."""
    rng = np.random.default_rng(seed)
    t_count, things = int(rng.integers(1, 5)), int(rng.integers(3, 8))
    t = np.sort(rng.integers(0, t_count, int(rng.integers(1, 20))))
    directions = rng.normal(size=(t_count, 2, things))
    a = np.stack([rng.normal(size=2) @ directions[k] for k in t])
    return rng, a, t, t_count


@given(seeds)
def test_rows_act_on_their_own_interval_only(seed: int) -> None:
    rng, a, t, t_count = hinges(seed)
    shuffled = rng.permutation(len(t))
    rows = Rows(a[shuffled], t[shuffled], t_count)
    x, price = rng.normal(size=(a.shape[1], t_count)), rng.normal(size=len(t))
    values = [row @ x[:, k] for row, k in zip(a[shuffled], t[shuffled], strict=True)]
    np.testing.assert_allclose(rows.values(x), values, atol=1e-12)
    felt = np.zeros_like(x)
    for row, k, p in zip(a[shuffled], t[shuffled], price, strict=True):
        felt[:, k] += p * row
    np.testing.assert_allclose(rows.felt(price), felt, atol=1e-12)


@settings(max_examples=200, deadline=None)
@given(seeds, st.floats(0.0, 8.0))
def test_lines_stand_for_all_hinges_however_stiff_some_are(seed: int, decades: float) -> None:
    rng, a, t, t_count = hinges(seed)
    limits = Limits(a, t, t_count)
    assert len(limits.line_t) <= 2 * t_count
    compliance = 10.0 ** rng.uniform(-decades, decades, len(t))
    delta, response = rng.normal(size=len(t)), 10.0 ** rng.uniform(-1, 1, a.shape[1])
    lines = limits.weigh(compliance)
    same_line = limits.line_t[:, None] == limits.line_t
    free = rng.normal(size=(a.shape[1], t_count))
    # controls answer to prices by `response`: dy = k - A response A' dpi, and compliance dpi = dy - delta
    k_line = np.einsum("af,fa->a", lines, free[:, limits.line_t])
    system = np.eye(len(lines)) + (lines * response @ lines.T) * same_line
    q = np.linalg.solve(system, k_line - limits.asked(delta))
    dpi = limits.duals(q, delta)
    answer = (a * response @ a.T) * (t[:, None] == t)
    dy = np.einsum("af,fa->a", a, free[:, t]) - answer @ dpi
    # stiff hinges have duals of 1e8 that nearly cancel: no sum over them is better than its own rounding
    rounding = 1e-14 * (np.abs(answer) @ np.abs(dpi)).max()
    size = 1.0 + np.abs(compliance * dpi).max()
    np.testing.assert_allclose(compliance * dpi, dy - delta, atol=1e-7 * size + rounding)
    # hinges and lines put the same on the controls
    felt = np.zeros_like(free)
    np.add.at(felt.T, limits.line_t, lines * q[:, None])
    rounding = 3e-14 * Rows(np.abs(a), t, t_count).felt(np.abs(dpi)).max()
    size = 1.0 + np.abs(felt).max()
    np.testing.assert_allclose(Rows(a, t, t_count).felt(dpi), felt, atol=1e-9 * size + rounding)
