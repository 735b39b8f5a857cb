"""Devices behind one connection share its envelope."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from envelope_towns import hours, town
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.vpp.behind import Splitting, devices_behind, on_devices, split
from archipel.vpp.envelope import Envelopes
from archipel.vpp.envelopes import operating_envelopes

SCENARIO = town(4, pv_kw=150.0)
ENVELOPES: Envelopes = operating_envelopes(SCENARIO, hours(SCENARIO), rule="proportional")


def summed(values: np.ndarray, point: np.ndarray) -> np.ndarray:
    out = np.zeros((len(ENVELOPES.points), values.shape[1]))
    np.add.at(out, point, values)
    return out


@given(how=st.sampled_from(("proportional", "priority")), first=st.permutations(["pv", "battery", "ev_charger"]))
@settings(max_examples=12)
def test_the_limits_of_devices_add_up_to_that_of_their_point(how: Splitting, first: list[str]) -> None:
    devices = devices_behind(SCENARIO, ENVELOPES, tuple(first))
    limits = split(ENVELOPES, devices, how)
    np.testing.assert_allclose(summed(limits.export_kw, devices.point), ENVELOPES.export_kw, atol=1e-9)
    np.testing.assert_allclose(summed(limits.import_kw, devices.point), ENVELOPES.import_kw, atol=1e-9)
    assert (limits.export_kw <= devices.export_kw_max[:, None] + 1e-9).all()
    assert (limits.import_kw >= 0.0).all()


def test_who_comes_first_is_served_first() -> None:
    devices = devices_behind(SCENARIO, ENVELOPES, ("battery", "pv"))
    limits = split(ENVELOPES, devices, "priority")
    batteries = np.array([name.startswith("battery") for name in devices.id])
    most = np.minimum(devices.export_kw_max[:, None], ENVELOPES.export_kw[devices.point])
    np.testing.assert_allclose(limits.export_kw[batteries], most[batteries])


def test_what_a_device_does_not_want_goes_to_the_others() -> None:
    devices = devices_behind(SCENARIO, ENVELOPES)
    several = [n for n in range(len(ENVELOPES.points)) if (devices.export_kw_max[devices.point == n] > 0).sum() > 1]
    point = several[0]
    here = np.flatnonzero((devices.point == point) & (devices.export_kw_max > 0))
    wish = devices.export_kw_max.copy()
    wish[here[0]] = 0.0
    before, after = split(ENVELOPES, devices), split(ENVELOPES, replace(devices, export_kw_max=wish))
    assert (after.export_kw[here[0]] == 0.0).all()
    assert (after.export_kw[here[1]] > before.export_kw[here[1]]).all()


def test_devices_name_their_row_in_the_scenario() -> None:
    devices = devices_behind(SCENARIO, ENVELOPES)
    assert tuple(SCENARIO.device_id[k] for k in devices.row) == devices.id
    assert (ENVELOPES.points.node[devices.point] == SCENARIO.device_node[devices.row]).all()
    all_of_them = on_devices(SCENARIO, ENVELOPES)
    assert (all_of_them.export_kw[devices.row] == split(ENVELOPES, devices).export_kw).all()
    plain = np.array([kind == "load" for kind in SCENARIO.device_kind])
    assert np.isinf(all_of_them.import_kw[plain]).all()
    assert np.isfinite(all_of_them.import_kw[~plain]).all()


def test_a_device_behind_no_point_a_negative_rating_and_an_unknown_way_are_refused() -> None:
    devices = devices_behind(SCENARIO, ENVELOPES)
    with pytest.raises(ValueError, match=devices.id[0]):
        split(ENVELOPES, replace(devices, point=devices.point - 100))
    with pytest.raises(ValueError, match="below zero"):
        split(ENVELOPES, replace(devices, import_kw_max=devices.import_kw_max - 1000.0))
    with pytest.raises(ValueError, match="proportional or priority"):
        split(ENVELOPES, devices, "loudest")  # type: ignore[arg-type]
