"""The electrical network as tables of columns; row i of every column of a table is one element.

Node references are row numbers of `Nodes`. Ids are those of the imported source (`bus/12`, `line/5`,
`trafo/0`, `switch/7`), so that anybody can replay our results on the original file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Points of the network."""

    id: tuple[str, ...]
    name: tuple[str, ...]
    vn_kv: Floats
    """Nominal line-to-line voltage [kV]."""
    v_pu_min: Floats
    v_pu_max: Floats
    """The source's own voltage limits [pu]."""
    x: Floats
    y: Floats
    """Geographic coordinates (longitude, latitude) as in the source; NaN where unknown."""

    def __len__(self) -> int:
        return len(self.id)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Lines and cables as pi-equivalents; parallel systems are already folded into the values."""

    id: tuple[str, ...]
    name: tuple[str, ...]
    from_node: Ints
    to_node: Ints
    r_ohm: Floats
    x_ohm: Floats
    c_nf: Floats
    """Total capacitance [nF]."""
    g_us: Floats
    """Total shunt conductance [uS]."""
    i_a_max: Floats
    """The source's limit on current [A]: rating x parallel x derating x highest loading."""
    from_closed: Bools
    to_closed: Bools
    """Whether the line is connected at each end. A line with one open end is live and charging."""

    def __len__(self) -> int:
        return len(self.id)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Transformers:
    """Two-winding transformers (IEC 60076 short-circuit data). Parallel units are folded into `sn_kva` etc."""

    id: tuple[str, ...]
    name: tuple[str, ...]
    hv_node: Ints
    lv_node: Ints
    sn_kva: Floats
    vn_hv_kv: Floats
    vn_lv_kv: Floats
    vk_percent: Floats
    vkr_percent: Floats
    pfe_kw: Floats
    i0_percent: Floats
    shift_degree: Floats
    tap_side_hv: Bools
    """True when the tap changer sits on the high-voltage side."""
    tap_pos: Floats
    tap_neutral: Floats
    tap_step_percent: Floats
    loading_max: Floats
    """The source's limit on current as a share of rated current (SimBench 110/10 kV: 0.5 for N-1 security)."""
    hv_closed: Bools
    lv_closed: Bools

    def __len__(self) -> int:
        return len(self.id)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Switches:
    """Every switch of the source. A closed node-node switch joins its two nodes without impedance."""

    id: tuple[str, ...]
    name: tuple[str, ...]
    node: Ints
    element: tuple[str, ...]
    """Id of the other node, line or transformer the switch sits on (`bus/4`, `line/133`, `trafo/2`)."""
    closed: Bools

    def __len__(self) -> int:
        return len(self.id)


def _none() -> Floats:
    return np.zeros(0)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Shunts:
    """Fixed admittances from a node to earth: capacitors, reactors, what a load model holds at constant impedance."""

    id: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    node: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    p_kw: Floats = field(default_factory=_none)
    q_kvar: Floats = field(default_factory=_none)
    """What it draws at the nominal voltage of its node; it goes with the square of the voltage. A capacitor's
    reactive power is negative."""

    def __len__(self) -> int:
        return len(self.id)


@final
@dataclass(frozen=True, slots=True)
class Source:
    """The upstream grid: an ideal voltage behind a short-circuit impedance."""

    id: str
    node: int
    v_pu: float
    sk_mva: float = float("inf")
    """Short-circuit power [MVA]; infinite for an ideal source, as in the imported files."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A whole network. Branches are numbered lines first, then transformers."""

    nodes: Nodes
    lines: Lines
    transformers: Transformers
    switches: Switches
    source: Source
    f_hz: float = 50.0
    shunts: Shunts = field(default_factory=Shunts)

    @property
    def branch_id(self) -> tuple[str, ...]:
        """Ids of all branches: lines, then transformers."""
        return self.lines.id + self.transformers.id

    def __repr__(self) -> str:
        return (
            f"Grid({len(self.nodes)} nodes, {len(self.lines)} lines, {len(self.transformers)} transformers, "
            f"{len(self.switches)} switches)"
        )
