"""What operators decide survives everything, and whoever wants to write is told no by a tag, in every mode."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.field.permission import Act, FieldState, Mode, Permission, Tag
from archipel.field.state import Decision, OperatorRefused, armed, disarmed, read_state, record, tagged, untagged
from archipel.journal import Journal, Kind, LedgerReader, restore

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NAMES = st.sampled_from(["battery", "pv", "switch", "line"])
TAGS = st.dictionaries(NAMES, st.just(Tag("x", "Ada", "people at work", NOW)))
STATES = st.one_of(
    st.builds(FieldState, tags=TAGS),
    st.builds(
        FieldState,
        mode=st.just(Mode.ARMED),
        armed=st.dictionaries(NAMES, st.just("mark")),
        tags=TAGS,
        certain=st.booleans(),
    ),
)


@settings(max_examples=300)
@given(STATES, NAMES, st.sampled_from(Act), st.dictionaries(NAMES, st.frozensets(NAMES)))
def test_nothing_tagged_is_operated_or_energised_in_any_mode(
    state: FieldState, device: str, act: Act, touches: dict[str, frozenset[str]]
) -> None:
    permission = Permission(state, touches, switches={"switch"})
    on_it = {device, *touches.get(device, ())} & state.tags.keys()
    why = permission.why_not(device, act)
    if on_it and (act is not Act.RELEASE or device == "switch"):
        assert "safety tag" in why
        assert "people at work" in why
    elif act is Act.RELEASE:
        assert why == ""
    else:
        assert (why == "") == (
            state.mode is Mode.ARMED and device in state.armed and (state.certain or act is not Act.SWITCH)
        )


def test_only_the_device_that_was_commissioned_may_be_commanded() -> None:
    permission = Permission(armed(FieldState(), {"battery": "Sunny 4711 #1"}, "digest"))
    assert permission.may("battery", Act.POWER, "Sunny 4711 #1")
    assert "found Sunny 4712 #2" in permission.why_not("battery", Act.POWER, "Sunny 4712 #2")
    assert "not armed" in permission.why_not("pv", Act.POWER)


def test_a_new_cell_is_in_shadow(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        assert read_state(journal) == FieldState()
        assert Permission(read_state(journal)).why_not("battery", Act.POWER) == "the cell is in shadow"


def decide(journal: Journal, number: int, state: FieldState) -> None:
    record(journal, Decision(f"{number}", "test", "Ada", ""), state, now=NOW + timedelta(seconds=number))


def test_mode_and_tags_are_as_they_were_after_a_restart_and_seen_from_outside(tmp_path: Path) -> None:
    state = tagged(armed(FieldState(), {"battery": "m"}, "digest"), "switch", "Ada", "people at work", NOW)
    with Journal(tmp_path) as journal:
        decide(journal, 1, state)
        journal.append(Kind.OPERATOR, "note", {"text": "not a decision"}, time=NOW)
        journal.commit()
        reader = LedgerReader(tmp_path / "ledger.db")
        assert read_state(reader) == state
        reader.close()
    with Journal(tmp_path) as journal:
        assert read_state(journal) == state
        decide(journal, 2, disarmed(read_state(journal)))
        assert read_state(journal).tags == state.tags
        decide(journal, 3, untagged(read_state(journal), "switch"))
        assert read_state(journal) == FieldState()


def test_after_a_restore_the_cell_is_in_shadow_and_no_switch_is_operated_until_it_is_armed_anew(
    tmp_path: Path,
) -> None:
    with Journal(tmp_path / "old") as journal:
        decide(journal, 1, armed(FieldState(), {"switch": "m"}, "digest"))
        journal.backup(tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new", time=NOW)
    with Journal(tmp_path / "new") as journal:
        state = read_state(journal)
        assert (state.mode, state.certain) == (Mode.SHADOW, False)
        decide(journal, 2, tagged(state, "line", "Ada", "earthed", NOW))
        assert not read_state(journal).certain
        decide(journal, 3, armed(read_state(journal), {"switch": "m"}, "digest"))
        assert read_state(journal).certain
        assert Permission(read_state(journal)).may("switch", Act.SWITCH)


@pytest.mark.parametrize(("who", "why"), [("", "x"), ("Ada", " "), ("Ada", "x\ny"), ("A" * 201, "x")])
def test_a_tag_names_a_person_and_a_reason(who: str, why: str) -> None:
    with pytest.raises(OperatorRefused, match="1 to 200 printable letters"):
        tagged(FieldState(), "switch", who, why, NOW)


def test_a_tag_is_neither_replaced_nor_removed_twice() -> None:
    state = tagged(FieldState(), "switch", "Ada", "people at work", NOW)
    with pytest.raises(OperatorRefused, match="has one already, by Ada"):
        tagged(state, "switch", "Bob", "testing", NOW)
    with pytest.raises(OperatorRefused, match="tagged are: switch"):
        untagged(state, "line")


def test_nothing_is_armed_without_a_device_that_passed() -> None:
    with pytest.raises(OperatorRefused, match="no device passed"):
        armed(FieldState(), {}, "digest")
