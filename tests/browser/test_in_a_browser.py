"""The page in a real browser: one test here for every `*.test.mjs` beside this file, which node runs.

Needs node, the packages in `web/node_modules`, chromium, and the page itself. What is missing is said, and how to
get it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
LIMIT_S = 300
"""Of one file, on a machine that is busy with other tests; alone each takes a fraction of it."""
FILES = sorted(path.name for path in HERE.glob("*.test.mjs"))


def chromium() -> str | None:
    """The browser: what CHROMIUM names, or the first that is installed."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if name and (found := shutil.which(name))), None)


def missing() -> str:
    """What is not there, and how to get it; empty: all is."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "needs node and npm; on Debian and Ubuntu: apt install nodejs npm"
    if chromium() is None:
        return "needs chromium; on Debian: apt install chromium, elsewhere name one with CHROMIUM=/path/to/it"
    if not (ROOT / "web" / "node_modules" / "playwright-core").is_dir():
        return "needs the packages of the page; get them with: cd web && npm ci"
    if not (ROOT / "src" / "archipel" / "web" / "static" / "page.js").is_file():
        return "the page is not there; make it with: make web"
    return ""


@pytest.fixture(autouse=True)
def all_is_there() -> None:
    """Leave the test out loudly, or fail where continuous integration says that everything is there."""
    if reason := missing():
        if os.environ.get("ARCHIPEL_BROWSER_TESTS") == "required":
            pytest.fail(reason)
        pytest.skip(f"LEFT OUT: {reason}")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short real run, made once however many workers there are."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if os.environ.get("PYTEST_XDIST_WORKER") else shared
    runs = shared / "runs-for-the-browser"
    with (shared / "runs-for-the-browser.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = [path for path in runs.glob("*") if path.name[0] != "."] if runs.is_dir() else []
        if not found:
            made = run_limited([sys.executable, str(HERE / "make_run.py"), str(runs)], {})
            assert made.returncode == 0, made.stdout
            found = [Path(made.stdout.split()[-1])]
        return found[0]


def run_limited(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program and everything it starts; at the limit all of it is ended."""
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **env}, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            said, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            said += f"\nended after {LIMIT_S} s"
        return subprocess.CompletedProcess(command, process.returncode, said)


@pytest.mark.parametrize("name", FILES)
def test_in_the_browser(name: str, run_folder: Path) -> None:
    env = {"ARCHIPEL_PYTHON": sys.executable, "ARCHIPEL_RUN": str(run_folder), "CHROMIUM": chromium() or ""}
    done = run_limited(["node", "--test", "--test-reporter=tap", str(HERE / name)], env)
    assert done.returncode == 0, done.stdout


def test_every_file_of_tests_in_the_browser_is_run() -> None:
    assert {"screens.test.mjs", "commands.test.mjs", "alive.test.mjs", "access.test.mjs"} <= set(FILES)


def test_the_pure_parts_of_the_page_do_what_they_say() -> None:
    done = run_limited(["node", "web/tests/run.mjs"], {})
    assert done.returncode == 0, done.stdout
