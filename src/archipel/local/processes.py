"""The processes of a rehearsal: started, found again, signalled and ended; never anybody else's.

processes.json names each with its id and the time it began, so that an id the system has given to another process
since is not ours any more.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Literal, final

from archipel.local.errors import RehearsalError
from archipel.local.layout import Layout, read_json, write_json

WORLD = "world"
CELL_COMMAND = (sys.executable, "-m", "archipel.field")
WORLD_COMMAND = (sys.executable, "-m", "archipel.local.world")
CELL_NICE = 5
"""By how much cells give way to the world: physics that falls behind the clock would spoil every measurement."""
GRACE_S = 10.0
"""How long a process may take to end by itself."""
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}
"""Those that this very process started and that have not ended, by pid."""
_REAPING = Lock()
State = Literal["running", "stopped", "dead"]


@final
@dataclass(frozen=True, slots=True)
class Started:
    """One process that we started."""

    pid: int
    began: str
    """When, as the system tells it; empty when it was gone before we could ask."""


@final
class Processes:
    """Those of one rehearsal, by name: `world`, and the cells."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def all(self) -> dict[str, Started]:
        """Everything started, dead or alive; empty when nothing was. Raises RehearsalError for a spoilt file."""
        path = self.layout.processes
        if not path.exists():
            return {}
        try:
            return {name: Started(int(one["pid"]), str(one["began"])) for name, one in read_json(path).items()}
        except (KeyError, TypeError, ValueError) as error:
            raise RehearsalError(
                f"{path}: found no {error}; expected pid and began of every process. "
                "End its processes by hand, then remove the file."
            ) from error

    def state(self, name: str) -> State:
        """How a process is."""
        one = self.all().get(name)
        return "dead" if one is None else _state(one)

    def alive(self) -> list[str]:
        """Names of those that have not ended."""
        return [name for name, one in self.all().items() if _state(one) != "dead"]

    def start(self, name: str, command: Sequence[str], log: Path) -> Started:
        """Start one in a session of its own, its output appended to `log`. Raises RehearsalError when it runs."""
        if self.state(name) != "dead":
            raise RehearsalError(f"{name}: it runs already. See: archipel ps")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **_ONE_THREAD},
                start_new_session=True,
            )
        _CHILDREN[child.pid] = child
        found = _system(child.pid)
        started = Started(child.pid, "" if found is None else found[0])
        self._save({**self.all(), name: started})
        return started

    def start_world(self, command: Sequence[str] = WORLD_COMMAND) -> Started:
        """Start the world."""
        return self.start(WORLD, (*command, str(self.layout.folder)), self.layout.world_log)

    def start_cell(self, name: str, command: Sequence[str] = CELL_COMMAND) -> Started:
        """Start a cell. Raises RehearsalError when there is no such cell or it runs."""
        file = self.layout.cell_file(name)
        if not file.is_file():
            raise self.unknown(name)
        started = self.start(name, (*command, str(file)), self.layout.cell_log(name))
        _give_way(started)
        return started

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one of ours. Raises RehearsalError when it is unknown or has ended."""
        one = self.all().get(name)
        if one is None:
            raise self.unknown(name)
        if not _send(one, number):
            raise RehearsalError(f"{name}: it has ended already. Start it again with: archipel start {name}")

    def unknown(self, name: str) -> RehearsalError:
        """The error for a name that is not there."""
        found = sorted(path.parent.name for path in self.layout.cells.glob("*/CELL.toml"))
        there = ", ".join(found) or "no cell at all"
        return RehearsalError(f"{name}: no such cell in {self.layout.folder}; there are {there}.")

    def stop_cells(self, grace_s: float = GRACE_S) -> None:
        """End all cells."""
        self._stop([name for name in self.all() if name != WORLD], grace_s)

    def stop(self, grace_s: float = GRACE_S) -> list[str]:
        """End everything, the world last so that cells can release their devices; the names of what had to be killed.

        Afterwards processes.json is gone.
        """
        killed = self._stop([name for name in self.all() if name != WORLD], grace_s)
        killed += self._stop([WORLD], grace_s)
        self.layout.processes.unlink(missing_ok=True)
        return killed

    def _stop(self, names: Iterable[str], grace_s: float) -> list[str]:
        known = self.all()
        left = {name: known[name] for name in names if name in known}
        for one in left.values():
            _send(one, signal.SIGTERM)
            _send(one, signal.SIGCONT)  # a stopped process hears only then
        until_s = time.monotonic() + grace_s
        while left and time.monotonic() < until_s:
            left = {name: one for name, one in left.items() if _state(one) != "dead"}
            time.sleep(0.05)
        for one in left.values():
            _send(one, signal.SIGKILL)
        while any(_state(one) != "dead" for one in left.values()):
            time.sleep(0.02)
        return list(left)

    def _save(self, known: dict[str, Started]) -> None:
        write_json(self.layout.processes, {name: asdict(one) for name, one in known.items()})


def _give_way(one: Started) -> None:
    nice = min(os.getpriority(os.PRIO_PROCESS, 0) + CELL_NICE, 19)
    with suppress(ProcessLookupError):  # it ended at once; `ps` will say so
        os.setpriority(os.PRIO_PROCESS, one.pid, nice)


def _send(one: Started, number: signal.Signals) -> bool:
    """Signal it if it is still the one we started; whether it was."""
    if _state(one) == "dead":
        return False
    try:
        os.kill(one.pid, number)
    except ProcessLookupError:
        return False
    return True


def _state(one: Started) -> State:
    found = _system(one.pid)
    if found is None or found[0] != one.began or found[1] in {"Z", "X"}:
        _reap(one.pid)
        return "dead"
    return "stopped" if found[1] in {"T", "t"} else "running"


def _reap(pid: int) -> None:
    """Take note of the end of a child of this very process, or it stays in the table of processes."""
    with _REAPING:  # of two threads that ask at once one would be told that it still runs
        child = _CHILDREN.get(pid)
        if child is not None and child.poll() is not None:
            del _CHILDREN[pid]


def _system(pid: int) -> tuple[str, str] | None:
    """(when it began, state letter) of a process, None when there is none.

    Linux tells ticks since the start of the machine, which is named too; elsewhere `ps` tells the date.
    """
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            rest = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        # a main thread may have ended while others still do, and hold the journal until they have
        ending = rest[0] == "Z" and int(rest[17]) > 1
        return f"{boot}/{rest[19]}", "R" if ending else rest[0]
    told = subprocess.run(["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, began = told.stdout.strip().partition(" ")
    return (began.strip(), state[:1]) if began else None
