"""What controls and relays do every 10 ms: curves of followers, limits of power and energy, loads, trips.

Digital controls of this layer work in periods of that order; between two looks what they ask for stands still.
"""

from __future__ import annotations

from typing import final

import numpy as np

from archipel.grid.dynamics.events import Tripped
from archipel.grid.dynamics.grid_codes import GridCode, Limit
from archipel.grid.dynamics.plant import Plant
from archipel.grid.dynamics.units import Following
from archipel.model import Bools, Floats, Ints

LIMITER_PER_S = 5.0
"""Power limiter of a forming unit: how fast its set-point yields per power beyond the limit."""
STORE_S = 10.0
"""A store gives at most what would empty it in this time, so that it ends softly; the same for filling."""
PUSH_MAX = 0.1
"""Most a limiter moves a unit's frequency, relative; relays trip long before."""


@final
class Watch:
    """Looks at a plant in regular periods."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        f_hz = plant.island.f_hz
        codes = [unit.code.at(f_hz) for unit in plant.following]
        self.codes: list[tuple[GridCode, Ints]] = []
        for code in dict.fromkeys(codes):
            self.codes.append((code, np.array([i for i, own in enumerate(codes) if own == code], dtype=np.int64)))
        limits: list[tuple[Limit, ...]] = []
        for unit in plant.units:
            by_code = isinstance(unit, Following) and unit.limits is None
            limits.append(unit.code.at(f_hz).limits if isinstance(unit, Following) and by_code else unit.limits or ())
        limits += [load.limits for load in plant.island.loads]
        self._rules = [(row, limit) for row, own in enumerate(limits) for limit in own]
        self._row: Ints = np.array([row for row, _ in self._rules], dtype=np.int64)
        self._sign = np.array([[1.0 if limit.side == "above" else -1.0] for _, limit in self._rules]).reshape(-1, 1)
        self._value = self._sign * np.array([[limit.value] for _, limit in self._rules]).reshape(-1, 1)
        self._after = np.array([[limit.after_s] for _, limit in self._rules]).reshape(-1, 1)
        self._of_f: Bools = np.array([limit.quantity == "f_hz" for _, limit in self._rules], dtype=np.bool_)[:, None]
        self._loads_answer = any(load.share_per_hz for load in plant.island.loads)
        self.timer = np.zeros((len(self._rules), plant.S))
        """How long each limit has been passed."""

    def frequencies(self) -> Floats:
        """What each row measures, shape (K, S) [Hz]: its own, its loop's, for loads the centre's."""
        plant, f_hz = self.plant, self.plant.island.f_hz
        return np.asarray(f_hz * (1 + np.concatenate([plant.w, plant.x_g / (2 * np.pi * f_hz), self.at_loads()])))

    def at_loads(self) -> Floats:
        """Frequency where loads stand, over nominal less one, shape (L, S)."""
        plant = self.plant
        at_loads = plant.parts.by_row(plant.parts.centres(plant), slice(plant.N, plant.K))
        return np.broadcast_to(at_loads, (plant.L, plant.S))

    def powers(self, s_forming: np.ndarray) -> np.ndarray:
        """Power given by all units, shape (N, S)."""
        at = slice(self.plant.F, self.plant.N)
        return np.concatenate([s_forming, self.plant.V[at] * np.conj(self.plant.J[at])])

    def look(self, time_s: float, dt_s: float, s: np.ndarray) -> list[Tripped]:
        """After `dt_s` more seconds in which units gave the powers `s`. Returns what tripped."""
        plant = self.plant
        self.spend(s.real, dt_s)
        self._limit_powers(s.real, dt_s)
        if plant.rising:
            plant.rise(dt_s)
        if self._loads_answer or (plant.pickup != 1).any():
            self.age_loads(dt_s, plant.island.f_hz * (1 + self.at_loads()))
        if not (plant.G or self._rules):
            return self._spent(time_s) + self._dark(time_s)
        f, v = self.frequencies(), np.abs(plant.V)
        if plant.G:
            self.refer(f[plant.F : plant.N], v[plant.F : plant.N], dt_s)
        return self._trip(time_s, dt_s, f, v)

    def spend(self, p: Floats, dt_s: float) -> None:
        """Energy of stores after `dt_s` at power `p` given."""
        plant = self.plant
        if plant.stored.any():
            out, into = np.maximum(p, 0.0) / plant.efficiency, np.minimum(p, 0.0) * plant.efficiency
            plant.e -= (out + into) * (dt_s / 3600.0)

    def room(self) -> tuple[Floats, Floats]:
        """Least and most power units can give now, stores included, shape (N, S)."""
        plant = self.plant
        if not plant.stored.any():
            return plant.p_least, plant.p_most
        hours = STORE_S / 3600.0
        stored = plant.stored[:, None]
        give = np.where(stored, np.maximum(plant.e, 0.0) * plant.efficiency / hours, np.inf)
        take = np.where(stored, np.maximum(plant.e_max - plant.e, 0.0) / plant.efficiency / hours, np.inf)
        return np.maximum(plant.p_least, -take), np.minimum(plant.p_most, give)

    def _limit_powers(self, p: Floats, dt_s: float) -> None:
        """Forming units beyond their limits let their frequency move until others take over.

        An integrator shifts the set-point while power is beyond a limit and returns to zero afterwards. A machine with
        a governor does not hear it: its valve is its limiter. Source: overload mitigation of REGFM_A1, W. Du et al.,
        PNNL-32278, 2023 (there on frequency, here on power: over droop).
        """
        plant, F = self.plant, self.plant.F
        least, most = (limit[:F] for limit in self.room())
        push, p = plant.p_push, p[:F]
        if not (push.any() or (p > most).any() or (p < least).any()):
            return
        gain = LIMITER_PER_S * dt_s
        down = np.minimum(np.minimum(push, 0.0) + gain * np.where(np.isfinite(most), most - p, 0.0), 0.0)
        up = np.maximum(np.maximum(push, 0.0) + gain * np.where(np.isfinite(least), least - p, 0.0), 0.0)
        far = PUSH_MAX * plant.stiffness
        asked = np.where(push < 0, down, np.where(push > 0, up, down + up))
        push[:] = np.where(plant.on[:F], np.clip(asked, -far, far), 0.0)

    def age_loads(self, dt_s: float, f: Floats) -> None:
        """Cold-load pick-up decays, and loads answer to frequency."""
        plant = self.plant
        held = np.maximum(plant.pickup_s - dt_s, 0.0)
        fading = dt_s - (plant.pickup_s - held)
        plant.pickup_s = held
        plant.pickup = 1 + (plant.pickup - 1) * np.exp(-fading / plant.decay_s)
        plant.multiple = plant.pickup * (1 + plant.share_per_hz * (f - plant.island.f_hz))
        plant.update_loads()

    def refer(self, f: Floats, v: Floats, dt_s: float) -> None:
        """References of following units after `dt_s`; an infinite time gives the settled ones."""
        plant = self.plant
        N, F = plant.N, plant.F
        rating = plant.rating[F:]
        least, most = (limit[F:] for limit in self.room())
        for code, at in self.codes:
            p_set, q_set = plant.p_set[F:][at], plant.q_set[F:][at]
            p_set = np.clip(p_set, least[at], most[at])
            watt = code.frequency_watt
            if watt is not None:
                asked = p_set + rating[at] * watt.change(f[at], plant.island.f_hz, p_set / rating[at])
                change = np.clip(asked, least[at], most[at]) - p_set
                plant.p_droop[at] = _lagged(plant.p_droop[at], change, dt_s, watt.lag_s)
            ceiling = np.full_like(p_set, np.inf)
            if code.volt_watt is not None:
                ceiling = rating[at] * code.volt_watt(v[at])
                before = np.where(np.isfinite(plant.most_ref[at]), plant.most_ref[at], ceiling)
                plant.most_ref[at] = ceiling = _lagged(before, ceiling, dt_s, code.volt_watt.lag_s)
            if code.volt_var is not None:
                q_asked = rating[at] * code.volt_var(v[at])
                q_set = _lagged(plant.q_ref[at], q_asked, dt_s, code.volt_var.lag_s)
            plant.q_ref[at] = q_set
            alive = (v[at] >= code.cease[0]) & (v[at] <= code.cease[1]) & plant.on[F:N][at]
            p = np.clip(p_set + plant.p_droop[at], least[at], np.minimum(most[at], ceiling))
            plant.i_ref[at] = self._currents(p, q_set, v[at], at, alive)

    def _currents(self, p: Floats, q: Floats, v: Floats, at: Ints, alive: Bools) -> np.ndarray:
        """Current for the powers, reactive first, within apparent power rating and current limit."""
        rating, i_max = self.plant.rating[self.plant.F :][at], self.plant.i_max[self.plant.F :][at]
        q = np.clip(q, -rating, rating)
        room = np.sqrt(np.maximum(rating**2 - q**2, 0.0))
        i = (np.clip(p, -room, room) - 1j * q) / np.maximum(v, 0.05)
        return np.asarray(np.where(alive, i * np.minimum(1.0, i_max / np.maximum(np.abs(i), 1e-12)), 0.0))

    def _trip(self, time_s: float, dt_s: float, f: Floats, v: Floats) -> list[Tripped]:
        plant, gone = self.plant, []
        if self._rules:
            self.timer += dt_s
            self.timer *= self._beyond(f, v)
            due = self.timer >= np.maximum(self._after - 1e-9, dt_s / 2)
            if due.any():
                for rule, scenario in np.argwhere(due):
                    row, limit = self._rules[rule]
                    if plant.on[row, scenario]:
                        plant.switch_off(row, int(scenario))
                        over = f"{limit.quantity} {limit.side} {limit.value:g} for {limit.after_s:g} s"
                        gone.append(Tripped(int(scenario), time_s, plant.ids[row], over))
                self.timer[due] = 0.0
        return gone + self._spent(time_s) + self._dark(time_s)

    def beyond(self) -> Bools:
        """Which limits are passed now."""
        return self._beyond(self.frequencies(), np.abs(self.plant.V))

    def _beyond(self, f: Floats, v: Floats) -> Bools:
        if not self._rules:
            return np.zeros((0, self.plant.S), dtype=np.bool_)
        measured = np.where(self._of_f, f[self._row], v[self._row])
        return np.asarray((self._sign * measured > self._value) & self.plant.on[self._row])

    def _spent(self, time_s: float) -> list[Tripped]:
        """A store that is empty all the same, or full, switches its unit off if that is what it still does."""
        plant = self.plant
        if not plant.stored.any():
            return []
        over = (plant.e < -plant.e_spare) | (plant.e > plant.e_max + plant.e_spare)
        gone = []
        for row, scenario in np.argwhere(over & plant.on[: plant.N] & plant.stored[:, None]):
            empty = plant.e[row, scenario] < 0
            plant.e[row, scenario] = np.clip(plant.e[row, scenario], 0.0, plant.e_max[row, 0])
            plant.switch_off(int(row), int(scenario))
            gone.append(Tripped(int(scenario), time_s, plant.ids[row], "store empty" if empty else "store full"))
        return gone

    def _dark(self, time_s: float) -> list[Tripped]:
        """Without a unit that forms a voltage those that follow one have nothing to follow."""
        plant = self.plant
        gone: list[Tripped] = []
        if not plant.G:
            return gone
        dark = ~plant.parts.live[plant.F : plant.N]
        for row, scenario in np.argwhere(plant.on[plant.F : plant.N] & dark):
            plant.switch_off(int(plant.F + row), int(scenario))
            gone.append(Tripped(int(scenario), time_s, plant.ids[plant.F + row], "no source forms a voltage"))
        return gone


def _lagged(before: Floats, towards: Floats, dt_s: float, lag_s: float) -> Floats:
    return np.asarray(towards + (before - towards) * np.exp(-dt_s / max(lag_s, 1e-12)))
