"""Numbers into registers and back, and what meters make of a flow."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from farm_peers import pv
from hypothesis import given
from hypothesis import strategies as st

from archipel.farm import Fault, Inverter, InverterPlate, Meter, MeterPlate, Refusal, Truth
from archipel.farm.sunspec_image import SunSpecImage

IMAGE = pv().image
NUMBERS = sorted(p.path for p in IMAGE.points.values() if p.type in {"int16", "uint16", "int32", "uint32", "uint64"})


@given(st.sampled_from(NUMBERS), st.floats(-1e7, 1e7))
def test_a_value_comes_back_within_half_a_step_or_at_the_end_of_its_type(path: str, value: float) -> None:
    point = IMAGE.points[path]
    IMAGE.show(path, value)
    back = IMAGE.number(path)
    step = 10.0**point.scale
    signed, bits = point.type.startswith("int"), 16 * point.length
    most = (2 ** (bits - signed) - (1 if signed else 2)) * step
    expected = min(max(value, -most if signed else 0.0), most)
    assert abs(back - expected) <= 0.5 * step * (1 + 1e-9) + 1e-9 * abs(expected)


@given(st.sampled_from(NUMBERS), st.sampled_from([None, math.nan]))
def test_what_is_not_known_is_not_implemented_and_never_zero(path: str, value: float | None) -> None:
    IMAGE.show(path, value)
    assert IMAGE.value(path) is None


@given(st.integers(-5, 700), st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=123))
def test_any_write_is_taken_whole_or_refused_whole(at: int, words: list[int]) -> None:
    device = pv()
    before = list(device.registers)
    outcome = device.write(40000 + at, words)
    if outcome is None:
        assert all(device.image.points[path].writable for path in device.names(40000 + at, len(words)))
        assert len(device.registers) == len(before)
    else:
        assert isinstance(outcome, Refusal)
        assert device.registers == before


def test_the_chain_of_models_is_whole_and_ends() -> None:
    registers, at = pv().registers, 2
    assert struct.pack(">2H", *registers[:2]) == b"SunS"
    chain = []
    while registers[at] != 0xFFFF:
        chain.append(registers[at])
        at += registers[at + 1] + 2
    assert chain == [1, 103, 701, 702, 703, 704, 705, 712, 714]
    assert registers[at:] == [0xFFFF, 0]


def test_energy_counters_of_thirty_two_bits_roll_over() -> None:
    image = SunSpecImage([(103, {"WH": 0, "WH_SF": 0})])
    image.show("103.WH", 2.0**32 + 17.0)
    assert image.raw("103.WH") == 17


@pytest.mark.parametrize(
    ("model", "phases", "pair_v", "amps"),
    [(201, "A", 400.0, 6_000 / 230.94), (202, "AB", 461.88, 6_000 / 230.94), (203, "ABC", 400.0, 6_000 / 230.94)],
)
def test_a_meter_splits_the_flow_over_its_phases(model: Any, phases: str, pair_v: float, amps: float) -> None:
    meter = Meter(MeterPlate("meter", 10.0, model))
    meter.advance(3600.0, Truth(p_kw=-6.0))
    assert isinstance(meter.read(40000, len(meter.registers)), list)
    value = {path.removeprefix(f"{model}."): meter.image.value(path) for path in meter.image.points}
    assert value["W"] == -6_000.0
    assert [value[f"Wph{x}"] for x in phases] == pytest.approx([-6_000.0 / len(phases)] * len(phases))
    assert (value["PPV"], value["A"]) == (pytest.approx(pair_v, abs=1.0), pytest.approx(amps, abs=1.0))
    assert [value[f"Wph{x}"] for x in "ABC" if x not in phases] == [None] * (3 - len(phases))
    assert (value["TotWhExp"], value["TotWhImp"]) == (6_000.0, 0.0)


def test_a_meter_takes_no_orders_and_lies_when_told_to() -> None:
    meter = Meter(MeterPlate("meter", 10.0, 204))
    w = meter.image.points["204.W"].at
    assert meter.write(40000 + w, [5]) is Refusal.ILLEGAL_ADDRESS
    meter.advance(1.0, Truth(p_kw=4.0))
    assert meter.read(40000 + w, 1) == [400]
    meter.fault = Fault(reading="wrong sign")
    assert meter.read(40000 + w, 1) == [0x10000 - 400]
    with pytest.raises(ValueError, match="expected more than 0"):
        Meter(MeterPlate("meter", 0.0))


def test_an_inverter_shows_the_sum_of_its_phase_currents_at_any_size() -> None:
    for p_kw in (2.0, 50.0, 5_000.0):
        device = Inverter(InverterPlate("pv", p_kw))
        device.advance(60.0, Truth())
        assert isinstance(device.read(40000, len(device.registers)), list)
        phase_a = 1000.0 * p_kw / (math.sqrt(3.0) * 400.0)
        assert device.image.number("714.DCA") == pytest.approx(1000.0 * p_kw / 700.0, rel=0.01, abs=0.051)
        assert device.image.number("103.AphB") == pytest.approx(phase_a, rel=0.01)
        for path in ("103.A", "701.A"):
            assert device.image.number(path) == pytest.approx(3.0 * phase_a, rel=0.01), path
        assert device.image.number("702.AMaxRtg") == pytest.approx(phase_a, rel=0.01)
        assert device.image.number("702.WMaxRtg") == device.image.number("701.W") == 1000.0 * p_kw
