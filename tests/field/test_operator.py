"""An operator's command is carried out once, by a cell that runs and for one that does not."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from commissioning_rig import WALL, a_cell

from archipel.field.cell_file import CellFile, DeviceTable
from archipel.field.operator import (
    Answer,
    Command,
    NotAnswered,
    attend,
    carry_out,
    open_inbox,
    order,
    reply,
    submit,
    take,
)
from archipel.field.permission import Mode
from archipel.field.state import OperatorRefused, read_state
from archipel.journal import Journal

TAG = Command("tag", "Ada", "people at work", "switch")


@pytest.fixture
def file(tmp_path: Path) -> CellFile:
    return a_cell(tmp_path)


@contextmanager
def running(file: CellFile) -> Iterator[Journal]:
    """A cell in a thread that takes and answers commands as the host does."""
    open_inbox(file.folder)
    stop, failures = threading.Event(), list[BaseException]()
    with Journal(file.journal) as journal:

        def serve() -> None:
            try:
                while not stop.wait(0.01):
                    for command in attend(file, journal, now=WALL, wall=WALL):
                        reply(file.folder, command.id, Answer(True, "in shadow", {"battery": ""}))
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield journal
        finally:
            stop.set()
            thread.join()
        assert not failures


def test_a_command_to_a_cell_that_does_not_run_goes_into_its_journal(file: CellFile) -> None:
    assert order(file, TAG, now=WALL).text == "switch is tagged"
    with Journal(file.journal) as journal:
        assert read_state(journal).tags["switch"].who == "Ada"


def test_a_command_to_a_running_cell_is_taken_and_answered_and_leaves_no_file(file: CellFile) -> None:
    with running(file) as journal:
        answer = order(file, TAG, now=WALL)
        assert (answer.done, answer.text) == (True, "switch is tagged")
        assert order(file, Command("disarm", "Ada"), now=WALL).devices == {"battery": ""}
        with pytest.raises(OperatorRefused, match="has one already"):
            order(file, Command("tag", "Bob", "x", "switch"), now=WALL)
    assert not list((file.folder / "operator").iterdir())
    with Journal(file.journal) as journal:
        assert list(read_state(journal).tags) == ["switch"]


def test_a_command_that_nobody_takes_is_withdrawn(file: CellFile) -> None:
    open_inbox(file.folder)
    with Journal(file.journal), pytest.raises(NotAnswered, match="withdrawn"):
        order(file, TAG, now=WALL, wait_s=0.1)
    assert take(file.folder) == []


def test_disarming_waits_for_a_cell_that_hangs(file: CellFile) -> None:
    open_inbox(file.folder)
    with pytest.raises(NotAnswered, match="when it wakes"):
        submit(file.folder, Command("disarm", "Ada"), wait_s=0.1)
    (command,) = take(file.folder, now_s=time.time() + 1e6)
    assert command.act == "disarm"


def test_a_command_too_old_is_not_carried_out(file: CellFile) -> None:
    inbox = open_inbox(file.folder)
    command = Command("arm", "Ada", valid_until_s=1000.0)
    (inbox / f"{command.id}.command.json").write_text(json.dumps(asdict(command)))
    assert take(file.folder, now_s=1001.0) == []
    assert "too old" in (inbox / f"{command.id}.answer.json").read_text()


def test_a_command_taken_before_a_crash_is_carried_out_once(file: CellFile) -> None:
    inbox = open_inbox(file.folder)
    command = Command("tag", "Ada", "people at work", "switch", valid_until_s=time.time() + 60)
    (inbox / f"{command.id}.command.json").write_text(json.dumps(asdict(command)))
    for words in ("switch is tagged", "done before"):
        (taken,) = take(file.folder)
        with Journal(file.journal) as journal:
            assert carry_out(file, journal, taken, now=WALL, wall=WALL) == words
    reply(file.folder, command.id, Answer(True, "done"))
    assert take(file.folder) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"act": "tag", "who": 1, "id": "bad"}', b"[" * 100_000, b" " * 70_000, b'{"x": 1}', b"\xff"],
    ids=["nothing", "list", "empty", "wrong kinds", "deep", "long", "unknown", "bytes"],
)
def test_a_file_that_is_no_command_is_refused_and_gone(file: CellFile, content: bytes) -> None:
    inbox = open_inbox(file.folder)
    (inbox / "bad.command.json").write_bytes(content)
    assert take(file.folder) == []
    assert [path.name for path in inbox.iterdir()] == ["bad.answer.json"]
    assert json.loads((inbox / "bad.answer.json").read_text())["done"] is False


def test_a_link_to_another_file_is_no_command(file: CellFile, tmp_path: Path) -> None:
    inbox = open_inbox(file.folder)
    command = Command("disarm", "Ada", id="linked")
    (tmp_path / "elsewhere").write_text(json.dumps(asdict(command)))
    (inbox / "linked.command.json").symlink_to(tmp_path / "elsewhere")
    assert take(file.folder) == []
    assert (tmp_path / "elsewhere").exists()


def test_a_cell_that_has_nothing_to_command_is_armed_so_that_its_word_counts(file: CellFile) -> None:
    assert "no devices" in order(file, Command("arm", "Ada"), now=WALL).text
    with Journal(file.journal) as journal:
        state = read_state(journal)
    assert state.mode is Mode.ARMED
    assert state.armed == {}


def test_answers_nobody_fetched_are_removed_after_an_hour(file: CellFile) -> None:
    inbox = open_inbox(file.folder)
    reply(file.folder, "x", Answer(True, ""))
    take(file.folder)
    assert (inbox / "x.answer.json").exists()
    take(file.folder, now_s=time.time() + 3601)
    assert not (inbox / "x.answer.json").exists()


def test_a_cell_is_not_armed_without_a_report_nor_by_nobody(file: CellFile) -> None:
    file = replace(file, device=(DeviceTable("sgen/1", "sunspec", "modbus://127.0.0.1:1/1"),))
    with pytest.raises(OperatorRefused, match=r"no commissioning.json"):
        order(file, Command("arm", "Ada"), now=WALL)
    with pytest.raises(OperatorRefused, match="--who"):
        order(file, Command("disarm", " "), now=WALL)
    with pytest.raises(OperatorRefused, match="expected arm, disarm"):
        order(file, Command("open", "Ada"), now=WALL)
    with Journal(file.journal) as journal:
        assert read_state(journal).mode is Mode.SHADOW
