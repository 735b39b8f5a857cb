"""Afterwards it is told who broke an envelope, for how long, and what it did."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from envelope_towns import hours, town

from archipel.model import Floats
from archipel.vpp.audit import audit, held
from archipel.vpp.envelope import Envelopes
from archipel.vpp.envelope_points import fixed_load
from archipel.vpp.envelopes import operating_envelopes

T = 6
SCENARIO = town(4, pv_kw=150.0)
ENVELOPES: Envelopes = operating_envelopes(SCENARIO, hours(SCENARIO, T), rule="equal")


def nodes_of(metered: Floats) -> tuple[Floats, Floats]:
    p, q = fixed_load(SCENARIO, hours(SCENARIO, T))
    p[ENVELOPES.points.node] += metered
    return p, q


def test_who_stays_inside_is_found_innocent_and_the_network_whole() -> None:
    for metered in (ENVELOPES.import_kw, -ENVELOPES.export_kw, 0.0 * ENVELOPES.import_kw):
        found = audit(ENVELOPES, metered, SCENARIO, *nodes_of(metered))
        assert found.clean
        assert (found.kept == 1.0).all()


def test_a_breach_is_told_with_its_start_its_length_its_worst_and_its_energy() -> None:
    metered = 0.0 * ENVELOPES.import_kw
    metered[3, 1:4] = -ENVELOPES.export_kw[3, 1:4] - np.array([1.0, 4.0, 2.0])
    metered[5, 5] = ENVELOPES.import_kw[5, 5] + 2.0
    first, second = audit(ENVELOPES, metered).breaches
    assert (first.point, first.side) == (ENVELOPES.points.node_id[3], "export")
    assert first.start == ENVELOPES.start + timedelta(minutes=15)
    assert first.hours == pytest.approx(0.75)
    assert first.worst_kw == pytest.approx(4.0)
    assert first.e_kwh == pytest.approx(7.0 / 4.0)
    assert first.hurt == ()
    assert (second.side, second.hours) == ("import", 0.25)
    assert audit(ENVELOPES, metered).kept[3] == pytest.approx(0.5)


def test_it_is_told_which_limits_of_the_network_a_breach_broke() -> None:
    metered = -ENVELOPES.export_kw
    metered[2, 3] -= 900.0
    found = audit(ENVELOPES, metered, SCENARIO, *nodes_of(metered))
    (breach,) = found.breaches
    assert any(name.startswith(("loading", "voltage high", "no solution")) for name in breach.hurt)
    assert set(found.violations) == {f"interval 3: {name}" for name in breach.hurt}


def test_what_load_breaks_by_itself_is_nobody_s_breach() -> None:
    metered = 0.0 * ENVELOPES.import_kw
    p, q = nodes_of(metered)
    p[np.flatnonzero(SCENARIO.grid.nodes.vn_kv < 1.0)[0], 2] += 900.0
    found = audit(ENVELOPES, metered, SCENARIO, p, q)
    assert found.breaches == ()
    assert found.violations
    assert not found.clean


def test_where_there_is_no_reading_nothing_is_assumed() -> None:
    metered = 0.0 * ENVELOPES.import_kw
    metered[1, 2:] = np.nan
    found = audit(ENVELOPES, metered)
    assert not found.breaches
    assert found.unmetered[1, 2:].all()
    assert found.kept[1] == 1.0


def test_after_the_lease_has_lapsed_the_defaults_count() -> None:
    short = replace(ENVELOPES, expires=ENVELOPES.start + timedelta(minutes=30))
    imports, exports = held(short)
    assert (exports[:, :2] == ENVELOPES.export_kw[:, :2]).all()
    assert (exports[:, 2:] == ENVELOPES.default_export_kw[:, None]).all()
    assert (imports[:, 2:] == ENVELOPES.default_import_kw[:, None]).all()
    breaches = audit(short, -ENVELOPES.export_kw).breaches
    assert breaches
    assert all(one.start >= short.end for one in breaches)


def test_readings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="points by intervals"):
        audit(ENVELOPES, ENVELOPES.import_kw[:, :2])
