"""What the running cell may do now: the operators' decisions, read from the journal again and again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from archipel.field.permission import Act, Mode, Permission
from archipel.field.state import read_state
from archipel.journal import Journal


@final
@dataclass(slots=True, eq=False)
class Access:
    """Mode, arming and tags of the cell."""

    journal: Journal
    permission: Permission = field(default_factory=Permission)

    def refresh(self) -> bool:
        """Read the operators' decisions anew; true when the mode changed."""
        before = self.mode
        self.permission = Permission(read_state(self.journal))
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
        """Why a device may not be told its power; empty when it may."""
        return self.permission.why_not(device, Act.POWER)
