"""Three-phase physics: what the twin gets from the engine is what the engine says on its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.twin.three_phase_cases import CIRCUIT, street

from archipel.cli.main import main
from archipel.formats.scenario import check_scenario, find_scenario, load_scenario
from archipel.model import ArchipelError, GridError, Scenario
from archipel.report.session import run
from archipel.report.verify import verify
from archipel.report.verify_phases import beside_balanced
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import run as run_twin
from archipel.twin.three_phase import ThreePhaseFlow, unbalance

pytest.importorskip("opendssdirect", reason="LEFT OUT: needs the OpenDSS engine (extra opendss)")

REFEREE = """
import json, sys
import opendssdirect as dss
for line in sys.stdin.read().splitlines():
    dss.Text.Command(line)
print(json.dumps({
    "node": dss.Circuit.AllNodeNames(), "v": list(dss.Circuit.AllBusVMag()),
    "total": list(dss.Circuit.TotalPower()), "losses": list(dss.Circuit.Losses()),
    "taps": [dss.RegControls.TapNumber() for _ in range(dss.RegControls.First())],
}))
"""
P_KW = np.array([7.0, 3.0, 9.0, 12.0, -10.0, -6.0, 4.0])
Q_KVAR = np.array([2.0, 1.0, 0.5, 4.0, 1.0, -2.0, 0.0])
"""Four loads, two PV plants, a battery."""


def referee(*lines: str) -> dict[str, Any]:
    """The engine driven by text, in a process that has nothing of ours."""
    done = subprocess.run(
        [sys.executable, "-c", REFEREE], input="\n".join(lines), capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return load_scenario(street(tmp_path_factory.mktemp("street")))


@pytest.fixture(scope="module")
def network(case: Scenario) -> Any:
    with ThreePhaseFlow(case) as flow:
        yield flow


def told() -> list[str]:
    """The circuit with the powers above, written out as a person would."""
    loads = [f"load.{n} kw={p} kvar={q}" for n, p, q in zip("abcd", P_KW, Q_KVAR, strict=False)]
    ours = "phases=3 conn=wye kv=0.4 model=1 vminpu=0.3 vmaxpu=2"
    more = [
        f"new load.pv1 bus1=b1 {ours} kw={P_KW[4]} kvar={Q_KVAR[4]}",
        f"new load.pv2 bus1=b3 {ours} kw={P_KW[5]} kvar={Q_KVAR[5]}",
        f"new load.battery bus1=b2 {ours} kw={P_KW[6]} kvar={Q_KVAR[6]}",
    ]
    return [*CIRCUIT.splitlines(), *[f"edit {one}" for one in loads], *more, "set tolerance=1e-10 maxiterations=100"]


def test_voltages_flows_and_losses_are_those_of_the_engine_told_the_same_in_text(
    case: Scenario, network: ThreePhaseFlow
) -> None:
    network.restart()
    network.solve(P_KW, Q_KVAR, act=True)
    network.solve(P_KW, Q_KVAR, act=False)
    flow = network.flow()
    assert flow.phases is not None
    there = referee(*told(), "solve")
    base = np.repeat(case.grid.nodes.vn_kv * 1e3 / 3**0.5, 3)
    assert there["node"] == [f"{n}.{k}" for n in case.grid.nodes.name for k in (1, 2, 3)]
    np.testing.assert_allclose(flow.phases.v_pu.ravel(), np.array(there["v"]) / base, rtol=0, atol=1e-8)
    assert flow.upstream_p_kw == pytest.approx(-there["total"][0], abs=1e-5)
    assert flow.losses_kw == pytest.approx(there["losses"][0] / 1e3, abs=1e-5)
    assert list(flow.phases.position) == there["taps"]


def test_a_device_feels_the_phases_it_hangs_on_and_trips_on_the_highest(network: ThreePhaseFlow) -> None:
    network.restart()
    felt, _ = network.solve(P_KW, Q_KVAR, act=False)
    phases = network.flow().phases
    assert phases is not None
    v = phases.v_pu
    assert felt.v_pu[0] == pytest.approx(v[2, 0], abs=1e-12)  # load a: bus b2, phase 1
    assert felt.v_pu[1] == pytest.approx(v[2, 1], abs=1e-12)  # load b: phase 2
    assert felt.v_pu[5] == pytest.approx(v[3].mean(), abs=1e-12)  # PV on all phases of b3
    assert felt.v_pu_high[5] == pytest.approx(v[3].max(), abs=1e-12)
    assert np.ptp(v[3]) > 0.01  # so that the mean and the highest differ


def test_a_device_the_circuit_lacks_joins_the_phase_of_the_only_customer_of_its_node(tmp_path: Path) -> None:
    circuit = CIRCUIT.replace("new load.d bus1=b3 phases=3 conn=delta kv=0.4", "new load.d bus1=b2.3 phases=1 kv=0.231")
    alone = load_scenario(street(tmp_path, circuit))
    with ThreePhaseFlow(alone) as flow:
        felt, _ = flow.solve(P_KW, Q_KVAR, act=False)
        phases = flow.flow().phases
    assert phases is not None
    assert felt.v_pu[5] == pytest.approx(phases.v_pu[3, 0], abs=1e-12)  # PV at b3, where only load c is, on phase 1


@given(st.lists(st.floats(-15.0, 15.0), min_size=7, max_size=7), st.lists(st.floats(-6.0, 6.0), min_size=7, max_size=7))
@settings(max_examples=40, deadline=None)
def test_power_is_kept_at_every_load(network: ThreePhaseFlow, p: list[float], q: list[float]) -> None:
    network.solve(np.array(p), np.array(q), act=False)
    flow = network.flow()
    assert flow.phases is not None
    # load b is an impedance: it draws what it is told at its rated 231 V
    rated = (flow.phases.v_pu[2, 1] * 400 / 3**0.5 / 231.0) ** 2
    drawn = sum(p) + p[1] * (rated - 1.0)
    assert flow.upstream_p_kw == pytest.approx(drawn + flow.losses_kw, abs=1e-3)
    assert flow.losses_kw == pytest.approx(flow.branch_p_kw.sum(), abs=1e-6)
    # what enters the transformer from above is what upstream gives, less what the source's impedance takes
    assert flow.branch_p_kw[0, 2] == pytest.approx(flow.upstream_p_kw, abs=0.5)


def test_taps_move_with_the_load_stay_for_the_next_call_and_begin_anew_after_a_restart(network: ThreePhaseFlow) -> None:
    network.restart()
    heavy = np.array([30.0, 25.0, 25.0, 60.0, 0.0, 0.0, 0.0])
    _, moved = network.solve(heavy, 0.4 * heavy, act=True)
    first = network.flow().phases
    assert moved
    assert first is not None
    assert first.position[0] > 0
    network.solve(0.1 * heavy, 0.0 * heavy, act=False)
    second = network.flow().phases
    assert second is not None
    assert second.position[0] == first.position[0]
    network.restart()
    network.solve(0.1 * heavy, 0.0 * heavy, act=False)
    third = network.flow().phases
    assert third is not None
    assert third.position[0] != first.position[0]
    network.place(first.position)
    network.solve(0.1 * heavy, 0.0 * heavy, act=False)
    fourth = network.flow().phases
    assert fourth is not None
    np.testing.assert_allclose(fourth.v_pu, second.v_pu, atol=1e-8)


def test_a_power_that_is_no_number_is_refused(network: ThreePhaseFlow) -> None:
    with pytest.raises(GridError, match="device row 2: found nan kW"):
        network.solve(np.array([1.0, 1.0, np.nan, 1.0, 0.0, 0.0, 0.0]), np.zeros(7), act=False)


@given(st.floats(0.0, 0.2), st.floats(-3.0, 3.0), st.floats(0.0, 0.5), st.floats(0.5, 2.0))
def test_unbalance_is_negative_over_positive_sequence_whatever_the_zero_sequence(
    share: float, angle: float, zero: float, size: float
) -> None:
    turn = np.exp(2j * np.pi / 3)
    one, two = size * turn ** np.array([0, -1, -2]), share * size * np.exp(1j * angle) * turn ** np.array([0, 1, 2])
    found = unbalance((one + two + zero)[None, :])
    assert found[0] == pytest.approx(share, abs=1e-9)


def test_a_run_says_its_physics_and_judges_limits_on_the_worst_phase(case: Scenario, tmp_path: Path) -> None:
    both = {
        name: run(case, ["uncoordinated"], runs=tmp_path, physics=name) for name in ("positive-sequence", "three-phase")
    }  # type: ignore[arg-type]
    balanced, phased = (both[name].kpis["strategies"]["uncoordinated"] for name in both)
    assert both["three-phase"].kpis["physics"] == both["three-phase"].info["physics"] == "three-phase"
    assert "three-phase physics" in both["three-phase"].table()
    v = both["three-phase"].array("phases", "v_pu", "uncoordinated")
    assert v.shape == (12, 96)
    assert phased["worst_v_pu"] == [pytest.approx(v.min()), pytest.approx(v.max())]
    assert phased["worst_v_pu"][0] < balanced["worst_v_pu"][0] - 0.01  # the balanced network hides the loaded phase
    u = both["three-phase"].array("nodes", "unbalance", "uncoordinated")
    assert phased["worst_unbalance"] == pytest.approx(u.max())
    assert balanced["worst_unbalance"] is None
    assert 0.001 < phased["worst_unbalance"] < 0.05
    assert both["positive-sequence"].frame("phases").num_rows == 0
    assert "in the OpenDSS engine" in (both["three-phase"].path / "report.html").read_text(encoding="utf-8")
    again = verify(both["three-phase"], every=7)["uncoordinated"]
    assert again["ok"]
    assert again["max_dv_pu"] < 2e-7
    assert (again["controls_moved"], again["steps"]) == (0, 14)


def test_a_changed_table_of_powers_does_not_verify(
    case: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(case, ["uncoordinated"], runs=tmp_path, physics="three-phase")
    true = type(done).array

    def changed(self: Any, name: str, column: str, strategy: str) -> Any:
        values = true(self, name, column, strategy)
        return values * 1.1 if (name, column) == ("devices", "p_kw") else values

    monkeypatch.setattr(type(done), "array", changed)
    assert not verify(done, every=20)["uncoordinated"]["ok"]


def test_the_same_run_twice_is_the_same_bit_for_bit(case: Scenario) -> None:
    results = []
    for _ in range(2):
        with ThreePhaseFlow(case) as network:
            results.append(run_twin(case, Uncoordinated(case), steps=30, physics=network))
    first, second = results
    for name in ("v_pu", "phase_v_pu", "upstream_p_kw", "q_kvar", "position"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_older_inverters_trip_on_their_own_highest_phase(tmp_path: Path) -> None:
    circuit = CIRCUIT.replace("pu=1.02", "pu=1.075").replace("new regcontrol.r1", "!")
    high = load_scenario(street(tmp_path, circuit, pv_kw=60.0))
    pv = next(fleet for fleet in high.fleets if fleet.kind == "pv")
    object.__setattr__(pv, "volt_var", np.zeros(2, dtype=bool))
    with ThreePhaseFlow(high) as network:
        result = run_twin(high, Uncoordinated(high), steps=64, physics=network)
    noon = 52
    assert result.p_kw[4:6, noon].max() == 0.0 or result.phase_v_pu is None or np.nanmax(result.phase_v_pu) <= 1.1005
    assert (result.available_kw[4:6, noon] > 50).all()
    assert (result.p_kw[4:6, noon] == 0.0).any()


def test_the_kept_circuit_alone_is_the_engines_own_answer(case: Scenario) -> None:
    found = beside_balanced(case)
    there = referee(*CIRCUIT.splitlines(), "solve")
    assert found["upstream_kw"] == pytest.approx(-there["total"][0], abs=1e-9)
    assert found["losses_kw"] == pytest.approx(there["losses"][0] / 1e3, abs=1e-9)
    assert 1e-3 < found["max_dv_pu"] < found["max_dv_phase_pu"] < 0.1


def test_a_scenario_without_a_circuit_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = street(tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("[network.three_phase]")], encoding="utf-8")
    bare = load_scenario(path)
    assert bare.three_phase is None
    with pytest.raises(ArchipelError, match=r"keeps no three-phase circuit; expected \[network.three_phase\]"):
        run(bare, runs=tmp_path / "runs", physics="three-phase")
    assert not list((tmp_path / "runs").glob("*"))


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("street.toml", 'folder = "circuit"', 'folder = "../elsewhere"', "leads outside"),
        ("street.toml", 'folder = "circuit"', 'folder = "circus"', "'circus', which is no folder"),
        ("street.toml", 'master = "street.dss"', 'master = "strasse.dss"', "Did you mean 'street.dss'?"),
        ("street.toml", 'master = "street.dss"', 'master = "../street.toml"', "a file in circuit/"),
        ("street.toml", 'master = "street.dss"\n', "", "Add master to [network.three_phase]"),
        ("three_phase_devices.csv", "load/a", "load/z", "a device the scenario does not have"),
        ("three_phase_devices.csv", "Load.a", 'Load.a"" kw=1', "class and name of an element"),
        ("three_phase_nodes.csv", "bus/b3,b3", "bus/b4,b3", "no row for the node"),
        ("three_phase_nodes.csv", "b3,1.2.3", "b3,a.b.c", "conductors of the bus"),
        ("three_phase_nodes.csv", "bus/b3,b3", "bus/b3,b 3", "the name of a bus"),
    ],
)
def test_a_circuit_that_does_not_fit_is_explained(tmp_path: Path, file: str, old: str, new: str, words: str) -> None:
    path = street(tmp_path)
    text = (tmp_path / file).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new), encoding="utf-8")
    problems = check_scenario(path)
    assert any(words in str(problem) for problem in problems), [str(p) for p in problems]
    assert all(problem.file for problem in problems)


def test_an_element_the_circuit_lacks_is_named(tmp_path: Path) -> None:
    path = street(tmp_path)
    table = tmp_path / "three_phase_devices.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("Load.d", "Load.nowhere"), encoding="utf-8")
    with pytest.raises(GridError, match=r"Load\.nowhere"), ThreePhaseFlow(load_scenario(path)):
        pass


def test_loading_is_judged_by_the_limits_of_the_scenario_not_by_those_of_the_engine(tmp_path: Path) -> None:
    """The circuit rates both lines at 200 A; here the first has half of that and the second no limit."""
    case = load_scenario(street(tmp_path))
    found = []
    for limit in ([200.0, 200.0], [100.0, np.inf]):
        lines = replace(case.grid.lines, i_a_max=np.array(limit))
        with ThreePhaseFlow(replace(case, grid=replace(case.grid, lines=lines))) as network:
            network.solve(P_KW, Q_KVAR, act=False)
            found.append(network.flow().loading)
    assert found[0][1] > 0.0
    np.testing.assert_allclose(found[1], found[0] * [2.0, 0.0, 1.0], rtol=1e-9)


def test_no_line_without_a_limit_has_a_loading_on_the_european_feeder(tmp_path: Path) -> None:
    data = os.environ.get("ARCHIPEL_DATA")
    found = sorted(Path(data).glob("networks/**/LVTestCase/Master.dss")) if data else []
    if not found:
        pytest.skip("LEFT OUT: the European low-voltage feeder needs ARCHIPEL_DATA")
    assert main(["import", str(found[0]), "-o", str(tmp_path / "lv")]) == 0
    case = load_scenario(find_scenario(tmp_path / "lv"))
    unlimited = np.isinf(case.grid.lines.i_a_max)
    with ThreePhaseFlow(case) as network:
        loading = network.flow().loading
    assert unlimited.sum() > 100
    assert not loading[: len(unlimited)][unlimited].any()
    assert (loading[len(unlimited) :] > 0.0).any(), "transformers have their nameplate"
