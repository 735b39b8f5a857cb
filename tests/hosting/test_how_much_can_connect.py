"""How much can connect: the answer, what binds, and its proof by power flows we did not write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hosting.small_feeder import START, small

from archipel.cli.main import main
from archipel.model import ArchipelError, Scenario
from archipel.report.verify import pandapower_net
from archipel.strategies.hosting import (
    DEVICES,
    Question,
    Service,
    Study,
    draw,
    judge,
    prepared,
    search,
    stress_day,
)
from archipel.strategies.hosting.joined import wanted_kwh, with_newcomers
from archipel.strategies.hosting.judge import Given
from archipel.strategies.hosting.sky import design_heat, sky
from archipel.strategies.hosting.study import key


@pytest.fixture(scope="module")
def feeder(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Planned every four hours, as far as a plan holds, so that a day costs little."""
    scenario = small(tmp_path_factory.mktemp("small"))
    return prepared(replace(scenario, near_steps=16, replan_steps=16, central_replan_steps=16), "pv")


@pytest.fixture(scope="module")
def study(feeder: Scenario) -> Study:
    strategies = ("uncoordinated", "alone", "distributed")
    question = Question("pv", START + timedelta(days=1), strategies=strategies, seeds=(1, 2), steps=4, per_customer=2)
    done = Study(feeder, question)
    done.run()
    return done


def _answers(study: Study) -> dict[tuple[str, int], Mapping[str, Any]]:
    return {(one["strategy"], one["seed"]): one for one in study.answers()}


def test_cells_that_agree_host_at_least_what_others_host_in_every_seed(study: Study) -> None:
    answers = _answers(study)
    for seed in study.question.seeds:
        ours = answers["distributed", seed]["p_kw"]
        assert ours >= answers["uncoordinated", seed]["p_kw"] > 0.0
        assert ours >= answers["alone", seed]["p_kw"]


def test_every_answer_is_true_just_below_and_broken_just_above_by_pandapower(study: Study) -> None:
    pandapower = pytest.importorskip("pandapower")
    scenario, question = study.scenario, study.question
    names = set()
    for (seed, strategy), found in study.found.items():
        kept = study.kept[key(seed, strategy, 0)]
        base = Given(kept["curtailed_kwh"], kept["missing_kwh"], kept["comfort_k_h"])
        assert found.broken is not None
        assert found.broken - found.fine <= study.step
        below = judge(scenario, question, strategy, study.orders[seed].first(found.fine), base)
        above = judge(scenario, question, strategy, study.orders[seed].first(found.broken), base)
        assert below.fine
        assert not above.fine
        limit = above.broken[0]
        names.add(limit.what)
        for verdict, broken in ((below, False), (above, limit.unit in {"pu", "%"} and limit.what != "curtailed")):
            worst = _worst_by_pandapower(pandapower, scenario, verdict.p_kw, verdict.q_kvar)
            assert (max(worst) > 1e-5) == broken, (strategy, seed, limit, worst)
        if limit.what == "curtailed":
            assert below.service["curtailed"] <= 5.0 < above.service["curtailed"]
    assert names <= {"voltage high", "line", "transformer", "curtailed"}


def _worst_by_pandapower(pandapower: Any, scenario: Scenario, p_kw: Any, q_kvar: Any) -> tuple[float, float, float]:
    """How far beyond limits the worst quarter hour is: voltage [pu] high, low, loading [share]; negative: within."""
    net = pandapower_net(pandapower, scenario.grid)
    nodes = scenario.grid.nodes
    high = low = over = -np.inf
    steps = np.unique([p_kw.sum(axis=0).argmin(), p_kw.shape[1] - 1])
    for t in steps.tolist():
        net.load["p_mw"], net.load["q_mvar"] = p_kw[:, t] / 1e3, q_kvar[:, t] / 1e3
        pandapower.runpp(net, trafo_model="pi", tolerance_mva=1e-9)
        v = net.res_bus["vm_pu"].to_numpy()
        high, low = max(high, (v - nodes.v_pu_max).max()), max(low, (nodes.v_pu_min - v).max())
        over = max(over, float(net.res_line["loading_percent"].max()) / 100.0 - 1.0)
        over = max(over, float(net.res_trafo["loading_percent"].max()) / 100.0 - 1.0)
    return float(high), float(low), over


def test_a_study_that_was_stopped_goes_on_and_finds_the_same(feeder: Scenario) -> None:
    question = Question("pv", START + timedelta(days=1), strategies=("uncoordinated",), seeds=(1, 2), steps=4)
    whole = Study(feeder, question)
    whole.run()
    half = {name: one for k, (name, one) in enumerate(whole.kept.items()) if k % 2}
    again = Study(feeder, question, json.loads(json.dumps(half)))
    again.run()
    assert again.evaluated == len(whole.kept) - len(half)
    assert _answers(again) == _answers(whole)


def test_processes_find_what_one_finds(feeder: Scenario) -> None:
    question = Question("heat-pump", START, strategies=("uncoordinated",), seeds=(1, 2), steps=4)
    one, two = Study(feeder, question), Study(feeder, question)
    one.run()
    two.run(jobs=2)
    assert _answers(one) == _answers(two)


def test_a_limit_broken_without_any_new_device_means_none_can_connect(tmp_path: Path) -> None:
    feeder = prepared(small(tmp_path, v_pu=1.10), "pv")
    study = Study(feeder, Question("pv", START, strategies=("uncoordinated",), seeds=(1,)))
    study.run()
    (one,) = study.answers()
    assert one["p_kw"] == 0.0
    assert one["above_devices"] == 0
    assert one["first_limit"]["what"] == "voltage high"


def test_throwing_away_is_not_hosting(feeder: Scenario) -> None:
    """The network is kept within limits; it is the devices that are not served."""
    hourly = replace(feeder, near_steps=8, replan_steps=6)
    new = draw(feeder, "pv", 1, 3)
    strict = judge(hourly, Question("pv", START + timedelta(days=1)), "distributed", new, Given())
    assert [one.what for one in strict.broken] == ["curtailed"]
    assert strict.service["curtailed"] > 5.0
    assert strict.loading.max() <= 1.0


@pytest.mark.parametrize("device", DEVICES)
def test_the_order_is_the_seeds_and_more_devices_are_never_others(feeder: Scenario, device: str) -> None:
    a, b, other = (draw(feeder, device, seed, 2) for seed in (3, 3, 4))  # type: ignore[arg-type]
    assert np.array_equal(a.p_kw, b.p_kw)
    assert np.array_equal(a.node, b.node)
    assert not np.array_equal(a.p_kw, other.p_kw)
    assert sorted(a.node[: len(a) // 2]) == sorted(a.node[len(a) // 2 :])  # every customer once a round
    start = START + timedelta(hours=12 if device == "ev" else 0)
    few, many = (with_newcomers(feeder, a.first(k), start, 1) for k in (3, 9))
    total = [sum(float(np.sum(getattr(f, "p_kw_peak", 0.0) if device == "pv" else f.p_kw)) for f in s.fleets
                 if f.kind != "load") for s in (few, many)]  # fmt: skip
    assert np.allclose(total, [a.p_kw[:3].sum(), a.p_kw[:9].sum()])
    assert wanted_kwh(feeder, a.first(3), start, 1) < wanted_kwh(feeder, a.first(9), start, 1)


def test_vehicles_come_and_leave_within_a_day_from_noon_and_can_be_served(feeder: Scenario) -> None:
    noon = START + timedelta(hours=12)
    new = draw(feeder, "ev", 1, 3)
    fleet = with_newcomers(feeder, new, noon, 1).fleets[-1]
    assert len(fleet.session_kwh) == len(new)  # type: ignore[attr-defined]
    assert (fleet.session_start >= 48).all()
    assert (fleet.session_end <= 144).all()
    hours = (fleet.session_end - fleet.session_start) / 4.0  # type: ignore[attr-defined]
    assert (fleet.session_kwh <= fleet.p_kw[fleet.session_device] * hours + 1e-9).all()  # type: ignore[attr-defined]
    verdict = judge(feeder, Question("ev", noon), "uncoordinated", new.first(4), Given())
    assert verdict.fine
    assert verdict.service["missing"] == 0.0


def test_the_hardest_day_is_bright_for_pv_and_begins_at_noon_for_vehicles(feeder: Scenario) -> None:
    assert stress_day(feeder, "pv", 100.0) == START + timedelta(days=1)
    assert stress_day(feeder, "ev", 100.0) == START + timedelta(hours=12)


@given(breaks=st.integers(0, 300), most=st.integers(1, 300), step=st.integers(1, 9), hint=st.integers(0, 300))
def test_a_search_ends_at_the_break_whatever_it_is_told_to_begin_with(
    breaks: int, most: int, step: int, hint: int
) -> None:
    trial = search(most, step, min(hint, most))
    asked, count = next(trial), 0
    while True:
        count += 1
        try:
            asked = trial.send(asked < breaks)
        except StopIteration as end:
            found = end.value
            break
    if breaks == 0:
        assert (found.fine, found.broken) == (-1, 0)
    elif breaks > most:
        assert (found.fine, found.broken) == (most, None)
    else:
        assert found.fine < breaks <= found.broken <= found.fine + step
    assert count < 60


def test_sun_and_cold_of_scenarios_without_series_are_those_of_the_middle_of_germany() -> None:
    year = sky(START.replace(month=1, day=1), 366 * 96)
    noon = year.reshape(366, 96).max(axis=1)
    assert 0.80 < noon[172] < 0.95
    assert 0.10 < noon[355] < 0.25
    assert year.min() == 0.0
    heat = design_heat(START.replace(month=1, day=1), 366 * 96)
    assert heat.max() <= 1.0
    assert heat[20 * 96] > 0.7
    assert heat[200 * 96] < 0.2


def test_the_command_writes_a_folder_that_it_goes_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small(tmp_path / "net")
    command = ["hosting", str(tmp_path / "net"), "--device", "heat-pump", "--strategy", "uncoordinated", "--seeds", "2",
               "--runs", str(tmp_path / "runs")]  # fmt: skip
    assert main(command) == 0
    said = capsys.readouterr()
    assert "uncoordinated" in said.out
    assert "Just below and just above" in said.out
    assert "near" in said.out
    (folder,) = (tmp_path / "runs").iterdir()
    assert {file.name for file in folder.iterdir()} == {
        "hosting.json", "hosting.html", "hosting.csv", "hosting.parquet", "cells.csv", "cells.parquet",
    }  # fmt: skip
    page = (folder / "hosting.html").read_text()
    assert "heat pumps" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    before = json.loads((folder / "hosting.json").read_text())
    assert main([*command, "--json", "--quiet"]) == 0
    after = json.loads(capsys.readouterr().out)
    assert after["answers"] == before["answers"]


def test_what_cannot_be_asked_is_said_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small(tmp_path / "net")
    runs = ["--runs", str(tmp_path / "runs"), "--quiet"]
    begin = ["hosting", str(tmp_path / "net"), "--device", "pv", *runs]
    assert main([*begin, "--cell", "nowhere"]) == 2
    assert "expected one of Substation, near, far" in capsys.readouterr().err
    assert main([*begin, "--cell", "Substation"]) == 2
    assert "found no load that draws power" in capsys.readouterr().err
    assert main([*begin, "--start", "1999-01-01"]) == 2
    assert "do not cover it" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    with pytest.raises(ArchipelError, match="expected a number, 0 or more"):
        Service(curtailed_share=float("nan"))
