"""Why: what a setpoint, a price and a refusal come from, in sentences that name element, value and limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import short_district
from short_district import NOON

from archipel.web.explain import LOCAL_RULE, Moment, Reasons, refusal
from archipel.web.nouns import Command, CommandState, Reason, Why

REASONS = Reasons(short_district.district())


def device(kind: str, cell: str = "") -> str:
    case = short_district.district()
    row = next(
        i
        for i, (k, c) in enumerate(zip(case.device_kind, case.device_cell, strict=True))
        if k == kind and cell in {"", case.archipelago.cell[c].id}
    )
    return case.device_id[row]


def rules(why: Why, rule: str) -> list[Reason]:
    return [reason for reason in why.reasons if reason.rule == rule]


def test_a_device_without_a_setpoint_follows_a_rule_that_is_said() -> None:
    source = short_district.source()
    for kind in ("load", "pv", "battery", "ev_charger"):
        why = source.why("uncoordinated", "setpoint", device(kind), NOON)
        assert LOCAL_RULE[kind] in why.text
        assert why.reasons[0].rule == "rule"
        assert not rules(why, "lease")


def test_a_setpoint_says_its_plan_its_price_and_what_was_agreed() -> None:
    source = short_district.source()
    name = device("battery")
    why = source.why("distributed", "setpoint", name, NOON + timedelta(minutes=20))
    (lease,) = rules(why, "lease")
    assert "plan made at 10:00" in lease.text
    assert "lapses at 14:00" in lease.text
    row = short_district.district().device_id.index(name)
    result = short_district.results()["distributed"]
    assert result.p_kw_set is not None
    assert lease.value == pytest.approx(result.p_kw_set[row, 1], abs=1e-4)
    (price,) = rules(why, "price")
    assert price.value is not None
    assert price.bound is not None, "and what the plan expects on average"
    (message,) = rules(why, "message")
    assert message.element.startswith("trafo/")
    assert "agreed on" in message.text


def test_the_price_of_a_tie_is_told_part_by_part() -> None:
    source = short_district.source()
    for tie in source.agreements("distributed", NOON).ties:
        if tie.agreed_kw is None:
            continue
        why = source.why("distributed", "price", tie.tie, NOON)
        told = sum(reason.value or 0.0 for reason in rules(why, "price"))
        assert told == pytest.approx(tie.price_eur_per_kwh, abs=2e-4), "parts too small to be read are left out"


def test_where_a_limit_makes_the_price_the_element_at_its_limit_is_named() -> None:
    """Where a node's price differs most from its cell's, a transformer or line or voltage is at its limit."""
    source, case = short_district.source(), short_district.district()
    price = short_district.results()["distributed"].node_price
    assert price is not None
    inside = np.abs(price[:, 0, 0] - np.median(price[:, 0, 0]))
    node = case.grid.nodes.id[int(np.argmax(inside))]
    limits = rules(source.why("distributed", "price", node, NOON), "limit")
    assert inside.max() > 1e-3
    assert limits
    for reason in limits:
        assert reason.element in {*case.grid.branch_id, *case.grid.nodes.id, "upstream"}
        assert reason.value is not None
        assert reason.bound is not None
        assert abs(reason.value - reason.bound) <= 0.02 * abs(reason.bound)


def test_a_node_costs_what_the_table_of_nodes_says() -> None:
    source, case = short_district.source(), short_district.district()
    node = int(np.flatnonzero(case.archipelago.node_cell == 3)[-1])
    why = source.why("distributed", "price", case.grid.nodes.id[node], NOON)
    price = short_district.results()["distributed"].node_price
    assert price is not None
    assert f"{price[node, 0, 0]:.4f} EUR" in why.text


def test_without_a_price_it_is_said_why_there_is_none() -> None:
    why = short_district.source().why("uncoordinated", "price", "trafo/5", NOON)
    assert "no price" in why.text
    assert "nobody agrees" in why.text


def moment(**columns: float) -> Moment:
    source = short_district.source()
    frame = source.frame("distributed", NOON)
    values = frame.values.copy()
    row = short_district.district().device_id.index(device("battery"))
    for column, value in columns.items():
        source._values.builder.column(values, "devices", column)[row] = value
    return Moment(time=NOON, values=values, made=NOON)


def test_a_full_battery_says_that_it_is_full_and_that_it_does_not_do_what_it_is_told() -> None:
    why = REASONS.setpoint(moment(soc=1.0, p_kw=0.0, p_kw_set=3.0), device("battery"))
    texts = [reason.text for reason in rules(why, "limit")]
    assert any("is full and cannot charge" in text for text in texts)
    assert any("draws 0.0 kW instead of 3.0 kW" in text for text in texts)


def test_a_device_held_by_hand_says_by_whom() -> None:
    held = Moment(time=NOON, values=moment(p_kw_set=0.0).values, held_by="anna until 12:00")
    why = REASONS.setpoint(held, device("battery"))
    assert "told to rest by anna until 12:00" in why.text


@pytest.mark.parametrize(("text", "rule"), [
    ("switch/3: a safety tag is on it", "tag"),
    ("trafo/5: 900 kW is beyond its limit of 630 kW", "limit"),
    ("LV3.304: only one command at a time", "rule"),
])  # fmt: skip
def test_a_refusal_gives_the_commands_own_text_and_its_rule(text: str, rule: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    command = Command(id="abcdefgh", act="hold", element="battery/1", p_kw=900.0)
    why = refusal(CommandState(command=command, who="anna", phase="refused", text=text, at={}), now)
    assert why.subject == "refusal"
    assert text in why.text
    assert why.reasons[0].rule == rule
    assert why.reasons[1].value == 900.0
