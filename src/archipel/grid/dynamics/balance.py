"""The settled state of an island: frequency, voltages and sharing after all droops, without simulating time.

Unknown are the angles and sizes of the forming units' voltages and the frequency w of every part of the network:

    p_i(delta, e) = p_set,i - w (D_i + 1/R_i)         or the unit's limit, where that is passed
    e_i = v_set,i + droop_v,i (q_set,i - q_i(delta, e))
    delta of a part's first unit stands                (a main grid holds w instead of its power)

Newton's method on these, with loads of constant power and following units as currents found anew in every round.

Source: F. Mumtaz et al., "A novel Newton Raphson algorithm for power flow of droop-regulated islanded microgrids", IEEE
Trans. Sustain. Energy 7(2), 2016, doi:10.1109/TSTE.2015.2502482.
"""

from __future__ import annotations

import numpy as np

from archipel.grid.branch_model import Complexes
from archipel.grid.dynamics.plant import Plant
from archipel.grid.dynamics.watch import PUSH_MAX, Watch
from archipel.model import Bools, Floats, Ints

ROUNDS = 400
TOLERANCE = 1e-11
_STEP_MAX = 0.3
"""Most an angle [rad] or a voltage [pu] moves in one round."""
_POWER_TOLERANCE = 1e-9


def balance(plant: Plant, watch: Watch) -> tuple[Bools, Complexes]:
    """Moves the plant into its settled state. Returns where one was found, (S,), and the powers units give, (N, S).

    None is found where every forming unit is at a power limit and nothing else answers to frequency, where a current
    limit would be passed and where the rounds ran out. A dark scenario is as settled as can be.
    """
    F = plant.F
    least, most = (limit[:F] for limit in watch.room())
    on = plant.on[:F]
    plant.p_push[:] = 0.0
    at_limit: Ints = np.zeros((F, plant.S), dtype=np.int64)
    parts = plant.parts
    units = parts.member.sum(axis=1)
    all_held: Bools = np.zeros((parts.number, plant.S), dtype=np.bool_)
    for _ in range(2 * F + 1):
        found, s, _ = _newton(plant, watch, at_limit != 0, np.where(at_limit > 0, most, least))
        p, by_droop = s.real, plant.p_set[:F] - plant.w * plant.stiffness
        new = np.where(p > most + _POWER_TOLERANCE, 1, np.where(p < least - _POWER_TOLERANCE, -1, 0))
        still = np.where(at_limit > 0, by_droop > most, by_droop < least)
        new = np.where(at_limit != 0, at_limit * still, new) * on
        all_held |= ((parts.member & (new != 0)).sum(axis=1) == units) & (units > 0)
        new = np.where(parts.by_row(all_held, slice(F)), at_limit, new)
        if (new == at_limit).all():
            break
        at_limit = new
    if all_held.any():
        nearest = np.where(np.abs(p - most) < np.abs(p - least), most, least)
        held = np.where(parts.by_row(all_held, slice(F)), nearest, np.where(at_limit > 0, most, least))
        found, s = _held_by_others(plant, watch, all_held, at_limit != 0, held)
        p = s.real
    found &= ((p <= most + 1e-6) & (p >= least - 1e-6) | ~on).all(axis=0)
    found &= (np.abs(plant.I) <= plant.i_max[:F] * (1 + 1e-9)).all(axis=0)
    found |= ~plant.lit
    plant.p_push[:] = np.where(on & ~plant.infinite[:, None], p - (plant.p_set[:F] - plant.w * plant.stiffness), 0.0)
    plant.p_push[np.abs(plant.p_push) < _POWER_TOLERANCE] = 0.0
    gate = np.clip(
        plant.p_set[:F][plant.governed] - plant.gate_gain * plant.w[plant.governed],
        plant.p_least[plant.governed],
        plant.p_most[plant.governed],
    )
    plant.gate[:], plant.turbine[:] = gate, gate
    return found, watch.powers(s)


def _held_by_others(plant: Plant, watch: Watch, which: Bools, limited: Bools, held: Floats) -> tuple[Bools, Complexes]:
    """All forming units at their limits: frequency goes where followers and loads take up what is left.

    Set-points are pushed until the droops meet the limits at the frequency w that results: a secant on w.
    """
    parts, of_units = plant.parts, slice(plant.F)
    aim = parts.centres(plant).copy()
    which_units = parts.by_row(which, of_units)
    w_before, miss_before = aim, np.zeros_like(aim)
    for turn in range(30):
        aimed = parts.by_row(aim, of_units)
        plant.p_push[:] = np.where(which_units, held - (plant.p_set[: plant.F] - aimed * plant.stiffness), 0.0)
        found, s, w = _newton(plant, watch, limited & ~which_units, held)
        miss = np.where(which, w - aim, 0.0)
        if (np.abs(miss) < 1e-9).all():
            break
        slope = np.where(aim != w_before, (miss - miss_before) / np.where(aim != w_before, aim - w_before, 1.0), 0.0)
        step = np.where(np.abs(slope) > 1e-3, -miss / np.where(slope == 0, 1.0, slope), miss) if turn else miss
        w_before, miss_before = aim, miss
        aim = np.clip(aim + step, -PUSH_MAX, PUSH_MAX)
    return found & (np.abs(miss) < 1e-7).all(axis=0), s


def _newton(plant: Plant, watch: Watch, limited: Bools, held: Floats) -> tuple[Bools, Complexes, Floats]:
    F, S, P = plant.F, plant.S, plant.parts.number
    on, infinite = plant.on[:F], plant.infinite[:, None] & plant.on[:F]
    scenario, unit = np.arange(S), np.arange(F)[:, None]
    of_part, exist = plant.parts.of_row[:F], plant.parts.exist()
    first = plant.parts.member.argmax(axis=1)
    own = np.where(exist, first, 2 * F + np.arange(P)[:, None])
    ease = _ease(plant)
    z = np.moveaxis(plant.rows_e[:, :F, :F], 0, -1)
    eye = np.eye(F)[:, :, None]
    w_parts = np.where(exist, plant.w[first, scenario], 0.0)
    for _ in range(ROUNDS):
        before = plant.V.copy()
        plant.J[:F] = plant.u * plant.e_f
        plant.J[F : plant.N] = plant.u_g * plant.i_g
        plant.load_currents()
        plant.voltages()
        v = plant.V[:F]
        plant.I[:] = plant.y_f * (plant.J[:F] - v)
        i_conj = plant.I.conj()
        s = v * i_conj
        # derivatives of power by angle and size of every voltage, shape (F, 2, F, S)
        d_j = np.stack([1j * plant.J[:F], plant.u])
        d_v = z[:, None] * d_j[None]
        d_i = plant.y_f[:, None, None] * (np.moveaxis(eye * d_j[:, None], 0, 1) - d_v)
        d_s = d_v * i_conj[:, None, None] + v[:, None, None] * d_i.conj()
        free = on & ~limited & ~infinite
        w = plant.parts.by_row(w_parts, slice(F))
        wanted = np.where(free, plant.p_set[:F] + plant.p_push - w * plant.stiffness, held)
        p_off = np.where(on & ~infinite, s.real - np.where(np.isfinite(wanted), wanted, 0.0), 0.0)
        p_off = np.where(infinite, w - plant.w_own, p_off)
        e_off = plant.e_f - plant.v_set - plant.droop_v * (plant.q_set[:F] - s.imag)
        e_off = np.where(on, e_off, 0.0)

        a = np.zeros((S, 2 * F + P, 2 * F + P))
        carries = (on & ~infinite)[:, None, None]
        of_p = np.where(carries, d_s.real, 0.0).reshape(F, 2 * F, S)
        of_p[np.arange(F), np.arange(F)] += ~on
        of_e = np.where(on[:, None, None], plant.droop_v[:, :, None, None] * d_s.imag, 0.0).reshape(F, 2 * F, S)
        of_e[np.arange(F), F + np.arange(F)] += 1.0
        a[:, :F, : 2 * F], a[:, F : 2 * F, : 2 * F] = np.moveaxis(of_p, 2, 0), np.moveaxis(of_e, 2, 0)
        by_w = np.where(infinite, 1.0, np.where(free, plant.stiffness, 0.0))
        if P == 1:
            a[:, :F, 2 * F] = by_w.T
        else:
            a[scenario, unit, 2 * F + of_part] = by_w
        for part in range(P):
            a[scenario, 2 * F + part, own[part]] = 1.0
        a[~plant.lit] = np.eye(2 * F + P)
        off = np.concatenate([p_off, e_off, np.zeros((P, S))]).T
        x = -np.linalg.solve(a, off[:, :, None])[:, :, 0].T
        x = np.where(plant.lit, x, 0.0)
        x *= np.minimum(1.0, _STEP_MAX / np.maximum(np.abs(x[: 2 * F]).max(axis=0), 1e-300))
        plant.u *= np.exp(1j * x[:F])
        plant.e_f += x[F : 2 * F]
        w_parts = w_parts + x[2 * F :]
        plant.w[:] = plant.parts.by_row(w_parts, slice(F))
        plant.w_centre[:] = w_parts[0] if P == 1 else (plant.weight * plant.w).sum(axis=0)
        moved = np.abs(x).max(axis=0)
        moved = np.maximum(moved, _settle_others(plant, watch, w_parts, ease))
        moved = np.maximum(moved, np.abs(plant.V - before).max(axis=0))
        if (moved < TOLERANCE).all():
            break
    return moved < 1e-8, s, w_parts


def _settle_others(plant: Plant, watch: Watch, w: Floats, ease: Floats) -> Floats:
    """Moves loads and following units towards what they draw and give at frequencies w of parts; how far, (S,)."""
    f_hz, parts = plant.island.f_hz, plant.parts
    if plant.L:
        watch.age_loads(0.0, f_hz * (1 + parts.by_row(w, slice(plant.N, plant.K))))
    if not plant.G:
        return np.zeros(plant.S)
    v = plant.V[plant.F : plant.N]
    size = np.abs(v)
    plant.u_g[:] = np.where(size > 0, v / np.maximum(size, 1e-12), 1.0)
    w = parts.by_row(w, slice(plant.F, plant.N))
    plant.x_g[:] = 2 * np.pi * f_hz * w
    watch.refer(np.broadcast_to(f_hz * (1 + w), size.shape), size, np.inf)
    off = plant.i_ref - plant.i_g
    plant.i_g += ease * off
    return np.asarray(np.abs(off).max(axis=0))


def _ease(plant: Plant) -> Floats:
    """How far following units may move per round: less when together they answer frequency more than the forming do."""
    parts = plant.parts
    answer = np.zeros((parts.number, plant.S))
    scenario = np.arange(plant.S)
    for row, unit in enumerate(plant.following):
        watt = unit.code.frequency_watt
        if watt:
            at = parts.of_row[plant.F + row], scenario
            answer[at] += plant.rating[plant.F + row] / watt.droop * plant.on[plant.F + row]
    stiffness = np.where(plant.infinite[:, None], np.inf, plant.stiffness)
    stiff = np.where(parts.member, stiffness, 0.0).sum(axis=1)
    ease = np.minimum(0.7, 1 / (1 + answer / np.maximum(stiff, 1e-9)))
    return np.asarray(parts.by_row(ease, slice(plant.F, plant.N)))
