"""Whether a device may be written to: a pure question, asked before every write.

    tag on the device, or on anything it would energise   no, in every mode
    shadow                                                no
    armed, but not this device, or another device than    no
        the one that was commissioned
    armed                                                 yes

Returning a device to its own default (`Act.RELEASE`) is refused for nothing but a tagged switch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import final


class Mode(StrEnum):
    """Whether a cell writes."""

    SHADOW = "shadow"
    """It reads, plans and speaks, and writes nothing."""
    ARMED = "armed"
    """It commands the devices that were commissioned."""


class Act(StrEnum):
    """What would be written."""

    POWER = "power"
    """An active or reactive power, or a limit."""
    SWITCH = "switch"
    """A position of a switch."""
    RELEASE = "release"
    """The end of every order: the device goes to its own default."""


@final
@dataclass(frozen=True, slots=True)
class Tag:
    """A safety tag: people at work, earthed, or any reason why nothing may operate or energise this."""

    element: str
    """A device or a branch."""
    who: str
    why: str
    since: datetime


@final
@dataclass(frozen=True, slots=True)
class Hold:
    """An operator's wish that a device stays at a power for a while."""

    device: str
    p_kw: float
    """Load convention."""
    until: datetime
    """By the cell's clock; it ends by itself then."""
    who: str
    why: str
    id: str
    """Of the command."""


@final
@dataclass(frozen=True, slots=True)
class Limit:
    """An operator's cap on what the cell exchanges with the one above it, of the root with upstream."""

    import_kw_max: float | None
    export_kw_max: float | None
    """Non-negative; None leaves that side alone."""
    until: datetime
    who: str
    why: str
    id: str


@final
@dataclass(frozen=True, slots=True)
class FieldState:
    """What operators decided about a cell. The default is the state of a cell that never ran."""

    mode: Mode = Mode.SHADOW
    armed: Mapping[str, str] = field(default_factory=dict)
    """Devices that may be commanded, each with its fingerprint; empty in shadow."""
    tags: Mapping[str, Tag] = field(default_factory=dict)
    report: str = ""
    """SHA-256 of the commissioning report it was armed by."""
    island: bool = False
    """The cell shall leave the main grid and stay away; in cells with a switch to it."""
    certain: bool = True
    """False when the journal was restored or salvaged since: tags may be missing, so no switch is operated."""
    holds: Mapping[str, Hold] = field(default_factory=dict)
    """By device. They permit nothing: a held device is ordered only when it may be."""
    limit: Limit | None = None


@final
@dataclass(frozen=True, slots=True)
class Permission:
    """Answers for one state of a cell."""

    state: FieldState = field(default_factory=FieldState)
    touches: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Branches and devices that operating a device acts on, by device: what its switch closes on to, the branch that
    feeds it. A tag on one of them is a tag on the device. The device itself need not be named."""
    switches: Collection[str] = frozenset()
    """Devices that are switches: only they are operated by a release."""

    def why_not(self, device: str, act: Act, fingerprint: str | None = None) -> str:
        """Why this may not be written; empty when it may.

        Args:
            device: Its id in the scenario.
            act: What would be written.
            fingerprint: What the device says it is, see `archipel.field.state.fingerprint`; None leaves that unchecked.
        """
        state = self.state
        if act is Act.RELEASE:
            return self.tagged(device) if device in self.switches else ""
        if tagged := self.tagged(device):
            return tagged
        if state.mode is not Mode.ARMED:
            return "the cell is in shadow"
        if device not in state.armed:
            return f"{device} is not armed: it did not pass commissioning"
        if fingerprint is not None and fingerprint != state.armed[device]:
            return f"{device} is another device than the one commissioned: found {fingerprint}"
        if act is Act.SWITCH and not state.certain:
            return "the journal was restored: tags may be missing until an operator arms the cell again"
        return ""

    def may(self, device: str, act: Act, fingerprint: str | None = None) -> bool:
        """Whether it may be written."""
        return not self.why_not(device, act, fingerprint)

    def tagged(self, device: str) -> str:
        """The safety tag that stands against operating it, on it or on what it would energise; empty if none."""
        for element in (device, *sorted(self.touches.get(device, ()))):
            tag = self.state.tags.get(element)
            if tag is not None:
                return f"{element} has a safety tag: {tag.why} ({tag.who}, {tag.since:%Y-%m-%d %H:%M} UTC)"
        return ""
