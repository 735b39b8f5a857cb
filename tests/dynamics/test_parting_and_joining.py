"""Ties inside a run: islands that part, live on their own frequencies, go dark, start from nothing and join again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.grid.dynamics import (
    Close,
    Connect,
    Event,
    Following,
    Island,
    IslandInvalid,
    Load,
    LoadStep,
    Network,
    Open,
    Reading,
    SetPoint,
    Start,
    StartUp,
    Tie,
    Traces,
    Trip,
    droop,
    main_grid,
    settled,
    simulate,
    vsm,
)
from archipel.model import GridError

Z = 0.01 + 0.05j


def chain(terminals: int, cuts: Sequence[int] = ()) -> Network:
    """Equal lines in a chain, without those behind the terminals in `cuts`."""
    y = np.zeros((terminals, terminals), dtype=np.complex128)
    for i, j in pairwise(range(terminals)):
        if i not in cuts:
            y[[i, j], [i, j]] += 1 / Z
            y[[i, j], [j, i]] -= 1 / Z
    return Network(y, 1000.0)


def two_parts(closed: bool = True, z_share: float = 0.5, cut: bool = True) -> Island:
    """Unit and load, twice, with a tie between (or the same line in the network)."""
    tie = Tie(id="tie", a=1, b=2, r_pu=Z.real, x_pu=Z.imag, closed=closed)
    return Island(
        chain(4, (1,) if cut else ()),
        (
            droop("left", 0, 600.0, p_kw=-100.0),
            Following(id="sun", terminal=3, rating_kva=100.0, p_kw=-50.0, p_kw_min=-50.0),
            vsm("right", 3, 300.0, inertia_s=0.4, damping_pu=40.0),
        ),
        (
            Load(id="west", terminal=1, p_kw=300.0, q_kvar=50.0, z_share=z_share, share_per_hz=0.02),
            Load(id="east", terminal=2, p_kw=120.0, q_kvar=20.0, z_share=z_share),
        ),
        ties=(tie,) if cut else (),
    )


def left_alone(z_share: float = 0.5) -> Island:
    both = two_parts(z_share=z_share, cut=False)
    return Island(chain(2), both.units[:1], both.loads[:1])


def right_alone(z_share: float = 0.5) -> Island:
    both = two_parts(z_share=z_share, cut=False)
    return Island(chain(2), tuple(replace(u, terminal=1) for u in both.units[1:]), (
        replace(both.loads[1], terminal=0),))  # fmt: skip


def unbalance_kw(traces: Traces) -> float:
    total = traces.p_kw.sum(axis=2) + traces.load_p_kw.sum(axis=2) + traces.losses_kw
    return float(np.abs(total).max())


@pytest.mark.parametrize("z_share", [1.0, 0.5, 0.0])
def test_a_closed_tie_is_a_line_and_an_open_one_is_none(z_share: float) -> None:
    step = [LoadStep(time_s=0.1, load="west", p_kw=400.0, q_kvar=50.0)]
    line = simulate(two_parts(z_share=z_share, cut=False), step, duration_s=1.0, quasi_static=False)
    tied = simulate(two_parts(z_share=z_share), step, duration_s=1.0, quasi_static=False)
    for name in ("f_hz", "p_kw", "q_kvar", "v_pu", "load_p_kw", "losses_kw"):
        assert getattr(tied, name) == pytest.approx(getattr(line, name), abs=1e-6), name
    apart = simulate(two_parts(closed=False, z_share=z_share), step, duration_s=1.0, quasi_static=False)
    left = simulate(left_alone(z_share), step, duration_s=1.0, quasi_static=False)
    right = simulate(right_alone(z_share), duration_s=1.0, quasi_static=False)
    assert apart.p_kw[0, :, 0] == pytest.approx(left.p_kw[0, :, 0], abs=1e-2)
    assert apart.f_hz[0, :, 0] == pytest.approx(left.f_hz[0, :, 0], abs=1e-5)
    assert apart.p_kw[0, :, 1:] == pytest.approx(right.p_kw[0], abs=1e-2)
    assert apart.f_part_hz[0, -1] == pytest.approx([left.settled_hz[0], *(2 * [right.settled_hz[0]])], abs=1e-5)
    assert apart.nadir_hz[0] == pytest.approx(min(left.nadir_hz[0], right.nadir_hz[0]), abs=1e-5)
    assert apart.peak_hz[0] == pytest.approx(max(left.peak_hz[0], right.peak_hz[0]), abs=1e-5)


def test_parts_settle_each_at_its_own_frequency() -> None:
    both = settled(two_parts(closed=False))
    assert both.found.all()
    assert both.p_kw[0, 0] == pytest.approx(settled(left_alone()).p_kw[0, 0], abs=1e-6)
    assert both.p_kw[0, 1:] == pytest.approx(settled(right_alone()).p_kw[0], abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 1), st.floats(50.0, 500.0), st.floats(0.1, 0.4), st.sampled_from([0.001, 0.005]))
def test_whatever_opens_and_closes_what_is_given_is_drawn_and_lost(
    z: float, p_kw: float, open_s: float, step_s: float
) -> None:
    events: list[Event] = [
        Open(time_s=open_s, tie="tie"),
        LoadStep(time_s=0.45, load="east", p_kw=p_kw),
        Trip(time_s=0.55, id="right"),
        Close(time_s=0.7, tie="tie"),
        StartUp(time_s=0.8, unit="right"),
    ]
    traces = simulate(two_parts(z_share=z), events, duration_s=1.0, step_s=step_s)
    assert unbalance_kw(traces) < 1e-5
    dark = (traces.time_s > 0.56) & (traces.time_s < 0.69)
    assert np.isnan(traces.load_v_pu[0, dark, 1]).all()
    assert (traces.load_p_kw[0, dark, 1] == 0.0).all()
    assert (traces.load_v_pu[0, dark, 0] > 0.8).all(), "the other part stays lit"
    assert [(trip.id, trip.reason) for trip in traces.trips] == [("sun", "no source forms a voltage")]
    assert traces.load_v_pu[0, -1, 1] > 0.8


def test_an_open_tie_turns_as_the_frequencies_differ_and_closing_swings_to_one() -> None:
    traces = simulate(two_parts(), [Open(time_s=0.5, tie="tie"), Close(time_s=3.0, tie="tie")], duration_s=6.0,
                      quasi_static=False)  # fmt: skip
    open_ = (traces.time_s > 1.0) & (traces.time_s < 2.9)
    slip_hz = traces.f_part_hz[0, open_, 0] - traces.f_part_hz[0, open_, 2]
    angle = np.unwrap(np.deg2rad(traces.tie_angle_deg[0, open_, 0]))
    turned = np.gradient(angle, traces.time_s[open_]) / (2 * np.pi)
    assert np.abs(turned - slip_hz)[2:-2].max() < 2e-3
    assert np.abs(slip_hz).min() > 0.01
    assert traces.tie_p_kw[0, open_, 0] == pytest.approx(0.0, abs=1e-12)
    assert traces.f_hz[0, -1, 0] == pytest.approx(traces.f_hz[0, -1, 2], abs=1e-3)
    assert traces.tie_p_kw[0, -1, 0] == pytest.approx(traces.tie_p_kw[0, 10, 0], abs=1.0), "as it was before"


def test_time_left_out_turns_parts_as_far_as_time_that_passes() -> None:
    case = two_parts(closed=False)
    quick = simulate(case, [LoadStep(time_s=8.0, load="east", p_kw=130.0)], duration_s=8.5, step_s=0.005)
    slow = simulate(case, [LoadStep(time_s=8.0, load="east", p_kw=130.0)], duration_s=8.5, step_s=0.005,
                    quasi_static=False)  # fmt: skip
    assert np.diff(quick.time_s).max() > 2.0
    apart = quick.tie_angle_deg[0, -1, 0] - slow.tie_angle_deg[0, -1, 0]
    assert abs((apart + 180.0) % 360.0 - 180.0) < 1.0


def test_a_unit_starts_from_nothing_softly_and_picks_up_load() -> None:
    island = Island(chain(2), (droop("a", 0, 300.0),), (Load(id="base", terminal=1, p_kw=20.0), Load(
        id="more", terminal=1, p_kw=100.0, on=False)))  # fmt: skip
    events: list[Event] = [
        StartUp(time_s=1.0, unit="a", ramp_s=2.0),
        Connect(time_s=5.0, load="more", pickup=2.0, hold_s=1.0, decay_s=10.0),
    ]
    start = Start(on=np.array([[False]]))
    traces = simulate(island, events, duration_s=9.0, start=start)
    at = {s: int(np.argmin(np.abs(traces.time_s - s))) for s in (0.9, 2.0, 4.9)}
    assert np.isnan(traces.v_pu[0, at[0.9], 0])
    assert traces.v_pu[0, at[2.0], 0] == pytest.approx(0.5, abs=0.03)
    assert traces.v_pu[0, at[4.9], 0] == pytest.approx(1.0, abs=0.02)
    rising = (traces.time_s > 1.0) & (traces.time_s < 3.0)
    assert (np.diff(traces.v_pu[0, rising, 0]) > -1e-6).all(), "without overshoot"
    assert -traces.p_kw[0, -1, 0] > 180.0
    assert 49.0 < traces.nadir_hz[0] < 49.5
    assert traces.trips == ()


def test_closing_to_a_dead_neighbour_gives_it_a_voltage() -> None:
    events: list[Event] = [Trip(time_s=0.2, id="right"), Close(time_s=0.5, tie="tie"), StartUp(time_s=0.7, unit="sun")]
    traces = simulate(two_parts(closed=False), events, duration_s=3.0)
    early, late = (int(np.argmin(np.abs(traces.time_s - s))) for s in (0.4, 2.9))
    assert np.isnan(traces.load_v_pu[0, early, 1])
    assert traces.load_v_pu[0, late, 1] > 0.9
    assert -traces.p_kw[0, late, 1] == pytest.approx(50.0, abs=2.0)


def test_a_unit_that_starts_where_there_is_a_voltage_joins_without_a_bump() -> None:
    case = two_parts()
    on = np.array([[True, True, False]])
    before = settled(case, Start(on=on))
    aim = SetPoint(time_s=0.0, unit="right", p_kw=40.0 * 300.0 * (1 - before.f_hz[0] / 50.0))
    traces = simulate(case, [aim, StartUp(time_s=0.5, unit="right")], duration_s=0.6, start=Start(on=on))
    after = traces.time_s > 0.5
    assert np.abs(traces.p_kw[0, after, 2]).max() < 15.0
    assert np.abs(np.diff(traces.f_part_hz[0, :, 0])).max() < 0.01


def test_a_main_grid_beyond_an_open_tie_keeps_its_frequency_and_its_angle() -> None:
    grid = main_grid("grid", 0, 50_000.0, angle_deg=40.0, f_hz=50.02)
    tie = Tie(id="switch", a=0, b=1, x_pu=1e-4, closed=False)
    island = Island(chain(2, (0,)), (grid, droop("a", 1, 300.0)), (Load(id="l", terminal=1, p_kw=100.0),), ties=(tie,))
    traces = simulate(island, duration_s=1.0, quasi_static=False)
    assert traces.f_part_hz[0, -1, 0] == pytest.approx(50.02, abs=1e-9)
    assert traces.f_part_hz[0, -1, 1] < 49.8
    assert traces.tie_angle_deg[0, 0, 0] == pytest.approx(40.0, abs=3.0)
    turned = 360.0 * (50.02 - traces.f_part_hz[0, -1, 1])
    assert traces.tie_angle_deg[0, -1, 0] == pytest.approx(traces.tie_angle_deg[0, 0, 0] + turned, abs=1.0)


def test_scenarios_may_be_parted_differently() -> None:
    step = [LoadStep(time_s=0.2, load="west", p_kw=350.0)]
    both = simulate(two_parts(), step, duration_s=0.5, start=Start(closed=np.array([[True], [False]])))
    for s, closed in enumerate((True, False)):
        alone = simulate(two_parts(closed=closed), step, duration_s=0.5)
        assert both.p_kw[s, -1] == pytest.approx(alone.p_kw[0, -1], abs=1e-3)
        assert both.f_part_hz[s, -1] == pytest.approx(alone.f_part_hz[0, -1], abs=1e-5)


@dataclass
class Watcher:
    """Asks for one set-point when the frequency has fallen; writes down what it read."""

    period_s: float = 0.1
    done: bool = False
    read: list[Reading] = field(default_factory=list)

    def __call__(self, reading: Reading) -> list[Event]:
        self.read.append(reading)
        low = np.nanmin(reading.f_hz) < 49.6
        return [SetPoint(time_s=reading.time_s + 0.05, unit="a", p_kw=-200.0)] if low else []


def test_a_control_reads_every_period_and_what_it_asks_for_happens() -> None:
    island = Island(chain(2), (droop("a", 0, 300.0),), (Load(id="l", terminal=1, p_kw=100.0, z_share=0.0),))
    watcher = Watcher()
    traces = simulate(island, [LoadStep(time_s=1.0, load="l", p_kw=200.0)], duration_s=3.0, control=watcher)
    assert [round(reading.time_s, 6) for reading in watcher.read] == [round(0.1 * k, 6) for k in range(30)]
    assert traces.settled_hz[0] == pytest.approx(50.0, abs=0.01)
    assert watcher.read[-1].p_kw[0, 0] == pytest.approx(traces.p_kw[0, -1, 0], abs=0.5)
    wrong = Watcher(read=[])
    bare = replace(island, units=(droop("b", 0, 300.0),))
    with pytest.raises(GridError, match="there is no a"):
        simulate(bare, [LoadStep(time_s=1.0, load="l", p_kw=200.0)], duration_s=3.0, control=wrong)


def test_ties_that_cannot_be_are_refused_all_at_once() -> None:
    ties = (Tie(id="a", a=0, b=0, x_pu=0.1), Tie(id="x", a=0, b=9, x_pu=0.1), Tie(id="y", a=0, b=1, x_pu=0.0))
    with pytest.raises(IslandInvalid) as told:
        Island(chain(2), (droop("a", 0, 300.0),), ties=ties)
    said = str(told.value)
    for words in ("something else as well", "terminal 0 at both ends", "found terminal 9", "found an impedance"):
        assert words in said
    with pytest.raises(IslandInvalid, match="not even with all ties closed"):
        Island(chain(3, (1,)), (droop("a", 0, 300.0),), ties=(Tie(id="t", a=0, b=1, x_pu=0.1),))
    with pytest.raises(GridError, match="there is no nothing"):
        simulate(two_parts(), [Open(time_s=0.0, tie="nothing")], duration_s=1.0)
