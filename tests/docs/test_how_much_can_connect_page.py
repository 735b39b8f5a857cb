"""The commands of the page on hosting capacity, run on a small feeder: few devices, coarse plans, coarse answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reading import commands
from tests.hosting.small_feeder import small

from archipel.cli.main import main
from archipel.formats import scenario as reading_scenarios

PAGE = "docs/how-to/how-much-can-connect.md"
HERE = {
    "district": "my-grid",
    "trafo/6:800": "trafo/0:160",
    "bus/7:500:250": "bus/7:50:25",
    "2016-05-26": "2024-06-20",
    "10": "1",
    "3": "1",
}
"""What stands on the page, and what it is on the small feeder."""
TWO = ("--strategy", "uncoordinated", "--strategy", "distributed")


def test_the_commands_of_the_page_on_hosting_capacity_give_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small(tmp_path / "my-grid")
    read = reading_scenarios.load_scenario

    def coarse(*where: Any) -> Any:
        return replace(read(*where), near_steps=16, replan_steps=16, central_replan_steps=16)

    monkeypatch.setattr(reading_scenarios, "load_scenario", coarse)
    typed = [words for page, words in commands() if page == PAGE]
    assert [words[1] for words in typed] == ["hosting"] * 6 + ["what-if"] * 3
    for words in typed:
        assert words[0] == "archipel"
        mine = [HERE.get(word, word) for word in words[1:]]
        if "--strategy" not in mine:
            mine += TWO if mine[0] == "hosting" else TWO[:2]
        if mine[0] == "hosting":
            mine += ["--seeds", "1", "--per-customer", "1", "--steps", "3"]
        else:
            mine += ["--start", "2024-06-20", "--days", "1"]
        assert main([*mine, "--quiet", "--json"]) == 0, " ".join(mine)
        told = json.loads(capsys.readouterr().out)
        if mine[0] == "hosting":
            assert {one["strategy"] for one in told["answers"]} <= {"uncoordinated", "distributed"}
            assert all(one["p_kw"] > 0.0 for one in told["answers"]), "something can connect"
            assert told["question"]["beyond_today"] is ("--beyond-today" in words)
            assert told["question"]["together"] == (50 if "--together" in words else 10)
        else:
            assert told["measures"]
            assert ("hosting" in told) is ("--hosting" in words)
    pages = sorted((tmp_path / "runs").glob("hosting-*/hosting.html"))
    assert len(pages) == 6
    assert all("can connect" in page.read_text(encoding="utf-8") for page in pages)
