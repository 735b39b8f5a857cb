"""The report names the limits that plans could not keep, and the command that says what would help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import made_up
import pytest

from archipel.report.folder import RunWriter
from archipel.report.html import report
from archipel.report.not_kept import not_kept
from archipel.report.run import Run, load_run


def run_with(tmp_path: Path, words: list[str]) -> Run:
    case = made_up.scenario()
    result = made_up.result(case, "distributed")
    told = [{**entry, "given": words if k == 2 else []} for k, entry in enumerate(result.agreements)]
    with RunWriter(
        tmp_path, case, start=made_up.START, days=1, forecast="perfect", seed=1, source="my <grid>"
    ) as writer:
        writer.add(replace(result, agreements=tuple(told)))
    return load_run(writer.path, case)


def test_limits_that_plans_could_not_keep_are_listed_with_the_line_to_type(tmp_path: Path) -> None:
    page = report(run_with(tmp_path, ["high <node>: 0.004 beyond", "high <node>: 0.02 beyond", "load 3: 2 kWh short"]))
    assert "What plans could not keep" in page
    assert "high &lt;node&gt;" in page
    assert "0.02 beyond" in page
    assert f"<code>archipel remedy my &lt;grid&gt; --start {made_up.START:%Y-%m-%d}</code>" in page


@pytest.mark.parametrize("words", [[], ["battery/1: 2 kWh short"]])
def test_a_run_whose_plans_kept_all_limits_has_no_such_section(words: list[str], tmp_path: Path) -> None:
    run = run_with(tmp_path, words)
    assert not_kept(run) == ""
    assert "What plans could not keep" not in report(run)
