from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.optimisation.below import Below
from archipel.optimisation.rows import Rows


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 3), st.integers(0, 4), st.integers(0, 2))
def test_children_condensed_answer_as_children_and_voltages_do_together(
    seed: int, t_count: int, kids: int, controls: int, level_count: int
) -> None:
    rng = np.random.default_rng(seed)
    ends = np.cumsum([0, controls, kids, kids, level_count, 1])
    parts = tuple(slice(*pair) for pair in pairwise(ends.tolist()))
    u, p, q, on_level, v = parts
    asks = [np.flatnonzero(rng.random(t_count) < 0.8) for _ in range(kids)]
    channel_t = np.sort(rng.integers(0, t_count, int(rng.integers(0, 5))))
    t = np.concatenate([channel_t, np.arange(t_count), np.arange(t_count), *asks])
    a = rng.normal(size=(len(t), ends[-1]))
    ports, first = sum(len(ask) for ask in asks), len(channel_t)
    held = len(t) - ports
    a[held:, np.r_[p, q]] *= 0.01  # voltages follow powers softly
    rows, active = Rows(a, t, t_count), np.arange(t_count)[rng.random(t_count) < 0.7]
    below = Below(rows, ports, parts, np.arange(level_count), active)
    c, k, y = [], [], []
    for ask in asks:
        root, down = rng.normal(size=(2 * t_count, 2 * t_count)), rng.normal(size=(len(ask), len(ask)))
        c.append(root @ root.T)
        k.append(rng.normal(size=(2 * t_count, len(ask))))
        y.append(down @ down.T)
    below.hear(c, k, y)

    step = rng.normal(size=len(below.answer))
    injected = step[below.injected].reshape(-1, t_count)
    things = np.zeros((ends[-1], t_count))
    things[u] = np.einsum("trn,rt->nt", below.injection, injected)
    things[on_level] = step[below.levels][:, None]
    things[v, active] = step[below.voltage]

    def follow(inner: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is left of the voltages' equations, movements of rows, and prices of things, at prices of voltages and
        voltages `inner`."""
        omega, volts = inner[:ports], np.split(inner[ports:], np.cumsum([len(ask) for ask in asks])[:-1])
        felt = rows.felt(np.concatenate([step[below.channels], step[below.boundary], omega]))
        moved, answered = things.copy(), []
        for i in range(kids):
            price = np.concatenate([felt[p][i], felt[q][i]])
            moved[p][i], moved[q][i] = (-c[i] @ price + k[i] @ volts[i]).reshape(2, t_count)
            answered.append(k[i].T @ price + y[i] @ volts[i])
        values = rows.values(moved)
        return np.concatenate([inner[ports:] - values[held:], omega - np.concatenate(answered)]), values, felt

    zero = follow(np.zeros(2 * ports))[0]
    matrix = np.stack([follow(e)[0] - zero for e in np.eye(2 * ports)], axis=1) if ports else np.zeros((0, 0))
    inner = np.linalg.solve(matrix, -zero)
    _, values, felt = follow(inner)
    size = 1e-8 * (1.0 + np.abs(values).max(initial=0.0) + np.abs(felt).max(initial=0.0))
    answer = -below.answer @ step
    np.testing.assert_allclose(below.follow(step), inner, atol=size)
    np.testing.assert_allclose(answer[below.channels], values[:first], atol=size)
    np.testing.assert_allclose(answer[below.boundary], values[first:held], atol=size)
    np.testing.assert_allclose(answer[below.levels], felt[on_level].sum(axis=1), atol=size)
    np.testing.assert_allclose(answer[below.voltage], felt[v][0, active], atol=size)
    price = np.einsum("trn,nt->rt", below.injection, felt[u])
    np.testing.assert_allclose(answer[below.injected], price.ravel(), atol=size)
