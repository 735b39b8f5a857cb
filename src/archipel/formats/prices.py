"""Day-ahead prices for every quarter hour of a scenario: by formula, from a file, or the real ones of 2016.

The formula stands in for real prices where none may be shipped. It is no forecast of any market: it has a mean, two
peaks a day, a dip at noon that deepens in summer (sun), a season, cheaper weekends, and noise that remembers.
"""

from __future__ import annotations

import gzip
import io
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from archipel.formats.findings import Findings
from archipel.model import Floats, Profiles

MARKET_ZONE = ZoneInfo("Europe/Berlin")
LEAST_EUR_PER_MWH = 1.0
DE_2016 = Path("timeseries") / "prices_dayahead" / "DE_dayahead_price_and_forecasts.csv.gz"


def formula_prices(start: datetime, rows: int, seed: int, mean_eur_per_mwh: float, noise: float) -> Floats:
    """Price [EUR/kWh] for `rows` quarter hours from `start` (UTC), constant within every hour, above zero.

    With local hour h, day of year d and G(c, w) = exp(-((h - c) / w)^2 / 2):

        shape  = 1 + 0.22 G(8, 1.8) + 0.38 G(19, 2.2) - 0.18 G(3.5, 2.5) - 0.35 summer G(13.5, 2.2)
        season = 1 + 0.12 cos(2 pi (d - 15) / 365),    summer = (1 - cos(2 pi (d + 10) / 365)) / 2
        price  = mean * shape * season * (0.85 at weekends) * exp(noise * z)

    z is a first-order process with unit variance that keeps 90 % from hour to hour. All is scaled to the mean.
    """
    hours = -(-rows // 4)
    h, day, weekday = _calendar(start, hours)

    def bump(centre: float, width: float) -> Floats:
        return np.asarray(np.exp(-(((h - centre) / width) ** 2) / 2.0))

    summer = (1.0 - np.cos(2.0 * np.pi * (day + 10.0) / 365.0)) / 2.0
    shape = 1.0 + 0.22 * bump(8.0, 1.8) + 0.38 * bump(19.0, 2.2) - 0.18 * bump(3.5, 2.5)
    shape -= 0.35 * summer * bump(13.5, 2.2)
    season = 1.0 + 0.12 * np.cos(2.0 * np.pi * (day - 15.0) / 365.0)
    z = _remembering_noise(hours, np.random.default_rng([seed, 0x9A1CE]))
    raw = shape * season * np.where(weekday >= 5, 0.85, 1.0) * np.exp(noise * z)
    price = np.maximum(mean_eur_per_mwh * raw / raw.mean(), LEAST_EUR_PER_MWH)
    return np.asarray(np.repeat(price, 4)[:rows] / 1000.0)


def _calendar(start: datetime, hours: int) -> tuple[Floats, Floats, Floats]:
    """Local hour, day of year and weekday (Monday 0) of every hour from `start`."""
    begin = int(start.timestamp())
    local = [datetime.fromtimestamp(begin + 3600 * k, MARKET_ZONE) for k in range(hours)]
    return (
        np.array([t.hour + t.minute / 60.0 for t in local]),
        np.array([float(t.timetuple().tm_yday) for t in local]),
        np.array([float(t.weekday()) for t in local]),
    )


def _remembering_noise(hours: int, rng: np.random.Generator) -> Floats:
    keep = 0.9
    step = rng.standard_normal(hours) * np.sqrt(1.0 - keep**2)
    z = np.empty(hours)
    level = rng.standard_normal()
    for k in range(hours):
        level = keep * level + step[k]
        z[k] = level
    return z


def read_prices(
    folder: Path, table: dict[str, Any], profiles: Profiles, seed: int, toml: str, findings: Findings
) -> Floats:
    """The price series that [series.price] asks for, shape (rows of the profiles,) [EUR/kWh]."""
    rows = len(profiles.value)
    if table["source"] == "formula":
        return formula_prices(profiles.start, rows, seed, table["mean_eur_per_mwh"], table["noise"])
    if table["source"] == "de-2016":
        return _real_prices(profiles, toml, findings)
    if table["file"] is None:
        findings.add(toml, "[series.price]", "file", "nothing", "the file with the prices", "Add file, or use formula.")
        return np.zeros(rows)
    return _from_file(folder, table, profiles, findings)


def _real_prices(profiles: Profiles, toml: str, findings: Findings) -> Floats:
    """German day-ahead prices of 2016 from the data folder; days it lacks are those of a week later or earlier."""
    rows = len(profiles.value)
    folder = os.environ.get("ARCHIPEL_DATA", "")
    path = Path(folder) / DE_2016
    if not folder or not path.is_file():
        findings.add(toml, "[series.price]", "source", f"de-2016, but no {DE_2016.name}",
                     "the folder of public data in the environment variable ARCHIPEL_DATA",
                     'Set ARCHIPEL_DATA, or write source = "formula".')  # fmt: skip
        return np.zeros(rows)
    with gzip.open(path, "rb") as stream:
        table = pv.read_csv(io.BytesIO(stream.read()))
    stamps = table[0].to_numpy().astype("datetime64[s]").astype(np.int64)
    price = table["Real price"].to_numpy()
    begin = int(profiles.start.timestamp())
    wanted = begin + 3600 * np.arange(-(-rows // 4))
    # The file counts 24 local hours every day: the missing one in spring is filled, the doubled one dropped.
    local = np.array([datetime.fromtimestamp(int(s), MARKET_ZONE).replace(tzinfo=UTC).timestamp() for s in wanted])
    week = 7 * 86400.0
    local += week * np.maximum(np.ceil((stamps[0] - local) / week), 0.0)
    local -= week * np.maximum(np.ceil((local - stamps[-1]) / week), 0.0)
    hourly = price[np.searchsorted(stamps, local, side="right") - 1] / 1000.0
    return np.asarray(np.repeat(hourly, 4)[:rows], dtype=np.float64)


def _from_file(folder: Path, table: dict[str, Any], profiles: Profiles, findings: Findings) -> Floats:
    """Prices from a Parquet or CSV file with columns `time` (with offset) and the named one [EUR/MWh]."""
    file, column, rows = str(table["file"]), str(table["column"]), len(profiles.value)
    try:
        content = pq.read_table(folder / file) if file.endswith(".parquet") else pv.read_csv(folder / file)
        stamps, price = content["time"], np.asarray(content[column].to_numpy(), dtype=np.float64)
    except (pa.ArrowInvalid, OSError, KeyError, ValueError) as error:
        findings.add(file, "[series.price]", column, f"no prices ({str(error).splitlines()[0]})",
                     "columns 'time' and the named one", "Correct the file or [series.price].")  # fmt: skip
        return np.zeros(rows)
    clock = _instants(stamps, file, findings)
    if clock is None:
        return np.zeros(rows)
    wanted = np.datetime64(profiles.start.replace(tzinfo=None), "s") + np.timedelta64(15, "m") * np.arange(rows)
    at = np.searchsorted(clock, wanted, side="right") - 1
    step = np.diff(clock).max() if len(clock) > 1 else np.timedelta64(1, "h")
    if at[0] < 0 or wanted[-1] >= clock[-1] + step:
        findings.add(file, "[series.price]", column, f"prices from {clock[0]}Z to {clock[-1]}Z",
                     f"prices from {wanted[0]}Z to {wanted[-1]}Z", "Complete the file.")  # fmt: skip
        return np.zeros(rows)
    if not np.isfinite(price).all():
        findings.add(file, "[series.price]", column, "prices that are not finite", "finite numbers", "Fill the gaps.")
    return np.asarray(price[at] / 1000.0)


def _instants(stamps: Any, file: str, findings: Findings) -> NDArray[Any] | None:
    if not pa.types.is_timestamp(stamps.type) or stamps.type.tz is None:
        findings.add(file, "[series.price]", "time", "naive or unreadable time stamps",
                     "time stamps with their offset, such as 2016-01-01T00:00:00Z", "Append Z for UTC.")  # fmt: skip
        return None
    clock: NDArray[Any] = stamps.to_numpy().astype("datetime64[s]")
    if np.any(np.diff(clock) <= np.timedelta64(0, "s")):
        findings.add(file, "[series.price]", "time", "stamps that do not rise", "rising time stamps", "Sort the rows.")
        return None
    return clock
