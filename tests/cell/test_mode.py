"""The life of a cell: it leaves when it must, forms when it can, comes back only inside the window, and says why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.cell.mode import DEAD_V_PU, Facts, Life, Mode, Order, Rules, Said, Wanted, found
from archipel.cell.synchronism import Across, Window

WELL = Facts(0.0, True, 1.0, 50.0, 1.0, 50.0)


def lived(life: Life, facts: Facts, seconds: float, dt: float = 0.1) -> tuple[Wanted, list[Said]]:
    """Step through unchanged facts; the last wish, and what was said."""
    said, wanted = [], Wanted(())
    for k in range(1, round(seconds / dt) + 1):
        wanted, one = life.step(replace(facts, now_s=facts.now_s + k * dt))
        if one is not None:
            said.append(one)
    return wanted, said


def islanded() -> tuple[Life, float]:
    life = Life()
    lived(life, replace(WELL, main_v_pu=0.0), 1.0)
    lived(life, replace(WELL, now_s=1.0, closed=False, main_v_pu=0.0, main_f_hz=None), 1.0)
    assert life.mode is Mode.ISLAND
    return life, 2.0


def test_a_lost_main_grid_is_left_at_once_and_the_island_is_formed_before_the_switch_has_opened() -> None:
    life = Life()
    wanted, said = lived(life, replace(WELL, main_v_pu=0.1), 0.3)
    assert (life.mode, wanted.orders) == (Mode.ISLANDING, (Order.FORM, Order.OPEN))
    assert said[0].at_s <= 0.25
    assert "voltage of the main grid was outside 0.45 to 1.25 pu for 0.1 s" in said[0].why
    _, said = lived(life, replace(WELL, now_s=0.3, closed=False, main_v_pu=0.0), 0.2)
    assert [one.after for one in said] == [Mode.ISLAND]


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (replace(WELL, main_f_hz=47.0), "frequency"),
        (replace(WELL, main_v_pu=0.7), "voltage"),
        (replace(WELL, main_v_pu=None), "nothing was measured"),
        (replace(WELL, closed=False), "found open"),
        (replace(WELL, wants_island=True), "planned"),
    ],
)
def test_every_reason_to_leave_is_said(facts: Facts, word: str) -> None:
    life = Life()
    _, said = lived(life, facts, 1.5)
    assert word in said[0].why
    assert said[0].after is Mode.ISLANDING


def test_a_dip_that_passes_is_ridden_through() -> None:
    life = Life()
    lived(life, replace(WELL, main_v_pu=0.7), 0.8)
    lived(life, replace(WELL, now_s=0.8), 1.0)
    lived(life, replace(WELL, now_s=1.8, main_v_pu=0.7), 0.8)
    assert life.mode is Mode.CONNECTED


def test_without_earth_or_fault_current_no_island_is_formed_and_the_reason_is_said() -> None:
    life = Life()
    reasons = ("no neutral earth at bus/2 once the switch is open",)
    wanted, _ = lived(life, replace(WELL, wants_island=True, cannot_form=reasons), 1.0)
    assert (life.mode, wanted.why_not) == (Mode.CONNECTED, reasons)
    _, said = lived(life, replace(WELL, now_s=1.0, main_v_pu=0.0, cannot_form=reasons), 1.0)
    assert life.mode is Mode.DEGRADED
    assert reasons[0] in said[0].why


def test_an_island_comes_back_only_when_the_main_grid_was_healthy_for_long() -> None:
    life, now = islanded()
    back = replace(WELL, now_s=now, closed=False, angle_deg=120.0)
    lived(life, back, 250.0)
    assert life.mode is Mode.ISLAND
    wanted, _ = lived(life, replace(back, now_s=now + 250.0), 60.0)
    assert life.mode is Mode.RESYNCHRONISING
    assert Order.STEER in wanted.orders
    assert wanted.slip_hz < 0.0, "the island leads, so it turns slower"
    assert any("angle" in reason for reason in wanted.why_not)
    wanted, _ = lived(life, replace(back, now_s=now + 310.0, angle_deg=1.0), 0.2)
    assert Order.CLOSE not in wanted.orders
    assert any("still turning" in reason for reason in wanted.why_not), "inside the window it waits for zero"
    wanted, _ = lived(life, replace(back, now_s=now + 310.5, angle_deg=0.05), 0.2)
    assert Order.CLOSE in wanted.orders
    _, said = lived(life, replace(back, now_s=now + 311.0, closed=True, angle_deg=0.0), 70.0)
    assert [one.after for one in said] == [Mode.RECONNECTED, Mode.CONNECTED]


def test_a_tag_on_the_switch_keeps_the_island_an_island() -> None:
    life, now = islanded()
    wanted, _ = lived(life, replace(WELL, now_s=now, closed=False, tags=("A. Miller: cable joint open",)), 400.0)
    assert life.mode is Mode.ISLAND
    assert wanted.why_not == ("tag on the switch: A. Miller: cable joint open",)


def test_a_dead_island_starts_from_its_own_stores() -> None:
    life, now = islanded()
    wanted, _ = lived(life, replace(WELL, now_s=now, closed=False, main_v_pu=0.0, own_v_pu=0.0), 1.0)
    assert (life.mode, wanted.orders) == (Mode.BLACK_START, (Order.SHED, Order.ENERGISE))
    lived(life, replace(WELL, now_s=now + 1.0, closed=False, main_v_pu=0.0), 1.0)
    assert life.mode is Mode.ISLAND


def test_a_dead_cell_that_can_form_nothing_is_energised_from_a_healthy_main_grid() -> None:
    life = Life(mode=Mode.DEGRADED)
    facts = replace(WELL, closed=False, own_v_pu=0.0, own_f_hz=None, cannot_form=("no energy stored",))
    wanted, _ = lived(life, facts, 310.0)
    assert Order.CLOSE in wanted.orders
    lived(life, replace(WELL, now_s=311.0, cannot_form=("no energy stored",)), 61.0)
    assert life.mode is Mode.CONNECTED


maybe = st.none() | st.floats(0.0, 1.3)
facts = st.builds(
    Facts,
    now_s=st.just(0.0),
    closed=st.sampled_from([True, False, None]),
    main_v_pu=maybe,
    main_f_hz=st.none() | st.floats(46.0, 53.0),
    own_v_pu=maybe,
    own_f_hz=st.none() | st.floats(46.0, 53.0),
    angle_deg=st.none() | st.floats(-180.0, 180.0),
    cannot_form=st.sampled_from([(), ("no neutral earth",)]),
    tags=st.sampled_from([(), ("tagged",)]),
    wants_island=st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(facts, st.floats(0.05, 400.0)), max_size=25), st.sampled_from(list(Mode)))
def test_whatever_happens_no_live_sides_are_joined_outside_the_window_and_no_tag_is_passed(
    story: list[tuple[Facts, float]], begin: Mode
) -> None:
    life, now = Life(mode=begin), 0.0
    for one, seconds in story:
        now += seconds
        known = replace(one, now_s=now)
        wanted, said = life.step(known)
        assert said is None or (said.before is not said.after and said.why)
        if known.tags:
            assert Order.OPEN not in wanted.orders
        if Order.CLOSE in wanted.orders:
            assert not known.tags
            assert known.closed is False
            assert known.own_v_pu is not None
            assert known.main_v_pu is not None
            if known.alive:
                assert known.own_v_pu is not None
                assert known.own_f_hz is not None
                assert known.main_f_hz is not None
                assert known.angle_deg is not None
                slip, dv = known.own_f_hz - known.main_f_hz, known.own_v_pu - known.main_v_pu
                assert not Window().refuses(Across(known.angle_deg, slip, dv))
            else:
                assert known.main_v_pu > DEAD_V_PU
        if Order.FORM in wanted.orders and said is not None and said.after is Mode.ISLANDING:
            assert not known.cannot_form


def test_behind_a_tagged_switch_that_is_closed_no_voltage_is_formed() -> None:
    life = Life()
    tagged = replace(WELL, main_v_pu=0.0, own_v_pu=0.0, tags=("cable joint open",))
    wanted, said = lived(life, tagged, 5.0)
    assert life.mode is Mode.DEGRADED
    assert wanted.orders == (Order.SHED,), "neither formed nor opened"
    assert "the switch stays closed: tag on the switch: cable joint open" in said[0].why
    _, said = lived(life, replace(WELL, now_s=5.0, tags=("cable joint open",)), 1.0)
    assert [one.after for one in said] == [Mode.RECONNECTED]


def test_a_side_that_was_not_measured_for_a_moment_is_not_taken_for_dead() -> None:
    life, now = islanded()
    wanted, said = lived(life, replace(WELL, now_s=now, closed=False, own_v_pu=None, own_f_hz=None), 5.0)
    assert (life.mode, wanted.orders, said) == (Mode.ISLAND, (Order.FORM,), [])
    life = Life(mode=Mode.DEGRADED)
    unknown = replace(WELL, closed=False, own_v_pu=None, own_f_hz=None, cannot_form=("no energy stored",))
    wanted, _ = lived(life, unknown, 400.0)
    assert Order.CLOSE not in wanted.orders


@pytest.mark.parametrize(
    ("facts", "mode"),
    [
        (WELL, Mode.CONNECTED),
        (replace(WELL, main_v_pu=0.0, main_f_hz=None), Mode.CONNECTED),
        (replace(WELL, closed=False), Mode.ISLAND),
        (replace(WELL, closed=False, own_v_pu=0.0), Mode.BLACK_START),
        (replace(WELL, closed=False, own_v_pu=0.0, cannot_form=("no energy stored",)), Mode.DEGRADED),
        (replace(WELL, closed=None), None),
        (replace(WELL, main_f_hz=None), None),
        (replace(WELL, own_v_pu=None), None),
    ],
)
def test_a_life_begins_with_the_switch_as_it_is_measured(facts: Facts, mode: Mode | None) -> None:
    life = found(facts, Rules())
    assert (None if life is None else life.mode) is mode


def test_time_that_runs_backwards_is_refused() -> None:
    life = Life(since_s=10.0)
    with pytest.raises(ValueError, match="5 s follows 10 s"):
        life.step(replace(WELL, now_s=5.0))
