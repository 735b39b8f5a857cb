"""`archipel adopt`: a bare network becomes a scenario that runs, by seed, and what was there stays."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.csv as pv
import pytest
from adopting_cases import HOMES, SHARES, options, rows, street
from formats_cases import data_folder
from hypothesis import given
from hypothesis import strategies as st
from tests.twin.three_phase_cases import street as three_phase_street

import archipel
from archipel.cli.adopt_command import SHARES as OPTIONS
from archipel.cli.main import main
from archipel.formats.adopting import KINDS, Adopted, adopt
from archipel.formats.adopting.customers import customers_of, kinds_of_loads
from archipel.formats.adopting.local_clock import ZONE, local_clock
from archipel.formats.adopting.sessions import in_order
from archipel.formats.adopting.setting import Setting, chosen
from archipel.formats.scenario import check_scenario, load_scenario


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Adopted, dict[str, bytes]]:
    """A street, what adopting made of it, and the files as they were before."""
    folder = tmp_path_factory.mktemp("adopting") / "street"
    path = street(folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    return folder, adopt(path, options()), before


def test_the_adopted_scenario_has_no_problem_and_stands_beside_the_old_one(
    once: tuple[Path, Adopted, dict[str, bytes]],
) -> None:
    folder, done, before = once
    assert done.scenario == folder / "small-adopted.toml"
    assert check_scenario(done.scenario) == ()
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert not [path for path in folder.parent.iterdir() if path.name.startswith(".")], "no staging folder is left"


def test_shares_are_shares_of_the_customers_to_the_last_one(once: tuple[Path, Adopted, dict[str, bytes]]) -> None:
    folder, done, _ = once
    customers = HOMES + 1 + 12  # the village has twelve rows
    for name, share in SHARES.items():
        may = customers - 1 if name == "heat-pump" else customers
        table = rows(folder / f"small-adopted-{KINDS[name].table.replace('_', '-')}.csv")
        assert len(table) == round(share * may) == done.account.count[name]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    once: tuple[Path, Adopted, dict[str, bytes]], tmp_path: Path
) -> None:
    folder, _, before = once
    street(tmp_path / "again")
    adopt(tmp_path / "again", options())
    made = {path.name for path in folder.iterdir()} - set(before)
    assert len(made) == 8
    assert all((tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes() for name in made)
    adopt(tmp_path / "again" / "small.toml", options(seed=8, name="other"))
    other = {name: (tmp_path / "again" / name.replace("small-adopted", "other")).read_bytes() for name in made}
    assert not [name for name in made if other[name] == (folder / name).read_bytes()]


def test_whoever_has_a_device_at_a_share_has_the_same_one_at_every_larger_share(tmp_path: Path) -> None:
    path = street(tmp_path / "street")
    few = {"pv": 0.3, "battery": 0.2, "ev": 0.2, "heat-pump": 0.1}
    for name, shares in (("few", few), ("many", SHARES)):
        adopt(path, options(shares=shares, name=name))
    for table in ("pv", "batteries", "ev-chargers", "ev-sessions", "heat-pumps"):
        small, large = (
            {tuple(row.items()) for row in rows(tmp_path / "street" / f"{name}-{table}.csv")}
            for name in ("few", "many")
        )
        assert small < large


@given(share=st.floats(0, 1), more=st.floats(0, 1), seed=st.integers(0, 2**32), n=st.integers(0, 60), data=st.data())
def test_chosen_customers_are_nested_and_as_many_as_asked_for(
    share: float, more: float, seed: int, n: int, data: st.DataObject
) -> None:
    customers = customers_of(tuple(f"load/{k}" for k in range(n)), [("home", 1)] * n)
    setting = Setting(customers, ("a",) * n, np.ones(n), local_clock(_new_year(2016), 96), 50.0, options(seed=seed))
    may, has = (np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=bool) for _ in range(2))
    low, high = sorted((share, more))
    few, many = (set(chosen(setting, "pv", may, has, s).tolist()) for s in (low, high))
    assert few <= many
    assert len(many) == round(high * int((may | has).sum()))
    assert not {i for i in many if not may[i] and not has[i]}


def test_batteries_stand_beside_panels_as_long_as_there_are_enough(
    once: tuple[Path, Adopted, dict[str, bytes]],
) -> None:
    folder, _, _ = once
    panels = {row["id"].removeprefix("pv/"): float(row["p_kw_peak"]) for row in rows(folder / "small-adopted-pv.csv")}
    for row in rows(folder / "small-adopted-batteries.csv"):
        assert 0.4 < float(row["e_kwh"]) / panels[row["id"].removeprefix("battery/")] < 2.1


def test_sizes_lie_where_statistics_lie(once: tuple[Path, Adopted, dict[str, bytes]]) -> None:
    folder, done, _ = once
    homes = [row for row in rows(folder / "small-adopted-pv.csv") if row["id"].startswith("pv/home")]
    assert all(2.0 <= float(row["p_kw_peak"]) <= 25.0 for row in homes)
    case = archipel.scenario(done.scenario)
    pump = next(fleet for fleet in case.fleets if fleet.kind == "heat_pump")
    demand = case.profiles.value[:, case.profiles.name.index("heat-by-degree-days")].sum() / 4.0
    own = np.array([not name.startswith("heat_pump/village") for name in pump.id])
    assert own.any()
    assert np.all((pump.heat_kw[own] * demand > 6_000) & (pump.heat_kw[own] * demand < 35_000))
    assert np.all(pump.p_kw * pump.cop >= pump.heat_kw * 0.99), "the coldest hour can be met"
    sun = np.stack([case.profiles.value[:, k] for k, name in enumerate(case.profiles.name) if name.startswith("sun")])
    assert np.allclose(sun.sum(axis=1) / 4.0, 950.0, rtol=0.01)


def test_loads_of_one_class_are_not_alike_and_keep_their_nominal_power_as_share_of_a_common_peak(
    once: tuple[Path, Adopted, dict[str, bytes]],
) -> None:
    folder, done, _ = once
    table = rows(folder / "small-adopted-loads.csv")
    names = [row["profile"] for row in table if row["id"].startswith("home")]
    assert len(set(names)) == HOMES
    assert [row["p_kw"] for row in table] == [row["p_kw"] for row in rows(folder / "loads.csv")]
    case = archipel.scenario(done.scenario)
    series = np.stack([case.profiles.value[:, case.profiles.name.index(name)] for name in names])
    assert series.max(axis=1).min() > 1.5, "a single home peaks far above what it adds to the peak of many"
    assert 0.9 < series.mean(axis=0).max() < 2.2
    assert np.corrcoef(series)[0, 1] < 0.6


def test_the_adopted_scenario_runs_for_an_hour(
    once: tuple[Path, Adopted, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archipel.strategies.uncoordinated import Uncoordinated
    from archipel.twin import run as run_twin

    _, done, _ = once
    case = archipel.scenario(done.scenario)
    result = run_twin(case, Uncoordinated(case), start=case.start, days=1)
    assert result.complete


def test_a_second_adoption_is_refused_and_one_by_force_replaces_the_first(tmp_path: Path) -> None:
    path = street(tmp_path / "street")
    words = ["adopt", str(path), "--pv", "0.5"]
    assert main(words) == 0
    first = (tmp_path / "street" / "small-adopted-pv.csv").read_bytes()
    assert main(words) == 2
    assert main(["adopt", str(path.parent), *words[2:], "--seed", "3", "--force"]) == 0, "the folder will do"
    assert (tmp_path / "street" / "small-adopted-pv.csv").read_bytes() != first


def test_devices_that_are_there_already_count_and_stay(tmp_path: Path) -> None:
    path = street(tmp_path / "street")
    text = path.read_text(encoding="utf-8").replace("[devices]", '[devices]\npv = "roofs.csv"')
    path.write_text(text, encoding="utf-8")
    own = "".join(f"roof/{k},bus/6,5,5,PV1,false\n" for k in range(4))
    (tmp_path / "street" / "roofs.csv").write_text("id,node,p_kw_peak,s_kva,profile,volt_var\n" + own)
    done = adopt(path, options(shares={"pv": 0.5}))
    table = rows(tmp_path / "street" / "small-adopted-pv.csv")
    assert [row["id"] for row in table[:4]] == [f"roof/{k}" for k in range(4)]
    assert len(table) == round(0.5 * 33)
    assert "4 more had one" in str(done.account)
    assert archipel.scenario(done.scenario).profiles.start == archipel.scenario(path).profiles.start


def test_a_network_that_loads_alone_overload_is_told_so(tmp_path: Path) -> None:
    done = adopt(street(tmp_path / "street", factor=1000.0), options(shares={"pv": 0.1}))
    assert done.account.overloaded_before
    assert "kW written where MW was meant" in str(done.account)


def test_loads_that_give_reactive_power_are_asked_about(tmp_path: Path) -> None:
    path = street(tmp_path / "street")
    loads = tmp_path / "street" / "loads.csv"
    table = [line.split(",") for line in loads.read_text(encoding="utf-8").splitlines()]
    leading = [",".join([*row[:3], f"-{row[3]}", *row[4:]]) for row in table[1:]]
    loads.write_text("\n".join([",".join(table[0]), *leading]) + "\n", encoding="utf-8")
    assert "lead and lag" in str(adopt(path, options(shares={"pv": 0.1})).account)


def test_a_kept_three_phase_circuit_is_said_to_be_looked_at_as_balanced(
    tmp_path: Path, once: tuple[Path, Adopted, dict[str, bytes]]
) -> None:
    told = " ".join(str(adopt(three_phase_street(tmp_path), options(shares={"ev": 1.0})).account).split())
    assert "likely to bind" in told
    assert "looked at as a balanced network" in told
    assert "--physics three-phase" in told
    assert "chargers are three-phase at their full power" in told
    assert "three-phase" not in str(once[1].account)


def test_a_healthy_network_gets_no_warning(once: tuple[Path, Adopted, dict[str, bytes]]) -> None:
    assert not once[1].account.overloaded_before
    assert "WARNING" not in str(once[1].account)
    assert "lead and lag" not in str(once[1].account)


@pytest.mark.parametrize(
    ("profile", "kw", "kv", "f_hz", "seen"),
    [
        ("", 4.0, 0.4, 50.0, ("home", 1)),
        ("", 40.0, 0.4, 50.0, ("business", 1)),
        ("", 18.0, 0.24, 60.0, ("home", 1)),
        ("", 40.0, 10.0, 50.0, ("home", 50)),
        ("", 40.0, 4.16, 60.0, ("home", 16)),
        ("", 2000.0, 10.0, 50.0, ("business", 1)),
        ("L2-A", 8.0, 0.4, 50.0, ("farm", 1)),
        ("G3", 8.0, 0.4, 50.0, ("business", 1)),
        ("lv_rural2", 100.0, 20.0, 50.0, ("home", 125)),
        ("Air_Parallel_1", 8.0, 0.4, 50.0, ("", 0)),
        ("", 0.0, 0.4, 50.0, ("", 0)),
        ("residential", 5.0, 0.416, 60.0, ("home", 1)),
    ],
)
def test_customers_are_seen_by_name_voltage_and_size(
    profile: str, kw: float, kv: float, f_hz: float, seen: tuple[str, int]
) -> None:
    use = np.array([kw * 8760.0 * 0.5])
    assert kinds_of_loads((profile,), np.array([kw]), use, np.array([kv]), f_hz) == [seen]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(-9, 220), st.integers(-3, 60), st.floats(0, 200)), max_size=40)
)
def test_sessions_follow_each_other_and_never_need_more_than_their_charger_gives(
    drawn: list[tuple[int, int, int, float]],
) -> None:
    device, start, length, kwh = np.array(drawn).reshape(-1, 4).T
    p_kw = np.array([3.7, 7.2, 11.0, 22.0, 11.0])
    done = in_order(device.astype(int), start.astype(int), (start + length).astype(int), kwh.astype(float), p_kw, 192)
    assert np.all((done.start >= 0) & (done.end <= 192) & (done.start < done.end))
    assert np.all(done.e_kwh <= p_kw[done.charger] * (done.end - done.start) * 0.25)
    same = done.charger[1:] == done.charger[:-1]
    assert np.all(done.end[:-1][same] <= done.start[1:][same])


def test_the_command_offers_every_kind_there_is() -> None:
    assert set(OPTIONS) == set(KINDS)


def test_sessions_of_a_file_keep_their_local_time_weekday_and_energy(tmp_path: Path) -> None:
    file = data_folder() / "timeseries" / "ev_sessions" / "acn_sessions.csv.gz"
    path = street(tmp_path / "street")
    more = {"ev_sessions": file, "ev_zone": "America/Los_Angeles", "ev_stamps": "utc"}
    adopt(path, options(shares={"ev": 1.0}, **more))
    read = pv.read_csv(file)
    there = [t.replace(tzinfo=UTC).astimezone(ZoneInfo("America/Los_Angeles")) for t in read[1].to_pylist()]
    table = rows(tmp_path / "street" / "small-adopted-ev-sessions.csv")
    start = [datetime.fromisoformat(row["start"]).astimezone(ZONE) for row in table]
    hours = [np.array([t.hour + t.minute / 60.0 for t in times]) for times in (start, there)]
    assert abs(np.median(hours[0]) - np.median(hours[1])) < 0.5
    days = [np.mean([t.weekday() < 5 for t in times]) for times in (start, there)]
    assert abs(days[0] - days[1]) < 0.04
    assert days[0] > 0.9, "people come to work"
    mean = np.mean([float(row["e_kwh"]) for row in table if not row["charger"].startswith("ev/village")])
    assert 9.0 < mean < 16.0, "14.8 kWh in the file, less what a charger of 11 kW cannot give"


def _new_year(year: int) -> datetime:
    return datetime(year, 1, 1, tzinfo=ZONE).astimezone(UTC)


def test_a_large_network_is_planned_less_often_and_the_notes_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = adopt(street(tmp_path / "small"), options(shares={"pv": 0.1}))
    monkeypatch.setattr(import_module("archipel.formats.adopting.adopt"), "LARGE_NODES", 1)
    large = adopt(street(tmp_path / "large"), options(shares={"pv": 0.1}))
    assert load_scenario(small.scenario).replan_steps == 4
    assert load_scenario(large.scenario).replan_steps == 8
    assert "a plan every two hours" in large.scenario.read_text(encoding="utf-8")
    assert "a plan every two hours" not in small.scenario.read_text(encoding="utf-8")
