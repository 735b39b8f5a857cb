"""The district without its main grid, minute by minute: who lives on, who is dark, and how it comes back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest
from demo_village import engine

from archipel.formats.scenario import load_scenario
from archipel.web.demo.engine import Engine, played
from archipel.web.demo.tick import ALONE, COOPERATING, Tick

ISLANDS = ("LV3.304", "LV5.346")


@pytest.fixture(scope="module")
def lived() -> Iterator[tuple[Engine, list[Tick], dict[str, np.ndarray]]]:
    """A quarter hour before, fifteen minutes without the main grid, and the quarter hour after."""
    case = dataclasses.replace(load_scenario("district"), near_steps=4, far_steps=20)
    with engine(case) as one:
        ticks = played(one, 15)
        one.lose(timedelta(minutes=15), timedelta(minutes=15))
        before = {name: value.copy() for name, value in one.together.course.states["ev_charger"].items()}
        ticks += played(one, 30)
        yield one, ticks, before


def cells(one: Engine, tick: Tick, name: str, strategy: str = COOPERATING) -> dict[str, float]:
    names = [cell.id for cell in one.scenario.archipelago.cell]
    return dict(zip(names, one.builder.column(tick.frames[strategy], "cells", name).tolist(), strict=True))


Lived = tuple[Engine, list[Tick], dict[str, np.ndarray]]


def test_two_cells_live_on_as_islands_and_twelve_are_dark_for_reasons_that_are_said(lived: Lived) -> None:
    one, ticks, _ = lived
    for tick in ticks[15:29]:
        mode = cells(one, tick, "mode")
        assert {name for name, m in mode.items() if m == 2} == set(ISLANDS)
        assert {name for name, m in mode.items() if m == 7} == set(mode) - set(ISLANDS)
    assert one.left is not None
    reasons = {dark.cell: dark.why for dark in one.left.dark}
    assert set(reasons) == {cell.id for cell in one.scenario.archipelago.cell} - set(ISLANDS)
    card = next(card for card in ticks[15].cards[COOPERATING] if card.title == "The main grid is lost")
    assert card.severity == "alarm"
    assert any("no neutral earth" in child for child in card.children)


def test_islands_hold_their_voltage_and_serve_their_load_dark_cells_have_neither(lived: Lived) -> None:
    one, ticks, _ = lived
    tick = ticks[20]
    low, drawn = cells(one, tick, "v_pu_min"), cells(one, tick, "load_kw")
    for name in low:
        assert (low[name] > 0.9) == (name in ISLANDS), name
        assert (drawn[name] > 0.0) == (name in ISLANDS), name
    unserved = one.builder.column(tick.frames[COOPERATING], "area", "unserved_kw")[0]
    alone = one.builder.column(tick.frames[ALONE], "area", "unserved_kw")[0]
    assert unserved == pytest.approx(alone - sum(drawn[name] for name in ISLANDS), rel=1e-3)


def test_nothing_flows_between_an_island_and_the_rest(lived: Lived) -> None:
    one, ticks, _ = lived
    for tick in ticks[16:30]:
        frame = tick.frames[COOPERATING]
        assert np.abs(one.builder.column(frame, "ties", "p_kw")).max() < 1.0
        assert not one.builder.column(frame, "ties", "closed").any()
        assert one.builder.column(frame, "area", "upstream_p_kw")[0] == 0.0
        assert abs(one.builder.column(frame, "area", "f_hz")[0] - 50.0) < 1.0


def test_vehicles_go_on_where_they_stood_when_the_main_grid_is_back(lived: Lived) -> None:
    one, ticks, before = lived
    after = one.together.course.states["ev_charger"]
    same = after["session"] == before["session"]
    assert same.mean() > 0.9, "in half an hour few leave"
    assert (after["delivered_kwh"][same] >= before["delivered_kwh"][same] - 1e-9).all()
    assert after["clock_h"] == pytest.approx(before["clock_h"] + 0.5)
    assert (np.array(list(cells(one, ticks[-1], "mode").values())) == 0).all()


def test_cells_agree_at_once_when_they_are_joined_again(lived: Lived) -> None:
    _, ticks, _ = lived
    told = ticks[30].agreements[COOPERATING]
    assert told.plan is not None
    assert told.plan.time == ticks[30].time
    assert told.plan.accepted
