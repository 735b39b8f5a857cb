"""What the shipped scenarios are: their counts, their recipes, the same for the same seed."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from formats_cases import data_folder, small_scenario
from scipy.optimize import linprog

from archipel.devices import BatteryFleet, EvChargerFleet, HeatPumpFleet, LoadFleet, PvFleet
from archipel.formats.scenario import check_scenario, load_scenario, shipped_scenarios
from archipel.grid.power_flow import PowerFlow
from archipel.model import Scenario, ScenarioInvalid
from archipel.scenarios.build import build

SHIPPED = ["city", "city-herd", "city-winter", "district", "island", "island-year", "vpp"]


@cache
def scenario(name: str) -> Scenario:
    return load_scenario(name)


def fleet(name: str, kind: str) -> Any:
    return next(f for f in scenario(name).fleets if f.kind == kind)


def test_these_scenarios_are_shipped() -> None:
    assert sorted(shipped_scenarios()) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_scenario_has_no_problem(name: str) -> None:
    assert check_scenario(name) == ()


def test_shipped_files_are_small() -> None:
    files = [p for p in shipped_scenarios()["city"].parent.rglob("*") if p.is_file()]
    assert max(p.stat().st_size for p in files) < 5e6
    assert sum(p.stat().st_size for p in files) < 12e6


def test_the_build_script_makes_the_shipped_files(tmp_path: Path) -> None:
    build(data_folder(), tmp_path)
    shipped = shipped_scenarios()["city"].parent
    made = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    assert made == sorted(p.relative_to(shipped) for p in shipped.glob("*/*") if p.parent.name != "contracts")
    for file in made:
        if file.suffix == ".csv":
            assert (tmp_path / file).read_bytes() == (shipped / file).read_bytes()
        else:
            assert pq.read_table(tmp_path / file).equals(pq.read_table(shipped / file))


def test_shipped_scenarios_say_where_they_come_from() -> None:
    folder = shipped_scenarios()["city"].parent
    assert "Open Database" in (folder / "LICENSE.txt").read_text(encoding="utf-8")
    assert "SimBench" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_city_loads_quickly() -> None:
    load_scenario("city")
    begin = time.process_time()
    load_scenario("city")
    assert time.process_time() - begin < 2.5


def test_the_district_is_two_feeders_with_their_low_voltage() -> None:
    district = scenario("district")
    source_loads = len(fleet("district", "load").id) + sum(
        "/copy/" not in i for i in fleet("district", "ev_charger").id
    )
    assert len(district.grid.nodes) == 1_075
    assert source_loads == 1_157
    assert len(fleet("district", "pv").id) == 148
    assert fleet("district", "pv").p_kw_peak.sum() == pytest.approx(8_275.5)
    assert district.connection.export_kw_max == 2_600.0
    levels = [cell.level for cell in district.archipelago.cell]
    assert (levels.count("feeder"), levels.count("lv")) == (2, 11)


def test_the_loop_line_of_the_district_is_open_at_feeder_13() -> None:
    opened = [tie for tie in scenario("district").archipelago.tie if not tie.closed]
    assert [(tie.id, tie.upper, tie.lower) for tie in opened] == [("line/138", "Feeder12", "Feeder13")]


def test_the_city_has_five_times_the_panels_and_chargers_of_the_source() -> None:
    assert fleet("city", "pv").p_kw_peak.sum() == pytest.approx(80_114.0)
    assert len(fleet("city", "ev_charger").id) == 5 * 400
    assert scenario("city").connection.export_kw_max == 25_000.0


def test_batteries_stand_in_two_fifths_of_the_cells_at_two_hours_of_power() -> None:
    city, battery, pv = scenario("city"), fleet("city", "battery"), fleet("city", "pv")
    cells = set(city.archipelago.node_cell[battery.node].tolist())
    assert len(cells) == round(0.4 * len(set(city.archipelago.node_cell[pv.node].tolist())))
    own = dict(zip(pv.id, pv.p_kw_peak, strict=True))
    assert battery.e_kwh == pytest.approx([2.0 * own[i.removeprefix("battery/")] for i in battery.id])
    assert battery.p_kw_charge == pytest.approx(battery.e_kwh / 2.0)
    assert set(battery.efficiency_charge.tolist()) == {0.95}


def test_a_fifth_of_the_nodes_with_panels_has_volt_var() -> None:
    pv = fleet("city", "pv")
    modern, nodes = np.unique(pv.node[pv.volt_var]), np.unique(pv.node)
    assert len(modern) == round(0.2 * len(nodes))
    assert not np.isin(pv.node[~pv.volt_var], modern).any()


def test_the_island_has_half_a_day_of_storage_and_more_renewables_than_load() -> None:
    island = scenario("island")
    assert fleet("island", "battery").e_kwh.sum() == pytest.approx(44_100.0)
    mean = island.profiles.value.mean(axis=0, dtype=np.float64)
    load = fleet("island", "load")
    pv, made = fleet("island", "pv"), fleet("island", "generator")
    given = float((pv.p_kw_peak * mean[pv.profile]).sum() + (made.p_kw * mean[made.profile]).sum())
    used = float((load.p_kw * mean[load.p_profile]).sum())
    assert given / used == pytest.approx(1.81, abs=0.01)
    assert 44_100.0 / used == pytest.approx(12.0, abs=0.05)


def test_city_winter_electrifies_homes_by_share() -> None:
    homes = len([i for i in fleet("city-winter", "ev_charger").id if i.startswith("ev/")])
    assert homes == round(0.6 * 10_225)
    pumps = fleet("city-winter", "heat_pump")
    assert len(pumps.id) == round(0.4 * 10_225)
    assert set(pumps.p_kw.tolist()) == {4.0}
    warmest_need = pumps.heat_kw * (1.0 + pumps.band_k / 30.0)
    assert (pumps.p_kw * pumps.cop >= warmest_need).all()


def test_the_herd_has_no_limit_and_160_mwh() -> None:
    herd = scenario("city-herd")
    assert herd.connection.export_kw_max == herd.connection.import_kw_max == np.inf
    assert fleet("city-herd", "battery").e_kwh.sum() == pytest.approx(160_228.0)


def test_batteries_that_follow_the_price_alone_overload_the_city() -> None:
    herd, battery, load = scenario("city-herd"), fleet("city-herd", "battery"), fleet("city-herd", "load")
    first, nodes = herd.profiles.row(herd.start), len(herd.grid.nodes)
    price = herd.price[first : first + 96]
    # One battery of 1 kWh stands for all: half full at both ends of the day, 0.5 C, 0.95 each way, 10 EUR/MWh of wear.
    stored = np.tril(np.full((96, 96), 0.25)) @ np.hstack([0.95 * np.eye(96), -np.eye(96) / 0.95])
    best = linprog(
        np.concatenate([price, 0.010 - price]),
        A_ub=np.vstack([stored, -stored]),
        b_ub=np.full(192, 0.5),
        A_eq=stored[-1:],
        b_eq=[0.0],
        bounds=(0.0, 0.5),
    )
    drawn = best.x[:96] - best.x[96:]
    row = herd.profiles.value[first : first + 96].astype(np.float64)
    base = row[:, load.p_profile] @ load.p_kw
    t = int(np.argmax(base + drawn * battery.e_kwh.sum()))
    p_kw = np.bincount(load.node, load.p_kw * row[t, load.p_profile], nodes)
    q_kvar = np.bincount(load.node, load.q_kvar * row[t, load.q_profile], nodes)
    flow = PowerFlow(herd.grid).solve(p_kw + np.bincount(battery.node, battery.e_kwh * drawn[t], nodes), q_kvar)
    assert flow.upstream_p_kw > 5.0 * base.max()
    assert (flow.loading > 1.005).sum() > 1_000


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_network_has_an_ac_solution_inside_its_limits_at_night(name: str) -> None:
    one = scenario(name)
    load, nodes = fleet(name, "load"), len(one.grid.nodes)
    row = one.profiles.value[one.profiles.row(one.start) + 12].astype(np.float64)
    p_kw = np.bincount(load.node, load.p_kw * row[load.p_profile], nodes)
    q_kvar = np.bincount(load.node, load.q_kvar * row[load.q_profile], nodes)
    v_pu = PowerFlow(one.grid).solve(p_kw, q_kvar).v_pu
    live = v_pu > 0.0
    assert (v_pu[live] <= one.grid.nodes.v_pu_max[live]).all()
    assert (v_pu[live] >= one.grid.nodes.v_pu_min[live]).all()


def _same(a: Scenario, b: Scenario) -> bool:
    def columns(one: Scenario) -> list[Any]:
        return [getattr(f, name) for f in one.fleets for name in type(f).__dataclass_fields__] + [one.price]

    return all(np.array_equal(x, y) for x, y in zip(columns(a), columns(b), strict=True))


def test_a_seed_tells_one_story() -> None:
    assert _same(load_scenario("district"), load_scenario("district", seed=1))
    assert _same(load_scenario("district", seed=7), load_scenario("district", seed=7))


def test_another_seed_tells_another_story() -> None:
    one, other = load_scenario("district"), load_scenario("district", seed=2)
    assert other.seed == 2
    assert not np.array_equal(one.price, other.price)
    assert {f.kind: f.id for f in one.fleets}["battery"] != {f.kind: f.id for f in other.fleets}["battery"]


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ScenarioInvalid, match="seed"):
        load_scenario("district", seed=-1)


def test_profiles_are_permuted_within_their_class_and_cell() -> None:
    city = scenario("city")
    load: LoadFleet = fleet("city", "load")
    name = np.array([city.profiles.name[k] for k in load.p_profile])
    cell = city.archipelago.node_cell[load.node]
    clones = [i for i, c in enumerate(city.archipelago.cell) if c.id.startswith("LV5.")]
    first = [tuple(sorted(set(name[(cell == c) & np.char.startswith(name, "H0-")]))) for c in clones]
    order = [tuple(name[(cell == c) & np.char.startswith(name, "H0-")][:8]) for c in clones]
    assert len(set(first)) == 1
    assert len(set(order)) > 10
    p, q = load.p_profile, load.q_profile
    assert all(
        city.profiles.name[a].removesuffix("_pload") == city.profiles.name[b].removesuffix("_qload")
        for a, b in set(zip(p.tolist(), q.tolist(), strict=True))
    )


def test_copies_of_a_charger_do_not_charge_together() -> None:
    charger: EvChargerFleet = fleet("city", "ev_charger")
    group = [k for k, i in enumerate(charger.id) if i.split("/copy/")[0] == charger.id[0].split("/copy/")[0]]
    starts = [tuple(charger.session_start[charger.session_device == k].tolist()) for k in group]
    assert len(group) == 5
    assert len(set(starts)) == 5


def test_a_scenario_written_and_read_again_is_the_same(tmp_path: Path) -> None:
    one, two = load_scenario(small_scenario(tmp_path / "a")), load_scenario(small_scenario(tmp_path / "b"))
    assert _same(one, two)
    assert one.archipelago.cell == two.archipelago.cell
    assert one.start == datetime(2016, 5, 25, 22, tzinfo=UTC)
    battery = next(f for f in one.fleets if isinstance(f, BatteryFleet))
    assert battery.p_kw_charge.tolist() == [5.0]
    assert not any(isinstance(f, HeatPumpFleet) for f in one.fleets)
    assert next(f for f in one.fleets if isinstance(f, PvFleet)).volt_var.tolist() == [False]


def test_real_prices_come_from_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = data_folder()
    path = small_scenario(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace('"formula"', '"de-2016"'), encoding="utf-8")
    price = load_scenario(path).price
    # 2016-05-26 00:00 local, from the published file.
    assert price[0] * 1000.0 == pytest.approx(_published(folder, "2016-05-26 00:00:00"))
    assert price[4 * 13] * 1000.0 == pytest.approx(_published(folder, "2016-05-26 13:00:00"))
    monkeypatch.delenv("ARCHIPEL_DATA")
    assert "ARCHIPEL_DATA" in check_scenario(path)[0].mend


def _published(folder: Path, stamp: str) -> float:
    import gzip

    text = gzip.decompress((folder / "timeseries/prices_dayahead/DE_dayahead_price_and_forecasts.csv.gz").read_bytes())
    return float(next(row for row in text.decode().splitlines() if row.startswith(stamp)).split(",")[1])
