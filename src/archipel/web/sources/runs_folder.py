"""The finished runs of a folder."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from archipel.model import RunNotFound
from archipel.report.run import load_run
from archipel.web.nouns import RunInfo, Score
from archipel.web.score import score_of


def runs_in(folder: Path, shown: Path | None = None) -> list[RunInfo]:
    """Runs that can be read, newest first; what is no run or of another version is left out."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.startswith(".") or not (path / "kpis.json").is_file():
            continue
        try:
            info = json.loads((path / "run.json").read_text(encoding="utf-8"))
            found.append(
                RunInfo(
                    id=path.name,
                    scenario=info["scenario"]["name"],
                    start=datetime.fromisoformat(info["start"]),
                    days=info["days"],
                    forecast=info["forecast"],
                    seed=info["seed"],
                    strategies=list(info["strategies"]),
                    made=datetime.fromisoformat(info["made"]),
                    complete=info["complete"],
                    shown=shown is not None and path.resolve() == shown.resolve(),
                )
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue  # somebody else's folder, or a run of a version to come: not one that can be shown
    return sorted(found, key=lambda run: (run.made, run.id), reverse=True)


def score_in(folder: Path, run: str) -> Score:
    """The score of one of them. Raises `RunNotFound`."""
    if run not in {info.id for info in runs_in(folder)}:
        raise RunNotFound(f"run {run}: found none of that name in {folder}; expected one of `GET /api/v1/runs`")
    opened = load_run(folder / run)
    return score_of(opened.kpis, title=str(opened.info["scenario"]["title"]))
