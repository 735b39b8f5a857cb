"""Which meter belongs to which device: by id, by node, as a table says, in order, or one series for all."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from archipel.formats.findings import did_you_mean
from archipel.formats.measured.mapping import Mapping
from archipel.formats.measured.notes import Notes
from archipel.formats.measured.source import refuse
from archipel.formats.measured.target import DeviceTable, Target

TABLES = {"load": ("loads", "sheddable"), "pv": ("pv", "generators"), "ev": ("ev_chargers",)}
POWER = {"loads": "p_kw", "sheddable": "p_kw", "pv": "p_kw_peak", "generators": "p_kw", "ev_chargers": "p_kw"}


@final
@dataclass(frozen=True, slots=True)
class Device:
    """A row of a device table."""

    table: str
    row: int
    id: str
    node: str
    p_kw: float
    """Nominal; 0 where the table says nothing."""


@final
@dataclass(frozen=True, slots=True)
class Matched:
    """Devices of every meter, in the order of the meters; empty where none fits."""

    device: tuple[tuple[Device, ...], ...]
    how: str


def devices(target: Target, what: str) -> list[Device]:
    """The devices that can have a series of this kind."""
    found: list[Device] = []
    for key in TABLES[what]:
        table = target.tables.get(key)
        if table is not None:
            found += [_device(key, table, i) for i in range(len(table.rows))]
    return found


def _device(key: str, table: DeviceTable, i: int) -> Device:
    try:
        p_kw = float(table.column(POWER[key])[i])
    except ValueError:
        p_kw = 0.0
    return Device(key, i, table.column("id")[i], table.column("node")[i], p_kw)


def plain(name: str) -> str:
    """A name without what people write differently: case, spaces, punctuation."""
    return re.sub(r"[\W_]+", "", name.casefold())


def read_map(path: Path) -> dict[str, str]:
    """A CSV table with columns meter and device. Raises DataRefused."""
    try:
        text = path.read_bytes()[: 1 << 24].decode("utf-8-sig")
    except OSError as error:
        raise refuse(
            str(path),
            "",
            f"no file that can be read ({error.strerror})",
            "a CSV table with columns meter and device",
            "Correct the path after --map.",
        ) from None
    except UnicodeDecodeError as error:
        raise refuse(
            path.name, "", f"text that is not UTF-8 ({error})", "a CSV table in UTF-8", "Save it so."
        ) from None
    first = text.partition("\n")[0]
    rows = list(csv.reader(text.splitlines(), delimiter=";" if ";" in first else ","))
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    if "meter" not in head or "device" not in head:
        raise refuse(path.name, "", f"the header {', '.join(head) or 'nothing'}", "the columns meter and device",
                     "Write meter,device in its first line.")  # fmt: skip
    pairs = [(r[head.index("meter")].strip(), r[head.index("device")].strip()) for r in rows[1:] if len(r) >= len(head)]
    meters = [meter for meter, _ in pairs]
    twice = {meter for meter in meters if meters.count(meter) > 1} if len(set(meters)) < len(meters) else set()
    if twice:
        raise refuse(path.name, "", f"the meter {min(twice)!r} twice", "every meter once", "Remove one of the rows.")
    return dict(pairs)


def match(
    target: Target, what: str, meters: Sequence[str], mapping: Mapping, table: dict[str, str], notes: Notes
) -> Matched:
    """Devices for meters; what fits none, or the same as another, goes into `notes`."""
    every = devices(target, what)
    if not every:
        wanted = " or ".join(TABLES[what])
        notes.stop("no-device", "", f"no devices in {wanted}", "devices that were measured",
                   f"Add rows to {wanted}, or let archipel adopt place them.")  # fmt: skip
        return Matched(((),) * len(meters), "")
    if mapping.match == "every":
        return _every(every, what, meters, mapping, notes)
    if mapping.match == "order":
        own = [d for d in every if d.table == TABLES[what][0]]
        if len(meters) > len(own):
            notes.stop("too-many-meters", "", f"{len(meters):,} meters", f"at most {len(own):,}, as many as devices",
                       "Name the columns to take with --column, or the devices with --map.")  # fmt: skip
        pairs = [(own[i],) if i < len(own) else () for i in range(len(meters))]
        return Matched(tuple(pairs), "in the order of the table, as told")
    return _by_names(target, every, meters, mapping, table, notes)


def _every(every: list[Device], what: str, meters: Sequence[str], mapping: Mapping, notes: Notes) -> Matched:
    own = tuple(d for d in every if d.table == TABLES[what][0])
    if len(meters) != 1:
        notes.stop("one-series", "", f"{len(meters):,} meters", "one series when all devices follow it",
                   "Name one with --column, or --only in a table of many meters.")  # fmt: skip
    if not mapping.rating:
        notes.stop("rating", "", "one series for devices of many sizes", "the nameplate [kW] behind the series",
                   "Say it with --rating, such as --rating 5.6; devices follow in proportion to theirs.")  # fmt: skip
    return Matched((own,) + ((),) * (len(meters) - 1), f"all {len(own):,} follow one series in proportion, as told")


def _by_names(
    target: Target, every: list[Device], meters: Sequence[str], mapping: Mapping, table: dict[str, str], notes: Notes
) -> Matched:
    by_id = {d.id: d for d in every}
    loose: dict[str, list[Device]] = {}
    for d in every:
        loose.setdefault(plain(d.id), []).append(d)
    at_node = _by_node(target, every) if mapping.match in {"", "node"} else {}
    found: list[tuple[Device, ...]] = []
    ways: dict[str, int] = {}
    unknown: list[str] = []
    for meter in meters:
        wanted = table.get(meter, meter) if table else meter
        way, one = "table" if table else "id", by_id.get(wanted) if not table or meter in table else None
        if one is None and not table and mapping.match != "node":
            near = loose.get(plain(wanted), [])
            way, one = "id, but for case and punctuation", near[0] if len(near) == 1 else None
        if (one is None or mapping.match == "node") and not table:
            near = at_node.get(plain(wanted), [])
            way, one = ("node", near[0]) if len(near) == 1 else (way, one)
        if one is None:
            unknown.append(meter)
        else:
            ways[way] = ways.get(way, 0) + 1
        found.append(() if one is None else (one,))
    _tell_unknown(unknown, found, by_id, table, mapping, notes)
    _tell_shared(meters, found, notes)
    said = ", ".join(f"{count:,} by {way}" for way, count in ways.items())
    return Matched(tuple(found), f"{said} of {len(meters):,} meters" if said else "none")


def _by_node(target: Target, every: list[Device]) -> dict[str, list[Device]]:
    ids, names = target.nodes()
    name_of = dict(zip(ids, names, strict=True))
    found: dict[str, list[Device]] = {}
    for d in every:
        for word in {plain(d.node), plain(name_of.get(d.node, ""))} - {""}:
            found.setdefault(word, []).append(d)
    return found


def _tell_unknown(
    unknown: list[str],
    found: list[tuple[Device, ...]],
    by_id: dict[str, Device],
    table: dict[str, str],
    mapping: Mapping,
    notes: Notes,
) -> None:
    if not unknown:
        return
    shown = ", ".join(repr(name) for name in unknown[:5]) + (
        f" and {len(unknown) - 5:,} more" if len(unknown) > 5 else ""
    )
    words = f"{len(unknown):,} meters that no device fits: {shown}"
    if mapping.only_matched and len(unknown) < len(found):
        notes.tell("unmatched", "", words, "Left out, as told by --only-matched.", len(unknown))
        return
    wanted = table.get(unknown[0], unknown[0])
    notes.stop("unmatched", "", words, "the id of a device, or of a node with one such device",
               f"{did_you_mean(wanted, by_id)} Say which is which with --map FILE.csv (meter,device), take them "
               "in order with --match order, or leave them out with --only-matched.", len(unknown))  # fmt: skip


def _tell_shared(meters: Sequence[str], found: list[tuple[Device, ...]], notes: Notes) -> None:
    owner: dict[str, str] = {}
    for meter, those in zip(meters, found, strict=True):
        for d in those:
            if d.id in owner:
                notes.stop("shared-device", d.id, f"the meters {owner[d.id]!r} and {meter!r} for one device",
                           "one meter for a device", "Correct --map, or add them up before.")  # fmt: skip
            owner[d.id] = meter
