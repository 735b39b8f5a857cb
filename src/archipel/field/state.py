"""What operators decided about a cell, kept in its journal: shadow or armed, safety tags, what is held or limited.

    shadow --(signed commissioning report)--> armed --> shadow

Every decision is one entry of kind `operator` that carries the act and the whole state after it, so the newest such
entry is the state and a decision is on the disk whole or not at all. A cell without one is in shadow. The entry's key
is the command's id: the same command taken twice, before and after a crash, is one decision.

After a restore or a salvage the cell is in shadow and uncertain: tags set since the backup may be missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, final

from archipel.drivers import MappedDevice, SunSpecDevice
from archipel.drivers.base import Driver
from archipel.field.cell_file import DeviceTable
from archipel.field.permission import FieldState, Hold, Limit, Mode, Tag
from archipel.journal import Entry, Journal, Kind
from archipel.journal.entry import time_text
from archipel.model.errors import ArchipelError

UPSTREAM = "upstream"
"""The connection of the area, as an element of commands to its root."""


class OperatorRefused(ArchipelError):
    """An operator's command cannot be carried out."""


class Ledger(Protocol):
    """What reading the state needs: a journal, or a ledger opened to look at."""

    def newest(self, kind: str) -> Iterator[Entry]:
        """Acknowledged entries of a kind, newest first."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Decision:
    """One operator's act, as it goes into the journal."""

    id: str
    """Unique."""
    act: str
    who: str
    why: str


def read_state(ledger: Ledger) -> FieldState:
    """The state as the journal has it; quick enough for every second. Raises `DamagedJournal`."""
    found = next((entry for entry in ledger.newest(Kind.OPERATOR) if "state" in entry.body), None)
    state = FieldState() if found is None else _state(found.body["state"])
    if _mended_seq(ledger) > (0 if found is None else found.seq):
        return replace(state, mode=Mode.SHADOW, armed={}, report="", certain=False)
    return state


def record(journal: Journal, decision: Decision, state: FieldState, *, now: datetime) -> None:
    """Write a decision and the state after it; on the disk when this returns.

    Raises:
        JournalUnavailable: nothing was decided; try again.
        KeyTaken: another decision has this id.
    """
    body = {"act": decision.act, "who": decision.who, "why": decision.why, "state": _plain(state)}
    journal.append(Kind.OPERATOR, decision.id, body, time=now)
    journal.commit()


def decided(journal: Journal, decision: Decision) -> bool:
    """Whether this decision is in the journal already."""
    return journal.find(Kind.OPERATOR, decision.id) is not None


def tagged(state: FieldState, element: str, who: str, why: str, now: datetime) -> FieldState:
    """With a tag on a device or branch. Raises `OperatorRefused` when nobody or no reason is named, or it has one."""
    for name, value in (("element", element), ("--who", who), ("--why", why)):
        if not value.strip() or len(value) > 200 or not value.isprintable():
            raise OperatorRefused(f"tag: {name}: found {value[:40]!r}; expected 1 to 200 printable letters.")
    if element in state.tags:
        there = state.tags[element]
        raise OperatorRefused(
            f"tag: {element} has one already, by {there.who}: {there.why}. It stays; remove it first to change it."
        )
    return replace(state, tags={**state.tags, element: Tag(element, who, why, now)})


def untagged(state: FieldState, element: str) -> FieldState:
    """Without the tag on an element. Raises `OperatorRefused` when it has none."""
    if element not in state.tags:
        known = ", ".join(sorted(state.tags)) or "none"
        raise OperatorRefused(f"tag: {element} has no tag; tagged are: {known}.")
    return replace(state, tags={name: tag for name, tag in state.tags.items() if name != element})


def armed(state: FieldState, devices: Mapping[str, str], report: str, *, has_devices: bool = True) -> FieldState:
    """Armed: these devices, by fingerprint, may be commanded. Raises `OperatorRefused` when none of a cell's may.

    A cell that has no devices is armed all the same: its word then counts in agreements with armed neighbours.
    """
    if has_devices and not devices:
        raise OperatorRefused("arm: no device passed commissioning. Read the report, mend, and commission again.")
    return replace(state, mode=Mode.ARMED, armed=dict(devices), report=report, certain=True)


def disarmed(state: FieldState) -> FieldState:
    """In shadow, nothing held and nothing limited. Tags stay. Always possible."""
    return replace(state, mode=Mode.SHADOW, armed={}, report="", holds={}, limit=None)


def apart(state: FieldState, *, island: bool) -> FieldState:
    """With or without the wish to live apart from the main grid. Tags, arming and mode stay as they are."""
    return replace(state, island=island)


def held(state: FieldState, hold: Hold) -> FieldState:
    """With a device held at a power, in the place of an earlier hold of it."""
    return replace(state, holds={**state.holds, hold.device: hold})


def limited(state: FieldState, limit: Limit) -> FieldState:
    """With a cap on the exchange, in the place of an earlier one."""
    return replace(state, limit=limit)


def freed(state: FieldState, element: str, cell: str) -> FieldState:
    """Without the hold of a device, or, where the cell itself (or `upstream`) is named, without its cap.

    Raises:
        OperatorRefused: there is none.
    """
    if element in {cell, UPSTREAM}:
        if state.limit is None:
            raise OperatorRefused(f"free: {element} has no limit.")
        return replace(state, limit=None)
    if element not in state.holds:
        known = ", ".join(sorted(state.holds)) or "none"
        raise OperatorRefused(f"free: {element} is not held; held are: {known}.")
    return replace(state, holds={name: hold for name, hold in state.holds.items() if name != element})


def fingerprint(row: DeviceTable, driver: Driver) -> str:
    """What a device is and where: driver, endpoint, maker, model and serial number, shortened to a name.

    `driver` must be connected. A device that was exchanged, or an endpoint that was edited, has another one.
    """
    who = identity_of(driver)
    whole = "\n".join((row.driver, row.endpoint, who["maker"], who["model"], who["serial"]))
    return " ".join(filter(None, (who["maker"], who["model"], who["serial"]))) + (
        f" #{hashlib.sha256(whole.encode()).hexdigest()[:16]}"
    )


def identity_of(driver: Driver) -> dict[str, str]:
    """Maker, model and serial number that a connected device tells; empty where it does not."""
    names = ("maker", "model", "serial")
    if isinstance(driver, MappedDevice):
        return {name: str(driver.identity.get(name) or "") for name in names}
    if isinstance(driver, SunSpecDevice) and driver.identity is not None:
        return {name: getattr(driver.identity, name) for name in names}
    return dict.fromkeys(names, "")


def _mended_seq(ledger: Ledger) -> int:
    newest = [next(ledger.newest(kind), None) for kind in (Kind.RESTORED, Kind.SALVAGED)]
    return max((entry.seq for entry in newest if entry is not None and entry.body.get("file") != "meas.db"), default=0)


def _plain(state: FieldState) -> dict[str, Any]:
    return {
        "mode": state.mode.value,
        "armed": dict(state.armed),
        "report": state.report,
        "certain": state.certain,
        "island": state.island,
        "tags": {
            name: {"who": tag.who, "why": tag.why, "since": time_text(tag.since, "tag")}
            for name, tag in state.tags.items()
        },
        "holds": {name: {"p_kw": hold.p_kw, **_intent(hold)} for name, hold in state.holds.items()},
        "limit": None
        if state.limit is None
        else {
            "import_kw_max": state.limit.import_kw_max,
            "export_kw_max": state.limit.export_kw_max,
            **_intent(state.limit),
        },
    }


def _intent(one: Hold | Limit) -> dict[str, str]:
    return {"who": one.who, "why": one.why, "until": time_text(one.until, "until"), "id": one.id}


def _state(body: Mapping[str, Any]) -> FieldState:
    tags = {
        name: Tag(name, tag["who"], tag["why"], datetime.fromisoformat(tag["since"]))
        for name, tag in body["tags"].items()
    }
    return FieldState(
        Mode(body["mode"]),
        dict(body["armed"]),
        tags,
        body["report"],
        certain=bool(body["certain"]),
        island=bool(body.get("island", False)),
        holds={
            name: Hold(device=name, **{**hold, "until": datetime.fromisoformat(hold["until"])})
            for name, hold in body.get("holds", {}).items()
        },
        limit=None
        if (limit := body.get("limit")) is None
        else Limit(**{**limit, "until": datetime.fromisoformat(limit["until"])}),
    )
