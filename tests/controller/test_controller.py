from __future__ import annotations

import numpy as np
import pytest
from neighbours import NOON, Village, later

from archipel.controller.controller import LEASE_H
from archipel.coordination.exact import DEFAULT
from archipel.coordination.message import Message
from archipel.coordination.tree import Silent
from archipel.model import Connection
from archipel.strategies.group import Group


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


ROW = ["root", "feeder", "lv"]


@pytest.mark.parametrize("words", [0, 3, 12])
@pytest.mark.parametrize("mute", ROW)
def test_a_silent_cell_becomes_what_was_last_agreed_with_it_and_those_above_agree_around_it(
    agreed: Village, mute: str, words: int
) -> None:
    before = {name: cell.agreed for name, cell in agreed.cells.items()}
    left = {mute: words}

    def lost(message: Message) -> bool:
        if message.sender == mute:
            left[mute] -= 1
        return mute in {message.sender, message.receiver} and left[mute] < 0

    agreed.talk(agreed.begin(later(1.0)), lost=lost, ticks=60)
    cut_off = ROW.index(mute)
    for name, cell in agreed.cells.items():
        talk = cell.conversation
        assert talk is not None
        if 0 < cut_off <= ROW.index(name):
            assert isinstance(talk.outcome, Silent)
            assert cell.agreed is before[name], "what was agreed before holds on"
            assert np.isfinite(leases(agreed, name, 1.0)).any()
        elif cut_off > 0:
            assert cell.agreed is not None
            assert cell.agreed.duty.horizon.start == later(1.0)
            assert cell.agreed.accepted, "checked by AC power flow"
            assert talk.attempt == 1
    if cut_off == 0:
        assert all(agreed.cells[name].agreed is before[name] for name in ROW[1:])
        return
    parent, last = agreed.cells[ROW[cut_off - 1]].agreed, before[mute]
    assert parent is not None
    assert last is not None
    assert parent.children == ()
    site, at = (
        agreed.parts.sites[cut_off - 1],
        2,
    )  # the third quarter hour of the new plan is the seventh of the old one
    assert parent.duty.base_p_kw[site.child_node[0], at] == pytest.approx(
        _base(agreed, cut_off - 1, site.child_node[0], at) + last.boundary[0, 4]
    )


def test_around_a_silent_cell_prices_still_fall_apart_into_their_parts(agreed: Village) -> None:
    group = Group(list(agreed.cells.values()))
    before = group.node_prices()
    agreed.talk(agreed.begin(later(1.0)), lost=lambda m: "lv" in {m.sender, m.receiver})
    for name in ("root", "feeder"):
        plan = agreed.cells[name].agreed
        assert plan is not None
        assert plan.priced is not None
        assert len(plan.priced.duals.voltage) == len(plan.children) == (name == "root")
        per_kwh = plan.priced.parts / plan.duty.horizon.dt_h
        np.testing.assert_allclose(per_kwh.sum(axis=0), plan.price, atol=1e-12)
    after = group.node_prices()
    assert {name: prices.shape for name, prices in after.items()} == {n: p.shape for n, p in before.items()}
    assert np.isfinite(after["feeder"]).any()


def _base(village: Village, cell: int, node: int, at: int) -> float:
    """What a node draws that no device decides, without the cell that hangs on it."""
    name = ROW[cell]
    village.talk(village.begin(later(1.0)))
    agreed = village.cells[name].agreed
    assert agreed is not None
    return float(agreed.duty.base_p_kw[node, at])


def test_a_cell_that_is_back_takes_part_in_the_next_plan(agreed: Village) -> None:
    agreed.talk(agreed.begin(later(1.0)), lost=lambda m: "lv" in {m.sender, m.receiver})
    agreed.talk(agreed.begin(later(2.0)))
    feeder, lv = agreed.cells["feeder"].agreed, agreed.cells["lv"].agreed
    assert feeder is not None
    assert lv is not None
    assert feeder.children == ("lv",)
    np.testing.assert_array_equal(feeder.child_boundary[0], agreed.said["lv"])
    assert lv.duty.horizon.start == later(2.0)
    assert lv.accepted


def test_of_a_silent_cell_with_which_nothing_was_ever_agreed_its_wish_is_believed_or_nothing() -> None:
    for words in (0, 1):
        village, left = Village(), [words]

        def lost(message: Message, left: list[int] = left) -> bool:
            left[0] -= message.sender == "lv"
            return "lv" in {message.sender, message.receiver} and left[0] < 0

        village.talk(village.begin(NOON), lost=lost)
        feeder = village.cells["feeder"].agreed
        assert feeder is not None
        assert feeder.accepted
        assert feeder.children == ()


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


def test_after_a_plan_that_came_to_nothing_cells_agree_robustly_and_then_exactly_again(agreed: Village) -> None:
    root = agreed.cells["root"]
    held = agreed.cells["lv"].agreed
    agreed.talk(agreed.begin(later(1.0)), lost=lambda _: True, ticks=1)  # its time is up before anybody answers
    assert root.agreed is not None
    assert root.agreed.way == "exact"
    assert agreed.cells["lv"].agreed is held, "what holds is not touched"
    ways = []
    for hour in (2.0, 3.0, 4.0):
        agreed.talk(agreed.begin(later(hour)))
        assert root.agreed.duty.horizon.start == later(hour)
        assert {cell.agreed.way for cell in agreed.cells.values() if cell.agreed is not None} == {root.agreed.way}
        ways.append(root.agreed.way)
        priced = [cell.agreed.priced for cell in agreed.cells.values() if cell.agreed is not None]
        assert all((one is None) is (root.agreed.way == "robust") for one in priced), "who tells no duals has no parts"
    assert ways == ["robust", "exact", "exact"]
