"""What the running cell may do now: the operators' decisions, read from the journal again and again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import final

from archipel.field.permission import Act, Mode, Permission
from archipel.field.state import read_state
from archipel.journal import Journal

Touches = Callable[[], Mapping[str, Collection[str]]]


@final
@dataclass(slots=True, eq=False)
class Access:
    """Mode, arming and tags of the cell."""

    journal: Journal
    touches: Touches
    """What operating each device acts on as switches stand now, see `sections.touches`; asked only while there are
    tags."""
    rehearsal: bool
    """In a rehearsal devices are simulated and armed without commissioning, so they have no fingerprint to keep to."""
    permission: Permission = field(default_factory=Permission)
    marks: dict[str, str] = field(default_factory=dict)
    """Fingerprints of the devices that are connected now."""
    switches: frozenset[str] = frozenset()

    def refresh(self) -> bool:
        """Read the operators' decisions anew; true when the mode changed."""
        before = self.mode
        state = read_state(self.journal)
        self.permission = Permission(state, self.touches() if state.tags else {}, self.switches)
        return self.mode != before

    @property
    def mode(self) -> str:
        """`shadow` or `armed`."""
        return self.permission.state.mode.value

    @property
    def armed(self) -> bool:
        """Whether anything may be written."""
        return self.permission.state.mode is Mode.ARMED

    def refusal(self, device: str) -> str:
        """Why a device may not be given an order now; empty when it may."""
        act = Act.SWITCH if device in self.switches else Act.POWER
        mark = None if self.rehearsal else self.marks.get(device)
        return self.permission.why_not(device, act, mark)

    def switch_refusal(self, device: str) -> str:
        """Why a device may not be operated as a switch now; empty when it may."""
        mark = None if self.rehearsal else self.marks.get(device)
        return self.permission.why_not(device, Act.SWITCH, mark)

    def release_refusal(self, device: str) -> str:
        """Why a device may not even be returned to its default: a tagged switch stays as it is."""
        return self.permission.why_not(device, Act.RELEASE)
