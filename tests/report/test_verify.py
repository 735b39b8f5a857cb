"""Replay in pandapower of what our own power flow says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import made_up
import numpy as np
import pytest

from archipel.cli import report_commands
from archipel.grid.power_flow import PowerFlow
from archipel.model import ExtraMissing, RunNotFound, Scenario, StrategyResult
from archipel.report import verify as verify_module
from archipel.report.folder import RunWriter
from archipel.report.run import Run, load_run
from archipel.report.verify import verify


def solved(case: Scenario, strategy: str = "alone", steps: int = 4) -> StrategyResult:
    """A result whose voltages are what our own AC power flow says."""
    result = made_up.result(case, strategy, steps=steps)
    flow = PowerFlow(case.grid)
    for step in range(steps):
        p, q = np.zeros(len(case.grid.nodes)), np.zeros(len(case.grid.nodes))
        np.add.at(p, case.device_node, result.p_kw[:, step].astype(float))
        np.add.at(q, case.device_node, result.q_kvar[:, step].astype(float))
        result.v_pu[:, step] = flow.solve(p, q).v_pu
    return result


def write(tmp_path: Path, case: Scenario, *results: StrategyResult) -> Run:
    with RunWriter(tmp_path, case, start=made_up.START, days=1, forecast="perfect", seed=1) as writer:
        for result in results:
            writer.add(result)
    return load_run(writer.path, case)


def with_taps_and_open_ends() -> Scenario:
    case = made_up.scenario()
    trafos, lines = case.grid.transformers, case.grid.lines
    opened = lines.to_closed.copy()
    opened[-1] = False
    grid = replace(
        case.grid,
        transformers=replace(trafos, tap_pos=trafos.tap_pos - 2, shift_degree=trafos.shift_degree + 150),
        lines=replace(lines, to_closed=opened, c_nf=lines.c_nf + 200),
    )
    return replace(case, grid=grid)


def test_our_power_flow_is_that_of_pandapower_with_taps_shifts_and_open_ends(tmp_path: Path) -> None:
    pytest.importorskip("pandapower", reason="the extra [verify] brings the referee pandapower")
    case = with_taps_and_open_ends()
    found = verify(write(tmp_path, case, solved(case)))["alone"]
    assert found["ok"]
    assert found["steps"] == 4
    assert found["max_dv_pu"] < 1e-6
    assert found["nodes_dead_in_one"] == 0


def test_a_voltage_that_was_tampered_with_is_found_with_its_node_and_time(tmp_path: Path) -> None:
    pytest.importorskip("pandapower", reason="the extra [verify] brings the referee pandapower")
    case = made_up.scenario()
    result = solved(case)
    result.v_pu[7, 2] += 0.01
    found = verify(write(tmp_path, case, result), every=2)["alone"]
    assert not found["ok"]
    assert found["steps"] == 2
    assert (found["node"], found["time"][:16]) == ("bus/7", "2016-06-09T00:30")
    assert found["max_dv_pu"] == pytest.approx(0.01, rel=1e-3)


def test_a_scenario_that_has_changed_since_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pandapower", reason="the extra [verify] brings the referee pandapower")
    case = made_up.scenario()
    run = write(tmp_path, case, made_up.result(case, "alone"))
    other = load_run(run.path, made_up.scenario(lv_nodes=6))
    with pytest.raises(RunNotFound, match="has changed since"):
        verify(other)


def test_without_pandapower_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = made_up.scenario()
    run = write(tmp_path, case, made_up.result(case, "alone"))
    monkeypatch.setitem(__import__("sys").modules, "pandapower", None)
    with pytest.raises(ExtraMissing, match=r"archipel\[verify\]"):
        verify_module.verify(run)


def test_the_command_says_how_far_apart_the_engines_are_and_fails_when_too_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pandapower", reason="the extra [verify] brings the referee pandapower")
    case = made_up.scenario()
    good, bad = solved(case), solved(case, "central")
    bad.v_pu[7, 2] += 0.01
    run = write(tmp_path, case, good, bad)
    monkeypatch.setattr("archipel.report.run.reload_scenario", lambda info: case)
    args = parse(["verify", str(run.path), "--strategy", "alone"])
    assert args.func(args) == 0
    assert "alone          max |dV|" in capsys.readouterr().out
    args = parse(["verify", str(run.path)])
    assert args.func(args) == 1
    assert "NOT the same" in capsys.readouterr().out


def test_the_command_report_writes_the_page_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = made_up.scenario()
    run = write(tmp_path, case, made_up.result(case, "alone"))
    monkeypatch.setattr("archipel.report.run.reload_scenario", lambda info: case)
    args = parse(["report", str(run.path), "-o", str(tmp_path / "page.html")])
    assert args.func(args) == 0
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert "Cost of the run" in capsys.readouterr().out


def parse(words: list[str]) -> object:
    import argparse

    parser = argparse.ArgumentParser()
    report_commands.add_parsers(parser.add_subparsers())
    return parser.parse_args(words)
