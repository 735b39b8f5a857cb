"""Where an island's neutral is earthed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from archipel.cell.subtree import subtree
from archipel.formats.scenario import load_scenario
from archipel.grid.neutral_earth import NeutralEarth, neutral_earth
from archipel.model import Scenario


@pytest.fixture(scope="module")
def district() -> Scenario:
    return load_scenario("district")


def earth(scenario: Scenario, cell: str) -> NeutralEarth:
    part = subtree(scenario, scenario.archipelago.index(cell)).scenario
    return neutral_earth(part.grid, part.device_node)


def test_a_low_voltage_cell_keeps_the_star_point_of_its_transformer_which_opens_on_the_other_side(
    district: Scenario,
) -> None:
    found = earth(district, "LV3.304")
    assert found == NeutralEarth(("switch/1075",), ("trafo/5",), ())
    rows = district.grid.switches
    assert rows.element[rows.id.index("switch/1075")] == "trafo/5"
    assert district.grid.nodes.vn_kv[rows.node[rows.id.index("switch/1075")]] == 10.0


def test_a_feeder_cut_from_its_substation_has_lost_its_earth_and_says_at_which_voltage(district: Scenario) -> None:
    found = earth(district, "Feeder12")
    assert found.switch == ("switch/239",)
    assert len(found.missing) == 1
    assert found.missing[0].startswith("no neutral earth at 10 kV")


def test_a_substation_whose_transformers_open_above_keeps_the_earth_of_its_busbar() -> None:
    scenario = load_scenario("island")
    found = neutral_earth(scenario.grid, scenario.device_node)
    assert found == NeutralEarth(("switch/1", "switch/3"), ("trafo/0", "trafo/1"), ())


def test_a_load_on_the_upper_side_needs_an_earth_there_too() -> None:
    scenario = load_scenario("island")
    found = neutral_earth(scenario.grid, np.append(scenario.device_node, scenario.grid.source.node))
    assert found.missing
    assert "110 kV" in found.missing[0]


def test_an_open_transformer_earths_nothing(district: Scenario) -> None:
    part = subtree(district, district.archipelago.index("LV3.304")).scenario
    trafos = replace(part.grid.transformers, lv_closed=np.zeros(1, dtype=np.bool_))
    found = neutral_earth(replace(part.grid, transformers=trafos), part.device_node)
    assert found.at == ()
