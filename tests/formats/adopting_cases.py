"""A street of homes, a shop and a loaded village node, with nothing but constant loads: what a bare network brings."""

from __future__ import annotations

import csv
from pathlib import Path

from formats_cases import small_scenario

from archipel.formats.adopting import AdoptOptions

HOMES = 20
SHARES = {"pv": 0.6, "battery": 0.3, "ev": 0.4, "heat-pump": 0.2}


def street(folder: Path, factor: float = 1.0) -> Path:
    """Twenty homes and a shop at low voltage, a village of homes at medium voltage; `factor` on every load."""
    path = small_scenario(folder)
    loads = [(f"home/{k}", "bus/6" if k % 2 else "bus/5", 1.0 + 0.1 * k) for k in range(HOMES)]
    loads += [("shop", "bus/5", 30.0), ("village", "bus/8", 60.0)]
    with (folder / "loads.csv").open("w", encoding="utf-8") as stream:
        stream.write("id,node,p_kw,q_kvar,profile\n")
        stream.writelines(f"{name},{node},{kw * factor},{0.2 * kw * factor},\n" for name, node, kw in loads)
    for file in ("pv", "batteries", "generators"):
        (folder / f"{file}.csv").unlink()
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(f'{file} = "{file}.csv"\n', ""), encoding="utf-8")
    return path


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV table."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def options(**more: object) -> AdoptOptions:
    """The shares of the issue, and whatever is said otherwise."""
    return AdoptOptions(**{"shares": SHARES, "seed": 7, **more})  # type: ignore[arg-type]
