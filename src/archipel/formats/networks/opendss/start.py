"""Run as a script: the child process, without the doors for other formats, which it does not need.

Importing `archipel.formats.networks` loads every reader with scipy and pyarrow; an empty package of that name in its
place halves the time until the first answer.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

NETWORKS = "archipel.formats.networks"

if __name__ == "__main__":
    folder = Path(__file__).resolve().parents[1]
    package = ModuleType(NETWORKS)
    package.__path__ = [str(folder)]
    sys.modules[NETWORKS] = package
    from archipel.formats.networks.opendss.worker import main

    main()
