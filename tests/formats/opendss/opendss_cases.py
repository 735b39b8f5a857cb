"""Small OpenDSS models written by hand, and the public ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HEAD = "Clear\nSet DefaultBaseFrequency=60\nNew Circuit.small basekv=12.47 pu=1.0 MVAsc3=1e9 MVAsc1=1e9\n"
TAIL = "Set VoltageBases=[12.47 0.48 0.208]\nCalcVoltageBases\nSolve\n"


def write_model(folder: Path, body: str, name: str = "master.dss", tail: str = TAIL) -> Path:
    """A master with these elements."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(HEAD + body + "\n" + tail, encoding="utf-8")
    return path


def public(name: str) -> Path:
    """A public network; the test is left out loudly where the data are not there."""
    folder = os.environ.get("ARCHIPEL_DATA")
    if not folder:
        pytest.skip("LEFT OUT: needs the folder of public data; name it in the environment variable ARCHIPEL_DATA")
    return Path(folder) / "networks" / name
