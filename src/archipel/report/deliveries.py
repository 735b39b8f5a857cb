"""What portfolios delivered in a run: `RUN/portfolio/<portfolio id>.parquet`, one row per quarter hour.

Columns are `time`, what the whole portfolio has (`price_eur_per_kwh`, `bought_kw`, ...) and, for every contract, what
the members have, as `baseline_kw/<contract id>`, `metered_kw/<contract id>`, and so on.
"""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from archipel.model import Delivery, RunNotFound
from archipel.report.column_types import TIME
from archipel.report.paths import file_name

FOLDER = "portfolio"
QUARTER = np.timedelta64(900_000_000, "us")
_COLUMNS = tuple(f.name for f in fields(Delivery) if f.name not in {"portfolio", "contract", "start"})
_ONE = tuple(name for name in _COLUMNS if "price" in name or name == "bought_kw")


def write_delivery(run: Path, delivery: Delivery, *, strategy: str = "") -> Path:
    """Write what one portfolio delivered into the folder of a run; returns the file.

    Args:
        run: Folder of the run.
        delivery: What was sold, asked and metered.
        strategy: The run's strategy it belongs to; settled with any when empty.
    """
    folder = run / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    quarters = len(delivery.price_eur_per_kwh)
    begin = np.datetime64(delivery.start.astimezone(UTC).replace(tzinfo=None), "us")
    columns: dict[str, Any] = {"time": pa.array(begin + np.arange(quarters) * QUARTER).cast(TIME)}
    for name in _COLUMNS:
        value = getattr(delivery, name)
        if name in _ONE:
            columns[name] = pa.array(value, pa.float64())
        else:
            columns |= {
                f"{name}/{k}": pa.array(row, pa.float64()) for k, row in zip(delivery.contract, value, strict=True)
            }
    about = {"portfolio": delivery.portfolio, "contracts": list(delivery.contract), "strategy": strategy}
    table = pa.table(columns).replace_schema_metadata({"archipel": json.dumps(about)})
    file = folder / f"{file_name(delivery.portfolio)}.parquet"
    pq.write_table(table, file, compression="zstd")
    return file


def read_deliveries(run: Path, *, strategy: str = "") -> tuple[Delivery, ...]:
    """What all portfolios delivered in a run, in the order of their files' names; none when it had no portfolio.

    Args:
        run: Folder of the run.
        strategy: Leave out what belongs to another strategy; empty: all.

    Raises:
        RunNotFound: a file is not one of `write_delivery`, or lacks quarter hours.
    """
    every = (_read(file, strategy) for file in sorted((run / FOLDER).glob("*.parquet")))
    return tuple(delivery for delivery in every if delivery is not None)


def _read(file: Path, strategy: str) -> Delivery | None:
    try:
        table = pq.read_table(file)
        about = json.loads(table.schema.metadata[b"archipel"])
        if strategy and about["strategy"] not in {"", strategy}:
            return None
        time = table.column("time").to_numpy()
        contracts = tuple(about["contracts"])

        def column(name: str) -> Any:
            return table.column(name).to_numpy().astype(np.float64)

        shape = (len(contracts), len(time))
        values = {
            name: column(name) if name in _ONE else np.array([column(f"{name}/{k}") for k in contracts]).reshape(shape)
            for name in _COLUMNS
        }
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise RunNotFound(f"{file}: found no delivery of a portfolio in it ({error}). Run the case again.") from error
    if not len(time) or (np.diff(time) != QUARTER).any():
        raise RunNotFound(f"{file}: found times that are no unbroken row of quarter hours. Run the case again.")
    start = time[0].astype("datetime64[us]").item().replace(tzinfo=UTC)
    return Delivery(portfolio=about["portfolio"], contract=contracts, start=start, **values)


def strategies_of(run: Path) -> tuple[str, ...]:
    """Strategies that the deliveries in a run's folder say they belong to."""
    found: dict[str, None] = {}
    for file in sorted((run / FOLDER).glob("*.parquet")):
        about = json.loads((pq.read_schema(file).metadata or {}).get(b"archipel", b"{}"))
        if about.get("strategy"):
            found[about["strategy"]] = None
    return tuple(found)
