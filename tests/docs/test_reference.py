"""The reference pages name everything there is, and only what there is."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from reading import PAGES, ROOT

from archipel.cli.main import parser
from archipel.cli.run_command import ALL
from archipel.field import cell_file
from archipel.formats import scenario_cells, scenario_devices, scenario_network
from archipel.formats.scenario_keys import TABLES
from archipel.formats.tables import Column
from archipel.report.figures import MEANING
from archipel.report.session import STRATEGIES
from archipel.report.tables import AGREEMENTS, LABELS, VALUES


def words(page: str) -> set[str]:
    """Everything a reference page sets in code type."""
    text = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    return {part for code in re.findall(r"`([^`\n]+)`", text) for part in (code, code.strip("[]"))}


def test_the_page_of_the_scenario_file_names_every_table_and_key() -> None:
    known = words("scenario-file.md")
    missing = {f"{table}.{key}" for table, keys in TABLES.items() for key in keys if key not in known}
    assert not missing
    assert not set(TABLES) - known


def test_the_page_of_the_scenario_file_names_every_column_of_every_table() -> None:
    modules = (scenario_network, scenario_cells, scenario_devices)
    lists = [value for module in modules for value in vars(module).values() if isinstance(value, tuple)]
    lists += list(scenario_devices.TABLES.values())
    columns = {column.name for each in lists for column in each if isinstance(column, Column)}
    assert {"r_ohm", "metered_at", "wear_eur_per_kwh", "charger"} <= columns, (
        "columns are found where they are declared"
    )
    assert not columns - words("scenario-file.md")


def test_the_page_of_figures_names_every_key_of_kpis_json_and_no_other() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", (ROOT / "docs/reference/kpis.md").read_text(), re.MULTILINE)
    named = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert named == set(MEANING)


def test_the_page_of_tables_names_every_column_of_every_table() -> None:
    known = words("tables.md")
    columns = {name for table in (LABELS, VALUES) for names in table.values() for name in names}
    assert not (columns | set(LABELS) | set(AGREEMENTS.names)) - known


def test_the_page_of_the_command_line_names_every_option_of_run() -> None:
    commands = next(action for action in parser()._actions if hasattr(action, "choices") and action.choices)
    choices = dict(commands.choices or {})
    options = {name for action in choices["run"]._actions for name in action.option_strings if name.startswith("--")}
    text = (ROOT / "docs/reference/command-line.md").read_text(encoding="utf-8")
    assert not {option for option in options - {"--help"} if f"`{option}" not in text}
    assert not {command for command in choices if f"| `{command} " not in text and f"| `{command}`" not in text}


def test_the_command_line_offers_the_strategies_there_are() -> None:
    assert ALL == STRATEGIES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: object) -> None:
    from pathlib import Path

    assert isinstance(page, Path)
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    dead = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not dead


CELL_TABLES = {
    "cell": cell_file.CellTable, "controller": cell_file.ControllerTable, "records": cell_file.RecordsTable,
    "transport": cell_file.TransportTable, "status": cell_file.StatusTable, "neighbour": cell_file.NeighbourTable,
    "device": cell_file.DeviceTable, "meter": cell_file.MeterTable, "clock": cell_file.ClockTable,
    "switch": cell_file.SwitchTable, "former": cell_file.FormerTable,
}  # fmt: skip


def test_the_page_of_the_cell_file_names_every_table_and_key_with_its_default() -> None:
    known = words("cell-file.md")
    page = (ROOT / "docs" / "reference" / "cell-file.md").read_text("utf-8")
    assert {field.name for field in fields(cell_file.CellFile)} - {"path"} == set(CELL_TABLES)
    assert set(CELL_TABLES) <= known
    for kind in CELL_TABLES.values():
        assert {key.name for key in fields(kind)} <= known
    for name in ("controller", "records"):
        section = page.split(f"## `[{name}]`")[1].split("\n## ")[0]
        for key in fields(CELL_TABLES[name]):
            row = re.search(rf"^\| `{key.name}` \|.*\| ([\d.]+) \|$", section, re.MULTILINE)
            assert row is not None, f"{key.name} has no row with a default"
            assert float(row[1]) == key.default


def test_the_example_of_a_cell_file_can_be_read(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "reference" / "cell-file.md").read_text("utf-8")
    path = tmp_path / "CELL.toml"
    path.write_text(page.split("```toml\n")[1].split("```")[0], "utf-8")
    assert cell_file.read_cell_file(path).cell.id == "LV3.304"
