from __future__ import annotations

import numpy as np
import pytest
from neighbours import NOON, Village, later

from archipel.controller.controller import LEASE_H
from archipel.coordination.exact import DEFAULT
from archipel.coordination.tree import Silent
from archipel.model import Connection


@pytest.fixture
def agreed() -> Village:
    village = Village()
    village.talk(village.begin(NOON))
    return village


def leases(village: Village, cell: str, hours: float) -> np.ndarray:
    return np.concatenate([np.concatenate(pair) for pair in village.setpoints(cell, later(hours))])


def test_before_anything_was_agreed_there_are_no_leases() -> None:
    village = Village()
    assert village.cells["lv"].agreed is None
    assert np.isnan(leases(village, "lv", 0.0)).all()
    assert village.cells["lv"].receive([]) == village.cells["lv"].tick() == []
    assert village.cells["lv"].silent == ""


def test_cells_that_hear_each_other_agree_within_the_limits(agreed: Village) -> None:
    for cell in agreed.cells.values():
        assert cell.agreed is not None
        assert cell.agreed.accepted
        assert cell.agreed.gave == ()
        assert cell.agreed.gap < DEFAULT.gap
        assert cell.silent == ""
    # every device that can be led is; what cannot has no lease
    lead = {f.kind: p for f, (p, _) in zip(agreed.parts.sites[2].fleets, agreed.setpoints("lv", NOON), strict=True)}
    assert np.isfinite(lead["battery"]).all()
    assert np.isfinite(lead["pv"]).all()
    assert (lead["pv"] <= 0.0).all()


def test_both_ends_of_a_boundary_hold_the_same_numbers(agreed: Village) -> None:
    for child, parent in (("lv", "feeder"), ("feeder", "root")):
        below, above = agreed.cells[child].agreed, agreed.cells[parent].agreed
        assert below is not None
        assert above is not None
        np.testing.assert_array_equal(below.boundary, agreed.said[child])
        assert (below.cost, below.gap, below.accepted) == (above.cost, above.gap, above.accepted)


@pytest.mark.parametrize("mute", ["root", "feeder", "lv"])
def test_when_a_neighbour_falls_silent_everybody_goes_on_with_what_was_agreed(agreed: Village, mute: str) -> None:
    before = {name: cell.agreed for name, cell in agreed.cells.items()}
    agreed.talk(agreed.begin(later(1.0)), lost=lambda m: mute in {m.sender, m.receiver}, ticks=30)
    for name, cell in agreed.cells.items():
        assert cell.agreed is before[name]
        assert cell.conversation is not None
        assert isinstance(cell.conversation.outcome, Silent)
        assert cell.silent in agreed.cells
        if agreed.parts.sites[0].id != name:  # the root has no devices
            assert np.isfinite(leases(agreed, name, 1.0)).any()


def test_a_schedule_is_followed_until_its_lease_lapses_and_no_longer(agreed: Village) -> None:
    for hours in (0.0, 1.0, 2.5, LEASE_H - 0.25):
        assert np.isfinite(leases(agreed, "lv", hours)).any()
    for hours in (-0.25, LEASE_H, LEASE_H + 20.0):
        assert np.isnan(leases(agreed, "lv", hours)).all()


def test_leases_are_those_of_the_interval_that_holds_the_time(agreed: Village) -> None:
    cell = agreed.cells["lv"]
    assert [cell.interval(later(h)) for h in (0.0, 0.25, 0.75, 1.0, 2.75, 3.0)] == [0, 1, 3, 4, 4, 5]


def test_a_plan_of_old_messages_does_not_disturb_the_new_one(agreed: Village) -> None:
    stale = agreed.begin(later(1.0))
    fresh = agreed.begin(later(1.0))
    agreed.talk(stale + fresh + stale)
    for cell in agreed.cells.values():
        assert cell.agreed is not None
        assert cell.agreed.duty.horizon.start == later(1.0)
        assert cell.agreed.accepted


def test_the_order_and_number_of_messages_does_not_change_a_schedule_by_a_bit() -> None:
    plain, odd = Village(), Village()
    plain.talk(plain.begin(NOON))
    rng = np.random.default_rng(4)
    seen: set[tuple[str, str, int]] = set()

    def lost(message: object) -> bool:
        key = (message.sender, message.receiver, message.number)  # type: ignore[attr-defined]
        first = key not in seen
        seen.add(key)
        return first and rng.random() < 0.1

    odd.talk(odd.begin(NOON), lost=lost, ticks=200)
    for name, cell in plain.cells.items():
        other = odd.cells[name].agreed
        assert cell.agreed is not None
        assert other is not None
        assert cell.agreed.u.tobytes() == other.u.tobytes()
        assert cell.agreed.boundary.tobytes() == other.boundary.tobytes()


def test_an_impossible_limit_gives_way_and_the_plan_says_what_gave_and_how_much() -> None:
    village = Village(Connection(import_kw_max=1.0, export_kw_max=100.0), only=("load", "heat_pump"))
    village.talk(village.begin(NOON))
    root = village.cells["root"].agreed
    assert root is not None
    assert not root.accepted
    assert root.excess.max() > 0.05
    said = [text for text in root.gave if text.startswith("import limit")]
    assert said
    beyond = [float(text.split(":")[1].split()[0]) for text in said]
    expected = root.boundary[0] - 1.0
    assert max(beyond) == pytest.approx(expected.max(), rel=0.02, abs=0.05)
    assert np.isfinite(leases(village, "lv", 0.0)).any()
