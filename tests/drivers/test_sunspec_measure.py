"""Signs at the edge: inverters count generation, meters import; inside, positive is drawn."""

from __future__ import annotations

import math

import pytest
from served import CAPACITY, model

from archipel.drivers.base import DeviceState, Quality, Reading
from archipel.drivers.sunspec.codec import Image
from archipel.drivers.sunspec.measure import Ratings, ratings, reading


def read(main: list[int], store: list[int] | None = None, **how: object) -> Reading:
    stored = None if store is None else Image(store)
    rated = how.pop("rated", Ratings())
    return reading(Image(main), stored, measured_at_s=1.0, rated=rated, **how)  # type: ignore[arg-type]


INVERTER = {"W_SF": 0, "Var_SF": 0, "VAr_SF": 0, "V_SF": 0}
METER = {"W_SF": 0, "VAR_SF": 0, "V_SF": 0, "TotWh_SF": 0}


@pytest.mark.parametrize(("number", "reactive"), [(103, "VAr"), (701, "Var")])
@pytest.mark.parametrize("w", [30000, -30000])
def test_an_inverter_that_generates_draws_negative_power_and_one_that_charges_positive(
    number: int, reactive: str, w: int
) -> None:
    found = read(
        model(number, W=w, **{reactive: -w // 10}, **{k: v for k, v in INVERTER.items() if k in known(number)})
    )
    assert (found.p_kw, found.q_kvar) == (-w / 1000, w / 10000)
    assert found.quality is Quality.GOOD


def known(number: int) -> set[str]:
    """Names of the points of a model."""
    return set(Image(model(number)).paths)


@pytest.mark.parametrize("number", [201, 202, 203, 204])
@pytest.mark.parametrize("w", [12000, -12000])
def test_a_meter_of_a_consumer_reads_positive_power_and_one_of_a_producer_negative(number: int, w: int) -> None:
    registers = model(number, W=w, VAR=w // 10, TotWhImp=9000, TotWhExp=4000, **METER)
    found, turned = read(registers), read(registers, turned=True)
    assert (found.p_kw, found.q_kvar) == (w / 1000, w / 10000)
    assert (found.e_kwh_drawn, found.e_kwh_given) == (9.0, 4.0)
    assert (turned.p_kw, turned.q_kvar) == (-w / 1000, -w / 10000)
    assert (turned.e_kwh_drawn, turned.e_kwh_given) == (4.0, 9.0)
    assert found.state is None


@pytest.mark.parametrize(("number", "scale"), [(802, "SoC_SF"), (713, "Pct_SF")])
def test_the_state_of_charge_is_a_share_of_one(number: int, scale: str) -> None:
    found = read(
        model(701, W=0, **{k: v for k, v in INVERTER.items() if k != "VAr_SF"}), model(number, SoC=555, **{scale: -1})
    )
    assert found.soc == pytest.approx(0.555)
    assert read(model(701, W=0, W_SF=0), model(number, **{scale: -1})).soc is None


def test_voltages_are_line_to_line_and_per_unit_of_what_is_nominal() -> None:
    three = read(model(701, ACType=2, LLV=408, LNV=235, V_SF=0), rated=Ratings(v_nominal=400))
    assert (three.v_v, three.v_pu) == (408, pytest.approx(1.02))
    one = read(model(701, ACType=0, LNV=230, V_SF=0), rated=Ratings(v_nominal=230))
    assert (one.v_v, one.v_pu) == (pytest.approx(230 * math.sqrt(3)), pytest.approx(1.0))
    meter = read(model(203, PhV=231, V_SF=0), v_nominal_v=400)
    assert meter.v_pu == pytest.approx(231 * math.sqrt(3) / 400)
    assert read(model(701, W=0, W_SF=0)).v_v is None


@pytest.mark.parametrize(
    ("points", "state"),
    [
        ({"InvSt": 3}, DeviceState.RUNNING),
        ({"InvSt": 4}, DeviceState.THROTTLED),
        ({"InvSt": 6, "ConnSt": 0}, DeviceState.FAULT),
        ({"InvSt": 3, "ConnSt": 0}, DeviceState.OFF),
        ({"St": 1}, DeviceState.RUNNING),
        ({"InvSt": 77}, None),
        ({}, None),
    ],
)
def test_states_are_told_in_our_words(points: dict[str, int], state: DeviceState | None) -> None:
    assert read(model(701, **points)).state is state
    assert read(model(103, St=4)).state is DeviceState.RUNNING


def test_a_missing_power_and_one_a_thousand_times_the_rating_are_not_good() -> None:
    rated = ratings(Image(model(702, **CAPACITY)), stores=True)
    assert read(model(701, W_SF=0)).quality is Quality.MISSING
    assert read(model(701, W=3000, W_SF=4), rated=rated).quality is Quality.IMPLAUSIBLE
    assert read(model(701, W=3000, W_SF=1), rated=rated).quality is Quality.GOOD
    assert read(model(701, W=0, W_SF=0), model(802, SoC=900, SoC_SF=0)).quality is Quality.IMPLAUSIBLE


def test_ratings_are_the_settings_where_there_are_some_and_only_stores_draw() -> None:
    image = Image(model(702, **CAPACITY, WMax=4500))
    assert (ratings(image, stores=False).p_kw_give, ratings(image, stores=False).p_kw_draw) == (45, 0)
    assert (ratings(image, stores=True).p_kw_give, ratings(image, stores=True).p_kw_draw) == (50, 40)
