"""What was read becomes files of the scenario: series, device tables, prices, and the text that names them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from archipel.formats.findings import Findings
from archipel.formats.measured.mapping import Mapping
from archipel.formats.measured.matching import POWER, Device
from archipel.formats.measured.passing import Passed
from archipel.formats.measured.span import Span, moved, span_of, write
from archipel.formats.measured.target import DeviceTable, Target
from archipel.formats.measured.toml_text import set_values
from archipel.formats.prices import read_prices

Writers = dict[str, Callable[[Path], None]]
Changes = dict[tuple[str, str], Any]


def clean(name: str) -> str:
    """A name without what spreadsheets, shells and paths take for something else."""
    return re.sub(r"[^\w .:+/@-]", "_", name).strip()[:120] or "_"


def put_series(target: Target, passed: Passed, file: str, mapping: Mapping, what: str) -> list[str]:
    """Write load or PV series, and the device tables that name them."""
    assert passed.matched is not None
    names = _profile_names([passed.names[i] for i in passed.taken], what)
    tables: dict[str, DeviceTable] = {}
    for name, i in zip(names, passed.taken, strict=True):
        for device in passed.matched.device[i]:
            table = tables.setdefault(device.table, target.tables[device.table])
            table.set(device.row, "profile", name)
            _state_power(table, device, float(passed.peak_kw[i]))
    writers: Writers = {}
    changes: Changes = {}
    for key, table in tables.items():
        new = target.free_name(key, ".csv")
        writers[new] = table.write
        changes["devices", key] = new
    return _commit(target, passed, names, file, mapping, what, writers, changes)


def _profile_names(meters: list[str], what: str) -> list[str]:
    """One series name for every meter, never beginning with what a spreadsheet takes for a formula."""
    names: list[str] = []
    seen: set[str] = set()
    for meter in meters:
        name = one = f"{what}/{clean(meter)}"
        k = 2
        while name in seen:
            name, k = f"{one}~{k}", k + 1
        seen.add(name)
        names.append(name)
    return names


def _state_power(table: DeviceTable, device: Device, peak_kw: float) -> None:
    """A device without a nominal power gets the peak of its series, so that p = p_kw * profile."""
    if device.p_kw <= 0 and peak_kw > 0:
        table.set(device.row, POWER[device.table], f"{peak_kw!r}")


def put_weather(target: Target, passed: Passed, file: str, mapping: Mapping, what: str) -> list[str]:
    """Write weather as series of their own names."""
    return _commit(target, passed, list(passed.names), file, mapping, what, {}, {})


def put_prices(target: Target, passed: Passed, file: str, mapping: Mapping, what: str) -> list[str]:
    """Write prices and make the scenario use them."""
    new = target.free_name("price", ".parquet")
    span, value = passed.plan.span, passed.value[:, 0].astype(np.float64)
    writers: Writers = {new: lambda path: _write_price(path, span, value)}
    changes: Changes = {
        ("series.price", "source"): "file",
        ("series.price", "file"): new,
        ("series.price", "column"): "price_eur_per_mwh",
    }
    return _commit(target, passed, [], file, mapping, what, writers, changes)


def _write_price(path: Path, span: Span, eur_per_mwh: NDArray[np.float64]) -> None:
    begin = np.datetime64(span.first * 900, "s")
    stamps = pa.array(begin + np.timedelta64(900, "s") * np.arange(span.rows), pa.timestamp("s", "UTC"))
    pq.write_table(pa.table({"time": stamps, "price_eur_per_mwh": eur_per_mwh}), path, compression="zstd")


def _commit(
    target: Target,
    passed: Passed,
    names: list[str],
    file: str,
    mapping: Mapping,
    what: str,
    writers: Writers,
    changes: Changes,
) -> list[str]:
    """Settle the other series, then write everything and put the text in place."""
    files = _other_series(target, passed, set(names), what, writers, changes)
    stem = re.sub(r"[^\w-]", "_", file.split(".", maxsplit=1)[0]) or "data"
    if names:
        series = target.free_name(f"{what}-{stem}", ".parquet")
        writers[series] = lambda path: write(path, passed.plan.span, names, passed.value)
        files.append(series)
    if files != target.files:
        changes["series", "profiles"] = files
    start = _start(target, passed.plan.span)
    if start is not None:
        changes["scenario", "start"] = start
    note = target.free_name(f"{what}-{stem}.mapping", ".toml")
    writers[note] = lambda path: _write_text(path, mapping.text(file))
    text = set_values(target.text, changes, target.path.name)
    gone = target.commit(writers, text)
    said = [target.path.name, *writers]
    return said + [f"{name} (removed: used no more)" for name in gone]


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _other_series(
    target: Target, passed: Passed, new: set[str], what: str, writers: Writers, changes: Changes
) -> list[str]:
    """Files of the other series after they were cut, moved, or cleared of names that come anew."""
    plan, files = passed.plan, []
    dropped = plan.old == "drop" and what != "price"
    for file, profiles in passed.old:
        old = span_of(profiles)
        keep = [k for k, name in enumerate(profiles.name) if name not in new]
        if dropped or not keep:
            continue
        if plan.old == "keep" and len(keep) == len(profiles.name):
            files.append(file)
            continue
        value = profiles.value[:, keep]
        if plan.old == "cut":
            value = value[plan.span.first - old.first :][: plan.span.rows]
        elif plan.old in {"move", "drop"}:
            value = moved(value, old, plan.span)
        name = _free(target, PurePosixPath(file).stem, writers)
        writers[name] = _writer(plan.span, [profiles.name[k] for k in keep], value)
        files.append(name)
    if plan.old == "move" and passed.old:
        _move_the_rest(target, passed, what, writers, changes)
    return files


def _free(target: Target, stem: str, writers: Writers) -> str:
    name, k = target.free_name(stem, ".parquet"), 2
    while name in writers:
        name, k = target.free_name(f"{stem}_{k}", ".parquet"), k + 1
    return name


def _writer(span: Span, names: list[str], value: NDArray[np.float32]) -> Callable[[Path], None]:
    return lambda path: write(path, span, names, value)


def _move_the_rest(target: Target, passed: Passed, what: str, writers: Writers, changes: Changes) -> None:
    """Prices from a file and charging sessions go along when the scenario moves to another time."""
    profiles = passed.old[0][1]
    old, new = span_of(profiles), passed.plan.span
    table = target.keys["series.price"]
    if what != "price" and table["source"] == "file" and table["file"]:
        price = read_prices(target.folder, table, profiles, 0, target.path.name, Findings())
        value = moved((price * 1e3).astype(np.float32)[:, None], old, new)[:, 0].astype(np.float64)
        name = target.free_name("price", ".parquet")
        writers[name] = lambda path: _write_price(path, new, value)
        changes["series.price", "file"] = name
        changes["series.price", "column"] = "price_eur_per_mwh"
    file = target.keys["devices"]["ev_sessions"]
    if file:
        sessions = target.table("ev_sessions", file)
        shift = timedelta(weeks=round((new.first - old.first) / 672))
        for i in range(len(sessions.rows)):
            for column in ("start", "end"):
                moment = datetime.fromisoformat(sessions.column(column)[i]) + shift
                sessions.set(i, column, moment.isoformat())
        name = target.free_name("ev_sessions", ".csv")
        writers[name] = sessions.write
        changes["devices", "ev_sessions"] = name


def _start(target: Target, span: Span) -> str | None:
    """A new first day for the scenario where its own lies outside the series now; None where it does not."""
    start = target.keys["scenario"]["start"]
    if start is not None and span.start <= start.astimezone(UTC) < span.end:
        return None
    first = span.start
    midnight = first.replace(hour=0, minute=0)
    if midnight < first and midnight + timedelta(days=1) < span.end:
        midnight += timedelta(days=1)
    chosen = midnight if midnight >= first else first
    return f"{chosen:%Y-%m-%dT%H:%M:%SZ}"
