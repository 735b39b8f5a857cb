"""A small scenario with a month of series, files of measurements for it, and the command that reads them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from formats_cases import small_import

from archipel.cli.main import main
from archipel.formats.cells import propose_cells
from archipel.formats.scenario_write import write_scenario
from archipel.model import Profiles

START = datetime(2023, 3, 1, tzinfo=UTC)
DAYS = 31


def scenario(folder: Path, days: int = DAYS, start: datetime = START) -> Path:
    """The small source with series of some days; returns its TOML file."""
    imported = small_import()
    quarter = np.arange(days * 96)
    sun = np.clip(np.sin((quarter % 96 - 24) / 48 * np.pi), 0.0, 1.0)
    names = ("H0-A_pload", "H0-A_qload", "H0-B_pload", "H0-B_qload", "G3", "PV1", "Hydro1")
    value = np.column_stack([0.5 + 0.1 * np.sin(quarter / 10 + k) for k in range(5)] + [sun, np.ones(len(quarter))])
    return write_scenario(
        folder,
        "small",
        "A small grid",
        imported.grid,
        propose_cells(imported.grid, imported.node_area, imported.line_area),
        imported.devices,
        Profiles(start, names, value.astype(np.float32)),
        start,
    )


def load_kwh(days: int = DAYS, seed: int = 1) -> np.ndarray:
    """kWh per quarter hour of the three loads (10, 20, 500 kW nominal), to the watt hour."""
    rng = np.random.default_rng(seed)
    day = 0.4 + 0.3 * np.sin(np.arange(days * 96) / 96 * 2 * np.pi - 2)
    shape = np.clip(day[:, None] + 0.1 * rng.standard_normal((days * 96, 3)), 0.02, None)
    return np.round(shape * np.array([10.0, 20.0, 500.0]) / 4, 3)


def utc(days: int = DAYS, start: datetime = START, step_s: int = 900) -> np.ndarray:
    """Moments as seconds since 1970."""
    return int(start.timestamp()) + step_s * np.arange(days * 86_400 // step_s)


def iso(seconds: np.ndarray) -> list[str]:
    """Moments as text with their offset."""
    return [datetime.fromtimestamp(int(s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for s in seconds]


def table(header: Sequence[str], *columns: Sequence[object]) -> str:
    """A CSV table."""
    rows = [",".join(header), *(",".join(map(str, row)) for row in zip(*columns, strict=True))]
    return "\n".join(rows) + "\n"


def meters(days: int = DAYS) -> str:
    """A month of the three loads with nothing wrong: a wide table in kWh, UTC."""
    kwh = load_kwh(days)
    header = ["start", *(f"load/{k} [kWh]" for k in range(3))]
    return table(header, iso(utc(days)), *(kwh[:, k] for k in range(3)))


def add(folder: Path, file: Path, *words: str) -> int:
    """`archipel data add`; its exit code."""
    return main(["data", "add", str(folder), str(file), *words])


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
