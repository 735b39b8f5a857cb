"""Short-circuit currents of islands fed by inverters."""

from __future__ import annotations

import numpy as np
import pytest

from archipel.formats.scenario import load_scenario
from archipel.grid.fault_current import node_fault_ka, unseen


def test_at_its_own_terminal_an_inverter_gives_its_limit() -> None:
    grid = load_scenario("island").grid
    node = grid.nodes.id.index("bus/4")
    ka = node_fault_ka(grid, np.array([node]), np.array([1000.0]))
    # IEC 60909 asks for the least current, at a voltage factor of 1.0 above 1 kV
    assert ka[node] == pytest.approx(1.2 * 1000.0 / (np.sqrt(3.0) * grid.nodes.vn_kv[node]) / 1e3, rel=1e-3)
    assert ka.max() == pytest.approx(ka[node], rel=1e-2), "lines charge a little, no more"


def test_two_inverters_give_at_most_their_sum_and_more_than_each() -> None:
    grid = load_scenario("island").grid
    a, b = (grid.nodes.id.index(name) for name in ("bus/4", "bus/16"))
    both = node_fault_ka(grid, np.array([a, b]), np.array([1000.0, 500.0]))
    alone = [node_fault_ka(grid, np.array([n]), np.array([s])) for n, s in ((a, 1000.0), (b, 500.0))]
    live = alone[0] > 0.0
    assert (both[live] <= alone[0][live] + alone[1][live] + 1e-9).all()
    assert (both[live] >= alone[0][live]).all()


def test_what_protection_would_not_see_is_named() -> None:
    grid = load_scenario("island").grid
    node = np.array([grid.nodes.id.index("bus/4")])
    assert not unseen(grid, node_fault_ka(grid, node, np.array([40_000.0])))
    reasons = unseen(grid, node_fault_ka(grid, node, np.array([1000.0])))
    assert reasons
    assert "its protection needs" in reasons[0]


def test_without_a_source_there_is_no_current() -> None:
    grid = load_scenario("island").grid
    assert not node_fault_ka(grid, np.zeros(0, dtype=np.int64), np.zeros(0)).any()
