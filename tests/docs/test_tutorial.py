from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from reading import ROOT, blocks, shorten

from archipel import load_run


def test_the_tutorial_runs_as_it_stands_and_its_agreement_keeps_the_export_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shorten(monkeypatch, steps=2, hours_later=11)  # noon, when the limit binds
    names = runpy.run_path(str(ROOT / "docs" / "tutorial" / "first_archipelago.py"))
    said = capsys.readouterr().out
    assert "export limit: 2,600 kW" in said
    run = load_run(names["run"].path)
    assert run.strategies == ("uncoordinated", "distributed")
    assert run.kpis["strategies"]["distributed"]["connection_violation_h"] == 0.0
    assert run.kpis["strategies"]["distributed"]["peak_export_kw"] > 2000.0, "the hour chosen has a lot of sun"
    assert (run.path / "report.html").stat().st_size < 3_000_000


def test_the_example_of_the_readme_is_five_lines_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = blocks(ROOT / "README.md", "python")
    assert len([line for line in example.splitlines() if line.strip()]) == 5
    monkeypatch.chdir(tmp_path)
    shorten(monkeypatch, steps=1)
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    (further,) = blocks(ROOT / "docs" / "explanation" / "what-a-price-is-made-of.md", "python")
    exec(compile(further, "what-a-price-is-made-of.md", "exec"), names)
    said = capsys.readouterr().out
    (folder,) = Path("runs").iterdir()
    assert "Cost of the run" in said
    assert f"{folder / 'report.html'}" in said
    assert set(json.loads((folder / "kpis.json").read_text())["strategies"]) == {"uncoordinated", "distributed"}


@pytest.mark.parametrize("page", ["add-a-device.md", "add-a-coordination-method.md", "add-a-market.md"])
def test_the_examples_of_a_how_to_keep_the_promises_they_are_checked_for(page: str) -> None:
    examples = blocks(ROOT / "docs" / "how-to" / page, "python")
    assert any("check_" in example for example in examples)
    for example in examples:
        exec(compile(example, page, "exec"), {"__name__": "__main__"})
