"""Cards: the normal makes none, a thing beyond its limit one, and whatever follows from it a sentence of that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import short_district
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from archipel.model import Connection
from archipel.web.card_signals import CardFacts
from archipel.web.cards import CardRules
from archipel.web.columns import FrameBuilder
from archipel.web.nouns import Card, PlanRecord

T0 = datetime(2026, 3, 1, 18, tzinfo=UTC)
SECOND = timedelta(seconds=1)
BUILDER = FrameBuilder(short_district.district())
CELLS = [cell.id for cell in short_district.district().archipelago.cell]
BRANCH = short_district.district().grid.branch_id
TEMPLATE = CardRules(short_district.district(), "live", settle_s=5.0)
CONNECTED, ISLANDING, ISLAND, DARK = 0, 1, 2, 7


def calm() -> NDArray[np.float32]:
    """A frame in which all is well."""
    return BUILDER.values(
        {
            ("area", "upstream_p_kw"): 500.0,
            ("area", "unserved_kw"): 0.0,
            ("cells", "renewable_kw"): 100.0,
            ("cells", "available_kw"): 100.0,
            ("cells", "level"): 0.0,
            ("cells", "mode"): 0.0,
            ("cells", "age_s"): 0.1,
            ("nodes", "v_pu"): 1.02,
            ("branches", "loading"): 0.4,
        }
    )


def put(frame: NDArray[np.float32], table: str, column: str, row: int, value: float) -> NDArray[np.float32]:
    out = frame.copy()
    BUILDER.column(out, table, column)[row] = value
    return out


def all_of(rules: CardRules) -> dict[str, Card]:
    return {card.cause: card for card in rules.cards()}


def plan(*, accepted: bool = True, silent: tuple[str, ...] = ()) -> PlanRecord:
    return PlanRecord(
        time=T0, rounds=9, messages=9, bytes=9, gap=0.0, accepted=accepted, cost_eur=1.0, silent=list(silent), given=[]
    )


def test_the_normal_makes_no_card() -> None:
    rules = TEMPLATE.afresh()
    for second in range(60):
        assert rules.see(T0 + second * SECOND, calm(), CardFacts(plan=plan())) == []
    assert rules.cards() == []


def test_what_is_not_known_makes_no_card() -> None:
    rules = TEMPLATE.afresh()
    assert rules.see(T0, BUILDER.values({})) == []


def test_an_overload_begins_a_card_and_ends_it_when_it_has_been_well_for_a_while() -> None:
    rules, row = TEMPLATE.afresh(), BRANCH.index("trafo/6")
    (card,) = rules.see(T0, put(calm(), "branches", "loading", row, 1.11))
    assert (card.severity, card.cause, card.element, card.cell) == ("action", "overload trafo/6", "trafo/6", "LV3.305")
    assert "111 %" in card.text
    assert card.ended is None
    assert rules.see(T0 + SECOND, put(calm(), "branches", "loading", row, 1.003)) == [], "not well inside yet"
    assert rules.see(T0 + 4 * SECOND, calm()) == [], "well for 3 s only"
    (ended,) = rules.see(T0 + 7 * SECOND, calm())
    assert (ended.id, ended.severity, ended.ended) == (card.id, "compliant", T0 + 7 * SECOND)
    assert "111 %" in ended.text, "it says what it was"


def test_a_value_just_inside_its_limit_begins_nothing() -> None:
    rules = TEMPLATE.afresh()
    assert rules.see(T0, put(calm(), "branches", "loading", 700, 1.004)) == []
    high = short_district.district().grid.nodes.v_pu_max[700]
    assert rules.see(T0 + SECOND, put(calm(), "nodes", "v_pu", 700, high + 0.0004)) == []


def test_what_lies_above_an_overload_and_the_voltage_below_it_are_sentences_of_one_card() -> None:
    case, rules = short_district.district(), TEMPLATE.afresh()
    paths = TEMPLATE._rules._paths
    node = int(np.flatnonzero(case.archipelago.node_cell == CELLS.index("LV3.305"))[-1])
    below, *above = paths.branches_of(node)
    frame = put(calm(), "branches", "loading", below, 1.3)
    frame = put(frame, "branches", "loading", above[1], 1.1)
    frame = put(frame, "nodes", "v_pu", node, case.grid.nodes.v_pu_min[node] - 0.01)
    elsewhere = BRANCH.index("trafo/5")
    rules.see(T0, put(frame, "branches", "loading", elsewhere, 1.1))
    cards = all_of(rules)
    assert set(cards) == {f"overload {BRANCH[below]}", "overload trafo/5"}
    card = cards[f"overload {BRANCH[below]}"]
    assert card.severity == "alarm"
    assert len(card.children) == 2
    assert any(case.grid.nodes.id[node] in child for child in card.children)


def test_a_silent_cell_is_one_card_with_what_its_neighbours_do_about_it() -> None:
    rules, silent = TEMPLATE.afresh(), CELLS.index("Feeder12")
    frame = put(put(calm(), "cells", "age_s", silent, 12.0), "cells", "level", silent, 5.0)
    for row, cell in enumerate(short_district.district().archipelago.cell):
        if cell.parent == "Feeder12":
            frame = put(frame, "cells", "level", row, 2.0)
    facts = CardFacts(plan=plan(accepted=False, silent=("Feeder12",)), why={"LV3.304": "Feeder12 is silent"})
    rules.see(T0, frame, facts)
    (card,) = rules.cards()
    assert (card.cause, card.severity, card.cell) == ("silent Feeder12", "action", "Feeder12")
    assert any("LV3.304 holds a tie at its default: Feeder12 is silent" in child for child in card.children)
    assert any("plan of 18:00" in child for child in card.children)


def test_all_that_follows_from_a_lost_main_grid_is_one_card() -> None:
    rules, frame = TEMPLATE.afresh(), calm()
    for row in range(len(CELLS)):
        frame = put(frame, "cells", "mode", row, DARK if row % 3 else ISLAND)
        frame = put(frame, "cells", "level", row, 4.0)
    frame = put(frame, "area", "unserved_kw", 0, 42.0)
    rules.see(T0, frame, CardFacts(critical_unserved_kw=3.0))
    (card,) = rules.cards()
    assert (card.cause, card.severity) == ("main grid", "alarm")
    assert any("dark" in child or "no voltage" in child for child in card.children)


def test_a_cell_that_was_sent_into_an_island_is_information_only() -> None:
    row = CELLS.index("LV3.304")
    rules = TEMPLATE.afresh()
    (card,) = rules.see(T0, put(calm(), "cells", "mode", row, ISLAND), CardFacts(wanted_islands={"LV3.304"}))
    assert card.severity == "information"
    rules = TEMPLATE.afresh()
    (card,) = rules.see(T0, put(calm(), "cells", "mode", row, ISLANDING))
    assert card.severity == "action"


def test_the_connection_beyond_its_firm_limit_and_energy_not_served_are_cards() -> None:
    rules = TEMPLATE.afresh()
    frame = put(put(calm(), "area", "upstream_p_kw", 0, -2700.0), "area", "unserved_kw", 0, 4.0)
    rules.see(T0, frame, CardFacts(critical_unserved_kw=1.5))
    cards = all_of(rules)
    assert set(cards) == {"connection", "unserved"}
    assert "2,600 kW" in cards["connection"].text
    assert cards["unserved"].severity == "alarm"
    assert "1.5 kW of it critical" in cards["unserved"].text


def test_holding_back_the_sun_is_one_piece_of_information_for_the_area() -> None:
    rules = TEMPLATE.afresh()
    frame = put(put(calm(), "cells", "available_kw", 4, 180.0), "cells", "available_kw", 5, 150.0)
    (card,) = rules.see(T0, frame)
    assert (card.severity, card.cause, len(card.children)) == ("information", "curtailment", 1)


def test_inverters_that_trip_are_counted_by_cell() -> None:
    case, rules = short_district.district(), TEMPLATE.afresh()
    tripped = np.zeros(len(case.device_id), dtype=bool)
    tripped[np.flatnonzero((np.array(case.device_kind) == "pv") & (case.device_cell == 4))[:3]] = True
    (card,) = rules.see(T0, calm(), CardFacts(tripped=tripped))
    assert card.text.startswith("3 inverters")


@given(st.data())
def test_a_double_fault_makes_at_most_ten_cards_in_ten_minutes(data: st.DataObject) -> None:
    """One cell silent and lines overloaded, or the main grid lost: whatever else breaks then."""
    rules, base = TEMPLATE.afresh(), calm()
    silent = data.draw(st.integers(0, len(CELLS) - 1))
    base = put(put(base, "cells", "age_s", silent, 30.0), "cells", "level", silent, 5.0)
    if data.draw(st.booleans()):
        for row in range(len(CELLS)):
            base = put(base, "cells", "mode", row, data.draw(st.sampled_from([ISLANDING, ISLAND, DARK])))
    rows = st.lists(st.integers(0, len(BRANCH) - 1), max_size=30)
    nodes = st.lists(st.integers(0, len(short_district.district().grid.nodes) - 1), max_size=30)
    for minute in range(10):
        frame = base
        for row in data.draw(rows):
            frame = put(frame, "branches", "loading", row, 1.3)
        for row in data.draw(nodes):
            frame = put(frame, "nodes", "v_pu", row, 1.2)
        rules.see(T0 + minute * 60 * SECOND, frame)
    assert 1 <= len(rules.cards()) <= 10


def test_the_same_happenings_give_the_same_ids_and_another_strategy_others() -> None:
    frame = put(calm(), "branches", "loading", 10, 1.2)
    ids = []
    for name in ("a", "a", "b"):
        rules = CardRules(short_district.district(), name)
        ids.append([card.id for card in rules.see(T0, frame)])
    assert ids[0] == ids[1] != ids[2]


def test_an_acknowledged_card_keeps_the_name_of_who_saw_it() -> None:
    rules = TEMPLATE.afresh()
    (card,) = rules.see(T0, put(calm(), "branches", "loading", 10, 1.2))
    seen = rules.acknowledge(card.id, "anna")
    assert seen is not None
    assert seen.acknowledged_by == "anna"
    assert rules.cards()[0].acknowledged_by == "anna"
    assert rules.acknowledge("none", "anna") is None


def test_cards_of_a_run_are_those_of_its_frames() -> None:
    source = short_district.source()
    rules = CardRules(short_district.district(), "uncoordinated", normal_level=4, settle_s=0.0)
    at = short_district.NOON
    for step in range(short_district.STEPS):
        at = short_district.NOON + timedelta(minutes=15 * step)
        rules.see(at, source.frame("uncoordinated", at).values)
    told = {card.cause: card for card in source.cards("uncoordinated", at)}
    seen = {card.cause: card for card in rules.cards()}
    assert set(seen) == {cause for cause in told if not cause.startswith("trip")}
    assert any(cause.startswith("overload") for cause in told)
    for cause, card in seen.items():
        assert (told[cause].begun, told[cause].ended, told[cause].id) == (card.begun, card.ended, card.id)


def test_a_run_knows_at_a_time_only_what_had_happened_by_then() -> None:
    source, at = short_district.source(), short_district.NOON
    early = {card.id for card in source.cards("uncoordinated", at)}
    late = {card.id: card for card in source.cards("uncoordinated", None)}
    assert early <= set(late)
    assert all(card.begun <= at for card in source.cards("uncoordinated", at))


def test_trips_of_a_run_are_found_where_the_twin_had_them() -> None:
    case = short_district.district()
    result = short_district.results()["uncoordinated"]
    tripped = (result.p_kw == 0.0) & (result.available_kw > 1.0) & (np.array(case.device_kind) == "pv")[:, None]
    cells = {CELLS[c] for c in case.device_cell[np.flatnonzero(tripped.any(axis=1))]}
    cards = short_district.source().cards("uncoordinated", None)
    said = {card.cell for card in cards if card.cause.startswith("trip")}
    said |= {cell for cell in cells for card in cards if any(f"in {cell} switched off" in t for t in card.children)}
    assert cells
    assert said == cells


def test_a_limit_told_for_a_time_counts_like_the_firm_one_while_it_holds() -> None:
    rules = TEMPLATE.afresh()
    told = put(put(calm(), "area", "upstream_p_kw", 0, -700.0), "area", "export_kw_max", 0, 600.0)
    rules.see(T0, told)
    assert "600 kW" in all_of(rules)["connection"].text
    free = put(calm(), "area", "upstream_p_kw", 0, -700.0)
    (ended,) = [card for s in range(1, 8) for card in rules.see(T0 + s * SECOND, free)]
    assert ended.severity == "compliant"


@pytest.mark.parametrize("limit", [100.0, float("inf")])
def test_no_limit_at_the_connection_is_none(limit: float) -> None:
    case = replace(short_district.district(), connection=Connection(import_kw_max=limit))
    cards = CardRules(case).see(T0, calm())
    assert bool(cards) == (limit == 100.0)
