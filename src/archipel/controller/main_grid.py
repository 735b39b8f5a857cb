"""A cell's switch to the main grid, in its controller: which mode the cell is in, and what follows from it.

    measured at the switch, tags, wishes -> Life (archipel.cell.mode) -> the switch, grid-forming units, load to shed

While the cell is apart from the main grid nothing that was agreed holds, for it was agreed with the main grid in mind:
every device is on its local rule (`Level.RULES`), and what is not critical is shed when the stores are low.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import final

from archipel.cell.mode import Facts, Life, Mode, Order, Rules, Wanted, found
from archipel.controller.facts import AtSwitch, Form, Note, Orders
from archipel.controller.notes import life_note, unable_note
from archipel.model.kinds import CAN_WAIT

CLOSE_LEASE_S = 3.0
"""An order to the switch is good for so long: an old wish to close must not meet another angle."""
TOGETHER = frozenset({Mode.CONNECTED, Mode.RECONNECTED})
NOTHING_KNOWN = Facts(0.0, None, None, None, None, None)


@final
@dataclass(frozen=True, slots=True)
class Shedding:
    """When load that is not critical is shed while the cell is apart from the main grid, and how it comes back."""

    below_soc: float = 0.5
    """Stored energy over capacity below which it is shed; stores that are not known count as empty."""
    above_soc: float = 0.6
    """Where it may come back."""
    stage_s: float = 10.0
    """Between two devices that are given back, so that the island feels one step at a time."""


@final
@dataclass(slots=True)
class MainGrid:
    """Mode and wishes of one cell that has a switch to the main grid."""

    sheds: tuple[str, ...] = ()
    """Devices whose load is not critical, the least important first."""
    rules: Rules = field(default_factory=Rules)
    shedding: Shedding = field(default_factory=Shedding)
    f_hz: float = 50.0
    """Nominal."""
    life: Life | None = None
    """None until the switch has been measured."""
    shed: int = 0
    """How many of `sheds` are held at zero."""
    _staged_s: float = -math.inf
    _form: Form | None = None
    _told: tuple[str, ...] = ()
    """Why something cannot be done, as it was last noted."""

    def renewed(self) -> MainGrid:
        """The same switch with no life yet."""
        return MainGrid(self.sheds, self.rules, self.shedding, self.f_hz)

    @property
    def mode(self) -> Mode | None:
        """Where the cell stands; None until the switch has been measured."""
        return None if self.life is None else self.life.mode

    @property
    def apart(self) -> str:
        """Why nothing that needs the main grid may be followed or planned; empty while it is there."""
        if self.life is None:
            return "what is at the switch to the main grid has not been measured yet"
        return "" if self.life.mode in TOGETHER else "apart from the main grid"

    def step(self, known: Facts, stored_soc: float | None, notes: list[Note]) -> AtSwitch | None:
        """Take in what is known; what to do at the switch, None while nothing can be said.

        Args:
            known: As measured; `now_s` is that of the cell's monotonic clock.
            stored_soc: Stored energy over capacity of the cell's stores; None when it is not known.
            notes: Gets every change of mode, and every new reason against something that is wanted.
        """
        if self.life is None:
            self.life = found(known, self.rules)
            if self.life is None:
                return None
            position = "closed" if known.closed else "open"
            notes.append(life_note(known.now_s, "unknown", self.life.mode, f"the switch was found {position}"))
            self.shed = len(self.sheds) * (self.life.mode not in TOGETHER)
            self._staged_s = known.now_s
        wanted, said = self.life.step(known)
        if said is not None:
            notes.append(life_note(said.at_s, said.before, said.after, said.why))
        # while it turns, angles and slips change all the time and are no news
        why_not = () if self.life.mode is Mode.RESYNCHRONISING else wanted.why_not
        if why_not != self._told:
            self._told = why_not
            if why_not:
                notes.append(unable_note(known.now_s, self.life.mode, why_not))
        self._stage(known.now_s, wanted, stored_soc)
        self._form = self._formed(known, wanted)
        closed = True if Order.CLOSE in wanted.orders else False if Order.OPEN in wanted.orders else None
        return AtSwitch(self.life.mode, closed, known.now_s + CLOSE_LEASE_S, self._form, wanted.why_not)

    def with_shed(self, orders: Orders) -> Orders:
        """The orders, with what is shed held at zero."""
        return {**orders, **dict.fromkeys(self.sheds[: self.shed], (0.0, math.nan))} if self.shed else orders

    def _stage(self, now_s: float, wanted: Wanted, stored_soc: float | None) -> None:
        """Shed all at once, give back one by one, the most important first."""
        apart = self.mode not in TOGETHER
        low = apart and (stored_soc is None or stored_soc < self.shedding.below_soc)
        if Order.SHED in wanted.orders or low:
            self.shed, self._staged_s = len(self.sheds), now_s
            return
        if apart and stored_soc is not None and stored_soc < self.shedding.above_soc:
            return
        if self.shed and now_s - self._staged_s >= self.shedding.stage_s:
            self.shed, self._staged_s = self.shed - 1, now_s

    def _formed(self, known: Facts, wanted: Wanted) -> Form | None:
        if not {Order.FORM, Order.ENERGISE}.intersection(wanted.orders):
            return None
        if Order.STEER in wanted.orders and known.main_f_hz is not None and known.main_v_pu is not None:
            return Form(known.main_f_hz + wanted.slip_hz, known.main_v_pu)
        # an angle that was not seen for a moment is no reason to turn away again
        if self.mode is Mode.RESYNCHRONISING and self._form is not None:
            return self._form
        return Form(self.f_hz, 1.0)


def not_critical(kinds: Iterable[tuple[str, Iterable[str]]]) -> tuple[str, ...]:
    """Ids of devices whose load is not critical, in the order in which they are shed.

    Args:
        kinds: Kind of device, ids of those.
    """
    ids = {kind: tuple(names) for kind, names in kinds}
    return tuple(name for kind in SHED_KINDS for name in ids.get(kind, ()))


SHED_KINDS = (*CAN_WAIT, "sheddable")
"""What waits best comes first: a car for hours, warmth for some, load that somebody paid to keep least."""


def facts_at(known: Facts | None, now_s: float) -> Facts:
    """What is known at the switch now; a cell that was told nothing knows nothing."""
    return replace(NOTHING_KNOWN if known is None else known, now_s=now_s)
