"""Islands that cannot be: everything that is wrong is said at once, with what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from islands import load, ring, two_droops

from archipel.grid.dynamics import (
    Connect,
    Following,
    Governor,
    Island,
    IslandInvalid,
    Limit,
    Network,
    SetPoint,
    Start,
    Store,
    Trip,
    Unit,
    droop,
    machine,
    main_grid,
    settled,
    simulate,
    vsm,
)
from archipel.model import GridError


def test_an_island_without_a_source_is_refused_with_what_to_do() -> None:
    pv = Following(id="pv", terminal=0, rating_kva=100.0)
    with pytest.raises(IslandInvalid, match=r"none of them forms a voltage.*add a droop inverter"):
        Island(ring(2), (pv,), (load(),))


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(IslandInvalid) as told:
        Island(
            Network(np.zeros((2, 2), dtype=complex)),
            (
                vsm("no inertia", 0, 100.0, inertia_s=0.0, damping_pu=50.0),
                vsm("no damping", 1, 100.0, inertia_s=1.0, damping_pu=0.0),
                droop("no droop", 0, 100.0, droop=0.0),
                droop("far", 7, -1.0),
                droop("far", 0, 10.0, store=Store(e_kwh=9.0, e_kwh_max=5.0)),
            ),
            (load(z_share=2.0),),
        )
    text = str(told.value)
    assert text.startswith(f"{len(told.value.problems)} problems found:")
    for part in ("not all connected", "no inertia: found an inertia of 0 s", "no damping: found a damping of 0",
                 "no droop: found", "far: found terminal 7", "far: found a rating of -1.0", "far: the id stands for",
                 "found 9.0 of 5.0 kWh", "constant-impedance share of 2.0"):  # fmt: skip
        assert part in text


def test_an_island_that_cannot_carry_its_load_has_no_settled_state_and_says_which() -> None:
    start = Start(load_p_kw=np.array([[400.0], [5000.0]]))
    assert settled(two_droops(), start).found.tolist() == [True, False]
    with pytest.raises(GridError, match="scenario 1: has no settled state"):
        simulate(two_droops(), duration_s=1.0, start=start)


def test_a_settled_state_beyond_a_current_limit_is_none() -> None:
    start = Start(load_p_kw=np.array([[100.0], [100.0]]), load_q_kvar=np.array([[600.0], [2000.0]]))
    assert settled(two_droops(droop_v=0.0), start).found.tolist() == [True, False]


def test_what_the_main_grid_carries_may_be_too_much_without_it() -> None:
    island = Island(ring(2), (main_grid("grid", 0, 1e4), droop("a", 1, 100.0, i_pu_max=3.0)), (load(150.0, 20.0, 1),))
    state = settled(island, Start(on=np.array([[True, True], [False, True]])))
    assert state.found.tolist() == [True, False]


def test_events_that_name_nothing_and_steps_that_fit_nothing_are_refused() -> None:
    events = [Trip(time_s=0.1, id="nobody"), Trip(time_s=9.0, id="big"), Trip(time_s=0.1, id="big", scenario=3)]
    with pytest.raises(GridError, match=r"(?s)there is no nobody.*not in the run.*no scenario 3"):
        simulate(two_droops(), events, duration_s=1.0)
    with pytest.raises(GridError, match=r"expected 0\.001 to 0\.01 s"):
        simulate(two_droops(), duration_s=1.0, step_s=0.003)
    with pytest.raises(GridError, match=r"start\.p_kw: found shape"):
        settled(two_droops(), Start(p_kw=np.zeros((3, 5))))


def test_a_main_grid_is_one_and_only_it_has_a_frequency_of_its_own() -> None:
    units = (main_grid("north", 0, 1e4), main_grid("south", 1, 1e4), replace(droop("a", 0, 100.0), f_hz=50.1))
    with pytest.raises(IslandInvalid, match=r"(?s)several main grids.*a: found a frequency of its own, 50\.1 Hz"):
        Island(ring(2), units)


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        (Following(id="pv", terminal=0, rating_kva=100.0, p_kw=-80.0), "not within its p_kw_min 0.0"),
        (droop("a", 0, 100.0, p_kw_min=50.0, p_kw_max=-50.0), "p_kw_min 50.0 above p_kw_max -50.0"),
        (droop("a", 0, 100.0, p_kw=float("nan")), "found a set-point of nan kW"),
        (droop("a", 0, 100.0, i_pu_max=0.0), "found a current limit of 0.0 pu"),
        (droop("a", 0, 100.0, v_pu=0.0), "found a voltage of 0.0 pu"),
        (droop("a", 0, 100.0, x_pu=0.0), "found no impedance"),
        (
            droop("a", 0, 100.0, limits=(Limit("f_hz", "below", 51.0, 0.2), Limit("f_hz", "above", 50.5, 0.2))),
            "no room",
        ),
        (droop("a", 0, 100.0, limits=(Limit("v_pu", "below", 0.5, -1.0),)), "a time not below"),
        (machine("m", 0, 100.0, governor=Governor(valve_s=0.0)), "expected a droop and a valve_s above zero"),
    ],
)
def test_what_a_unit_cannot_be_is_said(unit: Unit, words: str) -> None:
    with pytest.raises(IslandInvalid) as told:
        Island(ring(2), (unit, droop("sound", 1, 100.0)))
    assert [words in problem for problem in told.value.problems] == [True], told.value.problems


def test_values_that_are_no_numbers_and_events_without_meaning_are_refused() -> None:
    pv = Following(id="pv", terminal=1, rating_kva=100.0)
    island = Island(ring(2), (droop("a", 0, 100.0), pv), (load(10.0),))
    with pytest.raises(GridError, match=r"start\.load_p_kw: found a value that is not a number in scenario 1"):
        settled(island, Start(load_p_kw=np.array([[1.0], [np.nan]])))
    with pytest.raises(GridError, match="it follows a voltage, so v_pu means nothing to it"):
        simulate(island, [SetPoint(time_s=0.1, unit="pv", v_pu=1.02)], duration_s=1.0)
    with pytest.raises(GridError, match="expected a pickup not below 1"):
        simulate(island, [Connect(time_s=0.1, load="load", pickup=0.5)], duration_s=1.0)
