"""Every branch as four admittances and its current limits, for engines of our own.

Per unit on 1 MVA and the nodes' nominal voltages. The transformer is the pi-equivalent behind an ideal
transformer at its HV end, with half of the no-load admittance on either side (pandapower: `trafo_model="pi"`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.grid.topology import branch_ends, check_branches, tapped_kv
from archipel.model import Floats, Grid

Complexes = NDArray[np.complex128]
BASE_KVA = 1000.0


@final
@dataclass(frozen=True, slots=True, eq=False)
class BranchModel:
    """Current into a branch: i_from = ff v_from + ft v_to and i_to = tf v_from + tt v_to [pu]."""

    ff: Complexes
    ft: Complexes
    tf: Complexes
    tt: Complexes
    limit_a: Floats
    """The source's limit on current at from and to end [A], shape (2, branches)."""
    loading_per_pu: Floats
    """Share of that limit per unit of current, shape (2, branches); 0 where there is no limit."""


def branch_model(grid: Grid) -> BranchModel:
    """All branches, lines then transformers. An open end carries nothing; what is left is the charging seen from
    the other end. Raises GridError for values that no power flow can use.
    """
    check_branches(grid)
    ff, ft, tf, tt = (np.concatenate(pair) for pair in zip(_lines(grid), _transformers(grid), strict=True))
    ends, vn_kv = branch_ends(grid), grid.nodes.vn_kv
    v_from, v_to = vn_kv[ends.from_node], vn_kv[ends.to_node]
    base_mva = BASE_KVA / 1000.0
    ff, ft, tf, tt = ff * v_from**2, ft * v_from * v_to, tf * v_from * v_to, tt * v_to**2
    ff, ft, tf, tt = (y / base_mva for y in (ff, ft, tf, tt))

    both = ends.from_closed & ends.to_closed
    seen_from, seen_to = ff - ft * tf / np.where(tt == 0, 1, tt), tt - ft * tf / np.where(ff == 0, 1, ff)
    zero = np.zeros(len(both))
    limit_a = _limit_a(grid)
    i_base_a = BASE_KVA / (np.sqrt(3.0) * np.stack([v_from, v_to]))
    return BranchModel(
        ff=np.where(both, ff, np.where(ends.from_closed, seen_from, zero)),
        ft=np.where(both, ft, zero),
        tf=np.where(both, tf, zero),
        tt=np.where(both, tt, np.where(ends.to_closed, seen_to, zero)),
        limit_a=limit_a,
        loading_per_pu=i_base_a / limit_a,
    )


def shunt_admittance(grid: Grid) -> Complexes:
    """Admittance of every shunt to earth [pu], in their order."""
    return np.asarray((grid.shunts.p_kw - 1j * grid.shunts.q_kvar) / BASE_KVA)


def _lines(grid: Grid) -> tuple[Complexes, ...]:
    lines = grid.lines
    series = np.asarray(1.0 / (lines.r_ohm + 1j * lines.x_ohm), dtype=np.complex128)
    half = 0.5 * (lines.g_us * 1e-6 + 2j * np.pi * grid.f_hz * lines.c_nf * 1e-9)
    return series + half, -series, -series, series + half


def _transformers(grid: Grid) -> tuple[Complexes, ...]:
    trafos = grid.transformers
    high_kv, low_kv = tapped_kv(grid)
    sn_mva = trafos.sn_kva / 1000.0
    r, z = trafos.vkr_percent / 100.0, trafos.vk_percent / 100.0
    series = sn_mva / low_kv**2 / (r + 1j * np.sqrt(z**2 - r**2))
    iron_mw, no_load_mva = trafos.pfe_kw / 1000.0, trafos.i0_percent / 100.0 * sn_mva
    magnetising = np.sqrt(np.maximum(no_load_mva**2 - iron_mw**2, 0.0))
    half = 0.5 * (iron_mw - 1j * magnetising) / low_kv**2
    ratio = high_kv / low_kv * np.exp(1j * np.deg2rad(trafos.shift_degree))
    return (series + half) / np.abs(ratio) ** 2, -series / np.conj(ratio), -series / ratio, series + half


def _limit_a(grid: Grid) -> Floats:
    lines, trafos = grid.lines, grid.transformers
    kva = trafos.sn_kva * trafos.loading_max / np.sqrt(3.0)
    sides = (kva / trafos.vn_hv_kv, kva / trafos.vn_lv_kv)
    return np.stack([np.concatenate([lines.i_a_max, side]) for side in sides])
