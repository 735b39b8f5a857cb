"""What goes into a controller's step and what comes out of it: values, nothing that does anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, final

from archipel.cell.mode import Facts, Mode
from archipel.coordination.handshake import Acceptance
from archipel.coordination.message import Message
from archipel.coordination.tree import Program

Orders = Mapping[str, tuple[float, float]]
"""(p_kw, q_kvar) by device, load convention; NaN leaves that quantity, and a missing device everything, to its own
rule."""


@final
@dataclass(frozen=True, slots=True)
class Instant:
    """Now, on both clocks of a cell."""

    utc: datetime
    mono_s: float
    """Seconds of a clock that never steps."""


@final
@dataclass(frozen=True, slots=True)
class Cap:
    """What an operator allows a cell to exchange with the one above it, of the root with upstream [kW]."""

    import_kw_max: float = math.inf
    export_kw_max: float = math.inf
    """Non-negative."""

    def breach(self, p_kw: float) -> str:
        """How an exchange of `p_kw` (positive into the cell) passes it; empty when it does not, by more than the
        noise of a plan."""
        for limit, value, word in ((self.import_kw_max, p_kw, "import"), (self.export_kw_max, -p_kw, "export")):
            if value > limit + CAP_NOISE_KW + CAP_NOISE * limit:
                return f"an operator limits the {word} to {limit:g} kW, this would be {value:.1f} kW"
        return ""


CAP_NOISE_KW, CAP_NOISE = 0.5, 0.01
"""What an exchange may pass a cap by: plans keep limits to within this."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All a cell knows at one instant."""

    devices: Any
    """What the planner understands of the own devices; nothing else looks inside."""
    trouble: str = ""
    """Why the readings are too old or too few to act on; empty when they suffice."""
    neighbours: frozenset[str] = frozenset()
    """Cells with which new agreements are possible: alive, certified, their clock known."""
    tie_kw: Mapping[str, float] = field(default_factory=dict)
    """Metered just now, positive into the lower cell; only ties whose meter gave a value."""
    at_switch: Facts | None = None
    """What is known at the switch to the main grid, in cells that have one; a value that is too old is None."""
    stored_soc: float | None = None
    """Stored energy over capacity of the cell's stores; None when it is not known. Asked only with such a switch."""
    cap: Cap | None = None
    """What an operator allows the exchange with the cell above to be; no agreement that passes it is kept."""


@final
@dataclass(frozen=True, slots=True)
class Mail:
    """One message between two controllers."""

    sender: str
    receiver: str
    said: Message | Acceptance


@final
@dataclass(frozen=True, slots=True)
class Note:
    """For the journal. Everything noted must be on the disk before the mail of the same step is sent."""

    kind: str
    """`agreement`, `mode`, `clock`, of the switch to the main grid: `life` (another mode) and `unable` (what is wanted
    cannot be done), or of a plan: `begun`, `anew` (without who fell silent), `late` (not ready by its
    start, or ended by silence), `plan` (it failed)."""
    key: str
    body: Mapping[str, Any]


@final
@dataclass(frozen=True, slots=True)
class Form:
    """What grid-forming units shall hold."""

    f_hz: float
    v_pu: float


@final
@dataclass(frozen=True, slots=True)
class AtSwitch:
    """What a cell wants at its switch to the main grid."""

    mode: Mode
    closed: bool | None
    """The position it shall take; None leaves it as it is."""
    until_s: float
    """Monotonic time after which nobody may act on that any more."""
    form: Form | None
    """What grid-forming units hold; None: they follow the main grid."""
    why_not: tuple[str, ...] = ()
    """Why something that is wanted cannot be done now."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Intentions:
    """What a controller wants after one step."""

    orders: Orders
    until_s: float
    """Monotonic time after which nobody may act on the orders any more."""
    mail: list[Mail]
    notes: list[Note]
    at_switch: AtSwitch | None = None
    """None in cells without a switch to the main grid, and until it has been measured."""


@final
@dataclass(frozen=True, slots=True)
class TieSide:
    """One tie as this cell sees it."""

    id: str
    neighbour: str
    upward: bool
    """True for the tie to the parent."""
    default_kw: float
    """Exchange into the lower cell when nothing is agreed, named in the scenario."""
    tolerance_kw: float
    """What metered and agreed power may differ by, beyond measuring errors and the noise of loads."""
    most_kw: float = math.inf
    """The most its meter can show in earnest, either way; what is beyond is as if it had not been measured."""


class Plan(Protocol):
    """What a conversation of cells came to, as one of them holds it."""

    def exchange_kw(self, neighbour: str) -> tuple[float, ...]:
        """Power into the lower cell at the metered end, one value per step from the plan's start; both ends hold the
        very same numbers."""
        ...

    def orders(self, now: datetime, devices: Any) -> Orders:
        """What the devices do now."""
        ...

    def unsafe(self, neighbour: str) -> str:
        """What would be broken if this cell held to the plan and `neighbour` to the default, or to what held before;
        empty when nothing."""
        ...


class Planner(Protocol):
    """Level 1 and 2 behind the controller: knows devices and network, nothing of messages, clocks or leases."""

    def program(
        self,
        start: datetime,
        now: datetime,
        devices: Any,
        told: Orders,
        children: tuple[str, ...],
        held_kw: Mapping[str, float],
    ) -> Program:
        """The cell's side of a plan that holds from `start`; it returns a `Plan`.

        Until then devices do what they were `told`. `children` take part. `held_kw` is what every neighbour will
        exchange without this plan: those that take no part will, and so may one that never hears of it.
        """
        ...

    def alone(self, now: datetime, devices: Any, held_kw: Mapping[str, float]) -> Orders:
        """What to do without a plan of all: own optimum inside the cell's own limits, or held to what is agreed.

        `held_kw` names the neighbours with which an agreement is in force; towards all others the default limits of
        the connection hold.
        """
        ...
