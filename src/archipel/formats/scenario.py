"""Scenarios: one readable TOML file with its tables beside it.

`load_scenario` gives a `Scenario` or raises `ScenarioInvalid` with every problem; nothing half-loads.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, timedelta
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from archipel.cell.reserve import with_reserve
from archipel.devices import BatteryFleet
from archipel.devices.critical import with_critical
from archipel.formats.device_rows import DeviceRows
from archipel.formats.findings import Findings, did_you_mean
from archipel.formats.fleets import make_fleets
from archipel.formats.owners import read_owners
from archipel.formats.population import matches, populate
from archipel.formats.prices import read_prices
from archipel.formats.scenario_cells import read_cells
from archipel.formats.scenario_devices import read_devices
from archipel.formats.scenario_island import check_island, read_rules
from archipel.formats.scenario_keys import TABLES, read_keys
from archipel.formats.scenario_network import read_network
from archipel.formats.series import read_profiles
from archipel.formats.three_phase import read_three_phase
from archipel.model import Connection, Fleet, IslandRules, Problem, Profiles, Scenario, ScenarioInvalid, Tariff

Tables = dict[str, dict[str, Any]]


def load_scenario(name_or_path: str | Path, seed: int | None = None) -> Scenario:
    """A shipped scenario by its name (`district`, `city`, ...) or one of your own by the path of its TOML file.

    `seed` replaces the scenario's own and draws another population. Raises ScenarioInvalid with all problems.
    """
    path = find_scenario(name_or_path)
    findings = Findings()
    if seed is not None and seed < 0:
        findings.add(path.name, "[scenario]", "seed", str(seed), "a whole number, at least 0", "Choose another seed.")
        raise ScenarioInvalid(tuple(findings.problems))
    scenario = _read(path, seed, findings)
    if len(findings) or scenario is None:
        raise ScenarioInvalid(tuple(findings.problems))
    return scenario


def check_scenario(name_or_path: str | Path) -> tuple[Problem, ...]:
    """Everything that is wrong with a scenario; empty when it can be used."""
    findings = Findings()
    try:
        _read(find_scenario(name_or_path), None, findings)
    except ScenarioInvalid as invalid:
        return invalid.problems
    return tuple(findings.problems)


def shipped_scenarios() -> dict[str, Path]:
    """The scenarios that come with this package: file by name."""
    folder = Path(str(files("archipel.scenarios")))
    return {path.stem: path for path in sorted(folder.glob("*/*.toml"))}


def find_scenario(name_or_path: str | Path) -> Path:
    """The TOML file of a shipped scenario's name or of a path (a folder means the one TOML file in it)."""
    shipped = shipped_scenarios()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    path = Path(name_or_path)
    if path.is_dir() and len(inside := sorted(path.glob("*.toml"))) == 1:
        return inside[0]
    if path.is_file():
        return path
    raise ScenarioInvalid((_not_found(path, shipped),))


def _not_found(path: Path, shipped: Iterable[str]) -> Problem:
    """Why a path names no scenario, and what to write instead."""
    if path.is_dir():
        held = [one.name for one in sorted(path.glob("*.toml"))]
        if not held:
            return Problem(
                str(path), "", "", "a folder that holds no scenario", "a folder with a scenario's TOML file",
                "Name another folder, or bring a network into it: archipel import.",
            )  # fmt: skip
        shown = ", ".join(held[:8]) + (", ..." if len(held) > 8 else "")
        count = {2: "two", 3: "three", 4: "four"}.get(len(held), f"{len(held)}")
        return Problem(
            str(path), "", "", f"a folder that holds {count} scenarios: {shown}", "one of them",
            f"Name it, such as {path / held[0]}.",
        )  # fmt: skip
    found, expected = "no such file or scenario", "a scenario's TOML file, or the name of a shipped scenario"
    if path.suffix != ".toml" and len(path.parts) == 1:
        near = _near_paths(path, cutoff=0.75) if not get_close_matches(path.name, shipped) else []
        mend = f"Did you mean {near[0]}?" if near else did_you_mean(str(path), shipped)
    elif near := _near_paths(path):
        mend = f"Did you mean {near[0]}?"
    elif not path.parent.is_dir():
        mend = f"There is no folder {path.parent}. Correct the path."
    else:
        mend = f"The folder {path.parent} holds no TOML file of a like name. Correct the path."
    return Problem(str(path), "", "", found, expected, mend)


def _near_paths(path: Path, cutoff: float = 0.6) -> list[Path]:
    """Folders and TOML files with almost that name, one mistyped part at a time from the left; the nearest first."""
    at, parts = Path(path.anchor), path.parts[1:] if path.anchor else path.parts
    for i, part in enumerate(parts):
        if (at / part).exists():
            at = at / part
            continue
        last = i == len(parts) - 1
        try:
            held = [one for one in at.iterdir() if one.is_dir() or (last and one.suffix == ".toml")]
        except OSError:
            return []
        near = get_close_matches(part, [one.name for one in held], n=1, cutoff=cutoff)
        if not near:
            return []
        at = at / near[0]
    return [at] if at != path else []


def title_of(path: Path) -> str:
    """The title in a scenario's TOML file; empty when it cannot be read."""
    tables = _keys(path, Findings())
    return "" if tables is None or "scenario" not in tables else str(tables["scenario"]["title"] or "")


def _read(path: Path, seed: int | None, findings: Findings) -> Scenario | None:
    """The scenario, or None; every problem goes into `findings`."""
    tables = _keys(path, findings)
    if tables is None:
        return None
    folder, toml = path.parent, path.name
    _check_files(folder, tables, toml, findings)
    series, network, prices = tables["series"], tables["network"], tables["series.price"]
    profiles = read_profiles(folder, series["profiles"], series["zone"], findings) if series["profiles"] else None
    found = None
    if network["nodes"] and tables["network.source"]["node"] is not None:
        found = read_network(folder, network, tables["network.source"], toml, findings)
    archipelago = None
    if found is not None and tables["cells"]["cells"]:
        archipelago = read_cells(folder, tables["cells"], *found, network["nodes"], findings)
    grid = None if found is None else found[0]
    devices = read_devices(folder, tables["devices"], grid, profiles, toml, findings)
    _check_together(tables, devices, profiles, toml, findings)
    seed = tables["scenario"]["seed"] if seed is None else seed
    rules = read_rules(tables["island"], toml, findings)
    price = None
    if profiles is not None and seed is not None and None not in (prices["mean_eur_per_mwh"], prices["noise"]):
        price = read_prices(folder, prices, profiles, seed, toml, findings)
    if (
        len(findings)
        or profiles is None
        or grid is None
        or archipelago is None
        or price is None
        or seed is None
        or rules is None
    ):
        return None
    recipe = {name: table for name, table in tables.items() if name.startswith("population")}
    devices = populate(devices, recipe, archipelago, profiles, seed)
    check_island(rules, float(devices.battery.e_kwh.sum()), toml, findings)
    if len(findings):
        return None
    about = tables["scenario"]
    planning = {key: value for key, value in tables["planning"].items() if key != "horizon_h"}
    scenario = Scenario(
        name=about["name"] or path.stem,
        title=about["title"],
        grid=grid,
        archipelago=archipelago,
        fleets=_fleets(devices, profiles, rules, tables["tariff"]["voll_eur_per_kwh"]),
        profiles=profiles,
        price=price,
        tariff=Tariff(**tables["tariff"]),
        connection=Connection(**tables["connection"]),
        start=about["start"].astimezone(UTC),
        days=about["days"],
        seed=seed,
        overvoltage_trip=tables["rules"]["overvoltage_trip"],
        island=rules,
        folder=folder,
        **planning,
    )
    three_phase = read_three_phase(folder, tables["network.three_phase"], grid, scenario.device_id, toml, findings)
    if len(findings):
        return None
    scenario = replace(scenario, three_phase=three_phase)
    if tables["owners"]["file"]:
        ownership = read_owners(
            folder / tables["owners"]["file"],
            [cell.id for cell in archipelago.cell],
            scenario.device_cell,
            scenario.device_kind,
            findings,
            tables["owners"]["file"],
        )
        if ownership is None:
            return None
        scenario = replace(scenario, ownership=ownership)
    return with_reserve(scenario)


def _fleets(devices: DeviceRows, profiles: Profiles, rules: IslandRules, voll_eur_per_kwh: float) -> tuple[Fleet, ...]:
    """All fleets; off grid batteries hold at the end of a plan what is kept for critical load."""
    fleets = make_fleets(devices, profiles)
    size = float(devices.battery.e_kwh.sum())
    if not rules.off_grid or size <= 0:
        return fleets
    fleets = with_critical(fleets, rules, voll_eur_per_kwh)
    share = min(rules.reserve_kwh / size, 1.0)
    return tuple(replace(f, off_grid_share=share) if isinstance(f, BatteryFleet) else f for f in fleets)


def _keys(path: Path, findings: Findings) -> Tables | None:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        findings.add(path.name, "", "", f"no TOML: {error}", "a TOML file in UTF-8",
                     "Correct it at the line and column named.")  # fmt: skip
        return None
    return read_keys(document, path.name, findings)


def _check_files(folder: Path, tables: Tables, toml: str, findings: Findings) -> None:
    """Findings for files that leave the folder or do not exist; such keys are emptied so that nothing opens them."""
    for name, keys in TABLES.items():
        for key, spec in keys.items():
            value = tables.get(name, {}).get(key)
            if spec.kind == "file" and value is not None:
                if not _usable(folder, value, toml, name, key, findings):
                    tables[name][key] = None
            elif spec.kind == "files" and value:
                usable = [_usable(folder, one, toml, name, key, findings) for one in value]
                tables[name][key] = value if all(usable) else None


def _usable(folder: Path, file: str, toml: str, table: str, key: str, findings: Findings) -> bool:
    inside = "a file in the scenario's folder or below it"
    windows, posix = PureWindowsPath(file), PurePosixPath(file)
    if windows.drive or windows.is_absolute() or posix.is_absolute() or ".." in windows.parts or "\0" in file:
        findings.add(
            toml, f"[{table}]", key, repr(file), inside, "Copy the file there and name it without '..' or '/'."
        )
        return False
    path = folder / file
    try:
        outside = not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links in a circle
        outside = True
    if outside:
        findings.add(toml, f"[{table}]", key, f"{file!r}, a link that leads outside", inside, "Copy the file itself.")
        return False
    if not path.is_file():
        near = {p.relative_to(folder).as_posix() for p in folder.rglob(f"*{path.suffix}")}
        findings.add(toml, f"[{table}]", key, f"{file!r}, which does not exist", inside, did_you_mean(file, near))
        return False
    return True


def _check_together(
    tables: Tables, devices: DeviceRows, profiles: Profiles | None, toml: str, findings: Findings
) -> None:
    """What only several tables together can tell."""
    if profiles is None:
        return
    end = profiles.start + timedelta(minutes=15) * len(profiles.value)
    start = tables.get("scenario", {}).get("start")
    if len(profiles.value) < 96:
        findings.add(toml, "[series]", "profiles", f"{len(profiles.value)} quarter hours", "at least a day (96)",
                     "Give longer series.")  # fmt: skip
    if start is not None:
        if not profiles.start <= start < end:
            findings.add(toml, "[scenario]", "start", f"{start.isoformat()}",
                         f"a time from {profiles.start:%Y-%m-%dT%H:%MZ} to {end:%Y-%m-%dT%H:%MZ}, where series exist",
                         "Choose a day the profiles cover.")  # fmt: skip
        elif (start - profiles.start) % timedelta(minutes=15):
            findings.add(toml, "[scenario]", "start", f"{start.isoformat()}", "a full quarter hour", "Round it.")
    pump = tables.get("population.heat_pumps")
    if pump is not None and pump["profile"] and pump["profile"] not in profiles.name:
        findings.add(toml, "[population.heat_pumps]", "profile", repr(pump["profile"]), "a series of the profile files",
                     did_you_mean(pump["profile"], profiles.name))  # fmt: skip
    for name, key in (
        ("population.ev", "from_profiles"),
        ("population.ev_homes", "of_profiles"),
        ("population.heat_pumps", "of_profiles"),
    ):
        patterns = tables.get(name, {}).get(key)
        if patterns and devices.load.id and not matches(devices.load.profile, patterns).any():
            findings.add(toml, f"[{name}]", key, repr(patterns), "patterns that some load's profile fits",
                         did_you_mean(patterns[0], set(devices.load.profile)))  # fmt: skip
    taken = tables.get("population.ev", {}).get("from_profiles") or []
    single = {name for name in devices.load.profile if f"{name}_pload" not in profiles.name}
    for name in sorted(single):
        if matches((name,), taken)[0]:
            findings.add(toml, "[population.ev]", "from_profiles", repr(name),
                         "charging profiles with a series _pload", "Correct the patterns.")  # fmt: skip
