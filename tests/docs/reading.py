"""What the README and the pages of docs/ say to type, and a day short enough for a test."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from archipel import twin
from archipel.report import session

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every command of every ```sh block as (page, words)."""
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in filter(None, map(str.strip, block.splitlines())):
                yield str(page.relative_to(ROOT)), tuple(shlex.split(line, comments=True))


def tracked() -> list[Path]:
    """The files of the repository, or, where it is unpacked without git, those that git would keep."""
    told = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if told.returncode == 0 and told.stdout:
        return [ROOT / name for name in told.stdout.split("\0") if name and (ROOT / name).is_file()]
    ours = ("README.md", "Makefile", "pyproject.toml", "requirements", "src", "tests", "docs", "benchmarks", ".ci")
    found = [path for name in ours for path in [ROOT / name, *(ROOT / name).rglob("*")] if path.is_file()]
    return [path for path in found if "__pycache__" not in path.parts]


def shorten(monkeypatch: pytest.MonkeyPatch, *, steps: int, hours_later: int = 0) -> None:
    """Let every run of the session end after a few steps, planned in coarser intervals; nothing else changes."""

    def short(scenario: Any, strategy: Any, **what: Any) -> Any:
        del what["days"]
        what["start"] += timedelta(hours=hours_later)
        return twin.run(scenario, strategy, steps=steps, **what)

    def coarse(planner: Any) -> Any:
        return lambda scenario, **how: planner(replace(scenario, near_steps=4, far_steps=16), **how)

    monkeypatch.setattr(session, "run_twin", short)
    for planner in ("Alone", "Distributed", "Central"):
        monkeypatch.setattr(session, planner, coarse(getattr(session, planner)))
