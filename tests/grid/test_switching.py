"""Positions of switches: what may be operated, what is radial, and the day's power flow there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from grid_nets import small_net

from archipel.grid.day_flow import day_flow
from archipel.grid.power_flow import PowerFlow
from archipel.grid.switching import Switchable
from archipel.model import Bools, Grid, GridError, Switches


def with_switches(grid: Grid, *, ends: str = "both") -> Grid:
    """A switch at each end of every line, or at its from ends only, beside those the network has."""
    lines, old = grid.lines, grid.switches
    sides = (lines.from_node, lines.to_node)[: 2 if ends == "both" else 1]
    closed = (lines.from_closed, lines.to_closed)[: len(sides)]
    n, m = len(old), len(lines)
    return replace(
        grid,
        switches=Switches(
            id=(*old.id, *(f"switch/{n + k}" for k in range(m * len(sides)))),
            name=(*old.name, *("",) * (m * len(sides))),
            node=np.concatenate([old.node, *sides]).astype(np.int64),
            element=(*old.element, *lines.id * len(sides)),
            closed=np.concatenate([old.closed, *closed]).astype(bool),
        ),
    )


def exchange(network: Switchable) -> Bools:
    """Close the loop line and open a line beside the busbar."""
    (tie,) = network.ties(network.start).tolist()
    return network.exchanged(network.start, tie, 0)


def test_a_position_moves_the_switches_of_its_lines_and_no_others() -> None:
    network = Switchable.of(with_switches(small_net()))
    position = exchange(network)
    before, after = network.grid.switches, network.grid_at(position).switches
    moved = {after.id[i] for i in np.flatnonzero(before.closed != after.closed)}
    (tie,) = network.ties(network.start).tolist()
    assert moved == {*network.operations(tie, close=True), *network.operations(0, close=False)}
    again = Switchable.of(network.grid_at(position))
    assert (again.start == position).all()
    assert (network.grid_at(network.start).lines.to_closed == network.grid.lines.to_closed).all()


def test_taking_a_position_back_gives_the_first_one() -> None:
    network = Switchable.of(with_switches(small_net()))
    there = Switchable.of(network.grid_at(exchange(network)))
    back = there.grid_at(network.start)
    assert (back.lines.from_closed & back.lines.to_closed == network.start[: len(back.lines)]).all()


def test_only_lines_with_switches_of_their_own_are_operated() -> None:
    assert not Switchable.of(small_net()).operable.any()
    network = Switchable.of(with_switches(small_net(), ends="from"))
    # the loop line stands open at its to end, where no switch could close it
    assert len(network.ties(network.start)) == 0
    assert not network.operable[len(network.grid.lines) :].any()


@pytest.mark.parametrize("by", ["line", "switch"])
def test_a_tag_on_a_switch_or_a_line_holds_the_line(by: str) -> None:
    free = Switchable.of(with_switches(small_net()))
    (tie,) = free.ties(free.start).tolist()
    line = free.grid.lines.id[tie]
    tag = line if by == "line" else next(
        s for s, e in zip(free.grid.switches.id, free.grid.switches.element, strict=True) if e == line
    )  # fmt: skip
    held = Switchable.of(free.grid, (tag,))
    assert np.flatnonzero(free.operable & ~held.operable).tolist() == [tie]


def test_an_unknown_tag_is_refused_by_name() -> None:
    with pytest.raises(GridError, match=r"'switch/x'.*no such switch or line"):
        Switchable.of(with_switches(small_net()), ("switch/x",))


def test_a_live_loop_and_a_dead_node_are_named() -> None:
    network = Switchable.of(with_switches(small_net()))
    (tie,) = network.ties(network.start).tolist()
    loop, cut = network.start.copy(), network.start.copy()
    loop[tie], cut[0] = True, False
    with pytest.raises(GridError, match=r"line/\d+ closes a live loop"):
        network.supply(loop)
    with pytest.raises(GridError, match=r"nothing feeds bus/\d+"):
        network.supply(cut)
    assert tie in network.ring(loop)
    assert not network.cut_off(loop).any()
    assert network.cut_off(cut).any()
    with pytest.raises(GridError, match="not radial: found a closed ring"):
        Switchable.of(network.grid_at(loop))


def test_transformers_in_parallel_are_no_ring_that_anybody_could_open() -> None:
    grid = with_switches(small_net())
    trafos = grid.transformers
    rows = np.append(np.arange(len(trafos)), len(trafos) - 1)
    columns = {
        name: tuple(getattr(trafos, name)[i] for i in rows) if name == "name" else getattr(trafos, name)[rows]
        for name in trafos.__dataclass_fields__
        if name != "id"
    }
    twice = replace(grid, transformers=replace(trafos, id=(*trafos.id, "trafo/again"), **columns))
    assert len(Switchable.of(twice).ties(Switchable.of(twice).start)) == 1


def test_a_day_is_its_intervals_one_by_one() -> None:
    grid = small_net()
    rng = np.random.default_rng(1)
    p_kw, q_kvar = rng.uniform(-5.0, 20.0, (2, len(grid.nodes), 5))
    day = day_flow(grid, p_kw, q_kvar, 0.25)
    flows = [PowerFlow(grid).solve(p_kw[:, t], q_kvar[:, t]) for t in range(5)]
    assert day.lost_kwh == pytest.approx(0.25 * sum(flow.losses_kw for flow in flows), rel=1e-9)
    assert day.v_pu_min == pytest.approx(np.min([flow.v_pu for flow in flows], axis=0), abs=1e-9)
    assert day.v_pu_max == pytest.approx(np.max([flow.v_pu for flow in flows], axis=0), abs=1e-9)
    assert day.loading == pytest.approx(np.max([flow.loading for flow in flows], axis=0), abs=1e-7)


def test_many_intervals_in_one_call_are_solved_also_where_some_need_newton() -> None:
    grid = small_net()
    p_kw = np.full((len(grid.nodes), 3), 10.0)
    p_kw[-1, 1] = 160.0
    q_kvar = 0.3 * p_kw
    many = list(PowerFlow(grid).solve_all(p_kw, q_kvar))
    for t, flow in enumerate(many):
        assert flow.v_pu == pytest.approx(PowerFlow(grid).solve(p_kw[:, t], q_kvar[:, t]).v_pu, abs=1e-7)
    p_kw[0, 2] = np.nan
    with pytest.raises(GridError, match="node row 0"):
        list(PowerFlow(grid).solve_all(p_kw, q_kvar))
