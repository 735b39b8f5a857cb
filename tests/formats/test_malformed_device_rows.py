"""Rows of wind, hydro, buildings, appliances and chargers that give back: each wrong one says where and how to mend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from formats_cases import replace_text, small_profiles, small_scenario

from archipel.formats.scenario import check_scenario, load_scenario
from archipel.formats.series import write_profiles
from archipel.model import Scenario

WIND = "id,node,p_kw,s_kva,profile,hub_m,speed_m_per_s_in,speed_m_per_s_rated,speed_m_per_s_out,volt_var\n"
HYDRO = "id,node,p_kw_max,head_m,volume_m3,profile,inflow_m3_per_s,residual_m3_per_s\n"
HOUSE = "id,node,p_kw,ua_kw_per_k,c_kwh_per_k,source,heating,outdoor_profile,solar_profile,solar_kw\n"
RUN = "id,node,run_kw,earliest,latest\n"
V2G = "id,node,p_kw_charge,p_kw_discharge,e_kwh\n"
EVE = "2016-05-26T16:00:00Z"
SESSION = "charger,start,end,e_kwh,soc_arrival\n"
GOOD = {
    "wind": f"{WIND}w,bus/6,50,55,wind,60,,,,true\n",
    "hydro": f"{HYDRO}h,bus/6,80,20,1000,Hydro1,0.4,0.1\n",
    "buildings": f"{HOUSE}b,bus/6,3,0.2,10,air,floor,outdoor,PV1,4\n",
    "appliances": f"{RUN}a,bus/6,0.1 2 2 0.4,08:00,18:00\n",
    "v2g_chargers": f"{V2G}v,bus/6,11,11,60\n",
    "v2g_sessions": f"{SESSION}v,{EVE},2016-05-27T05:00:00Z,10,0.4\n",
}


def with_devices(folder: Path, **other: str) -> Path:
    """The small scenario with one device of each kind, series of wind [m/s] and temperature among its own."""
    toml = small_scenario(folder)
    series = small_profiles()
    one = series.value[:, 0]
    value = {"wind": 8 + 3 * one, "outdoor": 10 * one, "kmh": 80 + 0 * one, "kelvin": 280 + 0 * one}
    write_profiles(folder / "more.parquet", series.start, list(value), np.column_stack(list(value.values())))
    replace_text(folder, toml.name, '["profiles.parquet"]', '["profiles.parquet", "more.parquet"]')
    for table, text in (GOOD | other).items():
        (folder / f"{table}.csv").write_text(text, encoding="utf-8")
        replace_text(folder, toml.name, "[devices]", f'[devices]\n{table} = "{table}.csv"')
    return toml


def test_a_scenario_with_every_kind_loads(tmp_path: Path) -> None:
    case = load_scenario(with_devices(tmp_path))
    assert isinstance(case, Scenario)
    assert {"wind", "hydro", "building", "appliance", "v2g"} <= set(case.device_kind)


@pytest.mark.parametrize(
    ("table", "text", "found", "mend"),
    [
        ("wind", f"{WIND}w,bus/6,50,55,wind,60,13,12,25,\n", "13 (in), 12 (rated)", "about 3, 12 and 25"),
        ("wind", f"{WIND}w,bus/6,50,55,kmh,60,,,,\n", "a series from 80 to 80", "km/h by 3.6"),
        ("wind", f"{WIND}w,bus/6,50,55,wnd,60,,,,\n", "profile = 'wnd'", "Did you mean 'wind'"),
        ("wind", f"{WIND}w,bus/6,50,55,,60,,,,\n", "no profile", "Fill in profile"),
        ("wind", f"{WIND}w,nowhere,50,55,wind,60,,,,\n", "nowhere", "bus"),
        ("hydro", f"{HYDRO}h,bus/6,80,20,1000,Hydro1,0.4,0.5\n", "residual flow of 0.5 m3/s", "residual_m3_per_s"),
        ("hydro", f"{HYDRO}h,bus/6,80,-20,1000,Hydro1,0.4,0\n", "head_m = -20", "head_m"),
        ("buildings", f"{HOUSE}b,bus/6,3,0.2,10,air,floor,kelvin,,\n", "280 to 280", "273.15"),
        ("buildings", f"{HOUSE}b,bus/6,3,0.2,10,air,floor,outdor,,\n", "outdoor_profile = 'outdor'", "'outdoor'"),
        ("buildings", f"{HOUSE}b,bus/6,3,0.2,10,air,floor,outdoor,,4\n", "without a solar_profile", "solar_profile"),
        ("buildings", f"{HOUSE}b,bus/6,3,0.2,10,water,floor,outdoor,,\n", "source = 'water'", "air, ground"),
        ("appliances", f"{RUN}a,bus/6,2 -1 2,08:00,18:00\n", "run_kw = '2 -1 2'", "0.1 2.0 2.0 0.3"),
        ("appliances", f"{RUN}a,bus/6,nan,08:00,18:00\n", "run_kw = 'nan'", "0.1 2.0 2.0 0.3"),
        ("appliances", f"{RUN}a,bus/6,2 2,8.30,18:00\n", "earliest = '8.30'", "without a zone"),
        ("appliances", f"{RUN}a,bus/6,2 2,08:00,18:07\n", "latest = '18:07'", "without a zone"),
        ("appliances", f"{RUN}a,bus/6,2 2 2 2,08:00,07:30\n", "a run of 1 h", "nearer to earliest"),
        ("v2g_sessions", f"{SESSION}v,{EVE},2016-05-27T05:00:00Z,50,0.4\n", "50 kWh on top of 24", "Lower"),
        ("v2g_sessions", f"{SESSION}v,{EVE},2016-05-26T15:00:00Z,5,0.4\n", "an end before", "Exchange"),
        ("v2g_sessions", f"{SESSION}x,{EVE},2016-05-26T18:00:00Z,5,0.4\n", "charger = 'x'", "v"),
        ("v2g_sessions", f"{SESSION}v,{EVE},2016-05-26T18:00:00Z,5,1.4\n", "soc_arrival = 1.4", "soc_arrival"),
        ("v2g_chargers", f"{V2G}v,bus/6,0,11,60\n", "p_kw_charge = 0", "p_kw_charge"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_found_with_its_place_and_its_mend(
    tmp_path: Path, table: str, text: str, found: str, mend: str
) -> None:
    problems = check_scenario(with_devices(tmp_path, **{table: text}))
    told = [p for p in problems if p.file == f"{table}.csv" and found in p.found]
    assert told, [str(p) for p in problems]
    assert mend in told[0].mend or mend in told[0].expected
    assert told[0].id


def test_sessions_without_their_chargers_are_told(tmp_path: Path) -> None:
    toml = with_devices(tmp_path)
    replace_text(tmp_path, toml.name, 'v2g_chargers = "v2g_chargers.csv"\n', "")
    (problem,) = check_scenario(toml)
    assert (problem.id, problem.found) == ("v2g_sessions", "sessions without chargers")
