"""The report: one offline page, nothing from files gets through as markup, small even for a city."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import made_up
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.model import Archipelago, Cell, Scenario, Switches
from archipel.report.figures import LINES, best_of
from archipel.report.folder import RunWriter
from archipel.report.html import report
from archipel.report.run import Run, load_run
from archipel.report.still_to_come import levelled, still_to_come
from archipel.report.words import story

FOUR = ("uncoordinated", "alone", "distributed", "central")
EVIL = "</svg><script>alert('x')</script>\"' onload=alert(1) &"


def run_of(tmp_path: Path, case: Scenario, *strategies: str, steps: int = 96) -> Run:
    with RunWriter(tmp_path, case, start=made_up.START, days=steps // 96, forecast="perfect", seed=1) as writer:
        for strategy in strategies:
            writer.add(made_up.result(case, strategy, steps=steps))
    return load_run(writer.path, case)


class Tags(HTMLParser):
    """Tags of a page, and whether they close in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> does not close what is open"


def evil_case() -> Scenario:
    case = made_up.scenario()
    grid, archipelago = case.grid, case.archipelago
    nodes = replace(grid.nodes, name=(EVIL,) * len(grid.nodes), id=tuple(f"{i}{EVIL}" for i in grid.nodes.id))
    lines = replace(grid.lines, name=(EVIL,) * len(grid.lines), id=tuple(f"{i}{EVIL}" for i in grid.lines.id))
    cells = tuple(
        replace(cell, id=f"{cell.id}{EVIL}", parent=f"{cell.parent}{EVIL}" if cell.parent else "")
        for cell in archipelago.cell
    )
    ties = tuple(
        replace(tie, id=f"{tie.id}{EVIL}", upper=f"{tie.upper}{EVIL}", lower=f"{tie.lower}{EVIL}")
        for tie in archipelago.tie
    )
    return replace(
        case,
        name=EVIL,
        title=EVIL,
        grid=replace(grid, nodes=nodes, lines=lines),
        archipelago=replace(archipelago, cell=cells, tie=ties),
    )


def test_nothing_from_files_gets_through_as_markup(tmp_path: Path) -> None:
    case = evil_case()
    result = made_up.result(case, "distributed")
    result.v_pu[:] = 1.2  # so that nodes are named on the map
    result.loading[:] = 1.3
    result.agreements[0]["given"] = [EVIL]
    with RunWriter(tmp_path, case, start=made_up.START, days=1, forecast="perfect", seed=1) as writer:
        writer.add(result)
    page = report(load_run(writer.path, case))
    tags = Tags(page)
    assert tags.open == []
    assert tags.names.count("script") == 1
    assert "<script>alert" not in page
    assert not [a for a in tags.attributes if a[1].startswith("on")]


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    page = report(run_of(tmp_path, made_up.scenario(), *FOUR))
    assert not re.findall(
        r"(?:src|href|url)\s*[=(]\s*[\"']?(?!#|data:)[\w/:.]+", re.sub(r"<script>.*?</script>", "", page)
    )
    assert "@import" not in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_every_picture_is_well_formed(tmp_path: Path) -> None:
    page = report(run_of(tmp_path, made_up.scenario(), *FOUR))
    pictures = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(pictures) > 20
    for picture in pictures:
        ElementTree.fromstring(picture)
        assert "nan" not in picture.lower().replace("xmlns", "")


@pytest.mark.parametrize("strategies", [("uncoordinated",), ("alone", "distributed"), FOUR])
def test_a_report_tells_about_exactly_the_strategies_that_were_run(tmp_path: Path, strategies: tuple[str, ...]) -> None:
    page = report(run_of(tmp_path, made_up.scenario(), *strategies))
    heads = set(re.findall(r'<h3 class="s"[^>]*>(\w+)</h3>', page))
    assert heads == set(strategies)
    assert ("No strategy of this run agreed" in page) == ("distributed" not in strategies)


def test_how_the_cells_agreed_is_told_of_the_strategy_that_agrees(tmp_path: Path) -> None:
    case = made_up.scenario()
    with RunWriter(tmp_path, case, start=made_up.START, days=1, forecast="perfect", seed=1) as writer:
        for number, strategy in enumerate(FOUR):
            one = made_up.result(case, strategy)
            writer.add(replace(one, agreements=one.agreements[: 6 * (number + 1)]))
    page = report(load_run(writer.path, case))
    assert "<b>18</b><span>agreements</span>" in page, "those of distributed, the third"


def test_what_a_price_is_made_of_is_drawn_where_a_strategy_tells_it(tmp_path: Path) -> None:
    case = made_up.scenario()
    page = report(run_of(tmp_path / "told", case, "alone", "distributed"))
    assert "What a price is made of" in page
    assert all(f"<i></i>{part}" in page or part in page for part in ("losses", "congestion", "voltage", "fees"))
    assert "What a price is made of" not in report(run_of(tmp_path / "untold", case, "alone"))


def test_the_headline_says_what_was_broken(tmp_path: Path) -> None:
    case = made_up.scenario()
    result = made_up.result(case, "distributed")
    result.v_pu[:] = 1.0
    result.loading[:] = 0.5
    result.loading[3, :8] = 1.2
    with RunWriter(tmp_path, case, start=made_up.START, days=1, forecast="perfect", seed=1) as writer:
        writer.add(result)
    page = report(load_run(writer.path, case))
    assert re.search(
        r"<h1>By agreement between cells, the day .* broke current limits for 2.0\sbranch-hours.</h1>", page
    )


def test_a_city_fits_into_three_megabytes(tmp_path: Path) -> None:
    case = made_up.scenario(feeders=14, lv_cells=133, lv_nodes=78)
    page = report(run_of(tmp_path, case, *FOUR))
    assert len(page.encode()) < 3_000_000


def test_a_month_is_drawn_with_no_more_points_than_a_week(tmp_path: Path) -> None:
    case = made_up.scenario()
    week = report(run_of(tmp_path / "week", case, "distributed", steps=96 * 7))
    month = report(run_of(tmp_path / "month", case, "distributed", steps=96 * 28))
    assert len(month) < 1.3 * len(week)


def test_a_network_without_coordinates_gets_no_map_and_says_why(tmp_path: Path) -> None:
    case = made_up.scenario()
    nowhere = np.full(len(case.grid.nodes), np.nan)
    case = replace(case, grid=replace(case.grid, nodes=replace(case.grid.nodes, x=nowhere, y=nowhere)))
    assert "has no coordinates" in report(run_of(tmp_path, case, "alone"))


def test_the_terminal_table_fits_a_hundred_columns_and_names_the_best(tmp_path: Path) -> None:
    table = run_of(tmp_path, made_up.scenario(), *FOUR).table()
    assert max(len(line) for line in table.splitlines()) <= 100
    assert re.search(r"Cost of the run +EUR .*\d\*", table)
    assert "distributed: cells agree with their neighbours" in table


def test_a_strategy_that_breaks_limits_does_not_win_on_cost() -> None:
    line = LINES["cost_eur"]
    kept = {"voltage_violation_node_h": 0.0, "branch_overload_h": 0.0, "connection_violation_h": 0.0}
    cheap = kept | {"cost_eur": 1.0, "branch_overload_h": 3.0}
    runs = {"uncoordinated": cheap, "alone": kept | {"cost_eur": 5.0}, "distributed": kept | {"cost_eur": 4.0}}
    assert best_of(line, runs) == {"distributed"}
    assert best_of(line, {"uncoordinated": cheap, "alone": cheap | {"cost_eur": 2.0}}) == {"uncoordinated"}


LIMITS_KEPT = {"voltage_violation_node_h": 0.0, "branch_overload_h": 0.0, "connection_violation_h": 0.0}
PUT_OFF = {
    "uncoordinated": LIMITS_KEPT
    | {"cost_eur": 71.0, "import_kwh": 500.0, "co2_kg": 2000.0, "losses_kwh": 1000.0, "end_use_kwh": 500.0}
    | {"ev_open_kwh": 0.0, "ev_open_eur": 0.0, "curtailed_kwh": 0.0},
    "distributed": LIMITS_KEPT
    | {"cost_eur": 65.0, "import_kwh": 340.0, "co2_kg": 1500.0, "losses_kwh": 750.0, "end_use_kwh": 337.0}
    | {"ev_open_kwh": 163.0, "ev_open_eur": 22.0, "curtailed_kwh": 0.0},
}


def test_the_headline_says_in_the_same_sentence_what_charging_was_put_off_and_what_it_is_worth() -> None:
    first, *more = story({"days": 1, "strategies": PUT_OFF})
    said = " ".join(first.split())
    assert "cost 65.00 EUR, with 163 kWh of charging still to come (22.00 EUR of that cost" in said
    assert "cost 71.00 EUR, with no charging still to come, and" in " ".join(more[-1].split())
    little = {name: f | {"ev_open_kwh": f["ev_open_kwh"] * 0.03} for name, f in PUT_OFF.items()}  # < 1 % of 500 kWh
    assert not any("to come" in sentence for sentence in story({"days": 1, "strategies": little}))


@pytest.mark.parametrize("broken_h", [0.0, 3.0])
def test_the_headline_names_unbalance_beyond_two_percent(broken_h: float) -> None:
    calm = PUT_OFF["uncoordinated"] | {"branch_overload_h": broken_h, "worst_unbalance": 0.018}
    even = " ".join(story({"days": 1, "strategies": {"distributed": calm | {"unbalance_violation_node_h": 0.0}}}))
    assert "unbalance" not in even
    uneven = calm | {"worst_unbalance": 0.031, "unbalance_violation_node_h": 5.5}
    first = " ".join(story({"days": 1, "strategies": {"distributed": uneven}})[0].split())
    assert "voltage unbalance of up to 3.1 % (above 2 % for 5.5 node-hours)" in first
    assert "kept every limit of the grid" not in first
    assert ("broke current limits for 3.0 branch-hours, and had" in first) == (broken_h > 0)


def test_nobody_wins_on_carbon_or_losses_by_charging_after_the_run() -> None:
    for key in ("co2_kg", "losses_kwh"):
        assert best_of(LINES[key], PUT_OFF) == set()
        done = {name: f | {"ev_open_kwh": 0.0} for name, f in PUT_OFF.items()}
        assert best_of(LINES[key], done) == {"distributed"}
        better = PUT_OFF | {"distributed": PUT_OFF["distributed"] | {key: 1.0}}
        assert best_of(LINES[key], better) == {"distributed"}


@given(wanted=st.lists(st.floats(0.0, 1e4), min_size=1, max_size=4), used=st.floats(1.0, 1e6))
def test_what_is_still_to_come_is_told_exactly_where_it_differs_by_more_than_a_hundredth(
    wanted: list[float], used: float
) -> None:
    runs = {str(i): {"ev_open_kwh": kwh, "end_use_kwh": used} for i, kwh in enumerate(wanted)}
    assert bool(still_to_come(runs)) == (max(wanted) - min(wanted) > 0.01 * used)
    assert all(levelled("cost_eur", f | {"cost_eur": 5.0}) == 5.0 for f in runs.values()), "the cost has it already"


def test_a_network_of_one_cell_without_ties_or_switches_has_a_report(tmp_path: Path) -> None:
    case = made_up.scenario()
    alone = Archipelago((Cell("all", "", "substation"),), (), np.zeros(len(case.grid.nodes), dtype=np.int64))
    none = Switches((), (), np.zeros(0, dtype=np.int64), (), np.zeros(0, dtype=bool))
    case = replace(case, archipelago=alone, grid=replace(case.grid, switches=none))
    run = run_of(tmp_path, case, "uncoordinated", "distributed")
    page = report(run)
    assert "it has no ties" in page
    assert run.array("boundaries", "p_kw", "distributed").shape == (0, 96)
    assert run.labels("switches", "switch", "distributed") == []
