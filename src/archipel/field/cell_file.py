"""CELL.toml: all that one cell process is told. Paths are relative to the file and may not leave its folder, except
that of the scenario.

    [cell]                                  [[neighbour]]
    id = "LV3.304"                          cell = "Feeder12"
    scenario = "district"                   address = "127.0.0.1:7447"   # left out where the neighbour dials
    forecast = "perfect"                    electrical = true            # false for a chord, a link for messages only
    import_kw_max = 510.3
    export_kw_max = 212.0                   [[device]]
                                            id = "sgen/12"
    [controller]                            driver = "sunspec"
    lead_s = 120                            endpoint = "modbus://127.0.0.1:50210/1"

    [transport]                             [[meter]]
    listen = "127.0.0.1:7448"               tie = "trafo/5"
    certificates = "certs"                  endpoint = "modbus://127.0.0.1:50211/1"

    [status]                                [clock]                      # rehearsals only
    listen = "127.0.0.1:7548"               factor = 60.0

    [records]                               [switch]                     # to the main grid
    personal_days = 90                      device = "switch/7"          # a [[device]]

                                            [[former]]
                                            id = "storage/3"             # a [[device]]
                                            endpoint = "modbus://127.0.0.1:50212/1"
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, final, get_args, get_type_hints

from archipel.controller.outlook import ForecastKind
from archipel.controller.settings import Settings
from archipel.coordination.methods import MethodName
from archipel.field.switch_table import FormerTable, SwitchTable, check_apart
from archipel.formats.findings import Findings, did_you_mean
from archipel.model.errors import ArchipelError, Problem

DriverName = Literal["sunspec", "archipel"]
_TIMES = Settings()


class CellFileInvalid(ArchipelError):
    """A cell file cannot be used. Carries every problem that was found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__("\n".join([f"{count} found:", *(f"  {problem}" for problem in problems)]))


@final
@dataclass(frozen=True, slots=True)
class CellTable:
    """[cell]"""

    id: str
    scenario: str
    import_kw_max: float
    export_kw_max: float
    """Limits of the own exchange while nothing is agreed, as in a connection agreement."""
    forecast: ForecastKind = "perfect"
    method: MethodName = "auto"
    """How plans are agreed; all cells of an archipelago have the same."""
    journal: str = "journal"
    """Folder."""


@final
@dataclass(frozen=True, slots=True)
class ControllerTable:
    """[controller]: times in seconds, see `archipel.controller.settings.Settings`, whose defaults they have."""

    every_s: int = _TIMES.every_s
    lead_s: float = _TIMES.lead_s
    attempts: int = _TIMES.attempts
    repeat_s: float = _TIMES.repeat_s
    lease_s: float = _TIMES.lease_s
    contradiction_s: float = _TIMES.contradiction_s
    grace_s: float = _TIMES.grace_s
    healthy_s: float = _TIMES.healthy_s
    tick_s: float = 1.0
    """Between two rounds of control, by the wall."""


@final
@dataclass(frozen=True, slots=True)
class TransportTable:
    """[transport]"""

    listen: str
    certificates: str = "certs"
    """Folder of the cell's certificate."""


@final
@dataclass(frozen=True, slots=True)
class StatusTable:
    """[status]"""

    listen: str


@final
@dataclass(frozen=True, slots=True)
class RecordsTable:
    """[records]: what is kept of readings."""

    every_s: float = 60.0
    """Between two readings kept of a device."""
    personal_days: int = 90
    """How long readings of devices, which show how people live, are kept."""


@final
@dataclass(frozen=True, slots=True)
class ClockTable:
    """[clock]: a rehearsal's time; without it the host's own clock."""

    factor: float
    """Simulated seconds per second."""
    start: datetime
    """Simulated time at `wall_start`."""
    wall_start: datetime


@final
@dataclass(frozen=True, slots=True)
class NeighbourTable:
    """[[neighbour]]"""

    cell: str
    address: str = ""
    """Where to dial it; empty where it dials us."""
    electrical: bool = True
    """False for a chord: a link that only carries messages."""


@final
@dataclass(frozen=True, slots=True)
class DeviceTable:
    """[[device]]"""

    id: str
    """As in the scenario."""
    driver: DriverName
    endpoint: str


@final
@dataclass(frozen=True, slots=True)
class MeterTable:
    """[[meter]]: a SunSpec meter at the own end of a tie, or at the upstream connection (tie "")."""

    tie: str
    endpoint: str
    v_nominal_v: float = 0.0
    """Nominal voltage at the cell's boundary, line to line; 0 where the meter's voltage is not used."""


@final
@dataclass(frozen=True, slots=True)
class CellFile:
    """A whole cell file."""

    path: Path
    cell: CellTable
    transport: TransportTable
    status: StatusTable
    controller: ControllerTable = field(default_factory=ControllerTable)
    records: RecordsTable = field(default_factory=RecordsTable)
    clock: ClockTable | None = None
    switch: SwitchTable | None = None
    neighbour: tuple[NeighbourTable, ...] = ()
    device: tuple[DeviceTable, ...] = ()
    meter: tuple[MeterTable, ...] = ()
    former: tuple[FormerTable, ...] = ()

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.path.parent

    @property
    def journal(self) -> Path:
        """Folder of the journal."""
        return self.folder / self.cell.journal

    @property
    def certificates(self) -> Path:
        """Folder of the certificate."""
        return self.folder / self.transport.certificates


_SINGLE: dict[str, type] = {
    "cell": CellTable,
    "transport": TransportTable,
    "status": StatusTable,
    "controller": ControllerTable,
    "records": RecordsTable,
    "clock": ClockTable,
    "switch": SwitchTable,
}
_MANY: dict[str, type] = {
    "neighbour": NeighbourTable,
    "device": DeviceTable,
    "meter": MeterTable,
    "former": FormerTable,
}
_NEEDED = ("cell", "transport", "status")
_POSITIVE = {
    "every_s",
    "attempts",
    "lead_s",
    "repeat_s",
    "lease_s",
    "tick_s",
    "factor",
    "personal_days",
    "unknown_s",
    "near_deg",
}


def read_cell_file(path: str | Path) -> CellFile:
    """Read and check a cell file. Raises `CellFileInvalid` with every problem in it."""
    path = Path(path)
    findings = Findings()
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        mend = "Name a cell file, or let `archipel up` write one."
        findings.add(path.name, "", "", f"no readable TOML ({error})", "a cell file", mend)
        raise CellFileInvalid(tuple(findings.problems)) from error
    known = {**_SINGLE, **_MANY}
    for name in tables.keys() - known.keys():
        findings.add(path.name, f"[{name}]", "", "an unknown table", "a known one", did_you_mean(name, known))
    made: dict[str, Any] = {}
    for name, kind in _SINGLE.items():
        if name in tables:
            made[name] = _table(path.name, f"[{name}]", tables[name], kind, findings)
        elif name in _NEEDED:
            findings.add(path.name, f"[{name}]", "", "no such table", "one", f"Add a table [{name}].")
    for name, kind in _MANY.items():
        rows = tables.get(name, [])
        if not isinstance(rows, list):
            findings.add(path.name, f"[{name}]", "", "one table", f"[[{name}]] tables", "Write it with two brackets.")
            continue
        made[name] = tuple(_table(path.name, f"[[{name}]] {i}", row, kind, findings) for i, row in enumerate(rows, 1))
        _unlike(path.name, name, made[name], findings)
    _inside(path.name, made, findings)
    check_apart(path.name, made, findings)
    if len(findings):
        raise CellFileInvalid(tuple(findings.problems))
    return CellFile(path=path.resolve(), **made)


def write_cell_file(file: CellFile) -> None:
    """Write it to its path; `read_cell_file` gives it back."""
    parts = []
    for name in _SINGLE:
        table = getattr(file, name)
        if table is not None:
            parts.append(f"[{name}]\n{_lines(table)}")
    for name in _MANY:
        parts += [f"[[{name}]]\n{_lines(row)}" for row in getattr(file, name)]
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.write_text("\n".join(parts), "utf-8")


def _lines(table: Any) -> str:
    return "".join(f"{f.name} = {_toml(getattr(table, f.name))}\n" for f in fields(table))


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def _table(file: str, where: str, found: Any, kind: type, findings: Findings) -> Any:
    """One table as its record; None when something in it is wrong."""
    if not isinstance(found, dict):
        findings.add(file, where, "", repr(found), "a table", f"Write {where} on a line of its own.")
        return None
    mark, values = len(findings), {}
    hints = get_type_hints(kind)
    for key in found.keys() - hints.keys():
        findings.add(file, where, key, "an unknown key", "a known one", did_you_mean(key, hints))
    for part in fields(kind):
        if part.name in found:
            values[part.name] = _value(file, where, part.name, found[part.name], hints[part.name], findings)
        elif part.default is MISSING:
            findings.add(file, where, part.name, "nothing", "a value", f"Add {part.name} = ...")
    return kind(**values) if len(findings) == mark else None


def _value(file: str, where: str, key: str, found: Any, kind: Any, findings: Findings) -> Any:
    expected = ""
    if choices := get_args(kind):
        expected = "" if found in choices else "one of " + ", ".join(choices)
    elif kind is datetime:
        ok = isinstance(found, datetime) and found.tzinfo is not None
        expected = "" if ok else "a time with its zone, such as 2016-06-09T00:00:00Z"
    elif kind in (int, float):
        ok = isinstance(found, (int, float)) and not isinstance(found, bool) and math.isfinite(found)
        ok = ok and (kind is float or found == int(found)) and found >= 0 and (found > 0 or key not in _POSITIVE)
        expected = "" if ok else f"a{' whole' * (kind is int)} number{' above zero' * (key in _POSITIVE)}"
        found = kind(found) if ok else found
    elif not isinstance(found, kind):
        expected = "true or false" if kind is bool else "text"
    elif key in {"listen", "address"} and found and not _is_address(found):
        expected = "an address such as 127.0.0.1:7447"
    elif key == "endpoint" and not found.startswith("modbus://"):
        expected = "an endpoint such as modbus://192.168.1.20:502/1"
    if expected:
        findings.add(file, where, key, repr(found), expected, "Correct it.")
    return found


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdigit() and 0 < int(port) < 65536


def _unlike(file: str, name: str, rows: tuple[Any, ...], findings: Findings) -> None:
    """No two rows may name the same thing."""
    key = {"neighbour": "cell", "device": "id", "meter": "tie", "former": "id"}[name]
    seen: set[str] = set()
    for row in rows:
        if row is not None:
            what = getattr(row, key)
            if what in seen:
                findings.add(file, f"[[{name}]]", what, "the same a second time", "each once", "Remove one of them.")
            seen.add(what)


def _inside(file: str, made: dict[str, Any], findings: Findings) -> None:
    """Folders of the cell stay inside its own."""
    for table, key in (("cell", "journal"), ("transport", "certificates")):
        record = made.get(table)
        if record is not None:
            path = Path(getattr(record, key))
            if path.is_absolute() or ".." in path.parts:
                findings.add(
                    file, f"[{table}]", key, str(path), "a folder inside the cell's", "Name one without '..' or '/'."
                )
