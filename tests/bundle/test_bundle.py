"""The page inside the package: who installs needs no node, and who does not want the page pays nothing for it."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "src" / "archipel" / "web" / "static"
WEB = ROOT / "web"
LIMIT_BYTES = 150_000
"""Of the whole page, compressed: script, styles, and the page itself."""


def left_out(reason: str) -> None:
    """Leave a test out loudly, or fail where continuous integration says that everything is there."""
    if os.environ.get("ARCHIPEL_BROWSER_TESTS") == "required":
        pytest.fail(reason)
    pytest.skip(f"LEFT OUT: {reason}")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def bundle() -> dict[str, bytes]:
    """The page as it is in the repository."""
    if not (STATIC / "page.js").is_file():
        left_out("the page is not there; make it with: make web")
    return contents(STATIC)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, bundle: dict[str, bytes]) -> Path:
    """A folder with the wheel and the source distribution."""
    del bundle
    folder = tmp_path_factory.mktemp("dist")
    backend = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(folder)]
    done = subprocess.run(backend, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_wheel_carries_the_page_as_it_is_and_nothing_that_made_it(built: Path, bundle: dict[str, bytes]) -> None:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        held = {name.removeprefix("archipel/web/static/"): wheel.read(name) for name in wheel.namelist()
                if name.startswith("archipel/web/static/")}  # fmt: skip
        assert held == bundle
        assert not [name for name in wheel.namelist() if "node_modules" in name or name.endswith((".ts", ".tsx"))]


def test_the_source_distribution_carries_the_page_and_its_sources_but_no_packages_of_node(
    built: Path, bundle: dict[str, bytes]
) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    assert {f"src/archipel/web/static/{name}" for name in bundle} <= names
    assert {"web/package.json", "web/package-lock.json", "web/vite.config.ts", "web/src/main.tsx"} <= names
    assert not [name for name in names if "node_modules" in name]


def test_the_page_in_the_repository_is_what_its_sources_give(tmp_path: Path, bundle: dict[str, bytes]) -> None:
    if shutil.which("npm") is None:
        left_out("needs node and npm; on Debian and Ubuntu: apt install nodejs npm")
    if not (WEB / "node_modules" / "vite").is_dir():
        left_out("needs the packages of the page; get them with: cd web && npm ci")
    command = ["npm", "exec", "--", "vite", "build", "--outDir", str(tmp_path / "static"), "--emptyOutDir"]
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    again = contents(tmp_path / "static")
    differ = {name for name in bundle.keys() | again.keys() if bundle.get(name) != again.get(name)}
    assert not differ, f"{sorted(differ)} are not what web/ gives; make them again with: make web"


def test_the_page_is_small(bundle: dict[str, bytes]) -> None:
    sizes = {name: len(gzip.compress(data, 6)) for name, data in bundle.items()}
    assert sum(sizes.values()) <= LIMIT_BYTES, sizes


def test_the_page_asks_nobody_but_its_own_server(bundle: dict[str, bytes]) -> None:
    elsewhere = re.compile(
        rb"""(?:src|href)=["'](?:https?:)?//|url\((?:https?:)?//|import\(["']https?:|fetch\(["']https?:"""
    )
    assert not [name for name, data in bundle.items() if elsewhere.search(data)]
    page = bundle["index.html"].decode()
    assert not re.search(r"<script(?![^>]*\ssrc=)[^>]*>|\son\w+=|\sstyle=|<style", page), "nothing inline in the page"


@pytest.mark.parametrize(
    "program",
    ["import archipel", "from archipel.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"],
    ids=["import archipel", "archipel --help"],
)
def test_who_does_not_look_needs_nothing_of_the_extra(program: str) -> None:
    extra = "{'starlette', 'uvicorn', 'websockets', 'msgspec', 'rich', 'anyio'}"
    script = f"{program}\nimport sys\nprint(sorted({extra} & {{name.partition('.')[0] for name in sys.modules}}))\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
