"""Half hours of the shipped portfolio, second by second."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from archipel.formats.scenario import load_scenario
from archipel.model.portfolio import Ownership
from archipel.twin.portfolio_days import Days, drawn
from archipel.twin.portfolio_seconds import Ran, run
from archipel.twin.portfolio_state import Asked
from archipel.vpp.engine import Engine
from archipel.vpp.tracking import errors, reached_s, reaction_s
from archipel.vpp.tracking_signals import frequency_hz, restoration_signal

CYCLES, STEP = 375, 225
"""25 min; steps come after a quarter hour, 5 min before the middle of the ramp that follows the next one."""
FCR, AFRR = 400.0, 900.0
NOON = 147 * 96 + 48


@cache
def days(failing: float = 0.05) -> Days:
    """Two days in May, from noon, with failures soon enough to be seen in so short a time."""
    made = drawn(load_scenario("vpp"), np.array([NOON, NOON + 3 * 96]), 1, failing)
    soon = (made.battery.down / 86_400.0 * 4.0 * CYCLES, made.node_down / 86_400.0 * 4.0 * CYCLES)
    battery = replace(made.battery, down=soon[0], up=np.full_like(soon[0], np.inf))
    return replace(made, battery=battery, node_down=soon[1], node_up=np.full_like(soon[1], np.inf))


def asked(signal: np.ndarray, f_hz: np.ndarray) -> Asked:
    size = np.full((2, 96), 1.0)
    return Asked(signal, f_hz, AFRR * size, FCR * size, np.zeros((2, 98)), 500.0)


def quiet() -> Asked:
    return asked(np.zeros((2, CYCLES)), np.full((2, 4 * CYCLES), 50.0))


@cache
def still() -> Ran:
    return run(days(0.0), quiet())


TIME = np.arange(4.0 * CYCLES) + 1.0  # powers are those at the end of every second


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_all_that_is_promised_comes_within_five_minutes_and_begins_within_thirty_seconds(sign: float) -> None:
    signal = np.where(np.arange(CYCLES) >= STEP, sign, 0.0) * np.ones((2, 1))
    answer = run(days(0.0), replace(quiet(), restoration=signal)).metered_kw - still().metered_kw
    for a in answer:
        assert reaction_s(TIME, a, 900.0, 0.0, sign * AFRR) <= 30.0
        assert reached_s(TIME, a, 900.0, 0.0, sign * AFRR, 0.95) <= 300.0


@pytest.mark.parametrize("mhz", [-200, -100, 100, 200])
def test_frequency_is_answered_as_continental_europe_asks(mhz: int) -> None:
    f = np.where(np.arange(4 * CYCLES) >= 900, 50.0 + mhz / 1000.0, 50.0) * np.ones((2, 1))
    answer = run(days(0.0), replace(quiet(), f_hz=f)).metered_kw - still().metered_kw
    for a in answer:
        wanted = FCR * mhz / 200.0
        assert reaction_s(TIME, a, 900.0, 0.0, wanted) <= 2.0
        assert reached_s(TIME, a, 900.0, 0.0, wanted, 0.5) <= 15.0
        assert reached_s(TIME, a, 900.0, 0.0, wanted, 0.95) <= 30.0


def test_containment_needs_no_message() -> None:
    """Every connection point and every member is silent: the droop is in the devices."""
    silent = replace(
        days(0.0), node_down=np.full_like(days(0.0).node_down, 850.0), contract_down=np.full((2, 3), 850.0),
        contract_up=np.full((2, 3), np.inf),
    )  # fmt: skip
    f = np.where(np.arange(4 * CYCLES) >= 900, 49.8, 50.0) * np.ones((2, 1))
    answer = run(silent, replace(quiet(), f_hz=f)).metered_kw - run(silent, quiet()).metered_kw
    np.testing.assert_allclose(answer[:, 905:], -FCR, rtol=0.01)


def test_others_take_over_within_two_cycles_when_devices_trip() -> None:
    """A tenth of the batteries trips in the middle of a full call."""
    base = days(0.0)
    down = np.full_like(base.battery.down, np.inf)
    down[:, ::10] = 1000.0
    tripped = replace(base, battery=replace(base.battery, down=down))
    signal = np.where(np.arange(CYCLES) >= STEP, -1.0, 0.0) * np.ones((2, 1))
    ran = run(tripped, replace(quiet(), restoration=signal))
    missing = ran.metered_kw - ran.wanted_kw
    assert missing[:, 1001:1003].max() > 30.0  # it was seen
    assert missing[:, 1010:1100].mean() < 0.05 * AFRR


def test_the_portfolio_follows_closer_than_the_engine_and_keeps_what_it_promised() -> None:
    rng = [np.random.default_rng(k) for k in range(2)]
    signal = np.stack([restoration_signal(CYCLES, g) for g in rng])
    f = np.stack([frequency_hz(4 * CYCLES, g) for g in rng])
    ran = run(days(), asked(signal, f))
    engine = Engine(6000.0, ramp_per_min=1.0).follow(ran.wanted_kw, 1.0)
    after = slice(300, None)
    ours = errors(ran.wanted_kw[:, after], ran.metered_kw[:, after])
    theirs = errors(ran.wanted_kw[:, after], engine[:, after])
    assert ours.rmse_kw < 0.7 * theirs.rmse_kw
    assert ours.mean_abs_kw < 0.7 * theirs.mean_abs_kw
    assert (ran.kept >= 0.95).mean() > 0.8  # min of every quarter hour, with a tenth of all gone within 25 min
    assert np.all((ran.soc > 0.3) & (ran.soc < 0.7))


def test_batteries_that_are_nearly_empty_still_have_containment_for_fifteen_minutes() -> None:
    base = days(0.0)
    low = replace(base, batteries=replace(base.batteries, soc_start=np.full_like(base.batteries.soc_start, 0.12)))
    signal = np.full((2, CYCLES), -1.0)
    f = np.where(np.arange(4 * CYCLES) >= 540, 49.8, 50.0) * np.ones((2, 1))
    hard = replace(quiet(), restoration=signal, f_hz=f, trade_kw=0.0)
    answer = run(low, hard).metered_kw - run(low, replace(hard, f_hz=quiet().f_hz)).metered_kw
    share = answer[:, 570:1440].reshape(2, -1, 30).mean(axis=2) / -FCR
    assert share.min() >= 0.95


def test_a_scenario_without_a_portfolio_is_refused_with_words() -> None:
    with pytest.raises(ValueError, match="found no portfolio"):
        drawn(replace(load_scenario("vpp"), ownership=Ownership()), np.array([NOON]), 1)


def test_a_scenario_that_lacks_a_kind_of_device_is_refused_with_words() -> None:
    whole = load_scenario("vpp")
    fewer = replace(whole.ownership, device_contract=whole.ownership.device_contract[: -len(whole.fleets[-1].id)])
    less = replace(whole, fleets=whole.fleets[:-1], ownership=fewer)
    with pytest.raises(ValueError, match="expected battery, ev_charger, heat_pump and pv"):
        drawn(less, np.array([NOON]), 1)
