from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from archipel.optimisation.barrier import FIXED_RANGE, NO_STEP, Box, HingeSet, StepSizes, pair_sizes

SIZE = 5
gaps = hn.arrays(np.float64, SIZE, elements=st.floats(-1e5, 1e5))
prices = hn.arrays(np.float64, SIZE, elements=st.floats(1e-4, 1e3))
mus = st.floats(1e-9, 100.0)
some = hn.arrays(np.bool_, SIZE)
shares = hn.arrays(np.float64, SIZE, elements=st.floats(0.0, 1.0))
steps = hn.arrays(np.float64, SIZE, elements=st.floats(-10.0, 10.0))


@settings(max_examples=300, deadline=None)
@given(gaps, prices, mus)
def test_a_hinge_opens_exactly_on_the_central_path(gap: np.ndarray, price: np.ndarray, mu: float) -> None:
    hinge = HingeSet(price, np.ones(SIZE, dtype=np.bool_))
    hinge.open(gap, mu)
    assert (hinge.over > 0).all()
    assert (hinge.under > 0).all()
    assert ((hinge.pi > 0) & (hinge.pi < price)).all()
    close = 1e-9 * (1.0 + np.abs(gap) + mu / price)
    assert (np.abs(hinge.over - hinge.under - gap) <= close).all()
    # where a dual is within 1e-12 of an end it is kept there; everywhere else both products are mu
    free = (hinge.pi > 1e-11 * price) & (hinge.pi < (1 - 1e-6) * price)
    np.testing.assert_allclose((hinge.under * hinge.pi)[free], mu, rtol=1e-6)
    np.testing.assert_allclose((hinge.over * (price - hinge.pi))[free], mu, rtol=1e-4)


@settings(max_examples=100, deadline=None)
@given(gaps, prices, mus, steps)
def test_a_step_of_a_hinge_changes_both_products_as_asked(
    gap: np.ndarray, price: np.ndarray, mu: float, dpi: np.ndarray
) -> None:
    hinge = HingeSet(price, np.ones(SIZE, dtype=np.bool_))
    hinge.open(gap, mu)
    compliance = hinge.compliance()
    asked = hinge.asked("centre")
    delta = hinge.delta(asked, None)
    hinge.step(dpi, asked)
    over = hinge.over * -hinge.dpi + (price - hinge.pi) * hinge.dover
    under = hinge.under * hinge.dpi + hinge.pi * hinge.dunder
    scale = 1e-9 * (1 + np.abs(hinge.over * dpi) + np.abs(hinge.under * dpi))
    assert (np.abs(over - 1.0) <= scale).all()
    assert (np.abs(under - 1.0) <= scale).all()
    moved = hinge.dover - hinge.dunder
    expected = compliance * dpi + delta
    assert (np.abs(moved - expected) <= 1e-9 * (np.abs(hinge.dover) + np.abs(hinge.dunder) + 1)).all()


@given(gaps, prices, some)
def test_a_hinge_that_does_not_exist_never_moves_and_never_counts(
    gap: np.ndarray, price: np.ndarray, has: np.ndarray
) -> None:
    hinge = HingeSet(price, has)
    hinge.open(gap, 1.0)
    before = hinge.over.copy(), hinge.under.copy(), hinge.pi.copy()
    hinge.compliance()
    asked = hinge.asked("affine")
    assert (hinge.delta(asked, gap)[~has] == 0.0).all()
    hinge.step(np.ones(SIZE), asked)
    assert hinge.sizes().count == 2 * has.sum()
    hinge.apply(0.1, 0.1)
    for old, new in zip(before, (hinge.over, hinge.under, hinge.pi), strict=True):
        np.testing.assert_array_equal(old[~has], new[~has])


@given(steps, shares, st.floats(0.0, 0.6), steps)
def test_a_box_puts_every_wish_inside(lo: np.ndarray, width: np.ndarray, share: float, wish: np.ndarray) -> None:
    box = Box(lo, lo + width)
    u = box.inside(wish, share)
    assert (u >= lo).all()
    assert (u <= lo + width).all()
    room = min(share, 0.5) * width
    assert (u[box.free] >= (lo + room)[box.free] - 1e-12).all()
    np.testing.assert_array_equal(u[~box.free], np.clip(0.0, box.lo, box.hi)[~box.free])
    assert (box.free == (box.hi - box.lo > FIXED_RANGE)).all()


@settings(max_examples=100, deadline=None)
@given(steps, hn.arrays(np.float64, SIZE, elements=st.sampled_from([0.0, 0.5, 3.0])), st.floats(1e-6, 10.0), steps)
def test_a_step_of_a_box_changes_both_products_as_asked(
    lo: np.ndarray, width: np.ndarray, mu: float, du: np.ndarray
) -> None:
    box = Box(lo, lo + width)
    box.open(box.inside(lo, 0.2), mu)
    np.testing.assert_allclose((box.zl * box.slack_low())[box.free], mu)
    np.testing.assert_allclose((box.zh * box.slack_high())[box.free], mu)
    assert (box.stiffness()[box.free] > 0).all()
    assert (box.zl[~box.free] == 0).all()
    asked = box.asked("affine")
    du = np.where(box.free, du, 0.0)
    box.step(du, asked)
    np.testing.assert_allclose((box.zl * du + box.slack_low() * box.dzl)[box.free], -mu, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose((-box.zh * du + box.slack_high() * box.dzh)[box.free], -mu, rtol=1e-6, atol=1e-9)


@given(steps, steps, st.floats(0.01, 1.0))
def test_steps_of_the_told_length_keep_everything_positive(ds: np.ndarray, dz: np.ndarray, share: float) -> None:
    s, z = np.full(SIZE, 1.5), np.full(SIZE, 0.5)
    sizes = pair_sizes(s, z, ds, dz)
    assert 0.0 < sizes.primal <= 1.0
    assert 0.0 < sizes.dual <= 1.0
    a, b = share * sizes.primal, share * sizes.dual
    assert (s + a * ds >= -1e-12).all()
    assert (z + b * dz >= -1e-12).all()
    np.testing.assert_allclose(sizes.after(a, b), ((s + a * ds) * (z + b * dz)).sum(), rtol=1e-9, atol=1e-9)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(0, 10**6))
def test_sizes_of_parts_join_to_the_sizes_of_the_whole(parts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [tuple(rng.uniform(0.5, 2.0, n) if k < 2 else rng.normal(size=n) for k in range(4)) for n in parts]
    joined = NO_STEP
    for value in values:
        joined = joined.join(pair_sizes(*value))
    whole = pair_sizes(*(np.concatenate(column) for column in zip(*values, strict=True)))
    assert joined.count == whole.count == sum(parts)
    for name in StepSizes.__slots__:
        np.testing.assert_allclose(getattr(joined, name), getattr(whole, name), rtol=1e-12, atol=1e-12)
