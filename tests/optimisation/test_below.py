from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.optimisation.below import Below
from archipel.optimisation.inputs import ChildInputs
from archipel.optimisation.rows import Rows


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 3), st.integers(0, 4), st.integers(0, 2), st.integers(0, 2)
)
def test_children_condensed_answer_as_children_voltages_and_ties_do_together(
    seed: int, t_count: int, kids: int, controls: int, level_count: int, above: int
) -> None:
    rng = np.random.default_rng(seed)
    decides = tuple(range(min(controls, 2)))
    ends = np.cumsum([0, controls, above, kids, kids, level_count, 1])
    parts = tuple(slice(*pair) for pair in pairwise(ends.tolist()))
    u, w, p, q, on_level, v = parts
    ties = [np.flatnonzero(rng.random(above + len(decides)) < 0.6).tolist() for _ in range(kids)]
    asks = [np.flatnonzero(rng.random(t_count) < 0.8) for _ in range(kids)]
    asks_ties = [t_count + np.flatnonzero(rng.random(len(of) * t_count) < 0.8) for of in ties]
    channel_t = np.sort(rng.integers(0, t_count, int(rng.integers(0, 5))))
    t = np.concatenate([channel_t, np.arange(t_count), np.arange(t_count), *asks])
    a = rng.normal(size=(len(t), ends[-1]))
    ports, first = sum(len(ask) for ask in asks), len(channel_t)
    held = len(t) - ports
    a[held:, np.r_[p, q]] *= 0.01  # voltages follow powers softly
    rows = Rows(a, t, t_count)
    block = SimpleNamespace(
        intervals=t_count,
        outputs=SimpleNamespace(on_tie=np.zeros((0, above))),
        decides=decides,
        ties_of=lambda child: ties[child],
    )
    wanted = [np.concatenate(ask) for ask in zip(asks, asks_ties, strict=True)]
    felt_here = np.flatnonzero(rng.random((1 + above) * t_count) < 0.7)
    inputs = ChildInputs(block, wanted, np.arange(controls * t_count), [felt_here])  # type: ignore[arg-type]
    decided = np.divmod(inputs.decided, t_count)
    at_input = np.where(inputs.active < t_count, v.start, w.start - 1 + inputs.active // t_count)
    inner_parts = slice(0, w.stop), p, q, on_level
    below = Below(rows, inner_parts, np.arange(level_count), inputs, at_input, decided)
    c, k, y = [], [], []
    for ask in wanted:
        root, down = rng.normal(size=(2 * t_count, 2 * t_count)), rng.normal(size=(len(ask), len(ask)))
        c.append(root @ root.T)
        k.append(rng.normal(size=(2 * t_count, len(ask))))
        y.append(down @ down.T)
    below.hear(c, k, y)

    step = rng.normal(size=len(below.answer))
    injected = step[below.injected].reshape(-1, t_count)
    things = np.zeros((ends[-1], t_count))
    things[: w.stop] = np.einsum("trn,rt->nt", below.injection, injected)
    levels = slice(below.levels.start, below.levels.start + level_count)
    by_tie = slice(levels.stop, below.levels.stop)
    things[on_level] = step[levels][:, None]
    powers = np.zeros((above + len(decides), t_count))
    powers.flat[inputs.decided_at] = step[by_tie]
    np.add.at(things, decided, step[by_tie])
    own = inputs.active >= t_count
    powers.flat[inputs.active[own] - t_count] = step[below.voltage][own]
    np.add.at(things, (at_input, inputs.active % t_count), step[below.voltage])
    tied = [powers.flat[at] for at in inputs.tie_at]

    def follow(inner: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is left of the voltages' equations, movements of rows, and prices of things, at prices of voltages and
        voltages `inner`."""
        omega, volts = inner[:ports], np.split(inner[ports:], np.cumsum([len(ask) for ask in asks])[:-1])
        felt = rows.felt(np.concatenate([step[below.channels], step[below.boundary], omega]))
        moved, answered = things.copy(), []
        for i in range(kids):
            price = np.concatenate([felt[p][i], felt[q][i]])
            told = np.concatenate([volts[i], tied[i]])
            moved[p][i], moved[q][i] = (-c[i] @ price + k[i] @ told).reshape(2, t_count)
            answered.append(k[i].T @ price + y[i] @ told)
        values = rows.values(moved)
        below_ties[:] = [inputs.unknown(answered)[ports:], inputs.from_above(answered)]
        voltages = [one[: len(ask)] for one, ask in zip(answered, asks, strict=True)]
        return np.concatenate([inner[ports:] - values[held:], omega - np.concatenate(voltages)]), values, felt

    below_ties: list[np.ndarray] = []
    zero = follow(np.zeros(2 * ports))[0]
    matrix = np.stack([follow(e)[0] - zero for e in np.eye(2 * ports)], axis=1) if ports else np.zeros((0, 0))
    inner = np.linalg.solve(matrix, -zero)
    _, values, felt = follow(inner)
    size = 1e-8 * (1.0 + np.abs(values).max(initial=0.0) + np.abs(felt).max(initial=0.0))
    answer = -below.answer @ step
    np.testing.assert_allclose(below.follow(step), inner, atol=size)
    np.testing.assert_allclose(answer[below.channels], values[:first], atol=size)
    np.testing.assert_allclose(answer[below.boundary], values[first:held], atol=size)
    np.testing.assert_allclose(answer[levels], felt[on_level].sum(axis=1), atol=size)
    np.testing.assert_allclose(answer[by_tie], felt[u][decided] + below_ties[0], atol=size)
    at_own = felt[at_input, inputs.active % t_count]
    np.testing.assert_allclose(answer[below.voltage], at_own + below_ties[1], atol=size)
    price = np.einsum("trn,nt->rt", below.injection, felt[: w.stop])
    np.testing.assert_allclose(answer[below.injected], price.ravel(), atol=size)
