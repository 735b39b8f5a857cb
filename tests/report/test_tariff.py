"""Tariff rules as pure functions."""

from __future__ import annotations

import made_up
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.market.tariff import metered_into_lower, own_net_import, peak_charge, settled
from archipel.model import Tariff


@given(st.integers(0, 2**31))
def test_own_net_imports_of_all_cells_add_up_to_the_upstream_exchange(seed: int) -> None:
    archipelago = made_up.scenario().archipelago
    rng = np.random.default_rng(seed)
    flow, upstream = rng.normal(0, 100, (len(archipelago.tie), 5)), rng.normal(0, 100, 5)
    np.testing.assert_allclose(own_net_import(archipelago, flow, upstream).sum(axis=0), upstream, atol=1e-9)


def test_a_tie_is_read_at_the_end_the_scenario_names() -> None:
    archipelago = made_up.scenario().archipelago
    tie_p = np.zeros((len(archipelago.tie), 2, 1))
    tie_p[0, :, 0] = -10.0, 9.5  # 10 kW leave the upper cell, 9.5 arrive in the lower
    assert metered_into_lower(archipelago, tie_p)[0, 0] == 10.0


def test_the_peak_of_every_day_is_charged_once() -> None:
    tariff = Tariff(peak_eur_per_kw_day=0.06)
    assert peak_charge(np.array([1.0, 5.0, 2.0, 3.0]), np.array([0, 0, 1, 1]), tariff) == pytest.approx(0.06 * 8)


def test_a_step_that_does_not_fill_a_quarter_hour_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="7 min do not fill 15 minutes"):
        settled(np.zeros(10), 7 / 60)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60))
def test_settling_keeps_the_energy_of_whole_quarter_hours(values: list[float]) -> None:
    series = np.array(values[: len(values) // 3 * 3])
    assert settled(series, 1 / 12).sum() * 0.25 == pytest.approx(series.sum() / 12, abs=1e-9)
