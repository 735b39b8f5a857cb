"""Controls that move by voltage: their own laws, their network, and pandapower's tap control as referee."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from device_fleets import fleet
from hypothesis import given, settings
from hypothesis import strategies as st

import archipel
from archipel.cell.parts import cut
from archipel.cell.taps import standing
from archipel.devices import SwitchedCapacitorFleet, TapChangerFleet
from archipel.formats.scenario import check_scenario, load_scenario
from archipel.grid.cell_network import cell_networks
from archipel.grid.power_flow import PowerFlow
from archipel.model import Scenario
from archipel.report.verify import verify
from archipel.scenarios import __file__ as shipped
from archipel.strategies.alone import Alone
from archipel.strategies.central import Central
from archipel.strategies.distributed import Distributed
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import run
from archipel.twin.course import Course

RURAL = Path(shipped).parent / "simbench"


def with_controls(folder: Path, *, source_v_pu: float = 1.025, tap: int = 0, **tables: str) -> Path:
    """The shipped rural grid with its taps at `tap` and tables of further devices; a scenario file in `folder`."""
    shutil.copytree(RURAL, folder, dirs_exist_ok=True)
    text = (folder / "island.toml").read_text().replace("v_pu = 1.025", f"v_pu = {source_v_pu}")
    for name, rows in tables.items():
        (folder / "rural" / f"{name}.csv").write_text(rows)
        text = text.replace("[devices]\n", f'[devices]\n{name} = "rural/{name}.csv"\n')
    trafos = folder / "rural" / "transformers.csv"
    trafos.write_text(trafos.read_text().replace(",hv,0,0,1.5,", f",hv,{tap},0,1.5,"))
    path = folder / "controlled.toml"
    path.write_text(text)
    return path


TAPS = "id,transformer,tap_min,tap_max,v_pu_set,band_pu\noltc/0,trafo/0,-9,9,{0},0.012\noltc/1,trafo/1,-9,9,{0},0.012\n"
"""One for each of two transformers in parallel."""


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    v=st.lists(st.sampled_from([0.0, 0.9, 0.96, 1.0, 1.04, 1.1]), min_size=1, max_size=30),
    kind=st.sampled_from(["tap_changer", "switched_capacitor"]),
)
def test_positions_stay_in_range_move_one_step_at_a_time_and_only_outside_the_band(
    seed: int, v: list[float], kind: str
) -> None:
    own = fleet(kind, seed)
    assert isinstance(own, TapChangerFleet | SwitchedCapacitorFleet)
    low, high = (own.tap_min, own.tap_max) if isinstance(own, TapChangerFleet) else (0.0 * own.steps, own.steps)
    state = own.initial(0)
    for level in v:
        felt = np.full(len(own.id), level)
        after = own.switched(state, felt, 0.05)
        moved = after["position"] - state["position"]
        assert np.all(np.abs(moved) <= 1.0)
        assert np.all((after["position"] >= low) & (after["position"] <= high))
        if isinstance(own, TapChangerFleet):
            inside = (np.abs(felt - own.v_pu_set) <= own.band_pu) | (felt == 0.0)
        else:
            inside = ((felt >= own.v_pu_on) & (felt <= own.v_pu_off)) | (felt == 0.0)
        assert not moved[inside].any()
        assert np.all(after["outside_s"][inside] == 0.0)
        state = after


@settings(max_examples=30, deadline=None)
@given(tap=st.integers(-9, 9), hv=st.booleans())
def test_a_cell_network_with_other_taps_is_the_network_made_anew_with_them(tap: int, hv: bool) -> None:
    case = load_scenario(RURAL / "island.toml")
    trafos = case.grid.transformers
    grid = replace(case.grid, transformers=replace(trafos, tap_side_hv=np.full(len(trafos), hv)))
    position = trafos.tap_pos.copy()
    position[0] = tap
    moved = replace(grid, transformers=replace(grid.transformers, tap_pos=position))
    factor = (1.0 + 0.015 * tap) / 1.0
    for before, after in zip(
        cell_networks(grid, case.archipelago), cell_networks(moved, case.archipelago), strict=True
    ):
        own = np.flatnonzero(before.branches == len(grid.lines))
        if not len(own):
            continue
        turned = before.retapped(own, np.array([hv]), np.array([factor]))
        for name in ("z", "w", "y_slack", "y_own", "admittance"):
            assert np.allclose(getattr(turned, name), getattr(after, name), rtol=1e-9, atol=1e-9), name


def test_a_cell_changes_the_ratio_of_its_own_transformers_only(tmp_path: Path) -> None:
    case = load_scenario(with_controls(tmp_path, tap_changers=TAPS.format("1.0")))
    (site,) = [one for one in cut(case).sites if any(f.kind == "tap_changer" for f in one.fleets)]
    (own,) = [f for f in site.fleets if isinstance(f, TapChangerFleet)]
    states = {own.kind: {"position": own.tap_start + 2.0, "outside_s": np.zeros(len(own.id))}}
    assert standing(site, {own.kind: own.initial(0)}) is site
    moved = standing(site, states).network
    changed = np.flatnonzero((moved.admittance != site.network.admittance).any(axis=(0, 1)))
    assert set(moved.branches[changed]) == set(own.branch)
    foreign = replace(own, branch=np.full(len(own.id), len(case.grid.branch_id)))
    elsewhere = replace(site, fleets=tuple(foreign if f is own else f for f in site.fleets))
    assert standing(elsewhere, states) is elsewhere


def settled(case: Scenario, steps: int = 1) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Voltages after some quarter hours of local rules, and where the controls stand."""
    course = Course(case, Uncoordinated(case), start=case.start, steps=steps)
    for _ in range(steps):
        course.step()
    states = dict(zip([f.kind for f in case.fleets], course.plant.states, strict=True))
    kinds = {"tap_changer", "switched_capacitor"} & set(states)
    return course.recorder.result.v_pu[:, steps - 1], {kind: states[kind]["position"] for kind in kinds}


@pytest.mark.parametrize(("source_v_pu", "v_set"), [(1.08, 1.0), (0.93, 1.0), (1.0, 1.04)])
def test_a_tap_changer_comes_to_rest_where_pandapowers_tap_control_does(
    tmp_path: Path, source_v_pu: float, v_set: float
) -> None:
    pytest.importorskip("pandapower")
    import pandapower as pp
    from pandapower.control import DiscreteTapControl

    case = load_scenario(with_controls(tmp_path, source_v_pu=source_v_pu, tap_changers=TAPS.format(v_set)))
    v_pu, position = settled(case)
    grid, trafo = case.grid, case.grid.transformers

    net = pp.create_empty_network()
    hv, lv = pp.create_bus(net, 110.0), pp.create_bus(net, 20.0)
    pp.create_ext_grid(net, hv, vm_pu=source_v_pu)
    pp.create_transformer_from_parameters(
        net, hv, lv, 25.0, 110.0, 20.0, vkr_percent=0.41, vk_percent=12.0, pfe_kw=14.0, i0_percent=0.07,
        shift_degree=150, tap_side="hv", tap_neutral=0, tap_pos=0, tap_min=-9, tap_max=9, tap_step_percent=1.5,
        tap_changer_type="Ratio", parallel=2,
    )  # fmt: skip
    branch = [grid.branch_id.index(name) for name in ("trafo/0", "trafo/1")]
    stands = trafo.tap_pos.copy()
    stands[:] = position["tap_changer"]
    there = replace(grid, transformers=replace(trafo, tap_pos=stands))
    p_kw, q_kvar = drawn(case)
    flow = PowerFlow(there).solve(p_kw, q_kvar)
    pp.create_load(net, lv, -flow.branch_p_kw[1, branch].sum() / 1e3, -flow.branch_q_kvar[1, branch].sum() / 1e3)
    DiscreteTapControl(net, element_index=0, vm_lower_pu=v_set - 0.012, vm_upper_pu=v_set + 0.012)
    pp.runpp(net, numba=False, run_control=True, calculate_voltage_angles=True, trafo_model="pi")
    assert set(position["tap_changer"]) == {net.trafo.tap_pos[0]}
    assert v_pu[grid.nodes.id.index("bus/2")] == pytest.approx(net.res_bus.vm_pu[lv], abs=2e-3)
    assert abs(v_pu[grid.nodes.id.index("bus/2")] - v_set) <= 0.012


def drawn(case: Scenario) -> tuple[np.ndarray, np.ndarray]:
    """What the nodes draw in the first quarter hour [kW, kvar]."""
    result, nodes = run(case, Uncoordinated(case), steps=1), len(case.grid.nodes)
    p_kw, q_kvar = (np.bincount(case.device_node, x[:, 0], nodes) for x in (result.p_kw, result.q_kvar))
    return p_kw, q_kvar


@pytest.mark.parametrize("strategy", [Uncoordinated, Alone, Distributed, Central])
def test_every_strategy_plans_with_the_taps_where_they_stand(tmp_path: Path, strategy: type) -> None:
    case = load_scenario(with_controls(tmp_path, source_v_pu=1.06, tap=3, tap_changers=TAPS.format("1.0")))
    kept = run(case, strategy(case), steps=5)  # two plans, the second with other taps than the scenario says
    assert np.abs(kept.v_pu[case.grid.nodes.id.index("bus/2")] - 1.0).max() <= 0.0121
    assert kept.v_pu[2:].max() < 1.05


def test_a_run_tells_where_taps_stood_and_a_replay_in_pandapower_puts_them_there(tmp_path: Path) -> None:
    pytest.importorskip("pandapower", reason="LEFT OUT: needs the extra verify")
    bank = "id,node,kvar_per_step,steps,v_pu_on,v_pu_off\nbank/0,bus/50,600,4,0.99,1.03\n"
    path = with_controls(tmp_path, source_v_pu=1.06, tap_changers=TAPS.format("1.0"), switched_capacitors=bank)
    run = archipel.run(load_scenario(path), ["uncoordinated"], runs=tmp_path / "runs", dt_minutes=15)
    assert set(run.labels("controls", "control", "uncoordinated")) == {"oltc/0", "oltc/1", "bank/0"}
    position = run.array("controls", "position", "uncoordinated")
    assert np.all(position[:2] == position[0])
    assert np.all(position[0] > 0)
    assert verify(run, every=8)["uncoordinated"]["ok"]
    assert "tap changers" in run.report().read_text()


def test_without_a_tap_changer_the_same_grid_leaves_its_band(tmp_path: Path) -> None:
    bare = load_scenario(with_controls(tmp_path, source_v_pu=1.06))
    assert run(bare, Uncoordinated(bare), steps=2).v_pu[2:].max() > 1.06


def test_capacitors_step_in_until_the_voltage_is_back_and_give_power_by_its_square(tmp_path: Path) -> None:
    rows = "id,node,kvar_per_step,steps,v_pu_on,v_pu_off\nbank/0,bus/50,600,4,0.99,1.03\n"
    case = load_scenario(with_controls(tmp_path, source_v_pu=0.98, switched_capacitors=rows))
    bare = load_scenario(with_controls(tmp_path / "bare", source_v_pu=0.98))
    v_pu, position = settled(case)
    before, _ = settled(bare)
    at = case.grid.nodes.id.index("bus/50")
    steps = position["switched_capacitor"][0]
    assert 0 < steps <= 4
    assert v_pu[at] > before[at]
    result = run(case, Uncoordinated(case), steps=1)
    row = case.device_id.index("bank/0")
    assert result.q_kvar[row, 0] == pytest.approx(-600.0 * steps * v_pu[at] ** 2, rel=1e-3)


@pytest.mark.parametrize(
    ("table", "rows", "words"),
    [
        ("tap_changers", "id,transformer,tap_min,tap_max\na,trafo/9,-9,9\n", "the id of a transformer"),
        ("tap_changers", "id,transformer,tap_min,tap_max,band_pu\na,trafo/0,-9,9,0.005\n", "wider than one tap"),
        ("tap_changers", "id,transformer,tap_min,tap_max\na,trafo/0,2,9\n", "a range that holds the position"),
        ("tap_changers", "id,transformer,tap_min,tap_max\na,trafo/0,-9,9\nb,trafo/0,-9,9\n", "one tap changer"),
        ("switched_capacitors", "id,node,kvar_per_step,v_pu_on,v_pu_off\na,bus/50,9,1.1,1.0\n", "v_pu_on below"),
        ("switched_capacitors", "id,node,kvar_per_step,steps,steps_start\na,bus/50,9,1,2\n", "no more steps"),
    ],
)
def test_controls_that_cannot_work_are_refused_with_the_way_to_mend_them(
    tmp_path: Path, table: str, rows: str, words: str
) -> None:
    problems = check_scenario(with_controls(tmp_path, **{table: rows}))
    assert any(words in str(problem) for problem in problems), problems
