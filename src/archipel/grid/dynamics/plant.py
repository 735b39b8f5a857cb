"""The live state of S scenarios of an island as arrays, and the algebra of its network.

Rows are forming units, following units, loads, in this order; columns are scenarios, so that a step of one unit in all
scenarios is one line of memory. Open ties part the network; a part in which no unit forms a voltage is dark (`parts`).
Per unit on the network's base, powers *given*. A row's source of current J stands at its terminal; a forming unit's is
its voltage behind the admittance y_c of its impedance:

    V = Z J,   Z = inv(Y_network + Y_loads + Y_c) between the rows' terminals     [constant-impedance loads in Y_loads]

Source: P. Kundur, "Power System Stability and Control", 1994, section 13.3.2 (Norton sources on a reduced network).
"""

from __future__ import annotations

from typing import final

import numpy as np

from archipel.grid.branch_model import Complexes
from archipel.grid.dynamics.island import Island, Start, kron
from archipel.grid.dynamics.parts import Parts
from archipel.grid.dynamics.units import Following, Forming, Store, Unit
from archipel.model import Bools, Floats, GridError, Ints

V_PU_CONSTANT_POWER = 0.7
"""Below this voltage a load of constant power draws as an impedance does (the usual PQBRAK of transient programs)."""
DEAD_V_PU = 0.2
"""Below it a terminal counts as dead for a unit that starts."""
LIMIT_ROUNDS = 200
_LIMIT_TOLERANCE = 1e-8

_MOVING = (
    "w", "w_centre", "u", "e_f", "gate", "turbine", "p_push", "u_g", "x_g", "i_g", "i_ref", "p_droop", "q_ref",
    "most_ref", "multiple", "pickup", "pickup_s", "e", "k", "J", "V", "I",
    "ramp",
)  # fmt: skip


@final
class Plant:
    """State and parameters. Shapes (rows of a kind, S) unless said otherwise."""

    def __init__(self, island: Island, start: Start, scenarios: int) -> None:
        self.island, self.S = island, scenarios
        self.base = island.network.base_kva
        self.forming = [unit for unit in island.units if isinstance(unit, Forming)]
        self.following = [unit for unit in island.units if isinstance(unit, Following)]
        self.units: list[Unit] = [*self.forming, *self.following]
        self.F, self.G, self.L = len(self.forming), len(self.following), len(island.loads)
        self.N, self.K = self.F + self.G, self.F + self.G + self.L
        self.order: Ints = np.array([island.units.index(unit) for unit in self.units], dtype=np.int64)
        """Row of every unit of ours in the island's order."""
        self.ids = [*(unit.id for unit in self.units), *(load.id for load in island.loads)]
        terminal = [each.terminal for each in (*self.units, *island.loads)]
        ends = [end for tie in island.ties for end in (tie.a, tie.b)]
        self.used, own = np.unique(np.array(terminal + ends, dtype=np.int64), return_inverse=True)
        self.terminal: Ints = own[: len(terminal)]
        self.ends: Ints = own[len(terminal) :].reshape(-1, 2)
        """Of ties, shape (T, 2)."""
        self.y_net: Complexes = kron(island.network.y_pu, self.used)
        self.y_tie: Complexes = np.array([1 / complex(tie.r_pu, tie.x_pu) for tie in island.ties]).reshape(-1, 1)
        self.y_charge: Complexes = np.array([0.5j * tie.b_pu for tie in island.ties]).reshape(-1, 1)
        self.rating = _column([unit.rating_kva for unit in self.units]) / self.base
        self._parameters()
        self._set_points(start)
        self._state()
        self.rebuild()

    def _parameters(self) -> None:
        forming, rating = self.forming, self.rating[: self.F]
        self.m = 2 * _column([unit.inertia_s for unit in forming]) * rating
        self.d = _column([unit.damping_pu for unit in forming]) * rating
        self.infinite = np.isinf(self.m[:, 0])
        f_own = [unit.f_hz if unit.f_hz is not None else self.island.f_hz for unit in forming]
        self.w_own = _column(f_own) / self.island.f_hz - 1.0
        self.droop_v = _column([unit.droop_v for unit in forming]) / rating
        self.filter_s = _column([unit.filter_s for unit in forming])
        self.y_c = rating / (_column([unit.r_pu for unit in forming]) + 1j * _column([unit.x_pu for unit in forming]))
        self.i_max = _column([unit.i_pu_max for unit in self.units]) * self.rating
        self.governed: Ints = np.flatnonzero([unit.governor is not None for unit in forming])
        governors = [unit.governor for unit in forming if unit.governor is not None]
        self.gate_gain = rating[self.governed] / _column([each.droop for each in governors])
        self.valve_s = _column([each.valve_s for each in governors])
        self.lag_s = _column([each.lag_s for each in governors])
        self.lead = np.divide(
            _column([each.lead_s for each in governors]), self.lag_s, out=np.ones_like(self.lag_s), where=self.lag_s > 0
        )
        self.stiffness = self.d.copy()  # power per frequency once all is settled
        self.stiffness[self.governed] += self.gate_gain
        self.follow_s = _column([unit.lag_s for unit in self.following])

    def _set_points(self, start: Start) -> None:
        base, order, loads = self.base, self.order, self.island.loads
        wide = np.ones((1, self.S))

        def units(given: Floats | None, own: list[float]) -> Floats:
            return np.array(_column(own) * wide if given is None else given.T[order], dtype=np.float64)

        def of_loads(given: Floats | None, own: list[float]) -> Floats:
            return np.array(_column(own) * wide if given is None else given.T, dtype=np.float64)

        self.p_set = -units(start.p_kw, [unit.p_kw for unit in self.units]) / base
        self.q_set = -units(start.q_kvar, [unit.q_kvar for unit in self.units]) / base
        own_v = [unit.v_pu if isinstance(unit, Forming) else 1.0 for unit in self.units]
        self.v_set = units(start.v_pu, own_v)[: self.F]
        most = -units(start.p_kw_min, [unit.p_kw_min for unit in self.units]) / base
        least = -units(start.p_kw_max, [unit.p_kw_max for unit in self.units]) / base
        limit = np.where(np.append(self.infinite, np.zeros(self.G, dtype=bool))[:, None], np.inf, self.rating)
        self.p_most, self.p_least = np.minimum(most, limit), np.maximum(least, -limit)
        stores: list[Store | None] = [unit.store for unit in self.units]
        self.stored: Bools = np.array([store is not None for store in stores], dtype=np.bool_)
        own_e = [store.e_kwh if store else 0.0 for store in stores]
        self.e = units(start.e_kwh, own_e) / base  # hours at base power
        self.e_max = _column([store.e_kwh_max if store else np.inf for store in stores]) / base
        self.e_spare = _column([store.spare * store.e_kwh_max if store else 0.0 for store in stores]) / base
        self.efficiency = _column([store.efficiency if store else 1.0 for store in stores])
        own_on = [1.0] * self.N
        on = units(None if start.on is None else start.on.astype(np.float64), own_on)
        load_on = of_loads(
            None if start.load_on is None else start.load_on.astype(np.float64), [float(load.on) for load in loads]
        )
        self.on: Bools = np.concatenate([on, load_on]) > 0.5
        self.load = (
            of_loads(start.load_p_kw, [load.p_kw for load in loads])
            + 1j * of_loads(start.load_q_kvar, [load.q_kvar for load in loads])
        ) / base
        self.z_share = _column([load.z_share for load in loads])
        self.share_per_hz = _column([load.share_per_hz for load in loads])
        ties = _column([float(tie.closed) for tie in self.island.ties]) * wide
        self.closed: Bools = ties > 0.5 if start.closed is None else start.closed.T.copy()

    def _state(self) -> None:
        shape = (self.F, self.S)
        self.state: Floats = np.stack([np.broadcast_to(self.w_own, shape), self.v_set])
        """Frequency over nominal less one, and the filtered size of a forming unit's voltage: moved in one go."""
        self.w, self.e_f = self.state
        self.w_centre = np.zeros(self.S)
        own = np.exp(1j * np.deg2rad(_column([unit.angle_deg for unit in self.forming])))
        self.u: Complexes = np.array(np.broadcast_to(own, shape))
        """Direction of a forming unit's voltage, against a frame that turns with the centre of inertia."""
        self.gate = self.p_set[: self.F][self.governed].copy()
        self.turbine = self.gate.copy()
        self.p_push = np.zeros(shape)
        """What keeps a unit's power within its limits: added to its p_set by its limiter."""
        self.u_g: Complexes = np.ones((self.G, self.S), dtype=np.complex128)
        self.x_g = np.zeros((self.G, self.S))
        self.i_g: Complexes = np.zeros((self.G, self.S), dtype=np.complex128)
        self.i_ref: Complexes = np.zeros((self.G, self.S), dtype=np.complex128)
        self.p_droop, self.q_ref = np.zeros((self.G, self.S)), self.q_set[self.F :].copy()
        """What frequency adds to a following unit's set-point, and its reactive power."""
        self.most_ref = np.full((self.G, self.S), np.inf)
        self.multiple = np.ones((self.L, self.S))
        self.pickup = np.ones((self.L, self.S))
        self.pickup_s = np.zeros((self.L, self.S))
        self.decay_s = np.full((self.L, self.S), np.inf)
        self.ramp, self.ramp_per_s = np.ones(shape), np.zeros(shape)
        """Share of its voltage that a starting unit has been told to give, and how fast it rises."""
        self.rising = False
        """Whether a unit is still raising its voltage."""
        self.k = np.ones(shape)
        """Impedance of a forming unit over its own: above 1 while its current is limited."""
        self.J: Complexes = np.zeros((self.K, self.S), dtype=np.complex128)
        self.V: Complexes = np.ones((self.K, self.S), dtype=np.complex128)
        self.I: Complexes = np.zeros(shape, dtype=np.complex128)

    def at_terminals(self) -> Complexes:
        """Voltages at all terminals of the network, shape (M, S); those where nothing stands follow from the others."""
        y = self.island.network.y_pu
        rest = np.setdiff1d(np.arange(y.shape[-1]), self.used)
        v: Complexes = np.zeros((y.shape[-1], self.S), dtype=np.complex128)
        v[self.used] = self.at_used()
        if len(rest):
            into = y[..., rest[:, None], self.used] @ v[self.used].T[:, :, None]
            v[rest] = -np.linalg.solve(y[..., rest[:, None], rest], into)[:, :, 0].T
        return v

    def at_used(self) -> Complexes:
        """Voltages where something stands or a tie ends, shape (terminals, S)."""
        sources = self.J.copy()
        # seen from the network a limited unit is one of the voltage that drives its current through its own impedance
        drop = np.divide(self.I, self.y_f, out=np.zeros_like(self.I), where=self.y_f != 0)
        sources[: self.F] = np.where(self.y_f != 0, self.V[: self.F] + drop, 0.0)
        return np.asarray((self._of_terminals @ sources.T[:, :, None])[:, :, 0].T)

    def kept(self) -> dict[str, np.ndarray]:
        """A copy of all that moves by itself."""
        return {name: getattr(self, name).copy() for name in _MOVING}

    def put_back(self, kept: dict[str, np.ndarray]) -> None:
        """Back to a copy that `kept` made."""
        for name, value in kept.items():
            getattr(self, name)[...] = value
        self.update_loads()

    def rise(self, dt_s: float) -> None:
        """Voltages that are being raised, `dt_s` later."""
        np.minimum(self.ramp + dt_s * self.ramp_per_s, 1.0, out=self.ramp)
        self.ramp_per_s[self.ramp >= 1.0] = 0.0
        self.rising = bool(self.ramp_per_s.any())

    def start_up(self, row: int, scenario: int, ramp_s: float) -> None:
        """Switches a unit on, in step with the voltage at its terminal; without one it raises it, if it can."""
        v, rows = self.V[row, scenario], self.parts.of_row[row, scenario]
        self.on[row, scenario] = True
        alive = bool(self.parts.live[row, scenario]) and abs(v) > DEAD_V_PU
        w = float(self.parts.centres(self)[rows, scenario]) if alive else 0.0
        u = v / abs(v) if alive else 1.0
        if row >= self.F:
            self.u_g[row - self.F, scenario], self.x_g[row - self.F, scenario] = u, 2 * np.pi * self.island.f_hz * w
            return
        self.u[row, scenario], self.w[row, scenario] = u, w
        self.e_f[row, scenario] = abs(v) if alive else 0.0
        self.p_push[row, scenario] = 0.0
        self.ramp[row, scenario] = 1.0 if alive else 0.0
        self.ramp_per_s[row, scenario] = 0.0 if alive else 1.0 / ramp_s
        self.rising |= not alive

    def switch_off(self, row: int, scenario: int | slice) -> None:
        """Takes a unit or load off; `rebuild` has to follow."""
        self.on[row, scenario] = False
        if self.F <= row < self.N:
            self.i_g[row - self.F, scenario] = self.i_ref[row - self.F, scenario] = 0.0

    def rebuild(self) -> None:
        """Matrices anew, after units, loads or ties have changed. What has no forming unit any more goes dark."""
        on_f = self.on[: self.F]
        self.y_f: Complexes = np.where(on_f, self.y_c, 0.0)
        self.lit: Bools = np.asarray(on_f.any(axis=0))
        self.y_load: Complexes = np.where(self.on[self.N :], np.conj(self.load) * self.z_share, 0.0)
        self.weight = np.where(on_f, np.where(self.infinite[:, None], 1.0, self.m), 0.0)
        with_grid = (on_f & self.infinite[:, None]).any(axis=0)
        self.weight[~self.infinite] *= ~with_grid  # an infinite inertia is the centre
        self.weight /= np.maximum(self.weight.sum(axis=0), 1e-300)
        self.parts = Parts.of(self)
        own = np.concatenate([self.y_f, np.zeros((self.G, self.S)), self.y_load])
        equal = bool((own == own[:, :1]).all() and (self.closed == self.closed[:, :1]).all())
        same = self.y_net.ndim == 2 and equal
        self._join(1 if same else self.S)
        y = stamped(self.y_now, own[:, :1] if same else own, self.terminal)
        z = np.where(self.parts.live_terminal[:, : len(y)].T[:, :, None], np.linalg.inv(y), 0.0)
        rows = z[:, self.terminal[:, None], self.terminal]
        self.same = same
        y_column = np.concatenate([self.y_f, np.ones((self.G + self.L, self.S))])
        """1 where a row's source is a current."""
        y_source = y_column[:, :1].T if same else y_column.T[:, None]
        self.rows_e: Complexes = rows * y_source
        """Voltage at a row's terminal per source of another, (1, K, K), or (S, K, K) where scenarios differ."""
        self._of_terminals: Complexes = z[:, :, self.terminal] * y_source
        own_rows = self.rows_e[0] if same else self.rows_e
        self._rows = {rows: np.ascontiguousarray(own_rows[..., :rows, :rows]) for rows in (self.N, self.K)}
        self.constant_power = bool((np.abs(self.load) * (1 - self.z_share) * self.on[self.N :]).any())
        self.update_loads()

    def _join(self, count: int) -> None:
        """The network with its closed ties; what is dark stands to earth, so that there is an inverse."""
        live = self.parts.live_terminal[:, :count]
        if not len(self.ends) and live.all():
            self.y_now: Complexes = self.y_net
            return
        y = np.array(np.broadcast_to(self.y_net, (count, *self.y_net.shape[-2:])))
        for (a, b), through, charging, closed in zip(
            self.ends, self.y_tie[:, 0], self.y_charge[:, 0], self.closed[:, :count], strict=True
        ):
            y[closed, a, b] -= through
            y[closed, b, a] -= through
            y[closed, a, a] += through + charging
            y[closed, b, b] += through + charging
        every = np.arange(y.shape[-1])
        y[:, every, every] += np.where(live, 0.0, 1.0).T
        self.y_now = y

    def update_loads(self) -> None:
        """What loads draw beside the impedance in the matrix: per voltage, and as constant power."""
        on = self.on[self.N :]
        drawn = np.where(on, (self.load.real * self.multiple + 1j * self.load.imag * self.pickup), 0.0)
        self.y_extra: Complexes = np.asarray(np.conj(drawn) * self.z_share - self.y_load)
        self.s_constant: Complexes = np.asarray(np.conj(drawn) * (1 - self.z_share))
        self.extra = bool(self.constant_power or (np.abs(self.y_extra) > 1e-15).any())
        if not self.extra:
            self.J[self.N :] = 0.0

    def load_currents(self, turn: Complexes | None = None) -> None:
        """Writes the loads' part of J, from the last voltages and what they have turned by since (`Parts.turn`)."""
        if not self.extra:
            return
        v = self.V[self.N :] if turn is None else self.V[self.N :] * turn
        y = self.y_extra
        if self.constant_power:
            y = y + self._y_constant(v, self.s_constant)
        np.multiply(y, v, out=self.J[self.N :])
        np.negative(self.J[self.N :], out=self.J[self.N :])

    @staticmethod
    def _y_constant(v: Complexes, s_conj: Complexes) -> Complexes:
        """Loads of constant power as admittances at these voltages."""
        return np.asarray(s_conj / np.maximum((v * v.conj()).real, V_PU_CONSTANT_POWER**2))

    def voltages(self, *, loads: bool = True) -> None:
        """V from J. Where loads give no current (`extra`) those of units need nothing else, which saves time."""
        rows = self.K if loads else self.N
        z, j, v = self._rows[rows], self.J[:rows], self.V[:rows]
        if self.same:
            np.matmul(z, j, out=v)
        else:
            np.matmul(z, j.T[:, :, None], out=v.T[:, :, None])

    def solve(self, rounds: int = 50) -> None:
        """The network's state at the present voltages and currents of units, to round-off."""
        F, N = self.F, self.N
        for _ in range(rounds):
            before = self.V.copy()
            np.multiply(self.u, self.e_f, out=self.J[:F])
            np.multiply(self.u_g, self.i_g, out=self.J[F:N])
            self.load_currents()
            self.voltages()
            np.subtract(self.J[:F], self.V[:F], out=self.I)
            self.I *= self.y_f
            self.limit()
            if np.abs(self.V - before).max() < 1e-12:
                return

    def limit(self) -> None:
        """Holds the current of forming units where it is too large, by a larger impedance in the same direction.

        I = (E - V) / (k z_c), the least k >= 1 with |I| <= i_max: the current keeps its angle and loses its excess.
        Seen from one unit the rest is V_0 behind z_th, so k solves |z_th + k z_c| = |E - V_0| / i_max; units that are
        limited together are solved in turns.

        Source: A. D. Paquette and D. M. Divan, "Virtual impedance current limiting for inverters in microgrids with
        synchronous generators", IEEE Trans. Ind. Appl. 51(2), 2015, doi:10.1109/TIA.2014.2345877; the adaptive size
        after REGFM_A1 (PNNL-32278), which scales the current at its angle.
        """
        limit = self.i_max[: self.F]
        high = (np.abs(self.I) > limit).any(axis=0)
        if not high.any():
            return
        at = np.flatnonzero(high)
        F, t = self.F, self.terminal
        e, y_f, k = (self.u * self.e_f)[:, at], self.y_f[:, at], self.k[:, at]
        injected = self.J[:, at]
        injected[self.N :] = 0.0  # loads are admittances here: no current has to flow that nobody gives
        own = np.zeros((self.K, len(at)), dtype=np.complex128)
        v, y_net = self.V[:, at], self.y_now
        live = self.parts.live[:, at]
        for _ in range(LIMIT_ROUNDS):
            y = own[:F] = y_f / k
            y_extra = self.y_extra[:, at] + self._y_constant(v[self.N :], self.s_constant[:, at])
            own[self.N :] = self.y_load[:, at] + y_extra
            injected[:F] = y * e
            z = np.linalg.inv(stamped(y_net if y_net.ndim == 2 or len(y_net) == 1 else y_net[at], own, t))
            rows = z[:, t[:, None], t]
            v = np.einsum("sij,js->is", rows, injected) * live
            current = y * (e - v[:F])
            size = np.abs(current)
            if (size <= limit * (1 + _LIMIT_TOLERANCE)).all() and (
                (size >= limit * (1 - _LIMIT_TOLERANCE)) | (k == 1.0)
            ).all():
                break
            z_ii = rows[:, np.arange(F), np.arange(F)].T
            alone = 1 - z_ii * y
            z_th = z_ii / np.where(alone == 0, 1e-12, alone)
            off = y_f == 0
            z_c = 1 / np.where(off, 1, y_f)
            reach = np.abs(e - (v[:F] - z_th * current)) / limit
            a, b, c = np.abs(z_c) ** 2, (z_th * z_c.conj()).real, np.abs(z_th) ** 2 - reach**2
            k = np.where(off, 1.0, np.maximum(1.0, (-b + np.sqrt(np.maximum(b * b - a * c, 0.0))) / a))
        else:
            raise GridError("currents of several limited units did not come to rest; give them more impedance")
        self.V[:, at], self.I[:, at], self.k[:, at] = v, current, k
        self.J[self.N :, at] = -y_extra * v[self.N :]


def stamped(y_net: Complexes, own: Complexes, terminal: Ints) -> Complexes:
    """Network and what stands at its terminals, shape (S, M, M); `own` by row, shape (K, S)."""
    y = np.array(np.broadcast_to(y_net, (own.shape[1], *y_net.shape[-2:])), dtype=np.complex128)
    scenario = np.arange(len(y))[:, None]
    np.add.at(y, (scenario, terminal, terminal), own.T)
    return y


def _column(values: list[float]) -> Floats:
    return np.array(values, dtype=np.float64).reshape(-1, 1)
