"""Which sessions of vehicles share one window: what each loses by a window shorter than its own, kept small."""

from __future__ import annotations

import numpy as np

from archipel.model import Floats, Ints
from archipel.vpp.divide import divided

TRIES = 24


def grouped(first: Ints, last: Ints, duration: Floats, p_kw: Floats, kind: Ints, most: int, least: int) -> Ints:
    """Group 0..G-1 of every session, shape (N,); the window of a group is what all of it have in common.

    Args:
        first: interval from which on the session has full power.
        last: interval before which it ends.
        duration: intervals it needs at full power.
        p_kw: its power.
        kind: what is never mixed.
        most: groups at most (at least one per kind).
        least: sessions in a group at least, where a kind has so many.
    """

    def worth(rows: Ints) -> float:
        window = int(last[rows].min()) - int(first[rows].max())
        return _worth(max(window, 0), duration[rows], p_kw[rows])

    sorts = (first.astype(np.float64), last.astype(np.float64), (last - first).astype(np.float64), duration)
    return divided(kind, sorts, worth, most, least, TRIES)


def _worth(window: int, duration: Floats, p_kw: Floats) -> float:
    """What moving these sessions in a window of so many intervals is worth at prices that are noise.

    Of n prices drawn evenly from 0..1 the m lowest are on average (m + 1) / (2 (n + 1)), and any m 1/2: so a session of
    duration m gains P m (n - m) / (2 (n + 1)). Source: means of order statistics of the uniform distribution, e.g.
    H. A. David, H. N. Nagaraja, "Order Statistics", 2003, section 3.1.
    """
    need = np.minimum(duration, window)
    return float((p_kw * need * (window - need)).sum() / (2.0 * (window + 1.0)))
