"""One more line or battery, or a larger transformer: what is built, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.hosting.small_feeder import small

from archipel.cli.main import main
from archipel.grid.power_flow import PowerFlow
from archipel.model import ArchipelError, Scenario
from archipel.strategies.measures import Line, built, read_battery, read_line, read_transformer


@pytest.fixture(scope="module")
def feeder(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return small(tmp_path_factory.mktemp("small"))


def _loaded(scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
    p = np.full(len(scenario.grid.nodes), 4.0)
    flow = PowerFlow(scenario.grid).solve(p, 0.2 * p)
    return flow.v_pu, flow.loading


def test_a_second_line_halves_the_drop_and_the_loading_of_the_first(feeder: Scenario) -> None:
    doubled = built(feeder, read_line("bus/1:bus/2"))
    (v, load), (v_new, load_new) = _loaded(feeder), _loaded(doubled)
    assert (v_new[2] - v_new[1]) / (v[2] - v[1]) == pytest.approx(0.5, abs=0.01)
    assert load_new[0] / load[0] == pytest.approx(0.5, abs=0.01)
    assert (v_new[2:] > v[2:]).all()


def test_a_weaker_line_beside_a_strong_one_is_what_limits_the_pair(feeder: Scenario) -> None:
    # the same impedance with a quarter of the rating carries half of the current
    pair = built(feeder, Line("bus/2", "bus/1", 0.015, 0.006, 0.0, 50.0)).grid.lines
    assert pair.i_a_max[0] == pytest.approx(100.0)
    assert pair.r_ohm[0] == pytest.approx(0.0075)


def test_a_line_within_a_cell_closes_a_ring_that_is_solved(feeder: Scenario) -> None:
    ring = built(feeder, read_line("bus/2:bus/5:4x150:0.1"))
    assert ring.grid.lines.id[-1] == "what-if/line/bus/2-bus/5"
    v, v_new = _loaded(feeder)[0], _loaded(ring)[0]
    assert v_new[5] > v[5]


def test_a_larger_transformer_is_less_loaded(feeder: Scenario) -> None:
    larger = built(feeder, read_transformer("trafo/0:200"))
    assert _loaded(larger)[1][-1] == pytest.approx(0.5 * _loaded(feeder)[1][-1], rel=0.02)


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (read_line, "bus/1:bus/77", "found none of that id"),
        (read_line, "bus/1:bus/1", "the same node twice"),
        (read_line, "bus/0:bus/1", "expected nodes of one voltage"),
        (read_line, "bus/1:bus/5", "found no line between them"),
        (read_line, "bus/2:bus/9:4x150:0.1", "closes a ring between the cells near and far"),
        (read_line, "bus/1:bus/2:gold:1", "expected one of 4x95"),
        (read_line, "bus/1", "expected A:B"),
        (read_line, "bus/1:bus/2:nan:1:1", "expected a number above 0"),
        (read_battery, "bus/3:10", "expected NODE:KWH:KW"),
        (read_battery, "bus/3:-10:5", "expected a number above 0 in kWh"),
        (read_battery, "bus/x:10:5", "found none of that id"),
        (read_transformer, "trafo/9:100", "Did you mean 'trafo/0'?"),
    ],
)
def test_a_measure_that_cannot_be_built_is_named_with_what_was_expected(feeder: Scenario, read, text, said) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ArchipelError) as error:
        built(feeder, read(text))
    assert said in str(error.value)


def test_the_command_sets_both_sides_beside_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small(tmp_path / "net", sn_kva=12.0)
    command = ["what-if", str(tmp_path / "net"), "--quiet", "--transformer", "trafo/0:50", "--battery", "bus/8:20:10",
               "--strategy", "uncoordinated", "--cost", "365"]  # fmt: skip
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "no longer broken: trafo/0" in said
    assert "costs 365 EUR a year, 1.00 a day" in said
    assert main([*command, "--hosting", "pv", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    sides = found["strategies"]["uncoordinated"]
    assert sides["base"]["worst_loading"] > 1.0 > sides["built"]["worst_loading"]
    before, after = found["hosting"]["uncoordinated"]
    assert before == 0.0 < after


def test_nothing_to_build_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small(tmp_path / "net")
    assert main(["what-if", str(tmp_path / "net")]) == 2
    assert "found no measure" in capsys.readouterr().err
