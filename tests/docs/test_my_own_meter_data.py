"""The commands of the page on meter data, run as they stand."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from reading import ROOT, commands

from archipel.cli.main import main
from archipel.formats.scenario import check_scenario, load_scenario

sys.path.insert(0, str(ROOT / "tests" / "formats" / "measured"))

import measured_cases as cases  # isort: skip

PAGE = "docs/how-to/my-own-meter-data.md"


def month(folder: Path, name: str, begin: datetime) -> None:
    """31 days of the three loads on the clock of Berlin, stamps at the end of intervals."""
    zone = ZoneInfo("Europe/Berlin")
    kwh = cases.load_kwh(31)
    rows = ["Zeit;load/0 [kWh];load/1 [kWh];load/2 [kWh]"]
    for k, values in enumerate(kwh):
        stamp = datetime.fromtimestamp(begin.timestamp() + 900 * (k + 1), zone)
        rows.append(f"{stamp:%d.%m.%Y %H:%M};" + ";".join(str(v).replace(".", ",") for v in values))
    del rows[700:703]  # a short gap
    (folder / name).write_text("\n".join(rows) + "\n", encoding="utf-8")


def test_the_commands_of_the_page_on_meter_data_do_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    begin = datetime(2023, 6, 30, 22, tzinfo=UTC)
    toml = cases.scenario(tmp_path / "my-grid", 31, begin)
    month(tmp_path, "meters.csv", begin)
    month(tmp_path, "august.csv", begin)
    quarter = np.arange(31 * 96)
    sun = np.clip(np.sin((quarter % 96 - 29) / 48 * np.pi), 0.0, 1.0) * (quarter % 96 < 77)
    stamps = cases.iso(cases.utc(31, begin))
    (tmp_path / "roof.csv").write_text(cases.table(["start", "P [kW]"], stamps, np.round(8 * sun, 3)))
    (tmp_path / "prices.csv").write_text(cases.table(["start", "price [ct/kWh]"], stamps, 8 + np.round(3 * sun, 2)))
    weather = cases.table(["start", "temperature [degC]", "GHI [W/m2]"], stamps, 5 + 10 * sun, 900 * sun)
    (tmp_path / "weather.csv").write_text(weather)
    (tmp_path / "sessions.csv").write_text(
        "charger,plug_in,plug_out,energy_kwh\nwallbox,2022-03-01T17:30Z,2022-03-02T06:10Z,22.5\n"
    )
    node = (tmp_path / "my-grid" / "loads.csv").read_text().splitlines()[1].split(",")[1]
    (tmp_path / "my-grid" / "ev_chargers.csv").write_text(f"id,node,p_kw\nwallbox,{node},11\n")
    text = toml.read_text() + "\n# the last word\n"
    toml.write_text(text)
    typed = [words[1:] for page, words in commands() if page == PAGE and words[0] == "archipel"]
    assert len(typed) == 8
    for words in typed:
        if "sessions.csv" in words:
            toml.write_text(toml.read_text().replace("[devices]\n", '[devices]\nev_chargers = "ev_chargers.csv"\n'))
        code = main(list(words))
        said = "".join(capsys.readouterr())
        assert code == (2 if "--dry-run" in words else 0), said
        if "--dry-run" in words:
            assert "stamps without an offset" in said
            assert toml.read_text() == text
            assert not (tmp_path / "my-grid" / "measured").exists()
    assert check_scenario(toml) == ()
    assert "# the last word" in toml.read_text()
    page = (tmp_path / "data-report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    drawn = set(re.findall(r"(?:stroke|fill)=\"var\(--(\w+)\)", page))
    assert len(drawn) == 2, "a line and its gaps"
    assert all(f"--{colour}:" in page for colour in drawn), "in colours that the page has"
    assert "load/2: 1 gaps" in page
    scenario = load_scenario(toml)
    assert scenario.price.max() == pytest.approx(0.11)
    assert {"temperature_c", "irradiance_w_per_m2", "load/load/0", "pv/P"} <= set(scenario.profiles.name)
    assert next(f for f in scenario.fleets if f.kind == "ev_charger").session_kwh.tolist() == [22.5]  # type: ignore[attr-defined]
