"""From a scenario without devices to one with them: a new TOML file and new tables beside the old ones."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

import numpy as np

from archipel.formats.adopting.account import FIRST_WORDS, Account, account_of
from archipel.formats.adopting.customers import Customers, customers_of, kinds_of_loads
from archipel.formats.adopting.document import document_text, move_in, read_rows, rows_text, staged
from archipel.formats.adopting.kinds import KINDS
from archipel.formats.adopting.loads import LoadPlan, load_values, plan_loads, shared_by_many
from archipel.formats.adopting.local_clock import ZONE, LocalClock, local_clock
from archipel.formats.adopting.options import AdoptOptions
from archipel.formats.adopting.refusals import check_options, check_scenario_to_adopt, refuse
from archipel.formats.adopting.setting import Placed, Row, Setting, chosen
from archipel.formats.adopting.standard_loads import standard_profile
from archipel.formats.fleets import load_series
from archipel.formats.scenario import check_scenario, find_scenario, load_scenario
from archipel.formats.series import write_profiles
from archipel.model import Bools, Floats, Scenario, ScenarioInvalid

DEFAULT_YEAR = 2016
"""The year of the measured sun; with ARCHIPEL_DATA its real prices can be used too."""

LARGE_NODES = 1000
LARGE_PLANNING = {"replan_steps": 8, "central_replan_steps": 8}
"""Networks from so many nodes on are planned every two hours instead of every hour, unless they say otherwise."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Adopted:
    """What an adoption left behind."""

    scenario: Path
    """The new TOML file."""
    account: Account


def adopt(source: str | Path, options: AdoptOptions) -> Adopted:
    """Give devices to the customers of a scenario and write the result beside it.

    The same scenario and options give the same bytes. Nothing of the old scenario is changed, and nothing is left where
    the new one cannot be used. Raises ScenarioInvalid with every problem.
    """
    path = find_scenario(_imported(Path(source)))
    check_options(options)
    old = load_scenario(path)
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    name = options.name or f"{path.stem}-adopted"
    check_scenario_to_adopt(path, document, name, options)
    folder, files = path.parent, dict(document.get("devices", {}))
    tables = {key: read_rows(folder / file) for key, file in files.items() if isinstance(file, str)}
    loads = tables.get("loads", [])
    node_kv = dict(zip(old.grid.nodes.id, old.grid.nodes.vn_kv.tolist(), strict=True))
    given = tuple(row.get("profile") or "" for row in loads)
    p_kw = np.array([float(row["p_kw"]) for row in loads])
    use = p_kw * 8760.0 * _mean_of(given, old)
    kinds = kinds_of_loads(given, p_kw, use, np.array([node_kv[row["node"]] for row in loads]), old.grid.f_hz)
    alike = shared_by_many(given) if options.profiles == "auto" else set()
    renew = [bool(what) and options.profiles != "given" and (options.profiles == "standard" or profile in {"", *alike})
             for (what, _), profile in zip(kinds, given, strict=True)]  # fmt: skip
    base = tuple("" if options.profiles == "standard" else profile for profile in given)
    keeps = _keeps_series(tables, [was for was, new in zip(base, renew, strict=True) if not new or was])
    clock = _clock(old, options, keeps, path.name)
    customers = customers_of(tuple(row["id"] for row in loads), kinds)
    node = tuple(loads[i]["node"] for i in customers.load)
    bare = Setting(customers, node, np.zeros(len(customers)), clock, old.grid.f_hz, options)
    plan = plan_loads(base, kinds, renew, old.profiles, bare)
    value = load_values(plan.profile, plan, old.profiles if keeps else None, len(clock))
    mean = np.array([value[profile].mean() for profile in plan.profile])
    e_kwh = (
        (p_kw * mean)[customers.load] * customers.share / customers.homes * 8760.0 if len(customers) else np.zeros(0)
    )
    setting = Setting(customers, node, e_kwh, clock, old.grid.f_hz, options)
    placed, had = _place(setting, tables, path.name)
    account = account_of(old, options, setting, kinds, plan, p_kw, value, placed, had, _given_total(old, keeps, clock))
    begin = account.hardest_day if not options.start else _start(options.start, clock)
    series = dict(plan.series) | {k: v for one in placed.values() for k, v in one.series.items()}
    new = _document(document, path, name, options, keeps, begin, len(old.grid.nodes))
    account = replace(account, lines=(*account.lines, *_rhythm(document, len(old.grid.nodes))))
    written = _tables(name, loads, plan, tables, placed)
    new.setdefault("devices", {}).update({key: file for key, (file, _) in written.items()})
    _put(folder, name, new, written, series, clock, old, options, account)
    return Adopted(folder / f"{name}.toml", account)


def _imported(source: Path) -> Path:
    """In a folder with scenarios that were adopted, the one they were made of."""
    if not source.is_dir():
        return source
    made = f"# {FIRST_WORDS}".encode()
    found = [path for path in sorted(source.glob("*.toml")) if not path.read_bytes().startswith(made)]
    return found[0] if len(found) == 1 else source


def _mean_of(profile: tuple[str, ...], old: Scenario) -> Floats:
    """Mean of every load's series, or what a standard profile would give it."""
    year = _year(DEFAULT_YEAR)
    standard = standard_profile("home", year)
    mean = {"": float(standard.mean() / standard.max())}
    for name in set(profile) - {""}:
        pair = load_series(name, old.profiles.name)
        mean[name] = float(old.profiles.value[:, old.profiles.name.index(pair[0])].mean()) if pair else 0.0
    return np.array([mean[name] for name in profile])


def _year(year: int) -> LocalClock:
    start, end = (datetime(y, 1, 1, tzinfo=ZONE).astimezone(UTC) for y in (year, year + 1))
    return local_clock(start, round((end - start).total_seconds() / 900.0))


def _keeps_series(tables: Mapping[str, list[Row]], load_profiles: list[str]) -> bool:
    """Whether anything goes on naming the old series."""
    others = [row.get("profile") for key, rows in tables.items() if key != "loads" for row in rows]
    return any(load_profiles) or any(others) or "ev_sessions" in tables


def _clock(old: Scenario, options: AdoptOptions, keeps: bool, file: str) -> LocalClock:
    if not keeps:
        return _year(options.year or DEFAULT_YEAR)
    profiles = old.profiles
    if options.year is not None and options.year != profiles.start.astimezone(ZONE).year:
        refuse(file, "[series]", "profiles", f"series from {profiles.start:%Y-%m-%d} that devices go on using",
               f"series of {options.year}", "Leave --year out, or replace them with --profiles standard.")  # fmt: skip
    return local_clock(profiles.start, len(profiles.value))


def _place(setting: Setting, tables: Mapping[str, list[Row]], file: str) -> tuple[dict[str, Placed], dict[str, int]]:
    """Devices of every kind, and how many customers had one before."""
    placed, had = {}, {}
    for name, kind in KINDS.items():
        share = setting.options.shares.get(name, 0.0)
        has = _has(setting.customers, setting.node, tables.get(kind.table, []))
        who = chosen(setting, kind.order or name, setting.customers.of(*kind.customers), has, share)
        setting.taken[name] = who
        had[name] = int(has[who].sum())
        new = who[~has[who]]
        if not len(new):
            if share > 0.0 and not len(who):
                refuse(file, "[devices]", "loads", f"{len(setting.customers)} customers", f"one for {kind.words}",
                       f"Leave --{name} out, or raise its share.")  # fmt: skip
            continue
        placed[name] = kind.place(setting, new)
    return placed, had


def _has(customers: Customers, node: tuple[str, ...], rows: list[Row]) -> Bools:
    """Which customers have a device of the scenario's own: the first at its node, one each."""
    left = Counter(row.get("node", "") for row in rows)
    has = np.zeros(len(customers), dtype=np.bool_)
    for i, where in enumerate(node):
        if left[where] > 0:
            has[i], left[where] = True, left[where] - 1
    return has


def _given_total(old: Scenario, keeps: bool, clock: LocalClock) -> dict[str, Any]:
    """Fleets of the old scenario that give power by a series, for the account."""
    return {fleet.kind: fleet for fleet in old.fleets if fleet.kind in {"pv", "generator"}} if keeps else {}


def _start(text: str, clock: LocalClock) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        refuse("--start", "", "", repr(text), "a day such as 2016-05-26", "Correct it.")
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    row = (time - clock.start).total_seconds() / 900.0
    if not 0 <= row < len(clock) or row % 1:
        refuse("--start", "", "", text, f"a quarter hour of the series, which begin on {clock.start:%Y-%m-%dT%H:%MZ}",
               "Choose another day, or another year with --year.")  # fmt: skip
    return time


def _document(
    document: dict[str, Any], path: Path, name: str, options: AdoptOptions, keeps: bool, start: datetime, nodes: int
) -> dict[str, Any]:
    """The new TOML document; its tables of devices are named by whoever writes them."""
    new = {key: dict(value) if isinstance(value, dict) else value for key, value in document.items()}
    about = new.setdefault("scenario", {})
    title = about.get("title") or path.stem
    shares = ", ".join(f"{key} {share:g}" for key, share in options.shares.items() if share)
    about.update(name=name, title=f"{title}, with {shares or 'profiles'}", start=start, seed=options.seed)
    if nodes >= LARGE_NODES:
        new["planning"] = LARGE_PLANNING | new.get("planning", {})
    files = list(new["series"].get("profiles", [])) if keeps else []
    new["series"] = {key: value for key, value in new["series"].items() if key not in {"profiles", "price", "zone"} or
                     (key == "zone" and keeps)}  # fmt: skip
    new["series"]["profiles"] = files
    if options.price in {"formula", "de-2016"}:
        new["series"]["price"] = {"source": options.price, "mean_eur_per_mwh": 35.0}
    else:
        new["series"]["price"] = {"source": "file", "file": f"{name}-price{Path(options.price).suffix}"}
    return new


def _rhythm(document: Mapping[str, Any], nodes: int) -> list[str]:
    """What is said of planning that is made rarer because the network is large."""
    if nodes < LARGE_NODES or not LARGE_PLANNING.keys() - document.get("planning", {}).keys():
        return []
    return [
        f"  {nodes:,} nodes: a plan every two hours, not every hour, where [planning] said nothing: a day takes long"
    ]


def _tables(
    name: str, loads: list[Row], plan: LoadPlan, tables: Mapping[str, list[Row]], placed: Mapping[str, Placed]
) -> dict[str, tuple[str, bytes]]:
    """File and text of every table of devices that differs from the old scenario's, by its key."""
    rows: dict[str, list[Row]] = {}
    if plan.renewed or plan.varied:
        rows["loads"] = [row | {"profile": profile} for row, profile in zip(loads, plan.profile, strict=True)]
    for key, one in placed.items():
        table = KINDS[key].table
        rows[table] = [*rows.get(table, tables.get(table, [])), *one.rows]
        if one.sessions:
            rows["ev_sessions"] = [*rows.get("ev_sessions", tables.get("ev_sessions", [])), *one.sessions]
    if "ev_chargers" in rows and "ev_sessions" not in rows:
        rows["ev_sessions"] = [{"charger": "", "start": "", "end": "", "e_kwh": ""}][:0]
    return {key: (f"{name}-{key.replace('_', '-')}.csv", rows_text(some)) for key, some in rows.items()}


def _put(
    folder: Path, name: str, document: dict[str, Any], written: Mapping[str, tuple[str, bytes]],
    series: Mapping[str, Any], clock: LocalClock, old: Scenario, options: AdoptOptions, account: Account,
) -> None:  # fmt: skip
    """Write everything beside the scenario, look at it as a reader would, and only then put it in place."""
    new_files = [file for file, _ in written.values()]
    if series:
        file = f"{name}-profiles.parquet"
        document["series"]["profiles"] = [*document["series"]["profiles"], file]
        new_files.append(file)
    price = document["series"]["price"].get("file")
    new_files += [price] if price else []
    keep = [file for file in named_files(document, folder) if file not in new_files]
    with staged(folder, keep) as stage:
        for file, text in written.values():
            (stage / file).write_bytes(text)
        if series:
            names = sorted(series)
            value = np.column_stack([series[key] for key in names]).astype(np.float32)
            write_profiles(stage / f"{name}-profiles.parquet", clock.start, names, value, level=6)
        if price:
            (stage / price).write_bytes(Path(options.price).read_bytes())
        (stage / f"{name}.toml").write_text(document_text(document, account.notes), encoding="utf-8")
        problems = check_scenario(stage / f"{name}.toml")
        if problems:
            raise ScenarioInvalid(problems)
        move_in(stage, folder, [*new_files, f"{name}.toml"])


def named_files(document: Mapping[str, Any], folder: Path) -> list[str]:
    """Every file a document names, those of folders it names included; what it names has been checked before."""
    found: list[str] = []
    for value in document.values():
        if isinstance(value, Mapping):
            found += named_files(value, folder)
        for name in value if isinstance(value, list) else [value]:
            if not isinstance(name, str) or not name or "\0" in name or ".." in name or Path(name).is_absolute():
                continue
            path = folder / name
            found += [name] if path.is_file() else []
            found += [file.relative_to(folder).as_posix() for file in path.rglob("*") if file.is_file()] if (
                path.is_dir() and path != folder) else []  # fmt: skip
    return list(dict.fromkeys(found))
