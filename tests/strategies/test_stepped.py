"""The field's controllers in the twin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from archipel.formats.scenario import load_scenario
from archipel.model import Scenario
from archipel.report.kpis import kpis
from archipel.strategies.distributed import Distributed
from archipel.strategies.stepped import Stepped
from archipel.twin import Decision, run

START = datetime(2016, 6, 9, 10, tzinfo=UTC)


class Watched:
    """A strategy that keeps what it was asked and what it answered."""

    def __init__(self, inner: Stepped) -> None:
        self.inner, self.name = inner, inner.name
        self.asked: list[tuple] = []
        self.answers: list[Decision] = []

    def decide(self, *asked) -> Decision:
        self.asked.append(asked)
        self.answers.append(self.inner.decide(*asked))
        return self.answers[-1]


@pytest.fixture(scope="module")
def district() -> Scenario:
    return load_scenario("district")


@pytest.fixture(scope="module")
def day(district: Scenario):
    watched = Watched(Stepped(district))
    return run(district, watched, start=START, steps=8), watched


def test_nothing_is_agreed_in_the_first_hour_and_everything_from_then_on(district: Scenario, day) -> None:
    result, _ = day
    closed = [i for i, tie in enumerate(district.archipelago.tie) if tie.closed]
    told = result.tie_agreed_kw[closed]
    assert np.isnan(told[:, :4]).all()
    assert np.isfinite(told[:, 4:]).all()
    metered_above = -result.tie_p_kw[closed, 0]
    assert np.abs(told - metered_above)[:, 4:].max() <= 0.1


def test_every_accepted_record_was_confirmed_and_is_the_same_at_both_ends(day) -> None:
    _, watched = day
    said: dict[str, list] = {"accepted": [], "confirmed": [], "refused": [], "contradicted": []}
    for cell, note in watched.inner.notes:
        if note.kind == "agreement":
            said[note.body["event"]].append((note.body["tie"], note.body["plan"], tuple(note.body["p_kw"]), cell))
    assert said["refused"] == said["contradicted"] == []
    assert sorted(said["accepted"]) == sorted(said["confirmed"])
    ends: dict[tuple, set] = {}
    for tie, plan, p_kw, _ in said["accepted"]:
        ends.setdefault((tie, plan), set()).add(p_kw)
    assert ends
    assert all(len(numbers) == 1 for numbers in ends.values())


def test_a_plan_made_before_its_hour_is_the_one_made_at_the_hour(district: Scenario, day) -> None:
    """Predicted states are the true ones under a perfect forecast, so planning ahead changes nothing."""
    _, watched = day
    hour = START + timedelta(hours=1)
    asked = next(each for each in watched.asked if each[0] == hour)
    ahead = watched.answers[watched.asked.index(asked)]
    at_once = Distributed(district, workers=1, gaps=False).decide(*asked)
    steered = ~np.isnan(at_once.p_kw)
    assert (steered == ~np.isnan(ahead.p_kw)).all()
    assert np.abs(at_once.p_kw - ahead.p_kw)[steered].max() <= 0.1


def test_limits_hold_while_cells_agree(district: Scenario, day) -> None:
    result, _ = day
    figures = kpis(district, result)
    assert figures["voltage_violation_node_h"] == 0.0
    assert figures["branch_overload_h"] == 0.0
    assert figures["connection_violation_h"] == 0.0
