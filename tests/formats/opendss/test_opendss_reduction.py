"""Three phases as positive sequence: the engine itself is the referee."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opendss_cases import HEAD, write_model

from archipel.formats.imported import Imported
from archipel.formats.importing import import_scenario
from archipel.formats.networks.base import ReadOptions
from archipel.formats.networks.opendss.child import OpenDssChild
from archipel.formats.networks.opendss.model import Model
from archipel.formats.networks.opendss.reader import OpenDssReader
from archipel.formats.networks.opendss.sequence import positive_sequence, series_equivalent
from archipel.formats.networks.opendss.shapes import DAY, clear_sky, quarters
from archipel.formats.networks.opendss.windings import series_of_centre_tap
from archipel.formats.scenario import load_scenario
from archipel.grid.power_flow import PowerFlow
from archipel.model import ImportRefused

ABC = np.exp(-2j * np.pi / 3.0 * np.arange(3))
PI = st.floats(0.01, 10.0)

EACH_ALONE = """
New Line.three bus1=sourcebus bus2=three r1=0.3 x1=0.6 r0=0.9 x0=1.8 c1=20 c0=10 length=3 units=km normamps=300
New Load.three bus1=three kv=12.47 kw=900 kvar=300 vminpu=0.5
New Line.one phases=1 bus1=sourcebus.2 bus2=one.2 r1=0.5 x1=0.9 r0=0.5 x0=0.9 c1=0 c0=0 length=2 units=km normamps=90
New Load.one phases=1 bus1=one.2 kv=7.2 kw=200 kvar=80 vminpu=0.5
New Transformer.pole phases=1 windings=2 buses=(sourcebus.3 pole.3) kvs=(7.2 0.277) kvas=(100 100) xhl=3 %loadloss=1.4
New Load.pole phases=1 bus1=pole.3 kv=0.277 kw=70 kvar=20 vminpu=0.5
New Transformer.tapped phases=1 windings=3 buses=(sourcebus.1 home.1.0 home.0.2) kvs=(7.2 0.12 0.12) kvas=(25 25 25)
~ xhl=2.04 xht=2.04 xlt=1.36 %rs=(0.6 1.2 1.2) conns=(wye wye wye)
New Line.service phases=2 bus1=home.1.2 bus2=kitchen.1.2 length=20 units=km
~ rmatrix=(0.0015 | 0.0005 0.0015) xmatrix=(0.0007 | 0.0005 0.0007) cmatrix=(0 | 0 0)
New Load.kitchen phases=1 bus1=kitchen.1.2 kv=0.24 kw=9 kvar=3 vminpu=0.5
New Transformer.between phases=1 windings=2 buses=(sourcebus.1.2 between.1) conns=(delta wye) kvs=(12.47 0.277)
~ kvas=(100 100) xhl=3 %loadloss=1.4
New Load.between phases=1 bus1=between.1 kv=0.277 kw=60 kvar=20 vminpu=0.5
New Transformer.reg1 phases=1 bank=reg windings=2 buses=(sourcebus.1 held.1) kvs=(7.2 7.2) kvas=(500 500)
~ xhl=1 taps=(1 1.05)
New Transformer.reg2 like=reg1 buses=(sourcebus.2 held.2) taps=(1 1.05)
New Transformer.reg3 like=reg1 buses=(sourcebus.3 held.3) taps=(1 1.05)
New Load.held bus1=held kv=12.47 kw=600 kvar=200 vmaxpu=1.2
New Line.sw bus1=sourcebus bus2=joined switch=yes
New Capacitor.bank bus1=three kv=12.47 kvar=300
New Reactor.choke bus1=sourcebus bus2=behind r=0.2 x=2
New Load.behind bus1=behind kv=12.47 kw=900 kvar=300 vminpu=0.5
New Transformer.sub windings=2 buses=(sourcebus low) conns=(delta wye) kvs=(12.47 0.48) kvas=(500 500) xhl=5 %loadloss=1
New Load.low bus1=low kv=0.48 kw=300 kvar=100 vminpu=0.5
"""
CLOSE = "Set VoltageBases=[12.47 0.48 0.208]\nCalcVoltageBases\nSet tolerance=1e-9\nSet maxiterations=100\nSolve\n"


@pytest.fixture(scope="module")
def each_alone(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    path = write_model(tmp_path_factory.mktemp("alone"), EACH_ALONE, tail=CLOSE)
    return OpenDssReader().read(str(path), ReadOptions())


def test_every_kind_of_element_alone_on_a_stiff_source_keeps_the_voltage_of_the_engine(each_alone: Imported) -> None:
    # Behind a stiff source nothing of another phase disturbs: the equivalent has to be exact.
    assert each_alone.report.dv_pu_max == pytest.approx(0.0, abs=1e-6)


def test_a_line_of_one_phase_has_three_times_its_impedance_and_a_third_of_its_rating(each_alone: Imported) -> None:
    lines = each_alone.grid.lines
    one, three = lines.id.index("line/one"), lines.id.index("line/three")
    assert lines.r_ohm[one] == pytest.approx(3.0 * 0.5 * 2.0, rel=1e-3)
    assert lines.x_ohm[one] == pytest.approx(3.0 * 0.9 * 2.0, rel=1e-3)
    assert lines.i_a_max[one] == pytest.approx(30.0)
    assert (lines.r_ohm[three], lines.x_ohm[three]) == pytest.approx((0.9, 1.8), rel=1e-3)
    assert lines.c_nf[three] == pytest.approx(60.0, rel=1e-2)
    assert lines.i_a_max[three] == pytest.approx(300.0)


def test_three_regulators_of_one_phase_become_one_transformer_and_the_report_says_so(each_alone: Imported) -> None:
    trafos = each_alone.grid.transformers
    bank = trafos.id.index("trafo/reg1")
    assert not {"trafo/reg2", "trafo/reg3"} & set(trafos.id)
    assert trafos.sn_kva[bank] == 1500.0
    assert trafos.vn_lv_kv[bank] / trafos.vn_hv_kv[bank] == pytest.approx(1.05)
    assert any("reg1 + reg2 + reg3" in line for line in each_alone.report.merged)
    assert any("reg1 1/1.05" in line for line in each_alone.report.approximated)


def test_a_transformer_of_one_phase_keeps_its_power_and_a_delta_wye_one_its_shift(each_alone: Imported) -> None:
    trafos = each_alone.grid.transformers
    assert trafos.sn_kva[trafos.id.index("trafo/pole")] == 100.0
    assert trafos.shift_degree[trafos.id.index("trafo/sub")] % 360.0 == 30.0


def test_ids_are_those_of_the_engine_by_kind(each_alone: Imported) -> None:
    grid = each_alone.grid
    assert "bus/kitchen" in grid.nodes.id
    assert "load/kitchen" in each_alone.devices.load.id
    assert "line/reactor_choke" in grid.lines.id
    assert grid.switches.id == ("switch/sw",)
    assert grid.shunts.id == ("shunt/capacitor_bank",)
    assert grid.shunts.q_kvar[0] == pytest.approx(-300.0, rel=1e-3)
    assert grid.f_hz == 60.0


def test_what_the_source_draws_is_what_it_draws_in_the_engine(each_alone: Imported) -> None:
    p = np.bincount(each_alone.devices.load.node, each_alone.devices.load.p_kw, len(each_alone.grid.nodes))
    q = np.bincount(each_alone.devices.load.node, each_alone.devices.load.q_kvar, len(each_alone.grid.nodes))
    flow = PowerFlow(each_alone.grid).solve(p, q)
    text = " ".join(each_alone.report.approximated)
    theirs = float(text.split("(engine ")[1].split(" kW")[0].replace(",", ""))
    assert flow.upstream_p_kw == pytest.approx(theirs, rel=2e-4)


def test_a_jumper_and_an_unregulated_phase_beside_a_regulator_are_part_of_the_bank(tmp_path: Path) -> None:
    body = """
New Transformer.reg phases=1 windings=2 buses=(sourcebus.1 out.1) kvs=(7.2 7.2) kvas=(500 500) xhl=0.1 taps=(1 1.09)
New Line.b phases=1 bus1=sourcebus.2 bus2=out.2 switch=yes
New Line.c phases=1 bus1=sourcebus.3 bus2=out.3 r1=1e-4 x1=1e-4 length=1
New Load.x bus1=out kv=12.47 kw=100 kvar=30
"""
    imported = OpenDssReader().read(str(write_model(tmp_path, body)), ReadOptions())
    trafos = imported.grid.transformers
    assert len(imported.grid.switches) == len(imported.grid.lines) == 0
    assert trafos.vn_lv_kv[0] / trafos.vn_hv_kv[0] == pytest.approx(1.03)
    assert imported.report.dv_pu_max == pytest.approx(0.0, abs=5e-4)


def test_what_has_no_counterpart_is_named_and_nothing_vanishes(tmp_path: Path) -> None:
    body = """
New Line.l bus1=sourcebus bus2=a r1=0.1 x1=0.1 length=1
New Line.off bus1=a bus2=far r1=0.1 x1=0.1 length=1 enabled=no
New Line.open bus1=a bus2=c r1=0.1 x1=0.1 length=1
New Load.dark bus1=c kv=12.47 kw=5
New Load.z bus1=a kv=12.47 kw=50 kvar=10 model=2
New IndMach012.motor bus1=a kv=12.47 kw=20 kva=30
New Fuse.f monitoredobj=line.l ratedcurrent=5000
New Monitor.m element=line.l
New Storage.s bus1=a kv=12.47 kwrated=10 kwhrated=40
New Generator.g bus1=a kv=12.47 kw=5
New PVSystem.roof bus1=a kv=12.47 kva=8 pmpp=9
"""
    tail = "Set VoltageBases=[12.47]\nCalcVoltageBases\nOpen Line.open 1\nSolve\n"
    report = OpenDssReader().read(str(write_model(tmp_path, body, tail=tail)), ReadOptions()).report
    text = str(report)
    for name in ("load.dark", "indmach012.motor", "line.open", "pvsystem.roof", "generator.g", "fuse", "monitor"):
        assert name in text
    assert report.unknown == ("1 x indmach012",)
    assert report.before["line"] == 3
    assert report.after["line"] == 2  # one of them an open switch; the third is disabled
    explained = " ".join([*report.dropped, *report.merged, *report.approximated])
    for kind, count in report.before.items():
        assert report.after.get(kind, 0) == count or kind in explained or kind == "bus", kind
    assert any("constant impedance" in line for line in report.approximated)
    assert report.p_load_kw == pytest.approx(50.0 + 20.0, rel=1e-3)  # the load model goes, the nominal power stays
    assert report.storage_kwh == 40.0


@pytest.mark.parametrize("factor", [1e16, np.nan, np.inf])
def test_voltages_that_are_no_solution_are_refused(tmp_path: Path, factor: float) -> None:
    with OpenDssChild(tmp_path, write_model(tmp_path, "New Line.l bus1=sourcebus bus2=a length=1").name) as child:
        tables = child.ask("everything")
    assert Model(tables, "master.dss").bus == ["sourcebus", "a"]
    tables["voltages"]["v"][3] *= factor
    with pytest.raises(ImportRefused, match=r"OpenDSS itself ends at .* at a\.1"):
        Model(tables, "master.dss")


def test_a_model_without_nominal_voltages_gets_those_of_the_engine(tmp_path: Path) -> None:
    path = tmp_path / "master.dss"
    path.write_text(HEAD + "New Line.l bus1=sourcebus bus2=a r1=0.1 x1=0.1 length=1\nSolve\n")
    imported = OpenDssReader().read(str(path), ReadOptions())
    assert imported.grid.nodes.vn_kv == pytest.approx([12.47, 12.47], rel=1e-3)


def test_reduced_only_leaves_no_three_phase_source_and_else_it_is_kept_whole(tmp_path: Path) -> None:
    (tmp_path / "codes.dss").write_text("New LineCode.c nphases=3 r1=0.1 x1=0.1\n")
    body = "Redirect codes.dss\nNew Line.l bus1=sourcebus bus2=a linecode=c length=1\nNew Load.x bus1=a kv=12.47 kw=10"
    path = write_model(tmp_path, body)
    whole = import_scenario(path, tmp_path / "whole").scenario
    reduced = import_scenario(path, tmp_path / "reduced", reduce=True).scenario
    assert not (reduced.parent / "opendss").exists()
    assert "three_phase" not in reduced.read_text()
    assert (whole.parent / "opendss" / "codes.dss").read_bytes() == (tmp_path / "codes.dss").read_bytes()
    three_phase = load_scenario(whole).three_phase
    assert three_phase is not None
    assert three_phase.device == {"load/x": "load.x"}
    assert three_phase.branch["line/l"] == ("line.l",)
    assert three_phase.node["bus/a"].phases == (1, 2, 3)


def test_a_refused_model_leaves_nothing_behind(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model", "New Wibble.x")
    with pytest.raises(Exception, match="Wibble"):
        import_scenario(path, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model"]


@given(PI, PI, PI, PI)
def test_symmetric_phases_reduce_to_self_less_mutual(rs: float, xs: float, rm: float, xm: float) -> None:
    own, mutual = complex(rs + rm, xs + xm), complex(rm, xm)  # a line always has more of its own
    z = np.full((3, 3), mutual) + np.eye(3) * (own - mutual)
    y = np.linalg.inv(z)
    prim = np.block([[y, -y], [-y, y]])
    equal = series_equivalent(prim, ABC, ABC, (1, 2, 3))
    assert equal is not None
    assert equal.z_ohm == pytest.approx(own - mutual)
    assert abs(equal.shunt_s) < 1e-9 * abs(y).max()
    # Turning or renaming the phases changes nothing.
    turned = series_equivalent(prim, np.roll(ABC, 1) * 1j, np.roll(ABC, 1) * 1j, (2, 3, 1))
    assert turned is not None
    assert turned.z_ohm == pytest.approx(own - mutual)


@given(PI, PI, PI, PI)
def test_two_legs_of_a_split_phase_count_twice_the_difference(rs: float, xs: float, rm: float, xm: float) -> None:
    own, mutual = complex(rs + rm, xs + xm), complex(rm, xm)
    y = np.linalg.inv(np.array([[own, mutual], [mutual, own]]))
    v = np.array([1.0, -1.0], dtype=np.complex128)
    equal = series_equivalent(np.block([[y, -y], [-y, y]]), v, v, (1, 2))
    assert equal is not None
    assert equal.z_ohm == pytest.approx(1.5 * (own - mutual))
    assert equal.rating == pytest.approx(2.0 / 3.0)


def test_a_neutral_conductor_is_taken_as_earthed() -> None:
    z = np.diag([1.0 + 2j, 1.0 + 2j, 1.0 + 2j, 3.0 + 1j]) + 0.2j
    y = np.linalg.inv(z)
    v = np.append(ABC, 0.0)
    equal = series_equivalent(np.block([[y, -y], [-y, y]]), v, v, (1, 2, 3, 4))
    assert equal is not None
    kron = z[:3, :3] - z[:3, 3:] @ z[3:, :3] / z[3, 3]
    assert equal.z_ohm == pytest.approx(kron[0, 0] - kron[0, 1])
    assert equal.phases == (1, 2, 3)


@given(st.floats(0.8, 1.2), st.floats(-3.0, 3.0), st.permutations([1, 2, 3]))
def test_balanced_voltages_are_their_own_positive_sequence(size: float, angle: float, order: list[int]) -> None:
    v = size * np.exp(1j * angle) * ABC[np.array(order) - 1]
    one, each = positive_sequence(v, tuple(order))
    assert one == pytest.approx(size)
    assert each == pytest.approx([size] * 3)


def test_halves_of_a_centre_tap_are_in_parallel_for_the_power_they_share() -> None:
    # 2.04 and 1.36 % are textbook values: 1.36 from the primary, 0.68 from either half.
    assert series_of_centre_tap([0.6, 1.2, 1.2], [25.0] * 3, (2.04, 2.04, 1.36)) == pytest.approx((1.2, 1.7))


@given(
    st.sampled_from([1 / 60, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0]),
    st.integers(1, 3),
    st.integers(0, 2**32 - 1),
)
def test_quarter_hours_keep_the_energy_of_a_load_shape(hours: float, days: int, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(0.0, 10.0, round(days * 24 / hours))
    result = quarters(values, hours)
    assert len(result) == days * DAY
    assert result.sum() * 0.25 == pytest.approx(values.sum() * hours, rel=1e-9)
    if hours > 0.25:  # a step becomes a step
        assert set(np.round(result, 9)) <= set(np.round(values, 9))


def test_a_clear_day_is_dark_at_night_and_brightest_at_noon() -> None:
    day = clear_sky()
    assert day[: 6 * 4] == pytest.approx(0.0, abs=1e-12)
    assert day[18 * 4 :] == pytest.approx(0.0, abs=1e-12)
    assert int(np.argmax(day)) in {47, 48}
    assert day.sum() * 0.25 == pytest.approx(24.0 / np.pi)
