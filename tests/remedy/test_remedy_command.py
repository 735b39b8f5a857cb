"""`archipel remedy` as a person types it, on a street behind a transformer that is too small."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from archipel.cli.main import main
from archipel.formats.series import write_profiles

NODES = """id,name,vn_kv,v_pu_min,v_pu_max,x,y,cell
bus/0,,10,0.9,1.1,,,Substation
bus/1,,0.4,0.9,1.1,,,Street
bus/2,,0.4,0.9,1.1,,,Street
bus/3,,0.4,0.9,1.1,,,Street
"""
LINES = """id,name,from_node,to_node,r_ohm,x_ohm,c_nf,g_us,i_a_max,from_closed,to_closed
line/0,,bus/1,bus/2,0.02,0.01,0,0,270,true,true
line/1,,bus/2,bus/3,0.02,0.01,0,0,270,true,true
"""
TRANSFORMERS = """id,name,hv_node,lv_node,sn_kva,vn_hv_kv,vn_lv_kv,vk_percent,vkr_percent,pfe_kw,i0_percent,\
shift_degree,tap_side,tap_pos,tap_neutral,tap_step_percent,loading_max,hv_closed,lv_closed
T7,,bus/0,bus/1,{kva},10,0.4,4,1.2,0.2,0.2,150,hv,0,0,2.5,1,true,true
"""
TABLES = {
    "nodes": NODES,
    "lines": LINES,
    "switches": "id,name,node,element,closed\n",
    "cells": "id,parent,level\nSubstation,,substation\nStreet,Substation,lv\n",
    "ties": "id,direction,upper,lower,upper_node,lower_node,closed,metered_at,default_p_kw\n"
    "T7,vertical,Substation,Street,bus/0,bus/1,true,upper,0\n",
    "loads": "id,node,p_kw,q_kvar,profile\nload/2,bus/2,40,8,house\nload/3,bus/3,40,8,house\n",
    "batteries": "id,node,e_kwh,p_kw_charge,p_kw_discharge,efficiency_charge,efficiency_discharge,soc_start\n"
    "battery/2,bus/2,10,5,5,0.95,0.95,0.5\n",
    "ev_chargers": "id,node,p_kw\nev/3,bus/3,11\n",
    "ev_sessions": "charger,start,end,e_kwh\nev/3,2021-01-05T17:00:00Z,2021-01-05T{end}:00Z,{kwh}\n",
}
TOML = """[scenario]
name = "street"
title = "A street"
start = 2021-01-05T00:00:00Z
days = 1
seed = 1
[network]
nodes = "nodes.csv"
lines = "lines.csv"
transformers = "transformers.csv"
switches = "switches.csv"
[network.source]
id = "grid"
node = "bus/0"
v_pu = 1.0
[cells]
cells = "cells.csv"
ties = "ties.csv"
[devices]
loads = "loads.csv"
batteries = "batteries.csv"
ev_chargers = "ev_chargers.csv"
ev_sessions = "ev_sessions.csv"
[series]
profiles = ["profiles.parquet"]
[series.price]
source = "formula"
mean_eur_per_mwh = 35.0
"""
ASKED = ["--step-minutes", "120"]


def street(folder: Path, kva: float = 160.0, end: str = "23:00", kwh: float = 20.0) -> str:
    """Write the scenario; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in TABLES.items():
        filled = text.format(end=end, kwh=kwh) if name == "ev_sessions" else text
        (folder / f"{name}.csv").write_text(filled, encoding="utf-8")
    (folder / "transformers.csv").write_text(TRANSFORMERS.format(kva=kva), encoding="utf-8")
    hours = np.arange(2 * 96) / 4.0 % 24
    house = np.where((hours >= 17) & (hours < 21), 1.0, 0.4).astype(np.float32)
    both = np.column_stack([house, house])
    write_profiles(folder / "profiles.parquet", datetime(2021, 1, 5, tzinfo=UTC), ["house_pload", "house_qload"], both)
    (folder / "street.toml").write_text(TOML, encoding="utf-8")
    return str(folder / "street.toml")


def test_a_day_that_can_be_kept_exits_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remedy", street(tmp_path), *ASKED]) == 0
    assert "everything that is asked can be kept" in capsys.readouterr().out


def test_a_transformer_too_small_is_told_with_what_it_needs_and_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "hours.svg"
    assert main(["remedy", street(tmp_path, kva=63.0), *ASKED, "--picture", str(picture)]) == 1
    said = capsys.readouterr().out
    assert "Transformer T7 is overloaded" in said
    assert "the limit of transformer T7" in said
    assert "kVA higher: EUR" in said
    assert "more storage behind transformer T7" in said
    assert "less load behind transformer T7" in said
    drawn = picture.read_text(encoding="utf-8")
    ElementTree.fromstring(drawn)
    assert "Loading of transformer T7" in drawn


@pytest.mark.parametrize(
    ("kind", "edit"),
    [
        ("limit: loading", "change-transformers.csv"),
        ("storage", "change-batteries.csv"),
        ("load", "change-profiles.parquet"),
    ],
)
def test_a_change_that_is_written_makes_a_scenario_that_is_possible(
    kind: str, edit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = street(tmp_path / "old", kva=63.0)
    before = {file.name: file.read_bytes() for file in (tmp_path / "old").iterdir()}
    assert main(["remedy", path, *ASKED, "--json"]) == 1
    (conflict,) = json.loads(capsys.readouterr().out)["conflicts"]
    number = 1 + [way["changes"][0]["kind"] for way in conflict["alternatives"]].index(kind)
    new = tmp_path / "new"
    assert main(["remedy", path, *ASKED, "--apply", str(number), "-o", str(new)]) == 0
    assert f"Ask again: archipel remedy {new / 'street-changed.toml'} --step-minutes 120" in capsys.readouterr().out
    assert (new / edit).exists()
    assert main(["check", str(new)]) == 0
    assert main(["remedy", str(new), *ASKED]) == 0
    assert {file.name: file.read_bytes() for file in (tmp_path / "old").iterdir()} == before, "the old one stays"


def test_a_vehicle_that_leaves_too_early_may_leave_later_or_with_less_and_both_can_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = street(tmp_path / "old", end="18:00", kwh=20.0)
    assert main(["remedy", path, "--json"]) == 1
    (conflict,) = json.loads(capsys.readouterr().out)["conflicts"]
    assert conflict["broken"][0]["what"] == "energy"
    kinds = [way["changes"][0]["kind"] for way in conflict["alternatives"]]
    for kind in ("later", "energy", "rating"):
        new = tmp_path / kind
        assert main(["remedy", path, "--apply", str(1 + kinds.index(kind)), "-o", str(new)]) == 0
        assert main(["remedy", str(new)]) == 0


def test_only_the_kinds_that_are_asked_for_are_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--kind", "storage", "--kind", "limit", "--json"]
    assert main(["remedy", street(tmp_path, kva=63.0), *ASKED, *given]) == 1
    (conflict,) = json.loads(capsys.readouterr().out)["conflicts"]
    assert {way["kind"] for way in conflict["alternatives"]} == {"storage", "limit"}


def test_one_cell_is_looked_at_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = street(tmp_path)
    assert main(["remedy", path, *ASKED, "--cell", "Street", "--import-kw", "70"]) == 1
    assert "The connection of cell Street takes" in capsys.readouterr().out
    assert main(["remedy", path, *ASKED, "--cell", "Street", "--import-kw", "100"]) == 0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--host", "bus/9", "5"], "--host: found node bus/9; expected a node of the network, such as bus/0"),
        (["--host", "bus/2", "five"], "--host: found five; expected a number of kW"),
        (["--import-kw", "-3"], "found -3; expected a power in kW, 0 or more"),
        (["--start", "2031-01-01"], "--start: found 2031-01-01; expected a day from 2021-01-05"),
        (["--start", "soon"], "--start: found soon"),
        (["--days", "3"], "where the scenario has series for 3 days"),
        (["--cell", "Nowhere"], "--cell: found Nowhere; expected a cell of the scenario: Substation, Street"),
        (["--outage", "20", "9"], "--outage: found 20 9"),
        (["--agreed", "Street", "-1", "5"], "--agreed: found -1"),
        (["--agreed", "Road", "1", "5"], "--agreed: found cell Road"),
        (["--price", "gold=1"], "--price: found gold=1"),
        (["--apply", "1"], "--apply: found 1; expected no --apply: there is no alternative"),
        (["-o", "there"], "-o: found no --apply"),
    ],
)
def test_what_cannot_be_asked_is_told_and_exits_with_2(
    given: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["remedy", street(tmp_path), *ASKED, *given])
    except SystemExit as stop:  # the parser's own refusals
        code = int(str(stop.code))
    said = capsys.readouterr()
    assert code == 2
    assert told in " ".join(said.err.split())
    assert "Traceback" not in said.err


def test_an_area_too_large_is_refused_with_ways_to_narrow_the_question(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remedy", "district"]) == 2
    said = capsys.readouterr().err
    assert "--cell ID" in said
    assert "--step-minutes 120" in said
    assert "near a limit when nobody plans: LV" in said


def test_a_folder_in_use_is_not_written_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = street(tmp_path / "old", kva=63.0)
    assert main(["remedy", path, *ASKED, "--apply", "1", "-o", str(tmp_path / "old")]) == 2
    assert "expected a new folder" in capsys.readouterr().err
