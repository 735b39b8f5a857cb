"""The cells we propose, and the facts of the shipped city."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from formats_cases import Source, data_folder, small_import

from archipel.formats.cells import LATERAL_MAX, LATERAL_MIN, describe_cells, propose_cells
from archipel.formats.pandapower_import import import_pandapower
from archipel.formats.scenario import load_scenario
from archipel.model import Archipelago, Grid, Ints, Scenario


@cache
def city() -> Scenario:
    return load_scenario("city")


def well_formed(archipelago: Archipelago, grid: Grid) -> bool:
    """One closed tie above every cell but the root, in the order of cells; parents first; every node has a cell."""
    parents = archipelago.parents()
    above = archipelago.tie[: len(parents) - 1]
    return (
        parents[0] == -1
        and all(0 <= parent < i for i, parent in enumerate(parents) if i)
        and [tie.lower for tie in above] == [cell.id for cell in archipelago.cell[1:]]
        and [tie.upper for tie in above] == [cell.parent for cell in archipelago.cell[1:]]
        and all(tie.closed for tie in above)
        and not any(tie.closed for tie in archipelago.tie[len(parents) - 1 :])
        and archipelago.node_cell.shape == (len(grid.nodes),)
        and set(archipelago.node_cell.tolist()) == set(range(len(parents)))
    )


def test_the_small_source_is_cut_at_feeders_and_the_transformer() -> None:
    imported = small_import()
    cells = propose_cells(imported.grid, imported.node_area, imported.line_area)
    assert well_formed(cells, imported.grid)
    assert [(c.id, c.parent, c.level) for c in cells.cell] == [
        ("Substation", "", "substation"),
        ("North", "Substation", "feeder"),
        ("South", "Substation", "feeder"),
        ("LV_a", "North", "lv"),
    ]
    assert [tie.id for tie in cells.tie] == ["line/0", "line/3", "trafo/1", "line/5"]
    assert cells.node_cell.tolist() == [0, 0, 0, 1, 1, 3, 3, 2, 2]


def test_an_open_tie_is_kept_alive_by_its_upper_cell() -> None:
    imported = small_import()
    loop = propose_cells(imported.grid, imported.node_area, imported.line_area).tie[-1]
    assert (loop.direction, loop.upper, loop.lower, loop.closed) == ("horizontal", "South", "North", False)
    assert (loop.upper_node, loop.lower_node) == (8, 4)


def test_a_ring_stays_with_the_substation() -> None:
    def close_the_loop(source: Source) -> None:
        source["switch"]["closed"][1] = True

    imported = small_import(close_the_loop)
    cells = propose_cells(imported.grid, imported.node_area, imported.line_area)
    assert well_formed(cells, imported.grid)
    assert [c.id for c in cells.cell] == ["Substation", "LV_a"]


def test_dead_nodes_belong_to_the_root() -> None:
    def cut_off(source: Source) -> None:
        source["line"]["in_service"][4] = False

    imported = small_import(cut_off)
    cells = propose_cells(imported.grid, imported.node_area, imported.line_area)
    assert cells.cell[cells.node_cell[8]].level == "substation"


def test_names_that_would_be_ambiguous_are_not_used() -> None:
    imported = small_import()
    cells = propose_cells(imported.grid, imported.node_area, ["MV_Feeder"] * 6)
    assert [c.id for c in cells.cell] == ["Substation", "Feeder_0", "Feeder_3", "LV_a"]


def test_the_description_shows_tree_and_open_ties() -> None:
    imported = small_import()
    text = describe_cells(propose_cells(imported.grid, imported.node_area, imported.line_area))
    assert text.splitlines() == [
        "Substation (substation, 3 nodes)",
        "  North (feeder, 2 nodes, tie line/0)",
        "    LV_a (lv, 2 nodes, tie trafo/1)",
        "  South (feeder, 2 nodes, tie line/3)",
        "open ties",
        "  line/5: South - North",
    ]


def test_the_city_has_the_cells_the_source_describes() -> None:
    scenario = city()
    levels = [cell.level for cell in scenario.archipelago.cell]
    assert len(scenario.grid.nodes) == 10_458
    assert levels.count("lv") == 133
    assert levels.count("feeder") == 14
    assert well_formed(scenario.archipelago, scenario.grid)


def test_nine_of_the_eleven_loop_lines_of_the_city_join_different_feeders() -> None:
    scenario = city()
    loops = [i for i, name in zip(scenario.grid.lines.id, scenario.grid.lines.name, strict=True) if "loop_line" in name]
    opened = [tie for tie in scenario.archipelago.tie if not tie.closed and tie.id in loops]
    assert len(loops) == 11
    assert len(opened) == 9
    assert all(tie.upper.startswith("Feeder") and tie.lower.startswith("Feeder") for tie in opened)


def test_the_proposal_for_the_source_is_what_the_city_ships() -> None:
    source = import_pandapower(data_folder() / "networks" / "simbench" / "1-MVLV-urban-all-1-sw.json.gz")
    proposed = propose_cells(source.grid, source.node_area, source.line_area)
    shipped = city().archipelago
    assert proposed.cell == shipped.cell
    assert proposed.tie == shipped.tie
    np.testing.assert_array_equal(proposed.node_cell, shipped.node_cell)


@pytest.mark.parametrize(
    "name",
    ["1-LV-rural1--1-sw", "1-LV-urban6--1-sw", "1-MV-rural--1-sw", "1-MVLV-urban-6.305-1-sw", "1-HVMV-urban-all-1-sw"],
)
def test_every_kind_of_simbench_network_gets_a_tree_of_cells(name: str) -> None:
    source = import_pandapower(data_folder() / "networks" / "simbench" / f"{name}.json.gz")
    assert well_formed(propose_cells(source.grid, source.node_area, source.line_area), source.grid)


def american_feeder(trunk: int, laterals: int, length: int) -> tuple[Grid, Ints]:
    """The head of the small source, then `trunk` nodes in a row with `laterals` of so many nodes along it; a customer
    at every node of a lateral."""
    grid = small_import().grid
    first = len(grid.nodes)
    before = [2, *range(first, first + trunk - 1)]
    for k in range(laterals):
        foot = first + (k + 1) * trunk // laterals - 1
        start = first + trunk + k * length
        before += [foot, *range(start, start + length - 1)]
    count = len(before)
    nodes, lines = grid.nodes, grid.lines

    def more(values: Any, row: int) -> Any:
        """Arrays and names `count` rows longer, like one that is there; ids differ."""
        if isinstance(values, tuple):
            return values + tuple(f"{values[row]}/{i}" for i in range(count))
        return np.concatenate([values, np.repeat(values[row : row + 1], count, axis=0)])

    longer = {f.name: more(getattr(nodes, f.name), 3) for f in fields(nodes)}
    wired = {f.name: more(getattr(lines, f.name), 0) for f in fields(lines)}
    wired["from_node"][len(lines) :], wired["to_node"][len(lines) :] = before, first + np.arange(count)
    customers = np.zeros(first + count, dtype=np.int64)
    customers[first + trunk :] = 1
    return replace(grid, nodes=replace(nodes, **longer), lines=replace(lines, **wired)), customers


def test_a_feeder_too_large_becomes_one_trunk_with_its_laterals() -> None:
    grid, customers = american_feeder(trunk=90, laterals=9, length=80)
    cells = propose_cells(grid, customers=customers)
    assert well_formed(cells, grid)
    parents, sizes = cells.parents(), np.bincount(cells.node_cell)
    trunk = int(cells.node_cell[len(small_import().grid.nodes)])
    hanging = [i for i in range(len(parents)) if parents[i] == trunk]
    assert parents[trunk] == 0
    assert len(hanging) == 7, "six laterals, and the end of the trunk with the last three"
    assert all(LATERAL_MIN <= sizes[i] <= LATERAL_MAX for i in hanging)
    assert not {parents[i] for i in range(len(parents))} & set(hanging), "no lateral waits for another"


def test_a_feeder_that_is_no_longer_than_a_cell_stays_whole() -> None:
    grid, customers = american_feeder(trunk=30, laterals=2, length=80)
    cells = propose_cells(grid, customers=customers)
    assert well_formed(cells, grid)
    assert 190 in np.bincount(cells.node_cell)
