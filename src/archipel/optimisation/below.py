"""A cell's children, condensed on the few channels on which the rest of the cell touches them.

What children answer does not change while a cell goes on by itself; only its own controls and the weights of its limits
do. So the voltages handed to the children and their prices, by far the most unknowns of a cell with children, are
eliminated once per iteration. Left is a symmetric matrix on fixed channels (`Below.answer`): prices on the channels of
limits, levels and powers of ties that are decided here, prices at the boundary, the cell's inputs (the boundary's
voltage and powers of ties that are decided above), and what own controls inject.
"""

from __future__ import annotations

from itertools import pairwise
from typing import final

import numpy as np

from archipel.model import Floats, Ints
from archipel.optimisation.inputs import ChildInputs
from archipel.optimisation.rows import Rows
from archipel.optimisation.symmetric import Symmetric

SAME = 1e-10
"""Own controls whose effect on every row, as a share of the row, is alike but for this much are one injection."""


@final
class Below:
    """`rows` are the channels of limits, the boundary's P and Q, and the voltages of children, as many as `inputs` say;
    `parts` say where controls, children's P and Q and levels stand among what rows act on, `at_input` where every
    active input does, and `decided` the controls and intervals of ties that are decided here."""

    def __init__(
        self,
        rows: Rows,
        parts: tuple[slice, ...],
        levels: Ints,
        inputs: ChildInputs,
        at_input: Ints,
        decided: tuple[Ints, Ints],
    ) -> None:
        t_count, ports = len(rows.padded), inputs.voltages
        self.rows, self.ports, self._inputs = rows, ports, inputs
        u, self._p, self._q, on_level = parts
        own = rows.padded[:, :, u]
        size = np.linalg.norm(own, axis=2, keepdims=True)
        _, share, right = np.linalg.svd(own / np.where(size > 0.0, size, 1.0), full_matrices=False)
        count = int((share > SAME * share.max(initial=0.0)).sum(axis=1).max(initial=0))
        self.injection = right[:, :count]
        """How controls add up to injections, (T, injections, N)."""
        by_slot = np.repeat(np.arange(count), t_count), np.tile(np.arange(t_count), count)
        self.injections = Rows(self.injection[by_slot[1], by_slot[0]], by_slot[1], t_count)
        here = rows.t[:, None]
        touch = (own @ self.injection.transpose(0, 2, 1))[rows.t, rows.slot]
        at = rows.padded[rows.t, rows.slot]
        sources = (
            np.concatenate([at[:, on_level][:, levels], at[:, decided[0]] * (here == decided[1])], axis=1),
            at[:, at_input] * (here == inputs.active % t_count),
            (touch[:, :, None] * (here == np.arange(t_count))[:, None, :]).reshape(len(rows.t), -1),
        )
        held, first = len(rows.t) - ports, len(rows.t) - ports - 2 * t_count
        sizes = (first, sources[0].shape[1], 2 * t_count, len(at_input), sources[2].shape[1])
        ends = np.cumsum([0, *sizes]).tolist()
        self.channels, self.levels, self.boundary, self.voltage, self.injected = (slice(*e) for e in pairwise(ends))
        self._ties = slice(ends[1] + len(levels), ends[2])
        width = [source.shape[1] for source in sources]
        self._act = np.concatenate(sources, axis=1)
        self._held = (self.channels, slice(0, first)), (self.boundary, slice(first, held))
        """Where rows that are no voltages of children stand among channels; where sources do."""
        starts = np.cumsum([0, *width]).tolist()
        acting = (slice(*ends) for ends in pairwise(starts))
        self._sources = tuple(zip((self.levels, self.voltage, self.injected), acting, strict=True))
        self._first_port, self._size = held, ends[-1]

    def hear(self, c: list[Floats], k: list[Floats], y: list[Floats]) -> None:
        """Learn how every child answers: see `interior.Response`."""
        held, ports = self._first_port, self.ports
        moved, (by_unknown, by_input) = self._powers(c), self._inputs.columns(self._by_input(k), len(self.rows.t))
        by_voltage, by_tie = by_unknown[:, :ports], by_unknown[:, ports:]
        ww, wv, vv = self._inputs.joined_y(y)
        saddle = np.zeros((2 * ports, 2 * ports))
        saddle[:ports, :ports] = moved[held:, held:]
        link = np.eye(ports) - by_voltage[held:]
        saddle[:ports, ports:], saddle[ports:, :ports] = link, link.T
        saddle[ports:, ports:] = -ww[:ports, :ports]
        self._saddle = Symmetric(saddle, first=ports)
        act = np.zeros((2 * ports, self._size), order="F")
        for at_row, row in self._held:
            act[:ports, at_row], act[ports:, at_row] = moved[held:, row], -by_voltage[row].T
        for at_source, source in self._sources:
            act[:ports, at_source] = -self._act[held:, source]
        through = (self._ties, by_tie, ww[:ports, ports:]), (self.voltage, by_input, wv[:ports])
        for at_tie, by, y_ports in through:
            act[:ports, at_tie] -= by[held:]
            act[ports:, at_tie] = -y_ports
        self._act_ports = act
        answer = -self._saddle.between(act)
        for at_row, row in self._held:
            for at_other, other in self._held:
                answer[at_row, at_other] += moved[row, other]
            for at_source, source in self._sources:
                answer[at_row, at_source] -= self._act[row, source]
                answer[at_source, at_row] -= self._act[row, source].T
            for at_tie, by, _ in through:
                answer[at_row, at_tie] -= by[row]
                answer[at_tie, at_row] -= by[row].T
        answer[self._ties, self._ties] -= ww[ports:, ports:]
        answer[self._ties, self.voltage] -= wv[ports:]
        answer[self.voltage, self._ties] -= wv[ports:].T
        answer[self.voltage, self.voltage] -= vv
        self.answer = answer
        """With a minus: movement of channels and boundary, and prices of levels, voltage and injections."""

    def rest(
        self, moves: Floats, drift: Floats, price: Floats, on_inputs: tuple[Floats, Floats]
    ) -> tuple[Floats, Floats]:
        """What happens without a step of any channel when rows move by `moves` (A,), voltages have drifted and prices
        of voltage are apart (ports,), and children's prices of ties decided here and of own inputs step: steps of
        prices of voltage and voltages, and movement on the channels."""
        held = self._first_port
        inner = self._saddle.solve(np.concatenate([moves[held:] - drift, price]))
        seen = np.zeros(self._size)
        for at_row, row in self._held:
            seen[at_row] = moves[row]
        seen[self._ties], seen[self.voltage] = on_inputs
        return inner, seen - self._act_ports.T @ inner

    def follow(self, step: Floats) -> Floats:
        """What prices of voltage and voltages step by, (2 ports,), when channels step."""
        return -self._saddle.solve(self._act_ports @ step)

    def _powers(self, c: list[Floats]) -> Floats:
        """Answer of every row to a price on every other, through the children: (A, A)."""
        z = self.rows.padded
        t_count, slots, _ = z.shape
        parts = np.stack(c).reshape(-1, 2, t_count, 2, t_count)
        by_child = [np.ascontiguousarray(z[:, :, part].transpose(2, 1, 0)) for part in (self._p, self._q)]
        left = np.concatenate([z[:, :, self._p], z[:, :, self._q]], axis=2)

        def seen(some: slice) -> Floats:
            out = np.empty((len(left[some]), 2, len(c), slots, t_count))
            for i in (0, 1):
                at_p, at_q = (parts[:, i, some, j].transpose(1, 0, 2)[:, :, None] for j in (0, 1))
                np.multiply(at_p, by_child[0], out=out[:, i])
                out[:, i] += at_q * by_child[1]
            return out

        return self.rows.square(left, seen)

    def _by_input(self, k: list[Floats]) -> list[Floats]:
        """Answer of every row to the inputs of every child: (A, V) each."""
        rows, t_count = self.rows, len(self.rows.padded)
        z = rows.padded[rows.t, rows.slot]
        zp, zq = z[:, self._p], z[:, self._q]
        return [zp[:, i, None] * by[:t_count][rows.t] + zq[:, i, None] * by[t_count:][rows.t] for i, by in enumerate(k)]
