"""How an operator's command reaches a cell, running or not.

One process writes a cell's journal. Beside CELL.toml lies the folder `operator/`: a command is a whole file put there,
a running cell takes it into its journal and answers with a file. A cell that does not run has its journal free, and the
command writes it itself.

    ID.command.json  --the cell takes it-->  ID.taken.json  --it is done, or refused-->  ID.answer.json

A crash in between leaves `taken`, which is taken again; the decision has the command's id, so it is made once. A
command that nobody took in time is withdrawn, all but `disarm`: that one waits for a cell that hangs. Files of another
user are refused: who may write there is what the folder's mode (700) says.
"""

from __future__ import annotations

import json
import math
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, final

from archipel.drivers import parse
from archipel.field import state as states
from archipel.field.cell_file import CellFile
from archipel.field.commission import check_report
from archipel.field.permission import FieldState, Hold, Limit, Mode
from archipel.field.state import Decision, OperatorRefused
from archipel.journal import Journal, JournalBusy, JournalError
from archipel.model.errors import ArchipelError
from archipel.transport.files import write_whole

FOLDER = "operator"
ARM, DISARM, TAG, UNTAG = "arm", "disarm", "tag", "untag"
ISLAND, REJOIN = "island", "rejoin"
HOLD, LIMIT, FREE = "hold", "limit", "free"
TAGS_CHECKED = "tags checked"
"""As `why` of arming: after a restore somebody has seen to it that every tag is set."""
SIMULATED = "simulated devices, not commissioned"
"""As `report` of arming: a rehearsal commands simulated devices without one. Refused where a device could be real."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST_BYTES = 64 << 10
KEPT_S = 3600.0
"""Answers that nobody fetched are removed after this time."""
_POLL_S = 0.05


LONGEST = timedelta(hours=24)
"""Of a hold or limit: nothing an operator wished lasts by itself until somebody else wonders at it."""


class Judge(Protocol):
    """What only the running cell knows: its clock, its devices, what it can promise."""

    def utc(self) -> datetime:
        """Time by the cell's clock, which `until` is of."""
        ...

    def hold(self, before: FieldState, hold: Hold) -> str:
        """Words for the operator. Raises `OperatorRefused` with the limit that stands against it."""
        ...

    def limit(self, before: FieldState, limit: Limit, element: str) -> str:
        """Words for the operator. Raises `OperatorRefused` where the cell cannot keep it."""
        ...


class NotAnswered(ArchipelError):
    """A cell holds its journal and does not answer its operator."""


@final
@dataclass(frozen=True, slots=True)
class Command:
    """What an operator wants."""

    act: str
    """`arm`, `disarm`, `tag`, `untag`, `island`, `rejoin`, `hold`, `limit` or `free`."""
    who: str
    why: str = ""
    element: str = ""
    """What is tagged, untagged, held, limited or freed."""
    report: str = ""
    """Arming: SHA-256 of the report that the operator saw."""
    id: str = field(default_factory=lambda: f"{time.time_ns():020d}-{uuid.uuid4().hex[:12]}")
    valid_until_s: float = 0.0
    """Seconds since 1970 after which it is no longer carried out, unless it disarms; set by `submit`."""
    until: str = ""
    """When a hold or a limit ends by itself: ISO 8601 with its zone, by the cell's clock."""
    p_kw: float | None = None
    """Of a hold; load convention."""
    import_kw_max: float | None = None
    export_kw_max: float | None = None
    """Of a limit; None leaves that side alone."""


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command."""

    done: bool
    text: str
    devices: Mapping[str, str] = field(default_factory=dict)
    """Disarming: per device, empty when it was released, else what is the matter."""


def open_inbox(folder: Path) -> Path:
    """Make the inbox of the cell whose file lies in `folder`; a cell does so when it starts."""
    inbox = folder / FOLDER
    inbox.mkdir(mode=0o700, exist_ok=True)
    return inbox


def take(folder: Path, *, now_s: float | None = None) -> list[Command]:
    """The commands to carry out, oldest first; each must be answered by `reply`, or it is taken again.

    What is no command, or comes too late, is answered here. `now_s`: seconds since 1970.
    """
    inbox = open_inbox(folder)
    for path in inbox.glob("*.command.json"):
        path.replace(inbox / f"{path.name.removesuffix('.command.json')}.taken.json")
    commands, clock_s = [], time.time() if now_s is None else now_s
    for path in sorted(inbox.glob("*.taken.json")):
        name = path.name.removesuffix(".taken.json")
        try:
            command = _read(path, name)
            if command.act != DISARM and clock_s > command.valid_until_s:
                raise OperatorRefused("command: found one that is too old; give it again.")
            commands.append(command)
        except OperatorRefused as refusal:
            reply(folder, name, Answer(False, str(refusal)))
    for path in inbox.glob("*.answer.json"):
        if clock_s - path.stat().st_mtime > KEPT_S:
            path.unlink(missing_ok=True)
    return commands


def reply(folder: Path, command: str, answer: Answer) -> None:
    """Answer the command with this id."""
    inbox = folder / FOLDER
    write_whole(inbox / f"{command}.answer.json", json.dumps(asdict(answer)).encode(), 0o600)
    (inbox / f"{command}.taken.json").unlink(missing_ok=True)


def submit(folder: Path, command: Command, *, wait_s: float = 5.0) -> Answer:
    """Give a command to a running cell and wait for its answer.

    Raises:
        NotAnswered: none within `wait_s`; the command was withdrawn, unless it disarms or is being carried out.
    """
    inbox = folder / FOLDER
    try:
        owner = inbox.stat()
    except OSError as error:
        raise NotAnswered(f"{folder.name}: found no folder {FOLDER}/ of a running cell ({error.strerror}).") from error
    given = Command(**{**asdict(command), "valid_until_s": time.time() + 2 * wait_s})
    path = inbox / f"{given.id}.command.json"
    try:
        _hand_over(path, json.dumps(asdict(given)).encode(), owner)
    except OSError as error:
        raise NotAnswered(
            f"{folder.name}: its folder {FOLDER}/ cannot be written ({error.strerror}). Run this as the cell's user."
        ) from error
    if (answer := _wait(inbox, given.id, wait_s)) is not None:
        return answer
    if given.act == DISARM:
        raise NotAnswered(f"{folder.name}: the cell did not answer within {wait_s:g} s; it disarms when it wakes.")
    try:
        path.unlink()
    except FileNotFoundError:
        if (answer := _wait(inbox, given.id, wait_s)) is not None:
            return answer
        raise NotAnswered(f"{folder.name}: the cell took the command and has not said what became of it.") from None
    raise NotAnswered(f"{folder.name}: the cell did not answer within {wait_s:g} s; the command was withdrawn.")


def order(file: CellFile, command: Command, *, now: datetime, wait_s: float = 5.0) -> Answer:
    """Have a command carried out: by the cell when it runs, else here.

    Raises:
        NotAnswered: the cell runs and does not answer.
        OperatorRefused, JournalError: it cannot be carried out.
    """
    try:
        journal = Journal(file.journal)
    except JournalBusy:
        answer = submit(file.folder, command, wait_s=wait_s)
        if not answer.done:
            raise OperatorRefused(answer.text) from None
        return answer
    # nobody runs who could hold a device or keep a limit: `carry_out` says so
    with journal:
        return Answer(True, carry_out(file, journal, command, now=now, wall=now))


def attend(
    file: CellFile,
    journal: Journal,
    *,
    now: datetime,
    wall: datetime,
    found: Mapping[str, str] | None = None,
    judge: Judge | None = None,
) -> list[Command]:
    """Take every command, carry it out, answer it: what a running cell does once a second, before it writes.

    Returns the commands that disarm: decided, and to be answered by `reply` once the devices are released.
    Arguments as in `carry_out`. Raises `JournalError`: what was not decided is taken again next time.
    """
    disarming = []
    for command in take(file.folder):
        try:
            text = carry_out(file, journal, command, now=now, wall=wall, found=found, judge=judge)
        except JournalError:
            raise
        except ArchipelError as refusal:
            reply(file.folder, command.id, Answer(False, str(refusal)))
            continue
        if command.act == DISARM:
            disarming.append(command)
        else:
            reply(file.folder, command.id, Answer(True, text))
    return disarming


def carry_out(
    file: CellFile,
    journal: Journal,
    command: Command,
    *,
    now: datetime,
    wall: datetime,
    found: Mapping[str, str] | None = None,
    judge: Judge | None = None,
) -> str:
    """Decide a command and write the decision; returns words for the operator. Releasing devices is the caller's.

    Args:
        file: The cell's.
        journal: Open; nothing else that was taken waits in it.
        command: What is wanted.
        now: Time in the journal.
        wall: UTC of the host, for the age of the report; differs from `now` in a rehearsal.
        found: Fingerprints of the devices connected now; one that differs from the report is not armed.
        judge: What the running cell knows; without it nothing can be held or limited.

    Raises:
        OperatorRefused: it cannot be carried out; says why. Nothing has changed.
        JournalError: it could not be written. Nothing has changed, as far as anybody knows.
    """
    before = states.read_state(journal)
    decision = Decision(command.id, _act(command), command.who, command.why)
    if states.decided(journal, decision):
        return "done before"
    after, text = _decided(file, before, command, now, wall, found or {}, judge)
    states.record(journal, decision, after, now=now)
    return text


def _decided(
    file: CellFile,
    before: FieldState,
    command: Command,
    now: datetime,
    wall: datetime,
    found: Mapping[str, str],
    judge: Judge | None,
) -> tuple[FieldState, str]:
    if not command.who.strip():
        raise OperatorRefused(f"{command.act}: found no name; say who you are: --who NAME")
    match command.act:
        case "disarm":
            return states.disarmed(before), "in shadow" if before.mode is Mode.ARMED else "was in shadow already"
        case "tag":
            after = states.tagged(before, command.element, command.who, command.why, now)
            return after, f"{command.element} is tagged"
        case "untag":
            return states.untagged(before, command.element), f"{command.element} has no tag any more"
        case "island" | "rejoin":
            if file.switch is None:
                raise OperatorRefused(
                    f"{command.act}: {file.path.name} names no switch to the main grid. Add a table [switch] to it."
                )
            after = states.apart(before, island=command.act == ISLAND)
            wish = "leave the main grid and stay away" if after.island else "come back to the main grid when it may"
            held = "" if before.mode is Mode.ARMED else ", once it is armed: it is in shadow and operates nothing"
            return after, f"the cell shall {wish}{held}"
        case "free":
            return states.freed(before, command.element, file.cell.id), f"{command.element} is free again"
        case "hold" | "limit":
            if judge is None:
                raise OperatorRefused(
                    f"{command.act}: {file.cell.id} does not run: its devices are at their defaults. Start it first."
                )
            return _intended(before, command, judge)
        case "arm":
            if not before.certain and command.why != TAGS_CHECKED:
                raise OperatorRefused(
                    "arm: the journal was restored or salvaged: tags set since the backup are missing. Set them anew, "
                    "then say so: --tags-checked"
                )
            if not file.device:
                return states.armed(before, {}, "", has_devices=False), "armed: it has no devices to command"
            return _armed(file, before, command, wall, found)
    raise OperatorRefused(
        f"command: found {command.act!r}; expected {ARM}, {DISARM}, {TAG}, {UNTAG}, {ISLAND}, {REJOIN}, {HOLD}, "
        f"{LIMIT} or {FREE}."
    )


def _armed(
    file: CellFile, before: FieldState, command: Command, wall: datetime, found: Mapping[str, str]
) -> tuple[FieldState, str]:
    if command.report == SIMULATED:
        return states.armed(before, _simulated(file), ""), f"armed: {len(file.device)} simulated devices"
    report = check_report(file, wall)
    if command.report and command.report != report.digest:
        raise OperatorRefused("arm: the report has changed since you looked at it; look again.")
    passed = {id_: mark for id_, mark in report.passed.items() if found.get(id_, mark) == mark}
    after = states.armed(before, passed, report.digest)
    others = ", ".join(sorted(report.passed.keys() - passed.keys()))
    text = f"armed: {len(passed)} of {len(file.device)} devices may be commanded"
    return after, f"{text}; other devices than those commissioned answer for {others}" if others else text


def _simulated(file: CellFile) -> dict[str, str]:
    """A mark instead of a fingerprint for every device of a rehearsal. Raises `OperatorRefused` outside of one."""
    hosts = {parse(row.endpoint)[0] for row in file.device}
    if file.clock is None or not hosts <= set(LOOPBACK):
        raise OperatorRefused(
            f"arm: {file.path.name} is of no rehearsal with simulated devices. Commission the cell: archipel commission"
        )
    return {row.id: SIMULATED for row in file.device}


def _intended(before: FieldState, command: Command, judge: Judge) -> tuple[FieldState, str]:
    """A hold or a limit, once the running cell has found that it can keep it."""
    until = _until(command, judge.utc())
    intent = (until, command.who, command.why, command.id)
    if command.act == HOLD:
        if command.p_kw is None or not math.isfinite(command.p_kw):
            raise OperatorRefused(f"hold: found the power {command.p_kw}; expected a number of kW.")
        hold = Hold(command.element, command.p_kw, *intent)
        return states.held(before, hold), judge.hold(before, hold)
    for side in (command.import_kw_max, command.export_kw_max):
        if side is not None and not 0.0 <= side < math.inf:
            raise OperatorRefused(f"limit: found {side:g} kW; expected a number that is not negative.")
    limit = Limit(command.import_kw_max, command.export_kw_max, *intent)
    if limit.import_kw_max is None and limit.export_kw_max is None:
        raise OperatorRefused("limit: found neither import nor export; expected at least one of them.")
    return states.limited(before, limit), judge.limit(before, limit, command.element)


def _until(command: Command, utc: datetime) -> datetime:
    try:
        until = datetime.fromisoformat(command.until)
    except ValueError:
        raise OperatorRefused(
            f"{command.act}: until: found {command.until!r}; expected a time such as 2026-06-01T14:00Z"
        ) from None
    until = until.replace(tzinfo=UTC) if until.tzinfo is None else until.astimezone(UTC)
    if not timedelta(0) < until - utc <= LONGEST:
        raise OperatorRefused(
            f"{command.act}: until: found {until:%Y-%m-%d %H:%M}; it is {utc:%Y-%m-%d %H:%M} UTC by the cell's clock, "
            f"expected a time within the next {LONGEST / timedelta(hours=1):g} hours."
        )
    return until


def _act(command: Command) -> str:
    return f"{command.act} {command.element}".strip()


def _hand_over(path: Path, data: bytes, owner: os.stat_result) -> None:
    """A whole file, readable by the inbox's owner alone."""
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        if os.geteuid() == 0:
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _wait(inbox: Path, command: str, wait_s: float) -> Answer | None:
    path, end_s = inbox / f"{command}.answer.json", time.monotonic() + wait_s
    while time.monotonic() < end_s:
        if path.exists():
            answer = Answer(**json.loads(path.read_text("utf-8")))
            path.unlink()
            return answer
        time.sleep(_POLL_S)
    return None


def _read(path: Path, name: str) -> Command:
    """A command file of our own user. Raises `OperatorRefused`."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            owner = os.fstat(handle).st_uid
            data = file.read(MOST_BYTES + 1)
        if owner not in {0, os.geteuid()}:
            raise OperatorRefused(f"command: found one of user {owner}; expected the cell's own user or root.")
        if len(data) > MOST_BYTES:
            raise OperatorRefused(f"command: found more than {MOST_BYTES} bytes.")
        plain: dict[str, Any] = json.loads(data)
        command = Command(**plain)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise OperatorRefused(f"command: found a file that is none ({error}).") from error
    texts = (command.act, command.who, command.why, command.element, command.report, command.id, command.until)
    powers = (command.p_kw, command.import_kw_max, command.export_kw_max)
    numbers = (command.valid_until_s, *(power for power in powers if power is not None))
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(n, (int, float)) for n in numbers):
        raise OperatorRefused("command: found values of the wrong kind.")
    if command.id != name:
        raise OperatorRefused(f"command: found the id {command.id!r} in the file of {name!r}.")
    return command


__all__ = [
    "ARM",
    "DISARM",
    "FREE",
    "HOLD",
    "ISLAND",
    "LIMIT",
    "REJOIN",
    "TAG",
    "TAGS_CHECKED",
    "UNTAG",
    "Answer",
    "Command",
    "Judge",
    "NotAnswered",
    "attend",
    "carry_out",
    "open_inbox",
    "order",
    "reply",
    "submit",
    "take",
]
