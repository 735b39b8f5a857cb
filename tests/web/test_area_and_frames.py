"""What is shown of a scenario, where it is drawn, and one frame from one step of the twin."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import short_district
from short_district import NOON

from archipel.formats.scenario import load_scenario
from archipel.model import Connection, Scenario
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import Decision
from archipel.twin.base import Truth
from archipel.twin.outside import Outside
from archipel.twin.plant import Plant
from archipel.web.area_of import area_of, branch_cell, nameplates
from archipel.web.columns import FrameBuilder
from archipel.web.nouns import Span
from archipel.web.paths import Paths, named
from archipel.web.places import drawn, places

T0 = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = Span(start=T0, end=T0, step_s=1.0, live=True, factor=1.0)


def without_places(case: Scenario) -> Scenario:
    nodes = case.grid.nodes
    none = np.full(len(nodes), np.nan)
    return replace(case, grid=replace(case.grid, nodes=replace(nodes, x=none, y=none)))


@pytest.mark.parametrize("name", ["district", "island", "vpp"])
def test_every_shipped_scenario_can_be_shown(name: str) -> None:
    area = area_of(load_scenario(name), "demo", SPAN, ["distributed"], ["default"], title="A title")
    assert (area.title, area.kind, area.acts) == ("A title", "demo", ["default"])
    counts = {"nodes": area.nodes.id, "branches": area.branches.id, "devices": area.devices.id, "cells": area.cells}
    for section in area.sections:
        assert section.count == len(counts.get(section.table, ["area"] if section.table == "area" else area.ties))
    assert np.isfinite(area.nodes.x + area.nodes.y).all()
    assert sum(sum(cell.devices.values()) for cell in area.cells) == len(area.devices.id)
    for low, high in zip(area.devices.p_kw_min, area.devices.p_kw_max, strict=True):
        assert low is None or high is None or low <= high


def test_degrees_become_metres() -> None:
    case = short_district.district()
    x, y = places(case)
    nodes, lines = case.grid.nodes, case.grid.lines
    row = int(np.argmax(np.hypot(x[lines.from_node] - x[lines.to_node], y[lines.from_node] - y[lines.to_node])))
    a, b = int(lines.from_node[row]), int(lines.to_node[row])
    lat = np.radians(nodes.y[[a, b]])
    lon = np.radians(nodes.x[[a, b]])
    half = np.sin(np.diff(lat) / 2) ** 2 + np.cos(lat[0]) * np.cos(lat[1]) * np.sin(np.diff(lon) / 2) ** 2
    great_circle = 2 * 6_371_000.0 * np.arcsin(np.sqrt(half[0]))
    assert np.hypot(x[a] - x[b], y[a] - y[b]) == pytest.approx(great_circle, rel=2e-3)
    assert np.ptp(y) > 100.0


def test_without_coordinates_the_network_is_drawn_as_a_tree_in_which_no_two_nodes_meet() -> None:
    case = without_places(short_district.district())
    x, y = places(case)
    assert len(set(zip(x.tolist(), y.tolist(), strict=True))) == len(x)
    np.testing.assert_array_equal(drawn(case)[0], x)
    feeder = Paths(case).feeder
    fed = [n for n, up in enumerate(feeder) if up >= 0]
    assert all(y[n] < y[feeder[n]] for n in fed), "every node below the one that feeds it"


def test_a_node_without_coordinates_is_where_its_neighbour_is() -> None:
    case = short_district.district()
    nodes = case.grid.nodes
    lost = int(case.grid.lines.to_node[5])
    gone = np.arange(len(nodes)) == lost
    holed = replace(nodes, x=np.where(gone, np.nan, nodes.x), y=np.where(gone, np.nan, nodes.y))
    x, y = places(replace(case, grid=replace(case.grid, nodes=holed)))
    assert np.isfinite(x).all()
    assert any((x[lost], y[lost]) == (x[n], y[n]) for n in range(len(nodes)) if n != lost)


def test_the_branch_of_a_tie_belongs_to_its_lower_cell() -> None:
    case = short_district.district()
    owner, row = branch_cell(case), {name: i for i, name in enumerate(case.grid.branch_id)}
    for tie in case.archipelago.tie:
        if tie.closed:
            assert case.archipelago.cell[owner[row[tie.id]]].id == tie.lower


def test_the_way_to_the_source_leads_through_the_cells_above() -> None:
    case = short_district.district()
    paths, owner, parents = Paths(case), branch_cell(case), case.archipelago.parents()
    for node in range(0, len(case.grid.nodes), 101):
        cells = [int(owner[branch]) for branch in paths.branches_of(node)]
        expected = int(case.archipelago.node_cell[node])
        for cell in cells:
            while cell != expected:
                expected = parents[expected]
                assert expected >= 0, "a branch beside the way"
    assert paths.branches_of(case.grid.source.node) == []


def test_one_frame_of_one_step_is_what_a_run_of_it_shows() -> None:
    case, builder = short_district.district(), FrameBuilder(short_district.district())
    row = case.profiles.row(NOON)
    plant, strategy = Plant(case, Truth(), row), Uncoordinated(case)
    states = {fleet.kind: state for fleet, state in zip(plant.fleets, plant.states, strict=True)}
    decision = strategy.decide(NOON, row, states, None)
    happened = plant.step(Outside(case.profiles, 15, 0.0, 1).weather(row, 0), decision, 0.25)
    source = short_district.source()
    shown = source.frame("uncoordinated", NOON).values
    price = float(builder.column(shown, "area", "price_eur_per_kwh")[0])
    more = {("cells", "level"): 4.0, ("cells", "mode"): 0.0, ("cells", "armed"): 1.0, ("cells", "age_s"): 0.0}
    values = builder.from_step(happened, decision, dt_h=0.25, price_eur_per_kwh=price, more=more)
    np.testing.assert_allclose(values, shown, rtol=1e-4, atol=2e-3)


def test_a_frame_holds_the_limit_at_the_connection_that_is_in_force() -> None:
    build = FrameBuilder(replace(short_district.district(), connection=Connection(export_kw_max=2600.0)))
    ties = np.zeros((len(build.scenario.archipelago.tie), 2))
    frame = build.values(build.from_ties(ties, ties, 0.0))

    def limits() -> list[float]:
        return [float(build.column(frame, "area", f"{way}_kw_max")[0]) for way in ("import", "export")]

    np.testing.assert_equal(limits(), [np.nan, 2600.0])
    build.put(frame, build.limited(Connection(import_kw_max=40.0, export_kw_max=600.0)))
    assert limits() == [40.0, 600.0]
    build.put(frame, build.limited(Connection(export_kw_max=9000.0)))  # nobody can tell more than the firm limit
    np.testing.assert_equal(limits(), [np.nan, 2600.0])


def test_what_is_not_given_is_not_known_and_a_sum_with_something_unknown_is_unknown() -> None:
    case, builder = short_district.district(), FrameBuilder(short_district.district())
    assert np.isnan(builder.values({})).all()
    p_kw = np.ones(len(case.device_id))
    first = case.device_kind.index("load")
    p_kw[first] = np.nan
    load = builder.from_devices(p_kw)["cells", "load_kw"]
    assert np.flatnonzero(np.isnan(load)).tolist() == [case.device_cell[first]]
    ties = np.zeros((len(case.archipelago.tie), 2))
    ties[2] = np.nan
    own = builder.from_ties(ties, ties, 0.0)["cells", "own_kw"]
    tie = case.archipelago.tie[2]
    assert {case.archipelago.cell[c].id for c in np.flatnonzero(np.isnan(own))} == {tie.upper, tie.lower}
    with pytest.raises(KeyError):
        builder.values({("cells", "mood"): 1.0})


def test_a_decision_without_leases_is_no_setpoint() -> None:
    case, builder = short_district.district(), FrameBuilder(short_district.district())
    free = Decision.free(len(case.device_id), len(case.archipelago.tie))
    values = builder.values({("devices", "p_kw_set"): free.p_kw})
    assert np.isnan(builder.column(values, "devices", "p_kw_set")).all()


def test_nameplates_are_those_of_the_fleets() -> None:
    case = short_district.district()
    low, high, e_kwh = nameplates(case)
    kind = np.array(case.device_kind)
    assert (high[kind == "pv"] == 0).all()
    assert (low[kind == "pv"] < 0).all()
    assert (low[kind == "battery"] == -high[kind == "battery"]).all()
    assert np.isfinite(e_kwh[kind == "battery"]).all()
    assert np.isnan(e_kwh[kind != "battery"]).all()
    result = short_district.results()["uncoordinated"]
    assert (result.p_kw <= high[:, None] + 1e-3).all()
    assert (result.p_kw >= low[:, None] - 1e-3).all()


def test_many_names_are_cut_short() -> None:
    assert named(["a"]) == "a"
    assert named(["a", "b", "c"]) == "a, b and c"
    assert named(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
