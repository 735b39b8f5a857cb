"""Resampling to quarter hours keeps energy: any zone, change of clocks, step, offset and label."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archipel.formats.measured.clock import to_instants
from archipel.formats.measured.resample import QUARTER, in_single, quarter_means
from archipel.formats.measured.stamps import read_moments
from archipel.formats.measured.steps import bounds, held

import measured_cases as cases  # isort: skip

SECOND = 1_000_000
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo")
DAYS = ("2023-03-25", "2023-10-28", "2023-03-11", "2023-11-04", "2023-04-01", "2023-09-30", "2023-07-01")
"""The day before clocks change in one of the zones, or in none."""
STEPS_S = (7, 60, 300, 600, 900, 1800, 3600, 5400, 14_400, 86_400)


def quarters(begin: np.ndarray, end: np.ndarray) -> tuple[int, int]:
    first = int(begin.min() // QUARTER)
    return first, int(-(-end.max() // QUARTER)) - first


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    zone=st.sampled_from(ZONES),
    day=st.sampled_from(DAYS),
    step_s=st.sampled_from(STEPS_S),
    offset_s=st.integers(0, 3600),
    label=st.sampled_from(["start", "end"]),
    seed=st.integers(0, 2**31),
)
def test_a_series_written_on_a_local_clock_comes_back_with_its_moments_and_its_energy(
    zone: str, day: str, step_s: int, offset_s: int, label: str, seed: int
) -> None:
    tz = ZoneInfo(zone)
    midnight = datetime.fromisoformat(day).replace(tzinfo=tz).astimezone(UTC)
    count = min(3 * 86_400 // step_s + 2, 2000) if step_s >= 300 else 2000
    if step_s < 300:  # so short a series begins just before the clocks change
        midnight += timedelta(hours=24)
    truth = (int(midnight.timestamp()) + offset_s + step_s * np.arange(count)) * SECOND
    wall = np.array([datetime.fromtimestamp(t / SECOND, tz).replace(tzinfo=UTC).timestamp() for t in truth])
    found = to_instants(np.round(wall * SECOND).astype(np.int64), zone, label == "end")
    assert np.array_equal(found.utc, truth), "the order of stamps tells the doubled hour"
    step = step_s * SECOND
    begin, end = bounds(found.utc, step, label, step * 3 // 2)
    kw = np.random.default_rng(seed).gamma(0.5, 3.0, (count, 2))
    first, rows = quarters(begin, end)
    mean, known = quarter_means(kw, begin, end, first, rows)
    assert mean.sum(axis=0) * 0.25 == pytest.approx(kw.sum(axis=0) * step_s / 3600, rel=1e-9)
    assert known.sum() * 0.25 == pytest.approx(2 * count * step_s / 3600, rel=1e-9)
    assert (mean >= 0).all()
    assert (mean <= kw.max(axis=0) + 1e-9).all(), "a mean is never above what it is the mean of"


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**31), most_s=st.integers(60, 7200))
def test_values_that_hold_until_the_next_keep_their_energy(seed: int, most_s: int) -> None:
    rng = np.random.default_rng(seed)
    time = np.cumsum(rng.integers(1, 5000, 300)).astype(np.int64) * SECOND
    begin, end = held(time, most_s * SECOND)
    assert (end[:-1] <= begin[1:]).all()
    assert ((end - begin) <= most_s * SECOND).all()
    kw = rng.normal(2.0, 5.0, (300, 1))
    mean, _ = quarter_means(kw, begin, end, *quarters(begin, end))
    exact = float((kw[:, 0] * ((end - begin) / SECOND)).sum()) / 3600
    assert float(mean.sum()) * 0.25 == pytest.approx(exact, rel=1e-9, abs=1e-9 * float(np.abs(kw).sum()))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), rows=st.integers(96, 4000), scale=st.floats(1e-3, 1e6))
def test_single_precision_keeps_the_sum_of_every_column(seed: int, rows: int, scale: float) -> None:
    value = np.random.default_rng(seed).gamma(0.8, scale, (rows, 3))
    single = in_single(value)
    assert single.sum(axis=0, dtype=np.float64) == pytest.approx(value.sum(axis=0), rel=1e-9)
    assert np.abs(single - value).max() <= 1e-3 * value.max()
    assert np.median(np.abs(single - value) / np.maximum(value, 1e-30)) < 1e-7


def test_quarter_hours_that_fit_stay_as_they_are() -> None:
    time = np.arange(200, dtype=np.int64) * QUARTER
    kw = np.random.default_rng(1).gamma(1.0, 1.0, (200, 1))
    mean, known = quarter_means(kw, time, time + QUARTER, 0, 200)
    assert np.array_equal(mean, kw)
    assert (known == 1.0).all()


def test_what_is_not_known_is_not_counted_as_zero_and_known() -> None:
    minute = QUARTER // 15
    time = np.arange(30, dtype=np.int64) * minute
    kw = np.full((30, 1), 3.0)
    kw[4:7] = np.nan
    mean, known = quarter_means(kw, time, time + minute, 0, 2)
    assert known[:, 0] == pytest.approx([0.8, 1.0])
    assert mean[:, 0] == pytest.approx([2.4, 3.0])


@pytest.mark.parametrize(
    ("cell", "utc"),
    [
        ("2023-03-26T01:30:00Z", "2023-03-26T01:30"),
        ("2023-03-26 03:30:00+02:00", "2023-03-26T01:30"),
        ("26.03.2023 24:00", "2023-03-27T00:00"),
        ("3/26/2023 1:05 PM", "2023-03-26T13:05"),
        ("3/26/2023 12:05 AM", "2023-03-26T00:05"),
        ("2023/03/26 00:05:00", "2023-03-26T00:05"),
        ("26-03-2023 07:00:30", "2023-03-26T07:00:30"),
        ("202303260715", "2023-03-26T07:15"),
        ("1679799600", "2023-03-26T03:00"),
        ("1679799600000", "2023-03-26T03:00"),
        ("26.03.23 07:15 MESZ", "2023-03-26T05:15"),
    ],
)
def test_stamps_of_many_forms_are_read(cell: str, utc: str) -> None:
    import pyarrow as pa

    moments = read_moments(pa.array([cell, cell]), "")
    assert np.datetime64(int(moments.clock[0]), "us") == np.datetime64(utc)
    assert not moments.undecided


def test_dates_that_could_be_either_way_round_are_called_so() -> None:
    import pyarrow as pa

    assert read_moments(pa.array(["3/4/2023 10:00"]), "").undecided
    days = pa.array([f"{day}/4/2023 10:00" for day in range(1, 8)])
    followed = read_moments(days, "")
    assert not followed.undecided, "read day first these days follow each other"
    assert str(np.datetime64(int(followed.clock[1]), "us"))[:10] == "2023-04-02"


@pytest.mark.parametrize("label", ["start", "end"])
@pytest.mark.parametrize("day", ["2023-03-26", "2023-10-29"])
def test_a_file_on_the_clock_of_berlin_is_written_with_its_energy_and_in_utc(
    tmp_path: Path, label: str, day: str
) -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin = datetime.fromisoformat(day).replace(tzinfo=zone).astimezone(UTC) - timedelta(days=2)
    end = datetime.fromisoformat(day).replace(tzinfo=zone) + timedelta(days=3)
    count = int((end.astimezone(UTC) - begin).total_seconds() // 900)
    cases.scenario(tmp_path / "case", 20, begin - timedelta(days=5))
    kwh = cases.load_kwh(20)[:count, 0]
    stamps = [begin + timedelta(minutes=15 * (k + (label == "end"))) for k in range(count)]
    rows = [f"{t.astimezone(zone):%d.%m.%Y %H:%M};{str(v).replace('.', ',')}" for t, v in zip(stamps, kwh, strict=True)]
    file = tmp_path / "meter.csv"
    file.write_text("Zeit;load/0 [kWh]\n" + "\n".join(rows), encoding="utf-8")
    words = ("--what", "load", "--zone", "Europe/Berlin", "--span", "common")
    assert cases.add(tmp_path / "case", file, *words, "--label", label) == 0
    written = pq.read_table(next((tmp_path / "case" / "measured").glob("load-*.parquet")))
    assert written["time"][0].as_py() == begin
    assert written.num_rows == count
    kw = written["load/load/0"].to_numpy().astype(np.float64) * 10.0
    assert kw.sum() * 0.25 == pytest.approx(kwh.sum(), rel=1e-9)
    assert kw == pytest.approx(kwh * 4, rel=2e-4)
