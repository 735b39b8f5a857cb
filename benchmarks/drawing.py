"""How fast the page draws a whole city, and how old what it shows is, in one real browser.

`python -m benchmarks.drawing` serves `city` (10,458 nodes, values made up five times a second), opens it in headless
chromium with `web/node_modules/playwright-core`, and prints: script per frame and frames a second of WebGL2 (drawn in
software, there is no graphics card) and of Canvas, all nodes drawn in every frame while the picture moves; and the time
from a measurement to the first picture that has it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from archipel.formats.scenario import load_scenario
from archipel.web import nouns
from archipel.web.area_of import area_of
from archipel.web.server import Settings, serving
from archipel.web.source import Frame

PERIOD_S = 0.2
MIDDLE = {"v_pu": 1.0, "loading": 0.5, "soc": 0.5, "f_hz": 50.0, "price_eur_per_kwh": 0.1, "loading_max": 0.5}
STILL = {"level": 0.0, "mode": 0.0, "armed": 1.0, "age_s": 0.0, "closed": 1.0, "unserved_kw": 0.0, "v_pu_min": 0.98}


class City:
    """The city's geometry with values that are made up; nothing of it is physics."""

    def __init__(self, scenario: str = "city") -> None:
        self._began = datetime.now(UTC)
        self._area = area_of(load_scenario(scenario), "live", self.span(), ["synthetic"])
        self._rng = np.random.default_rng(1)
        self._frame: Frame | None = None
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)
        self._thread.start()

    def _measure(self) -> None:
        seq = 0
        while not self._ends.is_set():
            began, seq = time.monotonic(), seq + 1
            parts = [self._column(section) for section in self._area.sections]
            now = datetime.now(UTC)
            self._frame = Frame(seq, now, now, np.concatenate(parts).astype(np.float32))
            self._ends.wait(max(0.0, PERIOD_S - (time.monotonic() - began)))

    def _column(self, section: nouns.Section) -> Any:
        if section.column in STILL:
            return np.full(section.count, STILL[section.column])
        middle = MIDDLE.get(section.column, 50.0)
        return middle * (1.0 + 0.08 * self._rng.standard_normal(section.count))

    def area(self) -> nouns.Area:
        return self._area

    def span(self) -> nouns.Span:
        end = max(datetime.now(UTC), self._began + timedelta(seconds=1))
        return nouns.Span(start=self._began, end=end, step_s=PERIOD_S, live=True, factor=1.0)

    def latest(self) -> Frame | None:
        return self._frame

    def happened(self, after: int) -> list[Any]:
        return []

    def commands(self) -> list[Any]:
        return []

    def cards(self, strategy: str, at: datetime | None) -> list[Any]:
        return []

    def score(self) -> None:
        return None

    def close(self) -> None:
        self._ends.set()
        self._thread.join()


def main() -> int:
    """Serve, and let node measure."""
    source: Any = City()
    script = Path(__file__).with_name("drawing.mjs")
    try:
        with tempfile.TemporaryDirectory() as folder, serving(source, Settings(audit=Path(folder))) as served:
            env = {**os.environ, "ARCHIPEL_URL": served.url}
            print(f"{len(source.area().nodes.id)} nodes, load {os.getloadavg()[0]:.1f}", flush=True)
            return subprocess.run(["node", str(script)], env=env, check=False, timeout=600).returncode
    finally:
        source.close()


if __name__ == "__main__":
    sys.exit(main())
