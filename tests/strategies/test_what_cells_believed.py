"""What strategies keep for the record: beliefs of cells at every plan, and the setpoint of every device."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from small_scenario import scenario

from archipel.controller.believed import FAILED, LEFT_OUT, NO_ANSWER, belief
from archipel.coordination.tree import Silent
from archipel.model import BELIEVED, Believed, StrategyResult
from archipel.strategies.distributed import Distributed
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import run

START = datetime(2016, 6, 8, 12, tzinfo=UTC)
CASE = scenario(pv_kw=90.0)


def believed(workers: int) -> tuple[StrategyResult, Distributed]:
    strategy = Distributed(CASE, workers=workers, gaps=False)
    try:
        return run(CASE, strategy, start=START, steps=5), strategy
    finally:
        strategy.close()


def test_every_plan_leaves_what_its_cells_believed() -> None:
    result, _ = believed(1)
    assert [one.made for one in result.believed] == [START, START.replace(hour=13)]
    for one in result.believed:
        assert one.cell == tuple(cell.id for cell in CASE.archipelago.cell)
        assert one.value.shape == (len(one.cell), len(BELIEVED), len(one.hours))
        assert np.isfinite(one.value).all()
        own, through = (one.value[:, BELIEVED.index(name)] for name in ("own_kw", "p_kw"))
        np.testing.assert_allclose(own.sum(axis=0), through[0], atol=1e-2)  # what all draw comes from upstream


def test_cells_in_processes_of_their_own_believe_the_same() -> None:
    here, there = believed(1)[0].believed, believed(2)[0].believed
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(a.value, b.value)
        assert [(v.cell, v.neighbour, v.state) for v in a.view] == [(v.cell, v.neighbour, v.state) for v in b.view]


def test_who_lets_every_device_follow_its_own_rule_believes_nothing() -> None:
    result = run(CASE, Uncoordinated(CASE), start=START, steps=2)
    assert result.believed == []
    assert result.p_kw_set is not None
    assert np.isnan(result.p_kw_set).all()


def test_setpoints_are_kept_for_the_steps_that_were_done() -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    strategy = Distributed(CASE, workers=1, gaps=False)
    result = run(CASE, strategy, start=START, steps=8, progress=stop)
    assert not result.complete
    assert result.p_kw_set is not None
    assert result.p_kw_set.shape == (len(CASE.device_id), 3)
    assert np.isfinite(result.p_kw_set).any()


def test_after_a_plan_that_came_to_nothing_neighbours_are_silent_or_stale_and_it_is_said_why() -> None:
    _, strategy = believed(1)
    controllers = strategy._here.by_id
    middle = next(c for c in controllers.values() if c.site.parent and c.site.children)
    assert middle.conversation is not None
    before = belief(middle, middle.agreed.duty.horizon) if middle.agreed is not None else None
    assert before is not None
    assert before.value is not None
    assert {seen.state for seen in before.seen} == {"agreed"}
    middle.conversation.outcome = Silent(middle.site.parent)
    after = belief(middle, strategy._horizon)
    assert after is not None
    assert after.value is None, "no new plan"
    told = {seen.neighbour: (seen.state, seen.why) for seen in after.seen}
    assert told[middle.site.parent] == ("silent", NO_ANSWER)
    assert told[middle.site.children[0]] == ("stale", FAILED)
    held = next(seen.p_kw for seen in after.seen if seen.neighbour == middle.site.parent)
    assert np.isfinite(held).all(), "what was agreed before holds"


def test_a_child_that_took_no_part_is_silent_and_taken_for_what_was_last_agreed() -> None:
    _, strategy = believed(1)
    root = strategy._here.by_id[CASE.archipelago.cell[0].id]
    agreed = root.agreed
    assert agreed is not None
    lost = agreed.children[0]
    root._habits.last = replace(agreed, children=agreed.children[1:], child_boundary=agreed.child_boundary[1:])
    told = belief(root, agreed.duty.horizon)
    assert told is not None
    seen = next(one for one in told.seen if one.neighbour == lost)
    assert (seen.state, seen.why) == ("silent", LEFT_OUT)
    np.testing.assert_allclose(seen.p_kw, agreed.child_boundary[0, 0])
    assert told.value is not None
    assert np.isnan(told.value[BELIEVED.index("own_kw")]).all(), "what it would draw itself is not known apart"


def test_nothing_of_a_single_device_leaves_a_cell() -> None:
    """As many numbers per cell and interval whatever it holds."""
    told: Believed = believed(1)[0].believed[0]
    assert told.value.shape[1] == len(BELIEVED) == 12
    assert {view.p_kw.shape for view in told.view} == {told.hours.shape}
