"""What our reader makes of MATPOWER cases: conversions understood and never run, physics equal to pandapower's."""

from __future__ import annotations

import contextlib
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from formats_cases import data_folder
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.formats.importing import import_scenario
from archipel.formats.networks import reader_of
from archipel.formats.networks.base import ReadOptions
from archipel.formats.networks.matpower import MatpowerReader
from archipel.formats.networks.matpower_language import read_case
from archipel.formats.referee import largest_difference, solved
from archipel.model import ImportRefused

READER = MatpowerReader()
KW = ["case16ci", "case22", "case33bw", "case34sa", "case69", "case85"]
"""Cases in kW and ohm; case141 is in kVA of one power factor and ohm, case18 in MW and per unit."""
TINY = """function mpc = tiny
mpc.version = '2';
mpc.baseMVA = 10;
mpc.bus = [
 1 3 0 0 0 0 1 1.00 0 20 1 1.1 0.9;
 2 1 2 1 0 0.5 1 1 0 20 1 1.1 0.9;
 7 2 0 0 0 0 1 1 0 10 1 1.1 0.9; % a step-down behind the next row
 8 1 1 0.2 0.1 0 1 1 0 10 1 1.1 0.9;
 9 1 0.5 0.2 0 0 1 1 0 20 1 1.1 0.9;
 10 4 3 1 0 0 1 1 0 20 1 1.1 0.9];
mpc.gen = [1 0 0 9 -9 1.02 10 1 9 0; 8 0.4 0.1 1 -1 1 1 1 1 0; 7 0.3 0 1 -1 1.0 1 0 1 0; 1 0 0 9 -9 1.02 10 1 9 0];
mpc.branch = [
 1 2 0.01 0.02 0.03 5 0 0 0 0 1 -360 360;
 2 7 0.01 0.06 0.02 8 0 0 0.97 0 1 -360 360;
 7 8 0.02 0.03 0 0 0 0 0 0 1 -360 360;
 8 9 0.02 0.05 0.01 0 0 0 1.02 30 1 -360 360;
 1 9 0.02 0.05 -0.01 0 0 0 0 0 1 -360 360;
 2 9 0.02 0.05 0 0 0 0 0 0 0 -360 360];
mpc.bus_name = {'source'; 'village'; 'works'; 'far'; 'north'; 'gone'};
"""


def plain(path: Path) -> dict[str, np.ndarray]:
    """The matrices of a file without its closing lines: text to numbers, in a handful of lines of the tests' own."""
    text = re.sub(r"%[^\n]*", "", path.read_text(encoding="utf-8"))
    return {
        name: np.array([row.split() for row in body.strip().rstrip(";").split(";")], dtype=np.float64)
        for name, body in re.findall(r"mpc\.(bus|gen|branch)\s*=\s*\[(.*?)\]", text, re.DOTALL)
    } | {"base": np.array(float(re.search(r"baseMVA\s*=\s*([\d.]+)", text)[1]))}  # type: ignore[index]


def by_hand(name: str) -> dict[str, np.ndarray]:
    """The case in MW and per unit, its conversion written down by hand."""
    case = plain(data_folder() / "networks" / "matpower" / f"{name}.m")
    bus, branch, base = case["bus"], case["branch"], float(case["base"])
    if name != "case18":
        branch[:, 2:4] /= bus[0, 9] ** 2 / base
        bus[:, 2:4] /= 1e3
    if name == "case141":
        bus[:, 3] = bus[:, 2] * np.sqrt(1.0 - 0.85**2)
        bus[:, 2] *= 0.85
    return case


@pytest.mark.parametrize("name", [*KW, "case18", "case141"])
def test_a_matpower_case_agrees_with_pandapower_on_numbers_converted_by_hand(name: str) -> None:
    pytest.importorskip("pandapower", reason="the extra [verify] brings the referee pandapower")
    from pandapower.converter.pypower import from_ppc

    case = by_hand(name)
    numbers = [int(n) for n in case["bus"][:, 0]]
    for table, columns in (("bus", [0]), ("gen", [0]), ("branch", [0, 1])):
        for column in columns:
            case[table][:, column] = [numbers.index(int(n)) for n in case[table][:, column]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = from_ppc(
            {"baseMVA": float(case["base"]), **{k: case[k] for k in ("bus", "gen", "branch")}},
            f_hz=50,
            validate_conversion=False,
        )
        v_pu = solved(net)
    imported = READER.read(str(data_folder() / "networks" / "matpower" / f"{name}.m"), ReadOptions())
    assert largest_difference({f"bus/{n}": v for n, v in zip(numbers, v_pu, strict=True)}, imported) < 1e-6
    assert imported.report.dropped == ()
    assert imported.report.in_source is not None
    assert imported.report.in_source.p_load_kw == pytest.approx(imported.report.p_load_kw)
    assert imported.report.in_source.q_load_kvar == pytest.approx(imported.report.q_load_kvar)
    assert READER.compare(str(data_folder() / "networks" / "matpower" / f"{name}.m"), imported) < 1e-7


def test_the_case_that_pandapower_carries_itself_has_the_same_voltages() -> None:
    networks = pytest.importorskip("pandapower.networks", reason="the extra [verify] brings the referee pandapower")
    v_pu = solved(networks.case33bw())
    imported = READER.read(str(data_folder() / "networks" / "matpower" / "case33bw.m"), ReadOptions())
    assert largest_difference({f"bus/{i + 1}": float(v) for i, v in enumerate(v_pu)}, imported) < 1e-6
    assert imported.report.p_load_kw == pytest.approx(3715.0)
    assert imported.report.q_load_kvar == pytest.approx(2300.0)
    assert (~imported.grid.lines.from_closed).sum() == 5  # open lines are kept
    assert len(imported.grid.switches) == 10


def tiny(folder: Path, text: str = TINY) -> str:
    path = folder / "tiny.m"
    path.write_text(text, encoding="utf-8")
    return str(path)


def reference(text: str) -> dict[str, float]:
    """The bus and branch equations of the manual, typed in once more and solved by the implicit Z-bus method."""
    case = read_case(text, "tiny.m")
    bus, branch, gen = case["bus"][case["bus"][:, 1] < 4], case["branch"], case["gen"]
    at = {int(number): i for i, number in enumerate(bus[:, 0])}
    y = np.diag(bus[:, 4] + 1j * bus[:, 5]) / 10.0
    for f, t, r, x, b, tap, degree, on in branch[:, [0, 1, 2, 3, 4, 8, 9, 10]]:
        i, k, ratio = at[int(f)], at[int(t)], (tap or 1.0) * np.exp(1j * np.deg2rad(degree))
        series, half = on / (r + 1j * x), on * 0.5j * b
        y[i, i] += (series + half) / abs(ratio) ** 2
        y[k, k] += series + half
        y[i, k] -= series / np.conj(ratio)
        y[k, i] -= series / ratio
    s = -(bus[:, 2] + 1j * bus[:, 3]) / 10.0
    for number, p, q, on in gen[:, [0, 1, 2, 7]]:
        s[at[int(number)]] += on * (p + 1j * q) / 10.0
    v = np.full(len(bus), 1.02 + 0j)
    for _ in range(200):
        v[1:] = np.linalg.solve(y[1:, 1:], np.conj(s[1:] / v[1:]) - y[1:, 0] * v[0])
    return {f"bus/{number}": float(abs(v[i])) for number, i in at.items()}


def test_a_case_with_everything_in_it_agrees_with_pandapower(tmp_path: Path) -> None:
    source = tiny(tmp_path)
    assert reader_of(source).name == "matpower"
    written = import_scenario(source, tmp_path / "out")
    report = written.report
    assert report.dv_pu_max is not None
    assert report.dv_pu_max < 1e-6
    own = reference(TINY)
    assert largest_difference(own, READER.read(source, ReadOptions())) < 1e-7
    assert any("isolated (type 4) (bus/10)" in note for note in report.dropped)
    assert any("out of service (gen/3)" in note for note in report.dropped)
    assert any("(gen/2)" in note for note in report.merged)
    grid = READER.read(source, ReadOptions()).grid
    assert grid.transformers.id == ("trafo/2", "trafo/4")
    assert grid.transformers.hv_node.tolist() == [1, 4]  # the second one steps up: its to end is the higher voltage
    assert grid.lines.i_a_max[0] == pytest.approx(5000.0 / (np.sqrt(3.0) * 20.0))
    assert np.isinf(grid.lines.i_a_max[1])
    assert grid.nodes.name == ("source", "village", "works", "far", "north")
    assert grid.source.v_pu == 1.02
    assert len(grid.shunts) == 2 + 4 + 2  # two of buses, the charging of two transformers and of one odd line


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.floats(0.1, 9.0).map(lambda x: f"{x:.3f}"),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-", "*", "/", ".*", "./"]), inner).map(" ".join).map("({})".format),
            inner.map("-{}".format),
            inner.map("sqrt(abs({}))".format),
            inner.map("{} .^ 2".format).map("({})".format),
        ),
        max_leaves=12,
    )
)
def test_arithmetic_means_what_python_means_by_it(expression: str) -> None:
    ours = float(read_case(f"x = {expression};", "x.m")["x"].item())
    python = expression.replace(".*", "*").replace("./", "/").replace(".^", "**").replace("sqrt(", "root(")
    with np.errstate(all="ignore"):
        theirs = eval(python, {"root": lambda v: v**0.5, "abs": abs, "__builtins__": {}})  # the tests' own text
    assert ours == pytest.approx(theirs, rel=1e-9)


def test_columns_ranges_ends_and_signs_in_matrices_are_understood() -> None:
    fields = read_case(
        """mpc.a = [1 -2, 3 - 4
        5 ... goes on
        6 7];
        %{
        system('never')
        %}
        mpc.b = mpc.a(:, 2)' .* 2;  # as Octave comments
        mpc.a(end, [1 3]) = [10 30];
        mpc.c = mpc.a(1, 1:2);
        mpc.name = {'it''s', "two"};
        mpc.bus = [];
        """,
        "x.m",
    )
    assert fields["a"].tolist() == [[1.0, -2.0, -1.0], [10.0, 6.0, 30.0]]
    assert fields["b"].tolist() == [[-4.0, 12.0]]
    assert fields["c"].tolist() == [[1.0, -2.0]]
    assert fields["name"] == ["it's", "two"]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("eval('delete x')", "line 2: found eval(...)"),
        ("x = system('ls');", "line 2: found a call of system(...)"),
        ("mpc = loadcase('case9');", "line 2: found a call of loadcase(...)"),
        ("!rm -rf x", "line 2: found '!'; expected an assignment"),
        ("for i = 1:3", "line 2: found the statement 'for'"),
        ("mpc.bus(:, PD) = 3;", "line 2: found the name 'PD'"),
        ("x = [1 2; 3];", "line 2: found a row of 1 numbers; expected 2"),
        ("x = [1 y];", "line 2: found the name 'y'"),
        ("x = [1 2](5);", "found '('"),
        ("x = mpc.bus * mpc.bus;", "found * between matrices"),
        ("x = 1:1e12;", "found a range"),
        ("x = " + "(" * 100 + "1" + ")" * 100 + ";", "brackets in brackets"),
        ("mpc.bus(9, 9) = 1;", "index 9 of mpc; expected 1 to 2"),
        ("x = 'no end", "a text without its end"),
        ("x = @(y) y;", "found '@'"),
        ("[a, b] = size(mpc.bus);", "found 'size'; expected one of idx_bus"),
        ("x = 3 $ 4;", "the sign '$'"),
    ],
)
def test_what_is_not_data_is_refused_with_its_line(statement: str, told: str) -> None:
    with pytest.raises(ImportRefused) as refused:
        read_case(f"mpc.bus = [1 2; 3 4];\n{statement}\n", "x.m")
    assert told in str(refused.value)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="mpc.bus=[]{}();:,'\"123 +-*/^%\n@!ab", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ImportRefused):
        assert isinstance(read_case(text, "x.m"), dict)


@pytest.mark.parametrize(
    "kept",
    [
        "function mpc = c\nmpc.baseMVA = 1;\nmpc.bus = [\n1 3 0 0",
        "function mpc = c\nmpc.baseMVA = 1;\n[PQ, PV",
        "function mpc = c\nmpc.version = '2",
        "function mpc = c\nmpc.baseMVA = 1;\nmpc.bus = [1 3 0 0 0 0 1 1 0 12.66 1 1 1];\n",
        "function mpc = c\nmpc.baseMVA =",
    ],
)
def test_a_file_cut_off_is_asked_about(kept: str, tmp_path: Path) -> None:
    path = tmp_path / "c.m"
    path.write_text(kept, encoding="utf-8")
    with pytest.raises(ImportRefused, match=r"Is the file cut off\?"):
        import_scenario(path, tmp_path / "out", compare=False)


def test_a_mistake_in_the_middle_of_a_whole_file_is_no_cut(tmp_path: Path) -> None:
    path = tmp_path / "c.m"
    path.write_text("function mpc = c\nmpc.baseMVA = [1;\n2\n3 4];\nmpc.version = '2';\n", encoding="utf-8")
    with pytest.raises(ImportRefused) as caught:
        import_scenario(path, tmp_path / "out", compare=False)
    assert "cut off" not in str(caught.value)
