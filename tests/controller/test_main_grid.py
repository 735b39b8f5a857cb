"""A controller beside a switch to the main grid: it leaves, serves what is critical, comes back, and says why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from row import SETTINGS, START, Row

from archipel.cell.mode import DEAD_V_PU, Facts, Mode, Rules
from archipel.cell.synchronism import Across, Steering, Window
from archipel.controller.facts import AtSwitch, Instant, Intentions, Note, Snapshot
from archipel.controller.ladder import Level
from archipel.controller.main_grid import MainGrid, not_critical
from archipel.controller.stepping import Controller

WELL = Facts(0.0, True, 1.0, 50.0, 1.0, 50.0)
OPEN = replace(WELL, closed=False, main_v_pu=0.0, main_f_hz=None)
SHEDS = ("ev/0", "hp/0", "shed/0")
RULES = Rules(healthy_s=20.0, settled_s=5.0)


class Lived:
    """One cell below a root, stepped every 0.5 s by hand."""

    def __init__(self) -> None:
        self.row = Row("root", "leaf")
        self.cell = self.row.cell["leaf"]
        self.cell.main_grid = MainGrid(SHEDS, RULES)
        self.notes: list[Note] = []
        self.now_s = 100.0

    def run(self, facts: Facts | None, seconds: float, soc: float | None = 0.9) -> Intentions:
        for _ in range(round(2 * seconds)):
            self.now_s += 0.5
            done = self.cell.step(self.instant(), Snapshot(None, at_switch=facts, stored_soc=soc), [])
            self.notes += done.notes
        return done

    def instant(self) -> Instant:
        return Instant(START, self.now_s)

    def lived(self) -> list[str]:
        return [note.body["after"] for note in self.notes if note.kind == "life"]


def test_a_cell_goes_through_the_modes_and_every_change_is_in_the_journal_with_its_reason() -> None:
    cell = Lived()
    cell.run(WELL, 2.0)
    cell.run(replace(WELL, main_v_pu=0.0, main_f_hz=None, own_v_pu=0.0, own_f_hz=None), 1.0)
    cell.run(OPEN, 5.0)
    done = cell.run(replace(OPEN, main_v_pu=1.0, main_f_hz=50.0, own_f_hz=50.02, angle_deg=90.0), 30.0)
    assert done.at_switch is not None
    assert done.at_switch.form is not None
    assert done.at_switch.form.f_hz < 50.0, "it leads, so it turns slower than the main grid"
    assert done.at_switch.closed is None
    done = cell.run(replace(OPEN, main_v_pu=1.0, main_f_hz=50.0, own_f_hz=50.0, angle_deg=0.05), 1.0)
    assert done.at_switch == AtSwitch(
        Mode.RESYNCHRONISING, True, cell.now_s + 3.0, done.at_switch.form if done.at_switch else None
    )
    done = cell.run(replace(WELL, angle_deg=0.0), 10.0)
    assert done.at_switch is not None
    assert done.at_switch.form is None, "the main grid forms the voltage again"
    modes = ["connected", "islanding", "island", "resynchronising", "reconnected", "connected"]
    assert cell.lived() == modes
    assert all(note.body["why"] for note in cell.notes if note.kind == "life")


def test_apart_from_the_main_grid_nothing_that_was_agreed_is_followed_and_nothing_is_planned() -> None:
    row = Row("root", "leaf")
    row.run(65)
    assert row.orders("leaf") == ["plan/leaf"]
    cell = row.cell["leaf"]
    cell.main_grid = MainGrid((), RULES)
    instant, mine = row.instant("leaf"), row.cell["leaf"].acts_on
    cell.step(instant, Snapshot(None, neighbours=row.alive("leaf"), at_switch=WELL), [])
    assert (cell.level, cell.acts_on) == (Level.COOPERATING, mine)
    later = replace(instant, mono_s=instant.mono_s + 1.0)
    done = cell.step(later, Snapshot(None, neighbours=row.alive("leaf"), at_switch=replace(WELL, closed=False)), [])
    assert cell.level is Level.RULES
    assert done.orders == {}
    assert [note.body["why"] for note in done.notes if note.kind == "mode"] == ["apart from the main grid"] * 2
    assert row.planner["leaf"].took_part


def test_with_stores_that_are_low_or_not_known_load_that_is_not_critical_is_shed_and_comes_back_one_by_one() -> None:
    cell = Lived()
    cell.run(WELL, 1.0)
    cell.run(replace(WELL, closed=False), 1.0)
    assert cell.run(OPEN, 1.0).orders == {}, "there is enough"
    done = cell.run(OPEN, 1.0, soc=0.4)
    assert {name: wish[0] for name, wish in done.orders.items()} == dict.fromkeys(SHEDS, 0.0)
    assert sorted(cell.run(OPEN, 30.0, soc=0.55).orders) == sorted(SHEDS), "not before there is clearly enough"
    assert sorted(cell.run(OPEN, 0.5, soc=0.7).orders) == ["ev/0", "hp/0"], "the most important is first"
    assert sorted(cell.run(OPEN, 10.0, soc=0.7).orders) == ["ev/0"]
    assert cell.run(OPEN, 10.0, soc=0.7).orders == {}
    assert len(cell.run(OPEN, 0.5, soc=None).orders) == len(SHEDS)


def test_after_a_restart_the_mode_is_that_of_the_switch_and_load_stays_shed_until_stores_are_known() -> None:
    cell = Lived()
    done = cell.run(OPEN, 0.5, soc=None)
    assert cell.lived() == ["island"]
    assert cell.notes[0].body == {"before": "unknown", "after": "island", "why": "the switch was found open"}
    assert len(done.orders) == len(SHEDS)
    again = Lived()
    again.run(WELL, 0.5)
    assert again.lived() == ["connected"]


def test_a_switch_that_was_never_measured_is_not_operated_and_nothing_is_planned_on_it() -> None:
    cell = Lived()
    for known in (None, replace(WELL, closed=None), replace(WELL, main_f_hz=None)):
        done = cell.run(known, 5.0)
        assert done.at_switch is None
        assert cell.cell.level is Level.RULES
    assert cell.lived() == []


def test_a_tag_keeps_the_switch_open_and_is_noted_once() -> None:
    cell = Lived()
    healthy = replace(OPEN, main_v_pu=1.0, main_f_hz=50.0, angle_deg=0.0, tags=("cable joint open (Ada)",))
    done = cell.run(healthy, 60.0)
    assert done.at_switch is not None
    assert done.at_switch.why_not == ("tag on the switch: cable joint open (Ada)",)
    assert [note.body for note in cell.notes if note.kind == "unable"] == [
        {"mode": "island", "why": "tag on the switch: cable joint open (Ada)"}
    ]
    done = cell.run(replace(healthy, tags=()), 1.0)
    assert done.at_switch is not None
    assert done.at_switch.closed is True


def test_a_change_of_mode_of_the_field_begins_a_new_life() -> None:
    cell = Lived()
    cell.run(OPEN, 5.0)
    fresh: Controller = cell.cell.renewed()
    assert fresh.main_grid is not None
    assert fresh.main_grid.life is None
    assert fresh.main_grid.sheds == SHEDS
    assert fresh.settings == SETTINGS


def test_what_waits_best_is_shed_first_and_what_cannot_be_shed_is_not() -> None:
    kinds = [("sheddable", ("shed/0",)), ("load", ("load/0",)), ("ev_charger", ("ev/0", "ev/1"))]
    assert not_critical(kinds) == ("ev/0", "ev/1", "shed/0")


HASTY = Rules(healthy_s=0.0, settled_s=0.0, steering=Steering(near_deg=10.0, near_hz=0.1, near_v_pu=0.03))
"""Closes wherever the window lets it, so that the window itself is tried."""
READY = replace(WELL, closed=False, angle_deg=0.0)
values: dict[str, st.SearchStrategy[Any]] = {
    "closed": st.sampled_from([True, None]),
    "main_v_pu": st.sampled_from([None, 0.0, 0.7, 0.96, 0.98, 1.02, 1.04]),
    "main_f_hz": st.sampled_from([None, 47.0, 49.9, 49.95, 50.05, 50.15]),
    "own_v_pu": st.sampled_from([None, 0.0, 0.96, 0.98, 1.02, 1.04]),
    "own_f_hz": st.sampled_from([None, 49.9, 49.95, 50.05, 50.15]),
    "angle_deg": st.none() | st.floats(-180.0, 180.0) | st.floats(-12.0, 12.0),
    "cannot_form": st.just(("no neutral earth",)),
    "tags": st.just(("tagged",)),
    "wants_island": st.just(True),
}
changes = st.one_of(*(st.tuples(st.just(name), value) for name, value in values.items()))
facts = st.lists(changes, max_size=2).map(lambda told: replace(READY, **dict(told)))
"""An island that might close now, but for one thing or two."""


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(facts, st.floats(0.05, 40.0), st.none() | st.floats(0.0, 1.0)), max_size=25))
def test_no_order_to_close_while_tagged_or_while_a_fact_is_unknown_or_outside_the_window(
    story: list[tuple[Facts, float, float | None]],
) -> None:
    beside = MainGrid(SHEDS, HASTY)
    now, notes = 0.0, list[Note]()
    before = None
    for one, seconds, soc in story:
        now += seconds
        known = replace(one, now_s=now)
        at = beside.step(known, soc, notes)
        if beside.mode is not before:
            assert notes[-1].kind in {"life", "unable"}
            before = beside.mode
        assert set(beside.with_shed({})) == set(SHEDS[: beside.shed])
        if at is None:
            continue
        assert at.until_s - now <= 5.0, "an old order must not meet another angle"
        if known.tags and known.closed is not False:
            assert at.closed is None
        if at.closed:
            assert not known.tags
            assert known.closed is False
            assert known.main_v_pu is not None
            assert known.main_v_pu > DEAD_V_PU
            assert known.own_v_pu is not None
            if known.own_v_pu > DEAD_V_PU:
                assert known.angle_deg is not None
                assert known.own_f_hz is not None
                assert known.main_f_hz is not None
                slip, dv = known.own_f_hz - known.main_f_hz, known.own_v_pu - known.main_v_pu
                assert not Window().refuses(Across(known.angle_deg, slip, dv))
