from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archipel.optimisation.stores import chain_inverse


@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 4))
def test_the_inverse_of_a_store_s_chain_undoes_it(seed: int, t_count: int, stores: int) -> None:
    rng = np.random.default_rng(seed)
    give, soft = 10.0 ** rng.uniform(-6, 3, (2, stores, t_count))
    keep = rng.uniform(0.8, 1.0, (stores, t_count))
    matrix = np.zeros((stores, t_count, t_count))
    i = np.arange(t_count)
    matrix[:, i, i] = give + soft
    matrix[:, i[1:], i[1:]] += keep[:, 1:] ** 2 * soft[:, :-1]
    matrix[:, i[1:], i[:-1]] = matrix[:, i[:-1], i[1:]] = -keep[:, 1:] * soft[:, :-1]
    inverse = chain_inverse(give, soft, keep).transpose(2, 0, 1)
    np.testing.assert_allclose(inverse, np.swapaxes(inverse, 1, 2))
    size = np.abs(inverse) @ np.abs(matrix)  # what rounding is measured by
    assert (np.abs(inverse @ matrix - np.eye(t_count)) <= 1e-12 * size).all()
