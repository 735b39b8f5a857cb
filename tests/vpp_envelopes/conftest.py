"""The networks of the grid's tests and the village of the twin's serve here too."""

import sys
from pathlib import Path

for folder in ("grid", "twin"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))
