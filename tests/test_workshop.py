"""The workshop itself: commands that pages tell people to type, what is in the repository, how fast the door opens."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "docs"))

from reading import ROOT, commands, shorten, tracked

from archipel.cli import run_command
from archipel.cli.main import main, parser

COMMANDS = sorted(set(commands()))
OURS = [words for _, words in COMMANDS if Path(words[0]).name == "archipel"]
OTHERS = sorted({words for _, words in COMMANDS if Path(words[0]).name != "archipel"})


def called(words: tuple[str, ...]) -> str:
    """A command as a test's name."""
    return " ".join(words)


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=[f"{page}: {called(words)}" for page, words in COMMANDS])
def test_a_command_in_the_docs_is_one_there_is(page: str, words: tuple[str, ...]) -> None:
    del page
    if Path(words[0]).name == "archipel":
        if {"--help", "--version"} & set(words):
            with pytest.raises(SystemExit, match="0"):
                parser().parse_args(words[1:])
        else:
            assert callable(parser().parse_args(words[1:]).func)
    elif words[0] == "make":
        targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert set(words[1:]) <= targets
    else:
        assert words[:5] == (".venv/bin/python", "-m", "pip", "install", "-e")
        (extra,) = re.findall(r"^\.\[(\w+)\]$", words[5])
        assert re.search(rf"^{extra} = ", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


def test_the_readme_has_its_two_commands() -> None:
    typed = {words for page, words in COMMANDS if page == "README.md"}
    assert {("make", "run"), ("make", "test")} <= typed


@pytest.mark.parametrize(
    "words", [w for w in OURS if w[1] in {"scenarios", "check"} and not any(word.startswith("my-grid") for word in w)]
)
def test_a_quick_command_of_the_docs_does_what_it_says(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words[1:]) == 0
    assert "district" in capsys.readouterr().out


def test_what_make_run_runs_leaves_a_table_and_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = re.findall(r"^run:.*\n\t\$\(BIN\)/archipel (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    shorten(monkeypatch, steps=1)
    # The planners have tests of their own; here it is the command, its table and its folder.
    monkeypatch.setattr(run_command, "ALL", ("uncoordinated", "alone"))
    assert main([*line.split(), "--quiet"]) == 0
    said = capsys.readouterr().out
    (folder,) = (tmp_path / "runs").iterdir()
    assert (folder / "report.html").is_file()
    assert "uncoordinated" in said
    assert "alone" in said
    assert main(["report", folder.name, "-o", "day.html"]) == 0
    assert (tmp_path / "day.html").is_file()


@pytest.fixture
def net_json(tmp_path: Path) -> Path:
    """A village as pandapower writes it."""
    pandapower = pytest.importorskip("pandapower", reason="LEFT OUT: needs pandapower, from requirements/dev.lock")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = pandapower.create_empty_network()
        nodes = [pandapower.create_bus(net, kv) for kv in (110.0, 20.0, 20.0, 0.4, 0.4)]
        pandapower.create_ext_grid(net, nodes[0])
        pandapower.create_transformer(net, nodes[0], nodes[1], "25 MVA 110/20 kV")
        pandapower.create_line(net, nodes[1], nodes[2], 1.0, "NA2XS2Y 1x185 RM/25 12/20 kV")
        pandapower.create_transformer(net, nodes[2], nodes[3], "0.4 MVA 20/0.4 kV")
        pandapower.create_line(net, nodes[3], nodes[4], 0.1, "NAYY 4x150 SE")
        pandapower.create_load(net, nodes[4], 0.05, 0.01)
        pandapower.create_sgen(net, nodes[4], 0.03, type="PV")
        pandapower.to_json(net, str(tmp_path / "net.json"))
    return tmp_path / "net.json"


def test_a_network_of_ones_own_is_imported_checked_and_run_as_the_readme_says(
    net_json: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(net_json.parent)
    shorten(monkeypatch, steps=5)
    typed = [
        ("archipel", "import", "net.json", "-o", "my-grid"),
        ("archipel", "check", "my-grid/net.toml"),
        ("archipel", "run", "my-grid/net.toml"),
    ]
    readme = [words for page, words in commands() if page == "README.md"]
    at = readme.index(typed[0])
    assert readme[at : at + 3] == typed
    assert main([*typed[0][1:], "--no-compare"]) == 0
    assert "Proposed cells" in capsys.readouterr().out
    assert main(typed[1][1:]) == 0
    assert main([*typed[2][1:], "--quiet"]) == 0
    table = capsys.readouterr().out
    assert all(name in table for name in ("uncoordinated", "alone", "distributed", "central"))


def test_help_needs_neither_numpy_nor_pyarrow() -> None:
    script = (
        "import sys\n"
        "from archipel.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "print(sorted({'numpy', 'scipy', 'pyarrow', 'piqp', 'power_grid_model'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_core_runs_and_reports_without_pandas_numba_or_pandapower(tmp_path: Path) -> None:
    script = """
import sys

class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pandas", "numba", "pandapower", "clarabel", "highspy"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Gone())
from archipel import twin
from archipel.cli.main import main
from archipel.report import session

def short(scenario, strategy, days, **what):
    return twin.run(scenario, strategy, steps=1, **what)

session.run_twin = short
sys.exit(main(["run", "district", "--strategy", "uncoordinated", "--strategy", "alone", "--quiet"]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Cost of the run" in done.stdout


def test_no_file_names_a_place_on_somebodys_machine_or_a_package_registry() -> None:
    # Written apart, so that this file does not name them either.
    places = ("/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/Us" + "ers/", "C:" + "\\Us" + "ers")
    registries = ("py" + "pi.org", "python" + "hosted.org", "index" + "-url", "find" + "-links", "ana" + "conda.org")
    pattern = re.compile("|".join(re.escape(word) for word in (*places, *registries)))
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" in data[:8192] or path.suffix in {".parquet", ".csv"}:
            continue
        for number, line in enumerate(data.decode("utf-8").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert not found


def test_no_file_of_the_repository_is_above_five_megabytes() -> None:
    big = {str(path.relative_to(ROOT)): path.stat().st_size for path in tracked() if path.stat().st_size > 5_000_000}
    assert not big


def test_every_locked_version_is_exact_and_the_core_has_only_its_five_packages() -> None:
    core, dev = (
        [line for line in (ROOT / "requirements" / name).read_text().splitlines() if line and line[0] != "#"]
        for name in ("core.lock", "dev.lock")
    )
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+==[\w.]+", line) for line in core + dev)
    assert {line.split("==")[0] for line in core} == {"numpy", "piqp", "power-grid-model", "pyarrow", "scipy"}
    assert not {line.split("==")[0].lower() for line in dev} & {line.split("==")[0] for line in core}


def make(*words: str) -> subprocess.CompletedProcess[str]:
    """Ask make, in a language the tests can read."""
    return subprocess.run(["make", *words], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(shutil.which("make") is None, reason="LEFT OUT: needs make")
def test_a_python_that_is_too_old_is_refused_with_a_way_out(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.18\nexit 1\n')
    old.chmod(0o755)
    told = make("setup", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}")
    assert told.returncode != 0
    assert "needs Python 3.11 or newer; found: Python 3.9.18" in told.stderr
    assert "make run PYTHON=" in told.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="LEFT OUT: needs make")
def test_make_test_checks_style_types_floors_and_tests() -> None:
    plan = make("--dry-run", "test").stdout
    for tool in ("ruff check", "ruff format --check", "mypy", "lint-imports", "pytest"):
        assert tool in plan


def test_continuous_integration_calls_make_test_and_can_be_executed() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert script.read_text().rstrip().endswith("\nmake test")
