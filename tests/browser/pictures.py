"""`make screens`: run the district for a day, four ways, and take a picture of every screen for the docs.

`python -m tests.browser.pictures RUN` takes them of a run that is there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "build" / "screens"


def main() -> int:
    """Take the pictures; the exit code of node."""
    run = Path(sys.argv[1]) if len(sys.argv) > 1 else made()
    env = {**os.environ, "ARCHIPEL_PYTHON": sys.executable, "ARCHIPEL_RUN": str(run.resolve())}
    script = Path(__file__).with_name("pictures.mjs")
    return subprocess.run(
        ["node", str(script), str(ROOT / "docs/img/screens")], env=env, check=False, timeout=300
    ).returncode


def made() -> Path:
    """The day, run anew."""
    import archipel

    return archipel.run(archipel.scenario("district"), runs=RUNS).path


if __name__ == "__main__":
    sys.exit(main())
