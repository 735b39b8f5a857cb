"""What must hold of a command before a source sees it: who may, what it must say, and how far it may reach."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from typing import Final

import msgspec

from archipel.web.nouns import Act, Area, Command, Role
from archipel.web.server.people import Person
from archipel.web.server.reading import in_utc, read_json
from archipel.web.server.refusals import AGAINST, BAD, FORBIDDEN, MISSING, Refusal

ALWAYS: Final = frozenset[Act]({"default", "disarm"})
"""Back to what is safe: asks for nothing but the role to operate."""
SWITCHING: Final = frozenset[Act]({"open", "close", "island", "rejoin"})
"""Operate a switch, and need a selection first."""
ENDING: Final = frozenset[Act]({"limit", "hold"})
"""Must say when they end."""
ADMINISTERS: Final = frozenset[Act]({"untag", "kill", "start"})
UPSTREAM: Final = "upstream"
LONGEST: Final = timedelta(hours=24)
ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
ELEMENT_MAX, WHY_MAX = 200, 1_000
OWN = {"import_kw_max": "limit", "export_kw_max": "limit", "p_kw": "hold"}
"""Fields of one act alone."""


def role_for(act: Act) -> Role:
    """Who may."""
    return "administer" if act in ADMINISTERS else "operate"


def check_role(person: Person, act: Act) -> None:
    """Raises `Refusal` where the role does not suffice."""
    needed = role_for(act)
    if not person.may(needed):
        how = "" if person.signed_in else " Sign in with a token that may"
        raise Refusal(FORBIDDEN, f"{act}: {person.name} has the role {person.role}; it needs {needed}.{how}")


class _Safe(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a command that goes back to what is safe: the rest of what was sent does not matter."""

    act: Act
    id: object = ""
    element: object = ""
    why: object = ""


def read_command(body: bytes, spare_id: str) -> Command:
    """A command; one that goes back to what is safe is read whatever else it says. Raises `Refusal`."""
    try:
        safe = msgspec.json.decode(body, type=_Safe)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        safe = None
    if safe is not None and safe.act in ALWAYS:
        number = safe.id if isinstance(safe.id, str) and ID.fullmatch(safe.id) else spare_id
        element = safe.element if isinstance(safe.element, str) else ""
        why = safe.why if isinstance(safe.why, str) else ""
        return Command(id=number, act=safe.act, element=element[:ELEMENT_MAX], why=why[:WHY_MAX])
    command = read_json(body, Command)
    if command.until is not None:
        command = msgspec.structs.replace(command, until=in_utc("until", command.until))
    return command


def check_words(command: Command) -> None:
    """What a command must say, whoever gives it. Raises `Refusal` (400)."""
    act = command.act
    if not ID.fullmatch(command.id):
        raise Refusal(BAD, f"id: found {command.id[:80]!r}; expected 8 to 64 letters, digits, - or _")
    if len(command.element) > ELEMENT_MAX or len(command.why) > WHY_MAX or len(command.selection) > ELEMENT_MAX:
        raise Refusal(BAD, f"element, why or selection: too long; expected {ELEMENT_MAX}, {WHY_MAX}, {ELEMENT_MAX}")
    for name, owner in OWN.items():
        value = getattr(command, name)
        if value is not None and (act != owner or not math.isfinite(value)):
            raise Refusal(BAD, f"{name}: found {value!r} with {act}; expected a number, and with {owner} alone")
    if command.selection and act not in SWITCHING:
        raise Refusal(BAD, f"selection: found one with {act}; only {', '.join(sorted(SWITCHING))} have one")
    if not command.element:
        raise Refusal(BAD, f"element: found none; expected what to {act}")
    if (command.until is None) == (act in ENDING):
        raise Refusal(BAD, f"until: found {command.until}; {' and '.join(sorted(ENDING))} need one, others have none")
    if act == "limit" and command.import_kw_max is None and command.export_kw_max is None:
        raise Refusal(BAD, "import_kw_max, export_kw_max: found neither; expected one at least")
    if act == "hold" and command.p_kw is None:
        raise Refusal(BAD, "p_kw: found none; expected the power to hold")


def check_reach(command: Command, area: Area, now: datetime) -> None:
    """How far it may reach: not into ever, and not beyond what a thing is built for. Raises `Refusal` (404, 409)."""
    if command.act not in area.acts:
        raise Refusal(
            AGAINST, f"{command.act}: cannot be given here; expected one of: {', '.join(area.acts) or 'none'}"
        )
    if command.until is not None and not now < command.until <= now + LONGEST:
        raise Refusal(
            AGAINST,
            f"until: found {command.until.isoformat()}; it is {now.isoformat()} there, expected 24 h later at most",
        )
    if command.act == "limit":
        most = _limits(command.element, area)
        for name, bound in zip(("import_kw_max", "export_kw_max"), most, strict=True):
            value = getattr(command, name)
            if value is not None and not 0.0 <= value <= (math.inf if bound is None else bound):
                upto = "" if bound is None else f" to {bound:g}"
                raise Refusal(AGAINST, f"{name}: found {value:g}; expected 0{upto} kW for {command.element}")
    if command.act == "hold" and command.p_kw is not None:
        low, high = _nameplate(command.element, area)
        if not low <= command.p_kw <= high:
            raise Refusal(
                AGAINST,
                f"p_kw: found {command.p_kw:g}; expected {low:g} to {high:g} kW, the nameplate of {command.element}",
            )


def _limits(element: str, area: Area) -> tuple[float | None, float | None]:
    """Import and export a cell's tie, or the connection, is built for; None: not told."""
    if element == UPSTREAM:
        return area.import_kw_max, area.export_kw_max
    for cell in area.cells:
        if cell.id == element:
            return cell.rated_kw, cell.rated_kw
    raise Refusal(MISSING, f"element: found {element!r}; expected a cell or {UPSTREAM!r}")


def _nameplate(element: str, area: Area) -> tuple[float, float]:
    """Least and most power of a device."""
    devices = area.devices
    if element not in devices.id:
        raise Refusal(MISSING, f"element: found {element!r}; expected a device")
    row = devices.id.index(element)
    low, high = devices.p_kw_min[row], devices.p_kw_max[row]
    return (-math.inf if low is None else low), (math.inf if high is None else high)
