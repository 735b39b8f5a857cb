"""The book of promises: nothing twice, nothing without energy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.vpp.promises import Promise, PromiseRefused, Promises
from archipel.vpp.promises_size import Size, blocks, largest, lost_share

N, T = 4, 8


def book() -> Promises:
    power, energy = np.full((N, T), 50.0), np.full((N, T), 40.0)
    return Promises(("a", "b", "c", "d"), power, power, energy, energy)


def one(name: str, up: float, down: float, first: int = 0, length: int = T, hold_h: float = 0.25) -> Promise:
    shape = (N, length)
    return Promise(name, "kombi", "fcr", first, np.full(shape, up), np.full(shape, down), hold_h)


@given(st.integers(0, 2**31 - 1))
def test_whatever_is_tried_the_sum_of_promises_is_backed_by_power_and_energy(seed: int) -> None:
    rng, kept = np.random.default_rng(seed), book()
    for k in range(12):
        first = int(rng.integers(T))
        length = int(rng.integers(1, T - first + 1))
        powers = rng.uniform(0.0, 30.0, (2, N, length))
        tried = Promise(f"p{k}", f"portfolio {k % 2}", "afrr", first, *powers, float(rng.choice([0.25, 1.0])))
        try:
            kept = kept.promise(tried)
        except PromiseRefused:
            continue
    assert all(np.all(left >= -1e-6) for left in kept.left())
    up = sum((p.up_kw.sum() for p in kept.made), 0.0)
    assert up == pytest.approx(kept.promised_kw("afrr")[0].sum())


def test_the_same_power_is_not_promised_to_a_second_portfolio() -> None:
    first = book().promise(one("x", 30.0, 0.0))
    with pytest.raises(
        PromiseRefused, match=r"power to give of a in interval 0: found 20.000 kW .* expected 25.000 kW"
    ):
        first.promise(Promise("y", "another", "afrr", 0, np.full((N, T), 25.0), np.zeros((N, T)), 0.25))
    assert len(first.made) == 1


def test_power_without_energy_is_refused() -> None:
    with pytest.raises(PromiseRefused, match="energy to take of a"):
        book().promise(one("x", 0.0, 45.0, hold_h=1.0))


def test_a_message_that_comes_twice_promises_once_and_another_under_its_id_is_refused() -> None:
    first = book().promise(one("x", 10.0, 10.0))
    assert first.promise(one("x", 10.0, 10.0)) is first
    with pytest.raises(PromiseRefused, match="under this id"):
        first.promise(one("x", 11.0, 10.0))


def test_what_is_released_can_be_promised_again() -> None:
    first = book().promise(one("x", 50.0, 50.0))
    with pytest.raises(PromiseRefused):
        first.promise(one("y", 1.0, 0.0, 3, 2))
    again = first.release("x").promise(one("y", 50.0, 0.0, 3, 2))
    np.testing.assert_allclose(again.promised_kw("fcr")[0], [0, 0, 0, 200, 200, 0, 0, 0])


@pytest.mark.parametrize("first", [-1, T - 1, T])
def test_a_promise_outside_the_book_is_refused(first: int) -> None:
    with pytest.raises(PromiseRefused, match="intervals inside"):
        book().promise(one("x", 1.0, 1.0, first, 2))


def test_a_negative_promise_and_a_negative_room_are_refused() -> None:
    with pytest.raises(PromiseRefused):
        book().promise(one("x", -1.0, 0.0))
    with pytest.raises(ValueError, match="nothing below 0"):
        Promises(("a",), np.full((1, 2), -1.0), *(np.ones((1, 2)) for _ in range(3)))


@given(st.floats(0.0, 0.3), st.integers(1, 500))
def test_more_devices_need_less_margin_for_failures(failing: float, devices: int) -> None:
    few, many = (lost_share(np.full(n, 10.0), failing) for n in (devices, 2 * devices))
    assert failing <= many <= few <= 1.0


@given(st.floats(0.0, 400.0), st.floats(0.0, 300.0), st.floats(0.0, 1.0), st.floats(0.0, 2000.0))
def test_what_is_sized_fits_beside_plan_and_errors(plan: float, sd: float, fcr_part: float, stored: float) -> None:
    size = largest(
        1000.0, np.array([plan, -plan]), np.full(2, sd), np.full(2, stored), np.full(2, 2000.0 - stored),
        np.full(2, sd), 0.1, fcr_part,
    )  # fmt: skip
    reserve = size.fcr_kw + size.afrr_kw
    assert np.all(reserve >= 0.0)
    assert np.all((reserve + plan + 2.58 * sd <= 900.0 + 1e-6) | (reserve == 0.0))
    energy = 0.25 * size.fcr_kw + size.afrr_kw + 2.58 * sd
    assert np.all((energy <= 0.9 * min(stored, 2000.0 - stored) + 1e-6) | (reserve == 0.0))


def test_a_product_of_four_hours_promises_its_worst_quarter() -> None:
    size = blocks(Size(np.arange(20.0), np.arange(20.0)[::-1]), 16)
    np.testing.assert_array_equal(size.fcr_kw, [0.0] * 16 + [16.0] * 4)
    np.testing.assert_array_equal(size.afrr_kw, [4.0] * 16 + [0.0] * 4)
