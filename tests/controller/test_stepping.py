from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from row import SETTINGS, Row, with_settings

from archipel.controller.facts import Cap, Mail
from archipel.controller.ladder import Level
from archipel.coordination.handshake import Acceptance
from archipel.coordination.message import Message


def agreed(*names: str) -> Row:
    """All ties are agreed, and the records of the first plan are in force."""
    row = Row(*names)
    row.run(65)
    return row


def levels(row: Row) -> list[Level]:
    return [row.cell[name].level for name in row.names]


def test_cells_plan_before_the_hour_and_act_on_it_at_the_hour() -> None:
    row = Row("root", "mid", "leaf")
    row.run(58)
    assert [note.body["event"] for note in row.notes["mid"] if note.kind == "agreement"].count("confirmed") == 2
    assert row.cell["mid"].acts_on == {}
    row.run(4)
    assert levels(row) == [Level.COOPERATING] * 3
    assert row.orders("leaf") == ["plan/leaf"]
    assert row.cell["root"].acts_on["t1"] == row.cell["mid"].acts_on["t1"]


def test_a_cell_plans_only_with_neighbours_that_have_been_well_for_long_enough() -> None:
    row = Row("root", "mid", "leaf")
    row.kill("leaf")
    row.run(40)
    assert row.planner["mid"].took_part == [()]
    assert row.planner["root"].took_part == [("mid",)]


def test_a_cell_acts_only_when_every_tie_is_confirmed() -> None:
    row = Row("root", "mid", "leaf")
    row.lost = lambda mail: isinstance(mail.said, Acceptance) and {mail.sender, mail.receiver} == {"mid", "leaf"}
    row.run(65)
    assert levels(row) == [Level.COOPERATING, Level.FALLBACK, Level.FALLBACK]
    assert row.orders("mid") == ["alone/mid"]
    assert row.wants["mid"].orders["alone/mid"][0] == 7.0, "held to what is agreed upwards"
    assert row.wants["leaf"].orders["alone/leaf"][0] == -1.0


def test_a_record_that_is_not_safe_with_the_other_end_at_its_default_is_not_accepted() -> None:
    row = Row("root", "leaf")
    row.planner["root"].bad = "a cable would burn"
    row.run(65)
    refused = [note for note in row.notes["root"] if note.body.get("event") == "refused"]
    assert refused
    assert all(note.body["why"] == "a cable would burn" for note in refused)
    assert levels(row) == [Level.FALLBACK] * 2


def test_when_a_neighbour_is_gone_the_record_is_followed_to_its_end_and_then_left_for_the_own_optimum() -> None:
    row = agreed("root", "leaf")
    row.kill("root")
    row.run(60)
    assert row.cell["leaf"].level is Level.FOLLOWING
    assert row.orders("leaf") == ["plan/leaf"]
    row.run(60)
    assert row.cell["leaf"].level is Level.ALONE
    assert row.orders("leaf") == ["alone/leaf"]


def test_cells_agree_again_when_the_neighbour_is_back() -> None:
    row = agreed("root", "leaf")
    row.kill("root")
    row.run(150)
    row.restart("root")
    row.run(125)
    assert levels(row) == [Level.COOPERATING] * 2


def test_a_restarted_cell_takes_up_what_its_journal_holds() -> None:
    row = agreed("root", "mid", "leaf")
    before = row.cell["mid"].acts_on
    row.kill("mid")
    row.run(3)
    row.restart("mid")
    row.run(1)
    assert row.cell["mid"].acts_on == before
    assert row.orders("mid") == ["alone/mid"], "the schedule went with the process; the exchange is held all the same"
    assert row.wants["mid"].orders["alone/mid"][0] == 7.0


def test_a_restarted_cell_acts_on_nothing_until_a_neighbour_shows_that_its_clock_is_right() -> None:
    row = agreed("root", "leaf")
    row.kill("leaf")
    row.clock_off_s["leaf"] = 31.0
    row.restart("leaf")
    row.run(3)
    assert row.cell["leaf"].acts_on == {}
    assert row.cell["leaf"].holdings(row.instant("leaf").utc)["t1"].record is None
    row.clock_off_s["leaf"] = 0.0
    row.run(2)
    assert row.cell["leaf"].acts_on == row.cell["root"].acts_on != {}


def test_a_plan_accepted_before_a_crash_is_not_begun_again() -> None:
    row = Row("root", "leaf", settings=with_settings(healthy_s=1.0))
    row.lost = lambda mail: isinstance(mail.said, Acceptance)
    row.run(38)
    accepted = row.cell["leaf"].last_plan("t1")
    assert accepted > 0
    row.kill("leaf")
    row.restart("leaf")
    row.run(3)
    assert row.cell["leaf"].last_plan("t1") == accepted
    row.run(30)  # the next attempts have numbers of their own
    assert row.cell["leaf"].last_plan("t1") > accepted


def test_through_a_step_of_the_clock_agreements_run_on_and_new_ones_wait() -> None:
    row = agreed("root", "leaf")
    row.clock_off_s["leaf"] = 900.0
    row.run(20)
    assert row.cell["leaf"].acts_on["t1"].plan == row.cell["root"].acts_on["t1"].plan
    row.run(100)
    assert row.cell["leaf"].acts_on == {}, "nothing new was agreed"
    clock = [note.body["why"] for note in row.notes["leaf"] if note.kind == "clock"]
    assert clock == ["the clock was stepped; no new agreements until it is right"]
    row.clock_off_s["leaf"] = 0.0
    row.run(120)
    assert levels(row) == [Level.COOPERATING] * 2
    assert row.notes["leaf"][-1].kind != "clock"


def test_a_step_that_neighbours_have_too_is_followed() -> None:
    row = agreed("root", "leaf")
    row.clock_off_s = {"root": 240.0, "leaf": 240.0}
    row.run(10)
    for name in row.names:
        assert row.cell[name].acted_at == row.instant(name).utc
        assert [n.body["why"] for n in row.notes[name] if n.kind == "clock"][-1].startswith("the step is followed")


def test_mail_of_a_plan_that_has_not_begun_here_waits_and_does_not_pile_up() -> None:
    row = Row("root", "leaf")
    row.clock_off_s["leaf"] = 1.8  # it begins first
    row.run(65)
    assert levels(row) == [Level.COOPERATING] * 2
    row.trouble["root"] = "no readings"
    for second in range(200):
        said = Message(10**12 + second, 0, True, "leaf", "root", {})
        row.inbox["root"].append(Mail("leaf", "root", said))
        row.run(1)
        assert all(size <= most for size, most in row.cell["root"].sizes().values())


def test_a_cell_that_cannot_plan_says_so_and_the_others_agree_without_it() -> None:
    row = agreed("root", "mid", "leaf")
    row.trouble["leaf"] = "no readings for 5 s"
    row.run(125)
    assert row.cell["leaf"].level is Level.RULES
    assert row.orders("leaf") == []
    assert row.cell["root"].level is Level.COOPERATING
    assert row.cell["mid"].acts_on.keys() == {"t1"}


@pytest.mark.parametrize("shown", [7000.0, -7000.0, math.nan, math.inf])
def test_a_meter_that_shows_what_no_tie_can_carry_contradicts_nothing(shown: float) -> None:
    row = agreed("root", "leaf")
    row.metered = {"t1": shown}
    row.run(60)
    assert row.cell["leaf"].acts_on["t1"] == row.cell["root"].acts_on["t1"]
    assert row.cell["leaf"].splits == 0


def test_a_meter_that_contradicts_ends_the_agreement_after_some_seconds() -> None:
    row = agreed("root", "leaf")
    row.run(5)
    row.metered = {"t1": 9.0}
    row.run(2)
    assert row.cell["leaf"].acts_on != {}
    row.run(5)
    assert (row.cell["leaf"].acts_on, row.cell["leaf"].splits) == ({}, 1)
    entry = [note for note in row.notes["leaf"] if note.body.get("event") == "contradicted"]
    assert [note.body["why"] for note in entry] == ["metered 9.0 kW, agreed 7.0 kW, tolerance 1.0 kW"]


def test_a_cell_without_ties_follows_its_own_plan() -> None:
    row = Row("only")
    row.run(65)
    assert row.cell["only"].level is Level.COOPERATING
    assert row.orders("only") == ["plan/only"]


def test_orders_are_leases_that_every_step_renews() -> None:
    row = agreed("root", "leaf")
    assert row.wants["leaf"].until_s == row.instant("leaf").mono_s + SETTINGS.lease_s


def test_what_strangers_say_or_is_meant_for_others_changes_nothing() -> None:
    row = agreed("root", "leaf")
    record = row.cell["leaf"].acts_on["t1"]
    stray = Acceptance("t1", record.plan + 1, "0" * 64)
    row.inbox["leaf"] += [Mail("stranger", "leaf", stray), Mail("root", "other", stray)]
    row.inbox["leaf"].append(Mail("root", "leaf", Acceptance("t9", record.plan + 1, record.digest)))
    row.inbox["leaf"].append(Mail("root", "leaf", Message(record.plan + 8, 0, False, "stranger", "leaf", {})))
    row.run(1)
    assert row.cell["leaf"].acts_on == {"t1": record}
    assert row.cell["leaf"].sizes()["early mail"][0] == 0


@pytest.mark.parametrize("name", ["root", "leaf"])
def test_a_latched_cell_stays_latched_over_a_restart_until_an_operator_looks(name: str) -> None:
    row = agreed("root", "leaf")
    for _ in range(4):
        row.trouble[name] = "flapping"
        row.run(2)
        del row.trouble[name]
        row.run(12)
    assert row.cell[name].ladder.latched
    row.restart(name)
    assert row.cell[name].ladder.latched
    row.run(1)
    row.cell[name].ladder.release(row.instant(name).mono_s)
    row.run(130)
    assert levels(row) == [Level.COOPERATING] * 2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 0.6), st.booleans())
def test_whatever_is_lost_and_whoever_dies_ends_never_act_on_two_records(seed: int, loss: float, kill: bool) -> None:
    rng, row = random.Random(seed), Row("root", "mid", "leaf")
    row.lost = lambda _: rng.random() < loss
    for _ in range(260):
        if kill and rng.random() < 0.03:
            name = rng.choice(row.names)
            if name in row.down:
                row.restart(name)
            else:
                row.kill(name)
        row.run(1)
        for tie, upper, lower in (("t1", "root", "mid"), ("t2", "mid", "leaf")):
            if not {upper, lower} & row.down:
                a, b = row.cell[upper].acts_on.get(tie), row.cell[lower].acts_on.get(tie)
                assert a is None or b is None or a == b
        for name in row.names:
            for record in row.cell[name].acts_on.values():
                assert record.start <= row.cell[name].acted_at < record.until


def test_a_cell_that_falls_silent_in_a_plan_is_left_out_and_what_holds_on_its_tie_holds_until_it_lapses() -> None:
    row = agreed("root", "mid", "leaf")
    before = row.cell["mid"].acts_on["t2"]
    row.lost = lambda mail: isinstance(mail.said, Message) and "leaf" in {mail.sender, mail.receiver}
    row.run(60)  # presence and acceptances still come: all is well but the plan
    assert row.cell["mid"].acts_on["t1"].plan > before.plan
    assert row.cell["mid"].acts_on["t1"] == row.cell["root"].acts_on["t1"]
    assert row.cell["root"].level is Level.COOPERATING
    assert row.cell["mid"].acts_on["t2"] == row.cell["leaf"].acts_on["t2"] == before
    assert [note.body["with"] for note in row.notes["mid"] if note.kind == "anew"][:1] == [[]]
    assert row.planner["mid"].took_part[-1] == ()
    row.run(60)
    assert "t2" not in row.cell["mid"].acts_on
    assert row.cell["leaf"].acts_on == {}
    assert row.cell["leaf"].level is Level.FALLBACK
    row.lost = lambda _: False
    row.run(65)
    assert levels(row) == [Level.COOPERATING] * 3


def test_a_silent_parent_leaves_those_below_with_what_holds() -> None:
    row = agreed("root", "mid", "leaf")
    before = row.cell["leaf"].acts_on
    row.lost = lambda mail: isinstance(mail.said, Message) and "root" in {mail.sender, mail.receiver}
    row.run(60)
    assert row.cell["leaf"].acts_on == before
    why = [note.body["why"] for note in row.notes["leaf"] if note.kind == "late"]
    assert why
    assert "mid has fallen silent or goes on without us" in why[0]


def test_a_message_that_the_plan_cannot_use_ends_the_plan_and_not_the_cell() -> None:
    row = Row("root", "leaf")
    asked: list[Message] = []

    def lost(mail: Mail) -> bool:
        if isinstance(mail.said, Message):
            asked.append(mail.said)
        return True

    row.lost = lost
    row.run(38)
    row.inbox["leaf"].append(Mail("root", "leaf", Message(asked[-1].plan, 0, False, "root", "leaf", {})))
    row.run(1)
    failed = [note.body["why"] for note in row.notes["leaf"] if note.kind == "plan"]
    assert len(failed) == 1
    assert "on hearing root: KeyError('p')" in failed[0]
    row.lost = lambda _: False
    row.run(90)
    assert levels(row) == [Level.COOPERATING] * 2


def test_an_agreement_that_passes_what_an_operator_allows_is_left_at_once() -> None:
    row = agreed("root", "leaf")
    row.cap["leaf"] = Cap(import_kw_max=5.0)
    row.run(1)
    assert row.cell["leaf"].level is Level.FALLBACK
    assert row.orders("leaf") == ["alone/leaf"]
    left = [note.body for note in row.notes["leaf"] if note.body.get("event") == "contradicted"]
    assert [body["why"] for body in left] == ["an operator limits the import to 5 kW, this would be 7.0 kW"]
    assert row.cell["leaf"].splits == 0, "nobody broke a word"


def test_an_agreement_within_what_an_operator_allows_is_kept() -> None:
    row = agreed("root", "leaf")
    row.cap["leaf"] = Cap(import_kw_max=7.0, export_kw_max=0.0)
    row.run(10)
    assert row.cell["leaf"].level is Level.COOPERATING


def test_a_new_limit_changes_what_a_cell_does_before_the_step_of_time_ends() -> None:
    row = Row("root", "leaf")
    row.run(31)
    before = row.wants["leaf"].orders
    row.cap["leaf"] = Cap(import_kw_max=5.0)
    row.run(1)
    assert row.wants["leaf"].orders is not before, "orders were made anew"


@given(st.floats(0.0, 100.0), st.floats(-200.0, 200.0))
def test_a_cap_is_passed_only_by_more_than_the_noise_of_a_plan(limit: float, p_kw: float) -> None:
    noise = 0.5 + 0.01 * limit
    assert bool(Cap(import_kw_max=limit).breach(p_kw)) == (p_kw > limit + noise)
    assert bool(Cap(export_kw_max=limit).breach(-p_kw)) == (p_kw > limit + noise)
