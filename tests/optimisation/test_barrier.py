from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from archipel.optimisation.barrier import FIXED_RANGE, Barrier, inside

SIZE = 5
gaps = hn.arrays(np.float64, SIZE, elements=st.floats(-1e5, 1e5))
prices = hn.arrays(np.float64, SIZE, elements=st.floats(1e-4, 1e3))
mus = st.floats(1e-9, 100.0)
shares = hn.arrays(np.float64, SIZE, elements=st.floats(0.0, 1.0))
steps = hn.arrays(np.float64, SIZE, elements=st.floats(-10.0, 10.0))


NOTHING = np.zeros(0)


def hinges(gap: np.ndarray, price: np.ndarray, mu: float) -> tuple[Barrier, np.ndarray, np.ndarray, np.ndarray]:
    """Hinges only, opened: with over, under and the duals."""
    pairs = Barrier(NOTHING, NOTHING, price)
    pairs.open(NOTHING, gap, mu)
    return pairs, pairs.s[:SIZE], pairs.s[SIZE:], pairs.pi


@settings(max_examples=300, deadline=None)
@given(gaps, prices, mus)
def test_a_hinge_opens_exactly_on_the_central_path(gap: np.ndarray, price: np.ndarray, mu: float) -> None:
    pairs, over, under, pi = hinges(gap, price, mu)
    assert (pairs.s > 0).all()
    assert (pairs.z > 0).all()
    assert (pi <= price).all()
    close = 1e-9 * (1.0 + np.abs(gap) + mu / price)
    assert (np.abs(over - under - gap) <= close).all()
    # where a dual is within 1e-12 of an end it is kept there; everywhere else both products are mu
    free = (pi > 1e-11 * price) & (pi < (1 - 1e-6) * price)
    np.testing.assert_allclose((under * pi)[free], mu, rtol=1e-6)
    np.testing.assert_allclose((over * (price - pi))[free], mu, rtol=1e-4)


@settings(max_examples=100, deadline=None)
@given(gaps, prices, mus, steps)
def test_a_step_of_a_hinge_changes_both_products_as_asked_and_the_gap_as_told(
    gap: np.ndarray, price: np.ndarray, mu: float, dpi: np.ndarray
) -> None:
    pairs, *_ = hinges(gap, price, mu)
    _, compliance = pairs.weigh()
    asked = np.ones_like(pairs.s)
    delta = pairs.delta(asked, None)
    pairs.step(NOTHING, dpi, asked)
    changed = pairs.s * pairs.dz + pairs.z * pairs.ds
    assert (np.abs(changed - 1.0) <= 1e-9 * (1 + np.abs(pairs.s * pairs.dz))).all()
    moved = pairs.ds[:SIZE] - pairs.ds[SIZE:]
    near = 1e-9 * (np.abs(pairs.ds[:SIZE]) + np.abs(pairs.ds[SIZE:]) + 1)
    assert (np.abs(moved - (compliance * dpi + delta)) <= near).all()


@given(steps, shares, st.floats(0.0, 0.6), steps)
def test_a_wish_is_put_inside_its_bounds(lo: np.ndarray, width: np.ndarray, share: float, wish: np.ndarray) -> None:
    hi = lo + width
    u, free = inside(wish, lo, hi, share), hi - lo > FIXED_RANGE
    assert (u >= lo).all()
    assert (u <= hi).all()
    room = min(share, 0.5) * width
    assert (u[free] >= (lo + room)[free] - 1e-12).all()
    np.testing.assert_array_equal(u[~free], np.clip(0.0, lo, hi)[~free])


@settings(max_examples=100, deadline=None)
@given(steps, hn.arrays(np.float64, SIZE, elements=st.sampled_from([0.5, 3.0])), st.floats(1e-6, 10.0), steps)
def test_a_step_of_a_box_changes_both_products_as_asked(
    lo: np.ndarray, width: np.ndarray, mu: float, du: np.ndarray
) -> None:
    pairs = Barrier(lo, lo + width, NOTHING)
    pairs.open(inside(lo, lo, lo + width, 0.2), NOTHING, mu)
    np.testing.assert_allclose(pairs.s * pairs.z, mu)
    stiffness, _ = pairs.weigh()
    assert (stiffness > 0).all()
    pairs.step(du, NOTHING, pairs.asked(0.0))
    np.testing.assert_allclose(pairs.z * pairs.ds + pairs.s * pairs.dz, -mu, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(pairs.ds, np.concatenate([du, -du]))


@given(steps, steps, st.floats(0.01, 1.0))
def test_steps_of_the_told_length_stay_off_the_bounds(du: np.ndarray, dpi: np.ndarray, share: float) -> None:
    pairs = Barrier(np.zeros(SIZE), np.full(SIZE, 3.0), np.full(SIZE, 2.0))
    pairs.open(np.full(SIZE, 1.0), np.linspace(-1.0, 1.0, SIZE), 0.5)
    pairs.weigh()
    pairs.step(du, dpi, pairs.asked(0.1))
    s, z = pairs.s, pairs.z
    primal, dual = pairs.most(share)
    assert 0.0 < primal <= 1.0
    assert 0.0 < dual <= 1.0
    pairs.apply(primal, dual)
    assert (pairs.s >= (1 - share) * s - 1e-12).all()
    assert (pairs.z >= (1 - share) * z - 1e-12).all()


def test_products_are_as_far_off_the_centre_as_the_worst_of_them() -> None:
    pairs = Barrier(np.zeros(2), np.full(2, 4.0), NOTHING)
    pairs.open(np.array([1.0, 2.0]), NOTHING, 0.5)
    assert pairs.off_centre(0.5) < 1e-12
    pairs.z = pairs.z * np.array([1.0, 1.0, 1.0, 3.0])
    assert abs(pairs.off_centre(0.5) - 2.0) < 1e-12


def test_a_pair_that_has_lost_touch_with_mu_is_put_back_on_the_central_path() -> None:
    pairs = Barrier(np.zeros(1), np.full(1, 4.0), np.full(2, 2.0))
    gap = np.array([-5.0, 1.0])
    pairs.open(np.full(1, 1.0), gap, 1e-3)
    kept = pairs.s.copy(), pairs.z.copy()
    pairs.mend(gap, 1e-3)
    np.testing.assert_array_equal(pairs.s, kept[0])
    pairs.s[4], pairs.z[4], pairs.z[0] = 1e20, 1e-10, 1e12
    pairs.mend(gap, 1e-3)
    np.testing.assert_allclose(pairs.s * pairs.z, 1e-3, rtol=1e-6)
    np.testing.assert_allclose(pairs.s, kept[0])
    np.testing.assert_allclose(pairs.z, kept[1])
