"""Which rows of a plant hang together: open ties make several islands of one network, each with its own frequency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from archipel.grid.branch_model import Complexes
from archipel.grid.topology import components
from archipel.model import Bools, Floats, Ints

if TYPE_CHECKING:
    from archipel.grid.dynamics.plant import Plant


@final
@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """P: the most parts with a forming unit that any scenario has. Without open ties there is one and nothing to do."""

    number: int
    """P."""
    of_row: Ints
    """Part of every row, shape (K, S); 0 in the dark."""
    live: Bools
    """Whether a row's part has a forming unit that is on, shape (K, S)."""
    of_terminal: Ints
    live_terminal: Bools
    """The same of terminals, shape (M, S)."""
    member: Bools
    """Forming units that are on, by part, shape (P, F, S)."""
    weight: Floats
    """Their share in the inertia of their part, shape (P, F, S); a main grid has all."""

    @staticmethod
    def of(plant: Plant) -> Parts:
        """As units and ties stand now."""
        K, F, S, M = plant.K, plant.F, plant.S, len(plant.used)
        on = plant.on[:F]
        if not len(plant.ends):
            return Parts(
                1, np.broadcast_to(np.int64(0), (K, S)), np.broadcast_to(plant.lit, (K, S)),
                np.broadcast_to(np.int64(0), (M, S)), np.broadcast_to(plant.lit, (M, S)), on[None], plant.weight[None],
            )  # fmt: skip
        y = plant.y_net if plant.y_net.ndim == 2 else np.abs(plant.y_net).max(axis=0)
        a, b = np.nonzero(y)
        of_terminal, live_terminal = np.zeros((M, S), dtype=np.int64), np.zeros((M, S), dtype=np.bool_)
        number = 1
        for s in range(S):
            ties = plant.ends[plant.closed[:, s]]
            found = components(M, np.append(a, ties[:, 0]), np.append(b, ties[:, 1]))
            lit = np.unique(found[plant.terminal[:F][on[:, s]]])
            at = np.minimum(np.searchsorted(lit, found), max(len(lit) - 1, 0))
            live_terminal[:, s] = lit[at] == found if len(lit) else False
            of_terminal[:, s] = np.where(live_terminal[:, s], at, 0)
            number = max(number, len(lit))
        of_row = of_terminal[plant.terminal]
        member = (of_row[:F] == np.arange(number)[:, None, None]) & on
        inertia = np.where(plant.infinite[:, None], 1.0, plant.m)
        grid = (member & plant.infinite[:, None]).any(axis=1, keepdims=True)
        weight = np.where(member & (plant.infinite[:, None] | ~grid), inertia, 0.0)
        weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
        return Parts(number, of_row, live_terminal[plant.terminal], of_terminal, live_terminal, member, weight)

    def by_row(self, of_parts: np.ndarray, rows: slice) -> np.ndarray:
        """What is known of parts, (P, S), at rows; (1, S), the same for all, where there is one part."""
        if self.number == 1:
            return of_parts
        return np.take_along_axis(of_parts, self.of_row[rows], axis=0)

    def centres(self, plant: Plant) -> Floats:
        """Frequency of every part's centre of inertia over nominal less one, shape (P, S)."""
        if self.number == 1:
            return plant.w_centre[None]
        return np.asarray((self.weight * plant.w).sum(axis=1))

    def exist(self) -> Bools:
        """Which parts a scenario has, shape (P, S)."""
        return np.asarray(self.member.any(axis=1))

    def turn(self, plant: Plant, dt_s: float, rows: slice) -> Complexes | None:
        """How far the voltages of rows turn against the common frame in `dt_s`; None where it turns with all."""
        if self.number == 1:
            return None
        slip = self.by_row(self.centres(plant) - plant.w_centre, rows)
        return np.asarray(np.exp(2j * np.pi * plant.island.f_hz * dt_s * slip))
