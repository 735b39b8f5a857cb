from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from device_fleets import fleet, profiles
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.devices import KINDS, BatteryFleet, Weather
from archipel.testing import PromiseBroken, check_device


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_kind_keeps_the_promises_of_a_device(kind: str, seed: int) -> None:
    check_device(fleet(kind, seed), profiles(seed), steps=20, seed=seed)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_its_promises_over_midnight(kind: str) -> None:
    check_device(fleet(kind, 5), profiles(5)[84:], first_row=84, steps=24)


@dataclass
class Wrong:
    """A battery with one broken promise."""

    fleet: BatteryFleet
    what: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fleet, name)

    def advance(self, state: Any, weather: Any, p_kw: Any, q_kvar: Any, tripped: Any, dt_h: float) -> Any:
        done = self.fleet.advance(state, weather, p_kw, q_kvar, tripped, dt_h)
        if self.what == "gives more than its rating":
            return replace(done, p_kw=done.p_kw * 3.0)
        if self.what == "changes its state in place":
            state["e_kwh"][:] = done.state["e_kwh"]
        if self.what == "loses energy nobody planned":
            return replace(done, state={"e_kwh": done.state["e_kwh"] * 0.99})
        if self.what == "returns NaN":
            return replace(done, q_kvar=np.full_like(done.q_kvar, np.nan))
        return done


@pytest.mark.parametrize(
    "what",
    ["gives more than its rating", "changes its state in place", "loses energy nobody planned", "returns NaN"],
)
def test_the_suite_catches_a_battery_that(what: str) -> None:
    battery = fleet("battery", 1)
    assert isinstance(battery, BatteryFleet)
    check_device(Wrong(battery, ""), profiles(1))  # type: ignore[arg-type]
    with pytest.raises(PromiseBroken):
        check_device(Wrong(battery, what), profiles(1))  # type: ignore[arg-type]


def test_a_short_weather_is_refused_with_the_missing_length() -> None:
    import datetime as dt

    from archipel.model import Horizon, Tariff

    load = fleet("load", 0)
    horizon = Horizon(dt.datetime(2016, 1, 1, tzinfo=dt.UTC), np.ones(8, dtype=np.int64))
    with pytest.raises(ValueError, match="has 3 quarter hours, the horizon needs 8"):
        load.plan(np.arange(2), {}, Weather(0, profiles(0)[:3], True), horizon, Tariff())
