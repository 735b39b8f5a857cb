"""Published prices: whole market days, whatever the clocks do, and nothing missing without a word."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from archipel.formats.market_prices import from_quarter_hours, market_day, read_aemo, read_day_ahead
from archipel.model.errors import ArchipelError

NEEDS_DATA = pytest.mark.skipif("ARCHIPEL_DATA" not in os.environ, reason="the folder of public data is not named")


def written(path: Path, days: int, *, without: tuple[int, ...] = (), first: str = "2016-01-04") -> Path:
    begin = datetime.fromisoformat(first)
    rows = [f"{begin + timedelta(hours=k)},{k},{k + 0.5}" for k in range(24 * days) if k not in without]
    path.write_bytes(gzip.compress(("\n".join([",Real price,A", *rows]) + "\n").encode()))
    return path


def test_prices_are_read_as_days_of_24_local_hours_in_eur_per_kwh(tmp_path: Path) -> None:
    read = read_day_ahead(written(tmp_path / "p.csv.gz", 3))
    assert (read.first, read.days, read.forecast_name) == (date(2016, 1, 4), 3, ("A",))
    assert read.price_eur_per_kwh[1, 2] == pytest.approx(0.026)
    assert read.forecast_eur_per_kwh[1, 0, 2] == pytest.approx(0.0265)


def test_missing_hours_are_refused_by_name_and_filled_when_asked(tmp_path: Path) -> None:
    path = written(tmp_path / "p.csv.gz", 3, without=(5, 30))
    with pytest.raises(ArchipelError, match="2016-01-04T05, 2016-01-05T06"):
        read_day_ahead(path)
    filled = read_day_ahead(path, fill=True)
    assert filled.price_eur_per_kwh[1, 6] == pytest.approx(0.006)  # of the day before
    assert filled.price_eur_per_kwh[0, 5] == pytest.approx(0.029)  # of the day after: there is none before


def test_a_price_that_is_not_a_number_is_missing_too(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(",price\n2016-01-04 00:00:00,1.5\n2016-01-04 01:00:00,\n", "utf-8")
    with pytest.raises(ArchipelError, match="2016-01-04T01"):
        read_day_ahead(path)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (",price\n2016-01-04 01:00:00,1\n2016-01-04 01:00:00,2\n", "do not follow"),
        ("time,price\nyesterday,1\n", "expected local time"),
        (",price\n2016-01-04 00:00:00,=1+1\n", "expected prices"),
        ("", "no table"),
    ],
)
def test_what_is_no_table_of_prices_is_explained(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(ArchipelError, match=match):
        read_day_ahead(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArchipelError, match=r"none\.csv"):
        read_day_ahead(tmp_path / "none.csv")
    monkeypatch.delenv("ARCHIPEL_DATA", raising=False)
    with pytest.raises(ArchipelError, match="ARCHIPEL_DATA"):
        read_day_ahead()


def test_market_days_have_23_24_or_25_hours_and_begin_at_local_midnight() -> None:
    spring, plain, autumn = (market_day(date(2016, *d)) for d in ((3, 27), (6, 1), (10, 30)))
    assert [d.hours for d in (spring, plain, autumn)] == [23, 24, 25]
    assert plain.start == datetime(2016, 5, 31, 22, tzinfo=UTC)
    assert 2 not in spring.column
    assert np.sum(autumn.column == 2) == 2


def test_a_day_outside_the_file_is_refused_with_what_there_is(tmp_path: Path) -> None:
    read = read_day_ahead(written(tmp_path / "p.csv.gz", 3))
    with pytest.raises(ArchipelError, match="2016-01-04 to 2016-01-06"):
        read.row(date(2016, 1, 7))


def test_a_series_of_quarter_hours_becomes_whole_local_days() -> None:
    start = datetime(2016, 3, 25, 20, tzinfo=UTC)
    read = from_quarter_hours(start, np.repeat(np.arange(24.0 * 4), 4))
    assert (read.first, read.days) == (date(2016, 3, 26), 3)
    assert read.price_eur_per_kwh[0, 0] == 3.0
    assert read.price_eur_per_kwh[1, 2] == read.price_eur_per_kwh[1, 1]  # an hour that does not exist
    assert read.price_eur_per_kwh[1, 3] == read.price_eur_per_kwh[1, 1] + 1.0


@NEEDS_DATA
def test_the_german_file_is_whole_and_has_prices_below_zero() -> None:
    read = read_day_ahead()
    assert (read.first, read.days, len(read.forecast_name)) == (date(2016, 1, 4), 728, 10)
    assert (read.price_eur_per_kwh < 0).sum() == 241


@NEEDS_DATA
def test_aemo_intervals_come_in_runs_without_a_gap_and_are_named_by_their_start() -> None:
    runs = read_aemo("202407", "SA1")
    assert [len(run.energy_aud_per_kwh) for run in runs] == [863, 577]
    assert [run.whole_days() for run in runs] == [
        (slice(0, 288), slice(288, 576)),
        (slice(1, 289), slice(289, 577)),
    ]
    assert runs[0].start == datetime(2024, 6, 30, 14, tzinfo=UTC)
    assert runs[0].energy_aud_per_kwh[0] == pytest.approx(0.29832)
    assert runs[0].reserve_aud_per_kw_h["RAISEREG"][0] == pytest.approx(0.01098)
    with pytest.raises(ArchipelError, match="expected TAS1"):
        read_aemo("202407", "TAS1")
