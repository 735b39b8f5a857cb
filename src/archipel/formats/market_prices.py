"""Prices as markets publish them: day-ahead with forecasts known before the gate closed, and AEMO's every 5 minutes.

Day-ahead files count 24 local hours every day. When clocks go forward the hour that does not exist is left out, when
they go back the hour that comes twice has its one price for both; so a market day has 23, 24 or 25 hours and starts at
local midnight. Prices below zero are prices. Missing ones are refused with their hours named, unless filling is asked
for.

Forecasts of the German file are those of ten published models, each calibrated anew every day on what was known before
the gate closed (J. Lago et al., Applied Energy 293, 2021, doi:10.1016/j.apenergy.2021.116983).
"""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
from numpy.typing import NDArray

from archipel.formats.prices import DE_2016, MARKET_ZONE
from archipel.model import Floats, Ints
from archipel.model.errors import ArchipelError

AEMO = Path("timeseries") / "prices_5min_aemo"
AEMO_ZONE = ZoneInfo("Australia/Brisbane")
"""Market time: UTC+10 all year."""
AEMO_STEP = timedelta(minutes=5)
HOURS = 24
DAY = timedelta(days=1)


@final
@dataclass(frozen=True, slots=True, eq=False)
class MarketDay:
    """One day of a market, hour by hour."""

    date: date
    start: datetime
    """Local midnight, UTC."""
    column: Ints
    """For every hour of the day its column in `DayAhead.price`, shape (T,); T is 23, 24 or 25."""

    @property
    def hours(self) -> int:
        """Number of hours T."""
        return len(self.column)


@final
@dataclass(frozen=True, slots=True, eq=False)
class DayAhead:
    """Day-ahead prices of D consecutive local days of 24 columns, with F forecasts of each."""

    first: date
    zone: ZoneInfo
    price_eur_per_kwh: Floats
    """Shape (D, 24)."""
    forecast_eur_per_kwh: Floats
    """Shape (D, F, 24)."""
    forecast_name: tuple[str, ...]

    @property
    def days(self) -> int:
        """Number of days D."""
        return len(self.price_eur_per_kwh)

    def row(self, day: date) -> int:
        """Row of a day.

        Raises:
            ArchipelError: The day is not among them.
        """
        row = (day - self.first).days
        if not 0 <= row < self.days:
            raise ArchipelError(
                f"day {day}: found no prices of it; expected a day from {self.first} to "
                f"{self.first + DAY * (self.days - 1)}."
            )
        return row

    def day(self, day: date) -> MarketDay:
        """The hours of a day: 23 or 25 when clocks change."""
        return market_day(day, self.zone)


def market_day(day: date, zone: ZoneInfo = MARKET_ZONE) -> MarketDay:
    """The hours of a local day in UTC."""
    begin, end = (datetime(d.year, d.month, d.day, tzinfo=zone).astimezone(UTC) for d in (day, day + DAY))
    count = round((end - begin) / timedelta(hours=1))
    local = [(begin + timedelta(hours=k)).astimezone(zone).hour for k in range(count)]
    return MarketDay(day, begin, np.array(local, dtype=np.int64))


def read_day_ahead(path: Path | None = None, *, fill: bool = False, zone: ZoneInfo = MARKET_ZONE) -> DayAhead:
    """Day-ahead prices and published forecasts.

    Args:
        path: A CSV file, plain or gzip: local time without offset, price, forecasts [EUR/MWh]. None: the German
            file of the folder of public data.
        fill: Fill missing prices with those of the same hour a day before (of the day after for the first day).
        zone: The market's zone.

    Raises:
        ArchipelError: No file, or hours that are missing, out of order or twice, each named.
    """
    table = _table(path or _public(DE_2016))
    stamps = _stamps(table, path or DE_2016)
    values = np.column_stack([_numbers(table, name) for name in table.column_names[1:]]) / 1000.0
    first = stamps[0].astype("datetime64[D]")
    place = (stamps - first).astype("timedelta64[h]").astype(np.int64)
    days = int(place[-1]) // HOURS + 1
    whole = np.full((days * HOURS, values.shape[1]), np.nan)
    whole[place] = values
    cube = _complete(whole, first, path or DE_2016, fill=fill).reshape(days, HOURS, -1)
    return DayAhead(
        first=first.item(), zone=zone, price_eur_per_kwh=cube[..., 0], forecast_name=tuple(table.column_names[2:]),
        forecast_eur_per_kwh=np.ascontiguousarray(np.swapaxes(cube[..., 1:], 1, 2)),
    )  # fmt: skip


def from_quarter_hours(start: datetime, price_eur_per_kwh: Floats, zone: ZoneInfo = MARKET_ZONE) -> DayAhead:
    """The same from a series of quarter hours from `start` (UTC), such as a scenario's; nothing was forecast.

    Only whole local days count. Where clocks change, a missing local hour has the price of the hour before it, and of
    two equal ones the first counts.
    """
    hours = price_eur_per_kwh[: len(price_eur_per_kwh) // 4 * 4].reshape(-1, 4).mean(axis=1)
    local = start.astimezone(zone)
    first = local.date() if (local.hour, local.minute) == (0, 0) else local.date() + DAY
    rows: list[Floats] = []
    while True:
        day = market_day(first + DAY * len(rows), zone)
        at = round((day.start - start) / timedelta(hours=1))
        if at + day.hours > len(hours):
            break
        row = np.full(HOURS, np.nan)
        row[day.column[::-1]] = hours[at : at + day.hours][::-1]
        missing = np.flatnonzero(np.isnan(row))
        row[missing] = row[missing - 1]
        rows.append(row)
    price = np.reshape(rows, (-1, HOURS))
    return DayAhead(first, zone, price, np.zeros((len(price), 0, HOURS)), ())


@final
@dataclass(frozen=True, slots=True, eq=False)
class FiveMinutes:
    """Energy and reserve prices of one region over consecutive intervals of 5 minutes."""

    region: str
    start: datetime
    """Of the first interval, UTC; the file names intervals by their end."""
    energy_aud_per_kwh: Floats
    """Shape (T,)."""
    reserve_aud_per_kw_h: dict[str, Floats]
    """By product (RAISEREG, LOWER6SEC, ...), shape (T,) each."""

    def whole_days(self) -> tuple[slice, ...]:
        """Intervals of every whole day of market time."""
        local = self.start.astimezone(AEMO_ZONE)
        passed = (local - local.replace(hour=0, minute=0)) // AEMO_STEP
        per_day = DAY // AEMO_STEP
        first = -passed % per_day
        return tuple(slice(k, k + per_day) for k in range(first, len(self.energy_aud_per_kwh) - per_day + 1, per_day))


def read_aemo(month: str, region: str, folder: Path | None = None) -> tuple[FiveMinutes, ...]:
    """AEMO's dispatch prices of a region, one record for every run of intervals without a gap.

    Args:
        month: Of the file, such as "202407".
        region: Such as "NSW1".
        folder: Where the files are; None: in the folder of public data.

    Raises:
        ArchipelError: No file, no such region, or a price that is missing.
    """
    path = (folder or _public(AEMO)) / f"dispatchprice_{month}.csv.gz"
    table = _table(path)
    mine = np.array(table["REGIONID"].to_pylist()) == region
    if not mine.any():
        found = ", ".join(sorted(set(table["REGIONID"].to_pylist())))
        raise ArchipelError(f"{path.name}: found regions {found}; expected {region}. Name one of them.")
    ends = [datetime.strptime(text, "%Y/%m/%d %H:%M:%S").replace(tzinfo=AEMO_ZONE)
            for text, ok in zip(table["SETTLEMENTDATE"].to_pylist(), mine, strict=True) if ok]  # fmt: skip
    names = [name for name in table.column_names if name.endswith("RRP")]
    price = {name: _numbers(table, name)[mine] / 1000.0 for name in names}
    bad = [f"{end:%Y-%m-%d %H:%M}" for k, end in enumerate(ends) if any(np.isnan(p[k]) for p in price.values())]
    if bad:
        raise ArchipelError(
            f"{path.name}: found no price for {region} at {', '.join(bad)}; expected one. Complete the file."
        )
    return tuple(_five_minutes(region, ends, price, run) for run in _runs(ends))


def _runs(ends: Sequence[datetime]) -> list[slice]:
    """Consecutive intervals."""
    breaks = [k for k in range(1, len(ends)) if ends[k] - ends[k - 1] != AEMO_STEP]
    edges = [0, *breaks, len(ends)]
    return [slice(a, b) for a, b in pairwise(edges)]


def _five_minutes(region: str, ends: Sequence[datetime], price: dict[str, Floats], run: slice) -> FiveMinutes:
    reserve = {name.removesuffix("RRP"): values[run] for name, values in price.items() if name != "RRP"}
    return FiveMinutes(region, (ends[run.start] - AEMO_STEP).astimezone(UTC), price["RRP"][run], reserve)


def _public(path: Path) -> Path:
    folder = os.environ.get("ARCHIPEL_DATA", "")
    if not folder:
        raise ArchipelError(
            f"{path.name}: found no folder of public data; expected it in the environment variable ARCHIPEL_DATA. "
            "Set it, or name a file."
        )
    return Path(folder) / path


def _table(path: Path) -> pa.Table:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArchipelError(f"{path}: found no file that can be read ({error.strerror}); expected prices.") from error
    try:
        return pv.read_csv(io.BytesIO(gzip.decompress(content) if path.suffix == ".gz" else content))
    except (pa.ArrowInvalid, gzip.BadGzipFile, EOFError) as error:
        raise ArchipelError(f"{path.name}: found no table ({str(error).splitlines()[0]}); expected CSV.") from error


def _stamps(table: pa.Table, path: Path) -> NDArray[Any]:
    kind = table.schema.field(0).type
    if not pa.types.is_timestamp(kind) or kind.tz is not None or table.num_columns < 2 or table.num_rows == 0:
        raise ArchipelError(
            f"{path.name}: found columns {', '.join(map(repr, table.column_names))}, the first of {kind}; expected "
            "local time without offset, then the price, then forecasts."
        )
    stamps: NDArray[Any] = table[0].to_numpy().astype("datetime64[h]")
    wrong = np.flatnonzero(np.diff(stamps) <= np.timedelta64(0, "h"))
    if len(wrong):
        named = ", ".join(str(stamps[k + 1]) for k in wrong[:5])
        raise ArchipelError(
            f"{path.name}: found {len(wrong)} hours that do not follow the one before ({named}); expected rising local "
            "hours, 24 every day. Sort the file and keep one of two equal hours."
        )
    return stamps


def _numbers(table: pa.Table, name: str) -> Floats:
    try:
        return np.asarray(table[name].cast(pa.float64()).to_numpy(), dtype=np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ArchipelError(
            f"column {name!r}: found something else than numbers ({error}); expected prices."
        ) from error


def _complete(whole: Floats, first: Any, path: Path, *, fill: bool) -> Floats:
    """The same without gaps, hour by hour; forecasts count as prices do."""
    missing = np.flatnonzero(~np.isfinite(whole).all(axis=1))
    if len(missing) and not fill:
        named = ", ".join(str(first + np.timedelta64(int(k), "h")) for k in missing[:10])
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise ArchipelError(
            f"{path.name}: found no price or forecast for {named}{more} (local time); expected one for every hour. "
            "Complete the file, or ask for it to be filled."
        )
    rows = whole.copy()
    rows[~np.isfinite(rows)] = np.nan
    for k in missing:
        before = rows[k - HOURS] if k >= HOURS else rows[k]
        rows[k] = np.where(np.isnan(rows[k]), before, rows[k])
    for k in missing[::-1]:
        after = rows[k + HOURS] if k + HOURS < len(rows) else rows[k]
        rows[k] = np.where(np.isnan(rows[k]), after, rows[k])
    if np.isnan(rows).any():
        raise ArchipelError(f"{path.name}: found hours without any price beside them to fill from; expected some.")
    return rows
