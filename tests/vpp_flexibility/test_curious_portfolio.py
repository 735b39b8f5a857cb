"""What can be learnt about one device from sums."""

from __future__ import annotations

import numpy as np
import pytest

from archipel.vpp.curious import left


def test_one_device_alone_is_an_open_book() -> None:
    secret = np.random.default_rng(1).uniform(size=(60, 1))
    assert left(secret, 3.0 * secret + 1.0)[0] < 1e-6


def test_in_a_sum_of_like_devices_as_much_is_left_as_theory_says() -> None:
    for n in (2, 5, 50):
        secret = np.random.default_rng(n).normal(size=(4000, n))
        rest = left(secret, secret.sum(axis=1, keepdims=True))
        assert rest.mean() == pytest.approx(np.sqrt(1.0 - 1.0 / n), abs=0.01)


def test_what_has_nothing_to_do_with_the_secret_teaches_nothing() -> None:
    rng = np.random.default_rng(3)
    assert left(rng.normal(size=(500, 4)), rng.normal(size=(500, 3))).min() > 0.95


def test_too_few_days_are_refused() -> None:
    with pytest.raises(ValueError, match="found 4 days for 2 numbers a day; take at least 5"):
        left(np.zeros((4, 1)), np.random.default_rng(1).normal(size=(4, 2)))
