"""Fixed reactive power of generators, which our generators do not have: loads of reactive power beside them."""

from __future__ import annotations

import numpy as np

from archipel.formats.device_rows import GeneratorRows, LoadRows, join
from archipel.formats.source_columns import Notes
from archipel.model import Floats


def with_reactive(load: LoadRows, generator: GeneratorRows, q_kvar: Floats, notes: Notes) -> LoadRows:
    """The loads, and one of reactive power only for every generator that draws `q_kvar` (negative: gives)."""
    at = np.flatnonzero(q_kvar != 0.0)
    notes.merge(len(at), "generators with fixed reactive power: it stands beside each as a load of its own",
                [generator.id[i] for i in at])  # fmt: skip
    added = LoadRows(
        tuple(f"{generator.id[i]}/q" for i in at), generator.node[at], np.zeros(len(at)), q_kvar[at], ("",) * len(at)
    )
    return join(load, added)
