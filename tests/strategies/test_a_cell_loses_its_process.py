"""Every cell in a process of its own; one is killed, the others go on, and it comes back."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pytest
from small_scenario import START, scenario

from archipel.formats.scenario import load_scenario
from archipel.model import ArchipelError, Connection, Scenario
from archipel.strategies.distributed import Distributed, can_fork
from archipel.twin.course import Course

pytestmark = pytest.mark.skipif(not can_fork(), reason="cells share one process where the system cannot fork")
NOON = START + timedelta(days=2, hours=12)


@pytest.fixture
def village() -> Scenario:
    return dataclasses.replace(scenario(pv_kw=60.0), replan_steps=1)


@pytest.fixture
def apart(village: Scenario) -> Iterator[Distributed]:
    strategy = Distributed(village, forecast="naive", gaps=False, apart=True)
    yield strategy
    strategy.close()


def course(strategy: Distributed, village: Scenario, steps: int = 12) -> Course:
    return Course(village, strategy, start=NOON, steps=steps)


def rows_of(village: Scenario, cell: str) -> np.ndarray:
    return np.flatnonzero(village.device_cell == village.archipelago.index(cell))


def test_a_killed_cell_is_silent_its_devices_follow_their_rules_and_the_others_agree(
    apart: Distributed, village: Scenario
) -> None:
    day = course(apart, village)
    day.step()
    leased = np.isfinite(day.decision.p_kw[rows_of(village, "lv")])
    assert leased.any()
    pid = apart.process_of("lv")
    assert pid is not None
    assert pid != os.getpid()
    apart.kill_cell("lv")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    day.step()
    entry = day.decision.agreements[0]
    assert entry["accepted"]
    assert entry["silent"] == ["lv"]
    assert apart.dead == {"lv"}
    assert np.isnan(day.decision.p_kw[rows_of(village, "lv")]).all()
    assert np.isfinite(day.decision.agreed_kw[0]), "root and feeder still agree"
    assert np.isnan(day.decision.agreed_kw[1]), "with the dead cell nothing is agreed"


def test_a_process_that_dies_of_itself_is_noticed_when_it_is_next_asked(apart: Distributed, village: Scenario) -> None:
    day = course(apart, village)
    day.step()
    pid = apart.process_of("lv")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    day.step()
    assert apart.dead == {"lv"}
    assert day.decision.agreements[0]["accepted"]


def test_a_cell_that_is_started_again_takes_part_in_the_next_plan(apart: Distributed, village: Scenario) -> None:
    day = course(apart, village)
    day.step()
    apart.kill_cell("lv")
    day.step()
    apart.start_cell("lv")
    day.step()
    assert apart.dead == frozenset()
    assert day.decision.agreements[0]["silent"] == []
    assert np.isfinite(day.decision.agreed_kw[:2]).all()


def test_a_cell_in_the_middle_that_dies_leaves_those_below_with_what_they_held(
    apart: Distributed, village: Scenario
) -> None:
    day = course(apart, village)
    day.step()
    apart.kill_cell("feeder")
    day.step()
    told = apart.outcome_of("lv")
    assert told is not None
    assert told.silent == "feeder"
    assert np.isfinite(day.decision.p_kw[rows_of(village, "lv")]).any(), "it goes on with its last plan"


def test_apart_or_together_cells_agree_on_the_same_bit_for_bit(apart: Distributed, village: Scenario) -> None:
    together = Distributed(village, forecast="naive", gaps=False, workers=1)
    days = [course(strategy, village) for strategy in (apart, together)]
    for day in days:
        for _ in range(4):
            day.step()
    one, two = (day.recorder.result for day in days)
    for name in ("p_kw", "v_pu", "tie_p_kw", "tie_agreed_kw", "tie_price"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes(), name


def test_a_dead_process_that_several_cells_share_ends_the_run_with_a_sentence() -> None:
    case = dataclasses.replace(load_scenario("district"), near_steps=4, far_steps=20, replan_steps=1)
    shared = Distributed(case, gaps=False, workers=2)
    day = Course(case, shared, start=case.start, steps=2)
    day.step()
    pid = next(pid for cell in case.archipelago.cell if (pid := shared.process_of(cell.id)) is not None)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ArchipelError, match="has ended; expected it to live"):
        day.step()
    shared.close()


def test_only_a_cell_with_a_process_of_its_own_can_be_killed(village: Scenario) -> None:
    shared = Distributed(village, forecast="naive", gaps=False, workers=1)
    with pytest.raises(ArchipelError, match="expected every cell in one of its own"):
        shared.kill_cell("lv")


def test_killing_a_cell_there_is_not_names_those_there_are(apart: Distributed) -> None:
    with pytest.raises(ArchipelError, match="root, feeder, lv"):
        apart.kill_cell("nowhere")


def test_a_limit_told_for_an_hour_is_kept_for_that_hour_and_no_longer(village: Scenario) -> None:
    knowing = Distributed(village, gaps=False, workers=1)
    day = course(knowing, village, steps=8)
    knowing.limit(Connection(export_kw_max=40.0), NOON + timedelta(hours=1))
    for _ in range(8):
        day.step()
    given = -day.recorder.result.upstream_p_kw
    assert (given[:4] <= 40.0 * 1.005).all()
    assert given[4:].max() > 60.0


def test_a_plan_made_within_a_limit_counts_on_its_end(apart: Distributed, village: Scenario) -> None:
    apart.limit(Connection(export_kw_max=40.0), NOON + timedelta(hours=1))
    day = course(apart, village)
    day.step()
    told = apart.outcome_of("root")
    assert told is not None
    horizon: datetime = NOON + timedelta(hours=1)
    planned, intervals = apart.planned or (None, None)
    assert planned == NOON
    assert intervals is not None
    free = next(t for t in range(len(intervals)) if intervals.at(t) >= horizon)
    assert -told.boundary[0, :free].min() <= 40.0 + 1.0
    assert -told.boundary[0, free : free + 4].min() > 60.0


def test_cells_plan_at_once_when_they_are_asked_to(village: Scenario) -> None:
    strategy = Distributed(dataclasses.replace(village, replan_steps=4), forecast="naive", gaps=False, workers=1)
    day = course(strategy, village)
    made = []
    for step in range(5):
        if step == 2:
            strategy.plan_next()
        day.step()
        made += [step] if day.decision.agreements else []
    assert made == [0, 2, 4]
