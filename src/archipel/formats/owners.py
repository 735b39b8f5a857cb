"""Owners, portfolios and contracts: the TOML file that `[owners] file` of a scenario names.

[[owner]]      id, name, cells (whose networks they run), devices = [{cells = [...], kinds = [...]}], rest
[[portfolio]]  id, name, operator, split, parent
[[contract]]   id, owner, portfolio, products, cells, kinds, share, notice_s, away, ...
[terms]        prices beside the day-ahead price
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from archipel.formats.findings import Findings, did_you_mean
from archipel.formats.scenario_keys import Key, read_value
from archipel.model import PRODUCTS, SPLITS, Bools, Contract, Ints, Owner, Ownership, Portfolio, Terms

TABLES: Mapping[str, Mapping[str, Key]] = {
    "owner": {
        "id": Key("text"),
        "name": Key("text", ""),
        "cells": Key("patterns", []),
        "devices": Key("tables", []),
        "rest": Key("flag", False),
    },
    "portfolio": {
        "id": Key("text"),
        "name": Key("text", ""),
        "operator": Key("text"),
        "split": Key("text", "pro_rata", one_of=SPLITS),
        "parent": Key("text", ""),
    },
    "contract": {
        "id": Key("text"),
        "owner": Key("text"),
        "portfolio": Key("text"),
        "products": Key("patterns"),
        "cells": Key("patterns", []),
        "kinds": Key("patterns", []),
        "share": Key("number", 1.0, low=0.0, high=1.0),
        "fee_eur_per_kw_year": Key("number", 0.0, low=0.0),
        "notice_s": Key("number", 0.0, low=0.0, high=7 * 86400.0),
        "away": Key("tables", []),
        "penalty_eur_per_kwh": Key("number", 0.0, low=0.0),
        "availability": Key("number", 0.95, low=0.0, high=1.0),
    },
}
_EMPTY: Mapping[str, Any] = {"text": "", "patterns": [], "tables": [], "flag": False, "number": 0.0}
TERMS: Mapping[str, Key] = {one.name: Key("number", one.default, low=0.0) for one in fields(Terms)}


def read_owners(
    path: Path,
    cells: Sequence[str],
    device_cell: Ints,
    device_kind: Sequence[str],
    findings: Findings,
    name: str = "",
) -> Ownership | None:
    """Whose everything is, and the portfolios; None and findings for everything that cannot be.

    Args:
        path: the file.
        cells: ids of all cells.
        device_cell: row of the cell of every device, shape (devices,).
        device_kind: kind of every device.
        findings: problems are added here.
        name: what the file is called in them; its own name by default.
    """
    before = len(findings)
    file = name or path.name
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        findings.add(file, "", "", f"no TOML: {error}", "a TOML file in UTF-8",
                     "Correct it at the line and column named.")  # fmt: skip
        return None
    rows = {table: _rows(document, table, file, findings) for table in TABLES}
    terms = _terms(document, file, findings)
    for key in document:
        if key not in {*TABLES, "terms"}:
            findings.add(file, "", key, f"the unknown table {key!r}", "only owner, portfolio, contract, terms",
                         did_you_mean(key, [*TABLES, "terms"]))  # fmt: skip
    there = _There(file, tuple(cells), device_cell, np.array(device_kind, dtype=str), findings)
    owners = [one["id"] for one in rows["owner"]]
    cell_owner, device_owner = there.owned(rows["owner"])
    _check_names(rows, owners, file, findings)
    device_contract = there.promised(rows["contract"], owners, device_owner)
    if findings.since(before):
        return None
    return Ownership(
        owner=tuple(Owner(one["id"], one["name"] or one["id"]) for one in rows["owner"]),
        cell_owner=cell_owner,
        device_owner=device_owner,
        portfolio=_portfolios(rows),
        device_contract=_by_portfolio(rows, device_contract),
        terms=terms,
    )


def _rows(document: Mapping[str, Any], name: str, file: str, findings: Findings) -> list[dict[str, Any]]:
    """The tables [[name]] with defaults; findings for keys, kinds of values and ids that appear twice.

    What is missing or wrong is empty, so that all else can still be checked.
    """
    given = document.get(name, [])
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        findings.add(file, f"[[{name}]]", "", "no list of tables", f"tables that begin with [[{name}]]",
                     "Write two brackets each side.")  # fmt: skip
        return []
    if not given:
        findings.add(file, f"[[{name}]]", "", "none", "at least one", f"Add [[{name}]].")
    rows, ids = [], set()
    for number, one in enumerate(given, 1):
        where = f"{name} {one.get('id', number)}"
        for key in one:
            if key not in TABLES[name]:
                findings.add(file, where, str(key), f"the unknown key {key!r}", "only keys of the format",
                             did_you_mean(str(key), TABLES[name]))  # fmt: skip
        values = {key: read_value(one, key, spec, where, file, findings) for key, spec in TABLES[name].items()}
        rows.append({key: _EMPTY[TABLES[name][key].kind] if v is None else v for key, v in values.items()})
        if one.get("id") in ids:
            findings.add(file, where, "id", f"a second {name} {one['id']!r}", "every id once", "Give it another id.")
        ids.add(one.get("id") if isinstance(one.get("id"), str) else None)
    return rows


def _terms(document: Mapping[str, Any], file: str, findings: Findings) -> Terms:
    given = document.get("terms", {})
    if not isinstance(given, Mapping):
        findings.add(file, "[terms]", "", f"{given!r}", "a table", "Write [terms] with its keys below.")
        return Terms()
    for key in given:
        if key not in TERMS:
            findings.add(file, "[terms]", str(key), f"the unknown key {key!r}", "only keys of the format",
                         did_you_mean(str(key), TERMS))  # fmt: skip
    values = {key: read_value(given, key, spec, "terms", file, findings) for key, spec in TERMS.items()}
    return Terms(**{key: value for key, value in values.items() if value is not None})


def _check_names(rows: dict[str, list[dict[str, Any]]], owners: list[str], file: str, findings: Findings) -> None:
    """Findings for names that mean nothing, and portfolios that are members of themselves."""
    portfolios = [one["id"] for one in rows["portfolio"]]
    for one in rows["portfolio"]:
        _known(one["operator"], owners, file, f"portfolio {one['id']}", "operator", "the id of an owner", findings)
        if one["parent"]:
            _known(one["parent"], portfolios, file, f"portfolio {one['id']}", "parent", "the id of a portfolio",
                   findings)  # fmt: skip
    for one in rows["contract"]:
        where = f"contract {one['id']}"
        _known(one["owner"], owners, file, where, "owner", "the id of an owner", findings)
        _known(one["portfolio"], portfolios, file, where, "portfolio", "the id of a portfolio", findings)
        for product in one["products"]:
            _known(product, PRODUCTS, file, where, "products", "products that exist", findings)
        _check_away(one, where, file, findings)
    parent = {one["id"]: one["parent"] for one in rows["portfolio"]}
    for name, above in parent.items():
        seen, at = {name}, above
        while at and at in parent and at not in seen:
            seen.add(at)
            at = parent[at]
        if at == name:
            findings.add(file, f"portfolio {name}", "parent", "a portfolio that is a member of itself",
                         "portfolios that nest", "Remove one of the parents.")  # fmt: skip


def _check_away(contract: dict[str, Any], where: str, file: str, findings: Findings) -> None:
    for one in contract["away"]:
        begin, end = one.get("start"), one.get("end")
        times = all(isinstance(t, datetime) and t.tzinfo is not None for t in (begin, end))
        if not times or set(one) != {"start", "end"} or begin >= end:
            found = ", ".join(f"{key} = {value}" for key, value in one.items()) or "nothing"
            findings.add(file, where, "away", found, "{start = ..., end = ...}, times with their offset, "
                         "the start before the end", "Correct away.")  # fmt: skip


def _known(word: str, known: Sequence[str], file: str, where: str, key: str, expected: str, findings: Findings) -> None:
    if word and word not in known:
        findings.add(file, where, key, repr(word), expected, did_you_mean(word, known))


class _There:
    """What owners and contracts may name."""

    def __init__(
        self, file: str, cells: tuple[str, ...], device_cell: Ints, kind: np.ndarray[Any, Any], findings: Findings
    ) -> None:
        self._file, self._cells, self._cell, self._kind, self._findings = file, cells, device_cell, kind, findings

    def devices(self, cells: Sequence[str], kinds: Sequence[str], where: str) -> Bools:
        """Devices in these cells of these kinds; no cells or kinds named: all."""
        for cell in cells:
            _known(cell, self._cells, self._file, where, "cells", "the id of a cell", self._findings)
        for kind in kinds:
            _known(kind, sorted(set(self._kind.tolist())), self._file, where, "kinds", "a kind of device there is",
                   self._findings)  # fmt: skip
        rows = [self._cells.index(cell) for cell in cells if cell in self._cells]
        named = np.isin(self._cell, rows) if cells else np.ones(len(self._cell), dtype=bool)
        return np.asarray(named & (np.isin(self._kind, list(kinds)) if kinds else True))

    def owned(self, owners: list[dict[str, Any]]) -> tuple[Ints, Ints]:
        """Row of the owner of every cell and of every device; findings for what has two or none."""
        cell_owner = np.full(len(self._cells), -1)
        device_owner = np.full(len(self._cell), -1)
        for row, one in enumerate(owners):
            where = f"owner {one['id']}"
            for cell in one["cells"]:
                _known(cell, self._cells, self._file, where, "cells", "the id of a cell", self._findings)
            mine = np.isin(self._cells, one["cells"])
            self._twice(mine & (cell_owner >= 0), where, "cells", owners, cell_owner, "cells")
            cell_owner[mine] = row
            for part in one["devices"]:
                if set(part) - {"cells", "kinds"} or not all(isinstance(v, list) for v in part.values()):
                    self._findings.add(self._file, where, "devices", f"{dict(part)!r}",
                                       "{cells = [...], kinds = [...]}", "Correct devices.")  # fmt: skip
                    continue
                mine = self.devices(part.get("cells", []), part.get("kinds", []), where)
                self._twice(mine & (device_owner >= 0) & (device_owner != row), where, "devices", owners,
                            device_owner, "devices")  # fmt: skip
                device_owner[mine] = row
        rest = [row for row, one in enumerate(owners) if one["rest"]]
        if len(rest) == 1:
            cell_owner[cell_owner < 0], device_owner[device_owner < 0] = rest[0], rest[0]
        elif len(rest) > 1 or (cell_owner < 0).any() or (device_owner < 0).any():
            left = f"{int((cell_owner < 0).sum())} cells and {int((device_owner < 0).sum())} devices without an owner"
            self._findings.add(self._file, "[[owner]]", "rest", f"{len(rest)} owners with rest = true, and {left}",
                               "one owner of all that no other names", "Set rest = true in one [[owner]].")  # fmt: skip
        return cell_owner, device_owner

    def _twice(
        self, twice: Bools, where: str, key: str, owners: list[dict[str, Any]], owner_of: Ints, what: str
    ) -> None:
        if twice.any():
            other = owners[int(owner_of[twice][0])]["id"]
            self._findings.add(self._file, where, key, f"{int(twice.sum())} {what} that owner {other!r} has already",
                               "one owner of everything", "Take them from one of the two.")  # fmt: skip

    def promised(self, contracts: list[dict[str, Any]], owners: list[str], device_owner: Ints) -> Ints:
        """Row of the contract of every device, -1 for none; findings for what is promised twice or not at all."""
        contract_of = np.full(len(self._cell), -1)
        for row, one in enumerate(contracts):
            where = f"contract {one['id']}"
            named = self.devices(one["cells"], one["kinds"], where)
            if one["owner"] not in owners:
                continue  # said already
            mine = named & (device_owner == owners.index(one["owner"]))
            if not mine.any():
                self._findings.add(self._file, where, "", f"no device of owner {one['owner']!r} that it names",
                                   "at least one", "Correct cells or kinds, or remove the contract.")  # fmt: skip
            twice = mine & (contract_of >= 0)
            if twice.any():
                other = contracts[int(contract_of[twice][0])]["id"]
                self._findings.add(
                    self._file, where, "", f"{int(twice.sum())} devices that contract {other!r} has promised already",
                    "every device under one contract: the same flexibility is not sold twice",
                    "Tell them apart by cells or kinds, or nest the portfolios (parent).",
                )  # fmt: skip
            contract_of[mine] = row
        return contract_of


def _portfolios(rows: dict[str, list[dict[str, Any]]]) -> tuple[Portfolio, ...]:
    contracts = [
        Contract(**{
            **one,
            "products": tuple(one["products"]), "cells": tuple(one["cells"]), "kinds": tuple(one["kinds"]),
            "away": tuple((a["start"].astimezone(UTC), a["end"].astimezone(UTC)) for a in one["away"]),
        })
        for one in rows["contract"]
    ]  # fmt: skip
    return tuple(
        Portfolio(
            id=one["id"],
            name=one["name"] or one["id"],
            operator=one["operator"],
            split=one["split"],
            contracts=tuple(c for c in contracts if c.portfolio == one["id"]),
            parent=one["parent"],
        )
        for one in rows["portfolio"]
    )


def _by_portfolio(rows: dict[str, list[dict[str, Any]]], contract_of: Ints) -> Ints:
    """Rows of contracts in the order of the file become rows in the order of `Ownership.contracts`."""
    order = [
        i for portfolio in rows["portfolio"] for i, one in enumerate(rows["contract"])
        if one["portfolio"] == portfolio["id"]
    ]  # fmt: skip
    place = np.full(len(order) + 1, -1)
    place[order] = np.arange(len(order))
    return np.asarray(place[contract_of])
