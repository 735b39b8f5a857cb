"""The commands of an operator, from a new cell to an armed one, as they are typed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from commissioning_rig import NOW, a_cell, battery, farm_in_a_thread, in_a_rehearsal, mapped, panel

from archipel.cli.main import main
from archipel.farm import Fault, Refusal
from archipel.field.cell_file import write_cell_file
from archipel.field.state import read_state
from archipel.journal import Journal
from archipel.model.register_map import Kind

Said = pytest.CaptureFixture[str]


def test_a_new_cell_is_commissioned_armed_tagged_and_disarmed(tmp_path: Path, capsys: Said) -> None:
    file = in_a_rehearsal(a_cell(tmp_path, issued=NOW), 20.0)
    devices = [battery(), panel(), mapped("switch", Kind.SWITCH, 400.0)]
    with farm_in_a_thread(file, devices, 20.0) as (farm, file):
        farm.observe(available_kw={"pv": 0.0})
        cell = str(file.path)
        assert main(["cell", "arm", cell]) == 2
        assert "found no commissioning.json" in capsys.readouterr().err
        assert main(["commission", cell]) == 0
        told = capsys.readouterr()
        assert "2 passed, 0 failed, 1 not tested" in told.out
        assert "battery: " in told.err
        assert main(["cell", "arm", cell, "--who", "Ada"]) == 0
        told = capsys.readouterr()
        assert "armed: 2 of 3 devices may be commanded" in told.out
        assert "pv stays unarmed: it gives only 0 of 30 kW now" in told.out
        assert main(["commission", cell]) == 2
        assert "is armed" in capsys.readouterr().err
        assert main(["tag", "set", cell, "switch", "--who", "Ada", "--why", "people at work"]) == 0
        assert main(["tags", cell]) == 0
        told = capsys.readouterr()
        assert "armed, 2 devices armed, 1 tags" in told.out
        assert "switch: people at work (Ada, since" in told.out
        assert main(["disarm", cell, "--who", "Ada"]) == 0
        assert main(["tag", "remove", cell, "switch", "--who", "Ada"]) == 0
        assert main(["journal", cell, "show", "--kind", "operator", "--json"]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        assert [row["body"]["act"] for row in rows] == ["arm", "tag switch", "disarm", "untag switch"]
        assert {row["body"]["who"] for row in rows} == {"Ada"}


def test_a_device_that_was_exchanged_since_is_not_armed(tmp_path: Path, capsys: Said) -> None:
    file = in_a_rehearsal(a_cell(tmp_path, issued=NOW), 20.0)
    with farm_in_a_thread(file, [mapped("switch", Kind.SWITCH, 400.0)], 20.0) as (_, file):
        assert main(["commission", str(file.path), "--quiet"]) == 0
    port = int(file.device[0].endpoint.split(":")[2].split("/")[0])
    import asyncio
    import threading

    from archipel.farm import Farm

    farm, ready, stop = Farm(), threading.Event(), threading.Event()

    async def another() -> None:
        await farm.start([mapped("other", Kind.SWITCH, 400.0)], ports={"other": port})
        farm.step(0.0)
        ready.set()
        while not stop.is_set():
            await asyncio.sleep(0.01)
        await farm.stop()

    thread = threading.Thread(target=lambda: asyncio.run(another()))
    thread.start()
    try:
        ready.wait()
        assert main(["cell", "arm", str(file.path)]) == 2
    finally:
        stop.set()
        thread.join()
    assert "Nothing was armed" in capsys.readouterr().err


def test_commissioning_a_device_that_refuses_ends_with_code_one(tmp_path: Path, capsys: Said) -> None:
    file = in_a_rehearsal(a_cell(tmp_path, issued=NOW), 20.0)
    with farm_in_a_thread(file, [battery()], 20.0) as (farm, file):
        farm.devices["battery"].fault = Fault(refuses_writes=Refusal.DEVICE_FAILURE)
        assert main(["commission", str(file.path), "--quiet"]) == 1
    assert "refused with exception 4" in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--lease", "2"], ["--settle", "18"], ["--lease", "4000"]])
def test_times_that_make_no_sense_are_refused(tmp_path: Path, options: list[str], capsys: Said) -> None:
    assert main(["commission", str(a_cell(tmp_path, issued=NOW).path), *options]) == 2
    assert "expected a lease of 5 to 3600 s" in capsys.readouterr().err


def test_the_record_is_shown_checked_copied_restored_and_forgotten(tmp_path: Path, capsys: Said) -> None:
    from datetime import timedelta

    from archipel.journal import Reading

    file = a_cell(tmp_path, issued=NOW)
    cell, yesterday = str(file.path), NOW - timedelta(days=1)
    assert main(["journal", cell]) == 2
    assert "the cell never ran" in capsys.readouterr().err
    with Journal(file.journal) as journal:
        journal.measure(Reading(yesterday, "load", "home", {"p_kw": 1.5}))
        journal.commit()
    assert main(["tag", "set", cell, "line/1", "--who", "Ada", "--why", "earthed"]) == 0
    assert "is no [[device]]" in capsys.readouterr().out
    assert main(["journal", cell]) == 0
    assert "tag line/1" in capsys.readouterr().out
    assert main(["journal", cell, "verify"]) == 0
    assert "1 entries and 1 readings are as they were" in capsys.readouterr().out
    with Journal(file.journal):  # as while it runs
        assert main(["journal", cell, "verify"]) == 0
        assert main(["journal", cell, "backup", str(tmp_path / "copy")]) == 0
        assert main(["journal", cell, "export"]) == 2
    assert "the copy was checked" in capsys.readouterr().out
    assert main(["journal", cell, "backup", str(tmp_path / "copy")]) == 2
    assert main(["journal", cell, "export", "--day", f"{yesterday:%Y-%m-%d}"]) == 0
    assert capsys.readouterr().out.strip().endswith(".parquet")
    assert main(["journal", cell, "forget", "--kind", "load", "--before", f"{NOW:%Y-%m-%d}"]) == 0
    assert "2 rows of load" in capsys.readouterr().out
    assert main(["journal", cell, "forget", "--kind", "laod", "--before", f"{NOW:%Y-%m-%d}"]) == 2
    assert "found laod, of which nothing is kept" in capsys.readouterr().err
    assert main(["journal", cell, "salvage"]) == 0
    assert main(["journal", cell, "restore", str(tmp_path / "copy")]) == 2
    other = replace(file, cell=replace(file.cell, journal="mended"))
    write_cell_file(other)
    assert main(["journal", cell, "restore", str(tmp_path / "copy")]) == 0
    with Journal(other.journal) as journal:
        assert journal.verify() == (2, 1)
        assert list(read_state(journal).tags) == ["line/1"]
    capsys.readouterr()
    assert main(["tags", cell]) == 0
    assert "tags may be missing" in capsys.readouterr().out
