"""Processes are found again, signalled and ended; those of others never."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from archipel.cli.main import main
from archipel.local.errors import RehearsalError
from archipel.local.layout import Layout, write_json
from archipel.local.prepare import claim
from archipel.local.processes import Processes

PATIENT = (sys.executable, "-c", "import time; print('here', flush=True); time.sleep(300)")
DEAF = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(300)",
)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    folder = tmp_path / "up"
    folder.mkdir()
    write_json(folder / "clock.json", {})
    found = Processes(Layout(folder))
    yield found
    found.stop(0.1)


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + 30.0
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def started(processes: Processes, name: str, command: tuple[str, ...] = PATIENT) -> Path:
    log = processes.layout.cell_log(name)
    processes.start(name, command, log)
    until(lambda: log.read_text("utf-8"))
    return log


def test_a_process_is_running_then_stopped_then_dead(processes: Processes) -> None:
    started(processes, "a")
    assert processes.state("a") == "running"
    processes.signal("a", signal.SIGSTOP)
    until(lambda: processes.state("a") == "stopped")
    processes.signal("a", signal.SIGCONT)
    until(lambda: processes.state("a") == "running")
    processes.signal("a", signal.SIGKILL)
    until(lambda: processes.state("a") == "dead")
    with pytest.raises(RehearsalError, match="ended already"):
        processes.signal("a", signal.SIGTERM)


def test_one_that_runs_is_not_started_twice_and_one_that_died_is_started_again(processes: Processes) -> None:
    log = started(processes, "a")
    with pytest.raises(RehearsalError, match="runs already"):
        processes.start("a", PATIENT, log)
    first = processes.all()["a"].pid
    processes.signal("a", signal.SIGKILL)
    until(lambda: processes.state("a") == "dead")
    processes.start("a", PATIENT, log)
    assert processes.all()["a"].pid != first
    until(lambda: log.read_text("utf-8").count("here") == 2)


def test_a_process_that_has_our_number_by_chance_is_left_alone(processes: Processes) -> None:
    stranger = subprocess.Popen(PATIENT, stdout=subprocess.DEVNULL)
    try:
        write_json(processes.layout.processes, {"a": {"pid": stranger.pid, "began": "another boot/1"}})
        assert processes.state("a") == "dead"
        with pytest.raises(RehearsalError):
            processes.signal("a", signal.SIGKILL)
        processes.stop(0.1)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait(10)


def test_down_ends_stopped_and_deaf_processes_too_and_forgets_them(processes: Processes) -> None:
    for name, command in (("a", PATIENT), ("deaf", DEAF), ("world", PATIENT)):
        started(processes, name, command)
    processes.signal("a", signal.SIGSTOP)
    assert processes.stop(1.0) == ["deaf"]
    assert not processes.layout.processes.exists()
    assert processes.all() == {}


def test_a_folder_in_use_is_refused_and_an_old_one_is_moved_aside(processes: Processes) -> None:
    folder = processes.layout.folder
    started(processes, "a")
    with pytest.raises(RehearsalError, match=r"in use, 1 processes of it run \(a\)"):
        claim(folder)
    processes.stop(5.0)
    moved = claim(folder)
    assert moved is not None
    assert (moved / "clock.json").exists()
    assert not any(folder.iterdir())


def test_a_folder_of_something_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("five years", "utf-8")
    with pytest.raises(RehearsalError, match="no rehearsal"):
        claim(tmp_path)
    assert (tmp_path / "thesis.txt").read_text("utf-8") == "five years"


def test_ps_logs_kill_and_down_say_what_they_did(processes: Processes, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--folder", str(processes.layout.folder)]
    started(processes, "a")
    processes.layout.cell_file("a").write_text(
        '[cell]\nid = "a"\nscenario = "s"\nimport_kw_max = 1.0\nexport_kw_max = 1.0\n'
        '[transport]\nlisten = "127.0.0.1:9"\n[status]\nlisten = "127.0.0.1:9"\n',
        "utf-8",
    )
    assert main(["ps", *at]) == 0
    assert "running" in capsys.readouterr().out
    assert main(["logs", "a", "-n", "1", *at]) == 0
    assert capsys.readouterr().out == "here\n"
    assert main(["logs", "b", *at]) == 2
    assert "there are a." in capsys.readouterr().err
    assert main(["kill", "a", *at]) == 0
    until(lambda: processes.state("a") == "dead")
    capsys.readouterr()
    assert main(["ps", "--json", *at]) == 1
    assert json.loads(capsys.readouterr().out)[0]["state"] == "dead"
    assert main(["kill", "a", *at]) == 2
    assert main(["down", *at]) == 0
    assert main(["ps", *at]) == 0
    assert "nothing runs" in capsys.readouterr().out


def test_a_folder_without_a_rehearsal_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ps", "--folder", str(tmp_path)]) == 2
    assert "archipel up" in capsys.readouterr().err
