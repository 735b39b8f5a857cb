"""The forecast that knows everything: for references and for finding out what forecast errors cost."""

from __future__ import annotations

import numpy as np

from archipel.model import Profiles
from archipel.model.weather import Weather


def perfect(profiles: Profiles, first_row: int, rows: int) -> Weather:
    """What will be: `rows` quarter hours from `first_row`."""
    return Weather(first_row, profiles.window(first_row, rows).astype(np.float64), perfect=True)
