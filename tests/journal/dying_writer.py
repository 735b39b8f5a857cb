"""Writes a journal in a child process until it is killed; a line on standard output for all that was acknowledged.

Standard input: one line per life, "folder first-number". Standard output: "pid N", "acknowledged N" ..., "dead".
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from archipel.journal import Journal, Reading

START = datetime(2016, 6, 9, tzinfo=UTC)


def say(*words: object) -> None:
    os.write(1, (" ".join(str(word) for word in words) + "\n").encode())


def live(folder: Path, first: int) -> None:
    """A few entries, a message and a reading a commit, without an end."""
    journal, number = Journal(folder), first
    while True:
        time = START + timedelta(seconds=number)
        for n in range(3):
            journal.append("agreement", f"{number}/{n}", {"number": number, "why": "x" * 40 * n}, time=time)
        journal.put(f"m{number}", b"offer", time=time)
        if number % 2:
            journal.acknowledge(f"m{number - 1}", time=time)
        journal.measure(Reading(time, "load", "home-17", {"p_kw": float(number)}))
        journal.commit()
        say("acknowledged", number)
        number += 1


for line in sys.stdin:
    folder, first = line.split()
    child = os.fork()
    if child == 0:
        say("pid", os.getpid())
        live(Path(folder), int(first))
    os.waitpid(child, 0)
    say("dead")
