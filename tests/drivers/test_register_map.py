"""The Archipel register map: its table, its page and its codec."""

from __future__ import annotations

import contextlib
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.drivers.errors import DecodeError, EncodeError
from archipel.drivers.mapped import codec
from archipel.model import register_map as table

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "register-map.md"


def test_the_map_has_no_gap_and_no_overlap_and_fits_into_one_read() -> None:
    at = 0
    for register in table.REGISTERS:
        assert register.offset == at
        assert register.length == table.LENGTH.get(register.type, register.length)
        at = register.end
    assert at == table.SIZE <= 125
    assert len({register.name for register in table.REGISTERS}) == len(table.REGISTERS)


def test_only_command_and_fallback_are_writable() -> None:
    assert {each for each in table.REGISTERS if each.writable} == {*table.COMMAND, *table.FALLBACK}


def test_the_page_of_the_map_says_what_the_table_says() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) \| `(\w+)` \| (\w+) \| ([^|]*) \| (r|rw) \|", PAGE.read_text(), re.MULTILINE)
    assert [tuple(map(str.strip, row)) for row in rows] == [
        (
            str(table.BASE_ADDRESS + each.offset),
            str(each.length),
            each.name,
            each.type,
            each.unit,
            "rw" if each.writable else "r",
        )
        for each in table.REGISTERS
    ]


@pytest.mark.parametrize("codes", [table.Kind, table.State, table.Result])
def test_the_page_of_the_map_names_every_code(codes: type[table.Kind | table.State | table.Result]) -> None:
    text = PAGE.read_text()
    assert not [code for code in codes if f"| {int(code)} | {code.name.lower().replace('_', ' ')} |" not in text]


def values() -> st.SearchStrategy[dict[str, int | str | None]]:
    """Any values of the whole map."""
    kinds = {
        "uint16": st.none() | st.integers(0, 0xFFFE),
        "uint32": st.none() | st.integers(0, 0xFFFF_FFFE),
        "uint64": st.none() | st.integers(0, 0xFFFF_FFFF_FFFF_FFFE),
        "int32": st.none() | st.integers(-0x7FFF_FFFF, 0x7FFF_FFFF),
        "string": st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=16),
    }
    return st.fixed_dictionaries({each.name: kinds[each.type] for each in table.REGISTERS})


@given(values())
@settings(max_examples=50, deadline=None)
def test_what_is_encoded_is_decoded(wanted: dict[str, int | str | None]) -> None:
    assert codec.decode(table.REGISTERS, codec.encode(table.REGISTERS, wanted)) == wanted


@given(st.binary(min_size=2 * table.SIZE, max_size=2 * table.SIZE))
@settings(max_examples=100, deadline=None)
def test_any_registers_give_a_reading_or_a_decode_error(data: bytes) -> None:
    found = codec.decode(table.REGISTERS, struct.unpack(f">{table.SIZE}H", data))
    with contextlib.suppress(DecodeError):
        codec.identified(found)
    try:
        reading = codec.reading(found, found, measured_at_s=0.0, stale=False)
    except DecodeError:
        assert found["state"] not in set(table.State)
        return
    assert reading.p_kw is None or reading.p_kw == found["p"] / 1000  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sequence", 65535),
        ("sequence", -1),
        ("setpoint", -(2**31)),
        ("setpoint", 2**31),
        ("setpoint", 1.5),
        ("setpoint", "x"),
    ],
)
def test_a_value_that_the_registers_cannot_say_is_refused(name: str, value: object) -> None:
    command = {"sequence": 1, "valid_for": 1, "setpoint": 1, "q_setpoint": 1, name: value}
    with pytest.raises(EncodeError, match=f"{name}: found .* expected a whole number from"):
        codec.encode(table.COMMAND, command)  # type: ignore[arg-type]


def test_a_wrong_number_of_registers_is_refused() -> None:
    with pytest.raises(DecodeError, match="found 3 registers; expected 36"):
        codec.decode(table.IDENTITY, [1, 2, 3])
