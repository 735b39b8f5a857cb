"""What the cells of a running system say of themselves: asked all the time, in threads of its own.

A cell that does not answer keeps the last it said, with its age; nothing is made up for it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Event, Lock, Thread
from typing import Any, final

from archipel.field.cell_file import read_cell_file
from archipel.local.layout import Layout
from archipel.local.processes import Processes
from archipel.local.status import ask

EVERY_S = 1.0
"""Between two questions to the same cell."""
TIMEOUT_S = 2.0
SILENT_S = 2.5
"""A cell that has not answered for so long does not answer."""
STARTS_S = 60.0
"""A cell that never answered is not known for so long, and then does not answer: processes take a while to start."""
AT_ONCE = 16
LEVELS = ("COOPERATING", "FOLLOWING", "FALLBACK", "ALONE", "RULES")
NO_ANSWER = len(LEVELS)
"""Level of a cell that does not answer."""
MODES = (
    *("connected", "islanding", "island", "resynchronising"),
    *("reconnected", "degraded", "black start", "dark"),
)


@final
@dataclass(frozen=True, slots=True)
class Known:
    """One cell, as it was when it last answered."""

    said: Mapping[str, Any] = field(default_factory=dict)
    """Its status; empty before the first answer."""
    answered_s: float = 0.0
    """When, by this host's monotonic clock; before the first answer when it was first asked."""
    alive: bool = True
    """Whether its process runs (a frozen one does)."""

    def age_s(self, now_s: float) -> float:
        """Wall seconds since it answered."""
        return max(now_s - self.answered_s, 0.0)

    def starts(self, now_s: float) -> bool:
        """Whether it may not have had the time to answer once."""
        return not self.said and self.age_s(now_s) < STARTS_S

    def silent(self, now_s: float) -> bool:
        """Whether it does not answer."""
        return not self.said or not self.alive or self.age_s(now_s) > SILENT_S

    def level(self, now_s: float) -> int:
        """Level of the ladder it acts on, see `LEVELS`; `NO_ANSWER` where it does not answer."""
        word = str(self.said.get("level", ""))
        return NO_ANSWER if self.silent(now_s) or word not in LEVELS else LEVELS.index(word)

    @property
    def mode(self) -> int:
        """Where it stands towards the main grid, see `MODES`; a cell without a switch of its own is connected."""
        beside = self.said.get("main_grid")
        word = str(beside.get("mode", "")) if isinstance(beside, Mapping) else MODES[0]
        return MODES.index(word) if word in MODES else MODES.index("degraded")

    @property
    def armed(self) -> bool | None:
        """Whether it may write; None before the first answer."""
        return None if not self.said else self.said.get("mode") == "armed"

    def holding(self, tie: str) -> Mapping[str, Any] | None:
        """What it holds to be agreed on a tie: `p_kw`, `agreed`, `why`."""
        found = self.said.get("holdings", {}).get(tie)
        return found if isinstance(found, Mapping) else None


@final
class Knowledge:
    """All cells of one rehearsal. `close` ends its threads."""

    def __init__(self, layout: Layout, cells: tuple[str, ...]) -> None:
        self._layout, self._processes = layout, Processes(layout)
        self._address = {name: read_cell_file(layout.cell_file(name)).status.listen for name in cells}
        now_s = time.monotonic()
        self._known = {name: Known(answered_s=now_s) for name in cells}
        self._asked: dict[str, Future[dict[str, Any] | None]] = {}
        self._lock, self._end = Lock(), Event()
        self._pool = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="status")
        self._thread = Thread(target=self._watch, name="knowledge", daemon=True)
        self._thread.start()

    def all(self) -> dict[str, Known]:
        """Every cell."""
        with self._lock:
            return dict(self._known)

    def of(self, cell: str) -> Known:
        """One cell. Raises `KeyError`."""
        with self._lock:
            return self._known[cell]

    def ask_now(self, cell: str) -> Known:
        """Ask one cell at once and wait for its answer: after a command the old one would not do."""
        self._take(cell, ask(self._address[cell], TIMEOUT_S))
        return self.of(cell)

    def close(self) -> None:
        """Ask no more."""
        self._end.set()
        self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _watch(self) -> None:
        while not self._end.is_set():
            alive = set(self._processes.alive())
            with self._lock:
                self._known = {name: replace(one, alive=name in alive) for name, one in self._known.items()}
            for name in alive & self._address.keys():
                before = self._asked.get(name)
                if before is None or before.done():  # a frozen cell holds up nobody else, and itself once
                    self._asked[name] = self._pool.submit(self._ask, name)
            self._end.wait(EVERY_S)

    def _ask(self, name: str) -> dict[str, Any] | None:
        said = ask(self._address[name], TIMEOUT_S)
        self._take(name, said)
        return said

    def _take(self, name: str, said: dict[str, Any] | None) -> None:
        if said is None or said.get("cell") != name:
            return
        with self._lock:
            self._known[name] = replace(self._known[name], said=said, answered_s=time.monotonic())
