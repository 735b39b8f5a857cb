"""`python -m archipel.field CELL.toml`: one cell process."""

from __future__ import annotations

import sys
from pathlib import Path

from archipel.field.host import run_file
from archipel.model.errors import ArchipelError


def main() -> int:
    """Run the cell; 2 for a file that cannot be used."""
    if len(sys.argv) != 2:
        print("usage: python -m archipel.field CELL.toml", file=sys.stderr)
        return 2
    try:
        return run_file(Path(sys.argv[1]))
    except ArchipelError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
