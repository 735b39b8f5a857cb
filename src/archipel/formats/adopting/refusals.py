"""What an adoption refuses before it begins."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from archipel.formats.adopting.kinds import KINDS
from archipel.formats.adopting.options import AdoptOptions
from archipel.formats.findings import Findings, did_you_mean
from archipel.formats.scenario import shipped_scenarios
from archipel.model import Problem, ScenarioInvalid

NAME = re.compile(r"[\w][\w. -]{0,79}")
YEARS = (1990, 2100)


def refuse(file: str, table: str, row: str, found: str, expected: str, mend: str) -> NoReturn:
    """Raise ScenarioInvalid with one problem."""
    raise ScenarioInvalid((Problem(file, table, row, found, expected, mend),))


def check_options(options: AdoptOptions) -> None:
    """Refuse shares, seeds, names and files that cannot be used, all at once."""
    findings = Findings()

    def add(option: str, found: str, expected: str, mend: str) -> None:
        findings.add(option, "", "", found, expected, mend)

    for name, share in options.shares.items():
        if name not in KINDS:
            add(f"--{name}", "an unknown kind", "a kind that can be adopted", did_you_mean(name, KINDS))
        elif not (math.isfinite(share) and 0.0 <= share <= 1.0):
            percent = f"Write {share / 100:g} for {share:g} %." if 1.0 < share <= 100.0 else "Write 0.6 for 60 %."
            add(f"--{name}", f"{share:g}", "a share of the customers, 0 to 1", percent)
    if not any(options.shares.values()) and options.profiles == "given":
        add("--pv", "no share above 0", "something to adopt", "Name a share, such as --pv 0.6.")
    if options.seed < 0:
        add("--seed", str(options.seed), "a whole number, at least 0", "Choose another seed.")
    if options.year is not None and not YEARS[0] <= options.year <= YEARS[1]:
        add("--year", str(options.year), f"a year from {YEARS[0]} to {YEARS[1]}", "Choose another year.")
    if options.name and (not NAME.fullmatch(options.name) or ".." in options.name):
        add("--name", repr(options.name), "letters, digits, '-', '_', '.' and spaces", "It becomes the name of files.")
    if options.price not in {"formula", "de-2016"}:
        file = Path(options.price)
        if not file.is_file():
            add("--price", f"{options.price!r}, which is no file", "formula, de-2016 or a file", "Correct it.")
        elif file.suffix not in {".csv", ".parquet"}:
            add("--price", repr(options.price), "a CSV or Parquet file with the columns time and price_eur_per_mwh",
                "Convert it.")  # fmt: skip
    if options.ev_sessions is not None and not options.ev_sessions.is_file():
        add("--ev-sessions", f"{str(options.ev_sessions)!r}, which is no file", "a file with sessions", "Correct it.")
    if options.ev_sessions is not None and not options.shares.get("ev"):
        add("--ev-sessions", "sessions, and no share of vehicles", "a share", "Add --ev, such as --ev 0.4.")
    if len(findings):
        raise ScenarioInvalid(tuple(findings.problems))


def check_scenario_to_adopt(path: Path, document: Mapping[str, Any], name: str, options: AdoptOptions) -> None:
    """Refuse scenarios that have their devices by a recipe, that are not the user's own, or are there already."""
    if path.resolve() in {shipped.resolve() for shipped in shipped_scenarios().values()}:
        refuse(path.name, "", "", "a scenario that comes with archipel", "one of your own",
               "Import a network, or copy the folder of the scenario.")  # fmt: skip
    if document.get("population"):
        refuse(path.name, "[population]", "", "a recipe that places devices by itself", "a scenario without one",
               "Remove [population] and what is below it: adopt places devices instead.")  # fmt: skip
    if name == path.stem:
        refuse("--name", "", "", repr(name), "another name than that of the scenario", "Nothing old is overwritten.")
    if (path.parent / f"{name}.toml").exists() and not options.force:
        refuse(f"{name}.toml", "", "", "a scenario there already, maybe changed by hand", "a new name",
               "Name another one with --name, or overwrite it with --force.")  # fmt: skip
    if not document.get("devices", {}).get("loads"):
        refuse(path.name, "[devices]", "loads", "nothing", "loads: customers are seen in them",
               "Import a network with loads, or add a table of loads.")  # fmt: skip
