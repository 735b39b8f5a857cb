"""The door for power-grid-model's JSON files (input data, not batches)."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.formats.bounded import read_text
from archipel.formats.networks.base import Imported, ReadOptions, path_of
from archipel.formats.networks.pgm_grid import from_pgm
from archipel.formats.networks.pgm_json import parse_tables
from archipel.formats.referee import largest_difference
from archipel.model import GridError

HEAD = 1 << 20
"""As much of a file is looked at to recognise it [bytes]."""
EXPECTED = "input data of power-grid-model as JSON"


@final
@dataclass(frozen=True, slots=True)
class PgmReader:
    """power-grid-model input data as its own serialiser writes them."""

    name: str = "power-grid-model"
    engine: str = "power-grid-model on the file as it is"
    files: str = "*.json, *.json.gz with the keys is_batch and data"
    extra: str = ""

    def reads(self, source: str) -> bool:
        """JSON that says `is_batch` near its beginning."""
        path = path_of(source)
        if not source.endswith((".json", ".json.gz")) or not path.is_file():
            return False
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
                head = stream.read(HEAD)
        except (OSError, EOFError, zlib.error):
            return False
        return b'"is_batch"' in head and b"pandapowerNet" not in head

    def read(self, source: str, options: ReadOptions) -> Imported:
        """The network of the tables."""
        del options
        path = path_of(source)
        return from_pgm(parse_tables(read_text(path, EXPECTED), path.name))

    def compare(self, source: str, imported: Imported) -> float:
        """Against power-grid-model itself, which reads the file with its own reader."""
        return largest_difference(_own_voltages(read_text(path_of(source), EXPECTED)), imported)


def _own_voltages(text: str) -> dict[str, float]:
    from power_grid_model import ComponentType, PowerGridModel
    from power_grid_model.errors import PowerGridError  # type: ignore[attr-defined]
    from power_grid_model.utils import json_deserialize  # type: ignore[attr-defined]

    try:
        data = json_deserialize(text)
        answer = PowerGridModel(data).calculate_power_flow(error_tolerance=1e-10)
    except (PowerGridError, ValueError, KeyError) as error:
        raise GridError(f"power-grid-model cannot solve the file itself: {error}") from error
    node = answer[ComponentType.node]
    v_pu = np.where(node["energized"] == 1, node["u_pu"], np.nan)
    return {f"node/{i}": float(v) for i, v in zip(node["id"], v_pu, strict=True)}
