"""The doctor finds what is wrong, says how to mend it, and calls nothing bad that is well."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from commissioning_rig import NOW, a_cell, battery, farm_in_a_thread

from archipel.cli.main import main
from archipel.farm import Fault
from archipel.field import checkup, doctor
from archipel.field.cell_file import CellFile, StatusTable, TransportTable, write_cell_file
from archipel.field.doctor import Finding, Standing
from archipel.journal import Journal
from archipel.transport.identity import Authority


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@pytest.fixture
def file(tmp_path: Path) -> CellFile:
    made = a_cell(tmp_path, issued=NOW)
    made = replace(
        made,
        transport=TransportTable(f"127.0.0.1:{free_port()}"),
        status=StatusTable(f"127.0.0.1:{free_port()}"),
    )
    write_cell_file(made)
    return made


def visited(file: CellFile) -> dict[str, Finding]:
    return {each.about: each for each in checkup.visit(file.path)}


def standings(found: dict[str, Finding], *names: str) -> list[str]:
    return [found[name].standing.value for name in names]


def test_a_cell_that_is_well_is_well(file: CellFile) -> None:
    with farm_in_a_thread(file, [battery()], 1.0) as (_, whole):
        with Journal(whole.journal):
            pass
        found = visited(whole)
    assert [each for each in found.values() if each.standing is Standing.BAD] == []
    assert "battery" in found["device battery"].found
    assert "nothing is written" in found["mode"].found
    assert "29" in found["certificate"].found or "30" in found["certificate"].found


def test_what_is_wrong_with_a_cell_is_said(file: CellFile) -> None:
    with farm_in_a_thread(file, [battery()], 1.0) as (farm, whole), socket.socket() as taken:
        farm.devices["battery"].fault = Fault(deaf=True)
        host, port = whole.transport.listen.split(":")
        taken.bind((host, int(port)))
        taken.listen()
        (whole.certificates / "revocations").write_bytes(b"nonsense")
        with Journal(whole.journal):
            pass
        (whole.journal / "ledger.witness").unlink()
        (whole.journal / "ledger.db").write_bytes(b"nonsense" * 600)
        found = visited(whole)
    assert standings(found, "transport", "status", "device battery", "revocations", "journal") == [
        "bad",
        "ok",
        "bad",
        "bad",
        "bad",
    ]
    assert all(each.mend for each in found.values() if each.standing is not Standing.OK)


def test_a_running_cell_without_a_status_page_is_bad(file: CellFile) -> None:
    with Journal(file.journal):
        found = visited(file)
    assert standings(found, "transport", "status", "links", "journal") == ["bad", "bad", "bad", "ok"]


def test_a_link_that_is_missing_and_every_alarm_are_worth_a_look() -> None:
    status = {"links": {"expected": ["a", "b"], "actual": ["a"]}, "alarms": ["b shows a wrong certificate"]}
    one, other = doctor.links(status, runs=True)
    assert (one.standing, one.found) == (Standing.LOOK, "1 of 2; no link to b")
    assert (other.standing, other.found) == (Standing.LOOK, "b shows a wrong certificate")
    (good,) = doctor.links({"links": {"expected": ["a"], "actual": ["a"]}}, runs=True)
    assert good.standing is Standing.OK


def test_a_certificate_is_renewed_in_time_and_is_the_cells_own(file: CellFile, tmp_path: Path) -> None:
    late = NOW + timedelta(days=25)
    assert next(doctor.certificate(file.certificates, "north", late)).standing is Standing.LOOK
    assert next(doctor.certificate(file.certificates, "north", NOW + timedelta(days=31))).standing is Standing.BAD
    assert next(doctor.certificate(file.certificates, "south", NOW)).standing is Standing.BAD
    authority = Authority.load(tmp_path / "authority")
    listed = authority.revoke("north", NOW)
    (file.certificates / "revocations").write_bytes(listed.to_bytes())
    *_, last = doctor.certificate(file.certificates, "north", NOW)
    assert (last.standing, "own certificate" in last.found) == (Standing.BAD, True)


def test_a_clock_that_cannot_be_right_is_bad_and_one_that_nobody_keeps_is_worth_a_look() -> None:
    found = [each.standing.value for each in doctor.clock(datetime(1970, 1, 1, tzinfo=UTC), "no")]
    assert found == ["bad", "look"]
    assert [each.standing.value for each in doctor.clock(NOW, "yes")] == ["ok", "ok"]


def test_a_broken_solver_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {each.standing for each in doctor.solvers()} == {Standing.OK}
    monkeypatch.setitem(doctor._SOLVERS, "piqp", lambda: (0.0, 2.0))
    assert next(doctor.solvers()).standing is Standing.BAD

    def breaks() -> tuple[float, float]:
        raise ImportError("no such symbol")

    monkeypatch.setitem(doctor._SOLVERS, "piqp", breaks)
    assert "no such symbol" in next(doctor.solvers()).found


def test_a_missing_package_names_its_extra_and_is_bad_only_for_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor.installed
    monkeypatch.setattr(doctor, "installed", lambda name: "" if name == "pymodbus" else real(name))
    for for_a_cell, standing in ((False, Standing.OK), (True, Standing.BAD)):
        found = {each.about: each for each in doctor.machine("1", for_a_cell=for_a_cell)}["pymodbus"]
        assert found.standing is standing
        assert "archipel[field]" in found.found + found.mend


def test_the_doctor_speaks_json_and_ends_with_one_when_something_is_bad(
    file: CellFile, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor"]) == 0
    assert "solver piqp" in capsys.readouterr().out
    file.path.write_text("[cell]\n")
    assert main(["doctor", str(file.path), "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [row["about"] for row in rows if row["standing"] == "bad"] == ["cell file"]
