"""A cell with all below it as a scenario of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from archipel.cell.subtree import Subtree, below, subtree
from archipel.devices.base import Weather
from archipel.devices.soft_open_point import SoftOpenPointFleet
from archipel.formats.scenario import load_scenario
from archipel.grid.cell_network import cell_networks
from archipel.grid.power_flow import PowerFlow
from archipel.model import Scenario
from archipel.twin import Decision, Truth
from archipel.twin.plant import Plant


@pytest.fixture(scope="module", params=["island", "district"])
def whole(request: pytest.FixtureRequest) -> Scenario:
    return load_scenario(request.param)


@pytest.fixture(scope="module")
def parts(whole: Scenario) -> list[Subtree]:
    return [subtree(whole, cell) for cell in range(len(whole.archipelago.cell))]


def test_at_equal_boundary_voltage_the_part_has_the_flows_of_the_whole(whole: Scenario, parts: list[Subtree]) -> None:
    rng, nodes = np.random.default_rng(1), len(whole.grid.nodes)
    p = np.bincount(whole.device_node, rng.uniform(-2.0, 3.0, len(whole.device_node)), nodes)
    q = np.bincount(whole.device_node, rng.uniform(-0.5, 1.0, len(whole.device_node)), nodes)
    seen = PowerFlow(whole.grid).solve(p, q)
    branch = {name: k for k, name in enumerate(whole.grid.branch_id)}
    for part in parts:
        own = np.isin(whole.archipelago.node_cell[part.nodes], part.cells)
        case = part.at_voltage(seen.v_pu)
        found = PowerFlow(case.grid).solve(np.where(own, p[part.nodes], 0.0), np.where(own, q[part.nodes], 0.0))
        assert np.abs(found.v_pu - seen.v_pu[part.nodes]).max() < 1e-6
        rows = [branch[name] for name in case.grid.branch_id]
        assert np.abs(found.branch_p_kw - seen.branch_p_kw[:, rows]).max() < 1e-3
        assert found.losses_kw == pytest.approx(
            seen.losses_kw - np.delete(seen.branch_p_kw, rows, axis=1).sum(), abs=1e-3
        )


def test_the_root_gives_the_whole(whole: Scenario, parts: list[Subtree]) -> None:
    case = parts[0].scenario
    assert case.device_id == whole.device_id
    assert case.grid.branch_id == whole.grid.branch_id
    assert case.grid.source == whole.grid.source
    assert case.connection == whole.connection
    assert [tie.id for tie in case.archipelago.tie] == [tie.id for tie in whole.archipelago.tie]


def test_every_part_fits_its_own_cells_and_holds_their_devices_and_no_others(
    whole: Scenario, parts: list[Subtree]
) -> None:
    for cell, part in enumerate(parts):
        case, cells = part.scenario, below(whole.archipelago, cell)
        assert [one.id for one in case.archipelago.cell] == [whole.archipelago.cell[c].id for c in cells]
        assert case.archipelago.parents()[0] == -1
        assert len(cell_networks(case.grid, case.archipelago)) == len(cells)  # raises where cells do not fit the grid
        expected = np.flatnonzero(np.isin(whole.device_cell, cells))
        assert np.array_equal(np.sort(part.devices), expected)
        assert case.device_id == tuple(whole.device_id[k] for k in part.devices)
        assert [case.grid.nodes.id[n] for n in case.device_node] == [
            whole.grid.nodes.id[n] for n in whole.device_node[part.devices]
        ]


def test_its_devices_do_what_they_do_in_the_whole(whole: Scenario, parts: list[Subtree]) -> None:
    row = whole.profiles.row(whole.start) + 30
    weather = Weather(row, whole.profiles.window(row, 1).astype(np.float64), perfect=True)

    def step(case: Scenario, states: dict[str, dict[str, np.ndarray]] | None) -> tuple[Plant, np.ndarray, np.ndarray]:
        plant = Plant(case, Truth(), row)
        plant.begin(states or {})
        done = plant.step(weather, Decision.free(len(case.device_node), len(case.archipelago.tie)), 0.25)
        return plant, done.p_kw, done.flow.v_pu

    plant, p_kw, v_pu = step(whole, None)
    states = {fleet.kind: fleet.initial(row) for fleet in plant.fleets}
    for part in parts[1:]:
        _, found, _ = step(part.at_voltage(v_pu), part.states(states))  # type: ignore[arg-type]
        assert np.abs(found - p_kw[part.devices]).max() < 1e-9


def test_a_soft_open_point_that_leads_out_stays_behind() -> None:
    whole = load_scenario("district")
    first = next(c for c, cell in enumerate(whole.archipelago.cell) if cell.level == "lv")
    inside = np.flatnonzero(whole.archipelago.node_cell == first)[:2]
    outside = int(np.flatnonzero(whole.archipelago.node_cell == first + 1)[0])
    points = SoftOpenPointFleet(
        id=("a/from", "a/to", "b/from", "b/to"),
        node=np.array([inside[0], outside, inside[0], inside[1]]),
        point=("a", "a", "b", "b"),
        p_kw_max=np.full(4, 10.0),
        loss_share=np.full(4, 0.02),
        sign=np.array([1.0, -1.0, 1.0, -1.0]),
    )
    part = subtree(replace(whole, fleets=(*whole.fleets, points)), first)
    assert [i for f in part.scenario.fleets if f.kind == "soft_open_point" for i in f.id] == ["b/from", "b/to"]
