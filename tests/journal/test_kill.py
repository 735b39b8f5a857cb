"""A writing process is killed at random moments: what it acknowledged is there, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archipel.journal import Journal

WRITER = Path(__file__).with_name("dying_writer.py")


def one_life(writer: subprocess.Popen[str], folder: Path, first: int, chance: random.Random) -> int:
    """Let it write from `first` on, kill it at some moment; returns the last number it acknowledged."""
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.write(f"{folder} {first}\n")
    writer.stdin.flush()
    pid = int(writer.stdout.readline().removeprefix("pid "))
    last, lives = first - 1, chance.randrange(7)
    for _ in range(lives):
        last = int(writer.stdout.readline().removeprefix("acknowledged "))
    time.sleep(chance.uniform(0, 0.02))  # anywhere between two commits, or while it opens
    os.kill(pid, signal.SIGKILL)
    while (line := writer.stdout.readline()) != "dead\n":
        last = int(line.removeprefix("acknowledged "))
    return last


@pytest.mark.parametrize("kills", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_at_any_moment_it_loses_nothing_it_acknowledged_and_doubles_nothing(tmp_path: Path, kills: int) -> None:
    seed = 20160609
    chance, last = random.Random(seed), -1
    with subprocess.Popen(
        [sys.executable, str(WRITER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        for kill in range(kills):
            # what may or may not have reached the disk before the last kill is appended again
            last = one_life(writer, tmp_path, last + 1, chance)
            with Journal(tmp_path) as journal:
                where = f"seed {seed}, kill {kill}"
                found = [(entry.kind, entry.key) for entry in journal.entries()]
                assert len(found) == len(set(found)), where
                wanted = {("agreement", f"{number}/{n}") for number in range(last + 1) for n in range(3)}
                assert wanted <= set(found), where
                beyond = {key.split("/")[0] for kind, key in found if kind == "agreement" and (kind, key) not in wanted}
                assert beyond <= {str(last + 1)}, where
                last_written = last + len(beyond)
                waiting = [f"m{n}" for n in range(last_written + 1) if n % 2 or n == last_written]
                assert [message.key for message in journal.pending()] == waiting, where
                assert last <= journal.measurements.count - 1 <= last_written, where
        with Journal(tmp_path) as journal:
            journal.verify()
        writer.stdin.close()  # type: ignore[union-attr]
    assert last > kills, "it has written something in most of its lives"
