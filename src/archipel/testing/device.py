"""The suite every kind of device passes: its promises, checked on a fleet of your choice.

from archipel.testing import check_device
check_device(my_fleet, profiles_value, first_row=0)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from archipel.devices import Delivered, DeviceFleet, Plan, Sensed, State, Weather
from archipel.model import ArchipelError, Floats, Horizon, Ints, Tariff
from archipel.model.horizon import STEP_MINUTES
from archipel.optimisation.columns import Columns

MONDAY = datetime(2016, 5, 30, tzinfo=UTC)
DT_H = STEP_MINUTES / 60.0
NEAR_KW = 1e-6


class PromiseBroken(ArchipelError):
    """A device does not do what every device must."""


def check_device(
    fleet: DeviceFleet,
    value: Floats,
    *,
    first_row: int = 0,
    steps: int = 24,
    tariff: Tariff | None = None,
    seed: int = 0,
) -> None:
    """Raise PromiseBroken if `fleet` breaks a promise that every fleet makes.

    Args:
        fleet: what is tested, with at least one device.
        value: profile values, shape (rows, columns), true and perfectly forecast; at least `2 * steps` rows.
        first_row: row number of the first of them.
        steps: how many quarter hours to walk through.
        tariff: prices for its plans.
        seed: of the random wishes; a failure names it.
    """
    if len(value) < 2 * steps:
        raise ValueError(f"check_device: found {len(value)} rows of profiles; expected at least {2 * steps}")
    walk = _Walk(fleet, value, first_row, tariff or Tariff(), seed)
    walk.check_records()
    for law in (walk.check_random_wishes, walk.check_local_rule, walk.check_plan_comes_true):
        law(steps)
    walk.check_part_is_like_whole(steps)


class _Walk:
    def __init__(self, fleet: DeviceFleet, value: Floats, first_row: int, tariff: Tariff, seed: int) -> None:
        self.fleet, self.value, self.first_row, self.tariff, self.seed = fleet, value, first_row, tariff, seed
        self.n = len(fleet.id)
        self.rows = np.arange(self.n)

    def need(self, kept: object, promise: str) -> None:
        """Raise unless all of `kept` holds."""
        if not np.all(np.asarray(kept)):
            raise PromiseBroken(f"{self.fleet.kind} (seed {self.seed}): broken promise: {promise}")

    def check_records(self) -> None:
        """Ids, nodes and the initial state fit together."""
        self.need(self.n > 0, "a fleet under test has at least one device")
        self.need(len(set(self.fleet.id)) == self.n, "ids are unique")
        self.need(self.fleet.node.shape == (self.n,), "there is one node per device")
        for name, moving in self.fleet.initial(self.first_row).items():
            self.need(moving.shape[0] == self.n, f"state {name} has one row per device")
            self.need(np.isfinite(moving), f"state {name} is finite")

    def weather(self, step: int, rows: int = 1) -> Weather:
        """Profile rows from `step` on."""
        return Weather(self.first_row + step, self.value[step : step + rows], perfect=True)

    def plan(self, state: State, step: int, intervals: int, rows: Ints | None = None) -> Plan:
        """A perfect plan over quarter hours."""
        start = MONDAY + timedelta(minutes=STEP_MINUTES * (self.first_row + step))
        horizon = Horizon(start, np.ones(intervals, dtype=np.int64))
        picked = self.rows if rows is None else rows
        return self.fleet.plan(picked, state, self.weather(step, intervals), horizon, self.tariff)

    def advance(self, state: State, step: int, p_kw: Floats, q_kvar: Floats) -> Delivered:
        """One step without a trip, checked for what must hold after any step."""
        before = {name: moving.copy() for name, moving in state.items()}
        never = np.zeros(self.n, dtype=bool)
        done, again = (
            self.fleet.advance(state, self.weather(step), p_kw.copy(), q_kvar.copy(), never, DT_H) for _ in range(2)
        )
        for name, moving in before.items():
            self.need(np.array_equal(moving, state[name]), f"advance does not change state {name} in place")
        self.need(np.array_equal(done.p_kw, again.p_kw), "the same step twice gives the same power")
        self.need(_same(done.state, again.state), "the same step twice gives the same state")
        for name in ("p_kw", "q_kvar", "available_kw", "unserved_kwh", "ev_unserved_kwh", "comfort_missed_k_h"):
            figure = getattr(done, name)
            self.need(figure.shape == (self.n,), f"{name} has one row per device")
            self.need(np.isfinite(figure), f"{name} is finite")
        for name in ("available_kw", "unserved_kwh", "ev_unserved_kwh", "comfort_missed_k_h"):
            self.need(getattr(done, name) >= 0, f"{name} is not negative")
        self.need(done.soc.shape == (self.n,), "soc has one row per device")
        before_kwh, after_kwh = (self.fleet.held_kwh(one) for one in (state, done.state))
        self.need(before_kwh.shape == after_kwh.shape == (self.n,), "held_kwh has one row per device")
        # a house below its comfort band warms up by what it loses less than at the limit: that is given, too
        gained = after_kwh - np.maximum(before_kwh, 0.0)
        self.need(
            gained <= (done.p_kw + done.available_kw) * DT_H + NEAR_KW, "no device gains more than it drew or was given"
        )
        self.need(set(done.state) == set(before), "a step keeps the names of the state")
        return done

    def check_random_wishes(self, steps: int) -> None:
        """Whatever is wished, what is done lies in the envelope its own plan stated for the step."""
        generator = np.random.default_rng(self.seed)
        state = self.fleet.initial(self.first_row)
        for step in range(steps):
            low, high = _envelope(self.plan(state, step, 1))
            wish = generator.normal(0.0, 1.0, self.n) * 10.0 ** generator.uniform(-2, 5, self.n)
            done = self.advance(state, step, wish, -wish)
            for group, total in _by_column(self.plan(state, step, 1), done.p_kw):
                self.need(total >= low[group] - NEAR_KW, "no power below the envelope of its plan")
                self.need(total <= high[group] + NEAR_KW, "no power above the envelope of its plan")
            state = done.state

    def check_local_rule(self, steps: int) -> None:
        """The local rule asks for nothing that the device cannot do."""
        generator = np.random.default_rng([self.seed, 1])
        state = self.fleet.initial(self.first_row)
        for step in range(steps):
            sensed = Sensed(generator.uniform(0.9, 1.1, self.n), generator.normal(0.0, 10.0, self.n))
            p, q = self.fleet.local_rule(state, self.weather(step), sensed, DT_H)
            done = self.advance(state, step, p, q)
            self.need(np.abs(done.p_kw - p) <= NEAR_KW, "the local rule asks for what the device can do")
            self.need(np.abs(done.q_kvar - q) <= NEAR_KW, "the local rule's reactive power can be done")
            state = done.state

    def check_plan_comes_true(self, steps: int) -> None:
        """A chosen schedule that keeps its bounds is what the device does, and its store goes where the plan says."""
        generator = np.random.default_rng([self.seed, 2])
        state = self.fleet.initial(self.first_row)
        for step in range(steps):
            plan = self.plan(state, step, steps)
            self._check_columns(plan)
            columns = plan.columns
            u = np.clip(np.zeros(columns.lo.shape), columns.lo, columns.hi)
            u[:, :, 0] = _one_step(columns, generator)
            if plan.whole is not None:  # those run or stand still; between them nothing comes true
                ends = np.where(generator.random(u[:, :, 0].shape) < 0.5, columns.lo[:, :, 0], columns.hi[:, :, 0])
                u[:, :, 0] = np.where(plan.whole[:, None], ends, u[:, :, 0])
            p_set, q_set = self.fleet.setpoints(self.rows, state, plan, u, 0, MONDAY)
            local, _ = self.fleet.local_rule(state, self.weather(step), Sensed(np.ones(self.n), np.zeros(self.n)), DT_H)
            p_kw = np.where(np.isnan(p_set), local, p_set)
            done = self.advance(state, step, p_kw, np.nan_to_num(q_set))
            # Room that was only made for the solver may show.
            planned = (columns.p * u[:, :, 0]).sum(axis=1)
            for group, total in _by_column(plan, done.p_kw - plan.base_p_kw[:, 0]):
                self.need(np.abs(total - planned[group]) <= 2e-3, "the planned power is what the device does")
            self._check_store(columns, u, self.plan(done.state, step + 1, steps - 1).columns)
            state = done.state

    def _check_columns(self, plan: Plan) -> None:
        columns = plan.columns
        shape = (len(columns), columns.p.shape[1], columns.intervals)
        self.need(len(columns.device) == shape[0], "columns have names")
        self.need(columns.node.shape == shape[:1], "columns have nodes")
        for name in ("lo", "hi", "cost", "quad"):
            self.need(getattr(columns, name).shape == shape, f"columns: {name} has shape (K, J, T)")
            self.need(np.isfinite(getattr(columns, name)), f"columns: {name} is finite")
        self.need(columns.hi > columns.lo, "every control has room")
        self.need(columns.quad > 0, "every control has curvature, or the answer is not unique")
        self.need(plan.column_of.shape == (self.n,), "column_of has one entry per device")
        self.need((plan.column_of >= -1) & (plan.column_of < len(columns)), "column_of points at columns")
        self.need(np.isfinite(plan.base_p_kw) & np.isfinite(plan.base_q_kvar), "the base power is finite")
        for row, column in zip(self.rows[plan.column_of >= 0], plan.column_of[plan.column_of >= 0], strict=True):
            self.need(columns.node[column] == self.fleet.node[row], "a column is at the node of its devices")
        if columns.store is not None:
            self.need((columns.store.keep > 0) & (columns.store.keep <= 1), "a store keeps a share in (0, 1]")
            self.need(columns.store.price > 0, "leaving the store's bounds has a price")
            self.need(columns.store.lo <= columns.store.hi, "the store has room")

    def _check_store(self, columns: Columns, u: Floats, later: Columns) -> None:
        """The store one step later is where the plan said it would be."""
        if columns.store is None or later.store is None or not columns.store.start.any():
            return  # nothing stored, or a store that counts from the start of each plan
        self.need(
            np.allclose(columns.store_of(u)[:, 0], later.store.start, rtol=0, atol=NEAR_KW),
            "the store moves as its columns say",
        )

    def check_part_is_like_whole(self, steps: int) -> None:
        """The plan of a cell's devices is that part of the plan of all."""
        state = self.fleet.initial(self.first_row)
        nodes = np.unique(self.fleet.node)
        part = self.rows[np.isin(self.fleet.node, nodes[::2])]
        whole, some = self.plan(state, 0, steps), self.plan(state, 0, steps, part)
        self.need(np.array_equal(whole.base_p_kw[part], some.base_p_kw), "the base of a part is that of the whole")
        for mine, theirs in zip(whole.column_of[part].tolist(), some.column_of.tolist(), strict=True):
            self.need((mine < 0) == (theirs < 0), "a device has a column in a part when it has one in the whole")
            if mine >= 0:
                for name in ("lo", "hi", "cost", "p", "q"):
                    same = np.array_equal(getattr(whole.columns, name)[mine], getattr(some.columns, name)[theirs])
                    self.need(same, f"{name} of a column is the same in a part and in the whole")


def _same(a: State, b: State) -> bool:
    return set(a) == set(b) and all(np.array_equal(a[name], b[name]) for name in a)


def _by_column(plan: Plan, p_kw: Floats) -> Iterator[tuple[int, float]]:
    """Total power of the devices of every column."""
    for column in np.unique(plan.column_of[plan.column_of >= 0]).tolist():
        yield column, float(p_kw[plan.column_of == column].sum())


def _envelope(plan: Plan) -> tuple[Floats, Floats]:
    """Lowest and highest power of each column's devices in the first interval."""
    columns = plan.columns
    ends = np.stack([columns.p * columns.lo[:, :, 0], columns.p * columns.hi[:, :, 0]])
    base = np.zeros(len(columns))
    owned = plan.column_of >= 0
    np.add.at(base, plan.column_of[owned], plan.base_p_kw[owned, 0])
    return base + ends.min(axis=0).sum(axis=1), base + ends.max(axis=0).sum(axis=1)


def _one_step(columns: Columns, generator: np.random.Generator) -> Floats:
    """Controls of the first interval, random in their box, moved so that the store keeps its bounds; shape (K, J).

    Only one control of a column acts, so that nothing is charged and discharged at once. A control that moves no power
    but empties the store (a spill) takes what would overflow, and nothing else.
    """
    lo, hi = columns.lo[:, :, 0], columns.hi[:, :, 0]
    u = generator.uniform(lo, hi)
    idle = np.clip(0.0, lo, hi)
    moves = (columns.p != 0) | (columns.q != 0)
    acting = np.array([generator.choice(np.flatnonzero(some)) for some in moves], dtype=np.int64)
    u = np.where(np.arange(lo.shape[1]) == acting[:, None], u, idle)
    store = columns.store
    if store is None:
        return u
    who = np.arange(len(columns))
    rest = store.keep[:, 0] * store.start + store.add[:, 0]
    gain, chosen = store.gain[who, acting, 0], u[who, acting]
    spill = np.flatnonzero(~moves.all(axis=1))
    ceiling = store.hi[:, 0].copy()
    ceiling[spill] = np.inf
    floor = np.minimum(store.lo[:, 0], np.maximum(rest, 0.0))
    level = np.clip(rest + gain * chosen, np.minimum(floor, rest), np.maximum(ceiling, rest))
    u[who, acting] = np.clip((level - rest) / gain, lo[who, acting], hi[who, acting])
    for k in spill.tolist():
        j = int(np.flatnonzero(~moves[k])[0])
        over = rest[k] + gain[k] * u[k, acting[k]] - store.hi[k, 0]
        u[k, j] = np.clip(over / -store.gain[k, j, 0], lo[k, j], hi[k, j])
    return u
