"""Real measurements of others become part of a scenario, from end to end: substations, homes, PV, prices, sessions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.csv as pv
import pytest

import measured_cases as cases  # isort: skip
from formats_cases import data_folder  # isort: skip

from archipel.formats.scenario import check_scenario, load_scenario
from archipel.model import Scenario


def added(folder: Path, file: Path, *words: str) -> Scenario:
    """The scenario after the command, which must say that all is well."""
    assert cases.add(folder, file, *words) == 0
    assert check_scenario(folder) == ()
    return load_scenario(folder)


def power_kw(scenario: Scenario, kind: str, device: str) -> np.ndarray:
    """What a run takes for a device: p = p_kw * profile, every quarter hour."""
    fleet = next(f for f in scenario.fleets if f.kind == kind)
    row = fleet.id.index(device)
    if kind == "load":
        return fleet.p_kw[row] * scenario.profiles.value[:, fleet.p_profile[row]].astype(np.float64)  # type: ignore[attr-defined]
    return fleet.p_kw_peak[row] * scenario.profiles.value[:, fleet.profile[row]].astype(np.float64)  # type: ignore[attr-defined]


def test_a_substation_in_megawatt_moves_the_scenario_to_its_time(tmp_path: Path) -> None:
    file = data_folder() / "timeseries" / "substations_nl" / "HAL.csv"
    cases.scenario(tmp_path / "case")
    words = ("--what", "load", "--column", "total_substation=load/2", "--unit", "MW", "--sign", "drawn")
    scenario = added(tmp_path / "case", file, *words, "--accept", "unit", "--span", "move")
    raw = pv.read_csv(file)["total_substation"].to_numpy()
    kw = power_kw(scenario, "load", "load/2")
    assert scenario.profiles.start == datetime(2021, 7, 31, tzinfo=UTC), "its stamps name the end of intervals"
    assert kw.sum() / 4e3 == pytest.approx(raw.sum() / 4, rel=1e-9)
    assert kw == pytest.approx(raw * 1e3, rel=2e-4, abs=1e-3)
    roof = power_kw(scenario, "pv", "sgen/0")
    assert roof[48] == pytest.approx(roof[48 + 672]), "the other series were moved by whole weeks and repeated"
    assert scenario.start == scenario.profiles.start


def test_hours_of_a_home_without_stamps_are_counted_from_a_start(tmp_path: Path) -> None:
    file = data_folder() / "timeseries" / "citylearn2022_homes" / "Building_1.csv"
    cases.scenario(tmp_path / "case", 31, datetime(2021, 8, 5, tzinfo=UTC))
    words = ("--what", "load", "--column", "non_shiftable_load=load/0", "--unit", "kWh")
    scenario = added(tmp_path / "case", file, *words, "--start", "2021-08-01T00:00-08:00", "--step", "1h")
    raw = pv.read_csv(file)["non_shiftable_load"].to_numpy()
    hour = int((scenario.profiles.start - datetime(2021, 8, 1, 8, tzinfo=UTC)).total_seconds() // 3600)
    kw = power_kw(scenario, "load", "load/0")
    assert kw.reshape(-1, 4).mean(axis=1) == pytest.approx(raw[hour : hour + len(kw) // 4], rel=1e-4, abs=1e-4)


def test_minutes_of_a_roof_become_quarter_hours_without_its_draw_at_night(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = data_folder() / "timeseries" / "pv_fast" / "serf_east_1min_ac_power.csv"
    cases.scenario(tmp_path / "case", 31, datetime(2022, 3, 1, tzinfo=UTC))
    words = ("--what", "pv", "--match", "order", "--label", "start", "--span", "common", "--gaps", "linear:2h,day:12h")
    assert cases.add(tmp_path / "case", file, *words) == 2
    assert "numbers without a unit; in W: mean" in capsys.readouterr().out
    codes = [word for code in ("unit", "pv-at-night") for word in ("--accept", code)]
    scenario = added(tmp_path / "case", file, *words, "--unit", "W", *codes)
    kw = power_kw(scenario, "pv", "sgen/0")
    assert (kw >= 0).all()
    raw = pv.read_csv(file)["ac_power__752"].to_numpy()
    assert 0.9 * raw.max() / 1e3 < kw.max() <= raw.max() / 1e3
    assert "a plant that draws" in capsys.readouterr().out


def test_day_ahead_prices_that_know_no_change_of_clocks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = data_folder() / "timeseries" / "prices_dayahead" / "DE_dayahead_price_and_forecasts.csv.gz"
    cases.scenario(tmp_path / "case", 31, datetime(2017, 3, 10, tzinfo=UTC))
    words = ("--what", "price", "--unit", "EUR/MWh", "--zone", "Europe/Berlin")
    assert cases.add(tmp_path / "case", file, *words) == 2
    assert "2 stamps in hours that the clock of Europe/Berlin skips" in capsys.readouterr().out
    scenario = added(tmp_path / "case", file, *words, "--dst", "drop", "--gaps", "linear:2h")
    raw = pv.read_csv(file)
    at = int(np.flatnonzero(raw[0].to_numpy().astype("datetime64[h]") == np.datetime64("2017-03-20T12"))[0])
    row = scenario.profiles.row(datetime(2017, 3, 20, 11, tzinfo=UTC))
    assert scenario.price[row : row + 4] == pytest.approx(raw["Real price"].to_numpy()[at] / 1e3)


def test_five_minute_prices_of_two_regions_in_another_currency(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = data_folder() / "timeseries" / "prices_5min_aemo" / "dispatchprice_202407.csv.gz"
    cases.scenario(tmp_path / "case", 2, datetime(2024, 7, 1, tzinfo=UTC))
    words = ("--what", "price", "--unit", "AUD/MWh", "--zone", "+10:00")
    assert cases.add(tmp_path / "case", file, *words) == 2
    said = capsys.readouterr().out
    assert "2 series of prices: 'NSW1', 'SA1'" in said
    assert "prices in AUD" in said
    scenario = added(tmp_path / "case", file, *words, "--only", "NSW1", "--rate", "0.6")
    raw = pv.read_csv(file)
    rrp = raw["RRP"].to_numpy()[np.array(raw["REGIONID"].to_pylist()) == "NSW1"]
    # the first 14 h of 1 July in Sydney lie before 1 July in UTC; stamps name the end
    assert scenario.price[0] == pytest.approx(rrp[120:123].mean() * 0.6 / 1e3, rel=1e-6)


def test_real_charging_sessions_find_their_chargers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = data_folder() / "timeseries" / "ev_sessions" / "acn_sessions.csv.gz"
    toml = cases.scenario(tmp_path / "case", 31, datetime(2019, 3, 1, tzinfo=UTC))
    raw = pv.read_csv(file)
    stations = sorted(set(raw["ChargingStation"].to_pylist()))[:3]
    node = (tmp_path / "case" / "loads.csv").read_text().splitlines()[1].split(",")[1]
    rows = [f"charger/{k},{node},11" for k in range(3)]
    (tmp_path / "case" / "ev_chargers.csv").write_text("\n".join(["id,node,p_kw", *rows]) + "\n")
    toml.write_text(toml.read_text().replace("[devices]\n", '[devices]\nev_chargers = "ev_chargers.csv" # three\n'))
    table = tmp_path / "map.csv"
    table.write_text("meter,device\n" + "".join(f"{name},charger/{k}\n" for k, name in enumerate(stations)))
    words = ["--what", "ev", "--map", str(table), "--only-matched", "--zone", "UTC", "--unit", "kWh"]
    words += ["--time", "ConnectionStartDateTime,ConnectionEndDateTime", "--meter", "ChargingStation"]
    scenario = added(tmp_path / "case", file, *words)
    said = capsys.readouterr().out
    assert "19,505 sessions at 52 chargers" in said
    fleet = next(f for f in scenario.fleets if f.kind == "ev_charger")
    begin = raw["ConnectionStartDateTime"].to_numpy().astype("datetime64[s]")
    end = raw["ConnectionEndDateTime"].to_numpy().astype("datetime64[s]")
    here = np.isin(np.array(raw["ChargingStation"].to_pylist()), stations)
    here &= (begin >= np.datetime64("2019-03-01")) & (end <= np.datetime64("2019-04-01"))
    assert fleet.session_kwh.sum() == pytest.approx(raw["Energy"].to_numpy()[here].sum(), rel=1e-6)  # type: ignore[attr-defined]
    assert "# three" in toml.read_text(), "comments of a person stay"


def test_a_list_of_bare_numbers_is_a_day_of_minutes(tmp_path: Path) -> None:
    folder = data_folder() / "networks" / "opendss" / "LVTestCase" / "Daily_1min_100profiles"
    cases.scenario(tmp_path / "case")
    words = ("--what", "load", "--column", "column 1=load/0", "--unit", "kW", "--span", "common")
    words += ("--start", "2023-03-02T00:00Z", "--step", "1min")
    scenario = added(tmp_path / "case", folder / "load_profile_1.txt", *words)
    raw = np.loadtxt(folder / "load_profile_1.txt")
    assert len(scenario.profiles.value) == 96, "all series are cut to the day that both cover"
    assert power_kw(scenario, "load", "load/0") == pytest.approx(raw.reshape(96, 15).mean(axis=1), rel=1e-4)


def test_irradiance_on_a_clock_that_is_never_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = data_folder() / "timeseries" / "pv_fast" / "irradiance_RMIS_NREL.csv"
    cases.scenario(tmp_path / "case", 10, datetime(2019, 1, 30, tzinfo=UTC))
    column = "irradiance_ghi__7981=irradiance_w_per_m2"
    words = ["--what", "weather", "--column", column, "--unit", "W/m2", "--label", "end", "--span", "common"]
    words += ["--zone", "UTC-07:00"]
    assert cases.add(tmp_path / "case", file, *words) == 2
    assert "3 gaps, together 34.4 h, the longest over 33 h" in capsys.readouterr().out
    scenario = added(tmp_path / "case", file, *words, "--gaps", "linear:2h,day:2d")
    value = scenario.profiles.value[:, scenario.profiles.name.index("irradiance_w_per_m2")]
    raw = pv.read_csv(file)["irradiance_ghi__7981"].to_numpy()
    assert scenario.profiles.start == datetime(2019, 2, 1, 7, tzinfo=UTC)
    assert value[:96] == pytest.approx(raw[:288].reshape(-1, 3).mean(axis=1), rel=1e-3, abs=1e-3)
    assert np.isfinite(value).all()
