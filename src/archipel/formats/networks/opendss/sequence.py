"""Positive-sequence equivalents of elements with one, two or three phases.

The rule: an element with n phases that carries power P behaves in the reduced network as a three-phase element that
carries P. With phase voltages V e^(j theta_i), currents of equal size in phase with them and a series impedance z_ij,
the mean drop along the phase voltages is that of

    z = 3 / n^2  sum_ij z_ij e^(j (theta_j - theta_i))

on the line-to-line base: z_self - z_mutual for three phases (the classic positive sequence), 3 z for one phase,
3/2 (z_self - z_mutual) for the two legs of a split-phase service. A shunt admittance follows in the same way from the
power it draws: y = 1/3 sum_ij y_ij e^(j (theta_j - theta_i)). A current rating I of each conductor is n/3 I.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.model import Floats

Complex = NDArray[np.complex128]
NEUTRAL_PU = 0.2
"""A conductor below this share of nominal voltage carries no phase."""
TURN = np.exp(2j * np.pi / 3.0)


@final
@dataclass(frozen=True, slots=True)
class Series:
    """The three-phase equivalent of a series element."""

    z_ohm: complex
    shunt_s: complex
    """Total shunt admittance of both ends [S]."""
    rating: float
    """Share of a conductor's rating that the equivalent may carry: n / 3."""
    phases: tuple[int, ...]
    """Phases it carries, as node numbers of its first bus."""


def series_equivalent(y: Complex, v_from: Complex, v_to: Complex, node: tuple[int, ...]) -> Series | None:
    """Of a primitive admittance matrix [S] of 2n x 2n and per unit voltages of its conductors at both ends.

    Conductors on ground or neutral are taken as earthed at both ends. None where no phase is left or the matrix has no
    series admittance.
    """
    n = len(y) // 2
    phase = np.flatnonzero((np.abs(v_from) > NEUTRAL_PU) & (np.abs(v_to) > NEUTRAL_PU))
    if len(phase) == 0:
        return None
    across = -y[:n, n:][np.ix_(phase, phase)]
    if np.linalg.cond(across) > 1e12:
        return None
    z = np.linalg.inv(across)
    total = (y[:n, :n] + y[:n, n:] + y[n:, :n] + y[n:, n:])[np.ix_(phase, phase)]
    unit = v_from[phase] / np.abs(v_from[phase])
    turn = unit[None, :] * unit.conj()[:, None]
    count = len(phase)
    return Series(
        complex(3.0 / count**2 * (z * turn).sum()),
        complex((total * turn).sum() / 3.0),
        count / 3.0,
        tuple(node[i] for i in phase),
    )


def positive_sequence(v: Complex, node: tuple[int, ...]) -> tuple[float, Floats]:
    """Size of the positive-sequence voltage, and of every phase, of the voltages at a bus.

    With fewer than three phases it is the mean of those there are: a sequence needs three.
    """
    size = np.abs(v)
    live = size > NEUTRAL_PU * size.max(initial=0.0)
    size = size[live]
    if set(node[:3]) == {1, 2, 3} and len(size) >= 3:
        order = np.argsort(node[:3])
        a, b, c = v[:3][order]
        return float(abs(a + TURN * b + TURN**2 * c) / 3.0), size
    return (float(size.mean()) if len(size) else 0.0), size
