"""What a cell hands down to its children: voltages it makes, powers of ties it decides, powers of ties decided above.

Seen from `interior`, the first two are unknowns of the cell's own system, voltages first; the last are its own inputs
and pass through unchanged. A tie that goes to two children is one unknown. So a tie costs the cell that decides it T
unknowns, the cells on its way nothing but columns on the right-hand side, and all hold the same power at all times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from archipel.model import Floats, Ints
from archipel.optimisation.block import Block


@final
class ChildInputs:
    """Where every child's inputs come from, and sums over children of what belongs to them."""

    def __init__(self, block: Block, active: list[Ints], free: Ints, felt: list[Ints]) -> None:
        """`active` are the inputs each child asks for and `felt` those that own rows feel, as places in (voltage,
        ties) flattened; `free` are the controls that are no constants, as places in (N, T) flattened."""
        t_count, above = block.intervals, block.outputs.on_tie.shape[1]
        self.decided = np.flatnonzero(np.isin(free // t_count, block.decides))
        """Free powers of ties that are decided here, as places in `free`."""
        self.tie_at: list[Ints] = []
        """For every child its active ties, as places in `Block.tie_powers` flattened."""
        for child, asked in enumerate(active):
            tie, t = np.divmod(asked[asked >= t_count] - t_count, t_count)
            self.tie_at.append(np.array(block.ties_of(child), dtype=np.int64)[tie] * t_count + t)
        passing = [at[at < above * t_count] + t_count for at in self.tie_at]
        self.active = np.unique(np.concatenate([*felt, *passing]))
        """Own inputs that matter, as places in (voltage, ties) flattened, (V,)."""
        self.voltages = sum(int((asked < t_count).sum()) for asked in active)
        self._unknowns = self.voltages + len(self.decided)
        place = np.full((above + len(block.decides)) * t_count, -1)
        row = {n: above + k for k, n in enumerate(block.decides)}
        ours = [row[n] * t_count + t for n, t in (divmod(at, t_count) for at in free[self.decided].tolist())]
        self.decided_at = np.array(ours, dtype=np.int64)
        """The same, as places in `Block.tie_powers` flattened."""
        place[ours] = self.voltages + np.arange(len(ours))
        self._parts: list[tuple[Ints, Ints, Ints, Ints]] = []
        first = 0
        for asked, at in zip(active, self.tie_at, strict=True):
            voltages = len(asked) - len(at)
            unknown = np.concatenate([first + np.arange(voltages), place[at]])
            first += voltages
            from_above = np.concatenate([np.full(voltages, False), at < above * t_count])
            passed = at[from_above[voltages:]] + t_count
            mine = np.flatnonzero(unknown >= 0)
            self._parts.append((mine, unknown[mine], np.flatnonzero(from_above), np.searchsorted(self.active, passed)))

    def unknown(self, values: Sequence[Floats]) -> Floats:
        """Sum over children of values (V of the child,) each, by unknown."""
        out = np.zeros(self._unknowns)
        for value, (mine, at, _, _) in zip(values, self._parts[: len(values)], strict=True):
            out[at] += value[mine]
        return out

    def from_above(self, values: Sequence[Floats]) -> Floats:
        """The same by own input, (V,)."""
        out = np.zeros(len(self.active))
        for value, (_, _, passed, at) in zip(values, self._parts[: len(values)], strict=True):
            out[at] += value[passed]
        return out

    def columns(self, parts: Sequence[Floats], rows: int) -> tuple[Floats, Floats]:
        """Sums of columns (rows, V of the child) by unknown and by own input."""
        unknown, from_above = np.zeros((rows, self._unknowns)), np.zeros((rows, len(self.active)))
        for part, (mine, at, passed, to) in zip(parts, self._parts, strict=True):
            unknown[:, at] += part[:, mine]
            from_above[:, to] += part[:, passed]
        return unknown, from_above

    def joined_y(self, parts: Sequence[Floats]) -> tuple[Floats, Floats, Floats]:
        """Sums of the children's Y: among unknowns, of unknowns with own inputs, among own inputs."""
        size, own = self._unknowns, len(self.active)
        ww, wv, vv = np.zeros((size, size)), np.zeros((size, own)), np.zeros((own, own))
        for y, (mine, at, passed, to) in zip(parts, self._parts, strict=True):
            ww[np.ix_(at, at)] += y[np.ix_(mine, mine)]
            wv[np.ix_(at, to)] += y[np.ix_(mine, passed)]
            vv[np.ix_(to, to)] += y[np.ix_(passed, passed)]
        return ww, wv, vv
