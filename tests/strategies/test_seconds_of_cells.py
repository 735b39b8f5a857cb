"""Secondary control inside the dynamics of the real `island`, islands that merge and split, and black start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pytest

from archipel.devices import BatteryFleet, Weather
from archipel.formats.scenario import load_scenario
from archipel.grid.dynamics import Event, Open, Reading, Start, Traces, Trip, simulate
from archipel.model import GridError, IslandRules, Scenario
from archipel.strategies.black_start import BlackStart, black_start
from archipel.strategies.cells_as_units import MAIN, Area, State, area
from archipel.strategies.closing import Synchroniser
from archipel.strategies.first_seconds import LOST_S, NOTICED_S, STEP_S, back_after_s
from archipel.strategies.seconds import Faults, Sharing
from archipel.twin import Decision, Truth
from archipel.twin.plant import Happened, Plant

WINTER, SUMMER = datetime(2016, 1, 20, 18, tzinfo=UTC), datetime(2016, 6, 10, 12, tzinfo=UTC)
RULES = IslandRules(critical_share=0.4, reserve_kwh=1000.0)


@pytest.fixture(scope="module")
def island() -> Scenario:
    return load_scenario("island")


def battery(scenario: Scenario) -> BatteryFleet:
    return next(f for f in scenario.fleets if isinstance(f, BatteryFleet))


def connected(scenario: Scenario, at: datetime) -> Happened:
    row = scenario.profiles.row(at)
    plant = Plant(scenario, Truth(), row)
    free = Decision.free(len(scenario.device_node), len(scenario.archipelago.tie))
    return plant.step(Weather(row, scenario.profiles.window(row, 1).astype(np.float64), perfect=True), free, 0.25)


def shares(built: Area, control: Sharing, traces: Traces) -> np.ndarray:
    """What every unit gives at the end, over what its slope says for 1 Hz, on its rating."""
    given = -traces.p_kw[0, -1][built.unit]
    slope = np.array(
        [control.slope(i, float(traces.e_kwh[0, row]), given.sum() > 0) for i, row in enumerate(built.unit)]
    )
    return np.asarray((given - given.sum() / slope / (1 / slope).sum()) / built.rating_kw)


@pytest.mark.parametrize(("seed", "silent"), [(1, "Feeder4"), (2, "Feeder6")])
def test_with_a_fifth_of_messages_lost_and_a_cell_silent_frequency_is_back_and_everybody_takes_its_share(
    island: Scenario, seed: int, silent: str
) -> None:
    before, fleet = connected(island, WINTER), battery(island)
    soc = np.random.default_rng(seed).uniform(0.1, 0.9, len(fleet.id))
    state = State(before.p_kw, before.q_kvar, soc * fleet.e_kwh, before.flow.v_pu)
    built = area(island, state, fleet, 0.02, main="joined")
    control = Sharing(built, begins_s=LOST_S + NOTICED_S, seed=seed, faults=Faults(lose=0.2, silent=(silent,)))
    traces = simulate(
        built.island, [Trip(time_s=LOST_S, id=MAIN)], duration_s=LOST_S + 10.0, step_s=STEP_S, control=control
    )  # fmt: skip
    assert traces.trips == ()
    assert back_after_s(traces, 50.0) < 10.0
    assert np.abs(shares(built, control, traces)).max() < 0.02


def test_what_full_batteries_cannot_take_is_turned_down_by_all_alike(island: Scenario) -> None:
    before, fleet = connected(island, SUMMER), battery(island)
    state = State(np.where(np.array(island.device_kind) == "battery", 0.0, before.p_kw), before.q_kvar,
                  1.0 * fleet.e_kwh, before.flow.v_pu)  # fmt: skip
    built = area(island, state, fleet, 0.02, main="joined")
    control = Sharing(built, begins_s=LOST_S + NOTICED_S, seed=1)
    traces = simulate(
        built.island, [Trip(time_s=LOST_S, id=MAIN)], duration_s=LOST_S + 12.0, step_s=STEP_S, control=control
    )  # fmt: skip
    assert before.flow.upstream_p_kw < -1000.0
    assert traces.trips == ()
    assert traces.peak_hz[0] < 51.5
    assert np.abs(traces.f_centre_hz[0, -1] - 50.0) < 0.02
    assert control.turned_down.min() > 0.05
    assert np.ptp(control.turned_down) < 0.05


@dataclass
class MergeAndSplit:
    """Two islands: the second turns to the first, joins, and leaves again."""

    sharing: Sharing
    tie: str
    row: int
    leader: int
    period_s: float = 0.02
    done: bool = False
    turning: Synchroniser = field(init=False)
    split_s: float = float("inf")

    def __post_init__(self) -> None:
        self.turning = Synchroniser(
            self.row, self.tie, own_end=1, leader=self.leader, rng=np.random.default_rng(3)
        )  # fmt: skip

    def __call__(self, reading: Reading) -> Sequence[Event]:
        now = reading.time_s
        events: list[Event] = list(self.sharing(reading)) if round(now / 0.02) % 5 == 0 else []
        closed = bool(reading.closed[0, self.row])
        if now < self.split_s and closed and self.sharing.group[self.leader] == 1:
            self.sharing.group[:] = 0
            self.split_s = now + 10.0
            events.append(Open(time_s=self.split_s, tie=self.tie))
        if now >= self.split_s:
            self.sharing.group[self.leader] = 1
            self.done = now > self.split_s + 4.0
        elif not closed and now > 3.0:
            events += self.turning.step(reading, self.sharing)
        return events


def test_two_islands_merge_share_and_split_again(island: Scenario) -> None:
    """Feeder 1 with the substation, and feeder 2; the other cells are dark."""
    fleet = battery(island)
    now = connected(island, WINTER)
    p = np.where(np.array(island.device_kind) == "battery", 0.0, now.p_kw)
    soc = np.where(island.device_cell[np.array(island.device_kind) == "battery"] == 1, 0.4, 0.2)
    state = State(p, now.q_kvar, soc * fleet.e_kwh, np.ones_like(now.flow.v_pu))
    built = area(island, state, fleet, 0.02, main="none", switched=True)
    units, loads, ties = built.island.units, built.island.loads, built.island.ties
    on = np.array([[unit.id in {"Feeder1/forming", "Feeder2/forming"} for unit in units]])
    load_on = np.array([[load.id.split("/")[0] in {"Feeder1", "Feeder2"} for load in loads]])
    closed = np.array([[tie.id == "line/0" for tie in ties]])
    one, two = built.cells.index("Feeder1"), built.cells.index("Feeder2")
    control = Sharing(built, begins_s=0.5, seed=5)
    control.group[:] = 9
    control.group[[one, two]] = 0, 1
    row = [tie.id for tie in ties].index("line/12")
    both = MergeAndSplit(control, "line/12", row, two)
    traces = simulate(built.island, duration_s=120.0, step_s=0.005, control=both,
                      start=Start(on=on, load_on=load_on, closed=closed))  # fmt: skip
    assert both.done
    assert traces.trips == ()
    rows = built.unit[[one, two]]
    apart = np.abs(traces.f_part_hz[0][:, rows[0]] - traces.f_part_hz[0][:, rows[1]])
    joined = (traces.time_s > both.split_s - 9.0) & (traces.time_s < both.split_s)
    assert apart[joined].max() < 1e-9, "one island"
    assert apart[traces.time_s < both.split_s - 11.0].max() > 1e-3, "two before"
    end = int(np.flatnonzero(joined)[-1])
    given = -traces.p_kw[0, end][rows] / built.rating_kw[[one, two]]
    assert given[0] == pytest.approx(2.0 * given[1], abs=0.02), "twice the state of charge, twice the share"
    assert np.abs(traces.f_hz[0, -1][rows] - 50.0).max() < 0.02, "each at nominal by itself again"
    assert np.isnan(traces.v_pu[0, -1][built.unit[built.cells.index("Feeder5")]]), "the others stayed dark"


@pytest.fixture(scope="module")
def started(island: Scenario) -> BlackStart:
    """The store of feeder 1 is empty."""
    fleet = battery(island)
    soc = np.where(island.device_cell[np.array(island.device_kind) == "battery"] == 1, 0.0, 0.5)
    uneven = replace(island, fleets=tuple(replace(f, soc_start=soc) if f is fleet else f for f in island.fleets))
    return black_start(uneven, WINTER, rules=RULES)


def test_a_black_start_brings_back_all_critical_load_and_makes_one_island(
    started: BlackStart, island: Scenario
) -> None:
    assert started.why_not == ""
    assert set(started.order) == {cell.id for cell in island.archipelago.cell}
    assert started.critical_back_s < 90.0
    assert started.traces.trips == ()
    assert started.nadir_hz > 49.0
    assert started.peak_hz < 50.5
    traces = started.traces
    assert np.nanmin(traces.v_pu[0, -1]) > 0.93
    f_hz = traces.f_part_hz[0, -1]
    assert np.ptp(f_hz) < 1e-9, "one island"
    served = traces.load_p_kw[0, -1] > 0.9 * np.array([load.p_kw for load in started.area.island.loads])
    assert served.all()


def test_cells_grow_from_the_strongest_store_and_never_close_onto_another_angle(started: BlackStart) -> None:
    strongest = int(np.argmax(started.area.e_kwh_max))
    assert started.order[0] == started.area.cells[strongest]
    traces = started.traces
    for row in range(len(started.area.island.ties)):
        angle, power = traces.tie_angle_deg[0, :, row], np.abs(traces.tie_p_kw[0, :, row])
        first = int(np.argmax(power > 1e-6))
        if first and np.isfinite(angle[first - 1]):
            assert abs(angle[first - 1]) < 1.0


def test_an_empty_cell_does_not_start_by_itself_and_is_energised_by_its_neighbour(started: BlackStart) -> None:
    words = [step.what for step in started.steps]
    assert any("Feeder1: energised over line/0" in what for what in words)
    assert not any("Feeder1" in what and "voltage from nothing" in what for what in words)
    assert not any("Feeder1: synchronised" in what for what in words)


def test_stores_that_are_all_empty_start_nothing_and_it_is_said(island: Scenario) -> None:
    with pytest.raises(GridError, match="all stores are empty"):
        black_start(island, WINTER, rules=RULES, soc=0.0)
    bare = replace(island, fleets=tuple(f for f in island.fleets if f.kind != "battery"))
    with pytest.raises(GridError, match="nothing can start it"):
        black_start(bare, WINTER, rules=RULES)
