"""A hamlet as real processes: a world with AC physics and Modbus devices, three cells, messages with certificates.

One rehearsal goes through all steps of this file, in their order: it agrees, loses a cell, gets it back.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "local"))

from hamlet import hamlet

from archipel.drivers import Endpoint, SunSpecDevice, parse
from archipel.field.cell_file import read_cell_file
from archipel.journal.chain import LedgerReader
from archipel.journal.measurements import Measurements
from archipel.local.layout import read_json
from archipel.local.rehearsal import Standing, Wish, up
from archipel.local.replay import plans_again
from archipel.local.status import ask

FACTOR = 60.0
PATIENCE_S = 240.0
"""The machine may be busy; nothing here asserts how long things take, only that they happen."""


@pytest.fixture
def standing(tmp_path: Path) -> Iterator[Standing]:
    made = up(Wish(str(hamlet(tmp_path / "hamlet")), factor=FACTOR, armed=True), tmp_path / "up")
    try:
        yield made
    finally:
        made.processes.stop()


def status(standing: Standing, cell: str) -> dict[str, Any]:
    file = next(file for file in standing.cells if file.cell.id == cell)
    return ask(file.status.listen) or {}


def wait(what: str, until: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < end_s, f"{what}: not within {PATIENCE_S:g} s"
        time.sleep(0.25)


def notes(standing: Standing, cell: str, kind: str) -> list[dict[str, Any]]:
    reader = LedgerReader(standing.layout.cells / cell / "journal" / "ledger.db")
    try:
        return [dict(entry.body) for entry in reader.entries() if entry.kind == kind]
    finally:
        reader.close()


def writes(standing: Standing) -> int:
    return int(read_json(standing.layout.heartbeat)["writes"])


def all_agree(standing: Standing) -> bool:
    said = [status(standing, file.cell.id) for file in standing.cells]
    return all(one.get("level") == "COOPERATING" for one in said)


def cells_in_processes_of_their_own_come_to_an_agreement(standing: Standing) -> None:
    wait("every tie agreed", lambda: all_agree(standing))
    held = {file.cell.id: status(standing, file.cell.id)["holdings"] for file in standing.cells}
    for tie, end in held["lv"].items():
        assert end["p_kw"] == held["feeder"][tie]["p_kw"], "both ends hold the same number"
    for tie, end in held["root"].items():
        assert end["p_kw"] == held["feeder"][tie]["p_kw"]


def what_is_acted_on_was_accepted_and_confirmed_at_both_ends_and_is_on_the_disk(standing: Standing) -> None:
    both: dict[tuple[str, int], set[tuple[float, ...]]] = {}
    for file in standing.cells:
        said = notes(standing, file.cell.id, "agreement")
        accepted = {(n["tie"], n["plan"]): tuple(n["p_kw"]) for n in said if n["event"] == "accepted"}
        for note in said:
            if note["event"] == "confirmed":
                assert accepted[note["tie"], note["plan"]] == tuple(note["p_kw"])
                both.setdefault((note["tie"], note["plan"]), set()).add(tuple(note["p_kw"]))
    assert both
    assert all(len(values) == 1 for values in both.values())


def orders_reach_the_devices_over_modbus(standing: Standing) -> None:
    wait("writes on the wire", lambda: writes(standing) > 0)
    assert status(standing, "lv")["writes"] > 0


def a_killed_cell_is_missed_by_its_neighbours_and_by_nobody_else(standing: Standing) -> None:
    standing.processes.signal("lv", signal.SIGKILL)
    wait("feeder misses lv", lambda: "lv" not in status(standing, "feeder")["neighbours"])
    assert "feeder" in status(standing, "root")["neighbours"], "no other pair stops talking"


def devices_of_a_dead_controller_return_to_their_default_by_themselves(standing: Standing) -> None:
    lease_s = read_cell_file(standing.cells[-1].path).controller.lease_s
    time.sleep(lease_s / FACTOR + 1.0)

    async def orders_of(endpoint: str) -> list[Any]:
        device = SunSpecDevice(Endpoint(*parse(endpoint)))
        await device.connect()
        try:
            image = await device.read_controls()
            return [image.value(name) for name in ("WSetEna", "WMaxLimPctEna", "VarSetEna")]
        finally:
            await device.close()

    rows = [row for file in standing.cells if file.cell.id == "lv" for row in file.device if row.driver == "sunspec"]
    assert rows
    for row in rows:
        assert not any(asyncio.run(orders_of(row.endpoint))), f"{row.id} still follows an order"


def a_cell_that_comes_back_holds_what_it_had_accepted_and_agrees_again(standing: Standing) -> None:
    before = {(n["tie"], n["plan"]) for n in notes(standing, "lv", "agreement") if n["event"] == "confirmed"}
    standing.processes.start_cell("lv")
    wait("lv answers", lambda: bool(status(standing, "lv")))
    assert status(standing, "lv")["mode"] == "armed", "it restarts into the mode it left"
    wait("feeder has lv again", lambda: "lv" in status(standing, "feeder")["neighbours"])
    wait("every tie agreed", lambda: all_agree(standing))
    accepted = [(n["tie"], n["plan"]) for n in notes(standing, "lv", "agreement") if n["event"] == "accepted"]
    assert len(accepted) == len(set(accepted)), "no agreement is doubled"
    assert before <= set(accepted)


def ending_a_rehearsal_leaves_no_process_behind(standing: Standing) -> None:
    standing.processes.stop()
    assert standing.processes.alive() == []


def the_same_knowledge_gives_the_same_schedules_in_one_process(standing: Standing) -> None:
    """The twin's planners and processes that only exchanged serialised messages, in one comparison."""
    plans = list(plans_again(standing.layout.cells))
    compared = [plan.off_kw for plan in plans if plan.accepted]
    assert compared
    assert max(compared) <= 0.1


def what_was_read_is_kept_with_its_time(standing: Standing) -> None:
    for file in standing.cells:
        if file.device:
            kept = Measurements(file.journal / "meas.db")
            try:
                assert {"device", "meter", "known"} == set(kept.kinds())
                rows = list(kept.read("device", standing.clock.start, standing.clock.start + timedelta(days=2)))
            finally:
                kept.close()
            assert {row.source for row in rows} == {row.id for row in file.device}


def test_cells_as_processes_agree_lose_one_of_them_and_get_it_back(standing: Standing) -> None:
    cells_in_processes_of_their_own_come_to_an_agreement(standing)
    what_is_acted_on_was_accepted_and_confirmed_at_both_ends_and_is_on_the_disk(standing)
    orders_reach_the_devices_over_modbus(standing)
    a_killed_cell_is_missed_by_its_neighbours_and_by_nobody_else(standing)
    devices_of_a_dead_controller_return_to_their_default_by_themselves(standing)
    a_cell_that_comes_back_holds_what_it_had_accepted_and_agrees_again(standing)
    ending_a_rehearsal_leaves_no_process_behind(standing)
    the_same_knowledge_gives_the_same_schedules_in_one_process(standing)
    what_was_read_is_kept_with_its_time(standing)
