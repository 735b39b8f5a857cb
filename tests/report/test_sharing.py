"""Where renewable energy was used: a case by hand, and the laws of sharing."""

from __future__ import annotations

import made_up
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archipel.report.sharing import feeder_of, share

powers = st.lists(st.floats(0, 1e4), min_size=6, max_size=6).map(np.array)


def one(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)[:, None]


def test_surplus_serves_the_feeder_before_the_area_and_only_the_rest_is_exported() -> None:
    # Cells 0 and 1 in one feeder, 2 in another: 0 makes 10 and uses 2; 1 needs 3; 2 needs 4; 1 kW is exported.
    found = share(one(10, 0, 0), one(0, 0, 0), one(-8, 3, 4), np.array([0, 0, 2]))
    assert (found.cell_kw[0], found.feeder_kw[0], found.area_kw[0], found.exported_kw[0]) == (2, 3, 4, 1)


def test_a_battery_in_the_pool_is_not_counted_as_renewable() -> None:
    # Cell 0 gives 6 from PV and 6 from its battery; the feeder needs 4: half of what flows is renewable.
    found = share(one(6, 0), one(6, 0), one(-12, 4), np.array([0, 0]))
    assert (found.cell_kw[0], found.feeder_kw[0], found.exported_kw[0]) == (0, 2, 4)


def test_feeders_are_found_through_the_tree() -> None:
    archipelago = made_up.scenario(feeders=2, lv_cells=3).archipelago
    assert [archipelago.cell[i].id for i in feeder_of(archipelago)] == [
        "substation",
        "feeder 1",
        "feeder 2",
        "feeder 1",
        "feeder 2",
        "feeder 1",
    ]


@given(powers, powers, powers, st.lists(st.integers(0, 5), min_size=6, max_size=6))
def test_every_kilowatt_is_used_or_exported_exactly_once(
    made: np.ndarray, stored: np.ndarray, use: np.ndarray, group: list[int]
) -> None:
    own = use - made - stored
    found = share(made[:, None], stored[:, None], own[:, None], np.array(group))
    parts = np.array([found.cell_kw, found.feeder_kw, found.area_kw, found.exported_kw])
    assert parts.min() >= -1e-9 * max(made.sum(), 1)
    np.testing.assert_allclose(parts.sum(), made.sum(), rtol=1e-9, atol=1e-9)
    # Nothing renewable leaves an area that as a whole draws more than it makes, and no more than what it gives.
    assert found.exported_kw[0] <= max(-own.sum(), 0.0) + 1e-6 * max(made.sum() + stored.sum(), 1)
