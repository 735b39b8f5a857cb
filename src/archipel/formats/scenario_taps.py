"""The table of tap changers: what it says, and what the network says of their transformers."""

from __future__ import annotations

from typing import Any

import numpy as np

from archipel.formats.findings import Findings, did_you_mean
from archipel.formats.tables import Sheet
from archipel.model import Grid


def tap_changer_values(sheet: Sheet, grid: Grid | None, findings: Findings) -> dict[str, Any]:
    """Columns that follow from the transformer each row names: node kept, branch, position and direction.

    Without a grid they are empty of meaning (-1, 0), as references go unchecked.
    """
    n = len(sheet)
    node, branch = np.full((2, n), -1, dtype=np.int64)
    start, neutral, step_pu, raises = np.zeros(n), np.zeros(n), np.zeros(n), np.ones(n)
    values = {"node": node, "branch": branch, "tap_start": start, "tap_neutral": neutral, "step_pu": step_pu,
              "raises": raises}  # fmt: skip
    if grid is None:
        return values
    trafos = grid.transformers
    row = {name: k for k, name in enumerate(trafos.id)}
    low, high, band = (sheet.numbers[name] for name in ("tap_min", "tap_max", "band_pu"))
    holder: dict[str, str] = {}
    for i, name in enumerate(sheet.text["transformer"]):
        if name not in row:
            if name:
                findings.add(sheet.file, sheet.name, sheet.id[i], f"transformer = {name!r}",
                             "the id of a transformer", did_you_mean(name, row))  # fmt: skip
            continue
        k = row[name]
        node[i], branch[i] = trafos.lv_node[k], len(grid.lines) + k
        start[i], raises[i] = trafos.tap_pos[k], -1.0 if trafos.tap_side_hv[k] else 1.0
        neutral[i], step = trafos.tap_neutral[k], float(trafos.tap_step_percent[k]) / 100.0
        step_pu[i] = step
        if name in holder:
            findings.add(sheet.file, sheet.name, sheet.id[i], f"transformer = {name!r}, which {holder[name]} moves too",
                         "one tap changer for a transformer", "Remove one of the two rows.")  # fmt: skip
        holder.setdefault(name, sheet.id[i])
        if not (trafos.hv_closed[k] and trafos.lv_closed[k]):
            findings.add(sheet.file, sheet.name, sheet.id[i], f"{name}, which is open at one end",
                         "a transformer in service", "Close it, or remove the row.")  # fmt: skip
        if step <= 0.0:
            findings.add(sheet.file, sheet.name, sheet.id[i], f"{name} with tap_step_percent = 0",
                         "a transformer whose taps move its ratio", "Correct tap_step_percent in transformers.csv, "
                         "1.25 for instance.")  # fmt: skip
        elif 2.0 * band[i] <= step:
            findings.add(sheet.file, sheet.name, sheet.id[i], f"band_pu = {band[i]:g} and taps of {step:g} pu",
                         "a band wider than one tap, or it would move for ever",
                         f"Raise band_pu above {0.5 * step:g}; 0.6 of a tap is usual.")  # fmt: skip
        if not low[i] <= start[i] <= high[i] or low[i] == high[i]:
            findings.add(sheet.file, sheet.name, sheet.id[i],
                         f"taps from {low[i]:g} to {high[i]:g} and tap_pos = {start[i]:g} in transformers.csv",
                         "a range that holds the position", "Correct tap_min, tap_max or tap_pos.")  # fmt: skip
    return values
