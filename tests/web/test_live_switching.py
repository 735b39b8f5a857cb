"""What leaving the main grid would do, told before it is done; refused where there is no switch."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "local"))

from hamlet import loaded

from archipel.field.cell_file import CellFile, CellTable, StatusTable, TransportTable
from archipel.field.switch_table import SwitchTable
from archipel.web.nouns import Command
from archipel.web.source import CommandRefused
from archipel.web.sources.live_knowledge import Known
from archipel.web.sources.live_switching import predicted

FILE = CellFile(
    Path("CELL.toml"), CellTable("lv", "hamlet", 1.0, 1.0), TransportTable("127.0.0.1:1"), StatusTable("127.0.0.1:1")
)


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return loaded(tmp_path_factory.mktemp("switching"))


def a_world(scenario: Any, *, switch: bool = True, **main_grid: Any) -> Any:
    """One that stands still: half a battery of 10 kWh, loads of 2 kW each, 30 kW over the tie."""
    file = replace(FILE, switch=SwitchTable("switch/0")) if switch else FILE
    kinds = scenario.device_kind
    p_kw = np.array([2.0 if kind == "load" else 0.0 for kind in kinds])
    soc = np.array([0.5 if kind == "battery" else np.nan for kind in kinds])
    known = Known({"cell": "lv", "main_grid": {"switch": "closed", **main_grid}}, time.monotonic())
    return SimpleNamespace(
        files={"lv": file},
        cells=("root", "feeder", "lv"),
        scenario=scenario,
        seen=SimpleNamespace(moment=SimpleNamespace(p_kw=p_kw, soc=soc)),
        knowledge=SimpleNamespace(of=lambda cell: known),
        exchange=lambda cell: 30.0,
    )


def test_leaving_tells_what_flows_now_what_is_stored_and_how_long_that_serves_critical_load(scenario: Any) -> None:
    found = predicted(a_world(scenario), Command(id="select-01", act="island", element="lv"))
    assert found.allowed
    assert found.valid_until
    over, stored = found.effects
    assert (over.value, over.element) == (30.0, "switch/0")
    critical = 4.0 * scenario.island.critical_share
    assert (stored.value, stored.bound) == (pytest.approx(5.0), pytest.approx(critical))
    assert f"{5.0 / critical:.1f} h" in stored.text


def test_what_keeps_the_cell_from_it_forbids_it_and_is_told(scenario: Any) -> None:
    world = a_world(scenario, cannot_form=["no grid-forming unit of the cell answers"], refused="a safety tag")
    found = predicted(world, Command(id="select-02", act="island", element="lv"))
    assert not found.allowed
    assert found.text == "no grid-forming unit of the cell answers; a safety tag"


@pytest.mark.parametrize(
    ("act", "element", "switch", "why"),
    [
        ("island", "lv", False, "has no switch to the main grid"),
        ("rejoin", "lv", False, "has no switch to the main grid"),
        ("island", "moon", True, "expected a cell"),
        ("open", "lv", True, "is no switching"),
    ],
)
def test_where_there_is_no_switch_nothing_is_predicted(
    scenario: Any, act: Any, element: str, switch: bool, why: str
) -> None:
    with pytest.raises(CommandRefused, match=why):
        predicted(a_world(scenario, switch=switch), Command(id="select-03", act=act, element=element))
