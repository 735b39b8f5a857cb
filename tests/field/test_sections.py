"""A tag on a section counts for every switch that would energise it and every device that could feed it."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.field.permission import Act, FieldState, Permission, Tag
from archipel.field.sections import touches
from archipel.field.state import armed, tagged
from archipel.model import Grid, Lines, Nodes, Source, Switches, Transformers

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SIZE = 5
"""Nodes n0 (source) to n4 in a row, a line between each two, a switch at the beginning of every line, and a coupler."""


def a_row(open_at: frozenset[int] = frozenset(), *, coupled: bool = False) -> Grid:
    """Lines whose switch is in `open_at` are open at their beginning; the coupler joins n0 and n4."""
    ones, rows = np.ones(SIZE - 1), np.arange(SIZE - 1)
    closed = np.array([row not in open_at for row in rows])
    names = tuple(f"line/{row}" for row in rows)
    floats = np.zeros(0)
    ints = np.zeros(0, dtype=np.int64)
    nothing = np.zeros(0, dtype=bool)
    none = Transformers(
        id=(),
        name=(),
        hv_node=ints,
        lv_node=ints,
        sn_kva=floats,
        vn_hv_kv=floats,
        vn_lv_kv=floats,
        vk_percent=floats,
        vkr_percent=floats,
        pfe_kw=floats,
        i0_percent=floats,
        shift_degree=floats,
        tap_side_hv=nothing,
        tap_pos=floats,
        tap_neutral=floats,
        tap_step_percent=floats,
        loading_max=floats,
        hv_closed=nothing,
        lv_closed=nothing,
    )
    return Grid(
        Nodes(
            tuple(f"n{row}" for row in range(SIZE)),
            ("",) * SIZE,
            *(np.full(SIZE, value) for value in (0.4, 0.9, 1.1, np.nan, np.nan)),
        ),
        Lines(names, names, rows, rows + 1, ones, ones, ones, ones, ones, closed, ones.astype(bool)),
        none,
        Switches(
            (*(f"switch/{row}" for row in rows), "coupler"),
            ("",) * SIZE,
            np.array([*rows, 0]),
            (*names, "n4"),
            np.array([*closed, coupled]),
        ),
        Source("grid", 0, 1.0),
    )


def test_closing_a_switch_touches_the_whole_dead_section_behind_it_and_nothing_live() -> None:
    found = touches(a_row(frozenset({1})), {"pv": 3, "load": 1})
    dead = {"line/1", "n2", "line/2", "n3", "line/3", "n4"}
    assert found["switch/1"] == dead
    assert found["coupler"] == dead
    assert found["switch/0"] == {"line/0"}
    assert found["pv"] == dead
    assert found["load"] == frozenset()


def test_where_everything_is_live_a_switch_touches_what_it_sits_on() -> None:
    found = touches(a_row(), {"pv": 3})
    assert found == {
        "pv": frozenset(),
        **{f"switch/{row}": {f"line/{row}"} for row in range(4)},
        "coupler": {"n4"},
    }


def test_positions_that_are_read_count_more_than_the_networks_data() -> None:
    assert touches(a_row(), {}, {"switch/1": False}) == touches(a_row(frozenset({1})), {})
    assert touches(a_row(frozenset({1})), {}, {"switch/1": True}) == touches(a_row(), {})
    assert touches(a_row(frozenset({1})), {}, {"coupler": True}) == touches(a_row(frozenset({1}), coupled=True), {})


@settings(max_examples=100, deadline=None)
@given(st.frozensets(st.integers(0, 3)), st.integers(0, 3), st.booleans())
def test_no_single_switch_that_is_permitted_energises_a_tagged_dead_line(
    open_at: frozenset[int], line: int, coupled: bool
) -> None:
    grid = a_row(open_at, coupled=coupled)
    switches = grid.switches.id
    state: FieldState = armed(FieldState(), dict.fromkeys(switches, "m"), "digest")
    state = tagged(state, f"line/{line}", "Ada", "earthed", NOW)
    permission = Permission(state, touches(grid, {}), switches=switches)
    if live(grid, line):
        return
    for name in switches:
        if permission.may(name, Act.SWITCH):
            row = switches.index(name)
            opened = open_at - {row} if row < 4 else open_at
            assert not live(a_row(opened, coupled=coupled or name == "coupler"), line), name


def live(grid: Grid, line: int) -> bool:
    """Whether a line is connected to the source, by walking there: independent of the code under test."""
    reached, grown = {0}, True
    while grown:
        ends = [(row, row + 1) for row in range(SIZE - 1) if grid.lines.from_closed[row]]
        ends += [(0, 4)] if grid.switches.closed[4] else []
        more = {b for a, b in ends if a in reached} | {a for a, b in ends if b in reached}
        grown, reached = not more <= reached, reached | more
    # its end is always connected, its beginning when its switch is closed
    return line + 1 in reached or (bool(grid.lines.from_closed[line]) and line in reached)


def test_a_tag_is_known_by_its_element() -> None:
    tag = Tag("line/1", "Ada", "earthed", NOW)
    permission = Permission(
        FieldState(tags={"line/1": tag}), touches(a_row(frozenset({1})), {"pv": 4}), switches={"switch/1"}
    )
    assert "line/1 has a safety tag: earthed" in permission.why_not("pv", Act.POWER)
    assert "line/1 has a safety tag" in permission.why_not("switch/1", Act.RELEASE)
