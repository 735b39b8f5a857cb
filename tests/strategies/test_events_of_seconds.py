"""Events of seconds in a run of quarter hours: drawn before it, lived at milliseconds, felt in their quarter hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from archipel.formats.scenario import load_scenario
from archipel.model import GridError, Scenario
from archipel.strategies.events import Drawn, WithEvents, draw
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import run

NOON = datetime(2016, 4, 12, 11, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@pytest.fixture(scope="module")
def case() -> Scenario:
    return load_scenario("island-year")


def test_events_are_drawn_before_the_run_at_different_quarter_hours(case: Scenario) -> None:
    one, same, other = (draw(case, 200, start=case.start, days=366, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other
    assert len({event.at for event in one}) == 200
    assert {event.kind for event in one} == {"sun", "store", "load"}
    assert all(case.start < event.at < case.start + timedelta(days=366) for event in one)
    with pytest.raises(ValueError, match="at most one in each"):
        draw(case, 96, start=case.start, days=1, seed=1)


def test_an_island_lives_through_lost_sun_a_lost_store_and_load_that_comes_back(case: Scenario) -> None:
    events = [
        Drawn(NOON + QUARTER, "sun", "Feeder1"),
        Drawn(NOON + 2 * QUARTER, "store", "Feeder1"),
        Drawn(NOON + 3 * QUARTER, "load", "Feeder6"),
    ]
    eventful = WithEvents(Uncoordinated(case), case, events)
    result, calm = run(case, eventful, start=NOON, steps=5), run(case, Uncoordinated(case), start=NOON, steps=5)
    sun = np.isin(case.device_kind, ("pv", "generator", "dispatchable"))
    feeder = np.array([cell.id for cell in case.archipelago.cell])[case.device_cell] == "Feeder1"
    assert (result.p_kw[sun & feeder, 1] == 0.0).all()
    assert calm.p_kw[sun & feeder, 1].sum() < -50.0
    assert result.p_kw[sun & feeder, 4].sum() < -50.0  # it came back
    assert [lived.drawn.kind for lived in eventful.lived] == ["sun", "store", "load"]
    for lived in eventful.lived:
        assert lived.traces is not None, lived.why_not
        assert 47.5 < float(lived.traces.nadir_hz[0]) <= float(lived.traces.peak_hz[0]) < 51.5
        assert abs(float(lived.traces.settled_hz[0]) - 50.0) < 0.02
        assert not [trip for trip in lived.traces.trips if "forming" in trip.id]


def test_events_of_seconds_need_an_area_without_a_main_grid() -> None:
    island = load_scenario("island")
    with pytest.raises(GridError, match="without a main grid"):
        WithEvents(Uncoordinated(island), island, [])
