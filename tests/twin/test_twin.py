from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from small_scenario import START, archipelago, scenario

from archipel.devices import BatteryFleet, State
from archipel.grid.power_flow import PowerFlow
from archipel.model import GridError, Scenario, StrategyResult
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import Decision, Seen, Truth, run

SUNNY = START + timedelta(hours=10)


def uncoordinated(case: Scenario, **how: object) -> StrategyResult:
    return run(case, Uncoordinated(case), **how)  # type: ignore[arg-type]


@dataclass
class Orders:
    """A strategy that gives the same orders all day, and remembers when it was asked."""

    case: Scenario
    p_kw: dict[str, float]
    q_kvar: dict[str, float]
    asked: list[tuple[datetime, int, Seen | None]]
    name: str = "orders"

    def decide(self, now: datetime, first_row: int, states: Mapping[str, State], last: Seen | None) -> Decision:
        self.asked.append((now, first_row, last))
        free = Decision.free(len(self.case.device_node), len(self.case.archipelago.tie))
        p, q = free.p_kw.copy(), free.q_kvar.copy()
        for target, orders in ((p, self.p_kw), (q, self.q_kvar)):
            for kind, value in orders.items():
                target[np.array(self.case.device_kind) == kind] = value
        agreed = np.array([1.0, 2.0, np.nan])
        return Decision(p, q, agreed / 100, agreed, agreements=({"time": now, "rounds": 3},))


def orders(case: Scenario, p_kw: dict[str, float] | None = None, q_kvar: dict[str, float] | None = None) -> Orders:
    return Orders(case, p_kw or {}, q_kvar or {}, [])


def kind(case: Scenario, name: str) -> np.ndarray:
    return np.array(case.device_kind) == name


def test_every_recorded_step_is_a_power_flow_of_the_recorded_powers() -> None:
    case = scenario()
    out = uncoordinated(case)
    flow = PowerFlow(case.grid)
    for s in range(0, 96, 7):
        at = [np.bincount(case.device_node, x[:, s].astype(float), 6) for x in (out.p_kw, out.q_kvar)]
        again = flow.solve(*at)
        assert again.v_pu == pytest.approx(out.v_pu[:, s], abs=1e-6)
        assert again.upstream_p_kw == pytest.approx(out.upstream_p_kw[s], abs=1e-2)


def test_energy_is_conserved_and_the_heads_of_the_tree_meter_what_hangs_below() -> None:
    case = scenario()
    out = uncoordinated(case)
    assert out.upstream_p_kw == pytest.approx(out.p_kw.sum(axis=0) + out.losses_kw, abs=1e-2)
    assert out.tie_p_kw[0, 0] == pytest.approx(-out.upstream_p_kw, abs=1e-6)
    lower_is_less = out.tie_p_kw[:, 0] + out.tie_p_kw[:, 1]
    assert (lower_is_less[:2] < 0).all(), "both ends of a live tie differ by its losses"
    assert (out.tie_p_kw[2] == 0).all(), "an open tie carries nothing"
    lv = (case.device_cell == 2) & np.ones(len(case.device_node), bool)
    assert (out.tie_p_kw[1, 1] > out.p_kw[lv].sum(axis=0)).all()
    assert out.tie_v_pu[1] == pytest.approx(out.v_pu[[1, 2]])


def test_the_same_run_twice_is_the_same_bit_for_bit() -> None:
    case, truth = scenario(), Truth(profile_noise=0.1)
    a, b, c = (uncoordinated(case, steps=40, truth=truth, seed=seed) for seed in (7, 7, 8))
    for field in fields(a):
        if isinstance(getattr(a, field.name), np.ndarray):
            assert np.array_equal(getattr(a, field.name), getattr(b, field.name), equal_nan=True), field.name
    assert not np.array_equal(a.p_kw, c.p_kw)


def test_all_strategies_meet_the_same_noise() -> None:
    case = scenario()
    a = uncoordinated(case, steps=8, truth=Truth(profile_noise=0.2))
    b = run(case, orders(case, {"battery": 1.0}), steps=8, truth=Truth(profile_noise=0.2))
    assert np.array_equal(a.p_kw[kind(case, "load")], b.p_kw[kind(case, "load")])


def test_a_strategy_is_asked_once_per_quarter_hour_and_told_what_was_metered() -> None:
    case = scenario()
    asked = orders(case, {"battery": 1.0})
    out = run(case, asked, start=SUNNY, steps=45, dt_minutes=1)
    assert [(now - SUNNY, row) for now, row, _ in asked.asked] == [
        (timedelta(minutes=15 * k), 40 + k) for k in range(3)
    ]
    assert asked.asked[0][2] is None
    seen = asked.asked[1][2]
    assert seen is not None
    assert seen.v_pu == pytest.approx(out.v_pu[:, 14])
    assert seen.tie_p_kw == pytest.approx(out.tie_p_kw[:, :, 14])
    assert out.time[15] - out.time[0] == np.timedelta64(15, "m")


def test_leases_are_obeyed_within_what_a_device_can_do_and_agreements_are_kept() -> None:
    case = scenario()
    out = run(case, orders(case, {"battery": 1.0, "pv": -3.0, "ev_charger": 99.0}), start=SUNNY, steps=8)
    assert out.p_kw[kind(case, "battery")] == pytest.approx(1.0)
    assert out.p_kw[kind(case, "pv")] == pytest.approx(-3.0)
    assert (out.p_kw[kind(case, "ev_charger")] == 0).all(), "nobody is plugged in at noon"
    assert out.tie_agreed_kw[:2, 5].tolist() == [1.0, 2.0]
    assert np.isnan(out.tie_agreed_kw[2]).all()
    assert out.tie_price[1, 0] == 0.02
    assert len(out.agreements) == 8


def test_reactive_power_by_order_is_given_by_modern_inverters_only() -> None:
    case = scenario()
    out = run(case, orders(case, {"pv": -10.0}, {"pv": -2.0}), start=SUNNY, steps=4)
    assert out.q_kvar[kind(case, "pv")] == pytest.approx(np.array([[-2.0] * 4, [0.0] * 4, [0.0] * 4]))


def test_inverters_on_their_curve_agree_with_the_voltage_they_see() -> None:
    case = scenario(modern=(True, True, True), pv_kw=45.0, overvoltage_trip=False)
    out = uncoordinated(case, start=SUNNY, steps=4)
    mine = kind(case, "pv")
    assert out.v_pu.max() > 1.04, "the case must be one in which the curve acts"
    pv = next(f for f in case.fleets if f.kind == "pv")
    for s in range(4):
        v, p = out.v_pu[case.device_node[mine], s].astype(float), out.p_kw[mine, s].astype(float)
        wanted = pv.q_at_voltage(v, p, np.full(3, np.nan))  # type: ignore[attr-defined]
        assert out.q_kvar[mine, s] == pytest.approx(wanted, abs=0.2)


def test_older_inverters_trip_until_nobody_is_left_above_the_limit_and_come_back() -> None:
    case, off = (scenario(modern=(False,) * 3, pv_kw=60.0, overvoltage_trip=trip) for trip in (True, False))
    tripping, free = uncoordinated(case), uncoordinated(off)
    mine = kind(case, "pv")
    node = case.device_node[mine]
    assert free.v_pu[node].max() > 1.10
    on = tripping.p_kw[mine] < 0
    assert not (on & (tripping.v_pu[node] > 1.10)).any()
    lost = (tripping.available_kw[mine] > 0) & ~on
    assert lost.any(), "the case must be one in which somebody trips"
    assert on[:, 30].all(), "in the morning all are connected"
    assert on[:, 66].all(), "in the evening all have come back"
    assert not lost.all(axis=0).any(), "those with lower voltage stay"
    assert np.array_equal(tripping.available_kw, free.available_kw)


def test_the_battery_serves_its_own_node_only() -> None:
    case = scenario(only=("load", "pv", "battery"))
    out = uncoordinated(case)
    for node in (3, 4, 5):
        here = case.device_node == node
        battery, others = (out.p_kw[here & (kind(case, "battery") == b)].sum(axis=0) for b in (True, False))
        assert (battery * others <= 1e-6).all(), "it charges from surplus and discharges to cover demand"
        assert (np.abs(battery) <= np.abs(others) + 1e-5).all()
    assert out.stored_kwh[0] == 15.0
    assert out.stored_kwh[1] == pytest.approx(10 * out.soc[kind(case, "battery"), -1].sum(), rel=1e-5)


def test_the_truth_may_differ_from_what_controllers_believe() -> None:
    case = scenario()
    told = orders(case, {"battery": 2.0})
    exact, worse = (run(case, told, steps=8, truth=Truth(battery_efficiency=f, line_resistance=r)) for f, r in
                    ((1.0, 1.0), (0.9, 1.5)))  # fmt: skip
    assert worse.stored_kwh[1] - 15 == pytest.approx(0.9 * (exact.stored_kwh[1] - 15))
    assert worse.losses_kw.sum() > 1.05 * exact.losses_kw.sum()
    battery = next(f for f in case.fleets if isinstance(f, BatteryFleet))
    assert battery.efficiency_charge.tolist() == [0.95] * 3, "the scenario itself is untouched"


def test_minutes_lie_on_the_line_between_quarter_hours_and_keep_their_mean() -> None:
    case = scenario(only=("load",))
    quarter, minute = uncoordinated(case, steps=12), uncoordinated(case, steps=180, dt_minutes=1)
    mean = minute.p_kw.reshape(3, 12, 15).mean(axis=2)
    profile = case.profiles.value[:13, 0]
    expected = np.convolve(profile, [0.125, 0.75, 0.125], "valid") * 5
    assert mean[0, 1:] == pytest.approx(expected[: len(mean[0]) - 1], rel=1e-4)
    assert np.abs(np.diff(minute.p_kw[0])).max() < np.abs(np.diff(quarter.p_kw[0])).max() / 10
    assert minute.p_kw[0, 7] == pytest.approx(quarter.p_kw[0, 0])


def test_a_vehicle_gets_its_energy_in_minutes_as_in_quarter_hours() -> None:
    case = scenario()
    mine = kind(case, "ev_charger")
    quarter = uncoordinated(case)
    minute = uncoordinated(case, dt_minutes=5)
    assert quarter.p_kw[mine].sum() * 0.25 == pytest.approx(24.0)
    assert minute.p_kw[mine].sum() / 12 == pytest.approx(24.0)
    assert quarter.ev_unserved_kwh.sum() == minute.ev_unserved_kwh.sum() == 0


def test_ctrl_c_leaves_what_was_done() -> None:
    case = scenario()

    def impatient(done: int, total: int) -> None:
        assert total == 96
        if done == 10:
            raise KeyboardInterrupt

    out = uncoordinated(case, progress=impatient)
    whole = uncoordinated(case)
    assert not out.complete
    assert whole.complete
    assert len(out.time) == out.p_kw.shape[1] == out.tie_p_kw.shape[2] == 10
    assert np.array_equal(out.v_pu, whole.v_pu[:, :10])


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"start": datetime(2016, 6, 8)}, "timezone-aware"),  # noqa: DTZ001
        ({"start": datetime(2016, 6, 8, 0, 7, tzinfo=UTC)}, "quarter hour"),
        ({"dt_minutes": 7}, "found 7"),
        ({"steps": 0}, "at least one"),
    ],
)
def test_a_run_that_cannot_be_is_refused(how: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        uncoordinated(scenario(), **how)


def test_a_closed_tie_without_a_branch_to_meter_is_refused_by_name() -> None:
    ties = archipelago().tie
    cells = replace(archipelago(), tie=(replace(ties[0], id="switch/1"), *ties[1:]))
    with pytest.raises(GridError, match="switch/1"):
        uncoordinated(replace(scenario(), archipelago=cells), steps=1)
