"""The page "my own network in 10 minutes" is run as it stands, on the IEEE 123-node feeder."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import pytest
from reading import ROOT, blocks, shorten

from archipel import load_run
from archipel.cli.main import main

PAGE = ROOT / "docs" / "how-to" / "my-own-network-in-10-minutes.md"


@pytest.mark.parametrize(
    "strategies", [("uncoordinated",), pytest.param(("uncoordinated", "distributed"), marks=pytest.mark.slow)]
)
def test_the_page_runs_as_it_stands_and_prints_what_it_shows(
    strategies: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = os.environ.get("ARCHIPEL_DATA")
    if not data:
        pytest.skip("LEFT OUT: needs the folder of public data; name it in the environment variable ARCHIPEL_DATA")
    pytest.importorskip("opendssdirect", reason="LEFT OUT: needs the extra opendss")
    feeder = Path(data) / "networks" / "opendss"
    shutil.copytree(feeder / "123Bus", tmp_path / "123Bus")
    shutil.copy(feeder / "IEEELineCodes.DSS", tmp_path)
    monkeypatch.chdir(tmp_path)
    commands = [shlex.split(line) for block in blocks(PAGE, "sh") for line in block.splitlines() if line.strip()]
    assert [words[1] for words in commands] == ["import", "adopt", "check", "run"]
    shown = blocks(PAGE, "text")
    said = []
    for words in commands:
        if words[1] == "run":
            shorten(monkeypatch, steps=1, hours_later=10)
            named = [word for name in strategies for word in ("--strategy", name)]
            assert words[3:] == ["--strategy", "uncoordinated", "--strategy", "distributed"]
            words = [*words[:3], *named, "--quiet"]  # noqa: PLW2901
        assert words[0] == "archipel"
        assert main(words[1:]) == 0
        said.append(capsys.readouterr().out)
    assert all(part.strip() in said[0] for part in shown[:2]), "the report of the import and its cells"
    assert shown[2].strip() == said[1].strip(), "the account of the adoption"
    assert "no problem found" in said[2]
    (run,) = (tmp_path / "runs").iterdir()
    assert load_run(run).strategies == strategies
