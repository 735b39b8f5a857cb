"""How a rehearsal is: every process, and what each cell says of itself."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, final

from archipel.field.cell_file import read_cell_file
from archipel.local.layout import Layout, read_json
from archipel.local.processes import WORLD, Processes, State

PATIENCE_S = 2.0


@final
@dataclass(frozen=True, slots=True)
class Row:
    """One process."""

    name: str
    pid: int
    state: State
    said: Mapping[str, Any]
    """The cell's status; of the world its heartbeat. Empty where nobody answered."""

    @property
    def mode(self) -> str:
        """Shadow or armed; of a cell with a switch to the main grid also where it stands towards that."""
        mode, beside = str(self.said.get("mode", "")), self.said.get("main_grid")
        return f"{mode}, {beside.get('mode')}" if isinstance(beside, Mapping) else mode

    @property
    def level(self) -> str:
        """Level of the ladder a cell acts on."""
        return str(self.said.get("level", ""))

    @property
    def agreed(self) -> str:
        """Ties with an agreement in force, of all."""
        held = self.said.get("holdings")
        return f"{sum(bool(one.get('agreed')) for one in held.values())}/{len(held)}" if held else ""

    @property
    def links(self) -> str:
        """Links that stand, of those expected."""
        found = self.said.get("links")
        return f"{len(found['actual'])}/{len(found['expected'])}" if isinstance(found, Mapping) else ""


def look(layout: Layout) -> list[Row]:
    """All processes of a rehearsal, the world first. Cells are asked all at once. Raises RehearsalError."""
    processes = Processes(layout)
    known = processes.all()
    with ThreadPoolExecutor(max_workers=16) as pool:
        said = list(pool.map(lambda name: _said(layout, name, processes.state(name)), known))
    return [
        Row(name, one.pid, processes.state(name), what) for (name, one), what in zip(known.items(), said, strict=True)
    ]


def table(rows: Sequence[Row]) -> str:
    """What `archipel ps` prints."""
    head = ("process", "pid", "state", "mode", "level", "agreed", "links", "simulated time", "writes")
    lines = [
        (
            row.name,
            str(row.pid),
            row.state,
            row.mode,
            row.level,
            row.agreed,
            row.links,
            str(row.said.get("utc", ""))[:19].replace("T", " "),
            str(row.said.get("writes", "")),
        )
        for row in rows
    ]
    widths = [max(len(line[i]) for line in (head, *lines)) for i in range(len(head))]
    return "\n".join(
        "  ".join(word.ljust(n) for word, n in zip(line, widths, strict=True)).rstrip() for line in (head, *lines)
    )


def plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The same for programs, with all that was said."""
    return [{"process": row.name, "pid": row.pid, "state": row.state, **row.said} for row in rows]


def live_line(rows: Sequence[Row]) -> str:
    """A rehearsal in one line."""
    world = next((row.said for row in rows if row.name == WORLD), {})
    cells = [row for row in rows if row.name != WORLD]
    levels: dict[str, int] = {}
    for row in cells:
        word = row.level.lower() or ("silent" if row.state == "running" else row.state)
        levels[word] = levels.get(word, 0) + 1
    upstream = world.get("upstream_p_kw")
    return "  ".join(
        (
            str(world.get("utc", "?"))[:16].replace("T", " "),
            "? kW" if upstream is None else f"{upstream:.0f} kW",
            f"{world.get('writes', 0)} writes",
            ", ".join(f"{count} {word}" for word, count in sorted(levels.items())),
        )
    )


def _said(layout: Layout, name: str, state: State) -> Mapping[str, Any]:
    if name == WORLD:
        return read_json(layout.heartbeat) if layout.heartbeat.exists() else {}
    if state != "running":
        return {}
    return ask(read_cell_file(layout.cell_file(name)).status.listen) or {}


def ask(address: str, timeout_s: float = PATIENCE_S) -> dict[str, Any] | None:
    """What a cell says at `host:port`; None when nobody answers, or not with JSON."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout_s)
    try:
        connection.request("GET", "/status")
        answer = connection.getresponse()
        found = json.loads(answer.read()) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return found if isinstance(found, dict) else None
