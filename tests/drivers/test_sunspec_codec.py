"""SunSpec registers to values and back, checked against pysunspec2 and by laws."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served import CONTROLS, model
from sunspec2.device import Model

from archipel.drivers.errors import DecodeError, EncodeError
from archipel.drivers.sunspec.codec import Image, encode, scaled
from archipel.drivers.sunspec.definitions import MODELS, Group, Point, definition

REGISTER = st.integers(0, 0xFFFF) | st.sampled_from([0, 1, 2, 0x7FFF, 0x8000, 0xFFFF, 0xFFFE])


def test_values_are_scaled_and_what_is_not_implemented_is_none() -> None:
    image = Image(model(701, W=-1234, W_SF=1, Var=7, LLV=0, V_SF=-1, TotWhInj=5, TotWh_SF=0))
    assert image.value("W") == -12340
    assert image.value("LLV") == 0.0
    assert image.value("TotWhInj") == 5
    assert image.value("Hz") is None
    assert image.value("VA") is None


def test_a_value_whose_scale_factor_is_not_told_is_not_known() -> None:
    assert Image(model(701, W=1000)).value("W") is None


def test_an_impossible_scale_factor_spoils_only_the_values_that_need_it() -> None:
    image = Image(model(701, W=1, W_SF=11, Hz=5000, Hz_SF=-2))
    assert image.value("Hz") == 50.0
    with pytest.raises(DecodeError, match="found 11; expected -10 to 10"):
        image.value("W")


def test_repeated_groups_are_found_and_share_the_scale_factors_of_their_model() -> None:
    image = Image(model(714, NPrt=2, DCW_SF=1, Prt=[{"DCW": 5, "IDStr": "east"}, {"DCW": -7}]))
    assert (image.value("Prt[0].DCW"), image.value("Prt[1].DCW"), image.value("Prt[0].IDStr")) == (50, -70, "east")
    assert "Prt[2].DCW" not in image


def test_curves_hold_their_points() -> None:
    curve = {"ActPt": 2, "DeptRef": 1, "Pt": [{"V": 920, "Var": 440}, {"V": 1080, "Var": -440}]}
    image = Image(model(705, NPt=2, NCrv=1, V_SF=-1, DeptRef_SF=-1, Crv=[curve]))
    assert image.value("Crv[0].Pt[1].V") == 108.0
    assert image.value("Crv[0].Pt[1].Var") == -44.0


def test_more_repetitions_than_there_is_room_for_are_refused() -> None:
    registers = model(714, NPrt=1, Prt=[{}])
    registers[4] = 40
    with pytest.raises(DecodeError, match="NPrt: found 40; expected at most 1"):
        Image(registers)


def test_an_older_edition_lacks_its_last_points_and_the_others_are_read() -> None:
    registers = model(802, SoC=55, SoC_SF=0, W=1, W_SF=0)[:60]
    registers[1] = 58
    image = Image(registers)
    assert image.value("SoC") == 55
    assert image.value("W") is None


@pytest.mark.parametrize("registers", [[], [701], [9, 2, 0, 0], [701, 153, 0], [701, 1, 70000], [701, 1, -1]])
def test_what_is_no_model_is_refused(registers: list[int]) -> None:
    with pytest.raises(DecodeError):
        Image(registers)


def counts(group: Group) -> set[str]:
    """Points that say how often a group is repeated."""
    return {each.count for each in group.groups if each.count} | {n for each in group.groups for n in counts(each)}


@pytest.mark.parametrize("number", sorted(MODELS))
def test_a_model_that_implements_nothing_has_no_values_and_never_zeros(number: int) -> None:
    once = dict.fromkeys(counts(definition(number)), 1)
    image = Image(model(number, **once))
    values = {path: image.value(path) for path in image.paths if path not in {"ID", "L"}}
    assert len(values) > 4
    assert {path: value for path, value in values.items() if value is not None} == once
    assert not once or any("[0]" in path for path in values)


@given(st.sampled_from(sorted(MODELS)), st.lists(REGISTER, max_size=200), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_registers_give_values_or_none_or_a_decode_error(number: int, registers: list[int], whole: bool) -> None:
    try:
        image = Image([number, *registers], whole=whole)
    except DecodeError:
        return
    for path in image.paths:
        try:
            value = image.value(path)
        except DecodeError:
            continue
        assert value is None or isinstance(value, int | float | str)
        assert not isinstance(value, float) or math.isfinite(value)


@given(st.sampled_from([103, 201, 204, 701, 702, 704, 713, 802]), st.data())
@settings(max_examples=60, deadline=None)
def test_values_are_those_of_the_independent_decoder(number: int, data: st.DataObject) -> None:
    size = definition(number).size + sum(group.size for group in definition(number).groups)
    drawn = data.draw(st.binary(min_size=2 * size - 4, max_size=2 * size - 4))
    registers = [number, size - 2, *struct.unpack(f">{size - 2}H", drawn)]
    at = 0
    for point in definition(number).points:
        if point.type == "sunssf":
            registers[at] = data.draw(st.integers(-10, 10)) & 0xFFFF
        at += point.size
    image = Image(registers)
    peer = Model(number, data=b"".join(each.to_bytes(2, "big") for each in registers), model_len=size)
    compared = 0
    for point in definition(number).points:
        if point.type in {"int16", "uint16", "int32", "uint32", "uint64", "acc32"} and point.name not in {"ID", "L"}:
            theirs = peer.points[point.name].cvalue
            ours = image.value(point.name)
            if theirs is None or ours is None:
                assert (theirs or None, ours) == (None, None), point.name
            else:
                assert ours == pytest.approx(theirs, rel=1e-12)
            compared += 1
    assert compared >= 4


def writable() -> list[tuple[int, Point]]:
    """Numbers that can be written, of all models."""
    return [
        (number, point)
        for number in sorted(MODELS)
        for point in definition(number).points
        if point.writable and point.type in {"int16", "uint16", "int32", "uint32"}
    ]


@given(st.sampled_from(writable()), st.integers(-10, 10), st.floats(-1e12, 1e12))
@settings(max_examples=300, deadline=None)
def test_what_is_encoded_is_decoded_within_half_a_step_or_refused(
    which: tuple[int, Point], sf: int, value: float
) -> None:
    number, point = which
    scale = sf if point.scale else 0
    try:
        registers = encode(point, value, scale)
    except EncodeError:
        reach = 10.0**scale * {"int16": 32767, "uint16": 65534, "int32": 2**31 - 1, "uint32": 2**32 - 2}[point.type]
        assert not 0 <= value <= reach
        return
    size = definition(number).size
    image = [number, size - 2, *[0] * (size - 2)]
    at = 0
    for each in definition(number).points:
        if each.name == point.name:
            image[at : at + each.size] = registers
        elif each.name == point.scale:
            image[at] = scale & 0xFFFF
        at += each.size
    found = Image(image, whole=False).value(point.name)
    assert isinstance(found, int | float)
    assert abs(found - value) <= 0.5 * 10.0**scale * (1 + 1e-9) + 1e-9 * abs(value)


@given(st.floats(0, 6000), st.integers(-3, 1))
def test_a_limit_is_never_rounded_up(value: float, scale: int) -> None:
    point = next(each for each in definition(704).points if each.name == "WMaxLimPct")
    try:
        (number,) = encode(point, value, scale, rounding="to_zero")
    except EncodeError:
        assert value * 10**-scale > 65534
        return
    assert scaled(number, scale) <= value * (1 + 1e-9) + 1e-8
    assert scaled(number, scale) > value - 10.0**scale


def test_a_value_beyond_the_registers_is_refused_with_the_range() -> None:
    image = Image(model(704, **CONTROLS))
    with pytest.raises(EncodeError, match=r"WMaxLimPct: found 7000 Pct; expected 0 to 6553.4 Pct"):
        image.encode("WMaxLimPct", 7000)
    with pytest.raises(EncodeError, match="expected a finite number"):
        image.encode("WMaxLimPct", math.nan)


def test_steps_that_are_too_coarse_are_refused_with_the_step() -> None:
    image = Image(model(704, **{**CONTROLS, "WSet_SF": 4}))
    with pytest.raises(EncodeError, match="Its steps of 10000 W are too coarse"):
        image.encode("WSet", 14000, step_most=1000)
    assert image.encode("WSet", 20500, step_most=1000) == (0, 2)


def test_only_implemented_writable_points_are_encoded() -> None:
    image = Image(model(704, **{**CONTROLS, "WSet": None, "VarSet_SF": None}))
    for point, missing in (
        ("WSet", "implement WSet,"),
        ("VarSet", "implement VarSet_SF"),
        ("WSetRvrtRem", "read-only"),
    ):
        with pytest.raises(EncodeError, match=missing):
            image.encode(point, 1)
