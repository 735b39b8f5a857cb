"""Every kind of malformed scenario is refused with its file, row, what was found and expected, and how to mend it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from formats_cases import append_line, replace_text, set_cell, small_profiles, small_scenario

from archipel.formats.scenario import check_scenario, load_scenario
from archipel.formats.series import write_profiles
from archipel.model import ScenarioInvalid

TOML = "small.toml"


@dataclass(frozen=True)
class Case:
    """One way to be wrong, and what the first fitting problem must say."""

    name: str
    spoil: Callable[[Path], None]
    file: str
    row: str
    found: str
    mend: str


def cell(file: str, row: str, column: str, value: str) -> Callable[[Path], None]:
    return lambda folder: set_cell(folder, file, row, column, value)


def text(old: str, new: str, file: str = TOML) -> Callable[[Path], None]:
    return lambda folder: replace_text(folder, file, old, new)


def line(file: str, added: str) -> Callable[[Path], None]:
    return lambda folder: append_line(folder, file, added)


def point(row: str) -> Callable[[Path], None]:
    """A soft open point in a file of its own."""

    def spoil(folder: Path) -> None:
        replace_text(folder, TOML, "[devices]", '[devices]\nsoft_open_points = "points.csv"')
        (folder / "points.csv").write_text(f"id,from_node,to_node,p_kw_max,loss_share\n{row}\n", encoding="utf-8")

    return spoil


def _naive(folder: Path) -> None:
    table = pq.read_table(folder / "profiles.parquet")
    stamps = pa.array(table["time"].to_numpy().astype("datetime64[s]"))
    pq.write_table(table.set_column(0, "time", stamps), folder / "profiles.parquet")


def _gap(folder: Path) -> None:
    table = pq.read_table(folder / "profiles.parquet")
    pq.write_table(pa.concat_tables([table.slice(0, 50), table.slice(54)]), folder / "profiles.parquet")


def _no_parquet(folder: Path) -> None:
    (folder / "profiles.parquet").write_text("hello", encoding="utf-8")


def _short(folder: Path) -> None:
    pq.write_table(pq.read_table(folder / "profiles.parquet").slice(0, 40), folder / "profiles.parquet")


def _not_finite(folder: Path) -> None:
    profiles = small_profiles()
    value = profiles.value.copy()
    value[7, 2] = np.nan
    write_profiles(folder / "profiles.parquet", profiles.start, list(profiles.name), value)


def _second_file(folder: Path) -> None:
    start = datetime(2016, 5, 24, 22, 0, tzinfo=UTC)
    write_profiles(folder / "other.parquet", start, ["other"], np.ones((96, 1), dtype=np.float32))
    replace_text(folder, TOML, '["profiles.parquet"]', '["profiles.parquet", "other.parquet"]')


def _link_outside(folder: Path) -> None:
    outside = folder.parent / "outside.csv"
    outside.write_bytes((folder / "nodes.csv").read_bytes())
    (folder / "nodes.csv").unlink()
    (folder / "nodes.csv").symlink_to(outside)


def _no_impedance(folder: Path) -> None:
    set_cell(folder, "lines.csv", "line/2", "r_ohm", "0")
    set_cell(folder, "lines.csv", "line/2", "x_ohm", "0")


def _no_source(folder: Path) -> None:
    replace_text(folder, TOML, "[network.source]", "[network.sauce]")


def _cells(rows: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        replace_text(folder, TOML, 'ties = "ties.csv"', "")
        (folder / "cells.csv").write_text(f"id,parent,level\n{rows}", encoding="utf-8")

    return spoil


def _sessions(rows: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / "cars.csv").write_text("id,node,p_kw\ncar/0,bus/6,11\n", encoding="utf-8")
        (folder / "sessions.csv").write_text(f"charger,start,end,e_kwh\n{rows}\n", encoding="utf-8")
        replace_text(folder, TOML, "[devices]", '[devices]\nev_chargers = "cars.csv"\nev_sessions = "sessions.csv"')

    return spoil


def _doubled_hour(folder: Path) -> None:
    """A clock that was set back: four quarter hours twice, in stamps that claim to be UTC."""
    table = pq.read_table(folder / "profiles.parquet")
    pq.write_table(pa.concat_tables([table.slice(0, 54), table.slice(50)]), folder / "profiles.parquet")


def _bytes(file: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_bytes(content) and None


def _latin(folder: Path) -> None:
    text = (folder / "nodes.csv").read_text(encoding="utf-8").replace("node 3", "Köln")
    (folder / "nodes.csv").write_bytes(text.encode("latin-1"))


def _cut_parquet(folder: Path) -> None:
    content = (folder / "profiles.parquet").read_bytes()
    (folder / "profiles.parquet").write_bytes(content[: len(content) // 2])


GOOD_CELLS = "Substation,,substation\nNorth,Substation,feeder\nSouth,Substation,feeder\nLV_a,North,lv\n"

CASES = [
    Case("not TOML", text("[network]", "[network"), TOML, "", "no TOML", "line"),
    Case("missing file", text("nodes.csv", "knots.csv"), TOML, "nodes", "does not exist", "nodes.csv"),
    Case("path with dots", text('"nodes.csv"', '"../nodes.csv"'), TOML, "nodes", "../nodes.csv", "Copy"),
    Case("dots inside", text('"nodes.csv"', '"a/../../nodes.csv"'), TOML, "nodes", "a/../", "Copy"),
    Case("absolute path", text('"lines.csv"', '"/etc/passwd"'), TOML, "lines", "/etc/passwd", "Copy"),
    Case("windows path", text('"lines.csv"', r'"C:\\lines.csv"'), TOML, "lines", "C:", "Copy"),
    Case("link outside", _link_outside, TOML, "nodes", "link", "Copy"),
    Case("unknown key", text("seed = 1", "sed = 1"), TOML, "sed", "unknown key", "seed"),
    Case("unknown table", text("[cells]", "[cels]"), TOML, "cels", "unknown table", "cells"),
    Case(
        "unknown device kind", text("[devices]", '[devices]\nbatterys = "x.csv"'), TOML, "batterys", "unknown", "batt"
    ),
    Case("point to itself", point("p,bus/3,bus/3,50,0.02"), "points.csv", "p", "bus/3 at both ends", "both sides"),
    Case("point to nowhere", point("p,bus/3,bus/44,50,0.02"), "points.csv", "p", "bus/44", "Did you mean"),
    Case("point without rating", point("p,bus/3,bus/4,0,0.02"), "points.csv", "p", "0", "p_kw_max"),
    Case("point that loses all", point("p,bus/3,bus/4,50,1"), "points.csv", "p", "1", "loss_share"),
    Case("missing table", _no_source, TOML, "", "no such table", "network.source"),
    Case("missing key", text("start = ", "# start = "), TOML, "start", "nothing", "Add start"),
    Case("key of wrong type", text("days = 1", 'days = "one"'), TOML, "days", "'one'", "days"),
    Case("truth instead of a number", text("v_pu = 1.02", "v_pu = true"), TOML, "v_pu", "True", "v_pu"),
    Case("no days", text("days = 1", "days = 0"), TOML, "days", "0", "days"),
    Case("start without offset", text("22:00:00Z", "22:00:00"), TOML, "start", "without an offset", "Append Z"),
    Case("start outside the series", text("2016-05-25", "2017-05-25"), TOML, "start", "2017", "Choose a day"),
    Case("start between quarter hours", text("T22:00:00", "T22:05:00"), TOML, "start", "22:05", "Round"),
    Case("short horizon", line(TOML, "[planning]\nhorizon_h = 12"), TOML, "horizon_h", "12", "horizon_h"),
    Case("negative limit", line(TOML, "[connection]\nexport_kw_max = -5.0"), TOML, "export_kw_max", "-5", "export"),
    Case("unknown price source", text('"formula"', '"formular"'), TOML, "source", "formular", "source"),
    Case("price file missing", text('"formula"', '"file"'), TOML, "file", "nothing", "Add file"),
    Case("unknown source node", text('node = "bus/0"', 'node = "bus/99"'), TOML, "node", "bus/99", "Did you mean"),
    Case("no table", text("id,name", "nr,name", "lines.csv"), "lines.csv", "id", "no such column", "Add the column"),
    Case("ragged row", line("lines.csv", "line/9,too,few"), "lines.csv", "", "unreadable", "as many values"),
    Case("unknown column", text("r_ohm", "r_ohms", "lines.csv"), "lines.csv", "r_ohms", "unknown column", "r_ohm"),
    Case("text for a number", cell("lines.csv", "line/0", "r_ohm", "much"), "lines.csv", "line/0", "much", "r_ohm"),
    Case("empty cell", cell("lines.csv", "line/0", "i_a_max", ""), "lines.csv", "line/0", "nothing", "i_a_max"),
    Case("not a number", cell("lines.csv", "line/1", "x_ohm", "nan"), "lines.csv", "line/1", "nan", "x_ohm"),
    Case("infinite", cell("lines.csv", "line/1", "x_ohm", "inf"), "lines.csv", "line/1", "inf", "x_ohm"),
    Case("negative rating", cell("pv.csv", "sgen/0", "s_kva", "-3"), "pv.csv", "sgen/0", "-3", "s_kva"),
    Case(
        "flag misspelt", cell("lines.csv", "line/0", "to_closed", "yes"), "lines.csv", "line/0", "yes", "true or false"
    ),
    Case("line without impedance", _no_impedance, "lines.csv", "line/2", "r_ohm = 0", "closed switch"),
    Case(
        "line across levels",
        cell("lines.csv", "line/2", "from_node", "bus/4"),
        "lines.csv",
        "line/2",
        "10 and 0.4 kV",
        "transformer",
    ),
    Case("line to itself", cell("lines.csv", "line/1", "to_node", "bus/3"), "lines.csv", "line/1", "same node", "end"),
    Case(
        "transformer without rating",
        cell("transformers.csv", "trafo/1", "sn_kva", "0"),
        "transformers.csv",
        "trafo/1",
        "0",
        "sn_kva",
    ),
    Case(
        "transformer all resistance",
        cell("transformers.csv", "trafo/1", "vkr_percent", "9"),
        "transformers.csv",
        "trafo/1",
        "9",
        "vk",
    ),
    Case(
        "tap side misspelt",
        cell("transformers.csv", "trafo/0", "tap_side", "hw"),
        "transformers.csv",
        "trafo/0",
        "hw",
        "hv",
    ),
    Case("limits inverted", cell("nodes.csv", "bus/3", "v_pu_min", "1.2"), "nodes.csv", "bus/3", "above", "Exchange"),
    Case(
        "unknown node of a line",
        cell("lines.csv", "line/0", "to_node", "bus/33"),
        "lines.csv",
        "line/0",
        "bus/33",
        "Did you mean",
    ),
    Case(
        "unknown node of a load",
        cell("loads.csv", "load/0", "node", "bus/66"),
        "loads.csv",
        "load/0",
        "bus/66",
        "Did you mean",
    ),
    Case(
        "unknown element",
        cell("switches.csv", "switch/1", "element", "line/55"),
        "switches.csv",
        "switch/1",
        "line/55",
        "Did you mean",
    ),
    Case(
        "unknown profile", cell("loads.csv", "load/0", "profile", "H0-Q"), "loads.csv", "load/0", "H0-Q", "Did you mean"
    ),
    Case("id twice", cell("nodes.csv", "bus/3", "id", "bus/4"), "nodes.csv", "bus/4", "twice", "another id"),
    Case("device id twice", cell("pv.csv", "sgen/0", "id", "load/0"), "pv.csv", "load/0", "loads.csv", "another id"),
    Case(
        "efficiency above one",
        cell("batteries.csv", "storage/0", "efficiency_charge", "1.2"),
        "batteries.csv",
        "storage/0",
        "1.2",
        "efficiency",
    ),
    Case(
        "efficiency zero",
        cell("batteries.csv", "storage/0", "efficiency_discharge", "0"),
        "batteries.csv",
        "storage/0",
        "0",
        "efficiency",
    ),
    Case(
        "soc in percent",
        cell("batteries.csv", "storage/0", "soc_start", "40"),
        "batteries.csv",
        "storage/0",
        "40",
        "soc_start",
    ),
    Case(
        "source of energy unknown",
        cell("generators.csv", "sgen/1", "source", "hydra"),
        "generators.csv",
        "sgen/1",
        "hydra",
        "hydro",
    ),
    Case(
        "dead device",
        cell("lines.csv", "line/2", "to_closed", "false"),
        "loads.csv",
        "load/0",
        "no source feeds",
        "Close a switch",
    ),
    Case("naive stamps", _naive, "profiles.parquet", "time", "naive", "zone"),
    Case("gap in the series", _gap, "profiles.parquet", "time", "75 min", "Resample"),
    Case("short series", _short, TOML, "profiles", "40 quarter hours", "longer"),
    Case("not finite in a series", _not_finite, "profiles.parquet", "H0-B_pload", "row 7", "Fill the gaps"),
    Case("series of different spans", _second_file, "other.parquet", "", "96 quarter hours", "same span"),
    Case("no series file", _no_parquet, "profiles.parquet", "", "unreadable", "again"),
    Case(
        "node without a cell", cell("nodes.csv", "bus/6", "cell", ""), "nodes.csv", "bus/6", "no cell", "Fill in cell"
    ),
    Case("unknown cell", cell("nodes.csv", "bus/6", "cell", "LV_b"), "nodes.csv", "bus/6", "LV_b", "LV_a"),
    Case("unknown parent", cell("cells.csv", "LV_a", "parent", "Nord"), "cells.csv", "LV_a", "Nord", "North"),
    Case("two roots", cell("cells.csv", "South", "parent", ""), "cells.csv", "South", "without a parent", "parent"),
    Case("loop of cells", cell("cells.csv", "North", "parent", "LV_a"), "cells.csv", "North", "loop", "parent"),
    Case("unknown level", cell("cells.csv", "North", "level", "feeders"), "cells.csv", "North", "feeders", "feeder"),
    Case("cell in two parts", cell("nodes.csv", "bus/8", "cell", "North"), "cells.csv", "North", "2 parts", "Give"),
    Case("empty cell of the tree", _cells(GOOD_CELLS + "LV_c,South,lv\n"), "cells.csv", "LV_c", "no node", "Remove"),
    Case(
        "wrong parent", _cells(GOOD_CELLS.replace("LV_a,North", "LV_a,South")), "cells.csv", "LV_a", "trafo/1", "parent"
    ),
    Case(
        "source outside the root", cell("nodes.csv", "bus/0", "cell", "North"), "cells.csv", "North", "source", "root"
    ),
    Case(
        "tie ends not matching",
        cell("ties.csv", "trafo/1", "upper_node", "bus/3"),
        "ties.csv",
        "trafo/1",
        "bus/3",
        "Correct the tie",
    ),
    Case(
        "tie that is none", cell("ties.csv", "trafo/1", "id", "line/1"), "ties.csv", "line/1", "no two cells", "trafo/1"
    ),
    Case(
        "tie state not matching", cell("ties.csv", "line/5", "closed", "true"), "ties.csv", "line/5", "true", "Correct"
    ),
    Case("meter misspelt", cell("ties.csv", "line/0", "metered_at", "uper"), "ties.csv", "line/0", "uper", "upper"),
    Case(
        "session of no charger",
        _sessions("car/1,2016-05-26T01:00:00Z,2016-05-26T05:00:00Z,5"),
        "sessions.csv",
        "line 2",
        "car/1",
        "car/0",
    ),
    Case(
        "naive session",
        _sessions("car/0,2016-05-26T01:00:00,2016-05-26T05:00:00Z,5"),
        "sessions.csv",
        "line 2",
        "01:00:00'",
        "Append Z",
    ),
    Case(
        "session backwards",
        _sessions("car/0,2016-05-26T06:00:00Z,2016-05-26T05:00:00Z,5"),
        "sessions.csv",
        "line 2",
        "end before",
        "Exchange",
    ),
    Case(
        "sessions overlap",
        _sessions(
            "car/0,2016-05-26T01:00:00Z,2016-05-26T05:00:00Z,5\ncar/0,2016-05-26T04:00:00Z,2016-05-26T06:00:00Z,5"
        ),
        "sessions.csv",
        "line 3",
        "before it ended",
        "Shorten",
    ),
    Case("doubled hour", _doubled_hour, "profiles.parquet", "time", "step of -45 min", "Resample"),
    Case("half a series file", _cut_parquet, "profiles.parquet", "", "unreadable", "again"),
    Case("empty series file", _bytes("profiles.parquet", b""), "profiles.parquet", "", "unreadable", "again"),
    Case("empty table", _bytes("lines.csv", b""), "lines.csv", "", "unreadable text", "header"),
    Case("empty scenario", _bytes(TOML, b""), TOML, "", "no such table", "Add [scenario]"),
    Case("table in another encoding", _latin, "nodes.csv", "", "unreadable text", "values"),
    Case("scenario in another encoding", _bytes(TOML, b"[scen\xe4rio]"), TOML, "", "no TOML", "line"),
    Case("table of zeros", _bytes("loads.csv", bytes(100)), "loads.csv", "", "unreadable", "header"),
    Case("gzip for a table", _bytes("loads.csv", gzip.compress(b"id,node")), "loads.csv", "", "unreadable", "header"),
    Case("negative resistance", cell("lines.csv", "line/1", "r_ohm", "-0.2"), "lines.csv", "line/1", "-0.2", "r_ohm"),
    Case(
        "formula in a name",
        cell("nodes.csv", "bus/3", "name", "=cmd|' /C calc'!A0"),
        "nodes.csv",
        "bus/3",
        "=cmd",
        "Re",
    ),
    Case("formula in an id", text("load/0,", "@SUM(A1),", "loads.csv"), "loads.csv", "@SUM(A1)", "@SUM", "Rename"),
    Case(
        "hidden formula",
        cell("loads.csv", "load/0", "id", "+1+HYPERLINK(9)"),
        "loads.csv",
        "+1+HYPERLINK(9)",
        "+1",
        "Re",
    ),
    Case("negative load", cell("loads.csv", "load/0", "p_kw", "-10"), "loads.csv", "load/0", "-10", "p_kw"),
    Case("beyond all numbers", cell("loads.csv", "load/0", "p_kw", "1e300"), "loads.csv", "load/0", "1e300", "p_kw"),
    Case("cell of itself", cell("cells.csv", "North", "parent", "North"), "cells.csv", "North", "loop", "parent"),
    Case(
        "recipe for nobody", line(TOML, '[population.ev]\nfrom_profiles = ["EV*"]'), TOML, "from_profiles", "EV*", "."
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name.replace(" ", "_") for case in CASES])
def test_a_malformed_scenario_names_file_row_and_mend(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "scenario"
    path = small_scenario(folder)
    case.spoil(folder)
    problems = check_scenario(path)
    fitting = [p for p in problems if p.file == case.file and p.id == case.row and case.found in p.found]
    assert fitting, f"no fitting problem among {[str(p) for p in problems]}"
    assert case.mend in fitting[0].mend
    assert fitting[0].expected
    with pytest.raises(ScenarioInvalid) as refused:
        load_scenario(path)
    assert refused.value.problems == problems


def test_the_unspoilt_scenario_has_no_problem(tmp_path: Path) -> None:
    assert check_scenario(small_scenario(tmp_path)) == ()


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    path = small_scenario(tmp_path)
    set_cell(tmp_path, "lines.csv", "line/0", "r_ohm", "much")
    set_cell(tmp_path, "loads.csv", "load/0", "profile", "H0-Q")
    set_cell(tmp_path, "batteries.csv", "storage/0", "soc_start", "4")
    replace_text(tmp_path, TOML, "seed = 1", "sed = 1")
    assert {p.file for p in check_scenario(path)} == {TOML, "lines.csv", "loads.csv", "batteries.csv"}


def test_a_table_that_is_wrong_everywhere_is_summarised(tmp_path: Path) -> None:
    path = small_scenario(tmp_path)
    rows = "".join(f"load/{k},bus/6,-1,0,G3\n" for k in range(5000))
    (tmp_path / "loads.csv").write_text(f"id,node,p_kw,q_kvar,profile\n{rows}", encoding="utf-8")
    problems = check_scenario(path)
    assert len(problems) == 21
    assert "4,980 more" in problems[-1].found


def test_an_unknown_name_suggests_a_shipped_scenario() -> None:
    with pytest.raises(ScenarioInvalid, match="Did you mean 'district'"):
        load_scenario("distrct")


def test_text_from_a_file_that_looks_like_a_command_stays_text(tmp_path: Path) -> None:
    path = small_scenario(tmp_path)
    set_cell(tmp_path, "nodes.csv", "bus/6", "name", '<script>alert(1)</script>, "quoted"')
    assert load_scenario(path).grid.nodes.name[6] == '<script>alert(1)</script>, "quoted"'


def test_an_island_that_cannot_live_is_explained(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    append_line(tmp_path, TOML, "[island]\noff_grid = true\nreserve_kwh = 1e6\n")
    (problem,) = check_scenario(tmp_path / TOML)
    assert (problem.table, problem.id) == ("[island]", "reserve_kwh")
    assert "batteries hold" in problem.expected
    replace_text(tmp_path, TOML, 'batteries = "batteries.csv"\n', "")
    (problem,) = check_scenario(tmp_path / TOML)
    assert "nothing forms the grid" in problem.found


def test_impossible_stages_of_shedding_are_all_told_at_once(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    stages = (
        "{priority = 1, share = 0.3, below_kwh = 9.0}, {priority = 2, share = 0.2, below_kwh = 4.0}, "
        "{priority = 2, share = 0.2, below_kwh = 8.0}"
    )
    append_line(
        tmp_path, TOML, f"[island]\nreserve_for_h = 2\noff_grid = true\nreserve_kwh = 10\nstages = [{stages}]\n"
    )
    problems = check_scenario(tmp_path / TOML)
    said = [problem.found for problem in problems]
    assert len(problems) == 5
    for part in (
        "priority 1 shed below 9 kWh, before priority 2 below 4 kWh",
        "two stages of priority 2",
        "shares that add up to 1.1 with critical_share 0.4",
        "priority 1 served down to 9 kWh",
        "2 h and off_grid = true",
    ):
        assert any(part in found for found in said), part
    assert all(problem.table == "[island]" and problem.mend for problem in problems)


def test_a_stage_with_wrong_keys_is_told_by_its_number(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    stages = '{priority = 0, share = 0.6}, {priority = 2, shares = 0.2, below_kwh = "much"}'
    append_line(tmp_path, TOML, f"[island]\nstages = [{stages}]\n")
    problems = check_scenario(tmp_path / TOML)
    assert {problem.id for problem in problems} == {
        "stages, number 1: priority", "stages, number 1: below_kwh", "stages, number 2",
        "stages, number 2: share", "stages, number 2: below_kwh",
    }  # fmt: skip
    assert any("share" in problem.mend for problem in problems if problem.id == "stages, number 2")
    replace_text(tmp_path, TOML, f"stages = [{stages}]", "stages = [0.6]")
    (problem,) = check_scenario(tmp_path / TOML)
    assert "a list of tables" in problem.expected


def test_stages_and_reserves_beyond_storage_are_explained(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    append_line(
        tmp_path, TOML,
        "[island]\nreserve_kwh = 1e5\nrestore_margin_kwh = 1e3\n"
        "stages = [{priority = 1, share = 0.6, below_kwh = 1e5}]\n",
    )  # fmt: skip
    kept, never = check_scenario(tmp_path / TOML)
    assert kept.id == "reserve_kwh"
    assert "never again once it is shed" in never.found
    replace_text(tmp_path, TOML, 'batteries = "batteries.csv"\n', "")
    replace_text(tmp_path, TOML, "[island]", "[island]\nreserve_for_h = 3")
    (problem,) = check_scenario(tmp_path / TOML)
    assert "no batteries to keep it in" in problem.found


def test_good_stages_come_by_priority_and_a_reserve_hangs_on_the_batteries(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    append_line(
        tmp_path, TOML,
        "[island]\nreserve_for_h = 1.5\n"
        "stages = [{priority = 3, share = 0.5, below_kwh = 2}, {priority = 1, share = 0.1, below_kwh = 1.0}]\n",
    )  # fmt: skip
    made = load_scenario(tmp_path / TOML)
    assert [(s.priority, s.share) for s in made.island.stages] == [(1, 0.1), (3, 0.5)]
    battery = next(f for f in made.fleets if f.kind == "battery")
    assert battery.reserve is not None  # type: ignore[attr-defined]
