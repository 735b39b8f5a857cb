"""A hamlet in shadow: processes that read, plan and talk, and write nothing."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "local"))

from hamlet import hamlet

from archipel.journal.chain import LedgerReader
from archipel.local.layout import read_json
from archipel.local.rehearsal import Wish, up
from archipel.local.status import ask

PATIENCE_S = 240.0


def test_a_cell_in_shadow_writes_nothing_and_says_what_it_would_have_done(tmp_path: Path) -> None:
    standing = up(Wish(str(hamlet(tmp_path / "hamlet")), factor=120.0), tmp_path / "up")
    try:
        path = next(file for file in standing.cells if file.cell.id == "lv")
        end_s = time.monotonic() + PATIENCE_S
        while True:
            said = ask(path.status.listen) or {}
            if said.get("level") == "COOPERATING":
                break
            if time.monotonic() > end_s:
                pytest.fail(f"no agreement in shadow within {PATIENCE_S:g} s; lv says {said}")
            time.sleep(0.5)
        time.sleep(16.0)  # two quarter hours under the agreement
        said = ask(path.status.listen) or {}
        beat = read_json(standing.layout.heartbeat)
    finally:
        standing.processes.stop()
    assert said["mode"] == "shadow"
    assert said["orders_kept_back"] > 0
    assert said["devices"]["silent"] == []
    assert said["writes"] == 0
    assert beat["writes"] == 0, "counted on the wire, by the farm"
    reader = LedgerReader(standing.layout.cells / "lv" / "journal" / "ledger.db")
    kept = [entry.body for entry in reader.entries() if entry.kind == "shadow"]
    reader.close()
    assert kept[-1]["would"]
    assert any(body["worth_eur"] is not None for body in kept)
