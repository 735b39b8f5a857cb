"""One real run for all tests of settled runs; they leave it as it is."""

from __future__ import annotations

from pathlib import Path

import a_run
import pytest

from archipel.report.run import Run


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder: Path = tmp_path_factory.mktemp("runs")
    return a_run.a_day(folder)
