"""What the twin asks of physics: powers of devices in, voltages at their terminals out. One Protocol, several doors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from archipel.grid.power_flow import Flow, PowerFlow
from archipel.model import Floats, Grid, Ints


@final
@dataclass(frozen=True, slots=True, eq=False)
class Terminals:
    """What devices feel at their own terminals [pu], shape (devices,) each; 0 where nothing supplies them."""

    v_pu: Floats
    """Mean over the phases a device is connected to: what inverters control on."""
    v_pu_high: Floats
    """The highest of these phases: what overvoltage protection acts on (IEEE 1547-2018, 6.4.1)."""


class Physics(Protocol):
    """The network at one instant."""

    @property
    def name(self) -> str:
        """Name in results."""
        ...

    @property
    def controls(self) -> tuple[str, ...] | None:
        """Tap changers and switched capacitors that act on their own; None where physics knows no phases either."""
        ...

    def solve(self, p_kw: Floats, q_kvar: Floats, *, act: bool) -> tuple[Terminals, bool]:
        """Voltages when every device draws `p_kw`, `q_kvar`, shape (devices,), load convention.

        With `act` the network's own controls (tap changers, switched capacitors) act until they rest; their positions
        stay for later calls. The second answer says whether any moved.

        Raises:
            Diverged: there is no answer.
            GridError: a power is no number.
        """
        ...

    def flow(self) -> Flow:
        """The whole state of the last `solve`."""
        ...


@final
class PositiveSequence:
    """Balanced physics: `PowerFlow`, whose taps stand still."""

    name = "positive-sequence"
    controls: tuple[str, ...] | None = None

    def __init__(self, grid: Grid, node: Ints, scale_line_r: float = 1.0) -> None:
        """`node` is the node row of every device; `scale_line_r` multiplies the resistance of all lines."""
        self._flow = PowerFlow(grid, scale_line_r=scale_line_r)
        self._node, self._nodes = node, len(grid.nodes)
        self._last: Flow | None = None

    def solve(self, p_kw: Floats, q_kvar: Floats, *, act: bool) -> tuple[Terminals, bool]:
        """As promised by `Physics`."""
        del act
        self._last = self._flow.solve(self._at_nodes(p_kw), self._at_nodes(q_kvar))
        v_pu = self._last.v_pu[self._node]
        return Terminals(v_pu, v_pu), False

    def flow(self) -> Flow:
        """As promised by `Physics`."""
        if self._last is None:
            raise RuntimeError("nothing was solved yet")
        return self._last

    def _at_nodes(self, value: Floats) -> Floats:
        return np.asarray(np.bincount(self._node, value, self._nodes), dtype=np.float64)
