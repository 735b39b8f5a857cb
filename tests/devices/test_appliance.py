from __future__ import annotations

import numpy as np
import pytest
from device_fleets import fleet, profiles
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.devices import ApplianceFleet, Weather
from archipel.model import Horizon, Tariff
from archipel.testing import device_day
from archipel.testing.day import cheapest
from archipel.testing.device import DT_H, MONDAY

ONE = np.ones(1)
RUN = (0.2, 2.0, 2.0, 0.4)
NEVER = np.zeros(1, dtype=bool)


def washer(begin: int = 32, flex: int = 40) -> ApplianceFleet:
    """A washing machine of one hour; it may start from 08:00 to 18:00."""
    return ApplianceFleet(
        ("washer/0",), np.zeros(1, int), np.array([RUN]), np.array([4]), np.array([begin]), np.array([flex])
    )


def walk(made: ApplianceFleet, wish: float, steps: int, dt_h: float = DT_H) -> tuple[np.ndarray, float]:
    state, kw, missed = made.initial(0), [], 0.0
    for _ in range(steps):
        done = made.advance(state, Weather(0, np.ones((1, 1)), True), wish * ONE, 0 * ONE, NEVER, dt_h)
        state, missed = done.state, missed + float(done.unserved_kwh[0])
        kw.append(float(done.p_kw[0]))
    return np.array(kw), missed


def test_the_local_rule_runs_when_the_window_begins() -> None:
    kw = device_day(washer(), np.ones((300, 1)), np.full(96, 0.1)).kw("rule")[0]
    assert kw[32:36].tolist() == list(RUN)
    assert kw.sum() == pytest.approx(sum(RUN))


def test_nobody_asking_it_starts_at_its_latest_and_whatever_is_wished_runs_through() -> None:
    kw, missed = walk(washer(), 0.0, 96)
    assert kw[72:76].tolist() == list(RUN)
    assert (kw.sum(), missed) == (pytest.approx(sum(RUN)), 0.0)
    kw, _ = walk(washer(), 9.0, 192)
    assert kw[32:36].tolist() == kw[128:132].tolist() == list(RUN), "once a day, however much is wished"
    assert kw.sum() == pytest.approx(2 * sum(RUN))


def test_steps_of_five_minutes_draw_the_same_run() -> None:
    kw, _ = walk(washer(), 9.0, 288, DT_H / 3)
    assert np.allclose(kw.reshape(-1, 3).mean(axis=1)[32:36], RUN)
    assert kw.sum() / 3 == pytest.approx(sum(RUN))


def test_what_is_cut_off_or_kept_from_starting_is_unserved() -> None:
    made = washer()
    late = {**made.initial(72), "window": 0 * ONE}
    done = made.advance(late, Weather(72, np.ones((1, 1)), True), 0 * ONE, 0 * ONE, ~NEVER, DT_H)
    assert done.unserved_kwh[0] == pytest.approx(sum(RUN) / 4)
    assert done.state["window"][0] == 1.0
    half = {**made.initial(0), "run_h": 0.5 * ONE, "window": ONE}
    done = made.advance(half, Weather(34, np.ones((1, 1)), True), 0 * ONE, 0 * ONE, ~NEVER, DT_H)
    assert done.unserved_kwh[0] == pytest.approx((2.0 + 0.4) / 4)
    assert done.state["run_h"][0] == -1.0


def test_a_plan_starts_the_run_in_the_cheapest_hour_of_the_window() -> None:
    price = np.full(96, 0.20)
    price[48:52] = 0.05
    price[80:90] = 0.01  # behind the window
    day = device_day(washer(), np.ones((300, 1)), price)
    kw = day.kw()[0]
    assert kw[48:52].tolist() == list(RUN)
    assert kw.sum() == pytest.approx(sum(RUN))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_window_gets_exactly_one_whole_run_within_it(seed: int) -> None:
    made = fleet("appliance", seed)
    assert isinstance(made, ApplianceFleet)
    rng = np.random.default_rng(seed)
    state, began, ran = made.initial(0), [], []
    for row in range(300):
        wish = rng.choice([0.0, 0.0, 0.0, 5.0], len(made.id))
        done = made.advance(state, Weather(row, np.ones((1, 1)), True), wish, wish, wish < 0, DT_H)
        began.append(done.state["window"] > state["window"])
        ran.append(done.p_kw)
        assert (done.unserved_kwh == 0).all()
        state = done.state
    for i in range(len(made.id)):
        starts = np.flatnonzero(np.array(began)[:, i])
        power = np.array(ran)[:, i]
        whole = np.zeros(400)
        for k, start in enumerate(starts):
            first = made.begin_row[i] + 96 * k
            assert first <= start <= first + made.flex_rows[i]
            whole[start : start + made.run_rows[i]] += made.run_kw[i, : made.run_rows[i]]
        seen = slice(int(made.begin_row[i]), 300)  # before, a run from the day before may be in progress
        assert np.array_equal(power[seen], whole[seen])


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_real_run_and_every_mixture_of_runs_is_a_plan(seed: int) -> None:
    """The block of energy is a relaxation: nothing that can be done is left out."""
    made = fleet("appliance", seed)
    assert isinstance(made, ApplianceFleet)
    rng, rows = np.random.default_rng(seed), np.arange(len(made.id))
    horizon = Horizon(MONDAY, np.ones(96, dtype=np.int64))
    plan = made.plan(rows, made.initial(0), Weather(0, np.ones((96, 1)), True), horizon, Tariff())
    store = plan.columns.store
    assert store is not None
    for i in np.flatnonzero(plan.column_of >= 0):
        k = plan.column_of[i]
        mixture, weight = np.zeros(300), rng.dirichlet(np.ones(3))
        for part in weight:
            start = made.begin_row[i] + rng.integers(0, made.flex_rows[i] + 1)
            mixture[start : start + made.run_rows[i]] += part * made.run_kw[i, : made.run_rows[i]]
        u = mixture[:96]
        assert (u <= plan.columns.hi[k, 0] + 2e-3).all()
        level = np.cumsum(u) * DT_H
        assert (level <= store.hi[k] + 1e-9).all()
        assert (level >= store.lo[k] - 1e-9).all()


def test_the_runs_made_of_plans_keep_nearly_all_that_the_best_runs_save() -> None:
    block, best, real, at_once = 0.0, 0.0, 0.0, 0.0
    for seed in range(6):
        made = fleet("appliance", seed)
        assert isinstance(made, ApplianceFleet)
        price = 0.15 + 0.1 * np.sin(2 * np.pi * (np.arange(96) / 96 + np.random.default_rng(seed).random()))
        day = device_day(made, profiles(seed), price, replan_steps=96)
        horizon = Horizon(MONDAY, np.ones(96, dtype=np.int64))
        plan = made.plan(np.arange(len(made.id)), made.initial(0), Weather(0, profiles(seed), True), horizon, Tariff())
        u = cheapest(plan.columns, price * DT_H)
        inside = np.flatnonzero((plan.column_of >= 0) & (made.begin_row + made.flex_rows + made.run_rows <= 96))
        block += (u[plan.column_of[inside], 0] @ price).sum() * DT_H
        real += ((day.kw()[inside] - plan.base_p_kw[inside]) @ price).sum() * DT_H
        at_once += ((day.kw("rule")[inside] - plan.base_p_kw[inside]) @ price).sum() * DT_H
        for i in inside:
            run = made.run_kw[i, : made.run_rows[i]]
            starts = range(int(made.begin_row[i]), int(made.begin_row[i] + made.flex_rows[i]) + 1)
            best += min(float(run @ price[s : s + len(run)]) for s in starts) * DT_H
    assert block - 1e-2 <= best <= real <= at_once
    assert at_once - real >= 0.95 * (at_once - best) > 1.0


def test_a_decision_at_the_first_interval_is_made_from_the_rest_of_the_plan() -> None:
    """Where the plan draws later and not now it waits; where it draws the run's energy from now on, it starts."""
    made = washer(begin=0, flex=20)
    horizon = Horizon(MONDAY, np.ones(48, dtype=np.int64))
    state = made.initial(0)
    plan = made.plan(np.zeros(1, int), state, Weather(0, np.ones((48, 1)), True), horizon, Tariff())
    for start, wanted in ((0, 0.2), (5, 0.0)):
        u = np.zeros(plan.columns.lo.shape)
        u[0, 0, start : start + 4] = RUN
        p, _ = made.setpoints(np.zeros(1, int), state, plan, u, 0, MONDAY)
        assert p[0] == wanted
