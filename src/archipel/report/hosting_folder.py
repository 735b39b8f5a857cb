"""The folder of a hosting study: what was evaluated, so that it can go on, and what came out."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow.csv as pc
import pyarrow.parquet as pq

from archipel import __version__
from archipel.model import RunNotFound, Scenario
from archipel.report.hosting_page import hosting_page
from archipel.report.hosting_rows import cell_frame, frame
from archipel.strategies.hosting import Question

FILE = "hosting.json"
LAYOUT = 1


@final
class HostingFolder:
    """`runs/hosting-SCENARIO-DEVICE-xxxxxxxx/`: the same question on the same scenario has the same folder.

    Raises:
        RunNotFound: where a file of that name is there and cannot be read.
    """

    def __init__(self, runs: Path, scenario: Scenario, question: Question) -> None:
        mark = hashlib.sha256(json.dumps(question.plain(), sort_keys=True).encode())
        _feed(mark, scenario)
        mark.update(__version__.encode())
        self.path = runs / f"hosting-{scenario.name}-{question.device}-{mark.hexdigest()[:8]}"
        self.scenario, self.question = scenario, question
        self.evaluations: dict[str, dict[str, Any]] = {}
        """By `archipel.strategies.hosting.study.key`."""
        file = self.path / FILE
        if file.is_file():
            try:
                told = json.loads(file.read_text(encoding="utf-8"))
                self.evaluations = dict(told["evaluations"]) if told["layout"] == LAYOUT else {}
            except (ValueError, KeyError, TypeError) as error:
                raise RunNotFound(
                    f"{file}: found no study that can be read ({error}); expected what an earlier one left. "
                    "Remove the folder to begin anew."
                ) from error

    def save(self, answers: Sequence[Mapping[str, Any]] = (), notes: Sequence[str] = ()) -> None:
        """Write hosting.json; it is whole or the one before."""
        self.path.mkdir(parents=True, exist_ok=True)
        told = {
            "layout": LAYOUT,
            "scenario": self.scenario.name,
            "question": self.question.plain(),
            "complete": bool(answers),
            "notes": list(notes),
            "answers": list(answers),
            "evaluations": self.evaluations,
        }
        write_whole(self.path / FILE, json.dumps(told, separators=(",", ":")))

    def finish(self, answers: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> None:
        """Write all that came out: hosting.json, tables as CSV and Parquet, the page."""
        self.save(answers, notes)
        for name, table in (("hosting", frame(answers)), ("cells", cell_frame(answers))):
            for suffix, write in (("csv", pc.write_csv), ("parquet", pq.write_table)):
                part = self.path / f".{name}.{suffix}"
                write(table, part)
                part.replace(self.path / f"{name}.{suffix}")
        write_whole(self.path / "hosting.html", hosting_page(self.scenario, self.question, answers, notes))


def write_whole(file: Path, words: str) -> None:
    """Write a text file by a temporary name, so that it is never half there."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.write_text(words, encoding="utf-8")
    part.replace(file)


def _feed(mark: Any, value: Any) -> None:
    """All that a scenario says, but not where it lies."""
    if is_dataclass(value) and not isinstance(value, type):
        for f in fields(value):
            if f.name != "folder":
                mark.update(f.name.encode())
                _feed(mark, getattr(value, f.name))
    elif isinstance(value, np.ndarray):
        mark.update(str(value.shape).encode() + np.ascontiguousarray(value).tobytes())
    elif isinstance(value, tuple | list):
        mark.update(b"(%d" % len(value))
        for one in value:
            _feed(mark, one)
    else:
        mark.update((value.isoformat() if isinstance(value, datetime) else repr(value)).encode())
